// Fetch: reads what is there; if that is too little, waits until a watermark moves on any of the partitions' shards.

#include <algorithm>

#include "broker/service/service.h"

namespace ironbark::broker {
namespace {

constexpr int32_t fetch_wait_max_ms = 300'000;            // a longer poll would outlive the idle time-out
constexpr uint32_t fetch_bytes_max = uint32_t{15} << 20;  // leaves room for the rest of a frame

struct Wanted {
    PartitionIdentity identity;
    Offset offset;
    int32_t known_epoch = -1;
    size_t bytes_max = 0;
};

struct Read {
    Error error{ErrorCode::none};
    std::string hint;
    Epoch leader_epoch{-1};
    Offset log_start{-1};
    Offset durable{-1};
    Offset high{-1};
    Offset log_end{-1};
    std::vector<BufferSlice> frames;
    size_t size = 0;
};

struct Reads {
    std::vector<Read> reads;
    size_t size = 0;
    bool has_error = false;
};

void note_marks(Partition& partition, Read& read) {
    read.leader_epoch = partition.leader_epoch();
    read.log_start = partition.log_start();
    read.durable = partition.durable_watermark();
    read.high = partition.high_watermark();
    read.log_end = partition.log_end();
}

Task<Read> read_partition(Shard* shard, Wanted wanted, wire::Visibility visibility) {
    Read read;
    Partition* partition = shard->find(wanted.identity);
    if (partition == nullptr) {
        read.error = {ErrorCode::unknown_topic_or_partition, "this broker has no such partition"};
        co_return read;
    }
    Gate::Holder inside = partition->use();
    read.error = partition->check_epoch(wanted.known_epoch);
    if (read.error.code != ErrorCode::none) {
        read.hint = partition->detail();
        co_return read;
    }
    note_marks(*partition, read);
    const Offset limit = partition->watermark(visibility);
    // A reader that knows of more than may be seen yet waits, as one at the end does.
    if (wanted.offset > limit && wanted.offset <= read.log_end) co_return read;
    Result<log::ReadFrames> frames = co_await partition->log()->read(wanted.offset, limit, wanted.bytes_max);
    if (!frames.ok()) {
        read.error = frames.error();
        if (read.error.code == ErrorCode::corrupt_data) {
            read.error = {ErrorCode::storage_error, "stored bytes fail their checksum; nothing was served of them"};
            read.hint = partition->log()->last_read_problem();
        }
        co_return read;
    }
    read.frames = std::move(frames->slices);
    read.size = total_size(read.frames);
    co_return read;
}

Task<Reads> read_here(Shard* shard, std::vector<Wanted> wanted, wire::Visibility visibility, size_t bytes_max) {
    Reads result;
    for (Wanted& part : wanted) {
        // The first batch comes whatever its size; what follows must fit.
        if (result.size > 0 && result.size >= bytes_max) part.bytes_max = 0;
        part.bytes_max = std::min(part.bytes_max, bytes_max - std::min(bytes_max, result.size));
        Read read;
        if (result.size > 0 && part.bytes_max == 0) {
            if (Partition* partition = shard->find(part.identity); partition != nullptr && partition->log() != nullptr) {
                note_marks(*partition, read);
            }
        } else {
            read = co_await read_partition(shard, part, visibility);
        }
        if (result.size > 0 && result.size + read.size > std::max<size_t>(bytes_max, fetch_bytes_max)) {
            read.frames.clear();
            read.size = 0;
        }
        result.size += read.size;
        result.has_error = result.has_error || read.error.code != ErrorCode::none;
        result.reads.push_back(std::move(read));
    }
    shard->metrics().bytes_out += result.size;
    co_return result;
}

// Shared by a waiting fetch and the watches it has placed, on its own shard and on others. Touched on the fetch's
// thread only; `changed` is null once the fetch has gone on.
struct Wait {
    Executor* home = nullptr;
    Event* changed = nullptr;
};

using Watches = std::vector<std::pair<PartitionIdentity, uint64_t>>;

Task<Watches> watch_here(Shard* shard, std::vector<Wanted> wanted, std::shared_ptr<Wait> wait) {
    Watches watches;
    for (const Wanted& part : wanted) {
        Partition* partition = shard->find(part.identity);
        if (partition == nullptr) continue;
        auto wake = [wait] {
            if (wait->changed != nullptr) wait->changed->set();
        };
        bool is_local = wait->home == &shard->executor();
        uint64_t number = is_local ? partition->watch(wake)
                                   : partition->watch([wait, wake] { wait->home->post_remote(wake); });
        watches.emplace_back(part.identity, number);
    }
    co_return watches;
}

Task<bool> unwatch_here(Shard* shard, Watches watches) {
    for (const auto& [identity, number] : watches) {
        if (Partition* partition = shard->find(identity)) partition->unwatch(number);
    }
    co_return true;
}

rpc::Response answer(std::vector<Reads> parts, const std::vector<std::pair<size_t, size_t>>& places) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::FetchedPartition>> partitions;
    rpc::Response response;
    for (const auto& [part, index] : places) {
        Read& read = parts[part].reads[index];
        auto error = error_info(builder, read.error, Outcome::not_written, read.hint);
        partitions.push_back(wire::CreateFetchedPartition(builder, error, read.leader_epoch.value, read.log_start.value,
                                                          read.durable.value, read.high.value, read.log_end.value,
                                                          static_cast<uint32_t>(read.size)));
        for (BufferSlice& slice : read.frames) response.payload.push_back(std::move(slice));
    }
    response.metadata = rpc::finish(builder, wire::CreateFetchResponseDirect(builder, 0, &partitions));
    return response;
}

// A fetch that is split by shard: what each shard is asked for, and where its answers belong.
struct Split {
    std::vector<Shard*> shards;
    std::vector<std::vector<Wanted>> wanted;          // by shard
    std::vector<std::pair<size_t, size_t>> places;    // in the order of the request: which shard, which of its answers

