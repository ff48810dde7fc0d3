#include "broker/controller/metadata.h"

#include <gtest/gtest.h>

#include "tests/broker/controller/metadata_samples.h"

namespace ironbark::broker {
namespace {

const BrokerIds one_replica{BrokerId(1)};
constexpr Timestamp later{4000};

// A topic whose partitions broker 1 has alone.
Command create(const TopicRecord& record, int32_t partitions) {
    return create_topic(record, Assignment(static_cast<size_t>(partitions), one_replica));
}

Command add(uint64_t id, int32_t partitions, size_t more) {
    return add_partitions(uuid(id), partitions, Assignment(more, one_replica), later);
}

TEST(Metadata, BeginsWithNothing) {
    Metadata state;
    EXPECT_EQ(state.version(), 0);
    EXPECT_TRUE(state.topics().empty());
    EXPECT_TRUE(state.brokers().empty());
    EXPECT_EQ(state.next_producer_id(), 0);
    EXPECT_TRUE(restored(state) == state);
}

TEST(Metadata, ATopicIsFoundByNameAndById) {
    TopicRecord record = topic("orders", 1);
    record.settings = {{"retention.ms", "5"}};
    Metadata state = after({create(record, 3)}, cluster_of(1));
    EXPECT_EQ(state.version(), 2);
    auto found = state.find(std::string("orders"));
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(state.find(uuid(1)), found);
    EXPECT_EQ(found->partitions.size(), 3u);
    EXPECT_EQ(found->settings.at("retention.ms"), "5");
    EXPECT_EQ(found->created, Timestamp(1000));
    for (const PartitionRecord& partition : found->partitions) {
        EXPECT_EQ(partition.leader, BrokerId(1));
        EXPECT_EQ(partition.leader_epoch, Epoch(0));
        EXPECT_EQ(partition.replicas, one_replica);
        EXPECT_EQ(partition.in_sync, one_replica);
    }
    EXPECT_EQ(state.partition_count(), 3u);
}

TEST(Metadata, TopicNamesAreThoseOfKafka) {
    for (const char* good : {"a", "A.b_c-9", "...", "__x", "9"}) EXPECT_TRUE(is_topic_name(good)) << good;
    EXPECT_TRUE(is_topic_name(std::string(249, 'x')));
    for (const char* bad : {"", ".", "..", "a/b", "a b", "ä", "a\n", "a:b"}) EXPECT_FALSE(is_topic_name(bad)) << bad;
    EXPECT_FALSE(is_topic_name(std::string(250, 'x')));
    EXPECT_FALSE(is_topic_name(std::string_view("a\0b", 3)));
}

TEST(Metadata, RefusesTopicsThatCannotBe) {
    Metadata state = after({create(topic("taken", 1), 1)}, cluster_of(1));
    EXPECT_EQ(refusal(state, create(topic("a/b", 2), 1)), ErrorCode::invalid_topic);
    EXPECT_EQ(refusal(state, create(topic("taken", 2), 1)), ErrorCode::topic_already_exists);
    EXPECT_EQ(refusal(state, create(topic("other", 1), 1)), ErrorCode::invalid_request) << "its id";
    TopicRecord without_id = topic("other", 2);
    without_id.id = Uuid();
    EXPECT_EQ(refusal(state, create(without_id, 1)), ErrorCode::invalid_request);
    for (int32_t partitions : {0, topic_partitions_max + 1}) {
        EXPECT_EQ(refusal(state, create(topic("t", 2), partitions)), ErrorCode::invalid_partitions);
    }
    EXPECT_EQ(refusal(state, create_topic(topic("t", 2), Assignment(1))), ErrorCode::invalid_replication_factor);
    for (int32_t minimum : {0, -1, 2}) {
        TopicRecord record = topic("t", 2);
        record.min_in_sync = minimum;
        EXPECT_EQ(refusal(state, create(record, 1)), ErrorCode::invalid_config) << minimum;
    }
}

TEST(Metadata, ADeletedTopicIsGoneAndItsNameFree) {
    Metadata state = after({create(topic("t", 1), 5), delete_topic(uuid(1), later)}, cluster_of(1));
    EXPECT_EQ(state.find(std::string("t")), nullptr);
    EXPECT_EQ(state.find(uuid(1)), nullptr);
    EXPECT_EQ(state.partition_count(), 0u);
    EXPECT_TRUE(state.was_deleted(uuid(1)));
    EXPECT_EQ(refusal(state, delete_topic(uuid(1), later)), ErrorCode::unknown_topic_id);
    EXPECT_TRUE(state.apply(create(topic("t", 2), 1)).ok());
    EXPECT_FALSE(state.was_deleted(uuid(2)));
    EXPECT_EQ(refusal(state, create(topic("u", 1), 1)), ErrorCode::invalid_request) << "a late copy brings it back";
    EXPECT_TRUE(restored(state).was_deleted(uuid(1)));
}

TEST(Metadata, RemembersTheLastDeletedTopicsOnly) {
    Metadata state = cluster_of(1);
    for (uint64_t id = 1; id <= deleted_topics_max + 1; ++id) {
        ASSERT_TRUE(state.apply(create(topic("t", id), 1)).ok());
        ASSERT_TRUE(state.apply(delete_topic(uuid(id), later)).ok());
    }
    EXPECT_FALSE(state.was_deleted(uuid(1)));
    EXPECT_TRUE(state.was_deleted(uuid(2)));
    EXPECT_TRUE(restored(state) == state);
}

TEST(Metadata, SettingsAreSetAndReset) {
    TopicRecord record = topic("t", 1);
    record.settings = {{"a", "1"}, {"b", "2"}};
    Metadata state =
        after({create(record, 1), alter_topic(uuid(1), {{"b", "3"}, {"c", "4"}}, {"a"}, later)}, cluster_of(1));
    auto found = state.find(uuid(1));
    EXPECT_EQ(found->settings, (std::map<std::string, std::string>{{"b", "3"}, {"c", "4"}}));
    EXPECT_EQ(found->settings_version, 1);
    // What is reset and set in one command is set.
    EXPECT_TRUE(state.apply(alter_topic(uuid(1), {{"b", "5"}}, {"b", "never there"}, later)).ok());
    EXPECT_EQ(state.find(uuid(1))->settings.at("b"), "5");
    EXPECT_EQ(state.find(uuid(1))->settings_version, 2);
    EXPECT_EQ(found->settings.at("b"), "3") << "a snapshot of the state does not change";
    EXPECT_EQ(refusal(state, alter_topic(uuid(7), {{"b", "5"}}, {}, later)), ErrorCode::unknown_topic_id);
    const int64_t version = state.find(uuid(1))->settings_version;
    const Command once = alter_topic(uuid(1), {{"b", "6"}}, {}, later, version);
    EXPECT_TRUE(state.apply(once).ok());
    EXPECT_TRUE(state.apply(alter_topic(uuid(1), {{"b", "7"}}, {}, later, version + 1)).ok());
    EXPECT_EQ(refusal(state, once), ErrorCode::already_exists) << "a late copy does not undo the other";
}

TEST(Metadata, PartitionsAreOnlyAdded) {
    Metadata state = after({create(topic("t", 1), 2), add(1, 5, 3)}, cluster_of(1));
    EXPECT_EQ(state.find(uuid(1))->partitions.size(), 5u);
    EXPECT_EQ(state.partition_count(), 5u);
    for (int32_t count : {5, 4, 0, -1, topic_partitions_max + 1}) {
        EXPECT_EQ(refusal(state, add(1, count, 1)), ErrorCode::invalid_partitions) << count;
    }
    EXPECT_EQ(refusal(state, add(1, 7, 1)), ErrorCode::invalid_partitions) << "of which somebody else added some";
    EXPECT_EQ(refusal(state, add(2, 9, 1)), ErrorCode::unknown_topic_id);
}

TEST(Metadata, AClusterHasALimitOfPartitions) {
    Metadata state = cluster_of(1);
    for (uint64_t id = 1; id <= 10; ++id) {
        ASSERT_TRUE(state.apply(create(topic("t" + std::to_string(id), id), 9'999)).ok());
    }
    EXPECT_TRUE(state.apply(create(topic("rest", 11), 10)).ok());
    EXPECT_EQ(state.partition_count(), cluster_partitions_max);
    EXPECT_EQ(refusal(state, create(topic("more", 12), 1)), ErrorCode::invalid_partitions);
    EXPECT_EQ(refusal(state, add(11, 11, 1)), ErrorCode::invalid_partitions);
    EXPECT_TRUE(state.apply(delete_topic(uuid(11), later)).ok());
    EXPECT_TRUE(state.apply(add(1, 10'000, 1)).ok());
}

TEST(Metadata, EveryPartitionHasDistinctKnownBrokersAndEquallyMany) {
    Metadata state = cluster_of(3);
    EXPECT_EQ(refusal(state, create_topic(topic("t", 1), {ids({1, 2}), ids({3})})),
              ErrorCode::invalid_replication_factor);
    EXPECT_EQ(refusal(state, create_topic(topic("t", 1), {ids({1, 2}), ids({3, 3})})), ErrorCode::invalid_request);
    EXPECT_EQ(refusal(state, create_topic(topic("t", 1), {ids({1, 4})})), ErrorCode::invalid_request);
    EXPECT_EQ(refusal(state, create_topic(topic("t", 1, 3), {ids({1, 2})})), ErrorCode::invalid_config);
    ASSERT_TRUE(state.apply(create_topic(topic("t", 1, 2), {ids({1, 2})})).ok());
    EXPECT_EQ(refusal(state, add_partitions(uuid(1), 2, {ids({1, 2, 3})}, later)),
              ErrorCode::invalid_replication_factor);
    EXPECT_EQ(refusal(state, add_partitions(uuid(1), 2, {ids({2, 2})}, later)), ErrorCode::invalid_request);
}

TEST(Metadata, ANewPartitionIsLedByTheFirstThatIsAlive) {
    Metadata state =
        after({end(1, 1), create_topic(topic("t", 1, 2), {ids({1, 2, 3}), ids({3, 1, 2})})}, cluster_of(3));
    const std::vector<PartitionRecord> partitions = state.find(uuid(1))->partitions;
    EXPECT_EQ(partitions[0].leader, BrokerId(2));
    EXPECT_EQ(partitions[0].in_sync, ids({2, 3}));
    EXPECT_EQ(partitions[0].durable, ids({2, 3}));
    EXPECT_EQ(partitions[1].leader, BrokerId(3));
    EXPECT_EQ(partitions[1].in_sync, ids({3, 2}));
    EXPECT_EQ(refusal(state, create_topic(topic("u", 2), {ids({2}), ids({1})})), ErrorCode::not_enough_replicas);
    EXPECT_EQ(refusal(state, add_partitions(uuid(1), 3, {ids({1})}, later)), ErrorCode::invalid_config);
}

TEST(Metadata, TheActiveControllerIsTheOneOfTheHighestTerm) {
    Metadata state;
    EXPECT_EQ(state.active_controller(), BrokerId(-1));
    ASSERT_TRUE(state.apply(controller_active(BrokerId(2), 5, 1500ms, later)).ok());
    EXPECT_EQ(state.active_controller(), BrokerId(2));
    EXPECT_EQ(state.controller_term(), 5u);
    EXPECT_EQ(refusal(state, controller_active(BrokerId(1), 4, 1500ms, later)), ErrorCode::not_controller);
    EXPECT_EQ(refusal(state, controller_active(BrokerId(1), 5, 1500ms, later)), ErrorCode::not_controller);
    EXPECT_EQ(refusal(state, controller_active(BrokerId(-1), 6, 1500ms, later)), ErrorCode::invalid_request);
    EXPECT_TRUE(state.apply(controller_active(BrokerId(2), 5, 1500ms, later)).ok()) << "says it again";
    EXPECT_EQ(state.events().size(), 1u);
    EXPECT_TRUE(state.apply(controller_active(BrokerId(1), 6, 1500ms, later)).ok());
    EXPECT_EQ(state.events().back().number, 2);
}

TEST(Metadata, TheFeatureLevelGoesUpWhenAllThatLiveCanDoIt) {
    Metadata state;
    EXPECT_EQ(state.feature_level(), 1);
    EXPECT_EQ(refusal(state, set_feature_level(2, later)), ErrorCode::unsupported_version) << "nobody is there";
    RegisterBroker able = start(1, 1);
    able.feature_level = 3;
    state = after({register_broker(able), register_broker(start(2, 1))});
    EXPECT_EQ(refusal(state, set_feature_level(2, later)), ErrorCode::unsupported_version);
    ASSERT_TRUE(state.apply(end(2, 1)).ok());
    EXPECT_TRUE(state.apply(set_feature_level(2, later)).ok());
    EXPECT_EQ(state.feature_level(), 2);
    EXPECT_EQ(refusal(state, set_feature_level(1, later)), ErrorCode::invalid_request);
    EXPECT_EQ(refusal(state, set_feature_level(4, later)), ErrorCode::unsupported_version);
    EXPECT_EQ(refusal(state, register_broker(start(2, 2))), ErrorCode::unsupported_version) << "too old by now";
}

TEST(Metadata, EventsSayWhatHappened) {
    Metadata state = after({register_broker(start(1, 1)), register_broker(start(2, 1)),
                            create_topic(topic("orders", 1), on(2, {2, 1})), register_broker(start(2, 3)),
                            alter_topic(uuid(1), {{"retention.ms", "5"}}, {"flush.bytes"}, later),
                            add_partitions(uuid(1), 3, on(1, {1, 2}), later), delete_topic(uuid(1), later),
                            controller_active(BrokerId(1), 7, 1500ms, later), end(1, 1, EndReason::silent)});
    std::vector<std::string> texts;
    for (const ClusterEvent& event : state.events()) {
        EXPECT_EQ(event.number, static_cast<int64_t>(texts.size()) + 1);
        texts.push_back(text(event));
    }
    EXPECT_EQ(texts, (std::vector<std::string>{
                         "broker 1 at host-1:9400 registered, incarnation 1, for the first time",
                         "broker 2 at host-2:9400 registered, incarnation 1, for the first time",
                         "topic orders created: 2 partitions of 2 replicas",
                         "broker 2, incarnation 1, ended: it started again; 2 partitions without a leader: orders-0, "
                         "orders-1",
                         "broker 2 at host-2:9400 registered, incarnation 3, after an unclean stop",
                         "topic orders altered: flush.bytes reset, retention.ms = 5",
                         "topic orders has 1 partition more, 3 now",
                         "topic orders deleted",
                         "broker 1 is the active controller, in term 7",
                         "broker 1, incarnation 1, ended: it was silent for too long",
                     }));
    EXPECT_EQ(state.events()[4].time, Timestamp(2003));
    EXPECT_STREQ(name(state.events()[4].kind), "broker_registered");
}

TEST(Metadata, OneEventTellsOfManyPartitions) {
    Metadata state = after({create_topic(topic("t", 1), on(1000, {1})), end(1, 1)}, cluster_of(1));
    EXPECT_EQ(text(state.events().back()),
              "broker 1, incarnation 1, ended: its process is gone; 1000 partitions without a leader: t-0, t-1, t-2, "
              "t-3, t-4, t-5, t-6, t-7 and 992 more");
    EXPECT_EQ(state.events().size(), 3u);
}

TEST(Metadata, RemembersTheLastEventsOnly) {
    Metadata state = after({create(topic("t", 1), 1)}, cluster_of(1));
    for (size_t count = 0; count < events_max; ++count) {
        ASSERT_TRUE(state.apply(alter_topic(uuid(1), {{"key", std::string(5000, 'x')}}, {}, later)).ok());
    }
    EXPECT_EQ(state.events().size(), events_max);
    EXPECT_EQ(state.events().front().number, 3);
    EXPECT_EQ(state.events().back().number, static_cast<int64_t>(events_max) + 2);
    EXPECT_EQ(state.events().back().names.at(1).size(), event_name_size_max);
    EXPECT_TRUE(restored(state) == state);
}

TEST(Metadata, ProducerIdsAreGivenOnce) {
    Metadata state = after({allocate_producer_ids(0, 1000), allocate_producer_ids(1000, 5)});
    EXPECT_EQ(state.next_producer_id(), 1005);
    for (int64_t count : {int64_t{0}, int64_t{-1}, INT64_MIN, INT64_MAX}) {
        EXPECT_EQ(refusal(state, allocate_producer_ids(1005, count)), ErrorCode::invalid_request) << count;
    }
    EXPECT_EQ(refusal(state, allocate_producer_ids(1000, 5)), ErrorCode::already_exists) << "somebody was faster";
}

TEST(Metadata, TakesNothingThatIsNoCommand) {
    Metadata state = after({create(topic("t", 1), 1)}, cluster_of(1));
    EXPECT_EQ(refusal(state, {}), ErrorCode::corrupt_data);
    EXPECT_EQ(refusal(state, Command(100, 0xff)), ErrorCode::corrupt_data);
}

}  // namespace
}  // namespace ironbark::broker
