// The writing side of a Log: rounds and files.

#include <algorithm>
#include <cstring>

#include "log/log.h"

namespace ironbark::log {

// What one write puts on disk: whole blocks of one segment, up to and with a pad.
struct Log::Round {
    std::vector<BufferSlice> slices;
    uint64_t position = 0;
    uint64_t size = 0;
    size_t chunks = 0;
    Floor after;  // the place after it
};

namespace {

// Files grow in steps, so that ten thousand small partitions fit, and a busy one seldom changes metadata.
constexpr uint64_t allocation_steps[] = {uint64_t{64} << 10, uint64_t{1} << 20, uint64_t{8} << 20, uint64_t{32} << 20};

uint64_t next_allocation(uint64_t allocated, uint64_t needed, uint64_t segment_bytes) {
    uint64_t target = allocated;
    size_t step = 0;
    while (target < needed) {
        while (step + 1 < std::size(allocation_steps) && target >= allocation_steps[step]) ++step;
        target = target < allocation_steps[step] ? allocation_steps[step] : target + allocation_steps[step];
    }
    return std::max(std::min(target, round_up(segment_bytes, block_size)), round_up(needed, block_size));
}

// A step of zeros is as long as what the segment has already, so that small logs write little twice, up to this: 256
// rounds of a block each, and a pause of half a millisecond.
constexpr uint64_t zeros_ahead_bytes = uint64_t{1} << 20;
constexpr uint64_t zeros_ahead_bytes_min = uint64_t{64} << 10;
// Of all logs of a shard at the same time. Many that grow alike reach the end of a step together: those that find no
// room go on without, a little slower, and try again with their next round.
constexpr uint64_t zeroing_bytes_max = uint64_t{4} << 20;

BufferSlice zero_slice(BufferPool& buffers, size_t size) {
    BufferSlice slice(buffers.take(size), 0, size);
    std::memset(slice.data(), 0, size);
    return slice;
}

constexpr Duration storage_full_pause = 1s;  // between attempts to go on when the disk is full

}  // namespace

void Log::start_writer() {
    if (writer_running_ || failure_ || closing_ || !no_cut_.is_set()) return;
    writer_running_ = true;
    writer_idle_.reset();
    scope_.spawn(write_loop());
}

// Whether somebody waits for what is not durable.
bool Log::wants_sync() const {
    return durable_end() < flush_target_ || durable_.wanted() > durable_.value();
}

bool Log::wants_round() const {
    if (durable_end() >= log_end_) return false;
    if (wants_sync()) return true;
    const Segment& newest = *segments_.back();
    if (newest.head.base > durable_end()) return true;  // an older segment is to be finished
    return tail_.unwritten_bytes() >= settings_.write_behind_bytes || newest.unsynced_bytes >= settings_.flush_bytes ||
           newest.sealed;
}

void Log::wait_for_space(bool waits) {
    if (std::exchange(waits_for_space_, waits) == waits) return;
    context_->logs_without_room += waits ? 1 : size_t(-1);
    context_->judge_storage();
}

Task<void> Log::write_loop() {
    while (!failure_ && !closing_ && wants_round()) {
        round_since_ = context_->world.executor.now();
        Result<void> written = co_await write_round();
        round_since_ = never;
        wait_for_space(!written.ok() && written.error().code == ErrorCode::storage_full);
        if (waits_for_space_) {
            // Nothing was lost: it is in memory, and goes to disk when there is room. Appends are refused meanwhile.
            co_await sleep_for(context_->world.executor, storage_full_pause);
        } else if (!written.ok()) {
            fail(written.error());
        }
    }
    wait_for_space(false);
    writer_running_ = false;
    if (durable_end() >= log_end_) {
        dirty_since_ = never;
        context_->world.executor.disarm(flush_timer_);
    } else if (!closing_ && !failure_) {
        arm_flush();
    }
    writer_idle_.set();
}

// The next step towards the disk: one write of the oldest unwritten bytes, or a sync of what is written.
Task<Result<void>> Log::write_round() {
    auto chunk = std::find_if(tail_.chunks().begin(), tail_.chunks().end(),
                              [](const Chunk& candidate) { return candidate.written < candidate.used; });
    auto unfinished = std::find_if(segments_.begin(), segments_.end(), [&](const auto& candidate) {
        return candidate->sealed ? candidate->end > durable_end() : true;
    });
    ASSERT(unfinished != segments_.end());
    Segment* segment = unfinished->get();
    if (chunk == tail_.chunks().end() || chunk->segment_base != segment->head.base) {
        co_return co_await finish_sealed(segment);
    }
    Instant begun = context_->world.executor.now();
    Round round = gather(*segment);
    bool last_of_sealed = segment->sealed && round.after.offset == segment->end;
    bool sync = wants_sync() || last_of_sealed || segment->unsynced_bytes + round.size >= settings_.flush_bytes;
    const Growth growth = sync && round.size < zeros_ahead_bytes ? Growth::written : Growth::allocated;
    CO_TRY_VOID(co_await ensure_file(segment, round, growth));
    std::shared_ptr<File> file = segment->file;
    bool sync_apart = sync && segment->unsynced_bytes > 0;  // a synced write covers only itself
    CO_TRY_VOID(co_await write_fully(*file, round.position, round.slices, sync && !sync_apart ? Sync::data : Sync::no));
    Instant written = context_->world.executor.now();
    if (sync_apart) CO_TRY_VOID(co_await file->sync());
    const RoundTimes times{written - begun, context_->world.executor.now() - written, sync,
                           sync_apart ? written : begun};
    if (sync) last_synced_round_ = times;
    if (context_->on_round) context_->on_round(times);
    complete(*segment, round, sync);
    if (sync && durable_end() < log_end_) dirty_since_ = begun;
    co_return Result<void>();
}

// Everything of the segment is written: sync it, and if it is sealed leave it for good.
Task<Result<void>> Log::finish_sealed(Segment* segment) {
    ASSERT(segment->file != nullptr && written_place_);
    std::shared_ptr<File> file = segment->file;
    CO_TRY_VOID(co_await file->sync());
    segment->unsynced_bytes = 0;
    durable_place_ = *written_place_;
    durable_.advance(durable_place_.offset.value);
    ++context_->counters.rounds_synced;
    checkpoint_when_durable();
    co_return Result<void>();
}

Log::Round Log::gather(Segment& segment) {
    Round round;
    for (Chunk& chunk : tail_.chunks()) {
        if (chunk.written == chunk.used) continue;
        if (chunk.segment_base != segment.head.base) break;
        if (round.chunks > 0 && round.size + (chunk.used - chunk.written) > round_size_max) break;
        if (!chunk.closed) {
            size_t pad = tail_.pad(seed_, durable_end(), epoch_);
            segment.end_position += pad;
            context_->counters.pad_bytes += pad;
        }
        if (round.chunks == 0) round.position = chunk.position + chunk.written;
        const size_t unwritten = chunk.used - chunk.written;
        round.slices.emplace_back(chunk.buffer, chunk.written, unwritten);
        round.size += unwritten;
        ++round.chunks;
        const TailFrame& last = chunk.frames.back();
        const uint8_t* header = chunk.buffer->data() + last.begin;
        round.after = {last.next, segment.head.base, 0, load_le<uint64_t>(header),
                       Epoch(load_le<int32_t>(header + 40))};
    }
    round.after.position = round.position + round.size;
    uint64_t since = checkpoint_.segment_base == segment.head.base ? checkpoint_.position : uint64_t{block_size};
    bool is_due = snapshots_due_.empty() && round.after.position >= since + settings_.checkpoint_bytes;
    if (is_due && round.after.offset == log_end_) take_snapshot(round.after);
    return round;
}

void Log::complete(Segment& segment, const Round& round, bool synced) {
    tail_.note_written(segment.head.base, round.size);
    segment.written_position = round.after.position;
    segment.prepared = std::max(segment.prepared, round.after.position);
    written_end_ = round.after.offset;
    written_place_ = round.after;
    while (!unwritten_units_.empty() && unwritten_units_.front().first <= written_end_) unwritten_units_.pop_front();
    ++context_->counters.rounds;
    context_->counters.written_bytes += round.size;
    if (!synced) {
        segment.unsynced_bytes += round.size;
        return;
    }
    ++context_->counters.rounds_synced;
    segment.unsynced_bytes = 0;
    durable_place_ = round.after;
    durable_.advance(round.after.offset.value);
    checkpoint_when_durable();
}

// The directory and the names in it, on disk. After a crash they may be there for us to see, and not yet for the disk.
Task<Result<void>> Log::ensure_directory() {
    if (names_durable_) co_return Result<void>();
    Disk& disk = context_->world.disk;
    if (!directory_exists_) CO_TRY_VOID(co_await disk.make_directory(directory_));
    directory_exists_ = true;
    CO_TRY_VOID(co_await disk.sync_directory(directory_of(directory_)));
    CO_TRY_VOID(co_await disk.sync_directory(directory_));
    CO_TRY_VOID(co_await change_marks());
    names_durable_ = true;
    co_return Result<void>();
}

// Blocks that were never written make every synced write into them commit metadata, too: 1.5 to 2.1 times its latency.
// So small synced rounds find blocks of zeros, even where larger ones, which outrun that, had more allocated (ADR
// 0005).
Task<Result<void>> Log::ensure_file(Segment* segment, const Round& round, Growth growth) {
    CO_TRY_VOID(co_await ensure_directory());
    if (segment->allocated == 0) CO_TRY_VOID(co_await create_file(segment));
    CO_TRY(std::shared_ptr<File> file, co_await open_segment(segment));
    const uint64_t needed = round.after.position;
    if (segment->allocated < needed) {
        uint64_t target = next_allocation(segment->allocated, needed, settings_.segment_bytes);
        if (growth == Growth::written) {
            target = std::max(needed, std::min(target, segment->allocated + zeros_ahead_bytes));
        }
        CO_TRY_VOID(co_await file->allocate(segment->allocated, target - segment->allocated));
        segment->allocated = target;
    }
    if (growth == Growth::written && segment->prepared < needed) {
        const uint64_t begin = std::max(segment->prepared, round.position);
        const uint64_t step = std::clamp(begin, zeros_ahead_bytes_min, zeros_ahead_bytes);
        const uint64_t end = std::max(needed, std::min(segment->allocated, begin + step));
        if (context_->zeroing_bytes > 0 && context_->zeroing_bytes + (end - begin) > zeroing_bytes_max) {
            co_return Result<void>();
        }
        context_->zeroing_bytes += end - begin;
        std::vector<BufferSlice> zeros;
        zeros.push_back(zero_slice(context_->world.buffers, static_cast<size_t>(end - begin)));
        Result<void> written = co_await write_fully(*file, begin, std::move(zeros), Sync::data);
        context_->zeroing_bytes -= end - begin;
        CO_TRY_VOID(std::move(written));
        segment->prepared = end;
    }
    co_return Result<void>();
}

// A new segment: a file from the pool, or a fresh one, with its head on disk before it has its name.
Task<Result<void>> Log::create_file(Segment* segment) {
    Disk& disk = context_->world.disk;
    std::string path = path_of(segment->head.base, log_suffix);
    std::string temporary = path + new_suffix;
    std::optional<SegmentPool::Taken> taken;
    // What is left in a file of the pool must be of lower offsets than what is written over it.
    const bool may_reuse = segment->head.base >= abandoned_end_;
    if (may_reuse) taken = co_await context_->pool.take(round_up(settings_.segment_bytes, block_size));
    if (taken) {
        Result<void> moved = co_await disk.rename(taken->path, temporary);
        if (!moved.ok()) taken.reset();
    }
    uint64_t size = taken ? taken->size : next_allocation(0, 2 * block_size, settings_.segment_bytes);
    CO_TRY_VOID(co_await fill_new_file(segment, temporary, size, taken ? block_size : size));
    CO_TRY_VOID(co_await disk.rename(temporary, path));
    CO_TRY_VOID(co_await disk.sync_directory(directory_));
    segment->allocated = segment->prepared = size;
    ++(taken ? context_->counters.segments_reused : context_->counters.segments_created);
    co_return Result<void>();
}

// Of its `size` bytes the first `fresh` ones are written: its head, and zeros where nothing was ever written.
Task<Result<void>> Log::fill_new_file(Segment* segment, std::string path, uint64_t size, uint64_t fresh) {
    CO_TRY(std::unique_ptr<File> file, co_await context_->world.disk.open(path, OpenMode::open_or_create, true));
    BufferSlice head = zero_slice(context_->world.buffers, static_cast<size_t>(fresh));
    encode_head({head.data(), block_size}, identity_, segment->head);
    std::vector<BufferSlice> slices;
    slices.push_back(std::move(head));
    Result<void> filled = co_await file->allocate(0, size);
    if (filled.ok()) filled = co_await write_fully(*file, 0, std::move(slices), Sync::no);
    if (filled.ok()) filled = co_await file->sync();
    co_await file->close();
    co_return filled;
}

}  // namespace ironbark::log
