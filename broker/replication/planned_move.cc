#include "broker/replication/planned_move.h"

namespace ironbark::broker {

void PlannedMove::take(const PartitionRecord& record, Instant now) {
    if (record.partition_epoch <= partition_epoch_) return;
    partition_epoch_ = record.partition_epoch;
    is_told_ = false;
    const bool is_same = record.target == target_;
    target_ = record.target;
    if (!is_named()) return;
    // What was promised was promised for another epoch, and has been refused. Who has gone on without the move stays
    // so.
    if (!is_same || state_ == State::handed) state_ = State::named;
    if (!is_same) since_ = now;
}

std::optional<PlannedMove::Step> PlannedMove::next(bool has_everything, Instant now) {
    if (!is_named() || is_told_) return std::nullopt;
    if (state_ == State::named && has_everything) {
        state_ = State::handed;
    } else if (state_ == State::named && now >= since_ + patience) {
        state_ = State::given_up;
    }
    if (state_ == State::named) return std::nullopt;
    is_told_ = true;
    return state_ == State::handed ? Step::hand_over : Step::withdraw;
}

bool PlannedMove::wish() {
    if (is_named() || is_told_) return false;
    is_told_ = true;
    return true;
}

void PlannedMove::untold() {
    is_told_ = false;
    if (state_ == State::handed) state_ = State::named;
}

Instant PlannedMove::due() const {
    return is_named() && state_ == State::named ? since_ + patience : never;
}

}  // namespace ironbark::broker
