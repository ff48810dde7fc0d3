#include "tests/simulation/cluster/cluster_watch.h"

#include <algorithm>
#include <fmt/format.h>

#include "broker/control/control.h"
#include "broker/controller/appointer.h"
#include "broker/controller/tiers.h"

namespace ironbark::simulation {
namespace {

using broker::BrokerIds;
using broker::EventCause;
using broker::EventKind;
using broker::Metadata;
using broker::MetadataSnapshot;
using broker::PartitionRecord;
using broker::TopicRecord;

constexpr size_t versions_kept = 500;

PartitionIdentity identity_of(const TopicRecord& topic, size_t index) {
    return {topic.id, PartitionIndex(static_cast<int32_t>(index))};
}

std::string partition_text(const PartitionIdentity& identity) {
    return identity.to_string().substr(0, 8) + "/" + std::to_string(identity.partition.value);
}

std::optional<Path> path_of(EventCause cause) {
    switch (cause) {
        case EventCause::process_gone: return Path::session_gone;
        case EventCause::silent: return Path::session_silent;
        case EventCause::stopped: return Path::session_stopped;
        case EventCause::replaced: return Path::session_replaced;
        case EventCause::clean_tier: return Path::leader_of_clean_tier;
        case EventCause::without_last_leader: return Path::leader_without_last;
        case EventCause::durable_tier: return Path::leader_of_durable_tier;
        case EventCause::durable_floor: return Path::leader_of_durable_floor;
        case EventCause::only_replica: return Path::leader_of_only_replica;
        case EventCause::by_hand: return Path::leader_by_hand;
        case EventCause::moved: return Path::leader_moved;
        case EventCause::ended: return Path::leadership_ended;
        default: return std::nullopt;
    }
}

// As replicas report it: the epoch of the last record, then the end.
std::pair<Epoch, Offset> rank_of(const log::Log& log) {
    Epoch last(-1);
    for (const log::EpochStart& each : log.epoch_starts()) {
        if (each.start < log.log_end()) last = each.epoch;
    }
    return {last, log.log_end()};
}

}  // namespace

bool ClusterWatch::has_news() {
    for (size_t index = 0; index < daemons_.size(); ++index) {
        broker::Broker* broker = daemons_[index]->broker();
        if (broker == nullptr) continue;
        const MetadataSnapshot& metadata = broker->facts().shards.front()->metadata();
        if (metadata != nullptr && metadata != shown_[index].metadata) return true;
    }
    return false;
}

void ClusterWatch::look() {
    for (size_t index = 0; index < daemons_.size(); ++index) {
        broker::Broker* broker = daemons_[index]->broker();
        if (broker == nullptr) continue;
        const MetadataSnapshot metadata = broker->facts().shards.front()->metadata();
        if (metadata != nullptr && metadata != shown_[index].metadata) take(*daemons_[index], shown_[index], metadata);
    }
}

void ClusterWatch::take(DaemonNode& daemon, Shown& shown, const MetadataSnapshot& metadata) {
    const uint64_t start = daemon.node().starts();
    const int64_t version = metadata->version();
    if (shown.start == start && shown.metadata != nullptr && version < shown.metadata->version()) {
        stage_.history.fail(
            "the metadata of a daemon does not go back",
            fmt::format("{} goes from version {} to {}", daemon.node().name(), shown.metadata->version(), version));
    }
    shown = {start, metadata};
    auto [seen, is_new] = seen_.emplace(version, metadata);
    if (!is_new) {
        if (*seen->second == *metadata) return;
        stage_.history.fail(fmt::format("one metadata of version {}", version),
                            daemon.node().name() + " has another one than somebody before");
    }
    take_leaders(*metadata);
    if (newest_ == nullptr || version > newest_->version()) take_newest(metadata);
    if (seen_.size() > versions_kept) seen_.erase(seen_.begin());
}

void ClusterWatch::take_leaders(const Metadata& metadata) {
    for (const auto& [topic_name, topic] : metadata.topics()) {
        for (size_t index = 0; index < topic->partitions.size(); ++index) {
            const PartitionRecord& partition = topic->partitions[index];
            const PartitionIdentity identity = identity_of(*topic, index);
            stage_.excuses.has_replicas(identity, {partition.partition_epoch, broker::numbers_of(partition.replicas),
                                                   partition.in_sync.size(), topic->min_in_sync});
            if (partition.leader.value < 0) continue;
            const int32_t epoch = partition.leader_epoch.value;
            auto [known, is_first] = leaders_.emplace(std::pair(identity, epoch), partition.leader.value);
            if (is_first) {
                stage_.excuses.leads(identity, epoch, partition.leader.value);
                auto before = known == leaders_.begin() ? leaders_.end() : std::prev(known);
                const bool is_again = before != leaders_.end() && before->first.first == identity &&
                                      before->second == partition.leader.value;
                if (is_again) stage_.atlas.note(Path::leader_again);
            }
            if (known->second == partition.leader.value) continue;
            stage_.history.fail(fmt::format("one leader of {} in epoch {}", partition_text(identity), epoch),
                                fmt::format("{} and {}", known->second, partition.leader.value));
        }
    }
}

void ClusterWatch::take_newest(const MetadataSnapshot& metadata) {
    const MetadataSnapshot before = std::exchange(newest_, metadata);
    count_events(*metadata);
    if (before == nullptr) return;
    for (const auto& [id, broker] : before->brokers()) {
        const broker::BrokerRecord* now = metadata->find(id);
        if (now != nullptr && now->incarnation >= broker.incarnation) continue;
        stage_.history.fail("incarnations only grow", fmt::format("that of broker {} does not", id.value));
    }
    for (const auto& [topic_name, topic] : metadata->topics()) {
        const auto old = before->find(topic->id);
        if (old == nullptr || old == topic) continue;
        compare(*old, *topic);
        look_at_members(*topic);  // who joins has everything at that moment, not only soon after
    }
    // What everybody was told to be there goes by a deletion only.
    for (const auto& [topic_name, topic] : before->topics()) {
        const bool is_there = metadata->find(topic->id) != nullptr || metadata->was_deleted(topic->id);
        if (!is_there) stage_.history.fail("a topic goes when it is deleted", topic->name + " is not there any more");
    }
}

void ClusterWatch::compare(const TopicRecord& before, const TopicRecord& after) {
    for (size_t index = 0; index < before.partitions.size(); ++index) {
        const PartitionRecord& old = before.partitions[index];
        const PartitionRecord& now = after.partitions.at(index);
        if (now.leader_epoch < old.leader_epoch || now.partition_epoch < old.partition_epoch) {
            stage_.history.fail("epochs only grow",
                                "those of " + partition_text(identity_of(after, index)) + " do not");
        }
        compare_damages(identity_of(after, index), old, now);
        compare_replicas(identity_of(after, index), old, now);
        look_at_appointment(identity_of(after, index), old, now);
        if (!old.moving_to.empty() && now.moving_to.empty()) stage_.atlas.note(Path::replicas_moved);
        const size_t members = now.in_sync.size();
        if (members < old.in_sync.size()) stage_.atlas.note(Path::in_sync_shrunk);
        if (members > old.in_sync.size()) stage_.atlas.note(Path::in_sync_grown);
        if (members == old.in_sync.size()) continue;
        if (members == 1 && now.replicas.size() > 1) stage_.atlas.note(Path::in_sync_alone);
        if (members < static_cast<size_t>(after.min_in_sync)) stage_.atlas.note(Path::below_min_in_sync);
    }
}

void ClusterWatch::compare_damages(const PartitionIdentity& identity,
                                   const PartitionRecord& old,
                                   const PartitionRecord& now) {
    for (BrokerId broker : now.damaged) {
        if (broker::contains(old.damaged, broker)) continue;
        stage_.atlas.note(Path::replica_damaged);
        stage_.excuses.replica_damaged(identity, broker.value);
    }
    for (BrokerId broker : old.damaged) {
        if (broker::contains(now.damaged, broker)) continue;
        stage_.atlas.note(Path::replica_emptied);
        emptied_.insert({broker.value, identity});
    }
    for (BrokerId broker : now.in_sync) {
        if (emptied_.erase({broker.value, identity}) > 0) stage_.atlas.note(Path::replica_replaced);
    }
}

void ClusterWatch::compare_replicas(const PartitionIdentity& identity,
                                    const PartitionRecord& old,
                                    const PartitionRecord& now) {
    for (BrokerId broker : now.replicas) {
        if (broker::contains(old.replicas, broker)) continue;
        stage_.atlas.note(Path::replica_added);
        if (let_go_.erase({broker.value, identity}) > 0) stage_.atlas.note(Path::replica_added_again);
    }
    for (BrokerId broker : old.replicas) {
        if (broker::contains(now.replicas, broker)) continue;
        stage_.atlas.note(Path::replica_let_go);
        let_go_.insert({broker.value, identity});
    }
}

// In sync are those that were heard. Since then they have followed nobody, so what they have is still what they said;
// also on the daemon that shows this metadata as the first one.
void ClusterWatch::look_at_appointment(const PartitionIdentity& identity,
                                       const PartitionRecord& old,
                                       const PartitionRecord& now) {
    const bool is_next = now.leader_epoch.value == old.leader_epoch.value + 1;
    if (old.leader.value >= 0 || now.leader.value < 0 || !is_next || now.replicas.size() == 1) return;
    const broker::Partition* leader = current_replica(now.leader, identity);
    for (BrokerId member : now.in_sync) {
        const broker::Partition* partition = current_replica(member, identity);
        if (partition == nullptr) continue;
        if (partition->leader_epoch() < old.leader_epoch) {
            stage_.history.fail(fmt::format("who counts when a leader of {} is appointed has let go the one before",
                                            partition_text(identity)),
                                fmt::format("{} has not\n{}", member.value, tell(identity)));
        }
        if (leader == nullptr || rank_of(*partition->log()) <= rank_of(*leader->log())) continue;
        stage_.history.fail(
            fmt::format("who is appointed to lead {} has the most of those that were heard", partition_text(identity)),
            fmt::format("{} is, and {} has more\n{}", now.leader.value, member.value, tell(identity)));
    }
}

void ClusterWatch::count_events(const Metadata& metadata) {
    for (const broker::ClusterEvent& event : metadata.events()) {
        if (event.number <= last_event_) continue;
        last_event_ = event.number;
        const auto times = static_cast<uint64_t>(std::max<int64_t>(event.count, 1));
        switch (event.kind) {
            case EventKind::broker_ended:
                if (auto path = path_of(event.cause)) stage_.atlas.note(*path);
                break;
            case EventKind::leader_changed:
                if (auto path = path_of(event.cause)) stage_.atlas.note(*path, times);
                break;
            case EventKind::controller_changed: stage_.atlas.note(Path::controller_changed); break;
            case EventKind::failover_changed:
                stage_.atlas.note(event.value == 1 ? Path::failover_manual : Path::failover_automatic);
                break;
            default: break;
        }
        stage_.history.say("cluster", broker::text(event));
    }
}

void ClusterWatch::look_closely() {
    look();
    look_at_controllers();
    for (const auto& daemon : daemons_) {
        if (daemon->is_ready()) look_at_replicas(*daemon);
        daemon->count_cuts();
    }
    if (newest_ == nullptr) return;
    for (const auto& [topic_name, topic] : newest_->topics()) look_at_members(*topic);
}

void ClusterWatch::look_at_controllers() {
    for (const auto& daemon : daemons_) {
        if (!daemon->is_ready()) continue;
        const broker::ControlStatus status = daemon->broker()->facts().control->status();
        if (!status.is_active_controller) continue;
        auto [known, is_new] = active_in_.emplace(status.controller_term, daemon->id());
        if (known->second == daemon->id()) continue;
        stage_.history.fail(fmt::format("one active controller in term {}", status.controller_term),
                            fmt::format("{} and {}", known->second, daemon->id()));
    }
}

broker::Partition* ClusterWatch::replica(int32_t id, const PartitionIdentity& identity) {
    for (const auto& daemon : daemons_) {
        if (daemon->id() != id || !daemon->is_ready()) continue;
        const auto& shards = daemon->broker()->facts().shards;
        return shards[log::shard_of(identity, shards.size())]->find(identity);
    }
    return nullptr;
}

void ClusterWatch::look_at_replicas(DaemonNode& daemon) {
    for (const broker::Shard* shard : daemon.broker()->facts().shards) {
        for (const auto& [identity, partition] : shard->partitions()) {
            look_at_damage(daemon.id(), *partition);
            if (!partition->leads()) continue;
            const int32_t epoch = partition->leader_epoch().value;
            auto known = leaders_.find(std::pair(identity, epoch));
            if (known == leaders_.end() || known->second != daemon.id()) {
                stage_.history.fail(
                    "who leads was appointed",
                    fmt::format("{} leads {} in epoch {}", daemon.node().name(), partition_text(identity), epoch));
            }
            Marks& marks = marks_[{daemon.id(), identity}];
            const bool goes_on = marks.start == daemon.node().starts() && marks.epoch == epoch;
            const Offset high = partition->high_watermark();
            const Offset durable = partition->durable_watermark();
            if (goes_on && (high < marks.high || durable < marks.durable)) {
                stage_.history.fail(
                    fmt::format("watermarks of {} do not go back in epoch {}", partition_text(identity), epoch),
                    fmt::format("{}, {} after {}, {} at {}", high.value, durable.value, marks.high.value,
                                marks.durable.value, daemon.node().name()));
            }
            marks = {daemon.node().starts(), epoch, high, durable};
        }
    }
}

void ClusterWatch::look_at_damage(int32_t id, const broker::Partition& partition) {
    const Replica replica{id, partition.identity()};
    if (!partition.is_damaged()) {
        damaged_.erase(replica);
        return;
    }
    if (!damaged_.insert(replica).second) return;
    const log::Log* log = partition.log();
    stage_.atlas.note(log == nullptr      ? Path::damage_met_at_start
                      : log->is_damaged() ? Path::damage_met_by_a_read
                                          : Path::damage_met_as_follower);
}

// The replica of a process that the metadata knows, if its log is well.
broker::Partition* ClusterWatch::current_replica(BrokerId id, const PartitionIdentity& identity) {
    broker::Partition* partition = replica(id.value, identity);
    if (partition == nullptr || partition->state() != broker::PartitionState::online) return nullptr;
    broker::Broker* broker = daemons_[static_cast<size_t>(id.value - 1)]->broker();
    const broker::BrokerRecord* known = newest_->find(id);
    return broker->facts().control->session().incarnation() == known->incarnation ? partition : nullptr;
}

void ClusterWatch::look_at_members(const TopicRecord& topic) {
    for (size_t index = 0; index < topic.partitions.size(); ++index) {
        const PartitionIdentity identity = identity_of(topic, index);
        for (BrokerId member : topic.partitions[index].in_sync) {
            const broker::Partition* partition = current_replica(member, identity);
            if (partition == nullptr) continue;
            stage_.excuses.is_back_in_sync(identity, member.value);
            if (stage_.history.is_damaged(identity) || stage_.history.is_deleted(topic.id)) continue;
            const int64_t durable = stage_.history.durable_end(identity);
            const int32_t epoch = topic.partitions[index].leader_epoch.value;
            const int64_t replicated = stage_.history.replicated_end(identity, epoch);
            if (partition->log_end().value < replicated) {
                stage_.history.fail(
                    fmt::format("every member of the in-sync set of {} has everything below {} of epoch {}",
                                partition_text(identity), replicated, epoch),
                    fmt::format("{} has it to {}\n{}", member.value, partition->log_end().value, tell(identity)));
            }
            if (partition->durable_end().value >= durable) continue;
            stage_.history.fail(
                fmt::format("every member of the in-sync set of {} has everything below {} on disk",
                            partition_text(identity), durable),
                fmt::format("{} has it to {}\n{}", member.value, partition->durable_end().value, tell(identity)));
        }
    }
}

std::string ClusterWatch::tell(const PartitionIdentity& identity) {
    const auto topic = newest_->find(identity.topic);
    if (topic == nullptr) return partition_text(identity) + " is not there";
    const PartitionRecord& known = topic->partitions.at(static_cast<size_t>(identity.partition.value));
    std::string text = fmt::format(
        "{} of {}: leader {} in epoch {}, partition epoch {}, min-in-sync {}, in sync {}; "
        "holders {}, durable {}, moving to {}; {}",
        partition_text(identity), topic->name, known.leader.value, known.leader_epoch.value, known.partition_epoch,
        topic->min_in_sync, broker::list_of(known.in_sync), broker::list_of(known.holders),
        broker::list_of(known.durable), broker::list_of(known.moving_to),
        known.leader.value < 0 ? broker::why_nobody_leads(*newest_, *topic, known) : "");
    for (const auto& daemon : daemons_) {
        const BrokerId broker(daemon->id());
        const bool is_replica = broker::contains(known.replicas, broker);
        if (!is_replica && replica(broker.value, identity) == nullptr) continue;
        text += fmt::format("\n    {}{}: ", broker.value, is_replica ? "" : " (no replica)");
        const broker::Partition* partition = replica(broker.value, identity);
        if (partition == nullptr || partition->log() == nullptr) {
            text += "not there";
            continue;
        }
        const auto& shards = daemons_[static_cast<size_t>(broker.value - 1)]->broker()->facts().shards;
        const broker::Shard* shard = shards[log::shard_of(identity, shards.size())];
        text += fmt::format("{}{}, epoch {}, {} to {}, durable to {}, last epoch {}, watermarks {} and {}; {} {}",
                            partition->leads() ? "leads, " : "", broker::name(partition->state()),
                            partition->leader_epoch().value, partition->log_start().value, partition->log_end().value,
                            partition->durable_end().value, partition->log()->last_epoch().value,
                            partition->high_watermark().value, partition->durable_watermark().value,
                            partition->detail(), shard->replicator().problem_of(identity));
        const broker::Leadership* leadership = partition->leadership();
        if (leadership == nullptr) continue;
        for (const auto& each : leadership->replicas.replicas(stage_.simulation.now())) {
            text += fmt::format("\n        knows of {}: {}, {} durable {}", each.broker.value,
                                each.has_matched ? "matched" : "not matched", each.ends.appended.value,
                                each.ends.durable.value);
        }
        if (leadership->replicas.pending()) text += "\n        a change is pending";
    }
    return text;
}

}  // namespace ironbark::simulation
