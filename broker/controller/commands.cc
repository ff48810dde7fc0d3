#include "broker/controller/commands.h"

#include "broker/controller/metadata_wire.h"

namespace ironbark::broker {
namespace {

using rpc::to_wire;
using wire::CommandBody;

static_assert(static_cast<int>(EndReason::silent) == static_cast<int>(wire::EndReason::silent));
static_assert(static_cast<int>(EndReason::replaced) == static_cast<int>(wire::EndReason::replaced));

auto lists_of(flatbuffers::FlatBufferBuilder& builder, const Assignment& assignment) {
    std::vector<flatbuffers::Offset<wire::ReplicaList>> lists;
    lists.reserve(assignment.size());
    for (const BrokerIds& replicas : assignment) {
        std::vector<int32_t> numbers = numbers_of(replicas);
        lists.push_back(wire::CreateReplicaListDirect(builder, &numbers));
    }
    return builder.CreateVector(lists);
}

}  // namespace

Command register_broker(const RegisterBroker& broker) {
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid directory = to_wire(broker.directory);
    auto host = builder.CreateString(broker.host);
    auto peer_host = builder.CreateString(broker.peer_host);
    auto rack = builder.CreateString(broker.rack);
    auto version = builder.CreateString(broker.version);
    auto body = wire::CreateRegisterBrokerCommand(
        builder, broker.id.value, &directory, broker.incarnation.value, broker.stopped_cleanly.value, host, broker.port,
        peer_host, broker.peer_port, rack, version, broker.feature_level, broker.time.milliseconds, broker.replica_port,
        broker.is_controller_only);
    return finish(builder, CommandBody::RegisterBrokerCommand, body);
}

Command end_broker(BrokerId broker, Incarnation incarnation, EndReason reason, Timestamp time) {
    flatbuffers::FlatBufferBuilder builder;
    auto body = wire::CreateEndBrokerCommand(builder, broker.value, incarnation.value,
                                             static_cast<wire::EndReason>(reason), time.milliseconds);
    return finish(builder, CommandBody::EndBrokerCommand, body);
}

Command create_topic(const TopicRecord& topic, const Assignment& assignment) {
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid id = to_wire(topic.id);
    auto name = builder.CreateString(topic.name);
    auto lists = lists_of(builder, assignment);
    auto settings = settings_of(builder, topic.settings);
    auto body = wire::CreateCreateTopicCommand(builder, &id, name, lists, topic.min_in_sync, settings,
                                               topic.created.milliseconds);
    return finish(builder, CommandBody::CreateTopicCommand, body);
}

Command delete_topic(const Uuid& topic, Timestamp time) {
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid id = to_wire(topic);
    return finish(builder, CommandBody::DeleteTopicCommand,
                  wire::CreateDeleteTopicCommand(builder, &id, time.milliseconds));
}

Command alter_topic(const Uuid& topic,
                    const std::map<std::string, std::string>& set,
                    const std::vector<std::string>& reset,
                    Timestamp time,
                    int64_t settings_version) {
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid id = to_wire(topic);
    auto settings = settings_of(builder, set);
    auto keys = builder.CreateVectorOfStrings(reset);
    return finish(builder, CommandBody::AlterTopicCommand,
                  wire::CreateAlterTopicCommand(builder, &id, settings, keys, time.milliseconds, settings_version));
}

Command add_partitions(const Uuid& topic, int32_t partitions, const Assignment& assignment, Timestamp time) {
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid id = to_wire(topic);
    auto lists = lists_of(builder, assignment);
    return finish(builder, CommandBody::AddPartitionsCommand,
                  wire::CreateAddPartitionsCommand(builder, &id, partitions, lists, time.milliseconds));
}

Command allocate_producer_ids(int64_t first, int64_t count) {
    flatbuffers::FlatBufferBuilder builder;
    return finish(builder, CommandBody::AllocateProducerIdsCommand,
                  wire::CreateAllocateProducerIdsCommand(builder, count, first));
}

Command appoint_leaders(const std::vector<Appointment>& appointments, Timestamp time) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::Appointment>> elements;
    for (const Appointment& appointment : appointments) {
        wire::Uuid topic = to_wire(appointment.topic);
        auto in_sync = builder.CreateVector(numbers_of(appointment.in_sync));
        elements.push_back(wire::CreateAppointment(builder, &topic, appointment.partition.value,
                                                   appointment.partition_epoch, appointment.leader.value,
                                                   appointment.incarnation.value, in_sync, appointment.unclean));
    }
    return finish(builder, CommandBody::AppointLeaderCommand,
                  wire::CreateAppointLeaderCommandDirect(builder, &elements, time.milliseconds));
}

