#include "broker/controller/metadata.h"

#include <gtest/gtest.h>

#include "tests/broker/printing.h"
#include "tests/simulation/random_stream.h"

namespace ironbark::broker {
namespace {

const std::vector<BrokerId> one_replica{BrokerId(1)};

Uuid uuid(uint64_t number) {
    return Uuid::from_words(number, number);
}

TopicRecord topic(const std::string& name, uint64_t id) {
    TopicRecord record;
    record.id = uuid(id);
    record.name = name;
    record.created = Timestamp(1000);
    return record;
}

BrokerRecord broker(int32_t id, int64_t incarnation) {
    return {BrokerId(id), uuid(99), Incarnation(incarnation), "host", 9400, "rack"};
}

// The state after these commands, all of which must be good.
Metadata after(const std::vector<Command>& commands) {
    Metadata state;
    for (const Command& command : commands) EXPECT_TRUE(state.apply(command).ok());
    return state;
}

Metadata restored(const Metadata& state) {
    Metadata again;
    for (const Command& command : state.snapshot()) EXPECT_TRUE(again.apply(command).ok());
    return again;
}

// Applies a command that must be refused, and that must change nothing.
ErrorCode refusal(const Metadata& state, const Command& command) {
    Metadata changed = state;
    Result<void> applied = changed.apply(command);
    EXPECT_TRUE(changed == state);
    return applied.ok() ? ErrorCode::none : applied.error().code;
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
    Metadata state = after({create_topic(record, 3, one_replica)});
    EXPECT_EQ(state.version(), 1);
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
    Metadata state = after({create_topic(topic("taken", 1), 1, one_replica)});
    EXPECT_EQ(refusal(state, create_topic(topic("a/b", 2), 1, one_replica)), ErrorCode::invalid_topic);
    EXPECT_EQ(refusal(state, create_topic(topic("taken", 2), 1, one_replica)), ErrorCode::topic_already_exists);
    EXPECT_EQ(refusal(state, create_topic(topic("other", 1), 1, one_replica)), ErrorCode::invalid_request) << "its id";
    TopicRecord without_id = topic("other", 2);
    without_id.id = Uuid();
    EXPECT_EQ(refusal(state, create_topic(without_id, 1, one_replica)), ErrorCode::invalid_request);
    for (int32_t partitions : {0, -1, topic_partitions_max + 1, INT32_MIN, INT32_MAX}) {
        EXPECT_EQ(refusal(state, create_topic(topic("t", 2), partitions, one_replica)), ErrorCode::invalid_partitions);
    }
    EXPECT_EQ(refusal(state, create_topic(topic("t", 2), 1, {})), ErrorCode::invalid_replication_factor);
    for (int32_t minimum : {0, -1, 2}) {
        TopicRecord record = topic("t", 2);
        record.min_in_sync = minimum;
        EXPECT_EQ(refusal(state, create_topic(record, 1, one_replica)), ErrorCode::invalid_config) << minimum;
    }
}

TEST(Metadata, ADeletedTopicIsGoneAndItsNameFree) {
    Metadata state = after({create_topic(topic("t", 1), 5, one_replica), delete_topic(uuid(1))});
    EXPECT_EQ(state.find(std::string("t")), nullptr);
    EXPECT_EQ(state.find(uuid(1)), nullptr);
    EXPECT_EQ(state.partition_count(), 0u);
    EXPECT_TRUE(state.was_deleted(uuid(1)));
    EXPECT_EQ(refusal(state, delete_topic(uuid(1))), ErrorCode::unknown_topic_id);
    EXPECT_TRUE(state.apply(create_topic(topic("t", 2), 1, one_replica)).ok());
    EXPECT_FALSE(state.was_deleted(uuid(2)));
    EXPECT_TRUE(restored(state).was_deleted(uuid(1)));
}

TEST(Metadata, RemembersTheLastDeletedTopicsOnly) {
    Metadata state;
    for (uint64_t id = 1; id <= deleted_topics_max + 1; ++id) {
        ASSERT_TRUE(state.apply(create_topic(topic("t", id), 1, one_replica)).ok());
        ASSERT_TRUE(state.apply(delete_topic(uuid(id))).ok());
    }
    EXPECT_FALSE(state.was_deleted(uuid(1)));
    EXPECT_TRUE(state.was_deleted(uuid(2)));
    EXPECT_TRUE(restored(state) == state);
}

TEST(Metadata, SettingsAreSetAndReset) {
    TopicRecord record = topic("t", 1);
    record.settings = {{"a", "1"}, {"b", "2"}};
    Metadata state =
        after({create_topic(record, 1, one_replica), alter_topic(uuid(1), {{"b", "3"}, {"c", "4"}}, {"a"})});
    auto found = state.find(uuid(1));
    EXPECT_EQ(found->settings, (std::map<std::string, std::string>{{"b", "3"}, {"c", "4"}}));
    EXPECT_EQ(found->settings_version, 1);
    // What is reset and set in one command is set.
    EXPECT_TRUE(state.apply(alter_topic(uuid(1), {{"b", "5"}}, {"b", "never there"})).ok());
    EXPECT_EQ(state.find(uuid(1))->settings.at("b"), "5");
    EXPECT_EQ(state.find(uuid(1))->settings_version, 2);
    EXPECT_EQ(found->settings.at("b"), "3") << "a snapshot of the state does not change";
    EXPECT_EQ(refusal(state, alter_topic(uuid(7), {{"b", "5"}}, {})), ErrorCode::unknown_topic_id);
}

TEST(Metadata, PartitionsAreOnlyAdded) {
    Metadata state = after({create_topic(topic("t", 1), 2, one_replica), add_partitions(uuid(1), 5)});
    EXPECT_EQ(state.find(uuid(1))->partitions.size(), 5u);
    EXPECT_EQ(state.partition_count(), 5u);
    for (int32_t count : {5, 4, 0, -1, topic_partitions_max + 1}) {
        EXPECT_EQ(refusal(state, add_partitions(uuid(1), count)), ErrorCode::invalid_partitions) << count;
    }
    EXPECT_EQ(refusal(state, add_partitions(uuid(2), 9)), ErrorCode::unknown_topic_id);
}

TEST(Metadata, AClusterHasALimitOfPartitions) {
    Metadata state;
    for (uint64_t id = 1; id <= 10; ++id) {
        ASSERT_TRUE(state.apply(create_topic(topic("t" + std::to_string(id), id), 9'999, one_replica)).ok());
    }
    EXPECT_TRUE(state.apply(create_topic(topic("rest", 11), 10, one_replica)).ok());
    EXPECT_EQ(state.partition_count(), cluster_partitions_max);
    EXPECT_EQ(refusal(state, create_topic(topic("more", 12), 1, one_replica)), ErrorCode::invalid_partitions);
    EXPECT_EQ(refusal(state, add_partitions(uuid(11), 11)), ErrorCode::invalid_partitions);
    EXPECT_TRUE(state.apply(delete_topic(uuid(11))).ok());
    EXPECT_TRUE(state.apply(add_partitions(uuid(1), 10'000)).ok());
}

TEST(Metadata, AnOverlongSnapshotComesInPartsThatAJournalTakes) {
    Metadata state;
    for (uint64_t id = 1; id <= 10; ++id) {
        ASSERT_TRUE(state.apply(create_topic(topic("t" + std::to_string(id), id), 10'000, one_replica)).ok());
    }
    std::vector<Command> parts = state.snapshot();
    EXPECT_GT(parts.size(), 1u);
    for (const Command& part : parts) EXPECT_LT(part.size(), size_t{2} << 20);
    EXPECT_TRUE(restored(state) == state);
    Metadata headless;
    EXPECT_EQ(headless.apply(parts[1]).error().code, ErrorCode::corrupt_data);
    Metadata twice = after({parts[0], parts[1]});
    EXPECT_EQ(twice.apply(parts[1]).error().code, ErrorCode::corrupt_data) << "its topics are there already";
}

TEST(Metadata, ABrokerThatStartsAgainLeadsAnew) {
    Metadata state = after({register_broker(broker(1, 1), true), create_topic(topic("t", 1), 2, one_replica),
                            create_topic(topic("other", 2), 1, {BrokerId(2)}), register_broker(broker(1, 2), false)});
    EXPECT_EQ(state.brokers().at(BrokerId(1)).incarnation, Incarnation(2));
    for (const PartitionRecord& partition : state.find(uuid(1))->partitions) {
        EXPECT_EQ(partition.leader_epoch, Epoch(1));
        EXPECT_EQ(partition.partition_epoch, 1);
    }
    EXPECT_EQ(state.find(uuid(2))->partitions[0].leader_epoch, Epoch(0)) << "led by another broker";
    EXPECT_EQ(state.find(std::string("t")), state.find(uuid(1)));
}

TEST(Metadata, AnIncarnationIsNeverUsedAgain) {
    Metadata state = after({register_broker(broker(1, 5), true)});
    EXPECT_EQ(refusal(state, register_broker(broker(1, 5), true)), ErrorCode::invalid_request);
    EXPECT_EQ(refusal(state, register_broker(broker(1, 4), true)), ErrorCode::invalid_request);
    EXPECT_EQ(refusal(state, register_broker(broker(-1, 6), true)), ErrorCode::invalid_request);
    EXPECT_EQ(refusal(state, register_broker(broker(2, -1), true)), ErrorCode::invalid_request);
}

TEST(Metadata, ProducerIdsAreGivenOnce) {
    Metadata state = after({allocate_producer_ids(1000), allocate_producer_ids(5)});
    EXPECT_EQ(state.next_producer_id(), 1005);
    for (int64_t count : {int64_t{0}, int64_t{-1}, INT64_MIN, INT64_MAX}) {
        EXPECT_EQ(refusal(state, allocate_producer_ids(count)), ErrorCode::invalid_request) << count;
    }
}

TEST(Metadata, TakesNothingThatIsNoCommand) {
    Metadata state = after({create_topic(topic("t", 1), 1, one_replica)});
    EXPECT_EQ(refusal(state, {}), ErrorCode::corrupt_data);
    EXPECT_EQ(refusal(state, Command(100, 0xff)), ErrorCode::corrupt_data);
    Command good = create_topic(topic("u", 2), 1, one_replica);
    for (size_t size = 0; size < good.size(); ++size) {
        Command cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
        Metadata changed = state;
        EXPECT_TRUE(changed.apply(cut).ok() || changed == state) << size;
    }
}

// A command of some kind, good or bad.
Command random_command(simulation::RandomStream& random, uint64_t* ids) {
    const std::string name = "t" + std::to_string(random.below(8));
    const Uuid some = uuid(1 + random.below(*ids + 2));
    auto value = [&random] { return std::to_string(random.below(100)); };
    switch (random.below(10)) {
        case 0:
        case 1:
        case 2: {
            TopicRecord record = topic(name, ++*ids);
            if (random.below(2) == 0) record.settings["retention.ms"] = value();
            record.min_in_sync = static_cast<int32_t>(random.below(3));
            std::vector<BrokerId> replicas;
            for (uint64_t count = random.below(3); count > 0; --count)
                replicas.push_back(BrokerId(static_cast<int32_t>(count)));
            return create_topic(record, static_cast<int32_t>(random.below(6)), replicas);
        }
        case 3: return delete_topic(some);
        case 4:
        case 5: return alter_topic(some, {{"retention.ms", value()}, {"flush.bytes", value()}}, {"segment.bytes"});
        case 6: return alter_topic(some, {}, {"retention.ms"});
        case 7: return add_partitions(some, static_cast<int32_t>(random.below(9)));
        case 8: return allocate_producer_ids(static_cast<int64_t>(random.below(5)));
        default:
            return register_broker(
                broker(static_cast<int32_t>(random.below(3)), static_cast<int64_t>(random.below(40))),
                random.below(2) == 0);
    }
}

TEST(Metadata, ASnapshotIsWorthItsCommandsAndReplayIsTheSameEverywhere) {
    for (uint64_t seed = 1; seed <= 200; ++seed) {
        simulation::RandomStream random(seed, "metadata");
        Metadata state;
        std::vector<Command> accepted;
        uint64_t ids = 0;
        for (int count = 0; count < 60; ++count) {
            Command command = random_command(random, &ids);
            Metadata before = state;
            if (state.apply(command).ok()) {
                accepted.push_back(command);
                ASSERT_EQ(state.version(), before.version() + 1);
            } else {
                ASSERT_TRUE(state == before) << "seed " << seed;
            }
            ASSERT_TRUE(restored(state) == state) << "seed " << seed;
        }
        ASSERT_TRUE(after(accepted) == state) << "seed " << seed;
        // A state goes on from a snapshot as from its history.
        Metadata from_snapshot = restored(state);
        for (int count = 0; count < 20; ++count) {
            Command command = random_command(random, &ids);
            ASSERT_EQ(state.apply(command).ok(), from_snapshot.apply(command).ok());
            ASSERT_TRUE(from_snapshot == state) << "seed " << seed;
        }
    }
}

TEST(Metadata, AlteredCommandsNeverEndTheBrokerAndChangeAllOrNothing) {
    simulation::RandomStream random(1, "altered-metadata");
    std::vector<Command> commands;
    uint64_t ids = 0;
    for (int count = 0; count < 40; ++count) commands.push_back(random_command(random, &ids));
    Metadata base;
    for (const Command& command : commands) (void)base.apply(command);
    for (const Command& part : base.snapshot()) commands.push_back(part);
    for (int round = 0; round < 20'000; ++round) {
        Command command = commands[random.below(commands.size())];
        for (uint64_t changes = 1 + random.below(4); changes > 0; --changes) {
            command[random.below(command.size())] = static_cast<uint8_t>(random.next());
        }
        Metadata state = base;
        Result<void> applied = state.apply(command);
        if (!applied.ok()) {
            ASSERT_TRUE(state == base);
            continue;
        }
        // Whatever it became is a state that can be told and told again.
        ASSERT_TRUE(restored(state) == state);
        (void)state.apply(register_broker(broker(1, INT64_MAX), false));
        for (const auto& [name, found] : state.topics()) (void)Metadata(state).apply(add_partitions(found->id, 9));
    }
}

}  // namespace
}  // namespace ironbark::broker
