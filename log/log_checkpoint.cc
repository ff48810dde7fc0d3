// Checkpoints: index and producers beside the log, of a place that is durable. Recovery starts reading at the newest.
//
// One is due after every `checkpoint_bytes`, at every roll, and at a clean stop. Those of segment boundaries stay as
// long as the segment behind them, and nothing before a boundary is removed while its own is missing: a replay can
// start there when everything before is gone and everything behind is cut. Of the others the last two stay, so that a
// damaged one costs time and nothing else.

#include <algorithm>

#include "log/log.h"
#include "log/snapshot.h"

namespace ironbark::log {
namespace {

constexpr size_t snapshots_kept = 2;  // beside those of segment boundaries
// To write one; on a full disk as many as it takes: appends are refused meanwhile.
constexpr uint32_t checkpoint_attempts_max = 3;

}  // namespace

// The place after the last frame. REQUIRES: it is followed by a pad, or nothing
Floor Log::end_place() const {
    const Segment& newest = *segments_.back();
    return {log_end_, newest.head.base, newest.end_position, chain_, frame_epoch_};
}

// Keeps what is derived from the frames before the place, until that is durable. REQUIRES: nothing was applied behind
// it
void Log::take_snapshot(Floor place) {
    if (!snapshots_due_.empty() && snapshots_due_.back().place.offset == place.offset) return;
    Snapshot snapshot{place, last_append_time_, producers_.encode(), {}, 0};
    const SegmentIndex& index = segment_at(place.segment_base)->index;
    if (index.covered_until() == place.offset) snapshot.index = index.encode(identity_, place.segment_base);
    snapshots_due_.push_back(std::move(snapshot));
}

// Among those that are due, in the order of their places.
void Log::put_due(Snapshot snapshot) {
    auto after = std::find_if(snapshots_due_.begin(), snapshots_due_.end(),
                              [&snapshot](const Snapshot& due) { return due.place.offset > snapshot.place.offset; });
    snapshots_due_.insert(after, std::move(snapshot));
}

// Called whenever the durable end has moved, or a snapshot of a durable place was taken.
void Log::checkpoint_when_durable() {
    context_->note_dirty(*this);
    bool is_due = !snapshots_due_.empty() && snapshots_due_.front().place.offset <= durable_end();
    if (!is_due || !checkpoint_idle_.is_set() || closing_) return;
    checkpoint_idle_.reset();
    scope_.spawn(checkpoint_aside());
}

// Beside the writer: a checkpoint helps the next start, nothing waits for it, and a failure is no failure of the log.
Task<void> Log::checkpoint_aside() {
    while (!closing_ && !snapshots_due_.empty() && snapshots_due_.front().place.offset <= durable_end()) {
        Snapshot snapshot = std::move(snapshots_due_.front());
        snapshots_due_.pop_front();
        checkpoint_state_ = co_await write_checkpoint(&snapshot);
        if (checkpoint_state_.ok()) {
            co_await remove_old_snapshots();
            continue;
        }
        bool is_full = checkpoint_state_.error().code == ErrorCode::storage_full;
        if (!is_full && ++snapshot.failures == checkpoint_attempts_max) continue;
        put_due(std::move(snapshot));
        break;  // tried again when the next one is due
    }
    checkpoint_idle_.set();
}

Task<Result<void>> Log::write_checkpoint(const Snapshot* snapshot) {
    const Floor place = snapshot->place;
    // Recovery will not read the frames before it, which are where epochs begin.
    if (epochs_marked_ < epochs_changed_) CO_TRY_VOID(co_await change_marks());
    if (!snapshot->index.empty() && segment_at(place.segment_base) != nullptr) {
        CO_TRY_VOID(co_await replace_file(context_->world, path_of(place.segment_base, index_suffix), snapshot->index));
    }
    std::vector<uint8_t> bytes = encode_snapshot(identity_, place, snapshot->append_time, snapshot->producers);
    CO_TRY_VOID(co_await replace_file(context_->world, path_of(place.offset, producers_suffix), std::move(bytes)));
    auto after = std::lower_bound(snapshots_.begin(), snapshots_.end(), place.offset);
    if (after == snapshots_.end() || *after != place.offset) snapshots_.insert(after, place.offset);
    if (place.offset >= checkpoint_.offset) checkpoint_ = place;
    co_return Result<void>();
}

Task<void> Log::remove_old_snapshots() {
    const size_t last = snapshots_.size() - std::min(snapshots_.size(), snapshots_kept);
    std::vector<Offset> old;
    for (size_t index = 0; index < last; ++index) {
        if (segment_at(snapshots_[index]) == nullptr) old.push_back(snapshots_[index]);
    }
    for (Offset offset : old) {
        std::erase(snapshots_, offset);
        (void)co_await context_->world.disk.remove(path_of(offset, producers_suffix));
    }
}

// Where reading goes on from a checkpoint's place: there, or at the start of the next segment, if its own is gone.
std::optional<Floor> Log::place_to_start(const Floor& place) {
    if (segment_at(place.segment_base) != nullptr) return place;
    const Segment* next = segment_at(place.offset);
    if (next == nullptr || next->head.chain_before != place.chain) return std::nullopt;
    return Floor{place.offset, place.offset, block_size, place.chain, place.epoch};
}

// What was sent before the place, from the newest snapshot on that can be used: due ones first, which may be written
// meanwhile. REQUIRES: none is being written
Task<Log::Replay> Log::begin_replay(Offset until) {
    const SegmentHead& first = segments_.front()->head;
    Replay replay{{first.base, first.base, block_size, first.chain_before, first.epoch_before}, {}};
    for (const Snapshot& due : snapshots_due_) {  // not on disk yet
        if (due.place.offset > until || due.place.offset < replay.place.offset) continue;
        std::optional<Floor> place = place_to_start(due.place);
        Result<Producers> producers = Producers::decode(due.producers);
        if (place && producers.ok()) replay = {*place, *std::move(producers)};
    }
    const std::vector<Offset> on_disk = snapshots_;
    for (auto at = on_disk.rbegin(); at != on_disk.rend() && *at >= replay.place.offset; ++at) {
        if (*at > until) continue;
        Result<ProducersSnapshot> snapshot =
            co_await read_snapshot(&context_->world, path_of(*at, producers_suffix), identity_);
        std::optional<Floor> place = snapshot.ok() ? place_to_start(snapshot->place) : std::nullopt;
        if (!place) continue;
        replay = {*place, std::move(snapshot->producers)};
        break;
    }
    co_return replay;
}

// The producers as the frames before `until` say. REQUIRES: all of it is durable, and no segment is removed meanwhile
Task<Result<Log::Replay>> Log::replay_producers(Offset until) {
    Replay replay = co_await begin_replay(until);
    const Offset from_base = replay.place.segment_base;
    ScanPlace from{replay.place.offset, replay.place.position, replay.place.chain, replay.place.epoch};
    ScanVisitor visit = [&replay](const record::FrameView& frame, uint64_t) { replay.producers.apply(frame); };
    for (size_t index = 0; index < segments_.size(); ++index) {
        Segment& segment = *segments_[index];
        if (segment.head.base < from_base || segment.head.base >= until) continue;
        const Offset end = std::min(segment.end, until);
        CO_TRY(std::shared_ptr<File> file, co_await open_segment(&segment));
        WindowReader reader(*file, context_->world.buffers, segment.written_position, read_size);
        CO_TRY(ScanResult scanned, co_await scan_segment(&reader, seed_, from, end, epoch_starts_, visit));
        from = scanned.place;
        if (from.offset < end) co_return corrupt_read(segment.head.base, from.position, "the log breaks off");
        replay.place = {from.offset, segment.head.base, from.position, from.chain, from.epoch};
        from.position = block_size;
    }
    co_return std::move(replay);
}

bool Log::has_snapshot(Offset place) const {
    return std::binary_search(snapshots_.begin(), snapshots_.end(), place);
}

// Before what lies before the boundary of a segment is removed: what the producers sent there, on disk.
Task<Result<void>> Log::keep_producers(Offset boundary) {
    if (has_snapshot(boundary)) co_return Result<void>();
    CO_TRY_VOID(co_await make_durable(boundary));
    while (!checkpoint_idle_.is_set()) co_await checkpoint_idle_.wait();
    if (has_snapshot(boundary)) co_return Result<void>();
    bool is_due = std::any_of(snapshots_due_.begin(), snapshots_due_.end(),
                              [boundary](const Snapshot& due) { return due.place.offset == boundary; });
    if (!is_due && boundary == log_end_) {
        take_snapshot(end_place());
    } else if (!is_due) {
        // The crash came before it was written, or writing it failed too often.
        CO_TRY(Replay replay, co_await replay_producers(boundary));
        const Segment* behind = segment_at(boundary);
        Timestamp append_time = behind != nullptr ? behind->head.created : last_append_time_;
        put_due({replay.place, append_time, replay.producers.encode(), {}, 0});
    }
    checkpoint_when_durable();
    co_await checkpoint_idle_.wait();
    if (closing_) co_return ErrorCode::closed;
    if (has_snapshot(boundary)) co_return Result<void>();
    co_return checkpoint_state_.ok() ? ErrorCode::io_error : checkpoint_state_;
}

Task<Result<void>> Log::checkpoint() {
    InFlight::Mark operation(operations_);
    std::optional<Units> held = co_await structure_.lock();
    if (!held) co_return ErrorCode::closed;
    co_return co_await checkpoint_locked();
}

Task<Result<void>> Log::checkpoint_locked() {
    if (closing_) co_return ErrorCode::closed;
    if (failure_) co_return ErrorCode::storage_error;
    const Offset end = log_end_;
    if (segments_.empty()) co_return Result<void>();
    if (checkpoint_.position == 0 || checkpoint_.offset != end) {
        if (!segments_.back()->sealed) end_chunk(*segments_.back());
        take_snapshot(end_place());
    }
    CO_TRY_VOID(co_await make_durable(end));
    checkpoint_when_durable();
    co_await checkpoint_idle_.wait();
    if (closing_) co_return ErrorCode::closed;
    bool is_there = checkpoint_.position != 0 && checkpoint_.offset >= end;
    co_return is_there ? Result<void>() : checkpoint_state_;
}

}  // namespace ironbark::log
