#pragma once
// One session of this shard with one shard of a leader (replicator.h): the places it follows, what it owes the leader,
// and the answers, which are taken in their order. Belongs to the shard's executor. When anything goes wrong with the
// connection the session is over as a whole, and its link begins another.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker/partition/partition.h"
#include "runtime/rpc/channel.h"
#include "wire/replica_generated.h"

namespace ironbark::broker {

class Shard;
class Replicator;

class FollowerSession final {
  public:
    struct Identity {
        Incarnation incarnation{-1};  // of this broker
        int32_t leader_shard = 0;
        wire::ReplicaLane lane = wire::ReplicaLane::tail;
        uint64_t number = 0;
    };
    // `lost` is set when the session is over. Everything outlives it.
    FollowerSession(Shard& shard, rpc::Channel& channel, Identity identity, Event* lost, Replicator* owner);
    ~FollowerSession();

    void start();
    // Takes the partition over from the leader of this epoch.
    void follow(const PartitionIdentity& identity, Epoch epoch);
    void leave(const PartitionIdentity& identity);
    // Nothing is begun any more; the channel's calls are ended by its owner.
    void end();
    Task<void> join() { co_await scope_.join(); }

    // Why a partition is not followed at present; empty: nothing that is known.
    std::string problem_of(const PartitionIdentity& identity) const;

  private:
    struct Place {
        PartitionIdentity identity;
        Epoch epoch{-1};
        bool begins_anew = false;  // what is here agrees with nothing that the leader has
        bool has_agreed = false;
        Offset sync_to;
        Offset memory_to;
        ReplicaEnds told{Offset(-1), Offset(-1), Offset(-1)};
        uint64_t watch = 0;
    };
    struct Wish {  // what this session is to follow
        Epoch epoch{-1};
        uint32_t handle = 0;  // 0: no place at present
        std::string problem;
    };

    struct Attempt {
        Duration pause{};  // before it
        bool begins_anew = false;
    };
    Task<void> take_place(PartitionIdentity identity, Epoch epoch, Attempt attempt);
    void leave_place(uint32_t handle);
    Task<void> ask_for_ever();
    Task<void> ask_once(Duration wait);
    Task<Result<void>> ask(Duration wait);
    Task<void> say_at_once();
    rpc::Metadata request(Duration wait);
    static bool may_wait(const Place& place, const ReplicaEnds& ends);
    std::vector<wire::ReplicaAck> take_acks();
    Task<void> take(const rpc::CallResult* result);
    Task<void> take_batch(const wire::ReplicaBatch* batch, BufferSlice payload);
    Task<void> take_records(const wire::ReplicaBatch* batch, BufferSlice payload);
    Task<void> cut(PartitionIdentity identity, Epoch epoch, log::Log::EpochEnd common, Epoch next_epoch);
    Task<void> restart(PartitionIdentity identity, Epoch epoch, log::Log::ReplicaStart start);
    Task<void> follow_start(PartitionIdentity identity, Offset log_start);
    void retry(uint32_t handle, std::string problem, Duration pause);
    void note(const PartitionIdentity& identity, std::string problem);
    bool is_wanted(const PartitionIdentity& identity, Epoch epoch) const;
    bool may_restart(const PartitionIdentity& identity, Offset log_start) const;
    ReplicaEnds ends_of(const Partition& partition) const;
    Place* find(uint32_t handle);
    Instant now() const;

    Shard& shard_;
    rpc::Channel& channel_;
    Identity identity_;
    Event* lost_;
    Replicator* owner_;
    std::map<PartitionIdentity, Wish> wishes_;
    std::map<uint32_t, Place> places_;
    uint32_t handles_made_ = 0;
    std::set<uint32_t> positions_due_;
    std::vector<uint32_t> left_due_;
    std::set<uint32_t> acks_due_;
    Event due_;  // something is to be said
    uint64_t next_answer_ = 1;
    Event order_;
    Event ended_;
    bool is_over_ = false;
    Scope scope_;
};

}  // namespace ironbark::broker
