#include "tests/broker/service/calls.h"

#include "runtime/base/assert.h"
#include "runtime/rpc/convert.h"

namespace ironbark::broker {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::uoffset_t;
using rpc::finish;
using rpc::to_wire;

std::ostream& operator<<(std::ostream& out, const Said& said) {
    return out << name(said.code) << " (" << name(said.outcome) << "): " << said.hint;
}

Said said_by(const wire::ErrorInfo* error) {
    if (error == nullptr) return {};
    return {static_cast<ErrorCode>(error->code()), static_cast<Outcome>(error->outcome()),
            std::string(rpc::from_wire(error->hint())), error->leader(), error->leader_epoch()};
}

Said said_by(const rpc::CallResult& result) {
    if (result.ok()) return {};
    return {result.error.code, result.outcome, result.hint, result.leader, result.leader_epoch};
}

rpc::Metadata produce_request(const std::vector<ProducePart>& parts, AckLevel level, int32_t timeout_ms) {
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ProducePartition>> partitions;
    for (const ProducePart& part : parts) {
        wire::Uuid topic = to_wire(part.partition.topic);
        uint32_t size = part.claimed_size.value_or(static_cast<uint32_t>(part.frames.size()));
        partitions.push_back(wire::CreateProducePartition(builder, &topic, part.partition.partition.value, part.epoch,
                                                          size, part.gap_from));
    }
    return finish(builder, wire::CreateProduceRequestDirect(builder, level, timeout_ms, &partitions));
}

ProduceAnswer read_produce(const rpc::CallResult& result) {
    ProduceAnswer answer;
    answer.said = said_by(result);
    answer.delivery = result.delivery;
    if (!result.ok()) return answer;
    const auto& message = result.as<wire::ProduceResponse>();
    for (const wire::ProduceReceipt* receipt : *message.partitions()) {
        ReceiptSeen seen;
        seen.said = said_by(receipt->error());
        seen.base = receipt->base_offset();
        seen.last = receipt->last_offset();
        seen.epoch = receipt->leader_epoch();
        seen.append_time = receipt->append_time();
        seen.level = receipt->level();
        seen.replicas.assign(receipt->replicas()->begin(), receipt->replicas()->end());
        seen.log_start = receipt->log_start();
        seen.duplicate = receipt->duplicate();
        seen.expected = receipt->expected_sequence();
        seen.gap_from = receipt->gap_from();
        seen.queued = std::chrono::microseconds(receipt->queued_us());
        seen.written = std::chrono::microseconds(receipt->written_us());
        seen.synced = std::chrono::microseconds(receipt->synced_us());
        answer.receipts.push_back(std::move(seen));
    }
    return answer;
}

rpc::Metadata fetch_request(const std::vector<FetchPart>& parts, const FetchShape& shape) {
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::FetchPartition>> partitions;
    for (const FetchPart& part : parts) {
        wire::Uuid topic = to_wire(part.partition.topic);
        partitions.push_back(wire::CreateFetchPartition(builder, &topic, part.partition.partition.value, part.offset,
                                                        part.epoch, part.bytes_max));
    }
    return finish(builder, wire::CreateFetchRequestDirect(builder, shape.wait_ms, shape.bytes_min, shape.bytes_max,
                                                          shape.visibility, &partitions));
}

FetchAnswer read_fetch(const rpc::CallResult& result, const std::vector<FetchPart>& parts) {
    FetchAnswer answer;
    answer.said = said_by(result);
    if (!result.ok()) return answer;
    const auto& message = result.as<wire::FetchResponse>();
    ASSERT(message.partitions()->size() == parts.size());
    answer.bytes = result.payload.size;
    size_t position = 0;
    for (size_t index = 0; index < parts.size(); ++index) {
        const wire::FetchedPartition& partition = *message.partitions()->Get(static_cast<uoffset_t>(index));
        Fetched fetched;
        fetched.said = said_by(partition.error());
        fetched.epoch = partition.leader_epoch();
        fetched.log_start = partition.log_start();
        fetched.durable = partition.durable_watermark();
        fetched.high = partition.high_watermark();
        fetched.log_end = partition.log_end();
        fetched.bytes = partition.payload_size();
        Bytes bytes = result.payload.bytes().subspan(position, fetched.bytes);
        Result<std::vector<SeenFrame>> frames = read_frames(bytes, parts[index].partition);
        ASSERT(frames.ok());
        fetched.frames = std::move(frames).value();
        for (const SeenFrame& frame : fetched.frames) {
            for (const Seen& seen : frame.records) {
                if (seen.offset >= parts[index].offset) fetched.records.push_back(seen);
            }
        }
        position += fetched.bytes;
        answer.partitions.push_back(std::move(fetched));
    }
    ASSERT(position == result.payload.size);
    return answer;
}

rpc::Metadata list_request(const std::vector<ListPart>& parts, Visibility visibility) {
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ListOffsetsPartition>> partitions;
    for (const ListPart& part : parts) {
        wire::Uuid topic = to_wire(part.partition.topic);
        partitions.push_back(wire::CreateListOffsetsPartition(builder, &topic, part.partition.partition.value,
                                                              part.epoch, part.place, part.time));
    }
    return finish(builder, wire::CreateListOffsetsRequestDirect(builder, visibility, &partitions));
}

std::vector<OffsetSeen> read_list(const rpc::CallResult& result) {
    std::vector<OffsetSeen> offsets;
    if (!result.ok()) return {{said_by(result)}};
    for (const wire::ListedOffset* listed : *result.as<wire::ListOffsetsResponse>().partitions()) {
        offsets.push_back({said_by(listed->error()), listed->offset(), listed->timestamp(), listed->leader_epoch()});
    }
    return offsets;
}

rpc::Metadata delete_request(const std::vector<std::pair<PartitionIdentity, int64_t>>& parts) {
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::DeleteRecordsPartition>> partitions;
    for (const auto& [partition, before] : parts) {
        wire::Uuid topic = to_wire(partition.topic);
        partitions.push_back(wire::CreateDeleteRecordsPartition(builder, &topic, partition.partition.value, before));
    }
    return finish(builder, wire::CreateDeleteRecordsRequestDirect(builder, 30'000, &partitions));
}

std::vector<StartSeen> read_delete(const rpc::CallResult& result) {
    std::vector<StartSeen> starts;
    if (!result.ok()) return {{said_by(result)}};
    for (const wire::DeletedRecords* deleted : *result.as<wire::DeleteRecordsResponse>().partitions()) {
        starts.push_back({said_by(deleted->error()), deleted->log_start()});
    }
    return starts;
}

namespace {

std::vector<flatbuffers::Offset<wire::Setting>> settings_of(FlatBufferBuilder& builder, const Settings& settings) {
    std::vector<flatbuffers::Offset<wire::Setting>> entries;
    for (const auto& [key, value] : settings) {
        entries.push_back(wire::CreateSettingDirect(builder, key.c_str(), value.c_str()));
    }
    return entries;
}

}  // namespace

rpc::Metadata create_request(const std::string& name, const TopicShape& shape) {
    FlatBufferBuilder builder;
    auto settings = settings_of(builder, shape.settings);
    return finish(builder, wire::CreateCreateTopicRequestDirect(builder, name.c_str(), shape.partitions, shape.replicas,
                                                                shape.min_in_sync, &settings, shape.validate_only));
}

rpc::Metadata alter_request(const std::string& name,
                            const Settings& set,
                            const std::vector<std::string>& reset,
                            bool validate_only) {
    FlatBufferBuilder builder;
    auto settings = settings_of(builder, set);
    auto keys = builder.CreateVectorOfStrings(reset);
    auto text = builder.CreateString(name);
    auto list = builder.CreateVector(settings);
    return finish(builder, wire::CreateAlterTopicRequest(builder, text, nullptr, list, keys, validate_only));
}

rpc::Metadata delete_topic_request(const std::string& name, const Uuid& id) {
    FlatBufferBuilder builder;
    wire::Uuid wire_id = to_wire(id);
    return finish(builder, wire::CreateDeleteTopicRequestDirect(builder, name.c_str(), &wire_id));
}

rpc::Metadata add_partitions_request(const std::string& name, int32_t partitions, bool validate_only) {
    FlatBufferBuilder builder;
    return finish(builder,
                  wire::CreateAddPartitionsRequestDirect(builder, name.c_str(), nullptr, partitions, validate_only));
}

rpc::Metadata describe_topic_request(const std::string& name) {
    FlatBufferBuilder builder;
    return finish(builder, wire::CreateDescribeTopicRequestDirect(builder, name.c_str()));
}

rpc::Metadata metadata_request(const std::vector<std::string>& names, const std::vector<Uuid>& ids, bool brokers_only) {
    FlatBufferBuilder builder;
    auto texts = builder.CreateVectorOfStrings(names);
    std::vector<wire::Uuid> wire_ids;
    for (const Uuid& id : ids) wire_ids.push_back(to_wire(id));
    auto list = builder.CreateVectorOfStructs(wire_ids);
    return finish(builder, wire::CreateMetadataRequest(builder, texts, list, brokers_only));
}

rpc::Metadata producer_id_request(int64_t id, int16_t epoch) {
    FlatBufferBuilder builder;
    return finish(builder, wire::CreateAllocateProducerIdRequest(builder, id, epoch));
}

rpc::Metadata describe_node_request() {
    FlatBufferBuilder builder;
    return finish(builder, wire::CreateDescribeNodeRequest(builder));
}

rpc::Metadata topic_options_request() {
    FlatBufferBuilder builder;
    return finish(builder, wire::CreateTopicOptionsRequest(builder));
}

rpc::Metadata move_request(const PartitionIdentity& partition, int32_t target, int32_t timeout_ms) {
    flatbuffers::FlatBufferBuilder builder;
    const wire::Uuid topic = rpc::to_wire(partition.topic);
    std::vector<flatbuffers::Offset<wire::LeaderMoveRequest>> moves;
    moves.push_back(wire::CreateLeaderMoveRequest(builder, 0, &topic, partition.partition.value, target));
    return rpc::finish(builder, wire::CreateMoveLeadersRequestDirect(builder, &moves, timeout_ms));
}

MovedSeen read_moved(const rpc::CallResult& result) {
    MovedSeen seen;
    seen.said = said_by(result);
    if (!seen.said.ok()) return seen;
    const auto* moved = result.as<wire::MoveLeadersResponse>().moved();
    ASSERT(moved != nullptr && moved->size() == 1);
    const wire::MovedLeader& one = *moved->Get(0);
    return {said_by(one.error()), one.before(), one.leader(), one.leader_epoch(),
            std::chrono::microseconds(one.outage_us())};
}

rpc::Metadata move_replicas_request(const PartitionIdentity& partition,
                                    const std::vector<int32_t>& to,
                                    int64_t throttle) {
    flatbuffers::FlatBufferBuilder builder;
    const wire::Uuid topic = rpc::to_wire(partition.topic);
    std::vector<flatbuffers::Offset<wire::ReplicaMoveRequest>> moves;
    moves.push_back(
        wire::CreateReplicaMoveRequestDirect(builder, nullptr, &topic, partition.partition.value, &to, throttle));
    return rpc::finish(builder, wire::CreateMoveReplicasRequestDirect(builder, &moves));
}

PlannedSeen read_planned(const rpc::CallResult& result) {
    PlannedSeen seen;
    seen.said = said_by(result);
    if (!seen.said.ok()) return seen;
    const auto* planned = result.as<wire::MoveReplicasResponse>().planned();
    ASSERT(planned != nullptr && planned->size() == 1);
    const wire::PlannedReplicas& one = *planned->Get(0);
    return {said_by(one.error()), {one.before()->begin(), one.before()->end()}, {one.to()->begin(), one.to()->end()}};
}

rpc::Metadata elect_request(const PartitionIdentity& partition, bool unclean, bool validate_only) {
    flatbuffers::FlatBufferBuilder builder;
    const wire::Uuid topic = rpc::to_wire(partition.topic);
    return rpc::finish(
        builder, wire::CreateElectLeaderRequest(builder, 0, &topic, partition.partition.value, unclean, validate_only));
}

ElectedSeen read_elected(const rpc::CallResult& result) {
    ElectedSeen seen;
    seen.said = said_by(result);
    if (!seen.said.ok()) return seen;
    const auto& answer = result.as<wire::ElectLeaderResponse>();
    return {seen.said, answer.leader(), answer.log_end(), std::string(rpc::from_wire(answer.loss()))};
}

}  // namespace ironbark::broker
