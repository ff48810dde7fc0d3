// Who leads, and who is in sync.
#include "broker/consensus/settings.h"
#include "tests/broker/controller/metadata_samples.h"

namespace ironbark::broker {
namespace {

// Brokers 1 to 4, and topic 1 with one partition on 1 to 3, led by 1.
Metadata four_brokers(int32_t min_in_sync = 2) {
    return after({create_topic(topic("t", 1, min_in_sync), on(1, {1, 2, 3}))}, cluster_of(4));
}

// At the current partition epoch, of the current incarnation.
Appointment appointment(const Metadata& state, int32_t leader, std::initializer_list<int32_t> in_sync) {
    Appointment one;
    one.topic = uuid(1);
    one.partition = PartitionIndex(0);
    one.partition_epoch = partition(state).partition_epoch;
    one.leader = BrokerId(leader);
    if (const BrokerRecord* broker = state.find(one.leader)) one.incarnation = broker->incarnation;
    one.in_sync = ids(in_sync);
    return one;
}

Command single(const Appointment& one) {
    return appoint_leaders({one}, Timestamp(5000));
}

ErrorCode appoint(Metadata& state, int32_t leader, std::initializer_list<int32_t> in_sync) {
    return verdict(state, single(appointment(state, leader, in_sync)));
}

ErrorCode appoint_by_hand(Metadata& state, int32_t leader, std::initializer_list<int32_t> in_sync) {
    Appointment one = appointment(state, leader, in_sync);
    one.unclean = true;
    return verdict(state, single(one));
}

// By the current leader at the current epochs, joining with the current incarnations.
InSyncChange change(const Metadata& state, std::initializer_list<int32_t> in_sync) {
    InSyncChange one;
    one.topic = uuid(1);
    one.partition = PartitionIndex(0);
    one.leader = partition(state).leader;
    one.leader_epoch = partition(state).leader_epoch;
    one.partition_epoch = partition(state).partition_epoch;
    one.in_sync = ids(in_sync);
    for (BrokerId member : one.in_sync) {
        if (const BrokerRecord* broker = state.find(member)) one.joining.push_back({member, broker->incarnation});
    }
    return one;
}

ErrorCode propose(Metadata& state, const InSyncChange& one) {
    return verdict(state, change_in_sync({one}));
}

ErrorCode propose(Metadata& state, std::initializer_list<int32_t> in_sync) {
    return propose(state, change(state, in_sync));
}

TEST(MetadataPartitions, ALeaderIsAppointedFromTheInSyncSet) {
    Metadata state = after({end(1, 1)}, four_brokers());
    EXPECT_EQ(appoint(state, 2, {2, 3}), ErrorCode::none);
    EXPECT_EQ(partition(state).leader, BrokerId(2));
    EXPECT_EQ(partition(state).leader_epoch, Epoch(2));
    EXPECT_EQ(partition(state).partition_epoch, 2);
    EXPECT_EQ(partition(state).in_sync, ids({2, 3}));
    EXPECT_EQ(partition(state).holders, ids({})) << "from now on records are acknowledged without broker 1";
    EXPECT_EQ(partition(state).durable, ids({2, 3}));
    EXPECT_EQ(text(state.events().back()),
              "broker 2 leads 1 partition: t-0; records that only the leader before had acknowledged may be lost");
}

TEST(MetadataPartitions, WhoDoesNotAnswerBecomesAHolderWhenTooFewAreLeft) {
    Metadata state = after({end(1, 1)}, four_brokers());
    EXPECT_EQ(appoint(state, 3, {3}), ErrorCode::none);
    EXPECT_EQ(partition(state).in_sync, ids({3}));
    EXPECT_EQ(partition(state).holders, ids({1, 2}));
    EXPECT_EQ(partition(state).durable, ids({1, 2, 3}));
    // A holder may lead, and be in sync with a leader, as it is.
    ASSERT_TRUE(state.apply(end(3, 1)).ok());
    EXPECT_EQ(appoint(state, 2, {2}), ErrorCode::none);
    EXPECT_EQ(partition(state).holders, ids({1, 3}));
}

TEST(MetadataPartitions, AnAppointmentOfAnotherTimeIsFenced) {
    Metadata state = after({end(1, 1)}, four_brokers());
    for (int32_t epoch : {0, 2, -1}) {
        Appointment one = appointment(state, 2, {2, 3});
        one.partition_epoch = epoch;
        EXPECT_EQ(verdict(state, single(one)), ErrorCode::fenced_leader_epoch);
    }
    Appointment elsewhere = appointment(state, 2, {2});
    elsewhere.partition = PartitionIndex(1);
    EXPECT_EQ(verdict(state, single(elsewhere)), ErrorCode::unknown_topic_or_partition);
    elsewhere.topic = uuid(2);
    EXPECT_EQ(verdict(state, single(elsewhere)), ErrorCode::unknown_topic_id);
    EXPECT_EQ(partition(state).partition_epoch, 1);
}

TEST(MetadataPartitions, OnlyALivingReplicaOfTheIncarnationThatAnsweredLeads) {
    Metadata state = after({end(1, 1)}, four_brokers());
    EXPECT_EQ(appoint(state, 4, {4}), ErrorCode::invalid_request) << "no replica";
    EXPECT_EQ(appoint(state, 9, {9}), ErrorCode::invalid_request) << "nobody";
    EXPECT_EQ(appoint(state, 1, {1}), ErrorCode::stale_broker_epoch) << "not alive";
    Appointment old = appointment(state, 2, {2, 3});
    ASSERT_TRUE(state.apply(register_broker(start(2, 2, 1))).ok());
    EXPECT_EQ(verdict(state, single(old)), ErrorCode::stale_broker_epoch);
    EXPECT_EQ(appoint(state, 2, {2, 1}), ErrorCode::stale_broker_epoch) << "a member that is not alive";
    EXPECT_EQ(appoint(state, 2, {3}), ErrorCode::invalid_request) << "without the leader";
    EXPECT_EQ(appoint(state, 2, {2, 2}), ErrorCode::invalid_request);
    EXPECT_EQ(appoint(state, 2, {2, 4}), ErrorCode::invalid_request);
    EXPECT_EQ(partition(state).leader, BrokerId(-1));
    EXPECT_EQ(appoint(state, 2, {3, 2}), ErrorCode::none);
    EXPECT_EQ(partition(state).in_sync, ids({2, 3})) << "in the order of the replicas";
}

TEST(MetadataPartitions, SilenceOfACleanMemberOpensNothing) {
    // Broker 3 lost its memory; 1 and 2 are silent, and may have what it lacks.
    Metadata state = after({register_broker(start(3, 2)), end(1, 1), end(2, 1)}, four_brokers());
    ASSERT_EQ(partition(state).in_sync, ids({1, 2}));
    EXPECT_EQ(appoint(state, 3, {3}), ErrorCode::invalid_request);
    EXPECT_EQ(appoint_by_hand(state, 3, {3, 2}), ErrorCode::invalid_request) << "nobody knows what 2 has against 3";
    EXPECT_EQ(appoint_by_hand(state, 3, {3}), ErrorCode::none);
    EXPECT_EQ(partition(state).in_sync, ids({3}));
    EXPECT_EQ(partition(state).holders, ids({}));
    EXPECT_EQ(partition(state).durable, ids({3})) << "what the others have beyond it is not to come back";
    EXPECT_EQ(text(state.events().back()), "broker 3 leads 1 partition: t-0, by hand: any record may be lost");
}

TEST(MetadataPartitions, AfterAPowerLossTheDurableTierLeads) {
    Metadata state = after({end(1, 1), end(2, 1), end(3, 1), register_broker(start(1, 2))}, four_brokers());
    EXPECT_EQ(appoint(state, 1, {1}), ErrorCode::invalid_request) << "2 and 3 may have stopped cleanly";
    ASSERT_TRUE(state.apply(register_broker(start(2, 2))).ok());
    EXPECT_EQ(appoint(state, 1, {1, 2}), ErrorCode::invalid_request) << "and 3";
    ASSERT_TRUE(state.apply(register_broker(start_on_other_disk(3, 2))).ok());
    EXPECT_EQ(appoint(state, 3, {3}), ErrorCode::invalid_request) << "its disk is gone";
    EXPECT_EQ(appoint(state, 1, {1, 3}), ErrorCode::invalid_request);
    EXPECT_EQ(appoint(state, 1, {1}), ErrorCode::none);
    EXPECT_EQ(partition(state).in_sync, ids({1}));
    EXPECT_EQ(partition(state).holders, ids({}));
    EXPECT_EQ(partition(state).durable, ids({1, 2}));
    EXPECT_EQ(text(state.events().back()),
              "broker 1 leads 1 partition: t-0, from disk: records that were not acknowledged as isr_durable may be "
              "lost");
}

TEST(MetadataPartitions, APermissionThatIsNotNeededChangesNothing) {
    Metadata clean = after({end(1, 1)}, four_brokers());
    Metadata permitted = clean;
    EXPECT_EQ(appoint(clean, 2, {2, 3}), ErrorCode::none);
    EXPECT_EQ(appoint_by_hand(permitted, 2, {2, 3}), ErrorCode::none);
    EXPECT_TRUE(clean == permitted);
}

TEST(MetadataPartitions, ALivingLeaderIsReplacedInTwoEntries) {
    Metadata state = four_brokers();
    EXPECT_EQ(appoint(state, 2, {2, 3}), ErrorCode::invalid_request);
    EXPECT_EQ(appoint(state, -1, {}), ErrorCode::none);
    EXPECT_EQ(partition(state).leader, BrokerId(-1));
    EXPECT_EQ(partition(state).leader_epoch, Epoch(1));
    EXPECT_EQ(partition(state).in_sync, ids({1, 2, 3}));
    EXPECT_EQ(text(state.events().back()), "nobody leads 1 partition: t-0");
    EXPECT_EQ(appoint(state, -1, {}), ErrorCode::invalid_request) << "nobody does";
    EXPECT_EQ(appoint(state, 2, {1, 2, 3}), ErrorCode::none);
    EXPECT_EQ(partition(state).leader_epoch, Epoch(2));
}

TEST(MetadataPartitions, EachElementOfABatchIsJudgedByItself) {
    Metadata state = after({create_topic(topic("t", 1, 2), on(20, {1, 2, 3})), end(1, 1)}, cluster_of(3));
    std::vector<Appointment> batch;
    for (int32_t index = 0; index < 20; ++index) {
        Appointment one = appointment(state, 2, {2, 3});
        one.partition = PartitionIndex(index);
        if (index == 7) one.in_sync = ids({3});
        batch.push_back(one);
    }
    batch.push_back(batch[0]);  // once more: it is not what it was
    Verdicts verdicts;
    ASSERT_TRUE(state.apply(appoint_leaders(batch, Timestamp(1)), &verdicts).ok());
    ASSERT_EQ(verdicts.size(), 21u);
    for (size_t index = 0; index < 21; ++index) EXPECT_EQ(verdicts[index].ok(), index != 7 && index != 20) << index;
    EXPECT_EQ(verdicts[20].error().code, ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(state.find(uuid(1))->partitions[7].leader, BrokerId(-1));
    EXPECT_EQ(state.find(uuid(1))->partitions[8].leader, BrokerId(2));
    EXPECT_EQ(state.events().back().count, 19);
    EXPECT_EQ(state.events().back().names.size(), event_names_max);
    EXPECT_EQ(refusal(state, appoint_leaders({}, Timestamp(1))), ErrorCode::invalid_request);
    EXPECT_EQ(refusal(state, change_in_sync({})), ErrorCode::invalid_request);
    std::vector<Appointment> overlong(batch_partitions_max + 1);
    EXPECT_EQ(refusal(state, appoint_leaders(overlong, Timestamp(1))), ErrorCode::invalid_request);
}

TEST(MetadataPartitions, WhateverIsSaidOfSoManyFitsAnEntryOfTheQuorum) {
    InSyncChange change;
    Appointment appointment;
    ReplicaMove move;
    for (int32_t broker = 0; broker < static_cast<int32_t>(partition_replicas_max); ++broker) {
        change.in_sync.push_back(BrokerId(broker));
        change.joining.push_back({BrokerId(broker), Incarnation(1)});
        appointment.in_sync.push_back(BrokerId(broker));
        move.to.push_back(BrokerId(broker));
    }
    const size_t command_max = consensus::Settings().limits.command_size_max;
    EXPECT_LE(change_in_sync(std::vector(batch_partitions, change)).size(), command_max);
    EXPECT_LE(appoint_leaders(std::vector(batch_partitions, appointment), Timestamp(1)).size(), command_max);
    EXPECT_LE(move_replicas(std::vector(batch_partitions, move), Timestamp(1)).size(), command_max);
}

TEST(MetadataPartitions, TheLeaderChangesTheInSyncSet) {
    Metadata state = four_brokers();
    EXPECT_EQ(propose(state, {1, 2}), ErrorCode::none);
    EXPECT_EQ(partition(state).in_sync, ids({1, 2}));
    EXPECT_EQ(partition(state).holders, ids({}));
    EXPECT_EQ(partition(state).durable, ids({1, 2}));
    EXPECT_EQ(partition(state).partition_epoch, 1);
    EXPECT_EQ(partition(state).leader_epoch, Epoch(0));
    EXPECT_EQ(propose(state, {1}), ErrorCode::none);
    EXPECT_EQ(partition(state).holders, ids({2}));
    EXPECT_EQ(partition(state).durable, ids({1, 2}));
    EXPECT_EQ(propose(state, {3, 1}), ErrorCode::none);
    EXPECT_EQ(partition(state).in_sync, ids({1, 3}));
    EXPECT_EQ(partition(state).holders, ids({})) << "2 lacks what these two acknowledge";
    EXPECT_EQ(partition(state).durable, ids({1, 3}));
}

TEST(MetadataPartitions, BelowTheMinimumWhoLeavesAndWhoJoinsKeepsEverything) {
    Metadata state = four_brokers(3);
    EXPECT_EQ(propose(state, {1}), ErrorCode::none);
    EXPECT_EQ(partition(state).holders, ids({2, 3}));
    EXPECT_EQ(propose(state, {1, 3}), ErrorCode::none);
    EXPECT_EQ(partition(state).holders, ids({2}));
    EXPECT_EQ(propose(state, {1}), ErrorCode::none);
    EXPECT_EQ(partition(state).holders, ids({2, 3}));
    EXPECT_EQ(partition(state).durable, ids({1, 2, 3}));
}

TEST(MetadataPartitions, AProposalOfAnotherTimeHasNoEffect) {
    Metadata state = four_brokers();
    const auto before = state.find(uuid(1));
    auto stale = [&](auto spoil) {
        InSyncChange one = change(state, {1, 2});
        spoil(one);
        return propose(state, one);
    };
    EXPECT_EQ(stale([](InSyncChange& one) { one.leader = BrokerId(2); }), ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(stale([](InSyncChange& one) { one.leader_epoch = Epoch(1); }), ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(stale([](InSyncChange& one) { one.partition_epoch = 1; }), ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(stale([](InSyncChange& one) { one.topic = uuid(9); }), ErrorCode::unknown_topic_id);
    EXPECT_EQ(state.find(uuid(1)), before);
    InSyncChange late = change(state, {1, 2});
    ASSERT_TRUE(state.apply(end(1, 1)).ok());
    late.leader = BrokerId(-1);
    late.leader_epoch = Epoch(1);
    late.partition_epoch = 1;
    EXPECT_EQ(propose(state, late), ErrorCode::fenced_leader_epoch) << "nobody leads, so nobody proposes";
}

TEST(MetadataPartitions, ARefusalRaisesThePartitionEpochSoThatTheLeaderGoesOn) {
    Metadata state = four_brokers();
    ASSERT_EQ(propose(state, {1, 2}), ErrorCode::none);
    InSyncChange joining = change(state, {1, 2, 3});
    ASSERT_TRUE(state.apply(register_broker(start(3, 2, 1))).ok()) << "it started again meanwhile";
    EXPECT_EQ(propose(state, joining), ErrorCode::stale_broker_epoch);
    EXPECT_EQ(partition(state).partition_epoch, 2);
    EXPECT_EQ(partition(state).in_sync, ids({1, 2}));
    EXPECT_EQ(propose(state, joining), ErrorCode::fenced_leader_epoch) << "a late copy of it";
    EXPECT_EQ(partition(state).partition_epoch, 2);
    ASSERT_TRUE(state.apply(end(3, 2)).ok());
    EXPECT_EQ(propose(state, {1, 2, 3}), ErrorCode::stale_broker_epoch) << "not alive";
    EXPECT_EQ(propose(state, {2}), ErrorCode::invalid_request);
    EXPECT_EQ(propose(state, {1, 4}), ErrorCode::invalid_request);
    EXPECT_EQ(propose(state, {1, 1}), ErrorCode::invalid_request);
    EXPECT_EQ(partition(state).partition_epoch, 6);
    InSyncChange nameless = change(state, {1, 2, 3});
    ASSERT_TRUE(state.apply(register_broker(start(3, 3, 2))).ok());
    nameless.joining.clear();
    EXPECT_EQ(propose(state, nameless), ErrorCode::stale_broker_epoch);
    EXPECT_EQ(propose(state, {1, 2, 3}), ErrorCode::none);
    EXPECT_EQ(partition(state).partition_epoch, 8);
}

TEST(MetadataPartitions, ACommandCopiesTheTopicsItChangesAndNoOthers) {
    Metadata state = after({create_topic(topic("u", 2), on(1, {1, 2}))}, four_brokers());
    const auto other = state.find(uuid(2));
    EXPECT_EQ(propose(state, {1, 2}), ErrorCode::none);
    EXPECT_EQ(state.find(uuid(2)), other);
    EXPECT_EQ(state.find(std::string("t")), state.find(uuid(1)));
}

// ---- planned moves -------------------------------------------------------------------------------------------------

LeaderMove move_to(const Metadata& state, int32_t target) {
    return {uuid(1), PartitionIndex(0), partition(state).partition_epoch, BrokerId(target)};
}

ErrorCode move(Metadata& state, int32_t target) {
    return verdict(state, move_leaders({move_to(state, target)}));
}

// As the leader would promise it now.
LeaderHandover handover(const Metadata& state) {
    const PartitionRecord& record = partition(state);
    LeaderHandover one{uuid(1), PartitionIndex(0), record.leader, record.leader_epoch, record.partition_epoch, {}, {}};
    one.target = record.target;
    if (const BrokerRecord* broker = state.find(record.target)) one.incarnation = broker->incarnation;
    return one;
}

ErrorCode hand_over(Metadata& state, const LeaderHandover& one) {
    return verdict(state, hand_over_leaders({one}, Timestamp(5000)));
}

TEST(MetadataPartitions, ALeaderHandsOverAsPlanned) {
    Metadata state = four_brokers();
    EXPECT_EQ(move(state, 3), ErrorCode::none);
    EXPECT_EQ(partition(state).target, BrokerId(3));
    EXPECT_EQ(partition(state).leader, BrokerId(1)) << "until it has promised that the target has everything";
    EXPECT_EQ(partition(state).partition_epoch, 1);
    EXPECT_EQ(partition(state).leader_epoch, Epoch(0));
    EXPECT_EQ(hand_over(state, handover(state)), ErrorCode::none);
    EXPECT_EQ(partition(state).leader, BrokerId(3));
    EXPECT_EQ(partition(state).target, BrokerId(-1));
    EXPECT_EQ(partition(state).leader_epoch, Epoch(1));
    EXPECT_EQ(partition(state).partition_epoch, 2);
    EXPECT_EQ(partition(state).in_sync, ids({1, 2, 3}));
    EXPECT_EQ(text(state.events().back()), "broker 3 leads 1 partition: t-0, as planned");
    EXPECT_TRUE(restored(state) == state);
}

TEST(MetadataPartitions, AMoveIsToALivingMemberThatDoesNotLead) {
    Metadata state = four_brokers();
    EXPECT_EQ(move(state, 1), ErrorCode::invalid_request) << "it leads already";
    EXPECT_EQ(move(state, 4), ErrorCode::invalid_request) << "no replica";
    EXPECT_EQ(move(state, -1), ErrorCode::invalid_request) << "there is nothing to withdraw";
    LeaderMove old = move_to(state, 2);
    old.partition_epoch = -1;
    EXPECT_EQ(verdict(state, move_leaders({old})), ErrorCode::fenced_leader_epoch);
    ASSERT_TRUE(state.apply(end(2, 1)).ok());
    EXPECT_EQ(move(state, 2), ErrorCode::stale_broker_epoch) << "not alive";
    ASSERT_EQ(propose(state, {1, 3}), ErrorCode::none);
    EXPECT_EQ(move(state, 2), ErrorCode::invalid_request) << "not in sync";
    ASSERT_TRUE(state.apply(end(1, 1)).ok());
    EXPECT_EQ(move(state, 3), ErrorCode::invalid_request) << "nobody leads";
    EXPECT_EQ(partition(state).target, BrokerId(-1));
}

// A promise is of one partition epoch: what happened since may have let the leader go on.
TEST(MetadataPartitions, APromiseOfAnotherTimeMovesNothing) {
    Metadata state = four_brokers();
    ASSERT_EQ(move(state, 3), ErrorCode::none);
    const LeaderHandover first = handover(state);
    ASSERT_EQ(move(state, -1), ErrorCode::none);
    EXPECT_EQ(partition(state).target, BrokerId(-1));
    EXPECT_EQ(hand_over(state, first), ErrorCode::fenced_leader_epoch) << "it was withdrawn";
    ASSERT_EQ(move(state, 3), ErrorCode::none);
    EXPECT_EQ(hand_over(state, first), ErrorCode::fenced_leader_epoch) << "the same move, planned again";
    LeaderHandover other = handover(state);
    other.leader_epoch = Epoch(7);
    EXPECT_EQ(hand_over(state, other), ErrorCode::fenced_leader_epoch);
    other = handover(state);
    other.target = BrokerId(2);
    EXPECT_EQ(hand_over(state, other), ErrorCode::fenced_leader_epoch);
    other = handover(state);
    other.leader = BrokerId(2);
    EXPECT_EQ(hand_over(state, other), ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(partition(state).leader, BrokerId(1));
    EXPECT_EQ(hand_over(state, handover(state)), ErrorCode::none);
}

TEST(MetadataPartitions, WhatEndsTheLeadershipOrLosesTheTargetWithdrawsTheMove) {
    Metadata named = four_brokers();
    ASSERT_EQ(move(named, 3), ErrorCode::none);
    Metadata ended = after({end(1, 1)}, named);
    EXPECT_EQ(partition(ended).target, BrokerId(-1));
    Metadata smaller = named;
    ASSERT_EQ(propose(smaller, {1, 2}), ErrorCode::none);
    EXPECT_EQ(partition(smaller).target, BrokerId(-1));
    Metadata kept = named;
    ASSERT_EQ(propose(kept, {1, 3}), ErrorCode::none);
    EXPECT_EQ(partition(kept).target, BrokerId(3)) << "who left was another";
    Metadata unclean = after({register_broker(start(3, 2))}, named);
    EXPECT_EQ(partition(unclean).target, BrokerId(-1));
    Metadata clean = after({register_broker(start(3, 2, 1))}, named);
    EXPECT_EQ(partition(clean).target, BrokerId(3));
    LeaderHandover of_before = handover(clean);
    of_before.incarnation = Incarnation(1);
    EXPECT_EQ(hand_over(clean, of_before), ErrorCode::stale_broker_epoch);
    EXPECT_EQ(partition(clean).target, BrokerId(-1)) << "a refusal withdraws the move: the leader goes on";
    EXPECT_EQ(partition(clean).leader, BrokerId(1));
}

TEST(MetadataPartitions, FailoverIsManualUntilItIsAutomaticAgain) {
    Metadata state = after({set_failover(true, Timestamp(7000))}, four_brokers());
    EXPECT_TRUE(state.is_failover_manual());
    EXPECT_EQ(text(state.events().back()), "failover is manual: leaders that fail are replaced by hand only");
    EXPECT_TRUE(restored(state).is_failover_manual());
    const size_t events = state.events().size();
    ASSERT_TRUE(state.apply(set_failover(true, Timestamp(7001))).ok());
    EXPECT_EQ(state.events().size(), events) << "no news";
    ASSERT_TRUE(state.apply(set_failover(false, Timestamp(7002))).ok());
    EXPECT_FALSE(state.is_failover_manual());
}

// ---- damaged replicas ----------------------------------------------------------------------------------------------

ErrorCode damage(Metadata& state, int32_t broker, bool is_emptied = false, int64_t incarnation = 1) {
    const ReplicaDamage one{uuid(1), PartitionIndex(0), BrokerId(broker), Incarnation(incarnation), is_emptied};
    return verdict(state, damaged_replicas({one}, Timestamp(5000)));
}

TEST(MetadataPartitions, ADamagedReplicaCountsForNothingUntilItIsEmptied) {
    Metadata state = four_brokers();
    EXPECT_EQ(damage(state, 3), ErrorCode::none);
    EXPECT_EQ(partition(state).damaged, ids({3}));
    EXPECT_EQ(partition(state).in_sync, ids({1, 2}));
    EXPECT_EQ(partition(state).durable, ids({1, 2}));
    EXPECT_EQ(partition(state).partition_epoch, 1);
    EXPECT_EQ(text(state.events().back()),
              "broker 3: the logs of 1 partition are damaged: t-0; they count for nothing until they are emptied");
    EXPECT_EQ(propose(state, {1, 2, 3}), ErrorCode::invalid_request) << "it may have been in sync a moment ago";
    EXPECT_TRUE(restored(state) == state);
    EXPECT_EQ(damage(state, 3, true), ErrorCode::none);
    EXPECT_EQ(partition(state).damaged, ids({}));
    EXPECT_EQ(propose(state, {1, 2, 3}), ErrorCode::none);
    EXPECT_EQ(damage(state, 3, true), ErrorCode::none) << "once more changes nothing";
    EXPECT_EQ(partition(state).in_sync, ids({1, 2, 3}));
}

TEST(MetadataPartitions, OnlyAFollowerThatLivesCanBeDamaged) {
    Metadata state = four_brokers();
    EXPECT_EQ(damage(state, 1), ErrorCode::invalid_request) << "it leads: that ends first";
    EXPECT_EQ(damage(state, 4), ErrorCode::invalid_request) << "no replica";
    EXPECT_EQ(damage(state, 9), ErrorCode::stale_broker_epoch);
    EXPECT_EQ(damage(state, 3, false, 2), ErrorCode::stale_broker_epoch);
    EXPECT_EQ(damage(state, 3, true), ErrorCode::none) << "nothing is known of damage";
    EXPECT_EQ(partition(state).partition_epoch, 0);
}

TEST(MetadataPartitions, TheLastThatMayLeadIsNotEmptied) {
    Metadata state = four_brokers(1);
    EXPECT_EQ(propose(state, {1}), ErrorCode::none);
    EXPECT_EQ(partition(state).durable, ids({1}));
    ASSERT_TRUE(state.apply(end(1, 1)).ok());
    ASSERT_TRUE(state.apply(register_broker(start(1, 2))).ok());
    EXPECT_EQ(damage(state, 1, false, 2), ErrorCode::not_enough_replicas);
    EXPECT_EQ(partition(state).damaged, ids({}));
    EXPECT_EQ(partition(state).durable, ids({1}));
}

TEST(MetadataPartitions, WhoeverLeadsByHandIsNotDamagedAnyMore) {
    Metadata state = four_brokers();
    EXPECT_EQ(damage(state, 3), ErrorCode::none);
    for (int32_t id : {1, 2}) ASSERT_TRUE(state.apply(end(id, 1)).ok());
    EXPECT_EQ(appoint(state, 3, {3}), ErrorCode::invalid_request);
    EXPECT_EQ(appoint_by_hand(state, 3, {3}), ErrorCode::none);
    EXPECT_EQ(partition(state).damaged, ids({}));
    EXPECT_TRUE(restored(state) == state);
}

// ---- replicas that move --------------------------------------------------------------------------------------------

ErrorCode move_replicas_to(Metadata& state, std::initializer_list<int32_t> to, int64_t throttle = 0) {
    const ReplicaMove one{uuid(1), PartitionIndex(0), partition(state).partition_epoch, ids(to), throttle};
    return verdict(state, move_replicas({one}, Timestamp(5000)));
}

ErrorCode end_replica_move(Metadata& state) {
    return move_replicas_to(state, {});
}

TEST(MetadataPartitions, ReplicasMoveWhenTheNewOnesAreInSync) {
    Metadata state = four_brokers();
    EXPECT_EQ(move_replicas_to(state, {4, 1, 2}), ErrorCode::none);
    EXPECT_EQ(partition(state).replicas, ids({1, 2, 3, 4})) << "the new one is there besides the others";
    EXPECT_EQ(partition(state).added, ids({4}));
    EXPECT_EQ(partition(state).moving_to, ids({4, 1, 2}));
    EXPECT_EQ(partition(state).memberships, (std::vector<int32_t>{0, 0, 0, 1}));
    EXPECT_EQ(partition(state).in_sync, ids({1, 2, 3}));
    EXPECT_EQ(partition(state).partition_epoch, 1);
    EXPECT_EQ(state.moving().size(), 1u);
    EXPECT_EQ(text(state.events().back()), "replicas of 1 partition are moved: t-0 to brokers 4, 1, 2");
    EXPECT_TRUE(restored(state) == state);
    EXPECT_EQ(restored(state).moving(), state.moving());
    EXPECT_EQ(end_replica_move(state), ErrorCode::not_enough_replicas) << "the new one has nothing yet";
    ASSERT_EQ(propose(state, {1, 2, 3, 4}), ErrorCode::none);
    EXPECT_EQ(end_replica_move(state), ErrorCode::none);
    EXPECT_EQ(partition(state).replicas, ids({4, 1, 2}));
    EXPECT_EQ(partition(state).memberships, (std::vector<int32_t>{1, 0, 0}));
    EXPECT_EQ(partition(state).in_sync, ids({4, 1, 2}));
    EXPECT_EQ(partition(state).durable, ids({4, 1, 2}));
    EXPECT_EQ(partition(state).added, ids({}));
    EXPECT_EQ(partition(state).moving_to, ids({}));
    EXPECT_EQ(partition(state).leader, BrokerId(1));
    EXPECT_EQ(partition(state).partition_epoch, 3);
    EXPECT_TRUE(state.moving().empty());
    EXPECT_EQ(text(state.events().back()), "replicas of 1 partition have moved: t-0 to brokers 4, 1, 2");
    EXPECT_TRUE(restored(state) == state);
    EXPECT_EQ(end_replica_move(state), ErrorCode::not_enough_replicas) << "there is none";
}

TEST(MetadataPartitions, ALeaderIsNotLetGo) {
    Metadata state = four_brokers();
    ASSERT_EQ(move_replicas_to(state, {2, 3, 4}), ErrorCode::none);
    ASSERT_EQ(propose(state, {1, 2, 3, 4}), ErrorCode::none);
    EXPECT_EQ(end_replica_move(state), ErrorCode::not_enough_replicas);
    ASSERT_EQ(move(state, 2), ErrorCode::none);
    ASSERT_EQ(hand_over(state, handover(state)), ErrorCode::none);
    EXPECT_EQ(end_replica_move(state), ErrorCode::none);
    EXPECT_EQ(partition(state).replicas, ids({2, 3, 4}));
    EXPECT_EQ(partition(state).leader, BrokerId(2));
}

// Who stays may be out of sync; but not so many that acknowledged records are on fewer than min-in-sync of them.
TEST(MetadataPartitions, NobodyIsLetGoWhoIsNeeded) {
    Metadata state = four_brokers();
    ASSERT_EQ(move_replicas_to(state, {1, 2, 4}), ErrorCode::none);
    ASSERT_EQ(propose(state, {1, 3, 4}), ErrorCode::none);
    EXPECT_EQ(partition(state).replicas, ids({1, 2, 3, 4}));
    EXPECT_EQ(end_replica_move(state), ErrorCode::none) << "1 and 4 are enough";
    EXPECT_EQ(partition(state).in_sync, ids({1, 4}));

    Metadata alone = four_brokers();
    ASSERT_EQ(propose(alone, {1, 3}), ErrorCode::none);
    ASSERT_EQ(move_replicas_to(alone, {1, 2}), ErrorCode::none);
    EXPECT_EQ(end_replica_move(alone), ErrorCode::not_enough_replicas) << "1 alone would have what 3 has";
    ASSERT_EQ(propose(alone, {1, 2, 3}), ErrorCode::none);
    EXPECT_EQ(end_replica_move(alone), ErrorCode::none);

    Metadata below = four_brokers();
    ASSERT_EQ(propose(below, {1}), ErrorCode::none);
    ASSERT_EQ(move_replicas_to(below, {1, 4}), ErrorCode::none);
    EXPECT_EQ(partition(below).holders, ids({2, 3}));
    ASSERT_EQ(move_replicas_to(below, {1, 2, 3}), ErrorCode::none) << "taken back";
    EXPECT_EQ(end_replica_move(below), ErrorCode::none) << "the new one is in none of the sets";
    EXPECT_EQ(partition(below).holders, ids({2, 3}));
    EXPECT_EQ(partition(below).replicas, ids({1, 2, 3}));
    EXPECT_TRUE(restored(below) == below);
}

TEST(MetadataPartitions, AnotherMoveTakesThePlaceOfOne) {
    Metadata state = after({register_broker(start(5, 1))}, four_brokers());
    ASSERT_EQ(move_replicas_to(state, {1, 2, 4}), ErrorCode::none);
    ASSERT_EQ(move_replicas_to(state, {1, 2, 5}), ErrorCode::none);
    EXPECT_EQ(partition(state).replicas, ids({1, 2, 3, 4, 5}));
    EXPECT_EQ(partition(state).added, ids({4, 5}));
    EXPECT_EQ(partition(state).memberships, (std::vector<int32_t>{0, 0, 0, 1, 2}));
    ASSERT_EQ(propose(state, {1, 2, 3, 5}), ErrorCode::none);
    EXPECT_EQ(end_replica_move(state), ErrorCode::none);
    EXPECT_EQ(partition(state).replicas, ids({1, 2, 5}));
}

TEST(MetadataPartitions, AThrottleIsOfTheMove) {
    Metadata state = four_brokers();
    EXPECT_EQ(move_replicas_to(state, {1, 2, 4}, -1), ErrorCode::invalid_request);
    ASSERT_EQ(move_replicas_to(state, {1, 2, 4}, 1000), ErrorCode::none);
    EXPECT_EQ(partition(state).throttle, 1000);
    EXPECT_TRUE(restored(state) == state);
    EXPECT_EQ(move_replicas_to(state, {1, 2, 4}, 1000), ErrorCode::invalid_request) << "it is so";
    ASSERT_EQ(move_replicas_to(state, {1, 2, 4}, 2000), ErrorCode::none);
    EXPECT_EQ(partition(state).throttle, 2000);
    EXPECT_EQ(partition(state).memberships, (std::vector<int32_t>{0, 0, 0, 1})) << "it goes on with what it has";
    ASSERT_EQ(propose(state, {1, 2, 3, 4}), ErrorCode::none);
    ASSERT_EQ(end_replica_move(state), ErrorCode::none);
    EXPECT_EQ(partition(state).throttle, 0);
    EXPECT_TRUE(restored(state) == state);
}

TEST(MetadataPartitions, ImpossibleReplicasAreRefused) {
    Metadata state = after({register_broker(start(5, 1)), end(5, 1)}, four_brokers());
    EXPECT_EQ(move_replicas_to(state, {1}), ErrorCode::invalid_replication_factor) << "fewer than min-in-sync";
    EXPECT_EQ(move_replicas_to(state, {1, 2, 2}), ErrorCode::invalid_request);
    EXPECT_EQ(move_replicas_to(state, {1, 2, 9}), ErrorCode::invalid_request);
    EXPECT_EQ(move_replicas_to(state, {1, 2, 5}), ErrorCode::not_enough_replicas) << "it does not live";
    EXPECT_EQ(move_replicas_to(state, {1, 2, 3}), ErrorCode::invalid_request) << "it is so";
    ReplicaMove old{uuid(1), PartitionIndex(0), -1, ids({1, 2, 4})};
    EXPECT_EQ(verdict(state, move_replicas({old}, Timestamp(1))), ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(partition(state).partition_epoch, 0);
    ASSERT_TRUE(state.apply(end(1, 1)).ok());
    EXPECT_EQ(move_replicas_to(state, {2, 3, 4}), ErrorCode::invalid_request) << "nobody leads";
}

TEST(MetadataPartitions, WhoWasEmptiedIsAnotherMembership) {
    Metadata state = four_brokers();
    ASSERT_EQ(damage(state, 3), ErrorCode::none);
    ASSERT_EQ(damage(state, 3, true), ErrorCode::none);
    EXPECT_EQ(partition(state).memberships, (std::vector<int32_t>{0, 0, 2}));
}

TEST(MetadataPartitions, ADeletedTopicMovesNoMore) {
    Metadata state = four_brokers();
    ASSERT_EQ(move_replicas_to(state, {1, 2, 4}), ErrorCode::none);
    ASSERT_TRUE(state.apply(delete_topic(uuid(1), Timestamp(1))).ok());
    EXPECT_TRUE(state.moving().empty());
}

}  // namespace
}  // namespace ironbark::broker
