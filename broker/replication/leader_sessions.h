#pragma once
// The leader's side of replication on one shard: followers' sessions, and what each is told next. Belongs to the
// shard's executor; requests come from any of the broker's shards.
//
// A session is with one shard of one follower. It has streams, by handle: a partition from a place that the follower
// named. What is compared and how is `compare`'s to say; from there on the stream carries every frame and every mark,
// at once, in order. A follower that does not read is not waited for: nothing is kept for it but how far it was told.
//
// There are two sessions for each of those, one for each lane, over a connection of its own: the tail's, and the one
// for what has to be read from the disk. So nobody who follows well waits for the disk that somebody else's past is
// read from. Which lane a stream belongs to is the leader's to say.

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "broker/partition/partition.h"
#include "runtime/rpc/service.h"
#include "wire/replica_generated.h"

namespace ironbark::broker {

class Shard;
struct LeaderSession;
struct ReplicaStream;

// What the follower has of one partition (flatbuffers/replica.fbs).
struct ReplicaPosition {
    uint32_t handle = 0;
    PartitionIdentity identity;
    Epoch leader_epoch{-1};
    Offset log_end;
    Epoch last_epoch{-1};
    uint64_t checksum = 0;
    int32_t membership = 0;
};

struct ReplicaAck {
    uint32_t handle = 0;
    Epoch leader_epoch{-1};
    ReplicaEnds ends;
};

// Who asks: one shard of a follower, in one session.
struct FollowerSessionId {
    BrokerId broker{-1};
    Incarnation incarnation{-1};
    int32_t shard = 0;
    wire::ReplicaLane lane = wire::ReplicaLane::tail;
    uint64_t number = 0;
};

struct ReplicateCall {
    FollowerSessionId from;
    std::vector<ReplicaPosition> positions;
    std::vector<uint32_t> left;
    std::vector<ReplicaAck> acks;
    size_t bytes_max = 0;
    bool is_full = false;  // the follower's disk
    Instant deadline;
};

class LeaderSessions {
  public:
    explicit LeaderSessions(Shard& shard);
    ~LeaderSessions();

    // Suspends until there is something to say, or the call's time is over. Calls of a session are answered in their
    // order. stale_broker_epoch: a later session has taken its place.
    Task<rpc::Response> replicate(ReplicateCall call, int32_t shards);
    void take_acks(const FollowerSessionId& from, const std::vector<ReplicaAck>& acks);
    // Whether the follower's disk has no more than its reserve left, as it said last.
    bool is_full(BrokerId follower) const {
        auto said = is_full_.find(follower);
        return said != is_full_.end() && said->second;
    }
    // Ends all waits. Nothing is answered any more.
    void stop();

  private:
    struct Answer;

    std::shared_ptr<LeaderSession> session_of(const FollowerSessionId& from);
    void begin_stream(const std::shared_ptr<LeaderSession>& session, const ReplicaPosition& position);
    void compare(Partition& partition, const ReplicaPosition& position, ReplicaStream& stream) const;
    void end_stream(LeaderSession& session, uint32_t handle);
    void look_at(LeaderSession& session, uint32_t handle);
    bool belongs_elsewhere(const Partition& partition, const LeaderSession& session, const ReplicaStream& stream) const;
    void take_acks(LeaderSession& session, const std::vector<ReplicaAck>& acks);
    Task<Answer> gather(std::shared_ptr<LeaderSession> session, size_t bytes_max);
    static bool goes_on(const log::ReadFrames& frames, const log::Log& log, const ReplicaStream& stream);
    Task<bool> add(LeaderSession* session, uint32_t handle, size_t bytes_max, Answer* answer);
    void add_records(
        uint32_t handle, const Partition& partition, log::ReadFrames frames, ReplicaStream& stream, Answer* answer);
    void add_verdict(uint32_t handle, const ReplicaStream& stream, const log::Log::ReplicaStart& start, Answer* answer);

    Shard& shard_;
    std::map<std::tuple<BrokerId, int32_t, wire::ReplicaLane>, std::shared_ptr<LeaderSession>> sessions_;
    std::map<BrokerId, bool> is_full_;  // as the latest call said, of whichever session
    bool is_stopping_ = false;
};

}  // namespace ironbark::broker
