// The writing side of a Log: rounds, files, checkpoints.

#include <algorithm>
#include <cstring>

#include "log/log.h"
#include "log/snapshot.h"

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

constexpr Duration storage_full_pause = 1s;  // between attempts to go on when the disk is full

}  // namespace

void Log::start_writer() {
    if (writer_running_ || failure_ || cutting_) return;
    writer_running_ = true;
    writer_idle_.reset();
    scope_.spawn(write_loop());
}

bool Log::wants_round() {
    if (durable_end() >= log_end_) return false;
    if (durable_end() < flush_target_ || durable_.wanted() > durable_.value()) return true;
    const Segment& newest = *segments_.back();
    if (newest.head.base > durable_end()) return true;  // an older segment is to be finished
    return tail_.unwritten_bytes() >= settings_.write_behind_bytes || newest.unsynced_bytes >= settings_.flush_bytes ||
           newest.sealed;
}

Task<void> Log::write_loop() {
    while (!failure_ && !closing_ && wants_round()) {
        Result<void> written = co_await write_round();
        if (written.ok()) continue;
        if (written.error().code == ErrorCode::storage_full) {
            // Nothing was lost: it is in memory, and goes to disk when there is room. Appends are refused meanwhile.
            context_->storage_full = true;
            co_await sleep_for(context_->world.executor, storage_full_pause);
            continue;
        }
        fail(written.error());
    }
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
    Round round = gather(*segment);
    bool last_of_sealed = segment->sealed && round.after.offset == segment->end;
    bool sync = durable_end() < flush_target_ || durable_.wanted() > durable_.value() || last_of_sealed ||
                segment->unsynced_bytes + round.size >= settings_.flush_bytes;
    CO_TRY_VOID(co_await ensure_file(segment, round.position + round.size));
    std::shared_ptr<File> file = segment->file;
    Instant begun = context_->world.executor.now();
    bool sync_apart = sync && segment->unsynced_bytes > 0;  // a synced write covers only itself
    CO_TRY_VOID(co_await write_fully(*file, round.position, round.slices, sync && !sync_apart ? Sync::data : Sync::no));
    Instant written = context_->world.executor.now();
    if (sync_apart) CO_TRY_VOID(co_await file->sync());
    if (context_->on_round) {
        context_->on_round({written - begun, context_->world.executor.now() - written, sync});
    }
    complete(*segment, round, sync);
    co_return Result<void>();
}

// Everything of the segment is written: sync it, and if it is sealed leave it for good.
Task<Result<void>> Log::finish_sealed(Segment* segment) {
    ASSERT(segment->file != nullptr);
    std::shared_ptr<File> file = segment->file;
    CO_TRY_VOID(co_await file->sync());
    segment->unsynced_bytes = 0;
    if (written_place_) durable_place_ = *written_place_;
    durable_.advance(std::max(durable_.value(), durable_place_.offset.value));
    ++context_->counters.rounds_synced;
    checkpoint_when_durable();
    co_return Result<void>();
}

Log::Round Log::gather(Segment& segment) {
    Round round;
    for (Chunk& chunk : tail_.chunks()) {
        if (chunk.written == chunk.used) continue;
        if (chunk.segment_base != segment.head.base) break;
        size_t unwritten = chunk.used - chunk.written;
        if (round.chunks > 0 && round.size + unwritten > round_size_max) break;
        if (!chunk.closed) {
            size_t pad = tail_.pad(seed_, durable_end(), epoch_);
            segment.end_position += pad;
            context_->counters.pad_bytes += pad;
            unwritten = chunk.used - chunk.written;
        }
        if (round.chunks == 0) round.position = chunk.position + chunk.written;
        round.slices.emplace_back(chunk.buffer, chunk.written, unwritten);
        round.size += unwritten;
        ++round.chunks;
        const TailFrame& last = chunk.frames.back();
        const uint8_t* header = chunk.buffer->data() + last.begin;
        round.after.offset = last.next;
        round.after.chain = load_le<uint64_t>(header);
        round.after.epoch = Epoch(load_le<int32_t>(header + 40));
    }
    round.after.segment_base = segment.head.base;
    round.after.position = round.position + round.size;
    uint64_t since = checkpoint_.segment_base == segment.head.base ? checkpoint_.position : uint64_t{block_size};
    if (round.after.offset == log_end_ && round.after.position >= since + checkpoint_bytes) take_snapshot(round.after);
    return round;
}

void Log::complete(Segment& segment, const Round& round, bool synced) {
    uint64_t left = round.size;
    for (Chunk& chunk : tail_.chunks()) {
        if (left == 0) break;
        if (chunk.written == chunk.used || chunk.segment_base != segment.head.base) continue;
        // The chunk may have grown behind the round.
        uint64_t part = std::min<uint64_t>(left, chunk.used - chunk.written);
        chunk.written += part;
        left -= part;
    }
    ASSERT(left == 0);
    segment.written_position = round.after.position;
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
    dirty_since_ = durable_end() < log_end_ ? context_->world.executor.now() : never;
    checkpoint_when_durable();
}

