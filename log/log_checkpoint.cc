// Checkpoints: index and producers beside the log, of a place that is durable. Recovery starts reading at the newest.
//
// One is due after every `checkpoint_bytes`, at every roll, before segments are removed, and at a clean stop. Those of
// segment boundaries stay as long as the segment behind them: a replay can start there when everything before is gone
// or cut. Of the others the last two stay, so that a damaged one costs time and nothing else.

#include <algorithm>

#include "log/log.h"
#include "log/snapshot.h"

namespace ironbark::log {
namespace {

constexpr size_t snapshots_kept = 2;  // beside those of segment boundaries
constexpr uint32_t attempts_max = 3;  // to write one: the disk may be full for a while

}  // namespace

// The place after the last frame. REQUIRES: it is followed by a pad, or nothing
Floor Log::end_place() const {
    const Segment& newest = *segments_.back();
    return {log_end_, newest.head.base, newest.end_position, chain_, epoch_};
}

// Keeps what is derived from the frames before the place, until that is durable. REQUIRES: nothing was applied behind it
void Log::take_snapshot(Floor place) {
    if (!snapshots_due_.empty() && snapshots_due_.back().place.offset == place.offset) return;
    Snapshot snapshot{place, last_append_time_, producers_.encode(), {}, 0};
    const SegmentIndex& index = segment_at(place.segment_base)->index;
    if (index.covered_until() == place.offset) snapshot.index = index.encode(identity_, place.segment_base);
    snapshots_due_.push_back(std::move(snapshot));
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
        } else if (++snapshot.failures < attempts_max) {
            snapshots_due_.push_front(std::move(snapshot));
            break;  // tried again when the next one is due
        }
    }
    checkpoint_idle_.set();
}

Task<Result<void>> Log::write_checkpoint(const Snapshot* snapshot) {
    const Floor place = snapshot->place;
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
