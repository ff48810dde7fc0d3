#include "client/fetch_request.h"

#include "runtime/rpc/convert.h"
#include "wire/client_generated.h"

namespace ironbark::client {
namespace {

std::vector<FetchAnswer> all_fetches_failed(size_t count, const Failure& failure) {
    FetchAnswer answer;
    answer.failure = failure;
    return {count, answer};
}

FetchAnswer read(const wire::FetchedPartition& from) {
    FetchAnswer answer;
    answer.marks = {from.log_start(), from.durable_watermark(), from.high_watermark(), from.log_end()};
    if (from.error() != nullptr) {
        answer.failure = failure_of(*from.error());
        answer.leader = from.error()->leader();
        answer.leader_epoch = from.error()->leader_epoch();
    }
    return answer;
}

}  // namespace

rpc::Metadata encode_fetch(const std::vector<FetchPart>& parts, const FetchLimits& limits) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::FetchPartition>> partitions;
    for (const FetchPart& part : parts) {
        wire::Uuid topic = rpc::to_wire(part.partition.topic);
        partitions.push_back(wire::CreateFetchPartition(builder, &topic, part.partition.partition.value, part.offset,
                                                        part.leader_epoch,
                                                        static_cast<uint32_t>(limits.partition_bytes_max)));
    }
    auto list = builder.CreateVector(partitions);
    return rpc::finish(builder, wire::CreateFetchRequest(builder, static_cast<int32_t>(limits.wait_max.count()),
                                                         static_cast<uint32_t>(limits.bytes_min),
                                                         static_cast<uint32_t>(limits.bytes_max),
                                                         static_cast<wire::Visibility>(limits.visibility), list));
}

std::vector<FetchAnswer> decode_fetch(const rpc::CallResult& result, size_t count) {
    if (!result.ok()) return all_fetches_failed(count, failure_of(result));
    const auto& response = result.as<wire::FetchResponse>();
    if (response.error() != nullptr) return all_fetches_failed(count, failure_of(*response.error()));
    const auto* partitions = response.partitions();
    if (partitions == nullptr || partitions->size() != count) {
        return all_fetches_failed(count, senseless_answer("it has another number of partitions than were asked for"));
    }
    std::vector<FetchAnswer> answers;
    size_t position = 0;
    for (const wire::FetchedPartition* partition : *partitions) {
        FetchAnswer answer = read(*partition);
        size_t size = partition->payload_size();
        if (size > result.payload.size - position) {
            return all_fetches_failed(count, senseless_answer("the partitions' sizes exceed what came with it"));
        }
        if (size > 0) answer.frames = result.payload.part(position, size);
        position += size;
        answers.push_back(std::move(answer));
    }
    if (position != result.payload.size) {
        return all_fetches_failed(count, senseless_answer("there are bytes that belong to no partition"));
    }
    return answers;
}

std::vector<int64_t> decode_next_offsets(Bytes metadata, size_t count) {
    const auto* partitions = flatbuffers::GetRoot<wire::FetchResponse>(metadata.data())->partitions();
    if (partitions == nullptr || partitions->size() != count) return {};
    std::vector<int64_t> offsets;
    for (const wire::FetchedPartition* partition : *partitions) {
        bool has_records = partition->error() == nullptr && partition->payload_size() > 0;
        offsets.push_back(has_records ? partition->next_offset() : -1);
    }
    return offsets;
}

}  // namespace ironbark::client
