// Fetch: reads what is there; if that is too little, waits until a watermark moves on any of the partitions' shards.

#include <algorithm>
#include <fmt/format.h>

#include "broker/service/service.h"

namespace ironbark::broker {
namespace {

constexpr int32_t fetch_wait_max_ms = 300'000;  // a longer poll would outlive the idle time-out
// How often a waiting fetch looks whether anybody still waits for its answer.
constexpr Duration fetch_look_interval = 1s;

struct Wanted {
    PartitionIdentity identity;
    Offset offset;
    int32_t known_epoch = -1;
    size_t bytes_max = 0;
};

struct Read {
    Error error{ErrorCode::none};
    std::string hint;
    KnownLeader leader;  // with an error that sends the reader there
    Epoch leader_epoch{-1};
    Offset log_start{-1};
    Offset durable{-1};
    Offset high{-1};
    Offset log_end{-1};
    std::vector<BufferSlice> frames;
    size_t size = 0;
    Offset next{-1};            // where the frames end
    bool is_cut_short = false;  // there is more that the reader may see

    void drop_frames() {
        is_cut_short = is_cut_short || size > 0;
        frames.clear();
        size = 0;
        next = Offset(-1);
    }
};

struct Reads {
    std::vector<Read> reads;
    size_t size = 0;
    bool is_final = false;  // waiting would not add anything: an error, or more than is asked for at once
};

void note_marks(Partition& partition, Read& read) {
    read.leader_epoch = partition.leader_epoch();
    read.log_start = partition.log_start();
    read.durable = partition.durable_watermark();
    read.high = partition.high_watermark();
    read.log_end = partition.log_end();
}

void explain(Partition& partition, Offset wanted, const Error& error, Read& read) {
    read.error = error;
    if (error.code == ErrorCode::offset_out_of_range) {
        read.hint = fmt::format("offset {} is not in the log, which has {} to {}", wanted.value, read.log_start.value,
                                read.log_end.value);
    } else if (error.code == ErrorCode::corrupt_data) {
        read.error = {ErrorCode::storage_error, "stored bytes fail their checksum; nothing was served of them"};
        read.hint = partition.log()->last_read_problem();
    } else {
        read.error = {ErrorCode::storage_error, "the partition's log cannot be read"};
        read.hint = fmt::format("reading failed: {} (errno {})", ironbark::name(error.code), error.system_errno);
    }
}

Task<Read> read_partition(Shard* shard, Wanted wanted, wire::Visibility visibility) {
    Read read;
    Partition* partition = shard->find(wanted.identity);
    if (partition == nullptr) {
        read.error = shard->why_not_here(wanted.identity);
        read.leader = shard->leader_instead(wanted.identity, read.error);
        co_return read;
    }
    Gate::Holder inside = partition->use();
    read.error = partition->check_epoch(wanted.known_epoch);
    if (read.error.code != ErrorCode::none) {
        read.hint = partition->detail();
        read.leader = shard->leader_instead(wanted.identity, read.error);
        co_return read;
    }
    partition->note_reader(visibility);
    note_marks(*partition, read);
    const Offset limit = partition->watermark(visibility);
    // A reader that knows of more than may be seen yet waits, as one at the end does.
    if (wanted.offset > limit && wanted.offset <= read.log_end) co_return read;
    Result<log::ReadFrames> frames = co_await partition->log()->read(wanted.offset, limit, wanted.bytes_max);
    if (!frames.ok()) {
        explain(*partition, wanted.offset, frames.error(), read);
        co_return read;
    }
    read.frames = std::move(frames->slices);
    read.size = total_size(read.frames);
    if (read.size > 0) read.next = frames->next;
    read.is_cut_short = frames->next < limit;
    co_return read;
}

// Reads in the order of the request until there is enough; of the rest, only the marks. The first batch comes whatever
// its size.
Task<Reads> read_here(Shard* shard, std::vector<Wanted> wanted, wire::Visibility visibility, size_t bytes_max) {
    Reads result;
    for (Wanted& part : wanted) {
        part.bytes_max = std::min(part.bytes_max, bytes_max - std::min(bytes_max, result.size));
        Read read;
        Partition* partition = shard->find(part.identity);
        if (result.size > 0 && part.bytes_max == 0 && partition != nullptr && partition->log() != nullptr) {
            note_marks(*partition, read);
        } else {
            read = co_await read_partition(shard, part, visibility);
        }
        if (result.size > 0 && result.size + read.size > bytes_max) read.drop_frames();
        result.size += read.size;
        result.is_final = result.is_final || read.error.code != ErrorCode::none || read.is_cut_short;
        result.reads.push_back(std::move(read));
    }
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
        uint64_t number =
            is_local ? partition->watch(wake) : partition->watch([wait, wake] { wait->home->post_remote(wake); });
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

rpc::Response encode(std::vector<Reads>& parts, const std::vector<std::pair<size_t, size_t>>& places) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::FetchedPartition>> partitions;
    rpc::Response response;
    for (const auto& [part, index] : places) {
        const Read& read = parts[part].reads[index];
        auto error = error_info(builder, read.error, Outcome::not_written, read.hint, read.leader);
        partitions.push_back(wire::CreateFetchedPartition(builder, error, read.leader_epoch.value, read.log_start.value,
                                                          read.durable.value, read.high.value, read.log_end.value,
                                                          static_cast<uint32_t>(read.size), read.next.value));
        response.payload.insert(response.payload.end(), read.frames.begin(), read.frames.end());
    }
    response.metadata = rpc::finish(builder, wire::CreateFetchResponseDirect(builder, 0, &partitions));
    return response;
}

// Each shard may have returned a batch that is larger than its share: in the order of the request, what goes beyond the
// limit stays out. Returns the bytes that are left.
size_t trim(std::vector<Reads>& parts, const std::vector<std::pair<size_t, size_t>>& places, size_t bytes_max) {
    size_t sum = 0;
    for (const auto& [part, index] : places) {
        Read& read = parts[part].reads[index];
        if (sum > 0 && sum + read.size > bytes_max) read.drop_frames();
        sum += read.size;
    }
    return sum;
}

rpc::Response answer(Shard* shard,
                     std::vector<Reads> parts,
                     const std::vector<std::pair<size_t, size_t>>& places,
                     size_t bytes_max) {
    size_t size = trim(parts, places, bytes_max);
    rpc::Response response = encode(parts, places);
    // Thousands of errors may leave no room for records: those come with the next fetch, which asks for fewer.
    if (rpc::frame_header_size + response.metadata.size() + size > rpc::frame_size_max) {
        for (const auto& [part, index] : places) parts[part].reads[index].drop_frames();
        response = encode(parts, places);
        size = 0;
    }
    shard->metrics().bytes_out += size;
    return response;
}

// A fetch that is split by shard: what each shard is asked for, and where its answers belong.
struct Split {
    std::vector<Shard*> shards;
    std::vector<std::vector<Wanted>> wanted;        // by shard
    std::vector<std::pair<size_t, size_t>> places;  // in the order of the request: which shard, which of its answers

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

Task<rpc::Response> ClientService::fetch(rpc::Session* session, rpc::Request request) {
    const auto& message = request.as<wire::FetchRequest>();
    const size_t count = message.partitions() == nullptr ? 0 : message.partitions()->size();
    if (Error wrong = check_partition_count(count); wrong.code != ErrorCode::none) {
        co_return rpc::error_response(wrong, Outcome::not_written);
    }
    if (message.visibility() > wire::Visibility::MAX) {
        Error error(ErrorCode::invalid_request, "an unknown visibility");
        co_return rpc::error_response(error, Outcome::not_written);
    }
    Split split;
    const size_t bytes_max =
        message.max_bytes() == 0 ? fetch_bytes_max : std::min<size_t>(message.max_bytes(), fetch_bytes_max);
    for (const wire::FetchPartition* part : *message.partitions()) {
        Wanted wanted{{rpc::from_wire(part->topic()), PartitionIndex(part->partition())},
                      Offset(part->offset()),
                      part->leader_epoch(),
                      part->max_bytes() == 0 ? bytes_max : part->max_bytes()};
        split.add(&shard_of(wanted.identity), wanted);
    }
    const wire::Visibility visibility = message.visibility();
    const size_t bytes_min = std::min<size_t>(message.min_bytes(), bytes_max);
    const Instant deadline =
        request.received + std::chrono::milliseconds(std::clamp(message.max_wait_ms(), 0, fetch_wait_max_ms));
    {
        rpc::Request done = std::move(request);
    }  // a poll may be long: its memory is for others

    auto enough = [bytes_min](const std::vector<Reads>& parts) {
        size_t sum = 0;
        bool is_final = false;
        for (const Reads& part : parts) {
            sum += part.size;
            is_final = is_final || part.is_final;
        }
        return is_final || sum >= bytes_min;
    };
    std::vector<Reads> parts = co_await read_all(&shard_, &split, visibility, bytes_max);
    if (enough(parts) || shard_.executor().now() >= deadline) {
        co_return answer(&shard_, std::move(parts), split.places, bytes_max);
    }

    Event changed(shard_.executor());
    auto wait = std::make_shared<Wait>(Wait{&shard_.executor(), &changed});
    auto place = [&split, wait](Shard* shard, size_t index) { return watch_here(shard, split.wanted[index], wait); };
    std::vector<Watches> watches = co_await on_each<Watches>(&shard_, &split, place);
    const uint64_t wait_number = shard_.begin_wait(&changed);
    while (true) {
        // Something may have moved between the read before and the watch.
        parts = co_await read_all(&shard_, &split, visibility, bytes_max);
        if (enough(parts) || shard_.is_stopping()) break;
        Wake woken = co_await wait_for_change(&changed, deadline, session);
        if (woken == Wake::timed_out) break;
        changed.reset();
    }
    shard_.end_wait(wait_number);
    wait->changed = nullptr;
    auto remove = [&watches](Shard* shard, size_t index) { return unwatch_here(shard, std::move(watches[index])); };
    co_await on_each<bool>(&shard_, &split, remove);
    co_return answer(&shard_, std::move(parts), split.places, bytes_max);
}

// Until something has changed, the deadline has come, or the reader has gone.
Task<Wake> ClientService::wait_for_change(Event* changed, Instant deadline, const rpc::Session* session) {
    while (true) {
        const Instant look_at = std::min(deadline, shard_.executor().now() + fetch_look_interval);
        Wake woken = co_await changed->wait(look_at);
        bool is_over = session->is_closed || shard_.executor().now() >= deadline;
        if (woken != Wake::timed_out || is_over) co_return woken;
    }
}

}  // namespace ironbark::broker
