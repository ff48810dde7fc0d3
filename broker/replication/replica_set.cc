#include "broker/replication/replica_set.h"

#include <algorithm>

#include "broker/controller/tiers.h"

namespace ironbark::broker {

bool is_alive(BrokerId broker, const Living& living) {
    auto known = living.find(broker);
    return known != living.end() && known->second.value >= 0;
}

void LagClock::target_moved(Offset position, Offset before, Instant now) {
    if (position < before) return;
    // It had everything until now.
    caught_up_ = now;
    mark_ = before;
    mark_time_ = now;
}

void LagClock::position_moved(Offset position, Offset target, Instant now) {
    if (position >= target) {
        caught_up_ = now;
    } else if (position >= mark_) {
        caught_up_ = std::max(caught_up_, mark_time_);
    } else {
        return;
    }
    mark_ = target;
    mark_time_ = now;
}

ReplicaSet::ReplicaSet(BrokerId self,
                       const PartitionRecord& record,
                       int32_t min_in_sync,
                       ReplicaEnds own,
                       Offset high_watermark,
                       Offset durable_watermark,
                       Instant now)
    : self_(self),
      partition_epoch_(-1),
      min_in_sync_(min_in_sync),
      epoch_start_(own.appended),
      own_(own),
      high_(std::min(high_watermark, own.appended)),
      durable_(std::min({durable_watermark, high_watermark, own.durable})) {
    take(record, min_in_sync, now);
}

void ReplicaSet::take(const PartitionRecord& record, int32_t min_in_sync, Instant now) {
    min_in_sync_ = min_in_sync;
    replicas_ = record.replicas;
    if (record.partition_epoch > partition_epoch_) {
        partition_epoch_ = record.partition_epoch;
        committed_ = record.in_sync;
        pending_.reset();
    }
    std::erase_if(followers_, [&record](const auto& each) {
        return membership_of(record, each.first) != each.second.membership || contains(record.damaged, each.first);
    });
    for (BrokerId broker : replicas_) {
        const int32_t membership = contains(record.damaged, broker) ? -1 : membership_of(record, broker);
        if (broker != self_) followers_.try_emplace(broker, membership, now);
    }
    move_watermarks();
}

void ReplicaSet::own_moved(ReplicaEnds own, Offset sync_to, Instant now) {
    for (auto& [broker, follower] : followers_) {
        if (own.appended > own_.appended) follower.appended.target_moved(follower.ends.appended, own_.appended, now);
        if (sync_to > sync_to_) follower.durable.target_moved(follower.ends.durable, sync_to_, now);
    }
    own_ = own;
    sync_to_ = std::max(sync_to, sync_to_);
    move_watermarks();
}

bool ReplicaSet::counts(BrokerId broker, int32_t membership) const {
    auto found = followers_.find(broker);
    return found != followers_.end() && found->second.membership == membership;
}

void ReplicaSet::matched(const ReplicaLife& who, Offset end, Instant now) {
    if (!counts(who.broker, who.membership)) return;
    Follower& follower = followers_.at(who.broker);
    if (who.incarnation < follower.incarnation) return;  // a request of a life that is over, and was long under way
    if (follower.incarnation != who.incarnation) follower.ends = {Offset(-1), Offset(-1), Offset(-1)};
    follower.incarnation = who.incarnation;
    follower.ends.appended = std::max(follower.ends.appended, std::min(end, own_.appended));
    follower.appended.position_moved(follower.ends.appended, own_.appended, now);
    move_watermarks();
}

bool ReplicaSet::acknowledged(const ReplicaLife& who, ReplicaEnds ends, Instant now) {
    if (!counts(who.broker, who.membership)) return false;
    Follower& follower = followers_.at(who.broker);
    if (follower.incarnation != who.incarnation) return false;
    // Nobody has more than the leader gave: such an end is not of this log.
    if (ends.appended > own_.appended || ends.durable > ends.appended) return false;
    follower.ends.appended = std::max(follower.ends.appended, ends.appended);
    follower.ends.durable = std::max(follower.ends.durable, ends.durable);
    follower.ends.log_start = std::max(follower.ends.log_start, ends.log_start);
    follower.appended.position_moved(follower.ends.appended, own_.appended, now);
    follower.durable.position_moved(follower.ends.durable, sync_to_, now);
    move_watermarks();
    return true;
}

bool ReplicaSet::is_pending(BrokerId broker) const {
    return pending_ && contains(pending_->in_sync, broker);
}

// Of every member of the committed set, and of the pending one.
template <typename End>
Offset ReplicaSet::lowest(End end) const {
    Offset least = end(own_);
    for (const auto& [broker, follower] : followers_) {
        if (contains(committed_, broker) || is_pending(broker)) least = std::min(least, end(follower.ends));
    }
    return least;
}

void ReplicaSet::move_watermarks() {
    if (!has_enough()) return;
    high_ = std::max(high_, lowest([](const ReplicaEnds& ends) { return ends.appended; }));
    const Offset durable = lowest([](const ReplicaEnds& ends) { return ends.durable; });
    durable_ = std::max(durable_, std::min(durable, high_));
}

Offset ReplicaSet::log_start_everywhere() const {
    return lowest([](const ReplicaEnds& ends) { return ends.log_start; });
}

BrokerIds ReplicaSet::holders(Offset end, bool durable) const {
    BrokerIds holders;
    for (BrokerId broker : committed_) {
        auto found = followers_.find(broker);
        if (broker != self_ && found == followers_.end()) continue;
        const ReplicaEnds& ends = broker == self_ ? own_ : found->second.ends;
        if ((durable ? ends.durable : ends.appended) >= end) holders.push_back(broker);
    }
    return holders;
}

ReplicaSet::AtRisk ReplicaSet::at_risk() const {
    // What was deleted is not there to be lost.
    const auto on_disk = [this](const ReplicaEnds& ends) { return std::max(ends.durable, own_.log_start); };
    Offset first = on_disk(own_);
    Offset second = own_.log_start;
    for (const auto& [broker, follower] : followers_) {
        const Offset end = on_disk(follower.ends);
        second = std::max(second, std::min(first, end));
        first = std::max(first, end);
    }
    return {own_.appended - first, own_.appended - second};
}

int64_t ReplicaSet::lag_max() const {
    int64_t most = 0;
    for (const auto& [broker, follower] : followers_) {
        most = std::max(most, own_.appended - std::max(follower.ends.appended, own_.log_start));
    }
    return most;
}

bool ReplicaSet::is_durable_on(BrokerId member, Offset end) const {
    auto found = followers_.find(member);
    if (found == followers_.end() || found->second.incarnation.value < 0 || !contains(committed_, member)) return false;
    return found->second.ends.durable >= end;
}

Incarnation ReplicaSet::incarnation_of(BrokerId follower) const {
    auto found = followers_.find(follower);
    return found == followers_.end() ? Incarnation(-1) : found->second.incarnation;
}

std::vector<ReplicaSet::Replica> ReplicaSet::replicas(Instant now) const {
    std::vector<Replica> replicas;
    for (BrokerId broker : replicas_) {
        Replica replica{broker, contains(committed_, broker), true, own_, {}};
        if (auto found = followers_.find(broker); found != followers_.end()) {
            const Follower& follower = found->second;
            replica.has_matched = follower.incarnation.value >= 0;
            replica.ends = follower.ends;
            replica.behind = std::max(follower.appended.behind(follower.ends.appended, own_.appended, now),
                                      follower.durable.behind(follower.ends.durable, sync_to_, now));
        }
        replicas.push_back(replica);
    }
    return replicas;
}

// ---- the in-sync set -----------------------------------------------------------------------------------------------

bool ReplicaSet::is_candidate(BrokerId broker, const Follower& follower, const Living& living) const {
    if (contains(committed_, broker)) return false;
    auto lives = living.find(broker);
    if (lives == living.end() || lives->second.value < 0 || lives->second != follower.incarnation) return false;
    return follower.ends.appended >= epoch_start_ && follower.ends.durable >= epoch_start_;
}

bool ReplicaSet::has_enough_to_join(const Follower& follower) const {
    return follower.ends.appended >= high_ && follower.ends.durable >= durable_;
}

bool ReplicaSet::may_join(BrokerId broker, const Follower& follower, const Living& living) const {
    if (!is_candidate(broker, follower, living) || !has_enough_to_join(follower)) return false;
    return has_enough() || follower.ends.appended == own_.appended;
}

bool ReplicaSet::has_joiner_but_for_appends(const Living& living,
                                            Duration lag_time_max,
                                            Duration hold_time,
                                            Instant now) const {
    if (pending_) return false;
    const Duration behind_max = has_enough() ? hold_time : lag_time_max;
    return std::any_of(followers_.begin(), followers_.end(), [&](const auto& each) {
        const auto& [broker, follower] = each;
        return is_candidate(broker, follower, living) && (has_enough() || has_enough_to_join(follower)) &&
               !follower.appended.lags(follower.ends.appended, own_.appended, now, behind_max);
    });
}

std::optional<InSyncProposal> ReplicaSet::propose(const Living& living, Duration lag_time_max, Instant now) {
    if (pending_) return std::nullopt;
    InSyncProposal proposal;
    proposal.partition_epoch = partition_epoch_;
    for (BrokerId broker : replicas_) {
        auto found = followers_.find(broker);
        const bool is_member = contains(committed_, broker);
        if (found == followers_.end()) {
            if (is_member) proposal.in_sync.push_back(broker);
            continue;
        }
        const Follower& follower = found->second;
        if (!is_member) {
            if (!may_join(broker, follower, living)) continue;
            proposal.in_sync.push_back(broker);
            proposal.joining.emplace_back(broker, follower.incarnation);
            continue;
        }
        const bool lags = follower.appended.lags(follower.ends.appended, own_.appended, now, lag_time_max) ||
                          follower.durable.lags(follower.ends.durable, sync_to_, now, lag_time_max);
        if (lags || !is_alive(broker, living)) {
            proposal.leaving.push_back(broker);
        } else {
            proposal.in_sync.push_back(broker);
        }
    }
    if (proposal.joining.empty() && proposal.leaving.empty()) return std::nullopt;
    pending_ = proposal;
    return proposal;
}

bool ReplicaSet::is_settled(const Living& living) const {
    if (pending_ || committed_.size() != replicas_.size()) return false;
    return std::all_of(followers_.begin(), followers_.end(), [&](const auto& each) {
        const ReplicaEnds& ends = each.second.ends;
        return ends.appended >= own_.appended && ends.durable >= sync_to_ && is_alive(each.first, living);
    });
}

Instant ReplicaSet::next_look(Duration lag_time_max) const {
    if (pending_) return never;
    Instant next = never;
    for (const auto& [broker, follower] : followers_) {
        if (!contains(committed_, broker)) continue;
        next = std::min({next, follower.appended.due(follower.ends.appended, own_.appended, lag_time_max),
                         follower.durable.due(follower.ends.durable, sync_to_, lag_time_max)});
    }
    return next;
}

}  // namespace ironbark::broker
