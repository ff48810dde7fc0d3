#pragma once
// What a leader knows of the replicas of one partition during one leadership, and what follows from it: the watermarks,
// who leaves the in-sync set and who joins it. Pure: marks and times are told, nothing is asked.
//
// The rules, each of which has a counterexample without it (docs/REPLICATION.md):
//   an end counts only for the incarnation that the metadata knows, and only after its log was found to agree with this
//     leader's in this epoch; it is forgotten when the incarnation changes, and when it leaves the replicas: who comes
//     again is another membership, and what is still under way of the earlier one counts for nothing
//   a watermark is what every member of the in-sync set has, and while a change of the set is pending what every member
//     of the larger one has; it stands still while the committed set is smaller than min-in-sync
//   one change is pending at a time, until a higher partition epoch is known
//   who joins has everything below the high watermark in memory, everything below the durable one on disk, and both
//     beyond the start of this epoch; below min-in-sync it has the whole log
//   who was not caught up for the lag time leaves, and so does who is not alive

#include <map>
#include <optional>
#include <vector>

#include "broker/controller/records.h"
#include "runtime/base/time.h"

namespace ironbark::broker {

// How long a position has been behind a target that moves: Kafka's rule. A position that has reached what the target
// was when the position moved last counts as caught up at that time.
class LagClock {
  public:
    explicit LagClock(Instant now) : caught_up_(now), mark_time_(now) {}
    // The target has moved from `before`, and the position is this.
    void target_moved(Offset position, Offset before, Instant now);
    void position_moved(Offset position, Offset target, Instant now);
    bool lags(Offset position, Offset target, Instant now, Duration patience) const {
        return position < target && now - caught_up_ > patience;
    }
    // When it will lag, if nothing moves; `never` if it has caught up.
    Instant due(Offset position, Offset target, Duration patience) const {
        return position < target ? caught_up_ + patience : never;
    }
    Duration behind(Offset position, Offset target, Instant now) const {
        return position < target ? now - caught_up_ : Duration();
    }

  private:
    Instant caught_up_;
    Offset mark_;  // the target when the position moved last
    Instant mark_time_;
};

struct ReplicaEnds {
    Offset appended;
    Offset durable;
    Offset log_start;
    friend bool operator==(const ReplicaEnds&, const ReplicaEnds&) = default;
};

// A change of the in-sync set that the leader wants; the controller decides.
struct InSyncProposal {
    int32_t partition_epoch = -1;
    BrokerIds in_sync;
    std::vector<std::pair<BrokerId, Incarnation>> joining;
    BrokerIds leaving;
    friend bool operator==(const InSyncProposal&, const InSyncProposal&) = default;
};

// Of whose log something is said: that of one incarnation, as one membership (PartitionRecord::memberships).
struct ReplicaLife {
    BrokerId broker{-1};
    Incarnation incarnation{-1};
    int32_t membership = 0;
};

// Which incarnation of a broker lives now; -1: none does.
using Living = std::map<BrokerId, Incarnation>;
bool is_alive(BrokerId broker, const Living& living);

class ReplicaSet {
  public:
    struct Replica {
        BrokerId broker{-1};
        bool is_in_sync = false;
        bool has_matched = false;
        ReplicaEnds ends;  // -1 in each until it has matched
        Duration behind{};
    };

    // A leadership begins: `log_end` is where its epoch starts, the watermarks are what this replica knew before.
    ReplicaSet(BrokerId self,
               const PartitionRecord& record,
               int32_t min_in_sync,
               ReplicaEnds own,
               Offset high_watermark,
               Offset durable_watermark,
               Instant now);