    void add(Shard* shard, Wanted part) {
        size_t at = static_cast<size_t>(std::find(shards.begin(), shards.end(), shard) - shards.begin());
        if (at == shards.size()) {
            shards.push_back(shard);
            wanted.emplace_back();
        }
        places.emplace_back(at, wanted[at].size());
        wanted[at].push_back(part);
    }
};

template <typename T, typename Call>
Task<std::vector<T>> on_each(Shard* home, const Split* split, Call call) {
    std::vector<Task<T>> calls;
    for (size_t index = 0; index < split->shards.size(); ++index) {
        Shard* shard = split->shards[index];
        auto make = [call, shard, index] { return call(shard, index); };
        calls.push_back(run_on<T>(home->executor(), shard->executor(), shard->scope(), std::move(make)));
    }
    if (calls.size() > 1) co_return co_await all(home->executor(), std::move(calls));
    std::vector<T> results;
    for (Task<T>& only : calls) results.push_back(co_await std::move(only));
    co_return results;
}

Task<std::vector<Reads>> read_all(Shard* home, const Split* split, wire::Visibility visibility, size_t bytes_max) {
    size_t share = bytes_max / std::max<size_t>(1, split->shards.size());
    return on_each<Reads>(home, split, [split, visibility, share](Shard* shard, size_t index) {
        return read_here(shard, split->wanted[index], visibility, share);
    });
}

}  // namespace

Task<rpc::Response> ClientService::fetch(rpc::Request request) {
    const auto& message = request.as<wire::FetchRequest>();
    if (message.partitions() == nullptr || message.partitions()->size() == 0 ||
        message.visibility() > wire::Visibility::MAX) {
        Error error(ErrorCode::invalid_request, "no partitions, or an unknown visibility");
        co_return rpc::error_response(error, Outcome::not_written);
    }
    Split split;
    const uint32_t bytes_max = message.max_bytes() == 0 ? fetch_bytes_max : std::min(message.max_bytes(), fetch_bytes_max);
    for (const wire::FetchPartition* part : *message.partitions()) {
        Wanted wanted{{rpc::from_wire(part->topic()), PartitionIndex(part->partition())}, Offset(part->offset()),
                      part->leader_epoch(), part->max_bytes() == 0 ? bytes_max : part->max_bytes()};
        split.add(&shard_of(wanted.identity), wanted);
    }
    const wire::Visibility visibility = message.visibility();
    const size_t bytes_min = std::min(message.min_bytes(), bytes_max);
    const Instant deadline =
        request.received + std::chrono::milliseconds(std::clamp(message.max_wait_ms(), 0, fetch_wait_max_ms));
    { rpc::Request done = std::move(request); }  // a poll may be long: its memory is for others

    auto enough = [bytes_min](const std::vector<Reads>& parts) {
        size_t sum = 0;
        bool has_error = false;
        for (const Reads& part : parts) {
            sum += part.size;
            has_error = has_error || part.has_error;
        }
        return has_error || sum >= bytes_min;
    };
    std::vector<Reads> parts = co_await read_all(&shard_, &split, visibility, bytes_max);
    if (enough(parts) || shard_.executor().now() >= deadline) co_return answer(std::move(parts), split.places);

    Event changed(shard_.executor());
    auto wait = std::make_shared<Wait>(Wait{&shard_.executor(), &changed});
    auto place = [&split, wait](Shard* shard, size_t index) { return watch_here(shard, split.wanted[index], wait); };
    std::vector<Watches> watches = co_await on_each<Watches>(&shard_, &split, place);
    shard_.begin_wait(&changed);
    while (true) {
        // Something may have moved between the read before and the watch.
        parts = co_await read_all(&shard_, &split, visibility, bytes_max);
        if (enough(parts) || shard_.is_stopping()) break;
        Wake woken = co_await changed.wait(deadline);
        if (woken == Wake::timed_out) break;
        changed.reset();
    }
    shard_.end_wait(&changed);
    wait->changed = nullptr;
    auto remove = [&watches](Shard* shard, size_t index) { return unwatch_here(shard, std::move(watches[index])); };
    co_await on_each<bool>(&shard_, &split, remove);
    co_return answer(std::move(parts), split.places);
}

}  // namespace ironbark::broker
