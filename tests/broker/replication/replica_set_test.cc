// What a leader concludes from what its replicas have. Each rule of replica_set.h by a script that fails without it.

#include "broker/replication/replica_set.h"

#include <gtest/gtest.h>

namespace ironbark::broker {
namespace {

constexpr Duration lag = 2s;
constexpr Duration hold = 100ms;

BrokerIds ids(std::initializer_list<int32_t> list) {
    BrokerIds brokers;
    for (int32_t id : list) brokers.push_back(BrokerId(id));
    return brokers;
}

// Broker 1 leads 2 and 3; every broker is its first incarnation.
struct Script {
    explicit Script(std::initializer_list<int32_t> in_sync = {1, 2, 3}, int32_t min = 2, int64_t start = 0)
        : min_in_sync(min) {
        record.replicas = ids({1, 2, 3});
        record.memberships = {0, 0, 0};
        record.in_sync = ids(in_sync);
        record.leader = BrokerId(1);
        record.leader_epoch = Epoch(5);
        record.partition_epoch = 10;
        own = {Offset(start), Offset(start), Offset(0)};
        set.emplace(BrokerId(1), record, min, own, Offset(0), Offset(0), now);
    }
    Script& append(int64_t count) {
        own.appended = own.appended + count;
        set->own_moved(own, sync_to, now);
        return *this;
    }
    Script& sync() {
        own.durable = own.appended;
        set->own_moved(own, sync_to, now);
        return *this;
    }
    Script& want(int64_t end) {
        sync_to = Offset(end);
        set->own_moved(own, sync_to, now);
        return *this;
    }
    Script& match(int32_t broker, int64_t end = 0, int64_t incarnation = 1) {
        set->matched({BrokerId(broker), Incarnation(incarnation), membership}, Offset(end), now);
        return *this;
    }
    bool ack(int32_t broker, int64_t appended, int64_t durable, int64_t incarnation = 1) {
        return set->acknowledged({BrokerId(broker), Incarnation(incarnation), membership},
                                 {Offset(appended), Offset(durable), Offset(0)}, now);
    }
    void decide(std::initializer_list<int32_t> in_sync) {
        record.in_sync = ids(in_sync);
        ++record.partition_epoch;
        set->take(record, min_in_sync, now);
    }
    std::optional<InSyncProposal> propose() { return set->propose(living, lag, now); }
    bool settled() const { return set->is_settled(living); }
    bool makes_way() const { return set->has_joiner_but_for_appends(living, lag, hold, now); }
    int64_t high() const { return set->high_watermark().value; }
    int64_t durable() const { return set->durable_watermark().value; }

