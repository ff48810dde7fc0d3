#include "broker/consensus/progress.h"

#include <algorithm>

#include "runtime/base/assert.h"

namespace ironbark::consensus {

bool Progress::may_send(const Limits& limits) const {
    switch (state_) {
        case State::probe: return !is_probe_sent_;
        case State::replicate:
            return window_.size() < limits.window_messages_max && window_bytes_ < limits.window_bytes_max;
        case State::snapshot: return false;
    }
    UNREACHABLE();
}

void Progress::sent(LogIndex last, uint64_t bytes) {
    ASSERT(state_ != State::snapshot);
    if (state_ == State::probe) {
        is_probe_sent_ = true;
        return;
    }
    ASSERT(last >= next_);
    next_ = last + 1;
    window_.push_back({last, bytes});
    window_bytes_ += bytes;
}

void Progress::heard(int64_t now_ms, uint64_t round) {
    heard_ms_ = std::max(heard_ms_, now_ms);
    round_ = std::max(round_, round);
}

void Progress::matched(LogIndex match) {
    match_ = std::max(match_, match);
    while (!window_.empty() && window_.front().last <= match_) {
        window_bytes_ -= window_.front().bytes;
        window_.pop_front();
    }
    // A probe has matched when all before `next_` has. The end of a snapshot counts as one.
    if (state_ != State::replicate && match_ + 1 >= next_) begin_replicate();
    next_ = std::max(next_, match_ + 1);
}

bool Progress::refused(LogIndex rejected, LogIndex next) {
    bool is_old = rejected <= match_ || rejected >= next_ || state_ == State::snapshot;
    if (state_ == State::probe && rejected + 1 != next_) is_old = true;
    if (is_old) return false;
    begin_probe(std::clamp(next, match_ + 1, rejected));
    return true;
}

void Progress::begin_probe(LogIndex next) {
    state_ = State::probe;
    next_ = next;
    is_probe_sent_ = false;
    window_.clear();
    window_bytes_ = 0;
}

void Progress::begin_replicate() {
    begin_probe(match_ + 1);
    state_ = State::replicate;
}

void Progress::begin_snapshot(LogIndex last) {
    begin_probe(last + 1);
    state_ = State::snapshot;
    snapshot_position_ = 0;
    is_stalled_ = false;
}

bool Progress::received(uint64_t position) {
    ASSERT(state_ == State::snapshot);
    if (position == snapshot_position_) return false;
    snapshot_position_ = position;
    is_stalled_ = false;
    return true;
}

}  // namespace ironbark::consensus
