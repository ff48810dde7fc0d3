// Produce: the request is split by shard once; each shard appends its part in order and waits for the level.

#include <algorithm>

#include "broker/service/service.h"

namespace ironbark::broker {
namespace {

// One partition's share of a request, and what becomes of it.
struct Share {
    PartitionIdentity identity;
    int32_t known_epoch = -1;
    int32_t gap_from = -1;
    BufferSlice frames;
    Receipt receipt;
    KnownLeader leader;  // with an error that sends the client there
};

using Times = Partition::Times;

constexpr int32_t produce_timeout_max_ms = 3'600'000;  // no client waits longer than its delivery time-out may be

Receipt refused(const Error& error) {
    Receipt receipt;
    receipt.error = error;
    receipt.outcome = Outcome::not_written;
    receipt.hint = error.text;
    return receipt;
}

// Appends all shares, in order, then waits: the rounds of several partitions are under way at the same time.
Task<bool> produce_here(Shard* shard, std::vector<Share*> shares, wire::AckLevel level, Times times) {
    std::vector<Partition*> partitions(shares.size());
    std::vector<Gate::Holder> inside;
    for (size_t index = 0; index < shares.size(); ++index) {
        Share& share = *shares[index];
        Partition* partition = shard->find(share.identity);
        if (partition == nullptr) {
            share.receipt = refused(shard->why_not_here(share.identity));
            continue;
        }
        inside.push_back(partition->use());
        if (Error wrong = partition->check_epoch(share.known_epoch);
            wrong.code != ErrorCode::none && partition->state() != PartitionState::failed) {
            share.receipt = refused(wrong);
            continue;
        }
        partitions[index] = partition;
        share.receipt = co_await partition->append(share.frames, level, times, share.gap_from);
    }
    ShardMetrics& metrics = shard->metrics();
    for (size_t index = 0; index < shares.size(); ++index) {
        Receipt& receipt = shares[index]->receipt;
        if (partitions[index] != nullptr) co_await partitions[index]->acknowledge(&receipt, times.deadline);
        if (receipt.error.code != ErrorCode::none) {
            shares[index]->leader = shard->leader_instead(shares[index]->identity, receipt.error);
            ++metrics.batches_refused;
            continue;
        }
        metrics.produce[static_cast<size_t>(receipt.level)].add(shard->executor().now() - times.received);
        metrics.duplicates += receipt.duplicate ? 1 : 0;
        if (receipt.duplicate) continue;
        metrics.behind_gap += receipt.gap_from >= 0 ? 1 : 0;
        metrics.bytes_in += shares[index]->frames.size;
        metrics.records_in += static_cast<uint64_t>(receipt.last - receipt.base + 1);
    }
    co_return true;
}

uint32_t microseconds(Duration duration) {
    return static_cast<uint32_t>(std::clamp<int64_t>(duration.count() / 1000, 0, UINT32_MAX));
}

rpc::Response answer(const std::vector<Share>& shares) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ProduceReceipt>> receipts;
    for (const Share& share : shares) {
        const Receipt& receipt = share.receipt;
        auto error = error_info(builder, receipt.error, receipt.outcome, receipt.hint, share.leader);
        bool reached = receipt.error.code == ErrorCode::none;
        std::vector<int32_t> holders;
        for (BrokerId broker : receipt.replicas) holders.push_back(broker.value);
        auto replicas = builder.CreateVector(holders);
        wire::AckLevel level = reached ? receipt.level : wire::AckLevel::none;
        receipts.push_back(wire::CreateProduceReceipt(
            builder, error, receipt.base.value, receipt.last.value, receipt.leader_epoch.value,
            receipt.append_time.milliseconds, level, replicas, receipt.log_start.value, microseconds(receipt.queued),
            microseconds(receipt.written), microseconds(receipt.synced), microseconds(receipt.replicated),
            receipt.duplicate, receipt.expected_sequence, receipt.gap_from));
    }
    auto root = wire::CreateProduceResponseDirect(builder, 0, &receipts);
    rpc::Response response;
    response.metadata = rpc::finish(builder, root);
    return response;
}

}  // namespace

Task<rpc::Response> ClientService::produce(rpc::Request request) {
    const auto& message = request.as<wire::ProduceRequest>();
    const size_t count = message.partitions() == nullptr ? 0 : message.partitions()->size();
    if (Error wrong = check_partition_count(count); wrong.code != ErrorCode::none) {
        co_return rpc::error_response(wrong, Outcome::not_written);
    }
    std::vector<Share> shares;
    size_t position = 0;
    for (size_t index = 0; index < count; ++index) {
        const wire::ProducePartition& part = *message.partitions()->Get(static_cast<flatbuffers::uoffset_t>(index));
        if (part.payload_size() > request.payload.size - position) {
            Error error(ErrorCode::invalid_request, "the payload is shorter than its partitions' sizes");
            co_return rpc::error_response(error, Outcome::not_written);
        }
        Share share;
        share.identity = {rpc::from_wire(part.topic()), PartitionIndex(part.partition())};
        share.known_epoch = part.leader_epoch();
        share.gap_from = part.gap_from();
        if (part.payload_size() > 0) share.frames = request.payload.part(position, part.payload_size());
        position += part.payload_size();
        shares.push_back(std::move(share));
    }
    if (position != request.payload.size) {
        Error error(ErrorCode::invalid_request, "the payload is longer than its partitions' sizes");
        co_return rpc::error_response(error, Outcome::not_written);
    }
    if (message.level() > wire::AckLevel::MAX) {
        Error error(ErrorCode::invalid_request, "this broker does not know that acknowledgement level");
        co_return rpc::error_response(error, Outcome::not_written);
    }
    const wire::AckLevel level = message.level();
    const int32_t timeout = std::clamp(message.timeout_ms(), 0, produce_timeout_max_ms);
    const Times times{request.received, request.received + std::chrono::milliseconds(timeout)};

    std::map<Shard*, std::vector<Share*>> by_shard;
    for (Share& share : shares) by_shard[&shard_of(share.identity)].push_back(&share);
    if (by_shard.size() == 1 && by_shard.begin()->first == &shard_) {
        co_await produce_here(&shard_, std::move(by_shard.begin()->second), level, times);
    } else {
        std::vector<Task<bool>> parts;
        for (Shard* shard : facts_.shards) {
            auto part = by_shard.find(shard);
            if (part == by_shard.end()) continue;
            auto make = [shard, mine = part->second, level, times] { return produce_here(shard, mine, level, times); };
            parts.push_back(run_on<bool>(shard_.executor(), shard->executor(), shard->scope(), std::move(make)));
        }
        if (parts.size() == 1) {
            co_await std::move(parts.front());
        } else {
            co_await all(shard_.executor(), std::move(parts));
        }
    }
    co_return answer(shares);
}

}  // namespace ironbark::broker
