// Leaders and in-sync sets: batches, each element of which is judged by itself.
#include <algorithm>
#include <fmt/format.h>

#include "broker/controller/metadata.h"
#include "broker/controller/metadata_wire.h"
#include "broker/controller/tiers.h"

namespace ironbark::broker {
namespace {

using rpc::from_wire;

constexpr Error too_large(ErrorCode::invalid_request, "a batch has 1 to 10000 partitions");
constexpr Error outdated(ErrorCode::fenced_leader_epoch, "the partition's record has changed meanwhile");

// By which right, and what may be lost: records that a leader alone had acknowledged are safe if the last one answered.
EventCause cause_of(Tier tier, const PartitionRecord& partition, const BrokerIds& in_sync, bool has_durable_floor) {
    switch (tier) {
        case Tier::clean:
            return has_durable_floor || contains(in_sync, partition.last_leader) ? EventCause::clean_tier
                                                                                 : EventCause::without_last_leader;
        case Tier::durable: return has_durable_floor ? EventCause::durable_floor : EventCause::durable_tier;
        case Tier::none: break;
    }
    return EventCause::by_hand;
}

}  // namespace

// The topics that a batch changes: each is copied once, when its first partition is changed.
class Metadata::TopicDrafts {
  public:
    explicit TopicDrafts(const Metadata& metadata) : metadata_(metadata) {}

    struct Place {
        const TopicRecord* topic;
        const PartitionRecord* partition;
    };
    // As the elements before have left it.
    Result<Place> find(const Uuid& id, int32_t partition) const {
        auto drafted = drafts_.find(id);
        const auto* known = metadata_.by_id_.find(id);
        if (known == nullptr) return ErrorCode::unknown_topic_id;
        const TopicRecord* topic = drafted != drafts_.end() ? drafted->second.get() : known->get();
        if (partition < 0 || static_cast<size_t>(partition) >= topic->partitions.size()) {
            return ErrorCode::unknown_topic_or_partition;
        }
        return Place{topic, &topic->partitions[static_cast<size_t>(partition)]};
    }
    // REQUIRES: it was found
    PartitionRecord& edit(const Uuid& id, int32_t partition) {
        std::shared_ptr<TopicRecord>& draft = drafts_[id];
        if (draft == nullptr) draft = std::make_shared<TopicRecord>(**metadata_.by_id_.find(id));
        return draft->partitions[static_cast<size_t>(partition)];
    }
    std::map<Uuid, std::shared_ptr<TopicRecord>> take() { return std::move(drafts_); }

