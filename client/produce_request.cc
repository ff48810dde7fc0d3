#include "client/produce_request.h"

#include "runtime/rpc/convert.h"
#include "wire/client_generated.h"

namespace ironbark::client {
namespace {

ProduceAnswer failed_produce(const Failure& failure) {
    ProduceAnswer answer;
    answer.failure = failure;
    return answer;
}

std::chrono::microseconds microseconds(uint32_t count) {
    return std::chrono::microseconds(count);
}

Written read_receipt(const wire::ProduceReceipt& receipt) {
    Written written;
    written.base_offset = receipt.base_offset();
    written.leader_epoch = receipt.leader_epoch();
    written.append_time = receipt.append_time();
    written.level = static_cast<Acks>(receipt.level());
    if (receipt.replicas() != nullptr) written.replicas.assign(receipt.replicas()->begin(), receipt.replicas()->end());
    written.queued = microseconds(receipt.queued_us());
    written.written = microseconds(receipt.written_us());
    written.synced = microseconds(receipt.synced_us());
    written.replicated = microseconds(receipt.replicated_us());
    written.duplicate = receipt.duplicate();
    written.gap_from = receipt.gap_from();
    return written;
}

ProduceAnswer read(const wire::ProduceReceipt& receipt) {
    ProduceAnswer answer;
    if (receipt.error() == nullptr) {
        answer.is_written = true;
        answer.receipt = read_receipt(receipt);
        return answer;
    }
    answer.failure = failure_of(*receipt.error());
    answer.expected_sequence = receipt.expected_sequence();
    answer.leader = receipt.error()->leader();
    answer.leader_epoch = receipt.error()->leader_epoch();
    return answer;
}

}  // namespace

rpc::Metadata encode_produce(const std::vector<ProducePart>& parts, Acks acks, int64_t timeout_ms) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ProducePartition>> partitions;
    for (const ProducePart& part : parts) {
        wire::Uuid topic = rpc::to_wire(part.partition.topic);
        partitions.push_back(wire::CreateProducePartition(builder, &topic, part.partition.partition.value,
                                                          part.leader_epoch, static_cast<uint32_t>(part.frame.size),
                                                          part.gap_from));
    }
    auto list = builder.CreateVector(partitions);
    auto level = static_cast<wire::AckLevel>(acks);
    return rpc::finish(builder, wire::CreateProduceRequest(builder, level, static_cast<int32_t>(timeout_ms), list));
}

std::vector<ProduceAnswer> decode_produce(const rpc::CallResult& result, size_t count) {
    if (!result.ok()) return {count, failed_produce(failure_of(result))};
    const auto& response = result.as<wire::ProduceResponse>();
    if (response.error() != nullptr) return {count, failed_produce(failure_of(*response.error()))};
    const auto* receipts = response.partitions();
    if (receipts == nullptr || receipts->size() != count) {
        return {count,
                failed_produce(senseless_answer("it has another number of receipts than there were partitions"))};
    }
    std::vector<ProduceAnswer> answers;
    for (const wire::ProduceReceipt* receipt : *receipts) answers.push_back(read(*receipt));
    return answers;
}

}  // namespace ironbark::client
