#include "broker/controller/metadata.h"

#include <algorithm>

#include "broker/controller/metadata_wire.h"

namespace ironbark::broker {
namespace {

constexpr uint32_t tables_max =
    1'000'000;  // of a batch of the largest size, or of a part of a snapshot, many times over
constexpr uint32_t depth_max = 16;

}  // namespace

const BrokerRecord* Metadata::find(BrokerId id) const {
    auto found = brokers_.find(id);
    return found == brokers_.end() ? nullptr : &found->second;
}

bool Metadata::is_alive(BrokerId id) const {
    const BrokerRecord* broker = find(id);
    return broker != nullptr && broker->is_alive;
}

std::shared_ptr<const TopicRecord> Metadata::find(const std::string& name) const {
    const auto* found = by_name_.find(name);
    return found == nullptr ? nullptr : *found;
}

std::shared_ptr<const TopicRecord> Metadata::find(const Uuid& id) const {
    const auto* found = by_id_.find(id);
    return found == nullptr ? nullptr : *found;
}

const PartitionRecord* Metadata::find(const PartitionIdentity& identity) const {
    const auto* topic = by_id_.find(identity.topic);
    if (topic == nullptr || identity.partition.value < 0) return nullptr;
    const auto index = static_cast<size_t>(identity.partition.value);
    const std::vector<PartitionRecord>& partitions = (*topic)->partitions;
    return index < partitions.size() ? &partitions[index] : nullptr;
}

bool Metadata::was_deleted(const Uuid& id) const {
    return std::find(deleted_.begin(), deleted_.end(), id) != deleted_.end();
}

void Metadata::put(std::shared_ptr<const TopicRecord> topic) {
    by_name_.put(topic->name, topic);
    const Uuid id = topic->id;
    forget_moves(id);
    for (size_t index = 0; index < topic->partitions.size(); ++index) {
        if (topic->partitions[index].moving_to.empty()) continue;
        moving_.insert({id, PartitionIndex(static_cast<int32_t>(index))});
    }
    by_id_.put(id, std::move(topic));
}

void Metadata::forget_moves(const Uuid& topic) {
    std::erase_if(moving_, [&topic](const PartitionIdentity& each) { return each.topic == topic; });
}

void Metadata::happened(ClusterEvent event) {
    event.number = events_.empty() ? 1 : events_.back().number + 1;
    if (events_.size() >= events_max) events_.pop_front();
    events_.push_back(std::move(event));
}

bool Metadata::is_snapshot_part(Bytes command) {
    flatbuffers::Verifier verifier(command.data(), command.size(), depth_max, tables_max);
    return wire::VerifyMetadataCommandBuffer(verifier) &&
           wire::GetMetadataCommand(command.data())->body_type() == wire::CommandBody::SnapshotCommand;
}

Result<void> Metadata::apply(Bytes command, Verdicts* verdicts) {
    static constexpr Error malformed(ErrorCode::corrupt_data, "not a metadata command of this version");
    if (verdicts != nullptr) verdicts->clear();
    flatbuffers::Verifier verifier(command.data(), command.size(), depth_max, tables_max);
    if (!wire::VerifyMetadataCommandBuffer(verifier)) return malformed;
    const wire::MetadataCommand& message = *wire::GetMetadataCommand(command.data());
    if (message.body() == nullptr) return malformed;
    if (message.body_type() == wire::CommandBody::SnapshotCommand) {
        return apply_body(*message.body_as_SnapshotCommand());  // has a version
    }
    Verdicts unheard;
    TRY_VOID(apply_body(message, verdicts != nullptr ? verdicts : &unheard));
    ++version_;
    return {};
}

Result<void> Metadata::apply_body(const wire::MetadataCommand& message, Verdicts* verdicts) {
    using wire::CommandBody;
    switch (message.body_type()) {
        case CommandBody::RegisterBrokerCommand: return apply_body(*message.body_as_RegisterBrokerCommand());
        case CommandBody::EndBrokerCommand: return apply_body(*message.body_as_EndBrokerCommand());
        case CommandBody::CreateTopicCommand: return apply_body(*message.body_as_CreateTopicCommand());
        case CommandBody::DeleteTopicCommand: return apply_body(*message.body_as_DeleteTopicCommand());
        case CommandBody::AlterTopicCommand: return apply_body(*message.body_as_AlterTopicCommand());
        case CommandBody::AddPartitionsCommand: return apply_body(*message.body_as_AddPartitionsCommand());
        case CommandBody::AllocateProducerIdsCommand: return apply_body(*message.body_as_AllocateProducerIdsCommand());
        case CommandBody::AppointLeaderCommand: return apply_body(*message.body_as_AppointLeaderCommand(), verdicts);
        case CommandBody::ChangeInSyncCommand: return apply_body(*message.body_as_ChangeInSyncCommand(), verdicts);
        case CommandBody::ControllerActiveCommand: return apply_body(*message.body_as_ControllerActiveCommand());
        case CommandBody::MoveLeaderCommand: return apply_body(*message.body_as_MoveLeaderCommand(), verdicts);
        case CommandBody::HandOverLeaderCommand: return apply_body(*message.body_as_HandOverLeaderCommand(), verdicts);
        case CommandBody::DamagedReplicaCommand: return apply_body(*message.body_as_DamagedReplicaCommand(), verdicts);
        case CommandBody::MoveReplicasCommand: return apply_body(*message.body_as_MoveReplicasCommand(), verdicts);
        case CommandBody::SetFailoverCommand: return apply_body(*message.body_as_SetFailoverCommand());
        case CommandBody::SetFeatureLevelCommand: return apply_body(*message.body_as_SetFeatureLevelCommand());
        case CommandBody::SnapshotCommand:
        case CommandBody::NONE: break;
    }
    return Error(ErrorCode::corrupt_data, "not a metadata command of this version");
}

Result<void> Metadata::apply_body(const wire::AllocateProducerIdsCommand& command) {
    if (command.count() < 1 || next_producer_id_ > INT64_MAX - command.count()) return ErrorCode::invalid_request;
    if (command.first() != next_producer_id_) {
        return Error(ErrorCode::already_exists, "these producer ids are not the next ones");
    }
    next_producer_id_ += command.count();
    return {};
}

Result<void> Metadata::apply_body(const wire::ControllerActiveCommand& command) {
    const BrokerId voter(command.voter());
    if (voter.value < 0 || command.term() == 0 || command.session_timeout_ms() < 0) {
        return Error(ErrorCode::invalid_request, "a controller is a voter, in a term");
    }
    const bool is_same = command.term() == controller_term_ && voter == controller_;
    if (command.term() <= controller_term_ && !is_same) {
        return Error(ErrorCode::not_controller, "another controller was active in this term or a later one");
    }
    controller_ = voter;
    controller_term_ = command.term();
    if (command.session_timeout_ms() > 0) session_timeout_ms_ = command.session_timeout_ms();
    if (!is_same) {
        happened(event_of(EventKind::controller_changed, Timestamp(command.time_ms()), EventCause::none, voter,
                          static_cast<int64_t>(command.term())));
    }
    return {};
}

Result<void> Metadata::apply_body(const wire::SetFeatureLevelCommand& command) {
    if (command.level() < feature_level_) {
        return Error(ErrorCode::invalid_request, "the feature level never goes down: data of it may be stored");
    }
    bool is_anybody_alive = false;
    for (const auto& [id, broker] : brokers_) {
        if (!broker.is_alive) continue;
        is_anybody_alive = true;
        if (broker.feature_level < command.level()) {
            return Error(ErrorCode::unsupported_version,
                         "not every broker can do this feature level: upgrade them all");
        }
    }
    if (!is_anybody_alive) return Error(ErrorCode::unsupported_version, "no broker is there that can do it");
    if (command.level() == feature_level_) return {};
    feature_level_ = command.level();
    happened(event_of(EventKind::feature_level_raised, Timestamp(command.time_ms()), EventCause::none, BrokerId(-1),
                      feature_level_));
    return {};
}

Result<void> Metadata::apply_body(const wire::SetFailoverCommand& command) {
    if (command.is_manual() == is_failover_manual_) return {};
    is_failover_manual_ = command.is_manual();
    happened(event_of(EventKind::failover_changed, Timestamp(command.time_ms()), EventCause::none, BrokerId(-1),
                      is_failover_manual_ ? 1 : 0));
    return {};
}

bool operator==(const Metadata& left, const Metadata& right) {
    auto same_topics = [&] {
        return left.by_name_.size() == right.by_name_.size() &&
               std::equal(left.by_name_.begin(), left.by_name_.end(), right.by_name_.begin(),
                          [](const auto& one, const auto& other) {
                              return one.second == other.second || *one.second == *other.second;
                          });
    };
    return left.version_ == right.version_ && left.next_producer_id_ == right.next_producer_id_ &&
           left.controller_ == right.controller_ && left.controller_term_ == right.controller_term_ &&
           left.session_timeout_ms_ == right.session_timeout_ms_ && left.feature_level_ == right.feature_level_ &&
           left.is_failover_manual_ == right.is_failover_manual_ && left.brokers_ == right.brokers_ &&
           left.deleted_ == right.deleted_ && left.events_ == right.events_ &&
           left.partition_count_ == right.partition_count_ && left.by_id_.size() == right.by_id_.size() &&
           same_topics();
}

}  // namespace ironbark::broker