    // The partition's record has a higher partition epoch, in the same leader epoch; or the topic another minimum.
    void take(const PartitionRecord& record, int32_t min_in_sync, Instant now);
    // This leader's own ends; and up to where somebody waits for durability on all of them.
    void own_moved(ReplicaEnds own, Offset sync_to, Instant now);
    // Whether it is a replica, and what it says is of the log that it has now: not damaged, and of this membership.
    bool counts(BrokerId broker, int32_t membership) const;
    // The follower's log agrees with this one up to `end`.
    void matched(const ReplicaLife& who, Offset end, Instant now);
    // False: it counts for nothing.
    bool acknowledged(const ReplicaLife& who, ReplicaEnds ends, Instant now);

    Offset high_watermark() const { return high_; }
    Offset durable_watermark() const { return durable_; }
    // Durable, and replicated, on every member of the in-sync set.
    Offset log_start_everywhere() const;
    const BrokerIds& in_sync() const { return committed_; }
    bool is_alone() const { return replicas_.size() == 1; }  // nobody else can ever lead
    bool has_enough() const { return committed_.size() >= static_cast<size_t>(min_in_sync_); }
    int32_t min_in_sync() const { return min_in_sync_; }
    int32_t partition_epoch() const { return partition_epoch_; }
    Offset epoch_start() const { return epoch_start_; }
    // Members of the in-sync set that have everything below `end`.
    BrokerIds holders(Offset end, bool durable) const;
    std::vector<Replica> replicas(Instant now) const;
    // Records of this log that are on no disk, and that are on one disk at most, as far as is known.
    struct AtRisk {
        int64_t on_no_disk = 0;
        int64_t on_one_disk = 0;
    };
    AtRisk at_risk() const;
    // The most that a replica lacks of this log, as far as is known: everything, if it has not matched.
    int64_t lag_max() const;
    // Whether this member of the in-sync set has everything below `end` on disk, as it has said in this epoch.
    bool is_durable_on(BrokerId member, Offset end) const;
    Incarnation incarnation_of(BrokerId follower) const;  // that matched; -1: none has

    // What should change now. It is pending from then on.
    std::optional<InSyncProposal> propose(const Living& living, Duration lag_time_max, Instant now);
    // Certainly nobody has got it: it is not pending any more.
    void withdraw() { pending_.reset(); }
    const std::optional<InSyncProposal>& pending() const { return pending_; }
    // Every replica is in the set and alive, and has everything: nothing is to be proposed until something moves.
    bool is_settled(const Living& living) const;
    // When `propose` should be asked again though nothing has moved.
    Instant next_look(Duration lag_time_max) const;
    // A replica that follows well could join, had it the records that were appended last: where appends never pause, it
    // may never have all of them at an instant. Below min-in-sync it may be `lag_time_max` behind, for nothing can be
    // acknowledged there; else no more than `hold_time`, so that it has them when appends were held for so long.
    bool has_joiner_but_for_appends(const Living& living, Duration lag_time_max, Duration hold_time, Instant now) const;

  private:
    struct Follower {
        Incarnation incarnation{-1};  // that matched
        ReplicaEnds ends{Offset(-1), Offset(-1), Offset(-1)};
        LagClock appended;
        LagClock durable;
        int32_t membership;
        Follower(int32_t member, Instant now) : appended(now), durable(now), membership(member) {}
    };
    bool is_candidate(BrokerId broker, const Follower& follower, const Living& living) const;
    bool has_enough_to_join(const Follower& follower) const;
    bool may_join(BrokerId broker, const Follower& follower, const Living& living) const;
    bool is_pending(BrokerId broker) const;
    void move_watermarks();
    template <typename End>
    Offset lowest(End end) const;

    BrokerId self_;
    BrokerIds replicas_;
    BrokerIds committed_;
    std::optional<InSyncProposal> pending_;
    int32_t partition_epoch_;
    int32_t min_in_sync_;
    Offset epoch_start_;
    ReplicaEnds own_;
    Offset sync_to_;
    Offset high_;
    Offset durable_;
    std::map<BrokerId, Follower> followers_;
};

}  // namespace ironbark::broker
