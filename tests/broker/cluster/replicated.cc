#include "tests/broker/cluster/replicated.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "broker/controller/tiers.h"

namespace ironbark::broker {
namespace {

Task<Result<log::ReadFrames>> read_log(log::Log* log) {
    constexpr size_t bytes_max = 4 << 20;
    log::ReadFrames all;
    all.next = log->log_start();
    while (all.next < log->log_end()) {
        Result<log::ReadFrames> part = co_await log->read(all.next, log->log_end(), bytes_max);
        if (!part.ok()) co_return part.error();
        all.slices.insert(all.slices.end(), part->slices.begin(), part->slices.end());
        all.next = part->next;
    }
    co_return all;
}

}  // namespace

Replicated::Replicated(ClusterWorld& cluster, TopicShape shape, const std::string& name) : cluster_(cluster) {
    const int32_t maker = cluster.running().front();
    const size_t wanted = cluster.running().size();
    cluster_.simulation().run_until([&] { return cluster_.metadata(maker)->brokers().size() >= wanted; }, 30s);
    const Said said = cluster_.create_topic(maker, name, shape);
    // Where connections are reset the answer may be lost.
    auto is_there = [&] { return cluster_.metadata(maker)->find(name) != nullptr; };
    const bool is_made = said.ok() || cluster_.simulation().run_until(is_there, 30s);
    EXPECT_TRUE(is_made) << said;
    const auto topic = cluster_.metadata(maker)->find(name);
    if (topic == nullptr) cluster_.simulation().fail("the topic is not there");
    identity_ = {topic->id, PartitionIndex(0)};
    EXPECT_TRUE(wait_in_sync(static_cast<size_t>(shape.replicas)));
}

Replicated Replicated::existing(ClusterWorld& cluster, const std::string& name) {
    const int32_t id = cluster.running().front();
    auto is_there = [&] { return cluster.metadata(id)->find(name) != nullptr; };
    if (!cluster.simulation().run_until(is_there, 30s)) cluster.simulation().fail("the topic is not there");
    return {cluster, {cluster.metadata(id)->find(name)->id, PartitionIndex(0)}};
}

PartitionRecord Replicated::record() {
    MetadataSnapshot newest;
    for (int32_t id : cluster_.running()) {
        if (!cluster_.is_ready(id) || cluster_.metadata(id) == nullptr) continue;
        if (newest == nullptr || cluster_.metadata(id)->version() > newest->version()) newest = cluster_.metadata(id);
    }
    const auto topic = newest == nullptr ? nullptr : newest->find(identity_.topic);
    return topic == nullptr ? PartitionRecord() : topic->partitions.at(0);
}

int32_t Replicated::wait_leader(Duration limit, int32_t other) {
    auto leads = [&] {
        const int32_t id = leader();
        if (id < 0 || id == other || !cluster_.is_running(id) || cluster_.node(id).is_paused()) return false;
        const Partition* partition = replica(id);
        return partition != nullptr && partition->leads();
    };
    if (!cluster_.simulation().run_until(leads, limit)) cluster_.simulation().fail("nobody leads");
    return leader();
}

int32_t Replicated::other_than(int32_t id) {
    const BrokerIds replicas = record().replicas;
    return replicas[0].value == id ? replicas[1].value : replicas[0].value;
}

bool Replicated::wait_in_sync(size_t count, Duration limit) {
    return cluster_.simulation().run_until([&] { return record().in_sync.size() == count; }, limit);
}

ClusterWorld::Pending Replicated::begin_produce(int32_t id,
                                                const std::string& value,
                                                AckLevel level,
                                                int32_t timeout_ms) {
    const Text frames = make_batch(identity_, {value});
    rpc::Metadata request = produce_request({ProducePart{identity_, frames}}, level, timeout_ms);
    return cluster_.begin(id, rpc::Method::produce, std::move(request), frames);
}

ReceiptSeen Replicated::produce(int32_t id, const std::string& value, AckLevel level, int32_t timeout_ms) {
    ClusterWorld::Pending pending = begin_produce(id, value, level, timeout_ms);
    if (!cluster_.simulation().run_until([&] { return pending->has_value(); }, 100s)) {
        cluster_.simulation().fail("a produce request does not end");
    }
    ProduceAnswer answer = read_produce(**pending);
    if (answer.receipts.empty()) {
        ReceiptSeen refused;
        refused.said = answer.said;
        return refused;
    }
    return answer.receipts.front();
}

ReceiptSeen Replicated::produce_somewhere(const std::string& value, AckLevel level, Duration limit) {
    const Instant deadline = cluster_.simulation().now() + limit;
    ReceiptSeen receipt;
    do {
        receipt = produce(wait_leader(limit), value, level, 1'000);
        if (receipt.said.ok()) return receipt;
        cluster_.simulation().run_for(20ms);
    } while (cluster_.simulation().now() < deadline);
    return receipt;
}

MovedSeen Replicated::move(int32_t id, int32_t target, int32_t timeout_ms) {
    return read_moved(cluster_.call(id, rpc::Method::move_leaders, move_request(identity_, target, timeout_ms)));
}

ElectedSeen Replicated::elect(int32_t id, bool unclean, bool validate_only) {
    return read_elected(cluster_.call(id, rpc::Method::elect_leader, elect_request(identity_, unclean, validate_only)));
}

std::vector<std::string> Replicated::read(int32_t id, Visibility visibility) {
    std::vector<std::string> values;
    int64_t next = 0;
    while (true) {
        const std::vector<FetchPart> parts{{identity_, next}};
        rpc::CallResult result =
            cluster_.call(id, rpc::Method::fetch, fetch_request(parts, {.visibility = visibility}));
        FetchAnswer answer = read_fetch(result, parts);
        if (!answer.said.ok() || answer.partitions.empty()) return values;
        const Fetched& fetched = answer.partitions.front();
        EXPECT_TRUE(fetched.said.ok()) << fetched.said;
        if (fetched.records.empty()) return values;
        for (const Seen& seen : fetched.records) values.push_back(seen.value);
        next = fetched.records.back().offset + 1;
    }
}

const Partition* Replicated::replica(int32_t id) {
    if (!cluster_.is_running(id) || !cluster_.is_ready(id)) return nullptr;
    const auto& shards = cluster_.broker(id)->facts().shards;
    return shards[log::shard_of(identity_, shards.size())]->find(identity_);
}

std::string Replicated::tell() {
    const PartitionRecord known = record();
    std::string text = fmt::format("leader {} in epoch {}, partition epoch {}", known.leader.value,
                                   known.leader_epoch.value, known.partition_epoch);
    for (BrokerId broker : known.replicas) {
        const bool is_in_sync = contains(known.in_sync, broker);
        text += fmt::format("\n  {}{}: ", broker.value, is_in_sync ? " (in sync)" : "");
        const Partition* partition = replica(broker.value);
        if (partition == nullptr || partition->log() == nullptr) {
            text += "not there";
            continue;
        }
        const auto& shards = cluster_.broker(broker.value)->facts().shards;
        const Shard* shard = shards[log::shard_of(identity_, shards.size())];
        text += fmt::format("{}, epoch {}, {} to {}, durable to {}, last epoch {}, watermarks {} and {}; {} {}",
                            name(partition->state()), partition->leader_epoch().value, partition->log_start().value,
                            partition->log_end().value, partition->durable_end().value,
                            partition->log()->last_epoch().value, partition->high_watermark().value,
                            partition->durable_watermark().value, partition->detail(),
                            shard->replicator().problem_of(identity_));
        const Leadership* leadership = partition->leadership();
        if (leadership == nullptr) continue;
        for (const ReplicaSet::Replica& each : leadership->replicas.replicas(cluster_.simulation().now())) {
            text += fmt::format("\n    knows of {}: {}, {} durable {}", each.broker.value,
                                each.has_matched ? "matched" : "not matched", each.ends.appended.value,
                                each.ends.durable.value);
        }
        if (leadership->replicas.pending()) text += "\n    a change is pending";
    }
    return text;
}

std::vector<SeenFrame> Replicated::frames_of(int32_t id) {
    const auto& shards = cluster_.broker(id)->facts().shards;
    Partition* partition = shards[log::shard_of(identity_, shards.size())]->find(identity_);
    if (partition == nullptr || partition->log() == nullptr) return {};
    Result<log::ReadFrames> read = cluster_.node(id).run(read_log(partition->log()));
    if (!read.ok()) cluster_.simulation().fail("a replica cannot be read");
    std::vector<SeenFrame> frames;
    std::vector<uint8_t> bytes;
    for (const BufferSlice& slice : read->slices) {
        const Bytes part = slice.bytes();
        bytes.insert(bytes.end(), part.begin(), part.end());
    }
    Result<std::vector<SeenFrame>> seen = read_frames(bytes, identity_);
    if (!seen.ok()) cluster_.simulation().fail("a replica has frames that are not well");
    return *std::move(seen);
}

std::vector<std::string> Replicated::log_of(int32_t id) {
    std::vector<std::string> values;
    for (const SeenFrame& frame : frames_of(id)) {
        for (const Seen& seen : frame.records) values.push_back(seen.value);
    }
    return values;
}

bool Replicated::are_equal(const std::vector<int32_t>& ids) {
    // The chain of a frame is the checksum of the header before it.
    using Place = std::tuple<int64_t, int32_t, uint64_t, uint64_t>;
    std::optional<std::vector<Place>> first;
    for (int32_t id : ids) {
        if (replica(id) == nullptr) return false;
        std::vector<Place> places;
        for (const SeenFrame& frame : frames_of(id)) {
            places.emplace_back(frame.header.base_offset.value, frame.header.leader_epoch.value, frame.header.chain,
                                frame.header.payload_checksum);
        }
        if (!first) first = places;
        if (places != *first) return false;
    }
    return true;
}

bool Replicated::wait_mended(int32_t id, Duration limit) {
    const Instant deadline = cluster_.simulation().now() + limit;
    while (cluster_.simulation().now() < deadline) {
        const auto& shards = cluster_.broker(id)->facts().shards;
        Partition* partition = shards[log::shard_of(identity_, shards.size())]->find(identity_);
        if (partition != nullptr && partition->log() != nullptr && !partition->is_damaged()) {
            if (cluster_.node(id).run(read_log(partition->log())).ok()) return true;
        }
        cluster_.simulation().run_for(50ms);
    }
    return false;
}

bool Replicated::wait_equal(const std::vector<int32_t>& ids, Duration limit) {
    const Instant deadline = cluster_.simulation().now() + limit;
    while (!are_equal(ids)) {
        if (cluster_.simulation().now() >= deadline) return false;
        cluster_.simulation().run_for(50ms);
    }
    return true;
}

}  // namespace ironbark::broker
