#pragma once
// The commands that change the metadata, as bytes that travel and are stored (flatbuffers/metadata.fbs). What each does
// and when it is refused stands here; metadata.h applies them. Times are the caller's and for people only.

#include <map>
#include <string>
#include <vector>

#include "broker/controller/records.h"
#include "runtime/base/time.h"

namespace ironbark::broker {

using Command = std::vector<uint8_t>;  // a finished wire::MetadataCommand

// A start of a broker. invalid_request unless the incarnation is higher than the known one; unsupported_version if the
// program cannot do the cluster's feature level. The verdict is the state's own: the start is clean if the broker was
// never seen; or if the directory is the known one, and the incarnation that stopped cleanly is the known one, or the
// one from which the known one started: then this start is that one once more, whose answer was lost. (Where anything
// was appended since, the marks name no clean stop: it is erased before.) A known incarnation that is still alive is
// ended first, as by end_broker. An unclean start leaves the clean tier of every
// partition, another directory the durable tier too. A partition with no other replica is led by it at once, in a new
// epoch, unless its data is gone.
struct RegisterBroker {
    BrokerId id{-1};
    Uuid directory;
    Incarnation incarnation{-1};
    std::string host;
    uint16_t port = 0;
    std::string peer_host;
    uint16_t peer_port = 0;
    uint16_t replica_port = 0;  // at peer_host
    std::string rack;
    std::string version;
    int32_t feature_level = 1;
    Incarnation stopped_cleanly{-1};  // that its marks name; -1: none
    bool is_controller_only = false;  // refused while it is a replica of a partition
    Timestamp time;
};
Command register_broker(const RegisterBroker& broker);

// What it led has no leader from now on, and higher epochs; in-sync sets stay. stale_broker_epoch unless this
// incarnation is the current one, and alive.
enum class EndReason : uint8_t { process_gone, silent, stopped, replaced };
Command end_broker(BrokerId broker, Incarnation incarnation, EndReason reason, Timestamp time);

// invalid_request for an id that has been used. Every partition has equally many replicas, all of known brokers; the
// first that is alive leads, those that are alive are in sync. not_enough_replicas if none is. Uses id, name,
// min_in_sync, settings and created of the record.
Command create_topic(const TopicRecord& topic, const Assignment& assignment);
Command delete_topic(const Uuid& topic, Timestamp time);
// already_exists unless `settings_version` is the current one (-1: whatever it is): somebody else was faster, or this
// is the same command once more, which might undo what has come since.
Command alter_topic(const Uuid& topic,
                    const std::map<std::string, std::string>& set,
                    const std::vector<std::string>& reset,
                    Timestamp time,
                    int64_t settings_version = -1);
// `partitions` is how many there are afterwards: who did not know of another addition is refused. With as many replicas
// as the topic has.
Command add_partitions(const Uuid& topic, int32_t partitions, const Assignment& assignment, Timestamp time);
// already_exists unless `first` is the next id that nobody has: somebody else was faster.
Command allocate_producer_ids(int64_t first, int64_t count);

// Of one command, as it is taken: a few milliseconds to apply.
constexpr size_t batch_partitions_max = 10'000;
// And as a broker or a controller makes it: whatever it says of so many, each with replicas on `partition_replicas_max`
// brokers, fits into an entry of the quorum (`command_size_max` in consensus/settings.h).
constexpr size_t batch_partitions = 1'000;

// One partition gets a leader. Refused unless the partition epoch is current, nobody leads, the leader is a replica,
// alive, and this incarnation; and it is electable (tiers.h) or `unclean`. `in_sync` has the leader and others that are
// electable and alive; of an unclean leader, none but itself.
// Leader -1 ends a leadership instead (refused if nobody leads): a living leader is replaced in two entries.
struct Appointment {
    Uuid topic;
    PartitionIndex partition{-1};
    int32_t partition_epoch = -1;
    BrokerId leader{-1};
    Incarnation incarnation{-1};
    BrokerIds in_sync;
    bool unclean = false;  // permits what the tiers do not; changes nothing where they permit it
    friend bool operator==(const Appointment&, const Appointment&) = default;
};
Command appoint_leaders(const std::vector<Appointment>& appointments, Timestamp time);

// A leader's proposal. Stale, and without effect, unless leader, leader epoch and partition epoch are current. Else it
// is accepted, or refused because the set is no set of replicas with the leader, or because who joins is not alive or
// not this incarnation; both raise the partition epoch.
struct InSyncChange {
    struct Member {
        BrokerId broker;
        Incarnation incarnation;
    };
    Uuid topic;
    PartitionIndex partition{-1};
    BrokerId leader{-1};
    Epoch leader_epoch{-1};
    int32_t partition_epoch = -1;
    BrokerIds in_sync;
    std::vector<Member> joining;
};
Command change_in_sync(const std::vector<InSyncChange>& changes);

// A leader is to hand over to `target`, in its own time (replication/planned_move.h); -1: it is to stay. Refused unless
// the partition epoch is current and somebody leads; and the target is in sync, alive, and does not lead; or a move is
// there to be withdrawn.
struct LeaderMove {
    Uuid topic;
    PartitionIndex partition{-1};
    int32_t partition_epoch = -1;
    BrokerId target{-1};
    friend bool operator==(const LeaderMove&, const LeaderMove&) = default;
};
Command move_leaders(const std::vector<LeaderMove>& moves);

// The leader's promise that it appends nothing more, and that the target has everything on disk: the target leads, in a
// new epoch. Stale, and without effect, unless leader, both epochs and target are current; refused, which withdraws the
// move and raises the partition epoch, if the target is not alive or not this incarnation.
struct LeaderHandover {
    Uuid topic;
    PartitionIndex partition{-1};
    BrokerId leader{-1};
    Epoch leader_epoch{-1};
    int32_t partition_epoch = -1;
    BrokerId target{-1};
    Incarnation incarnation{-1};
    bool leaves = false;  // the leader before is not in sync any more
    friend bool operator==(const LeaderHandover&, const LeaderHandover&) = default;
};
Command hand_over_leaders(const std::vector<LeaderHandover>& handovers, Timestamp time);

// The log of a replica has lost what it had: it is in none of the partition's sets, and joins none, until its broker
// says that it has been emptied. Refused unless this incarnation is alive and does not lead; not_enough_replicas if
// nobody else has a right to lead, for then what is left of it may be all that there is.
struct ReplicaDamage {
    Uuid topic;
    PartitionIndex partition{-1};
    BrokerId broker{-1};
    Incarnation incarnation{-1};
    bool is_emptied = false;
    friend bool operator==(const ReplicaDamage&, const ReplicaDamage&) = default;
};
Command damaged_replicas(const std::vector<ReplicaDamage>& replicas, Timestamp time);

// A partition is to be kept by the brokers of `to`, in that order of preference. Those that are new are replicas at
// once, and follow; the others stay until the move ends. Another move may take the place of one that is planned; one to
// what was there before takes it back. Refused unless the partition epoch is current and somebody leads; and `to` has
// at least min-in-sync known brokers, none of them twice, of which the new ones are alive.
// An empty `to` ends the planned move, in one entry: who is not of it is no replica any more, in none of the sets.
// Refused unless those that were added for it are in sync; the leader is of it; and each of the in-sync set and the
// durable tier keeps all members, or at least min-in-sync.
struct ReplicaMove {
    Uuid topic;
    PartitionIndex partition{-1};
    int32_t partition_epoch = -1;
    BrokerIds to;
    int64_t throttle = 0;  // PartitionRecord::throttle
    friend bool operator==(const ReplicaMove&, const ReplicaMove&) = default;
};
Command move_replicas(const std::vector<ReplicaMove>& moves, Timestamp time);

// Manual: a partition whose leader has failed waits for a person's word (appoint_leaders).
Command set_failover(bool is_manual, Timestamp time);

// not_controller for a lower term than the known one, or another voter in the same. `session_timeout`: how long a
// broker may be silent from now on, whichever controller judges; none: as before.
Command controller_active(BrokerId voter, uint64_t term, Duration session_timeout, Timestamp time);
// invalid_request for a lower one than the current; unsupported_version if a broker that is alive cannot do it, or none
// is alive.
Command set_feature_level(int32_t level, Timestamp time);

}  // namespace ironbark::broker
