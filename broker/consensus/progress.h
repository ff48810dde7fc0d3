#pragma once
// What a leader knows of one follower, and how much it may send to it. Owned by the leader's core, for one term.
//
//   probe      where the logs part is not known: one message at a time, until one matches
//   replicate  entries are sent before earlier ones are acknowledged, within a window of messages and bytes
//   snapshot   what comes next was compacted away: a snapshot is sent, one part at a time
//
// Loss shows at the next heartbeat, which names the last entry that was sent: if it is refused, probing begins. A lost
// probe is made good by a heartbeat too, which asks the same without entries: nobody sends entries into the void.

#include <deque>
#include <utility>

#include "broker/consensus/event.h"

namespace ironbark::consensus {

class Progress {
  public:
    enum class State : uint8_t { probe, replicate, snapshot };

    Progress(const Voter& voter, LogIndex next, int64_t now_ms) : voter_(voter), next_(next), heard_ms_(now_ms) {}

    const Voter& voter() const { return voter_; }
    State state() const { return state_; }
    LogIndex match() const { return match_; }  // equal and durable there, up to here
    LogIndex next() const { return next_; }    // the next entry to send
    uint64_t round() const { return round_; }  // the newest round that it answered
    int64_t heard_ms() const { return heard_ms_; }
    uint64_t snapshot_position() const { return snapshot_position_; }

    bool may_send(const Limits& limits) const;
    void sent(LogIndex last, uint64_t bytes);
    void heard(int64_t now_ms, uint64_t round);
    // It has the leader's log up to here, durably.
    void matched(LogIndex match);
    // It does not have the entry before those that were sent. False if that is old news.
    bool refused(LogIndex rejected, LogIndex next);
    // What was sent may be lost: begins at what is certain.
    void connection_lost() { begin_probe(match_ + 1); }

    // What it needs was compacted away; `last` is the last entry that the snapshot stands for.
    void begin_snapshot(LogIndex last);
    // It has the parts before this position. False if it has said so before.
    bool received(uint64_t position);
    // Called at each heartbeat: whether nothing has been received since the last one.
    bool is_snapshot_stalled() { return std::exchange(is_stalled_, true); }

  private:
    struct Sent {
        LogIndex last;
        uint64_t bytes;
    };
    void begin_probe(LogIndex next);
    void begin_replicate();

    Voter voter_;
    State state_ = State::probe;
    LogIndex match_;
    LogIndex next_;
    bool is_probe_sent_ = false;
    std::deque<Sent> window_;
    uint64_t window_bytes_ = 0;
    uint64_t snapshot_position_ = 0;
    bool is_stalled_ = false;
    uint64_t round_ = 0;
    int64_t heard_ms_;
};

}  // namespace ironbark::consensus