Command change_in_sync(const std::vector<InSyncChange>& changes) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::InSyncChange>> elements;
    for (const InSyncChange& change : changes) {
        wire::Uuid topic = to_wire(change.topic);
        auto in_sync = builder.CreateVector(numbers_of(change.in_sync));
        std::vector<flatbuffers::Offset<wire::InSyncMember>> members;
        for (const InSyncChange::Member& member : change.joining) {
            members.push_back(wire::CreateInSyncMember(builder, member.broker.value, member.incarnation.value));
        }
        auto joining = builder.CreateVector(members);
        elements.push_back(wire::CreateInSyncChange(builder, &topic, change.partition.value, change.leader.value,
                                                    change.leader_epoch.value, change.partition_epoch, in_sync,
                                                    joining));
    }
    return finish(builder, CommandBody::ChangeInSyncCommand, wire::CreateChangeInSyncCommandDirect(builder, &elements));
}

Command move_leaders(const std::vector<LeaderMove>& moves) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::LeaderMove>> elements;
    for (const LeaderMove& move : moves) {
        wire::Uuid topic = to_wire(move.topic);
        elements.push_back(
            wire::CreateLeaderMove(builder, &topic, move.partition.value, move.partition_epoch, move.target.value));
    }
    return finish(builder, CommandBody::MoveLeaderCommand, wire::CreateMoveLeaderCommandDirect(builder, &elements));
}

Command hand_over_leaders(const std::vector<LeaderHandover>& handovers, Timestamp time) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::LeaderHandover>> elements;
    for (const LeaderHandover& one : handovers) {
        wire::Uuid topic = to_wire(one.topic);
        elements.push_back(wire::CreateLeaderHandover(builder, &topic, one.partition.value, one.leader.value,
                                                      one.leader_epoch.value, one.partition_epoch, one.target.value,
                                                      one.incarnation.value, one.leaves));
    }
    return finish(builder, CommandBody::HandOverLeaderCommand,
                  wire::CreateHandOverLeaderCommandDirect(builder, &elements, time.milliseconds));
}

Command damaged_replicas(const std::vector<ReplicaDamage>& replicas, Timestamp time) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ReplicaDamage>> elements;
    for (const ReplicaDamage& one : replicas) {
        wire::Uuid topic = to_wire(one.topic);
        elements.push_back(wire::CreateReplicaDamage(builder, &topic, one.partition.value, one.broker.value,
                                                     one.incarnation.value, one.is_emptied));
    }
    return finish(builder, CommandBody::DamagedReplicaCommand,
                  wire::CreateDamagedReplicaCommandDirect(builder, &elements, time.milliseconds));
}

Command move_replicas(const std::vector<ReplicaMove>& moves, Timestamp time) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ReplicaMove>> elements;
    for (const ReplicaMove& move : moves) {
        wire::Uuid topic = to_wire(move.topic);
        const std::vector<int32_t> to = numbers_of(move.to);
        elements.push_back(wire::CreateReplicaMoveDirect(builder, &topic, move.partition.value, move.partition_epoch,
                                                         &to, move.throttle));
    }
    return finish(builder, CommandBody::MoveReplicasCommand,
                  wire::CreateMoveReplicasCommandDirect(builder, &elements, time.milliseconds));
}

Command set_failover(bool is_manual, Timestamp time) {
    flatbuffers::FlatBufferBuilder builder;
    return finish(builder, CommandBody::SetFailoverCommand,
                  wire::CreateSetFailoverCommand(builder, is_manual, time.milliseconds));
}

Command controller_active(BrokerId voter, uint64_t term, Duration session_timeout, Timestamp time) {
    flatbuffers::FlatBufferBuilder builder;
    const auto session_timeout_ms = static_cast<int32_t>(session_timeout / 1ms);
    return finish(
        builder, CommandBody::ControllerActiveCommand,
        wire::CreateControllerActiveCommand(builder, voter.value, term, time.milliseconds, session_timeout_ms));
}

Command set_feature_level(int32_t level, Timestamp time) {
    flatbuffers::FlatBufferBuilder builder;
    return finish(builder, CommandBody::SetFeatureLevelCommand,
                  wire::CreateSetFeatureLevelCommand(builder, level, time.milliseconds));
}

}  // namespace ironbark::broker
