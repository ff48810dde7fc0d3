#pragma once
// The rules by which a partition's record changes: who leads, who is in sync, who may be appointed. Pure functions of
// one record; whether brokers live and which incarnation they are is the metadata's (metadata.h).
//
// Each raises the partition epoch once if it changes anything, and needs one left: has_epochs.

#include <optional>

#include "broker/controller/records.h"
#include "runtime/base/error.h"

namespace ironbark::broker {

bool contains(const BrokerIds& brokers, BrokerId broker);
bool has_twice(const BrokerIds& brokers);
// The members of `set` in the order of the replicas; nullopt if one is no replica or stands there twice.
// REQUIRES: !has_twice(replicas)
std::optional<BrokerIds> in_replica_order(const BrokerIds& replicas, const BrokerIds& set);
bool has_epochs(const PartitionRecord& partition);
inline constexpr Error no_epoch_left(ErrorCode::invalid_request, "a partition has no epoch left");
// Sets within the replicas, none of them with a damaged one, a leader that is in sync, holders only below min-in-sync,
// epochs from 0.
bool is_consistent(const PartitionRecord& partition, int32_t min_in_sync);

// A new partition, with an in-sync set whose first member leads.
PartitionRecord new_partition(BrokerIds replicas, BrokerIds in_sync, int32_t min_in_sync);

// Nobody leads from now on. The in-sync set stays: an appointment leaves out who does not answer.
void end_leadership(PartitionRecord& partition);

// What a start of one of its replicas means for a partition.
enum class Start : uint8_t {
    clean,
    unclean,  // memory was lost, and with it records that were acknowledged from there
    wiped,    // another directory: nothing is left
};
// `led`: the broker's incarnation before led the partition until this start. Whether the record has changed; it is
// appointed at once if it is the only replica and has its data.
bool apply_start(PartitionRecord& partition, BrokerId broker, Start start, bool led, int32_t min_in_sync);

// By which right somebody may be appointed, and what may be lost.
enum class Tier : uint8_t {
    clean,    // nothing of an isr level
    durable,  // what was not acknowledged as isr_durable
    none,     // anything: only a person may want that
};
Tier tier_of(const PartitionRecord& partition, BrokerId broker, bool has_durable_floor);
// Who may be appointed by right, and be in sync with a leader that is: the clean tier; the durable one while that is
// empty; both where everything that was acknowledged is on disk. In the order of the replicas.
BrokerIds electable(const PartitionRecord& partition, bool has_durable_floor);
// REQUIRES: in_sync has the leader and is electable, or is the leader alone
void appoint(PartitionRecord& partition, BrokerId leader, BrokerIds in_sync, Tier tier, int32_t min_in_sync);

// The leadership is to go to another member of the in-sync set; -1: it stays after all. REQUIRES: there is a leader.
// (Whatever ends the leadership, or takes the target out of the set, withdraws the move with it.)
void plan_move(PartitionRecord& partition, BrokerId target);
// The planned move takes place: everything that was acknowledged is on the target's disk. `leaves`: the leader before
// is not in sync any more. REQUIRES: one is planned
void hand_over(PartitionRecord& partition, bool leaves, int32_t min_in_sync);

// The log of a replica that does not lead is damaged: until it has been emptied it counts for nothing. False: nobody
// else has a right to lead, so what is left of it may be all that there is, and a person decides.
// REQUIRES: it is a replica, and does not lead
bool mark_damaged(PartitionRecord& partition, BrokerId broker, int32_t min_in_sync);
// It has been emptied, and may follow again. REQUIRES: it is marked
void mark_emptied(PartitionRecord& partition, BrokerId broker);

// Who keeps the partition when the planned move has ended; or now, if none is planned.
const BrokerIds& replicas_to_be(const PartitionRecord& partition);
// Whether such a move would change nothing.
bool is_planned(const PartitionRecord& partition, const BrokerIds& to, int64_t throttle);
// As which replica the broker is one; -1: it is none. See PartitionRecord::memberships.
int32_t membership_of(const PartitionRecord& partition, BrokerId broker);
// The partition is to be kept by these: who is new among them is a replica from now on.
// REQUIRES: nobody stands there twice
void plan_replicas(PartitionRecord& partition, BrokerIds to, int64_t throttle);
// Whether the planned move can end: who was added for it is in sync, the leader is of it, and the sets that stand for
// what was acknowledged keep all members, or at least min-in-sync. False if none is planned.
bool can_end_move(const PartitionRecord& partition, int32_t min_in_sync);
// Who is not of the planned move is no replica any more. REQUIRES: can_end_move
void end_move(PartitionRecord& partition, int32_t min_in_sync);

// The leader's proposal. REQUIRES: in_sync is within the replicas and has the leader
void change_in_sync(PartitionRecord& partition, BrokerIds in_sync, int32_t min_in_sync);
// A refusal raises the partition epoch, too: the leader holds its proposal for possible until it has learnt a higher
// one, and would wait for ever.
void refuse_change(PartitionRecord& partition);

}  // namespace ironbark::broker