Task<Result<void>> Log::ensure_file(Segment* segment, uint64_t end_position) {
    if (segment->allocated == 0) CO_TRY_VOID(co_await create_file(segment));
    if (segment->file == nullptr) {
        Result<std::shared_ptr<File>> opened = co_await open_segment(segment);
        CO_TRY_VOID(opened.ok() ? Result<void>() : Result<void>(opened.error()));
    }
    if (segment->allocated >= end_position) co_return Result<void>();
    uint64_t target = next_allocation(segment->allocated, end_position, settings_.segment_bytes);
    std::shared_ptr<File> file = segment->file;
    CO_TRY_VOID(co_await file->allocate(segment->allocated, target - segment->allocated));
    segment->allocated = target;
    co_return Result<void>();
}

// A new segment: a file from the pool, or a fresh one, with its head on disk before it has its name.
Task<Result<void>> Log::create_file(Segment* segment) {
    Disk& disk = context_->world.disk;
    if (!directory_exists_) {
        CO_TRY_VOID(co_await disk.make_directory(directory_));
        CO_TRY_VOID(co_await disk.sync_directory(directory_of(directory_)));
        directory_exists_ = true;
        marked_.reset();
        if (update_marks()) CO_TRY_VOID(co_await context_->marks.commit());
    }
    std::string path = path_of(segment->head.base, log_suffix);
    std::string temporary = path + ".new";
    uint64_t segment_size = round_up(settings_.segment_bytes, block_size);
    std::optional<SegmentPool::Taken> taken = co_await context_->pool.take(segment_size);
    if (taken) CO_TRY_VOID(co_await disk.rename(taken->path, temporary));
    Result<std::unique_ptr<File>> opened = co_await disk.open(temporary, OpenMode::open_or_create, true);
    CO_TRY_VOID(opened.ok() ? Result<void>() : Result<void>(opened.error()));
    segment->file = std::move(opened).value();
    std::shared_ptr<File> file = segment->file;
    uint64_t size = taken ? taken->size : next_allocation(0, 2 * block_size, settings_.segment_bytes);
    if (!taken) CO_TRY_VOID(co_await file->allocate(0, size));
    BufferSlice head(context_->world.buffers.take(block_size), 0, block_size);
    encode_head({head.data(), head.size}, identity_, segment->head);
    std::vector<BufferSlice> slices;
    slices.push_back(std::move(head));
    CO_TRY_VOID(co_await write_fully(*file, 0, std::move(slices), Sync::no));
    CO_TRY_VOID(co_await file->sync());
    CO_TRY_VOID(co_await disk.rename(temporary, path));
    CO_TRY_VOID(co_await disk.sync_directory(directory_));
    segment->allocated = size;
    ++(taken ? context_->counters.segments_reused : context_->counters.segments_created);
    co_return Result<void>();
}

void Log::take_snapshot(Floor place) {
    if (!snapshot_) snapshot_ = Snapshot{place, last_append_time_, producers_.encode()};
}

// Called whenever the durable end has moved.
void Log::checkpoint_when_durable() {
    context_->note_dirty(*this);
    if (!snapshot_ || snapshot_->place.offset > durable_end() || checkpoint_running_ || closing_) return;
    checkpoint_running_ = true;
    scope_.spawn(checkpoint_aside());
}

// Beside the writer: a checkpoint helps the next start, nothing waits for it, and a failure is no failure of the log.
Task<void> Log::checkpoint_aside() {
    Snapshot snapshot = *std::exchange(snapshot_, std::nullopt);
    (void)co_await write_checkpoint(std::move(snapshot));
    checkpoint_running_ = false;
}

// Index and producers beside the log, of a place that is durable. The snapshot before the last one goes.
Task<Result<void>> Log::write_checkpoint(Snapshot snapshot) {
    const Floor place = snapshot.place;
    auto found = std::find_if(segments_.begin(), segments_.end(),
                              [&](const auto& segment) { return segment->head.base == place.segment_base; });
    if (found == segments_.end()) co_return Result<void>();
    std::vector<uint8_t> index = (*found)->index.encode(identity_, place.segment_base);
    CO_TRY_VOID(co_await replace_file(context_->world, path_of(place.segment_base, index_suffix), std::move(index)));
    std::vector<uint8_t> bytes = encode_snapshot(identity_, place, snapshot.append_time, snapshot.producers);
    CO_TRY_VOID(co_await replace_file(context_->world, path_of(place.offset, producers_suffix), std::move(bytes)));
    if (previous_checkpoint_ && *previous_checkpoint_ != place.offset) {
        (void)co_await context_->world.disk.remove(path_of(*previous_checkpoint_, producers_suffix));
    }
    previous_checkpoint_.reset();
    if (checkpoint_.position != 0 && checkpoint_.offset != place.offset) previous_checkpoint_ = checkpoint_.offset;
    checkpoint_ = place;
    co_return Result<void>();
}

Task<Result<void>> Log::checkpoint() {
    flush_target_ = log_end_;
    CO_TRY_VOID(co_await reach_durable(log_end_, never));
    co_await writer_idle_.wait();
    while (checkpoint_running_) co_await sleep_for(context_->world.executor, 1ms);
    bool is_there = checkpoint_.position != 0 && checkpoint_.offset == log_end_;
    if (segments_.empty() || failure_ || log_end_ != durable_end() || is_there) co_return Result<void>();
    snapshot_.reset();
    Snapshot snapshot{durable_place_, last_append_time_, producers_.encode()};
    co_return co_await write_checkpoint(std::move(snapshot));
}

}  // namespace ironbark::log
