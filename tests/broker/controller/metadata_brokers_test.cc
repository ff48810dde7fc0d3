// Starts and ends of brokers, and what they mean for partitions.
#include "broker/controller/tiers.h"
#include "tests/broker/controller/metadata_samples.h"

namespace ironbark::broker {
namespace {

// Brokers 1 to 3, and topic 1 with one partition on them, led by 1.
Metadata three_brokers(int32_t min_in_sync = 2) {
    return after({create_topic(topic("t", 1, min_in_sync), on(1, {1, 2, 3}))}, cluster_of(3));
}

TEST(MetadataBrokers, AreKeptWithEverythingTheySaid) {
    Metadata state = after({register_broker(start(2, 1))});
    const BrokerRecord& broker = *state.find(BrokerId(2));
    EXPECT_EQ(broker.directory, uuid(902));
    EXPECT_EQ(broker.host, "host-2");
    EXPECT_EQ(broker.port, 9400);
    EXPECT_EQ(broker.peer_host, "peer-2");
    EXPECT_EQ(broker.peer_port, 9500);
    EXPECT_EQ(broker.replica_port, 9600);
    EXPECT_EQ(broker.rack, "rack");
    EXPECT_EQ(broker.version, "1.0");
    EXPECT_EQ(broker.since, Timestamp(2001));
    EXPECT_TRUE(broker.is_alive);
    EXPECT_TRUE(broker.is_clean) << "it never lost anything";
    ASSERT_TRUE(state.apply(end(2, 1, EndReason::stopped)).ok());
    EXPECT_FALSE(state.is_alive(BrokerId(2)));
    EXPECT_EQ(state.find(BrokerId(2))->since, Timestamp(3000));
    EXPECT_TRUE(restored(state) == state);
}

TEST(MetadataBrokers, AnIncarnationIsNeverUsedAgain) {
    Metadata state = after({register_broker(start(1, 5))});
    EXPECT_EQ(refusal(state, register_broker(start(1, 5))), ErrorCode::invalid_request);
    EXPECT_EQ(refusal(state, register_broker(start(1, 4))), ErrorCode::invalid_request);
    EXPECT_EQ(refusal(state, register_broker(start(-1, 6))), ErrorCode::invalid_request);
    EXPECT_EQ(refusal(state, register_broker(start(2, -1))), ErrorCode::invalid_request);
    RegisterBroker wordy = start(2, 1);
    wordy.rack = std::string(broker_text_size_max + 1, 'r');
    EXPECT_EQ(refusal(state, register_broker(wordy)), ErrorCode::invalid_request);
}

TEST(MetadataBrokers, AStartIsCleanOnlyIfTheLastIncarnationStoppedOnTheSameDirectory) {
    auto is_clean = [](const RegisterBroker& again) {
        return after({register_broker(start(1, 5)), register_broker(again)}).find(BrokerId(1))->is_clean;
    };
    EXPECT_TRUE(is_clean(start(1, 6, 5)));
    EXPECT_FALSE(is_clean(start(1, 6, 4)));
    EXPECT_FALSE(is_clean(start(1, 6, 6)));
    EXPECT_FALSE(is_clean(start(1, 6)));
    RegisterBroker elsewhere = start_on_other_disk(1, 6);
    elsewhere.stopped_cleanly = Incarnation(5);
    EXPECT_FALSE(is_clean(elsewhere));
}

// The first answer was lost, and the broker asks again with the marks that it has.
TEST(MetadataBrokers, ACleanStartThatIsRepeatedStaysClean) {
    Metadata state = after({register_broker(start(1, 5)), register_broker(start(1, 6, 5))});
    for (int64_t incarnation : {7, 8}) {
        ASSERT_TRUE(state.apply(register_broker(start(1, incarnation, 5))).ok());
        EXPECT_TRUE(state.find(BrokerId(1))->is_clean) << incarnation;
        EXPECT_EQ(state.find(BrokerId(1))->started_from, Incarnation(5));
        EXPECT_TRUE(restored(state) == state);
    }
    ASSERT_TRUE(state.apply(register_broker(start(1, 9, 8))).ok());
    EXPECT_TRUE(state.find(BrokerId(1))->is_clean) << "this one stopped in order";
    ASSERT_TRUE(state.apply(register_broker(start(1, 10, 5))).ok());
    EXPECT_FALSE(state.find(BrokerId(1))->is_clean) << "a stop of long ago";
}

TEST(MetadataBrokers, AStartThatWasUncleanIsRepeatedAsSuch) {
    Metadata state = after({register_broker(start(1, 5)), register_broker(start(1, 6, 4))});
    EXPECT_EQ(state.find(BrokerId(1))->started_from, Incarnation(-1));
    ASSERT_TRUE(state.apply(register_broker(start(1, 7, 4))).ok());
    EXPECT_FALSE(state.find(BrokerId(1))->is_clean);
    ASSERT_TRUE(state.apply(register_broker(start(1, 8))).ok());
    EXPECT_FALSE(state.find(BrokerId(1))->is_clean);
    state = after({register_broker(start(1, 5, -1)), register_broker(start(1, 6, -1))});
    EXPECT_FALSE(state.find(BrokerId(1))->is_clean) << "no mark is no clean stop, even of the one before";
    RegisterBroker elsewhere = start_on_other_disk(1, 7);
    elsewhere.stopped_cleanly = Incarnation(5);
    state = after({register_broker(start(1, 5)), register_broker(start(1, 6, 5)), register_broker(elsewhere)});
    EXPECT_FALSE(state.find(BrokerId(1))->is_clean);
}

TEST(MetadataBrokers, AnEndLeavesNoLeaderAndHigherEpochsAndTheInSyncSet) {
    Metadata state = after({create_topic(topic("other", 2), on(1, {2, 1}))}, three_brokers());
    const auto untouched = state.find(uuid(2));
    ASSERT_TRUE(state.apply(end(1, 1)).ok());
    EXPECT_EQ(partition(state).leader, BrokerId(-1));
    EXPECT_EQ(partition(state).leader_epoch, Epoch(1));
    EXPECT_EQ(partition(state).partition_epoch, 1);
    EXPECT_EQ(partition(state).in_sync, ids({1, 2, 3}));
    EXPECT_EQ(partition(state).durable, ids({1, 2, 3}));
    EXPECT_EQ(state.find(uuid(2)), untouched) << "led by another, not even copied";
}

TEST(MetadataBrokers, OnlyTheIncarnationThatLivesCanEnd) {
    Metadata state = after({register_broker(start(1, 5))});
    EXPECT_EQ(refusal(state, end(1, 4)), ErrorCode::stale_broker_epoch);
    EXPECT_EQ(refusal(state, end(1, 6)), ErrorCode::stale_broker_epoch);
    EXPECT_EQ(refusal(state, end(2, 5)), ErrorCode::stale_broker_epoch);
    EXPECT_EQ(refusal(state, end(1, 5, static_cast<EndReason>(4))), ErrorCode::invalid_request);
    ASSERT_TRUE(state.apply(end(1, 5)).ok());
    EXPECT_EQ(refusal(state, end(1, 5)), ErrorCode::stale_broker_epoch);
}

TEST(MetadataBrokers, ANewIncarnationEndsTheOldOneFirst) {
    Metadata state = after({register_broker(start(1, 2, 1))}, three_brokers());
    EXPECT_EQ(partition(state).leader, BrokerId(-1)) << "somebody else may be the better one";
    EXPECT_EQ(partition(state).leader_epoch, Epoch(1));
    EXPECT_EQ(partition(state).in_sync, ids({1, 2, 3})) << "it stopped cleanly";
    EXPECT_EQ(state.events()[state.events().size() - 2].cause, EventCause::replaced);
}

TEST(MetadataBrokers, ACleanStartChangesNoPartitionItDidNotLead) {
    Metadata state = three_brokers();
    const auto before = state.find(uuid(1));
    ASSERT_TRUE(state.apply(register_broker(start(2, 2, 1))).ok());
    EXPECT_EQ(state.find(uuid(1)), before);
}

TEST(MetadataBrokers, AnUncleanStartLeavesTheCleanTier) {
    Metadata state = after({register_broker(start(3, 2))}, three_brokers());
    EXPECT_EQ(partition(state).in_sync, ids({1, 2}));
    EXPECT_EQ(partition(state).holders, ids({}));
    EXPECT_EQ(partition(state).durable, ids({1, 2})) << "records go on to be acknowledged by these two";
    EXPECT_EQ(partition(state).leader, BrokerId(1));
    EXPECT_EQ(partition(state).leader_epoch, Epoch(0));
    EXPECT_EQ(partition(state).partition_epoch, 1);
    ASSERT_TRUE(state.apply(register_broker(start(2, 2))).ok());
    EXPECT_EQ(partition(state).in_sync, ids({1}));
    EXPECT_EQ(partition(state).durable, ids({1, 2})) << "below min-in-sync nothing is acknowledged any more";
}

TEST(MetadataBrokers, WithoutALeaderAStartDoesNotShrinkTheDurableTier) {
    Metadata state = after({end(1, 1), end(2, 1), end(3, 1), register_broker(start(1, 2))}, three_brokers());
    EXPECT_EQ(partition(state).in_sync, ids({2, 3}));
    EXPECT_EQ(partition(state).durable, ids({1, 2, 3}));
    ASSERT_TRUE(state.apply(register_broker(start(2, 2))).ok());
    ASSERT_TRUE(state.apply(register_broker(start(3, 2))).ok());
    EXPECT_EQ(partition(state).in_sync, ids({}));
    EXPECT_EQ(partition(state).durable, ids({1, 2, 3}));
    EXPECT_EQ(partition(state).leader_epoch, Epoch(1)) << "nobody was appointed";
    EXPECT_EQ(partition(state).partition_epoch, 4);
}

TEST(MetadataBrokers, ALeaderThatCrashesAndStartsLeavesTheDurableTierOpenForItself) {
    Metadata state = after({register_broker(start(1, 2))}, three_brokers());
    EXPECT_EQ(partition(state).leader, BrokerId(-1));
    EXPECT_EQ(partition(state).in_sync, ids({2, 3}));
    EXPECT_EQ(partition(state).durable, ids({1, 2, 3}));
    EXPECT_EQ(partition(state).partition_epoch, 1) << "one change of the record";
}

TEST(MetadataBrokers, AnotherDirectoryLeavesTheDurableTierToo) {
    Metadata state = after({end(1, 1), end(2, 1), register_broker(start_on_other_disk(2, 2))}, three_brokers());
    EXPECT_EQ(partition(state).in_sync, ids({1, 3}));
    EXPECT_EQ(partition(state).durable, ids({1, 3}));
    // Where it was in the durable tier alone.
    ASSERT_TRUE(state.apply(register_broker(start(1, 2))).ok());
    ASSERT_TRUE(state.apply(register_broker(start_on_other_disk(1, 3))).ok());
    EXPECT_EQ(partition(state).in_sync, ids({3}));
    EXPECT_EQ(partition(state).durable, ids({3}));
    EXPECT_EQ(partition(state).partition_epoch, 4);
}

// Else the loss of the one log that was there, and in which nothing was promised, would be the end of the partition.
TEST(MetadataBrokers, WhoWasAwayWhenAPartitionWasMadeLacksNothing) {
    Metadata state = after({end(1, 1), end(3, 1), create_topic(topic("new", 2, 2), on(1, {2, 1, 3}))}, three_brokers());
    const auto made = [&state]() -> const PartitionRecord& { return state.find(uuid(2))->partitions[0]; };
    EXPECT_EQ(made().in_sync, ids({2}));
    EXPECT_EQ(made().holders, ids({1, 3})) << "with one in sync nothing is acknowledged at an isr level";
    EXPECT_EQ(made().durable, ids({2, 1, 3}));
    ASSERT_TRUE(state.apply(register_broker(start(1, 2, 1))).ok());
    ASSERT_TRUE(state.apply(end(2, 1)).ok());
    EXPECT_EQ(electable(made(), false), ids({2, 1, 3}));
    // Where one is enough it is the only one that has what was acknowledged.
    ASSERT_TRUE(state.apply(create_topic(topic("alone", 3, 1), on(1, {1, 2, 3}))).ok());
    EXPECT_EQ(state.find(uuid(3))->partitions[0].holders, ids({}));
    EXPECT_EQ(state.find(uuid(3))->partitions[0].durable, ids({1}));
}

TEST(MetadataBrokers, AHolderThatStartsUncleanlyIsNoneAnyMore) {
    InSyncChange alone{uuid(1), PartitionIndex(0), BrokerId(1), Epoch(0), 0, ids({1}), {}};
    Metadata state = after({change_in_sync({alone})}, three_brokers());
    ASSERT_EQ(partition(state).holders, ids({2, 3}));
    ASSERT_TRUE(state.apply(register_broker(start(2, 2, 1))).ok());
    EXPECT_EQ(partition(state).holders, ids({2, 3})) << "a clean start keeps what it held";
    ASSERT_TRUE(state.apply(register_broker(start(3, 2))).ok());
    EXPECT_EQ(partition(state).holders, ids({2}));
    EXPECT_EQ(partition(state).durable, ids({1, 2, 3}));
    EXPECT_TRUE(restored(state) == state);
}

TEST(MetadataBrokers, TheOnlyReplicaLeadsAtOnceAgain) {
    Metadata state = after({create_topic(topic("t", 1), on(2, {1})), register_broker(start(1, 2))}, cluster_of(2));
    EXPECT_EQ(partition(state).leader, BrokerId(1));
    EXPECT_EQ(partition(state).leader_epoch, Epoch(1));
    EXPECT_EQ(partition(state).partition_epoch, 1);
    EXPECT_EQ(partition(state).in_sync, ids({1}));
    EXPECT_EQ(text(state.events().back()), "broker 1 leads 2 partitions: t-0, t-1, as the only replica");
    ASSERT_TRUE(state.apply(end(1, 2)).ok());
    EXPECT_EQ(partition(state).leader, BrokerId(-1));
    ASSERT_TRUE(state.apply(register_broker(start(1, 3, 2))).ok());
    EXPECT_EQ(partition(state).leader, BrokerId(1));
    EXPECT_EQ(partition(state).leader_epoch, Epoch(3));
}

TEST(MetadataBrokers, TheOnlyReplicaWithoutItsDiskLeadsNoMore) {
    Metadata state =
        after({create_topic(topic("t", 1), on(1, {1})), register_broker(start_on_other_disk(1, 2))}, cluster_of(1));
    EXPECT_EQ(partition(state).leader, BrokerId(-1));
    EXPECT_EQ(partition(state).in_sync, ids({}));
    EXPECT_EQ(partition(state).durable, ids({}));
    RegisterBroker again = start_on_other_disk(1, 2);
    again.incarnation = Incarnation(3);
    again.stopped_cleanly = Incarnation(2);
    ASSERT_TRUE(state.apply(register_broker(again)).ok());
    EXPECT_EQ(partition(state).leader, BrokerId(-1)) << "on the new disk there never was anything";
}

}  // namespace
}  // namespace ironbark::broker
