#include "broker/shard.h"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "broker/controller/tiers.h"
#include "broker/partition/leftovers.h"

namespace ironbark::broker {
namespace {

// Opened beside each other: their disk operations overlap, and the starts of their epochs are one synced write.
constexpr size_t openings_at_a_time = 64;
constexpr const char* no_replica = "this broker is no replica of the partition any more";
// Few followers, whose requests are small.
constexpr size_t follower_connections_max = 256;
constexpr size_t follower_memory_bytes = size_t{64} << 20;
// A follower's connection carries a session with each shard, which has few requests and answers under way at a time.
constexpr size_t session_requests_max = 8;
constexpr size_t session_answer_bytes_max = size_t{4} << 20;

// An epoch that was begun and has no record yet says nothing of what is here.
Epoch epoch_of_last_record(const log::Log& log) {
    Epoch last(-1);
    for (const log::EpochStart& each : log.epoch_starts()) {
        if (each.start < log.log_end()) last = each.epoch;
    }
    return last;
}

}  // namespace

Shard::Shard(World& world, size_t index, size_t count, const Config* config)
    : world_(world),
      index_(index),
      count_(count),
      config_(*config),
      partition_context_{world, BrokerId(config->broker_id), [this] { return lease_end_; },
                         [this] { in_sync_keeper_.look(); }},
      leader_sessions_(*this),
      replicator_(*this),
      in_sync_keeper_(*this, config->replica_lag_time_max),
      metadata_changed_(world.executor),
      updated_(world.executor),
      updating_(world.executor),
      accepting_(world.executor),
      replica_accepting_(world.executor),
      scope_(world.executor) {}

Shard::~Shard() = default;

Task<Result<void>> Shard::open(const log::DataDirectory* directory, std::string* problem) {
    directory_ = directory;
    log::StoreOptions options;
    options.shard = index_;
    options.shard_count = count_;
    options.pool_files_max = static_cast<size_t>(config_.pool_files);
    options.unwritten_bytes_max = config_.unwritten_bytes;
    options.tail_bytes_max = static_cast<uint64_t>(config_.tail_bytes);
    options.reserve_bytes = static_cast<uint64_t>(config_.reserve_bytes);
    options.retention_interval = config_.retention_interval;
    Result<std::unique_ptr<log::LogStore>> store = co_await log::LogStore::open(&world_, directory, options);
    if (!store.ok()) {
        const Error& error = store.error();
        *problem =
            fmt::format("{}: {}. Restore it from a copy, or remove it to have every log read from its beginning.",
                        directory->marks_path(index_), *error.text != 0 ? error.text : ironbark::name(error.code));
        co_return error;
    }
    store_ = std::move(store).value();
    log::MarksHealth health = store_->marks().health();
    if (health.commits_lost > 0) {
        spdlog::warn("{}: {} damaged entries were skipped; recovery reads more of the logs to make up for it",
                     directory->marks_path(index_), health.commits_lost);
    }
    store_->context().on_moved = [this](log::Log& log) {
        if (Partition* partition = find(log.identity())) partition->log_moved();
    };
    store_->context().on_storage_full = [this](bool is_full) {
        if (is_full) {
            spdlog::warn("{}: the disk has no more than its reserve left: shard {} refuses records until it has",
                         directory_->path(), index_);
        } else {
            spdlog::info("{}: the disk has room again: shard {} takes records", directory_->path(), index_);
        }
    };
    store_->context().on_round = [this](const log::RoundTimes& times) {
        metrics_.write.add(times.write);
        if (times.synced) metrics_.sync.add(times.write + times.sync);
    };
    store_->start();
    co_return Result<void>();
}

Task<void> Shard::update(MetadataSnapshot metadata) {
    std::optional<Units> held = co_await updating_.lock();
    if (!held || is_closing_) co_return;
    const MetadataSnapshot before = metadata_;
    if (before != nullptr && metadata->version() <= before->version()) co_return;
    metadata_ = metadata;
    metadata_changed_.pulse();
    if (stopping_) co_return update_leaderships(*metadata);
    if (before == nullptr) co_await remove_leftovers();
    std::vector<PartitionIdentity> gone;
    for (const auto& [identity, partition] : partitions_) {
        if (metadata->find(identity.topic) != nullptr) continue;
        if (metadata->was_deleted(identity.topic)) {
            gone.push_back(identity);
            continue;
        }
        // As at the start: only a command that deletes the topic removes records.
        if (partition->leads()) {
            spdlog::warn("partition {}: its topic is not in the metadata, and was not deleted; its files are left",
                         label(identity));
        }
        replicator_.leave(identity);
        if (partition->log() != nullptr) partition->follow(partition->log(), partition->leader_epoch());
    }
    Changes changes;
    for (const auto& [topic_name, topic] : metadata->topics()) {
        bool is_unchanged = before != nullptr && before->find(topic->id) == topic;
        if (!is_unchanged) follow_topic(*topic, changes);
    }
    // Whatever was over is: from here on a lease that was granted for this metadata counts.
    roles_version_ = metadata->version();
    count_leases();
    for (const PartitionIdentity& identity : gone) co_await drop_partition(identity);
    for (const PartitionIdentity& identity : changes.releases) co_await release_partition(identity);
    replicator_.take(*metadata);
    std::vector<Task<bool>> appointments;
    for (const Role& each : changes.appointments) appointments.push_back(lead(each));
    co_await all(world_.executor, std::move(appointments));
    co_await open_partitions(std::move(changes.openings));
    in_sync_keeper_.take(*metadata);
    updated_version_ = metadata->version();
    updated_.pulse();
}

Task<void> Shard::wait_for_update(int64_t version, Instant deadline) {
    while (updated_version_ < version && world_.executor.now() < deadline) {
        const Wake wake = co_await updated_.wait(deadline);
        if (wake == Wake::closed) break;
    }
}

// A stop waits for what is being acknowledged, and that waits for what the controller says of the in-sync set. No
// leadership begins any more.
void Shard::update_leaderships(const Metadata& metadata) {
    for (auto& [identity, partition] : partitions_) {
        const PartitionRecord* record = metadata.find(identity);
        if (!partition->leads() || record == nullptr) continue;
        if (record->leader == self() && record->leader_epoch == partition->leader_epoch()) {
            take_record(*partition, *record, metadata.find(identity.topic)->min_in_sync);
        } else {
            partition->follow(partition->log(), record->leader_epoch);
        }
    }
    roles_version_ = metadata.version();
    count_leases();
}

void Shard::take_lease(Instant end, int64_t version) {
    if (version < 0) {
        leases_.clear();
        lease_end_ = Instant();
        return;
    }
    const Instant now = world_.executor.now();
    while (!leases_.empty() && leases_.front().end <= now) leases_.pop_front();
    leases_.push_back({end, version});
    count_leases();
}

void Shard::count_leases() {
    for (; !leases_.empty() && leases_.front().version <= roles_version_; leases_.pop_front()) {
        lease_end_ = std::max(lease_end_, leases_.front().end);
    }
}

std::vector<ReplicaReport> Shard::report(const Metadata& metadata) const {
    std::vector<ReplicaReport> reports;
    if (stopping_) return reports;
    for (const auto& [identity, partition] : partitions_) {
        const PartitionRecord* asked = metadata.find(identity);
        const PartitionRecord* known = metadata_->find(identity);
        const bool is_led = asked == nullptr || asked->leader.value != -1;
        if (is_led || known == nullptr || known->leader_epoch != asked->leader_epoch) continue;
        const log::Log* log = partition->log();
        const bool can_say = partition->state() == PartitionState::online && log != nullptr && !log->has_failed();
        if (!can_say || partition->leads() || world_.executor.now() < partition->lead_again_at()) continue;
        if (partition->is_damaged() && may_another_lead(*asked)) continue;
        reports.push_back(
            {identity, asked->leader_epoch, epoch_of_last_record(*log), log->log_end(), log->durable_end()});
    }
    return reports;
}

Shard::Role Shard::role_of(const TopicRecord& topic, PartitionIndex partition) {
    const PartitionRecord& record = topic.partitions.at(static_cast<size_t>(partition.value));
    return {{topic.id, partition}, parse_settings(topic.settings), record, topic.min_in_sync};
}

// Settings, changes within an epoch and the end of leaderships for the partitions that are here, at once; and lists of
// those that are to be opened, and of those that are to lead in a new epoch.
void Shard::follow_topic(const TopicRecord& topic, Changes& changes) {
    const TopicSettings settings = parse_settings(topic.settings);
    for (size_t index = 0; index < topic.partitions.size(); ++index) {
        const PartitionRecord& record = topic.partitions[index];
        PartitionIdentity identity{topic.id, PartitionIndex(static_cast<int32_t>(index))};
        if (log::shard_of(identity, count_) != index_) continue;
        Partition* known = find(identity);
        if (!contains(record.replicas, self())) {
            if (known == nullptr) continue;
            replicator_.leave(identity);
            if (known->leads()) known->follow(known->log(), record.leader_epoch);
            changes.releases.push_back(identity);
            continue;
        }
        if (known == nullptr) {
            changes.openings.push_back(role_of(topic, identity.partition));
            continue;
        }
        known->change_settings(settings);
        if (record.leader != self()) {
            follow(*known, record);
        } else if (known->has_given_up(record.leader_epoch)) {
            continue;
        } else if (!known->leads() || known->leader_epoch() != record.leader_epoch) {
            replicator_.leave(identity);
            if (known->leads() && known->log() != nullptr) known->follow(known->log(), known->leader_epoch());
            changes.appointments.push_back(role_of(topic, identity.partition));
        } else {
            take_record(*known, record, topic.min_in_sync);
        }
    }
}

void Shard::take_record(Partition& partition, const PartitionRecord& record, int32_t min_in_sync) {
    if (const Leadership* leadership = partition.leadership()) {
        const BrokerIds& before = leadership->replicas.in_sync();
        BrokerIds joined;
        for (BrokerId each : record.in_sync) {
            if (!contains(before, each)) joined.push_back(each);
        }
        for (BrokerId each : before) metrics_.replicas_left += contains(record.in_sync, each) ? 0 : 1;
        metrics_.replicas_joined += joined.size();
        if (!joined.empty()) in_sync_keeper_.note_joined(partition.identity(), joined);
    }
    partition.take_record(record, min_in_sync);
}

// Somebody else leads, or nobody.
void Shard::follow(Partition& partition, const PartitionRecord& record) {
    const bool is_news = partition.leads() || partition.leader_epoch() != record.leader_epoch;
    if (partition.log() != nullptr && is_news) partition.follow(partition.log(), record.leader_epoch);
    const Partition::Standing standing{membership_of(record, self()), contains(record.damaged, self())};
    // As another replica than before it names what it has anew.
    if (standing.membership != partition.standing().membership) replicator_.leave(partition.identity());
    partition.set_standing(standing);
    // What has been found to be damaged is to be replaced, and must not be counted until then.
    const bool is_waiting = partition.is_damaged() && may_another_lead(record);
    const bool may_follow = partition.state() == PartitionState::online && !standing.is_damaged && !is_waiting;
    if (may_follow && record.leader.value >= 0) {
        replicator_.follow(partition.identity(), record.leader, record.leader_epoch);
    } else {
        replicator_.leave(partition.identity());
    }
}

Task<bool> Shard::lead(Role role) {
    Partition* partition = find(role.identity);
    if (partition == nullptr || partition->log() == nullptr) co_return false;
    if (partition->state() != PartitionState::online) co_return false;
    co_await begin_to_lead(partition, partition->log(), role);
    co_return true;
}

Task<void> Shard::begin_to_lead(Partition* partition, log::Log* log, Role role) {
    const bool has_waited = partition->lead_again_at() != Instant();
    co_await partition->lead(log, role.record, role.min_in_sync);
    if (partition->leads()) ++metrics_.leaderships_begun;
    if (!partition->wants_room() || has_waited) co_return;
    spdlog::warn(
        "partition {}: this broker cannot lead it in epoch {}: the disk has no room to record that; another broker may "
        "lead, and this one when there is room",
        label(role.identity), role.record.leader_epoch.value);
}

Task<void> Shard::lead_again(PartitionIdentity identity) {
    std::optional<Units> held = co_await updating_.lock();
    if (!held || stopping_) co_return;
    Partition* partition = find(identity);
    const PartitionRecord* record = find_record(identity);
    if (partition == nullptr || record == nullptr || !partition->wants_room()) co_return;
    if (record->leader != self() || record->leader_epoch != partition->leader_epoch()) co_return;
    if (partition->has_given_up(record->leader_epoch)) co_return;
    co_await lead(role_of(*metadata_->find(identity.topic), identity.partition));
    if (partition->leads())
        spdlog::info("partition {}: there is room again, and this broker leads it", label(identity));
}

Error Shard::why_not_here(const PartitionIdentity& identity) const {
    const bool is_known = find_record(identity) != nullptr;
    if (is_known) return {ErrorCode::not_leader_or_follower, "this broker does not lead the partition"};
    return {ErrorCode::unknown_topic_or_partition, "there is no such partition"};
}

KnownLeader Shard::leader_instead(const PartitionIdentity& identity, const Error& error) const {
    switch (error.code) {
        case ErrorCode::not_leader_or_follower:
        case ErrorCode::fenced_leader_epoch:
        case ErrorCode::unknown_leader_epoch: break;
        default: return {};
    }
    const PartitionRecord* record = find_record(identity);
    if (record == nullptr || record->leader.value < 0) return {};
    return {record->leader, record->leader_epoch};
}

// What a crash left of deletions. Directories of topics that were not deleted are left alone, whatever the metadata
// says.
Task<void> Shard::remove_leftovers() {
    Result<std::vector<PartitionIdentity>> found = co_await list_partitions(&world_, directory_, index_, count_);
    if (!found.ok()) co_return;
    size_t unknown = 0;
    for (const PartitionIdentity& identity : *found) {
        if (const PartitionRecord* record = find_record(identity)) {
            if (!contains(record->replicas, self())) co_await bury(identity, no_replica);
            continue;
        }
        if (!metadata_->was_deleted(identity.topic)) {
            ++unknown;
            continue;
        }
        Result<void> removed = co_await remove_partition_files(&world_, directory_, &store_->marks(), identity);
        if (!removed.ok()) {
            spdlog::warn("partition {} of a deleted topic: its files could not be removed ({})", label(identity),
                         ironbark::name(removed.error().code));
        }
    }
    if (unknown > 0) {
        spdlog::warn(
            "{}/partitions: {} directories belong to no topic of this broker's metadata; they are left as they are",
            directory_->path(), unknown);
    }
}

Task<void> Shard::open_partitions(std::vector<Role> openings) {
    // A stop does not wait for logs that nobody has touched yet.
    for (size_t begin = 0; begin < openings.size() && !stopping_; begin += openings_at_a_time) {
        std::vector<Task<bool>> batch;
        const size_t end = std::min(begin + openings_at_a_time, openings.size());
        for (size_t index = begin; index < end; ++index) batch.push_back(open_partition(openings[index]));
        co_await all(world_.executor, std::move(batch));
    }
}

Task<bool> Shard::open_partition(Role opening) {
    const PartitionIdentity identity = opening.identity;
    auto [place, made] =
        partitions_.emplace(identity, std::make_unique<Partition>(&partition_context_, identity, opening.settings));
    ASSERT(made);
    Partition* partition = place->second.get();
    log::RecoveryReport report;
    Result<log::Log*> log = co_await store_->open_log(identity, opening.settings.log, &report);
    if (!log.ok()) {
        std::string problem = report.problem.empty() ? std::string(ironbark::name(log.error().code)) : report.problem;
        spdlog::error("partition {} is not available: {}", label(identity), problem);
        if (log.error().code == ErrorCode::corrupt_data) {
            partition->fail_damaged(std::move(problem));
        } else {
            partition->fail(std::move(problem));
        }
        co_return false;
    }
    if (report.end == log::ScanEnd::torn) {
        spdlog::warn(
            "partition {}: the last write was torn by a crash; the log ends at {}, {} records that were never "
            "synced are in the graveyard",
            label(identity), (*log)->log_end().value, report.records_buried);
    }
    const PartitionRecord& record = opening.record;
    if ((*log)->last_epoch() > record.leader_epoch) {
        spdlog::warn(
            "partition {}: its log has epoch {} and the metadata {}: was the metadata restored from an older copy?",
            label(identity), (*log)->last_epoch().value, record.leader_epoch.value);
    }
    if (record.leader == self()) {
        co_await begin_to_lead(partition, *log, opening);
    } else {
        partition->follow(*log, record.leader_epoch);
        follow(*partition, record);
    }
    co_return true;
}

Task<void> Shard::drop_partition(PartitionIdentity identity) {
    Partition* partition = find(identity);
    replicator_.leave(identity);
    co_await partition->remove();
    Result<void> removed;
    if (store_->find(identity) != nullptr) {
        removed = co_await store_->remove_log(identity);
    } else {
        removed = co_await remove_partition_files(&world_, directory_, &store_->marks(), identity);
    }
    if (!removed.ok()) {
        spdlog::warn("partition {}: its files could not be removed ({}); the next start tries again", label(identity),
                     ironbark::name(removed.error().code));
    }
    partitions_.erase(identity);
}

// Other brokers keep it now.
Task<void> Shard::release_partition(PartitionIdentity identity) {
    co_await find(identity)->remove();
    const bool is_done = co_await bury(identity, no_replica);
    partitions_.erase(identity);
    if (is_done) {
        spdlog::info("partition {}: other brokers keep it now; what was here is in the graveyard", label(identity));
    }
}

// What is there of its log goes to the graveyard as a whole. REQUIRES: its topic is known
Task<bool> Shard::bury(PartitionIdentity identity, std::string reason) {
    const uint64_t bytes_max = parse_settings(metadata_->find(identity.topic)->settings).log.graveyard_bytes;
    Result<void> buried = co_await store_->bury_log(identity, std::move(reason), bytes_max);
    if (!buried.ok()) {
        spdlog::error("partition {}: its log could not be moved to the graveyard: {}", label(identity),
                      describe(buried.error()));
    }
    co_return buried.ok();
}

std::string Shard::label(const PartitionIdentity& identity) const {
    const auto topic = metadata_ == nullptr ? nullptr : metadata_->find(identity.topic);
    if (topic == nullptr) return identity.to_string();
    return fmt::format("{}/{} ({})", topic->name, identity.partition.value, identity.to_string());
}

const PartitionRecord* Shard::find_record(const PartitionIdentity& identity) const {
    return metadata_ == nullptr ? nullptr : metadata_->find(identity);
}

bool Shard::may_another_lead(const PartitionRecord& record) const {
    return std::any_of(record.replicas.begin(), record.replicas.end(), [&](BrokerId broker) {
        const bool has_right =
            contains(record.in_sync, broker) || contains(record.holders, broker) || contains(record.durable, broker);
        return broker != self() && has_right && metadata_->is_alive(broker);
    });
}

Task<bool> Shard::empty_damaged(PartitionIdentity identity) {
    std::optional<Units> held = co_await updating_.lock();
    Partition* partition = held && !stopping_ ? find(identity) : nullptr;
    const PartitionRecord* record = find_record(identity);
    if (partition == nullptr || record == nullptr || !contains(record->damaged, self())) co_return true;
    Role role = role_of(*metadata_->find(identity.topic), identity.partition);
    std::string reason = "damaged";
    const std::string& found =
        partition->log() != nullptr ? partition->log()->last_read_problem() : partition->detail();
    if (!found.empty()) reason += ": " + found;
    spdlog::warn("partition {}: its log is damaged and goes to the graveyard; it is taken over from its leader anew",
                 label(identity));
    replicator_.leave(identity);
    co_await partition->remove();
    const bool is_buried = co_await bury(identity, std::move(reason));
    partitions_.erase(identity);
    const bool is_open = co_await open_partition(std::move(role));
    co_return is_buried&& is_open;
}

Partition* Shard::find(const PartitionIdentity& identity) {
    auto found = partitions_.find(identity);
    if (found == partitions_.end()) return nullptr;
    // While its files are removed nobody begins to use it: it goes when the last one who did has left.
    Partition* partition = found->second.get();
    return partition->state() == PartitionState::removed ? nullptr : partition;
}

void Shard::serve(std::shared_ptr<Listener> listener, rpc::Handler* handler) {
    listener_ = std::move(listener);
    server_ = std::make_unique<rpc::Server>(world_, server_limits(config_), *handler);
    accepting_.spawn(server_->serve(listener_.get()));
}

void Shard::replicate(Replication replication) {
    in_sync_keeper_.start(std::move(replication.execute));
    replicator_.start(std::move(replication.settings));
}

void Shard::serve_followers(std::shared_ptr<Listener> listener, rpc::Handler* handler) {
    replica_listener_ = std::move(listener);
    rpc::ServerLimits limits;
    limits.audience = rpc::Audience::daemons;
    limits.connections_max = follower_connections_max;
    limits.memory_bytes = follower_memory_bytes;
    limits.requests_max = std::max(limits.requests_max, count_ * session_requests_max);
    limits.backlog_bytes_max = std::max(limits.backlog_bytes_max, count_ * session_answer_bytes_max);
    replica_server_ = std::make_unique<rpc::Server>(world_, limits, *handler);
    replica_accepting_.spawn(replica_server_->serve(replica_listener_.get()));
}

uint64_t Shard::begin_wait(Event* event) {
    waits_.emplace(++waits_begun_, event);
    if (stopping_) event->set();
    return waits_begun_;
}

Task<void> Shard::stop_serving() {
    stopping_ = true;
    for (const auto& [number, wait] : waits_) wait->set();
    metadata_changed_.close();
    updated_.close();
    if (server_ != nullptr) {
        server_->stop();
        co_await accepting_.join();
        co_await server_->join();
    }
}

Task<void> Shard::stop_replicating() {
    co_await in_sync_keeper_.release();
    leader_sessions_.stop();
    if (replica_server_ != nullptr) {
        replica_server_->stop();
        co_await replica_accepting_.join();
        co_await replica_server_->join();
    }
    co_await in_sync_keeper_.stop();
    co_await replicator_.stop();
}

Task<void> Shard::close(std::optional<Incarnation> clean) {
    stopping_ = is_closing_ = true;
    std::optional<Units> held = co_await updating_.lock();  // an update under way ends first
    if (store_ == nullptr) co_return;
    // With a partition that is not well, this stop proves nothing about what is on the disk.
    bool all_online = true;
    for (auto& [identity, partition] : partitions_) {
        all_online = all_online && partition->state() == PartitionState::online;
        co_await partition->remove();
    }
    co_await store_->stop(all_online ? clean : std::nullopt);
    partitions_.clear();
}

}  // namespace ironbark::broker