    Instant now = Instant(100s);
    PartitionRecord record;
    int32_t membership = 0;  // as which the followers speak
    int32_t min_in_sync;
    ReplicaEnds own;
    Offset sync_to;
    Living living{{BrokerId(1), Incarnation(1)}, {BrokerId(2), Incarnation(1)}, {BrokerId(3), Incarnation(1)}};
    std::optional<ReplicaSet> set;
};

TEST(ReplicaSet, TheWatermarksAreWhatEveryMemberHas) {
    Script script;
    script.match(2).match(3).append(10).sync();
    EXPECT_EQ(script.high(), 0);
    EXPECT_TRUE(script.ack(2, 10, 4));
    EXPECT_EQ(script.high(), 0) << "one of them has nothing yet";
    EXPECT_TRUE(script.ack(3, 7, 7));
    EXPECT_EQ(script.high(), 7);
    EXPECT_EQ(script.durable(), 4);
}

TEST(ReplicaSet, TheLeaderIsCountedLikeAnyMember) {
    Script script;
    script.match(2).match(3).append(10);
    script.ack(2, 10, 10);
    script.ack(3, 10, 10);
    EXPECT_EQ(script.high(), 10);
    EXPECT_EQ(script.durable(), 0) << "its own disk does not have them";
    script.sync();
    EXPECT_EQ(script.durable(), 10);
}

TEST(ReplicaSet, NoWatermarkMovesBelowMinInSync) {
    Script script({1}, 2);
    script.append(5).sync();
    EXPECT_EQ(script.high(), 0);
    EXPECT_EQ(script.durable(), 0);
    script.match(2, 5);
    script.ack(2, 5, 5);
    EXPECT_EQ(script.high(), 0) << "it is counted when the controller has taken it in";
    ASSERT_TRUE(script.propose());
    EXPECT_EQ(script.high(), 0) << "the larger set may hold it; the committed one is counted";
    script.decide({1, 2});
    EXPECT_EQ(script.high(), 5);
    EXPECT_EQ(script.durable(), 5);
}

TEST(ReplicaSet, WhileAChangeIsPendingTheLargerSetMustHaveIt) {
    Script leaving;
    leaving.match(2).match(3).append(1);
    leaving.living[BrokerId(3)] = Incarnation(-1);
    std::optional<InSyncProposal> proposal = leaving.propose();
    ASSERT_TRUE(proposal);
    EXPECT_EQ(proposal->in_sync, ids({1, 2}));
    EXPECT_EQ(proposal->partition_epoch, 10);
    leaving.ack(2, 1, 1);
    EXPECT_EQ(leaving.high(), 0) << "the controller may still count on 3";
    leaving.decide({1, 2});
    EXPECT_EQ(leaving.high(), 1);

    Script joining({1, 2}, 2);
    joining.match(2).match(3).ack(3, 0, 0);
    ASSERT_TRUE(joining.propose());
    joining.append(1);
    joining.ack(2, 1, 1);
    EXPECT_EQ(joining.high(), 0) << "3 may be a member by now";
    joining.ack(3, 1, 1);
    EXPECT_EQ(joining.high(), 1);
}

TEST(ReplicaSet, OneChangeAtATimeUntilAHigherPartitionEpoch) {
    Script script;
    script.match(2).match(3).append(1);
    script.living[BrokerId(3)] = Incarnation(-1);
    ASSERT_TRUE(script.propose());
    script.living[BrokerId(2)] = Incarnation(-1);
    EXPECT_FALSE(script.propose());
    script.set->take(script.record, 2, script.now);
    EXPECT_FALSE(script.propose()) << "the record is the one that was known";
    script.decide({1, 2, 3});  // refused: a higher epoch, and the same set
    ASSERT_TRUE(script.propose());
    EXPECT_EQ(script.set->pending()->in_sync, ids({1}));
}

TEST(ReplicaSet, AnAcknowledgementCountsForTheIncarnationThatMatched) {
    Script script;
    EXPECT_FALSE(script.ack(2, 0, 0)) << "nobody knows whether the logs agree";
    script.match(2).match(3).append(3);
    EXPECT_FALSE(script.ack(2, 3, 3, 2));
    EXPECT_TRUE(script.ack(2, 3, 3));
    script.match(2, 1, 2);
    EXPECT_FALSE(script.ack(2, 3, 3)) << "of the incarnation before";
    script.ack(3, 3, 3);
    EXPECT_EQ(script.high(), 1) << "what the incarnation before had is forgotten";
}

TEST(ReplicaSet, NobodyHasMoreThanTheLeaderGave) {
    Script script;
    script.match(2).append(3);
    EXPECT_FALSE(script.ack(2, 4, 3));
    EXPECT_FALSE(script.ack(2, 2, 3)) << "more on disk than in the log";
}

TEST(ReplicaSet, WhoJoinsHasEverythingBelowBothWatermarksAndTheStartOfTheEpoch) {
    Script script({1, 2}, 1, 10);
    script.match(2, 10);
    script.ack(2, 10, 10);
    ASSERT_EQ(script.durable(), 10);
    script.match(3, 4);
    EXPECT_FALSE(script.propose());
    script.ack(3, 10, 9);
    EXPECT_FALSE(script.propose()) << "not all of it is on its disk";
    script.ack(3, 10, 10);
    std::optional<InSyncProposal> proposal = script.propose();
    ASSERT_TRUE(proposal);
    EXPECT_EQ(proposal->in_sync, ids({1, 2, 3}));
    ASSERT_EQ(proposal->joining.size(), 1u);
    EXPECT_EQ(proposal->joining[0].second, Incarnation(1));
}

TEST(ReplicaSet, WhoJoinsHasReachedTheStartOfTheEpochThoughTheWatermarkHasNot) {
    // A new leader with 10 records whose watermark it does not know yet.
    Script script({1, 2}, 2, 10);
    script.match(3, 0);
    script.ack(3, 0, 0);
    EXPECT_EQ(script.high(), 0);
    EXPECT_FALSE(script.propose());
    script.ack(3, 10, 10);
    EXPECT_TRUE(script.propose());
}

TEST(ReplicaSet, BelowMinInSyncWhoJoinsHasTheWholeLog) {
    Script script({1}, 2);
    script.append(5).sync();
    script.match(2, 4);
    script.ack(2, 4, 4);
    EXPECT_FALSE(script.propose());
    script.ack(2, 5, 5);
    EXPECT_TRUE(script.propose());
}

TEST(ReplicaSet, BelowMinInSyncAppendsMakeWayForWhoFollowsWell) {
    Script script({1}, 2);
    script.append(5).sync();
    script.match(2, 4);
    EXPECT_FALSE(script.makes_way()) << "nothing of it is on disk beyond the start of the epoch";
    script.ack(2, 4, 4);
    EXPECT_TRUE(script.makes_way());
    script.now += lag + 1ms;
    EXPECT_FALSE(script.makes_way()) << "it does not follow";
    script.ack(2, 5, 5);
    EXPECT_TRUE(script.makes_way());
    EXPECT_TRUE(script.propose());
    EXPECT_FALSE(script.makes_way()) << "it is on its way in";
}

// Else a record that is always under way keeps it out for ever.
TEST(ReplicaSet, AppendsMakeWayForWhoIsCloseThoughEnoughAreInSync) {
    Script script({1}, 1);
    script.match(2);
    script.ack(2, 0, 0);
    script.append(5).sync();
    EXPECT_TRUE(script.makes_way());
    script.now += hold + 1ms;
    EXPECT_FALSE(script.makes_way()) << "holding for so long would not let it have them";
    script.ack(2, 5, 4);
    script.append(1);
    EXPECT_TRUE(script.makes_way()) << "its disk needs a moment, too";
    EXPECT_FALSE(script.propose());
    script.ack(2, 6, 6);
    EXPECT_TRUE(script.propose());
    EXPECT_FALSE(script.makes_way());
}

TEST(ReplicaSet, WhatIsAtRiskIsWhatNoOrOneDiskHas) {
    Script script;
    script.match(2).match(3).append(10);
    EXPECT_EQ(script.set->at_risk().on_no_disk, 10);
    EXPECT_EQ(script.set->at_risk().on_one_disk, 10);
    EXPECT_EQ(script.set->lag_max(), 10);
    script.ack(2, 10, 8);
    script.ack(3, 7, 3);
    EXPECT_EQ(script.set->at_risk().on_no_disk, 2);
    EXPECT_EQ(script.set->at_risk().on_one_disk, 7);
    EXPECT_EQ(script.set->lag_max(), 3);
    script.sync();
    EXPECT_EQ(script.set->at_risk().on_no_disk, 0);
    EXPECT_EQ(script.set->at_risk().on_one_disk, 2);
}

TEST(ReplicaSet, WhoJoinsIsTheIncarnationThatLives) {
    Script script({1, 2}, 1);
    script.match(3);
    script.ack(3, 0, 0);
    script.living[BrokerId(3)] = Incarnation(2);
    EXPECT_FALSE(script.propose());
    script.match(3, 0, 2);
    script.ack(3, 0, 0, 2);
    EXPECT_TRUE(script.propose());
}

TEST(ReplicaSet, WhoLagsForTheLagTimeLeaves) {
    Script script;
    script.match(2).match(3).append(10);
    script.now += 1s;
    script.ack(2, 10, 10);
    script.now += 999ms;
    EXPECT_FALSE(script.propose());
    EXPECT_EQ(script.set->next_look(lag), script.now + 1ms);
    script.now += 2ms;
    std::optional<InSyncProposal> proposal = script.propose();
    ASSERT_TRUE(proposal);
    EXPECT_EQ(proposal->leaving, ids({3}));
}

TEST(ReplicaSet, WhoIsAlwaysALittleBehindStays) {
    Script script;
    script.match(2).match(3);
    for (int64_t round = 0; round < 100; ++round) {
        script.append(10);
        script.now += 100ms;
        script.ack(2, round * 10, 0);  // what the leader had at the position before
        script.ack(3, round * 10 + 10, 0);
        EXPECT_FALSE(script.propose()) << round;
    }
}

TEST(ReplicaSet, WhoFallsFurtherAndFurtherBehindLeaves) {
    Script script;
    script.match(2).match(3);
    bool has_left = false;
    for (int64_t round = 0; round < 100 && !has_left; ++round) {
        script.append(10);
        script.now += 100ms;
        script.ack(2, round, 0);  // a tenth of what comes
        script.ack(3, round * 10 + 10, 0);
        std::optional<InSyncProposal> proposal = script.propose();
        has_left = proposal && proposal->leaving == ids({2});
    }
    EXPECT_TRUE(has_left);
}

TEST(ReplicaSet, AnIdlePartitionKeepsItsFollowers) {
    Script script;
    script.match(2).match(3).append(1);
    script.ack(2, 1, 0);
    script.ack(3, 1, 0);
    script.now += 3600s;
    EXPECT_FALSE(script.propose());
    script.append(1);
    script.now += 1s;
    EXPECT_FALSE(script.propose()) << "the time before the record is nobody's lag";
}

TEST(ReplicaSet, WhoseDiskDoesNotKeepUpLeavesWhenSomebodyWaitsForIt) {
    Script script;
    script.match(2).match(3).append(1).sync();
    script.ack(2, 1, 1);
    script.ack(3, 1, 0);
    script.now += 10s;
    EXPECT_FALSE(script.propose()) << "nobody has asked for it to be on disk";
    script.want(1);
    script.now += lag;
    EXPECT_FALSE(script.propose());
    script.now += 1ms;
    std::optional<InSyncProposal> proposal = script.propose();
    ASSERT_TRUE(proposal);
    EXPECT_EQ(proposal->leaving, ids({3}));
}

TEST(ReplicaSet, WatermarksNeverGoBackWithinALeadership) {
    Script script;
    script.match(2).match(3).append(5);
    script.ack(2, 5, 0);
    script.ack(3, 5, 0);
    ASSERT_EQ(script.high(), 5);
    script.match(2, 2, 2);  // a new incarnation, with less
    EXPECT_EQ(script.high(), 5);
}

TEST(ReplicaSet, APartitionWithOneReplicaNeedsNobody) {
    PartitionRecord record;
    record.replicas = record.in_sync = ids({1});
    record.memberships = {0};
    record.leader = BrokerId(1);
    record.leader_epoch = Epoch(1);
    ReplicaSet set(BrokerId(1), record, 1, {Offset(7), Offset(7), Offset(0)}, Offset(3), Offset(3), Instant(1s));
    EXPECT_TRUE(set.is_alone());
    EXPECT_EQ(set.high_watermark(), Offset(7));
    EXPECT_EQ(set.durable_watermark(), Offset(7));
    set.own_moved({Offset(9), Offset(7), Offset(0)}, Offset(9), Instant(1s));
    EXPECT_EQ(set.high_watermark(), Offset(9));
    EXPECT_EQ(set.durable_watermark(), Offset(7));
}

// A broker lets a partition go, and is a replica again, as the same incarnation: what it had before is gone.
TEST(ReplicaSet, WhatIsSaidOfAnEarlierMembershipCountsForNothing) {
    Script script({1, 2}, 1);
    script.match(2).match(3).append(10).sync();
    script.ack(2, 10, 10);
    EXPECT_TRUE(script.ack(3, 10, 10));
    script.record.replicas = ids({1, 2});
    script.record.memberships = {0, 0};
    script.decide({1, 2});
    EXPECT_FALSE(script.ack(3, 10, 10)) << "it is no replica";
    script.record.replicas = ids({1, 2, 3});
    script.record.memberships = {0, 0, 12};
    script.decide({1, 2});
    script.match(3, 10);
    EXPECT_FALSE(script.ack(3, 10, 10)) << "that was its log before";
    EXPECT_FALSE(script.propose()) << "nothing is known of the one that it has now";
    script.membership = 12;
    script.match(3, 0);
    EXPECT_TRUE(script.ack(3, 4, 4));
    EXPECT_FALSE(script.propose());
    EXPECT_TRUE(script.ack(3, 10, 10));
    const std::optional<InSyncProposal> proposal = script.propose();
    ASSERT_TRUE(proposal);
    EXPECT_EQ(proposal->in_sync, ids({1, 2, 3}));
}

// The leader has heard of the entry, and the follower has not; or the other way round.
TEST(ReplicaSet, AReplicaIsKnownByItsMembership) {
    Script script;
    EXPECT_TRUE(script.set->counts(BrokerId(2), 0));
    EXPECT_FALSE(script.set->counts(BrokerId(2), 11));
    EXPECT_FALSE(script.set->counts(BrokerId(4), 0));
    script.record.damaged = ids({3});
    script.decide({1, 2});
    EXPECT_FALSE(script.set->counts(BrokerId(3), 0)) << "its log is damaged";
    script.record.damaged = {};
    script.record.memberships = {0, 0, 12};
    script.decide({1, 2});
    EXPECT_FALSE(script.set->counts(BrokerId(3), 0));
    EXPECT_TRUE(script.set->counts(BrokerId(3), 12)) << "it has been emptied";
}

// It was under way when the broker was killed, and comes when the next incarnation has long matched (seed 1153 of three
// daemons): nothing that this one says would have counted any more.
TEST(ReplicaSet, ALateMatchOfAnEarlierIncarnationCountsForNothing) {
    Script script;
    script.match(2).match(3).append(10).sync();
    script.match(2, 0, 2);
    EXPECT_TRUE(script.ack(2, 10, 10, 2));
    script.match(2, 0, 1);
    EXPECT_EQ(script.set->incarnation_of(BrokerId(2)), Incarnation(2));
    EXPECT_TRUE(script.ack(2, 10, 10, 2));
    script.ack(3, 10, 10);
    EXPECT_EQ(script.high(), 10);
}

// Nobody looks at such a partition again until something moves: so it must not be one that has something to propose.
TEST(ReplicaSet, IsSettledWhileNothingCanBeProposed) {
    Script script;
    EXPECT_FALSE(script.settled()) << "nobody has matched";
    script.match(2).match(3);
    script.ack(2, 0, 0);
    script.ack(3, 0, 0);
    EXPECT_TRUE(script.settled());
    script.append(10);
    EXPECT_FALSE(script.settled()) << "they may fall behind";
    script.ack(2, 10, 0);
    EXPECT_FALSE(script.settled());
    script.ack(3, 10, 0);
    EXPECT_TRUE(script.settled());
    script.sync().want(10);
    EXPECT_FALSE(script.settled()) << "somebody waits for their disks";
    script.ack(2, 10, 10);
    script.ack(3, 10, 10);
    EXPECT_TRUE(script.settled());
    script.living[BrokerId(3)] = Incarnation(-1);
    EXPECT_FALSE(script.settled()) << "a dead one is to leave";
    EXPECT_TRUE(script.propose());
    script.decide({1, 2});
    script.living[BrokerId(3)] = Incarnation(2);
    EXPECT_FALSE(script.settled()) << "it may return";
}

}  // namespace
}  // namespace ironbark::broker
