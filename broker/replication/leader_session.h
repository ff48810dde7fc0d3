#pragma once
// What a leader's shard knows of one session of a follower (leader_sessions.h): its streams, and when each is to be
// told something: at once; a little later, where only watermarks have moved; or not before its time, where it is
// throttled. Plain state, of the shard's executor.

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "broker/replication/leader_sessions.h"
#include "log/log.h"
#include "runtime/task/sync.h"

namespace ironbark::broker {

// Watermarks that have moved wait so long for something else to be sent: nobody waits for them at a follower, and a
// message of their own for each record costs as much as the record's (docs/adr/0011).
constexpr Duration watermarks_wait_max = 10ms;

// What a follower is told besides records.
struct ReplicaMarks {
    Offset high_watermark{-1};
    Offset durable_watermark{-1};
    Offset log_start{-1};
    Offset sync_to{-1};
    Offset memory_to{-1};
    friend bool operator==(const ReplicaMarks&, const ReplicaMarks&) = default;
    // But for the watermarks.
    bool asks_the_same(const ReplicaMarks& other) const {
        return log_start == other.log_start && sync_to == other.sync_to && memory_to == other.memory_to;
    }
};

// One partition from a place that the follower named.
struct ReplicaStream {
    PartitionIdentity identity;
    Epoch epoch{-1};
    int32_t membership = 0;
    Offset next;  // what the follower has not been sent yet
    // Of the follower's log, whose end lies before this log's start: they agree if the frame that holds the start
    // follows it. Seen when it is read.
    std::optional<uint64_t> checksum_before_start{};
    ReplicaMarks told;
    bool is_new = true;  // it has not been told that the logs agree
    bool is_due = false;
    size_t behind = 0;  // bytes that it was sent since it last had everything
    bool has_caught_up = false;
    int64_t throttle = 0;  // bytes a second; 0: any
    Instant next_share{};  // not before
    bool is_paused = false;
    wire::ReplicaAnswer kind = wire::ReplicaAnswer::records;
    Error refusal{ErrorCode::none};
    std::string hint;
    log::Log::EpochEnd diverged{};
    Epoch next_epoch{-1};
    uint64_t watch = 0;

    void throttle_after(size_t bytes, Instant now) {
        const auto pause = std::chrono::duration<double>(static_cast<double>(bytes) / static_cast<double>(throttle));
        next_share = std::max(next_share, now) + std::chrono::duration_cast<Duration>(pause);
    }
};

struct LeaderSession {
    LeaderSession(Executor& executor, FollowerSessionId follower) : from(follower), turn(executor), changed(executor) {}

    FollowerSessionId from;
    std::map<uint32_t, ReplicaStream> streams;
    std::deque<uint32_t> due;                 // handles
    std::set<uint32_t> late;                  // of which only watermarks have moved
    Instant late_at = never;                  // when they become due
    std::multimap<Instant, uint32_t> paused;  // throttled ones, until then
    uint64_t answers = 0;
    bool is_over = false;
    Mutex turn;  // whose call is answered next
    Event changed;

    void make_due(uint32_t handle) {
        auto found = streams.find(handle);
        if (found == streams.end() || found->second.is_due || found->second.is_paused) return;
        found->second.is_due = true;
        due.push_back(handle);
        changed.set();
    }
    void make_late(uint32_t handle, Instant now) {
        if (late.empty()) {
            late_at = now + watermarks_wait_max;
            changed.set();
        }
        late.insert(handle);
    }
    void was_told(uint32_t handle) {
        if (late.erase(handle) > 0 && late.empty()) late_at = never;
    }
    void pause(uint32_t handle) {
        ReplicaStream& stream = streams.at(handle);
        stream.is_paused = true;
        paused.emplace(stream.next_share, handle);
    }
    void look_at_times(Instant now) {
        if (now >= late_at) {
            late_at = never;
            for (uint32_t handle : std::exchange(late, {})) make_due(handle);
        }
        while (!paused.empty() && paused.begin()->first <= now) {
            const uint32_t handle = paused.begin()->second;
            paused.erase(paused.begin());
            auto found = streams.find(handle);
            if (found == streams.end()) continue;
            found->second.is_paused = false;
            make_due(handle);
        }
    }
    Instant next_look() const { return paused.empty() ? late_at : std::min(late_at, paused.begin()->first); }
    void end() {
        is_over = true;
        changed.set();
    }
};

}  // namespace ironbark::broker
