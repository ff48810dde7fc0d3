#include "log/log.h"

#include <algorithm>
#include <cstring>

namespace ironbark::log {
namespace {

constexpr Duration look_again = 1s;  // how soon who waits for other logs, or for space, notices that its own is closing

LogSettings within_limits(LogSettings settings) {
    settings.flush_bytes = std::min(settings.flush_bytes, flush_bytes_max);
    return settings;
}

}  // namespace

void LogContext::note_dirty(Log& log) {
    dirty[log.identity()] = &log;
    if (marks_wanted != nullptr) marks_wanted->set();
    if (on_moved) on_moved(log);
}

Log::Log(LogContext* context, PartitionIdentity identity, LogSettings settings)
    : context_(context),
      identity_(identity),
      seed_(identity.seed()),
      directory_(context->directory + "/partitions/" + identity.to_string()),
      settings_(within_limits(settings)),
      tail_(context->world.buffers),
      durable_(context->world.executor, 0),
      checkpoint_idle_(context->world.executor),
      append_turn_(context->world.executor),
      flush_timer_(&Log::flush_due, *this),
      writer_idle_(context->world.executor),
      structure_(context->world.executor),
      no_cut_(context->world.executor),
      operations_(context->world.executor),
      disk_reads_(context->world.executor),
      scope_(context->world.executor) {
    writer_idle_.set();
    checkpoint_idle_.set();
    no_cut_.set();
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

void Log::change_settings(LogSettings settings) {
    settings_ = within_limits(settings);
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
    InFlight::Mark operation(operations_);
    if (closing_) co_return ErrorCode::closed;
    const Epoch before = std::exchange(epoch_, epoch);
    const bool was_begun = std::exchange(epoch_begun_, true);
    epoch_starts_.push_back({epoch, log_end_});
    if (!directory_exists_) co_return Result<void>();  // the first append says it again
    Result<void> changed = co_await change_marks();
    if (changed.ok()) co_return changed;
    if (changed.error().code == ErrorCode::storage_full && epoch_ == epoch) {
        epoch_starts_.pop_back();
        epoch_ = before;
        epoch_begun_ = was_begun;
    } else {
        fail(changed.error());
    }
    co_return changed;
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
    segment->head.epoch_before = frame_epoch_;
    segment->head.created = last_append_time_;
    segment->end = log_end_;
    segment->index.start_at(log_end_, chain_);
    segments_.push_back(std::move(segment));
    return *segments_.back();
}

// Ends what is in the newest chunk on a block boundary; nothing is added to it any more.
void Log::end_chunk(Segment& segment) {
    if (tail_.empty() || tail_.chunks().back().closed) return;
    size_t pad = tail_.pad(seed_, durable_end(), epoch_);
    segment.end_position += pad;
    context_->counters.pad_bytes += pad;
    tail_.close_chunk();
}

// Seals the active segment; the next append starts a new one. An empty one is as good as new.
void Log::roll() {
    if (segments_.empty() || segments_.back()->sealed) return;
    Segment& segment = *segments_.back();
    if (segment.end == segment.head.base) return;
    end_chunk(segment);
    segment.sealed = true;
    take_snapshot(end_place());
}

// Room in the budget of unwritten bytes; empty if the log is closing or has failed. In the order of the calls.
Task<std::optional<Units>> Log::reserve_unwritten(int64_t bytes) {
    std::optional<Units> turn = co_await append_turn_.lock();
    if (!turn) co_return std::nullopt;
    while (!closing_ && !failure_) {
        Instant deadline = context_->world.executor.now() + look_again;
        std::optional<Units> units = co_await context_->unwritten.take(bytes, deadline);
        if (units) co_return units;
    }
    co_return std::nullopt;
}

Task<Result<Appended>> Log::append(record::FrameView frame, Epoch epoch, Timestamp now) {
    const size_t size = frame.bytes.size();
    ASSERT(size == frame.header.length && !frame.header.is_pad());
    InFlight::Mark operation(operations_);
    if (context_->is_storage_full()) co_return ErrorCode::storage_full;
    std::optional<Units> units;
    if (!append_turn_.is_locked()) units = context_->unwritten.try_take(static_cast<int64_t>(size));
    if (!units) units = co_await reserve_unwritten(static_cast<int64_t>(size));
    if (failure_) co_return ErrorCode::storage_error;
    if (!units || closing_) co_return ErrorCode::closed;
    if (epoch < epoch_) co_return ErrorCode::fenced_leader_epoch;
    ASSERT(epoch == epoch_ && epoch_begun_ && no_cut_.is_set());

    MutableBytes place = copy_to_tail(frame.bytes);
    last_append_time_ = std::max(last_append_time_, now);
    record::Stamp stamp{log_end_, epoch, chain_, last_append_time_, 0};
    frame.header.checksum = record::stamp(place, seed_, stamp);
    frame.header.base_offset = log_end_;
    frame.header.leader_epoch = epoch;
    frame.header.append_time = last_append_time_;
    co_return note_appended(frame, *std::move(units));
}

// To where it will stand in the file.
MutableBytes Log::copy_to_tail(Bytes frame) {
    Segment& segment = active_segment(frame.size());
    if (!tail_.has_room(frame.size())) {
        end_chunk(segment);
        size_t before = tail_.memory_bytes();
        tail_.start_chunk(segment.head.base, segment.end_position, frame.size());
        context_->tail_bytes += tail_.memory_bytes() - before;
    }
    MutableBytes place = tail_.reserve(frame.size());
    std::memcpy(place.data(), frame.data(), frame.size());
    return place;
}

// The frame that was copied last, with its header as it stands there, is in the log.
Appended Log::note_appended(const record::FrameView& frame, Units units) {
    const size_t size = frame.bytes.size();
    const Offset next = frame.next_offset();
    Segment& segment = *segments_.back();
    tail_.commit(log_end_, next, size);
    segment.index.add(frame, segment.end_position);
    segment.end_position += size;
    segment.end = next;
    segment.max_append_time = std::max(segment.max_append_time, frame.header.append_time);
    producers_.apply(frame);
    chain_ = frame.header.checksum;
    frame_epoch_ = frame.header.leader_epoch;
    const Appended appended{log_end_, next - 1, frame.header.append_time};
    log_end_ = next;
    unwritten_units_.emplace_back(next, std::move(units));
    ++context_->counters.appended_frames;
    context_->counters.appended_bytes += size;
    context_->look_at_space_in_time();
    note_touched();
    arm_flush();
    if (wants_round()) start_writer();
    return appended;
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
    InFlight::Mark operation(operations_);
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

// As reach_durable, but gives up when the disk is full.
Task<Result<void>> Log::make_durable(Offset end) {
    flush_target_ = std::max(flush_target_, end);
    while (durable_end() < end) {
        Result<void> reached = co_await reach_durable(end, context_->world.executor.now() + look_again);
        if (reached.ok()) break;
        if (reached.error().code != ErrorCode::timed_out) co_return reached;
        if (waits_for_space_) co_return ErrorCode::storage_full;
    }
    co_return Result<void>();
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

// Epochs that ended before the frame in front of the first segment are asked for by nobody. That one's is: who has
// everything up to the start, and nothing else, names it.
void Log::forget_epochs() {
    const Offset first = segments_.empty() ? log_start_ : std::min(log_start_, segments_.front()->head.base);
    size_t old = 0;
    while (old + 1 < epoch_starts_.size() && epoch_starts_[old + 1].start < first) ++old;
    epoch_starts_.erase(epoch_starts_.begin(), epoch_starts_.begin() + static_cast<std::ptrdiff_t>(old));
}

bool Log::update_marks() {
    if (!directory_exists_) return false;
    PartitionMarks marks;
    marks.identity = identity_;
    marks.log_start = start_to_mark_.value_or(log_start_);
    marks.floor = durable_place_;
    marks.durable_watermark = std::min(durable_watermark_, durable_place_.offset);
    marks.high_watermark = std::max(marks.durable_watermark, std::min(high_watermark_, durable_place_.offset));
    marks.epoch_starts = epoch_starts_;
    marks.unfinished = unfinished_;
    marks.abandoned_end = log_start_ < abandoned_end_ ? abandoned_end_ : Offset();
    const PartitionMarks* known = context_->marks.find(identity_);
    if (known != nullptr && *known == marks) return false;
    context_->marks.set(std::move(marks));
    return true;
}

// The marks as they are now, on disk.
Task<Result<void>> Log::change_marks() {
    update_marks();
    const uint64_t changes = directory_exists_ ? epochs_changed_ : 0;
    Result<void> committed = co_await context_->marks.commit();
    if (committed.ok()) epochs_marked_ = std::max(epochs_marked_, changes);
    co_return committed;
}

Task<void> Log::close() {
    if (closing_) co_return;
    closing_ = true;
    context_->world.executor.disarm(flush_timer_);
    durable_.close();
    append_turn_.close();
    {
        // A cut or a removal under way ends first; there is no other after it.
        std::optional<Units> held = co_await structure_.lock();
        structure_.close();
    }
    co_await scope_.join();
    unwritten_units_.clear();
    co_await operations_.drained();
    for (auto& segment : segments_) {
        if (segment->file) co_await segment->file->close();
        segment->file.reset();
    }
}

}  // namespace ironbark::log
