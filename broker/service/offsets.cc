// Offsets and the beginning of logs: list offsets, delete records, producer ids.

#include <algorithm>

#include "broker/control/control.h"
#include "broker/service/service.h"

namespace ironbark::broker {
namespace {

constexpr int32_t delete_timeout_max_ms = 3'600'000;

struct Listed {
    Error error{ErrorCode::none};
    std::string hint;
    KnownLeader leader;  // with an error that sends the client there
    Offset offset{-1};
    Timestamp timestamp{-1};
    Epoch epoch{-1};
};

struct ListQuery {
    PartitionIdentity identity;
    int32_t known_epoch = -1;
    wire::OffsetPlace place = wire::OffsetPlace::start;
    Timestamp time;
    wire::Visibility visibility = wire::Visibility::topic_default;
};

Error reach(Shard* shard, const PartitionIdentity& identity, int32_t known_epoch, Partition** partition) {
    *partition = shard->find(identity);
    if (*partition == nullptr) return shard->why_not_here(identity);
    return (*partition)->check_epoch(known_epoch);
}

Task<Listed> list_here(Shard* shard, ListQuery query) {
    Listed listed;
    Partition* partition = nullptr;
    listed.error = reach(shard, query.identity, query.known_epoch, &partition);
    if (listed.error.code != ErrorCode::none) {
        listed.leader = shard->leader_instead(query.identity, listed.error);
        co_return listed;
    }
    Gate::Holder inside = partition->use();
    listed.epoch = partition->leader_epoch();
    const Offset end = partition->watermark(query.visibility);
    if (query.place != wire::OffsetPlace::start && !partition->knows_watermark(query.visibility)) {
        listed.error = {ErrorCode::offset_not_available,
                        "the partition has a new leader, which does not know yet what all replicas have; try again"};
        co_return listed;
    }
    if (query.place == wire::OffsetPlace::start || query.place == wire::OffsetPlace::end) {
        listed.offset = query.place == wire::OffsetPlace::start ? partition->log_start() : end;
        co_return listed;
    }
    bool by_time = query.place == wire::OffsetPlace::timestamp;
    auto search = by_time ? partition->log()->find_timestamp(query.time) : partition->log()->find_max_timestamp(end);
    Result<std::optional<log::TimestampOffset>> found = co_await std::move(search);
    if (!found.ok()) {
        listed.error = {ErrorCode::storage_error, "the partition's log cannot be read"};
        if (found.error().code == ErrorCode::corrupt_data) listed.hint = partition->log()->last_read_problem();
        co_return listed;
    }
    // What its reader may not see yet is not there.
    if (!*found || (*found)->offset >= end) co_return listed;
    listed.offset = (*found)->offset;
    listed.timestamp = (*found)->timestamp;
    listed.epoch = (*found)->epoch;
    co_return listed;
}

struct Deleted {
    Error error{ErrorCode::none};
    Outcome outcome = Outcome::not_written;
    KnownLeader leader;  // with an error that sends the client there
    Offset log_start{-1};
};

// Until every replica that may be appointed has stored the new start. Below min-in-sync that may be one that is away:
// the last set that was large enough is counted on until there is another.
Task<bool> wait_for_replicas(Shard* shard, Partition* partition, Offset start, Instant deadline) {
    Event moved(shard->executor());
    const uint64_t watch = partition->watch([&moved] { moved.set(); });
    const uint64_t wait = shard->begin_wait(&moved);
    bool is_there = false;
    while (partition->leadership() != nullptr && !shard->is_stopping()) {
        const ReplicaSet& replicas = partition->leadership()->replicas;
        is_there = replicas.has_enough() && replicas.log_start_everywhere() >= start;
        if (is_there) break;
        moved.reset();
        const Wake woken = co_await moved.wait(deadline);
        if (woken == Wake::timed_out) break;
    }
    shard->end_wait(wait);
    partition->unwatch(watch);
    co_return is_there;
}

Task<Deleted> delete_here(Shard* shard, PartitionIdentity identity, Offset before, Instant deadline) {
    Deleted deleted;
    Partition* partition = nullptr;
    deleted.error = reach(shard, identity, -1, &partition);
    if (deleted.error.code != ErrorCode::none) {
        deleted.leader = shard->leader_instead(identity, deleted.error);
        co_return deleted;
    }
    Gate::Holder inside = partition->use();
    if (before.value == -1) before = partition->high_watermark();
    if (before > partition->high_watermark() || before.value < 0) {
        deleted.error = {ErrorCode::offset_out_of_range, "only records below the high watermark can be deleted"};
        co_return deleted;
    }
    Result<void> done = co_await partition->log()->delete_before(before);
    if (!done.ok()) {
        deleted.error = {ErrorCode::storage_error, "the new start of the log may not be on disk"};
        deleted.outcome = Outcome::unknown;
    } else {
        partition->log_moved();
        const bool is_everywhere = co_await wait_for_replicas(shard, partition, before, deadline);
        if (!is_everywhere) {
            deleted.error = {ErrorCode::request_timed_out,
                             "not every in-sync replica has stored the new start in time"};
            deleted.outcome = Outcome::unknown;
        }
    }
    deleted.log_start = partition->log_start();
    co_return deleted;
}

}  // namespace

Task<rpc::Response> ClientService::list_offsets(rpc::Request request) {
    const auto& message = request.as<wire::ListOffsetsRequest>();
    const size_t count = message.partitions() == nullptr ? 0 : message.partitions()->size();
    if (Error wrong = check_partition_count(count); wrong.code != ErrorCode::none) {
        co_return rpc::error_response(wrong, Outcome::not_written);
    }
    std::vector<Task<Listed>> calls;
    for (size_t index = 0; index < count; ++index) {
        const wire::ListOffsetsPartition& part = *message.partitions()->Get(static_cast<flatbuffers::uoffset_t>(index));
        if (part.place() > wire::OffsetPlace::MAX || message.visibility() > wire::Visibility::MAX) {
            Error error(ErrorCode::invalid_request, "an unknown place or visibility");
            co_return rpc::error_response(error, Outcome::not_written);
        }
        ListQuery query{{rpc::from_wire(part.topic()), PartitionIndex(part.partition())},
                        part.leader_epoch(),
                        part.place(),
                        Timestamp(part.timestamp()),
                        message.visibility()};
        Shard* shard = &shard_of(query.identity);
        auto make = [shard, query] { return list_here(shard, query); };
        calls.push_back(run_on<Listed>(shard_.executor(), shard->executor(), shard->scope(), std::move(make)));
    }
    std::vector<Listed> results = co_await all(shard_.executor(), std::move(calls));
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ListedOffset>> offsets;
    for (const Listed& listed : results) {
        auto error = error_info(builder, listed.error, Outcome::not_written, listed.hint, listed.leader);
        offsets.push_back(wire::CreateListedOffset(builder, error, listed.offset.value, listed.timestamp.milliseconds,
                                                   listed.epoch.value));
    }
    rpc::Response response;
    response.metadata = rpc::finish(builder, wire::CreateListOffsetsResponseDirect(builder, 0, &offsets));
    co_return response;
}

Task<rpc::Response> ClientService::delete_records(rpc::Request request) {
    const auto& message = request.as<wire::DeleteRecordsRequest>();
    const size_t count = message.partitions() == nullptr ? 0 : message.partitions()->size();
    if (Error wrong = check_partition_count(count); wrong.code != ErrorCode::none) {
        co_return rpc::error_response(wrong, Outcome::not_written);
    }
    const int32_t timeout = std::clamp(message.timeout_ms(), 0, delete_timeout_max_ms);
    const Instant deadline = request.received + std::chrono::milliseconds(timeout);
    std::vector<Task<Deleted>> calls;
    for (size_t index = 0; index < count; ++index) {
        const wire::DeleteRecordsPartition& part =
            *message.partitions()->Get(static_cast<flatbuffers::uoffset_t>(index));
        PartitionIdentity identity{rpc::from_wire(part.topic()), PartitionIndex(part.partition())};
        Offset before(part.before());
        Shard* shard = &shard_of(identity);
        auto make = [shard, identity, before, deadline] { return delete_here(shard, identity, before, deadline); };
        calls.push_back(run_on<Deleted>(shard_.executor(), shard->executor(), shard->scope(), std::move(make)));
    }
    std::vector<Deleted> results = co_await all(shard_.executor(), std::move(calls));
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::DeletedRecords>> partitions;
    for (const Deleted& deleted : results) {
        auto error = error_info(builder, deleted.error, deleted.outcome, {}, deleted.leader);
        partitions.push_back(wire::CreateDeletedRecords(builder, error, deleted.log_start.value));
    }
    rpc::Response response;
    response.metadata = rpc::finish(builder, wire::CreateDeleteRecordsResponseDirect(builder, 0, &partitions));
    co_return response;
}

Task<rpc::Response> ClientService::allocate_producer_id(rpc::Request request) {
    const auto& message = request.as<wire::AllocateProducerIdRequest>();
    struct Allocation {
        // The same producer in its next epoch, if it has one: the partitions refuse the one before from then on.
        static Task<Result<ProducerIds::Given>> run(ProducerIds* ids, ProducerId known, ProducerEpoch epoch) {
            bool raise = known.value >= 0 && epoch.value >= 0 && epoch.value < INT16_MAX;
            if (raise) co_return co_await ids->raise(known, epoch);
            co_return co_await ids->next();
        }
    };
    Control* control = facts_.control;
    auto make = [control, known = ProducerId(message.producer_id()), epoch = ProducerEpoch(message.producer_epoch())] {
        return Allocation::run(&control->producer_ids(), known, epoch);
    };
    using Given = Result<ProducerIds::Given>;
    Given given = co_await run_on<Given>(shard_.executor(), control->executor(), control->scope(), std::move(make));
    if (!given.ok()) co_return rpc::error_response(given.error(), Outcome::not_written);
    flatbuffers::FlatBufferBuilder builder;
    rpc::Response response;
    response.metadata =
        rpc::finish(builder, wire::CreateAllocateProducerIdResponse(builder, 0, given->id.value, given->epoch.value));
    co_return response;
}

}  // namespace ironbark::broker
