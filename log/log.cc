#include "log/log.h"

#include <algorithm>
#include <cstring>

namespace ironbark::log {

void LogContext::note_dirty(Log& log) {
    dirty[log.identity()] = &log;
    if (marks_wanted != nullptr) marks_wanted->set();
    if (on_moved) on_moved(log);
}

Log::Log(LogContext* context, PartitionIdentity identity, LogSettings settings)
    : context_(context), identity_(identity), seed_(identity.seed()),
      directory_(context->directory + "/partitions/" + identity.to_string()), settings_(settings),
      tail_(context->world.buffers), durable_(context->world.executor, 0), flush_timer_(&Log::flush_due, *this),
      writer_idle_(context->world.executor), structure_(context->world.executor), scope_(context->world.executor) {
    writer_idle_.set();
    durable_place_.position = block_size;
}

Log::~Log() {
    ASSERT(closing_ || context_->world.executor.has_crashed());
    context_->dirty.erase(identity_);
    if (holds_tail_) {
        context_->tail_bytes -= tail_.memory_bytes();
        context_->tails.erase(tail_place_);
    }
}

std::string Log::path_of(Offset base, const char* suffix) const {
    return directory_ + "/" + segment_file_name(base, suffix);
}

uint64_t Log::allocated_bytes() const {
    uint64_t sum = 0;
    for (const auto& segment : segments_) sum += segment->allocated;
    return sum;
}

uint64_t Log::unsynced_bytes() const {
    uint64_t sum = tail_.unwritten_bytes();
    for (auto segment = segments_.rbegin(); segment != segments_.rend(); ++segment) {
        sum += (*segment)->unsynced_bytes;
        if ((*segment)->head.base <= durable_end()) break;
    }
    return sum;
}

Duration Log::unsynced_age() const {
    return dirty_since_ == never ? Duration::zero() : context_->world.executor.now() - dirty_since_;
}

size_t Log::memory_bytes() const {
    size_t sum = sizeof(Log) + tail_.memory_bytes();
    for (const auto& segment : segments_) sum += sizeof(Segment) + segment->index.memory_bytes();
    return sum;
}

Task<Result<void>> Log::begin_epoch(Epoch epoch) {
    ASSERT(epoch > epoch_);
    epoch_ = epoch;
    epoch_starts_.push_back({epoch, log_end_});
    if (!directory_exists_) co_return Result<void>();  // the first append says it again
    marked_.reset();
    update_marks();
    co_return co_await context_->marks.commit();
}

// The segment that takes a frame of this size: rolls when the active one is full.
Segment& Log::active_segment(size_t frame_size) {
    bool fits = !segments_.empty() && !segments_.back()->sealed &&
                (segments_.back()->end == segments_.back()->head.base ||
                 pad_end(segments_.back()->end_position + frame_size) <= settings_.segment_bytes);
    if (fits) return *segments_.back();
    roll();
    auto segment = std::make_unique<Segment>();
    segment->head.base = log_end_;
    segment->head.previous_base = segments_.empty() ? Offset(-1) : segments_.back()->head.base;
    segment->head.chain_before = chain_;
    segment->head.epoch_before = epoch_;
    segment->head.created = last_append_time_;
    segment->end = log_end_;
    segment->index.start_at(log_end_);
    segments_.push_back(std::move(segment));
    return *segments_.back();
}

// Seals the active segment; the next append starts a new one.
void Log::roll() {
    if (segments_.empty() || segments_.back()->sealed) return;
    Segment& segment = *segments_.back();
    if (!tail_.empty() && !tail_.chunks().back().closed) {
        segment.end_position += tail_.pad(seed_, durable_end(), epoch_);
        tail_.close_chunk();
    }
    segment.sealed = true;
    take_snapshot({log_end_, segment.head.base, segment.end_position, chain_, epoch_});
}

Task<Result<Appended>> Log::append(record::FrameView frame, Epoch epoch, Timestamp now) {
    const size_t size = frame.bytes.size();
    ASSERT(size == frame.header.length && !frame.header.is_pad());
    if (context_->storage_full) co_return ErrorCode::storage_full;
    std::optional<Units> units = co_await context_->unwritten.take(static_cast<int64_t>(size));
    if (failure_) co_return ErrorCode::storage_error;
    if (!units || closing_) co_return ErrorCode::closed;
    ASSERT(!cutting_ && epoch >= epoch_);

    Segment& segment = active_segment(size);
    if (!tail_.has_room(size)) {
        size_t before = tail_.memory_bytes();
        if (!tail_.empty() && !tail_.chunks().back().closed) {
            segment.end_position += tail_.pad(seed_, durable_end(), epoch_);
            tail_.close_chunk();
        }
        tail_.start_chunk(segment.head.base, segment.end_position, size);
        context_->tail_bytes += tail_.memory_bytes() - before;
    }
    last_append_time_ = std::max(last_append_time_, now);
    MutableBytes place = tail_.reserve(size);
    std::memcpy(place.data(), frame.bytes.data(), size);
    record::Stamp stamp{log_end_, epoch, chain_, last_append_time_, 0};
    chain_ = record::stamp(place, seed_, stamp);
    epoch_ = epoch;

    frame.header.checksum = chain_;
    frame.header.base_offset = log_end_;
    frame.header.leader_epoch = epoch;
    frame.header.append_time = last_append_time_;
    Offset next = frame.next_offset();
    tail_.commit(log_end_, next, size);
    segment.index.add(frame, segment.end_position);
    segment.end_position += size;
    segment.end = next;
    segment.max_append_time = last_append_time_;
    producers_.apply(frame);
    Appended appended{log_end_, next - 1, last_append_time_};
    log_end_ = next;
    unwritten_units_.emplace_back(next, *std::move(units));
    ++context_->counters.appended_frames;
    context_->counters.appended_bytes += size;
    note_touched();
    arm_flush();
    if (wants_round()) start_writer();
    co_return appended;
}

// Moves this log to the young end of the list of those that hold memory, and makes room at the old end.
void Log::note_touched() {
    if (!holds_tail_) {
        tail_place_ = context_->tails.insert(context_->tails.end(), this);
        holds_tail_ = true;
    } else {
        context_->tails.splice(context_->tails.end(), context_->tails, tail_place_);
    }
    for (auto old = context_->tails.begin();
         context_->tail_bytes > context_->tail_bytes_max && old != context_->tails.end();) {
        Log* log = *old++;
        while (context_->tail_bytes > context_->tail_bytes_max && log->release_memory() > 0) {
        }
    }
}

size_t Log::release_memory() {
    size_t freed = tail_.drop_oldest_written();
    context_->tail_bytes -= freed;
    if (tail_.empty() && holds_tail_) {
        context_->tails.erase(tail_place_);
        holds_tail_ = false;
    }
    return freed;
}

void Log::arm_flush() {
    if (dirty_since_ == never) dirty_since_ = context_->world.executor.now();
    if (!flush_timer_.is_armed()) {
        context_->world.executor.arm(flush_timer_, context_->world.executor.now() + settings_.flush_interval);
    }
}

void Log::flush_due(Timer& timer) {
    Log& log = *static_cast<FlushTimer&>(timer).log;
    log.flush_target_ = log.log_end_;
    log.start_writer();
}

void Log::want_durable(Offset end) {
    if (durable_end() >= end || failure_ || closing_) return;
    durable_.want(end.value);
    start_writer();
}

Task<Result<void>> Log::reach_durable(Offset end, Instant deadline) {
    if (durable_end() >= end) co_return Result<void>();
    if (failure_) co_return ErrorCode::storage_error;
    if (closing_) co_return ErrorCode::closed;
    Task<Wake> reached = durable_.reach(end.value, deadline);
    // The writer looks at who waits when it runs, which is after this coroutine has suspended.
    start_writer();
    Wake wake = co_await std::move(reached);
    if (wake == Wake::signalled) co_return Result<void>();
    if (wake == Wake::timed_out) co_return ErrorCode::timed_out;
    co_return failure_ ? ErrorCode::storage_error : ErrorCode::closed;
}

void Log::fail(Error error) {
    if (failure_) return;
    failure_ = error;
    ++context_->counters.logs_failed;
    unwritten_units_.clear();
    context_->world.executor.disarm(flush_timer_);
    durable_.close();
    if (context_->on_moved) context_->on_moved(*this);
}

void Log::note_watermarks(Offset high_watermark, Offset durable_watermark) {
    high_watermark_ = high_watermark;
    durable_watermark_ = durable_watermark;
}

bool Log::update_marks() {
    if (!directory_exists_ || marked_ == durable_place_) return false;
    PartitionMarks marks;
    marks.identity = identity_;
    marks.log_start = log_start_;
    marks.floor = durable_place_;
    marks.durable_watermark = std::min(durable_watermark_, durable_place_.offset);
    marks.high_watermark = std::max(marks.durable_watermark, std::min(high_watermark_, log_end_));
    marks.epoch_starts = epoch_starts_;
    context_->marks.set(std::move(marks));
    marked_ = durable_place_;
    return true;
}

Task<void> Log::close() {
    if (closing_) co_return;
    closing_ = true;
    context_->world.executor.disarm(flush_timer_);
    durable_.close();
    structure_.close();
    co_await scope_.join();
    unwritten_units_.clear();
    for (auto& segment : segments_) {
        if (segment->file) co_await segment->file->close();
        segment->file.reset();
    }
}

}  // namespace ironbark::log
