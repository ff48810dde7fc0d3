#pragma once
// Read barriers that wait on a leader. A barrier is passed when a majority has confirmed the leader's term in a round
// of heartbeats that began after the barrier was asked for, and everything that was committed then, the leader's own
// first entry included, has been applied. One round serves all that wait for it. Owned by the core.

#include <deque>

#include "broker/consensus/event.h"

namespace ironbark::consensus {

class Reads {
  public:
    size_t size() const { return waiting_.size(); }
    // `round`: the first one that counts. Rounds and indexes of later barriers are not smaller.
    void add(ReadId id, LogIndex index, uint64_t round) { waiting_.push_back({id, index, round}); }
    // Whether somebody waits for a round later than this one.
    bool wants_round_after(uint64_t round) const { return !waiting_.empty() && waiting_.back().round > round; }
    // The next barrier that has been passed, if there is one.
    std::optional<ReadId> pop_passed(uint64_t confirmed_round, LogIndex applied) {
        if (waiting_.empty()) return std::nullopt;
        const Waiting& first = waiting_.front();
        if (first.round > confirmed_round || first.index > applied) return std::nullopt;
        return pop();
    }
    // The next one, passed or not.
    std::optional<ReadId> pop() {
        if (waiting_.empty()) return std::nullopt;
        ReadId id = waiting_.front().id;
        waiting_.pop_front();
        return id;
    }

  private:
    struct Waiting {
        ReadId id;
        LogIndex index;
        uint64_t round;
    };
    std::deque<Waiting> waiting_;
};

}  // namespace ironbark::consensus
