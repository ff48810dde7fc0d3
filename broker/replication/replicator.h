#pragma once
// The follower's side of replication on one shard: which partitions follow which broker, and a link to each of those.
// Belongs to the shard's executor.
//
// There are two lanes to a leader, each a link with a connection of its own: the tail's, and one that is there as long
// as something is far behind, so that what has to be read from the leader's disk holds nothing else up.
//
// A link asks the leader for as many answers as it wants to have under way, one session for each of the leader's
// shards. Each partition is taken from a position: what is here is named to the leader, which says whether the logs
// agree. Until they were found to agree in this epoch nothing is acknowledged, and no mark is taken over. What is cut
// because the leader has something else goes to the graveyard.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "broker/controller/metadata.h"
#include "broker/partition/partition.h"
#include "broker/peer/authentication.h"
#include "runtime/rpc/channel.h"
#include "wire/replica_generated.h"

namespace ironbark::broker {

class Shard;

struct ReplicationSettings {
    std::string secret;
    peer::PeerIdentity self;
};

// For people and metrics.
struct ReplicationCounters {
    uint64_t bytes_in = 0;
    uint64_t cuts = 0;
    uint64_t records_cut = 0;
    uint64_t restarts = 0;
    uint64_t sessions_lost = 0;
    uint64_t catch_ups = 0;  // by the lane for who is far behind
};

class Replicator {
  public:
    explicit Replicator(Shard& shard);
    ~Replicator();

    // From now on links are made.
    void start(ReplicationSettings settings);
    // The partition follows this broker, in this epoch; another one, or another epoch, before that is over.
    void follow(const PartitionIdentity& identity, BrokerId leader, Epoch epoch);
    void leave(const PartitionIdentity& identity);
    // The leader of this epoch has it go on by the other one.
    void change_lane(const PartitionIdentity& identity, Epoch epoch, wire::ReplicaLane from);
    // Addresses, and which incarnations live.
    void take(const Metadata& metadata);
    // Ends all links and waits for them.
    Task<void> stop();

    const ReplicationCounters& counters() const { return counters_; }
    ReplicationCounters& counters() { return counters_; }
    // What keeps this replica from being taken over, for people; empty: nothing that is known.
    std::string problem_of(const PartitionIdentity& identity) const;

  private:
    class Link;
    struct Followed {
        BrokerId leader{-1};
        Epoch epoch{-1};
        wire::ReplicaLane lane = wire::ReplicaLane::tail;
    };
    using Way = std::pair<BrokerId, wire::ReplicaLane>;  // of a link
    struct Peer {  // where a broker serves its followers
        Address address;
        Incarnation incarnation{-1};
        friend bool operator==(const Peer&, const Peer&) = default;
    };
    void look_at_links();
    void look_at_link(Way way);
    Link* link_of(const Followed& followed) const;
    void begin(const PartitionIdentity& identity, const Followed& next);
    void drop_idle_lanes();
    Task<void> end_link(std::unique_ptr<Link> link);

    Shard& shard_;
    ReplicationSettings settings_;
    Incarnation incarnation_{-1};
    bool is_started_ = false;
    bool is_stopping_ = false;
    uint64_t sessions_made_ = 0;
    std::map<BrokerId, Peer> peers_;
    std::map<PartitionIdentity, Followed> followed_;
    std::map<Way, std::unique_ptr<Link>> links_;
    ReplicationCounters counters_;
    Scope scope_;
};

}  // namespace ironbark::broker
