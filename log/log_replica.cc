// A log as a follower has it: its frames, and where they begin and end, are the leader's.

#include <algorithm>

#include "log/log.h"

namespace ironbark::log {

// As far as the history tells. One that was begun may be higher and have lost its place with the records before it.
Epoch Log::last_recorded_epoch() const {
    return epoch_starts_.empty() ? frame_epoch_ : std::max(frame_epoch_, epoch_starts_.back().epoch);
}

Log::EpochEnd Log::end_of_epoch(Epoch epoch) const {
    auto next = std::partition_point(epoch_starts_.begin(), epoch_starts_.end(),
                                     [epoch](const EpochStart& entry) { return entry.epoch <= epoch; });
    if (next == epoch_starts_.begin()) return {Epoch(-1), log_start_};
    return {std::prev(next)->epoch, next == epoch_starts_.end() ? log_end_ : next->start};
}

Task<Result<Appended>> Log::append_replica(record::FrameView frame) {
    const size_t size = frame.bytes.size();
    ASSERT(size == frame.header.length && !frame.header.is_pad() && frame.is_stamped());
    InFlight::Mark operation(operations_);
    if (context_->storage_full) co_return ErrorCode::storage_full;
    std::optional<Units> units;
    if (!append_turn_.is_locked()) units = context_->unwritten.try_take(static_cast<int64_t>(size));
    if (!units) units = co_await reserve_unwritten(static_cast<int64_t>(size));
    if (failure_) co_return ErrorCode::storage_error;
    if (!units || closing_) co_return ErrorCode::closed;
    if (frame.header.base_offset != log_end_) co_return ErrorCode::offset_out_of_range;
    const Epoch epoch = frame.header.leader_epoch;
    if (epoch < last_recorded_epoch()) co_return ErrorCode::fenced_leader_epoch;
    const bool follows = frame.header.chain == chain_ || (frame.header.flags & record::flag_chain_restarts) != 0;
    if (!follows) co_return Error(ErrorCode::corrupt_data, "the frame follows another one than the log ends with");
    ASSERT(no_cut_.is_set());

    copy_to_tail(frame.bytes);
    if (epoch_starts_.empty() || epoch_starts_.back().epoch < epoch) {
        epoch_starts_.push_back({epoch, log_end_});
        epoch_ = std::max(epoch_, epoch);
        epoch_begun_ = false;  // who leads here begins one of its own
        ++epochs_changed_;
    }
    last_append_time_ = std::max(last_append_time_, frame.header.append_time);
    co_return note_appended(frame, *std::move(units));
}

Task<Result<void>> Log::restart(ReplicaStart, std::string) {
    co_return Error(ErrorCode::invalid_request, "a log cannot start anew yet");
}

Task<Result<Log::ReplicaStart>> Log::replica_start() {
    co_return Error(ErrorCode::invalid_request, "a log cannot start anew yet");
}

}  // namespace ironbark::log