  private:
    const Metadata& metadata_;
    std::map<Uuid, std::shared_ptr<TopicRecord>> drafts_;
};

namespace {

// One event for each right by which leaders were appointed, and for each broker with damage, however many there are.
void tell(EventKind kind,
          const TopicRecord& topic,
          int32_t partition,
          BrokerId broker,
          EventCause cause,
          std::vector<ClusterEvent>* changes,
          const std::string& detail = {}) {
    const bool names_leaders = kind == EventKind::leader_changed;
    auto event = std::find_if(changes->begin(), changes->end(), [&](const ClusterEvent& one) {
        return one.kind == kind && one.cause == cause && (names_leaders || one.broker == broker);
    });
    if (event == changes->end()) event = changes->insert(event, event_of(kind, Timestamp(), cause, broker, 0));
    if (event->broker != broker) event->broker = BrokerId(-1);
    ++event->count;
    if (event->names.size() < event_names_max) {
        add_name(*event, fmt::format("{}-{}{}", topic.name, partition, detail));
    }
}

}  // namespace

// `judge` looks at one element, and changes what it concerns.
template <typename List, typename Judge>
Result<void> Metadata::apply_batch(const List* list, Verdicts* verdicts, Judge judge) {
    Elements elements(list);
    if (elements.size() == 0 || elements.size() > batch_partitions_max) return too_large;
    TopicDrafts drafts(*this);
    for (const auto* element : elements) verdicts->push_back(judge(*element, drafts));
    for (auto& [id, topic] : drafts.take()) put(std::move(topic));
    return {};
}

void Metadata::happened(std::vector<ClusterEvent> events, Timestamp time) {
    for (ClusterEvent& event : events) {
        event.time = time;
        happened(std::move(event));
    }
}

Result<void> Metadata::appoint(const wire::Appointment& appointment,
                               TopicDrafts& drafts,
                               std::vector<ClusterEvent>* changes) const {
    const Uuid topic = from_wire(appointment.topic());
    TRY(TopicDrafts::Place place, drafts.find(topic, appointment.partition()));
    const PartitionRecord& partition = *place.partition;
    if (appointment.partition_epoch() != partition.partition_epoch) return outdated;
    if (!has_epochs(partition)) return no_epoch_left;
    if (appointment.leader() == -1) {
        if (partition.leader.value == -1) return Error(ErrorCode::invalid_request, "nobody leads the partition");
        tell(EventKind::leader_changed, *place.topic, appointment.partition(), BrokerId(-1), EventCause::ended,
             changes);
        end_leadership(drafts.edit(topic, appointment.partition()));
        return {};
    }
    if (partition.leader.value != -1) {
        return Error(ErrorCode::invalid_request, "the partition has a leader: end its leadership first");
    }
    const BrokerRecord* leader = find(BrokerId(appointment.leader()));
    if (leader == nullptr || !contains(partition.replicas, leader->id)) {
        return Error(ErrorCode::invalid_request, "who is to lead holds no replica of the partition");
    }
    if (!leader->is_alive || leader->incarnation.value != appointment.incarnation()) {
        return Error(ErrorCode::stale_broker_epoch, "who answered is not there any more");
    }
    const bool has_floor = place.topic->has_durable_floor;
    const Tier tier = tier_of(partition, leader->id, has_floor);
    if (tier == Tier::none && !appointment.unclean()) {
        return Error(ErrorCode::invalid_request, "who is to lead may lack acknowledged records");
    }
    // Of the others nobody knows what they have against a leader that was chosen by hand.
    const BrokerIds allowed = tier == Tier::none ? BrokerIds{leader->id} : electable(partition, has_floor);
    std::optional<BrokerIds> in_sync = in_replica_order(partition.replicas, brokers_of(appointment.in_sync()));
    if (!in_sync || !contains(*in_sync, leader->id)) {
        return Error(ErrorCode::invalid_request, "an in-sync set is of replicas, and has the leader");
    }
    for (BrokerId member : *in_sync) {
        if (!contains(allowed, member)) {
            return Error(ErrorCode::invalid_request, "who is to be in sync may lack acknowledged records");
        }
        if (!is_alive(member)) return Error(ErrorCode::stale_broker_epoch, "who answered is not there any more");
    }
    const EventCause cause = cause_of(tier, partition, *in_sync, has_floor);
    tell(EventKind::leader_changed, *place.topic, appointment.partition(), leader->id, cause, changes);
    const int32_t min_in_sync = place.topic->min_in_sync;
    broker::appoint(drafts.edit(topic, appointment.partition()), leader->id, *std::move(in_sync), tier, min_in_sync);
    return {};
}

Result<void> Metadata::apply_body(const wire::AppointLeaderCommand& command, Verdicts* verdicts) {
    std::vector<ClusterEvent> changes;
    TRY_VOID(
        apply_batch(command.appointments(), verdicts, [&](const wire::Appointment& appointment, TopicDrafts& drafts) {
            return appoint(appointment, drafts, &changes);
        }));
    happened(std::move(changes), Timestamp(command.time_ms()));
    return {};
}

Result<void> Metadata::change(const wire::InSyncChange& change, TopicDrafts& drafts) const {
    const Uuid topic = from_wire(change.topic());
    TRY(TopicDrafts::Place place, drafts.find(topic, change.partition()));
    const PartitionRecord& partition = *place.partition;
    const int32_t min_in_sync = place.topic->min_in_sync;
    const BrokerId leader(change.leader());
    bool is_current = leader.value != -1 && partition.leader == leader &&
                      partition.leader_epoch.value == change.leader_epoch() &&
                      partition.partition_epoch == change.partition_epoch();
    if (!is_current) return outdated;
    if (!has_epochs(partition)) return no_epoch_left;
    auto refuse = [&](Error why) {
        refuse_change(drafts.edit(topic, change.partition()));
        return why;
    };
    std::optional<BrokerIds> in_sync = in_replica_order(partition.replicas, brokers_of(change.in_sync()));
    if (!in_sync || !contains(*in_sync, leader)) {
        return refuse({ErrorCode::invalid_request, "an in-sync set is of replicas, and has the leader"});
    }
    for (BrokerId member : *in_sync) {
        if (contains(partition.in_sync, member)) continue;
        // What it holds was said by one incarnation, and only that one is known to hold it.
        const BrokerRecord* broker = find(member);
        bool is_current_member = false;
        for (const wire::InSyncMember* joining : Elements(change.joining())) {
            is_current_member = is_current_member || (joining->broker() == member.value &&
                                                      joining->incarnation() == broker->incarnation.value);
        }
        if (!broker->is_alive || !is_current_member) {
            return refuse({ErrorCode::stale_broker_epoch, "who is to join is not there any more"});
        }
        if (contains(partition.damaged, member)) {
            return refuse({ErrorCode::invalid_request, "the log of who is to join is damaged"});
        }
    }
    broker::change_in_sync(drafts.edit(topic, change.partition()), *std::move(in_sync), min_in_sync);
    return {};
}

Result<void> Metadata::apply_body(const wire::ChangeInSyncCommand& command, Verdicts* verdicts) {
    return apply_batch(command.changes(), verdicts,
                       [&](const wire::InSyncChange& one, TopicDrafts& drafts) { return change(one, drafts); });
}

// ---- planned moves -------------------------------------------------------------------------------------------------

Result<void> Metadata::move(const wire::LeaderMove& move, TopicDrafts& drafts) const {
    const Uuid topic = from_wire(move.topic());
    TRY(TopicDrafts::Place place, drafts.find(topic, move.partition()));
    const PartitionRecord& partition = *place.partition;
    const BrokerId target(move.target());
    if (move.partition_epoch() != partition.partition_epoch) return outdated;
    if (!has_epochs(partition)) return no_epoch_left;
    if (partition.leader.value == -1) return Error(ErrorCode::invalid_request, "nobody leads the partition");
    if (target.value == -1 && partition.target.value == -1) {
        return Error(ErrorCode::invalid_request, "there is no move that could be withdrawn");
    }
    if (target.value != -1) {
        if (target == partition.leader) return Error(ErrorCode::invalid_request, "it leads the partition already");
        if (!contains(partition.in_sync, target)) {
            return Error(ErrorCode::invalid_request, "who is to lead next must be in sync");
        }
        if (!is_alive(target)) return Error(ErrorCode::stale_broker_epoch, "who is to lead next is not there");
    }
    plan_move(drafts.edit(topic, move.partition()), target);
    return {};
}

Result<void> Metadata::apply_body(const wire::MoveLeaderCommand& command, Verdicts* verdicts) {
    return apply_batch(command.moves(), verdicts,
                       [&](const wire::LeaderMove& one, TopicDrafts& drafts) { return move(one, drafts); });
}

Result<void> Metadata::hand_over(const wire::LeaderHandover& one,
                                 TopicDrafts& drafts,
                                 std::vector<ClusterEvent>* changes) const {
    const Uuid topic = from_wire(one.topic());
    TRY(TopicDrafts::Place place, drafts.find(topic, one.partition()));
    const PartitionRecord& partition = *place.partition;
    const BrokerId target(one.target());
    const bool is_current = partition.leader.value != -1 && partition.leader.value == one.leader() &&
                            partition.leader_epoch.value == one.leader_epoch() &&
                            partition.partition_epoch == one.partition_epoch() && target.value != -1 &&
                            partition.target == target;
    if (!is_current) return outdated;
    if (!has_epochs(partition)) return no_epoch_left;
    const BrokerRecord* broker = find(target);
    if (!broker->is_alive || broker->incarnation.value != one.incarnation()) {
        plan_move(drafts.edit(topic, one.partition()), BrokerId(-1));
        return Error(ErrorCode::stale_broker_epoch, "who was to lead next is not there any more");
    }
    tell(EventKind::leader_changed, *place.topic, one.partition(), target, EventCause::moved, changes);
    broker::hand_over(drafts.edit(topic, one.partition()), one.leaves(), place.topic->min_in_sync);
    return {};
}

Result<void> Metadata::apply_body(const wire::HandOverLeaderCommand& command, Verdicts* verdicts) {
    std::vector<ClusterEvent> changes;
    TRY_VOID(apply_batch(command.handovers(), verdicts, [&](const wire::LeaderHandover& one, TopicDrafts& drafts) {
        return hand_over(one, drafts, &changes);
    }));
    happened(std::move(changes), Timestamp(command.time_ms()));
    return {};
}

// ---- damaged replicas ----------------------------------------------------------------------------------------------

Result<void> Metadata::note_damage(const wire::ReplicaDamage& one,
                                   TopicDrafts& drafts,
                                   std::vector<ClusterEvent>* changes) const {
    const Uuid topic = from_wire(one.topic());
    TRY(TopicDrafts::Place place, drafts.find(topic, one.partition()));
    const PartitionRecord& partition = *place.partition;
    const BrokerId id(one.broker());
    const BrokerRecord* broker = find(id);
    if (broker == nullptr || !broker->is_alive || broker->incarnation.value != one.incarnation()) {
        return Error(ErrorCode::stale_broker_epoch, "another incarnation of the broker is known");
    }
    if (!has_epochs(partition)) return no_epoch_left;
    const bool is_marked = contains(partition.damaged, id);
    if (is_marked == !one.is_emptied()) return {};  // it is known already
    if (!contains(partition.replicas, id) || partition.leader == id) {
        return Error(ErrorCode::invalid_request, "it is no follower of the partition");
    }
    PartitionRecord& edited = drafts.edit(topic, one.partition());
    if (one.is_emptied()) {
        mark_emptied(edited, id);
    } else if (!mark_damaged(edited, id, place.topic->min_in_sync)) {
        return Error(ErrorCode::not_enough_replicas, "no other replica is sure to have what the damaged one had");
    }
    const EventCause cause = one.is_emptied() ? EventCause::emptied : EventCause::none;
    tell(EventKind::replica_damaged, *place.topic, one.partition(), id, cause, changes);
    return {};
}

Result<void> Metadata::apply_body(const wire::DamagedReplicaCommand& command, Verdicts* verdicts) {
    std::vector<ClusterEvent> changes;
    TRY_VOID(apply_batch(command.replicas(), verdicts, [&](const wire::ReplicaDamage& one, TopicDrafts& drafts) {
        return note_damage(one, drafts, &changes);
    }));
    happened(std::move(changes), Timestamp(command.time_ms()));
    return {};
}

// ---- replicas that move --------------------------------------------------------------------------------------------

Result<void> Metadata::check_replicas(const PartitionRecord& partition,
                                      const BrokerIds& to,
                                      int32_t min_in_sync) const {
    if (to.size() > partition_replicas_max || to.size() < static_cast<size_t>(min_in_sync)) {
        return Error(ErrorCode::invalid_replication_factor, "a partition has min-in-sync to 32 replicas");
    }
    if (has_twice(to)) return Error(ErrorCode::invalid_request, "a broker holds a partition once");
    size_t count = partition.replicas.size();
    for (BrokerId each : to) {
        if (contains(partition.replicas, each)) continue;
        if (find(each) == nullptr) return Error(ErrorCode::invalid_request, "a replica's broker was never there");
        if (find(each)->is_controller_only) return keeps_no_partitions;
        if (!is_alive(each)) return Error(ErrorCode::not_enough_replicas, "a broker that is to be added is not alive");
        if (++count > partition_replicas_max) {
            return Error(ErrorCode::invalid_replication_factor, "with those that are there it has more than 32");
        }
    }
    return {};
}

Result<void> Metadata::move_replicas(const wire::ReplicaMove& move,
                                     TopicDrafts& drafts,
                                     std::vector<ClusterEvent>* changes) const {
    const Uuid topic = from_wire(move.topic());
    TRY(TopicDrafts::Place place, drafts.find(topic, move.partition()));
    const PartitionRecord& partition = *place.partition;
    const int32_t min_in_sync = place.topic->min_in_sync;
    if (move.partition_epoch() != partition.partition_epoch) return outdated;
    if (!has_epochs(partition)) return no_epoch_left;
    BrokerIds to = brokers_of(move.to());
    const bool begins = !to.empty();
    if (begins) {
        if (move.throttle() < 0) return Error(ErrorCode::invalid_request, "a throttle is not negative");
        if (partition.leader.value == -1) return Error(ErrorCode::invalid_request, "nobody leads the partition");
        if (is_planned(partition, to, move.throttle())) {
            return Error(ErrorCode::invalid_request, "these are its replicas, or are to be");
        }
        TRY_VOID(check_replicas(partition, to, min_in_sync));
    } else if (!can_end_move(partition, min_in_sync)) {
        return Error(ErrorCode::not_enough_replicas, "those that are to keep it are not ready to be alone");
    }
    const std::string detail = fmt::format(" to brokers {}", list_of(begins ? to : partition.moving_to));
    tell(begins ? EventKind::replicas_moving : EventKind::replicas_moved, *place.topic, move.partition(), BrokerId(-1),
         EventCause::none, changes, detail);
    PartitionRecord& edited = drafts.edit(topic, move.partition());
    if (begins) {
        plan_replicas(edited, std::move(to), move.throttle());
    } else {
        end_move(edited, min_in_sync);
    }
    return {};
}

Result<void> Metadata::apply_body(const wire::MoveReplicasCommand& command, Verdicts* verdicts) {
    std::vector<ClusterEvent> changes;
    TRY_VOID(apply_batch(command.moves(), verdicts, [&](const wire::ReplicaMove& one, TopicDrafts& drafts) {
        return move_replicas(one, drafts, &changes);
    }));
    happened(std::move(changes), Timestamp(command.time_ms()));
    return {};
}

}  // namespace ironbark::broker
