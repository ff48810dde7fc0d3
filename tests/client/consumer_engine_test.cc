#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/engine_test.h"

namespace ironbark::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// A consumer as the facade makes it, on one executor.
struct ConsumerProgram {
    ConsumerProgram(World& outer, Settings settings)
        : network(outer.network, cut),
          world{outer.executor, outer.disk, network, outer.random, outer.buffers},
          router(world, RouterOptions::of(settings)),
          engine(world, router, ConsumerOptions::of(settings)),
          builder(settings.max_poll_records, settings.check_crcs, nullptr),
          running(world.executor) {
        running.spawn(router.run());
        running.spawn(engine.run());
    }

    void seek(const TopicPartition& partition, Start start) {
        RecordsBuilder::Position& position = builder.positions()[partition];
        position.generation = ++generations;
        position.next = start.kind == Start::Kind::offset ? start.number : -1;
        engine.seek(partition, position.generation, start);
    }

    Cut cut;
    CuttingNetwork network;
    World world;
    Router router;
    ConsumerEngine engine;
    RecordsBuilder builder;
    Scope running;
    uint64_t generations = 0;
};

Task<Records> poll_program(ConsumerProgram* program, Duration patience) {
    Instant deadline = program->world.executor.now() + patience;
    while (true) {
        Records records = program->builder.build();
        for (const TopicPartition& partition : program->builder.take_damaged()) {
            program->seek(partition, Start::offset(program->builder.positions()[partition].next));
        }
        bool has_news = !records.empty() || !records.gaps().empty() || !records.errors().empty();
        if (has_news || program->world.executor.now() >= deadline) co_return std::move(records);
        if (program->engine.queue().take(&program->builder.news())) {
            program->engine.note_taken();
        } else {
            co_await program->engine.wait_for_news(deadline);
        }
    }
}

Task<void> stop_consumer(ConsumerProgram* program) {
    co_await program->engine.close();
    co_await program->running.join();
}

struct ConsumerTest : ProducerTest {
    explicit ConsumerTest(Settings consumer_settings = test_settings(),
                          Settings producer_settings = test_settings(),
                          uint64_t seed = 1,
                          simulation::Options options = {})
        : ProducerTest(producer_settings, seed, options),
          consumer_node(simulation.node("consumer")),
          consumer(consumer_node.start([consumer_settings](World& world) {
              return std::make_unique<ConsumerProgram>(world, consumer_settings);
          })) {}

    // Writes records as batches of their own, and waits for them.
    void write(const std::vector<std::string>& values, int32_t partition = 0) {
        for (const std::string& value : values) {
            size_t before = program.results.size();
            if (!send(value, partition).ok() || !wait_for(before + 1)) simulation.fail("a record was not written");
        }
    }
    void read_from(Start start, int32_t partition = 0) {
        TopicPartition name{"t", partition};
        consumer.seek(name, start);
    }
    Records poll(Duration patience = 2s) { return consumer_node.run(poll_program(&consumer, patience)); }
    // Polls until there are so many records, and returns their values.
    std::vector<std::string> read(size_t count) {
        std::vector<std::string> values;
        for (int attempts = 0; values.size() < count && attempts < 1000; ++attempts) {
            Records records = poll();
            for (const ConsumerRecord& record : records) values.emplace_back(*record.value);
            for (const Gap& gap : records.gaps()) gaps.push_back(gap);
            for (const PartitionError& error : records.errors()) errors.push_back(error.failure);
        }
        return values;
    }
    void stop() {
        consumer_node.run(stop_consumer(&consumer));
        EXPECT_TRUE(close().ok());
    }

    simulation::Node& consumer_node;
    ConsumerProgram& consumer;
    std::vector<Gap> gaps;
    std::vector<Failure> errors;
};

TEST(ConsumerEngine, ReadsWhatWasWritten) {
    ConsumerTest test;
    test.write({"a", "b", "c"});
    test.read_from(Start::beginning());
    Records records = test.poll();
    ASSERT_GE(records.size(), 1u);
    EXPECT_EQ(records[0].topic, "t");
    EXPECT_EQ(records[0].partition, 0);
    EXPECT_EQ(records[0].offset, 0);
    EXPECT_EQ(records[0].leader_epoch, 1);
    EXPECT_EQ(*records[0].value, "a");
    EXPECT_FALSE(records[0].key.has_value());
    test.stop();
}

TEST(ConsumerEngine, BeginsWhereItIsTold) {
    ConsumerTest test;
    test.write({"a", "b", "c", "d"});
    test.read_from(Start::offset(2));
    EXPECT_THAT(test.read(2), ElementsAre("c", "d"));
    test.read_from(Start::before_end(1));
    EXPECT_THAT(test.read(1), ElementsAre("d"));
    test.read_from(Start::before_end(100));
    EXPECT_THAT(test.read(4), ElementsAre("a", "b", "c", "d"));
    test.read_from(Start::timestamp(0));
    EXPECT_THAT(test.read(4), ElementsAre("a", "b", "c", "d"));
    test.read_from(Start::end());
    EXPECT_TRUE(test.poll().empty());
    test.write({"e"});
    EXPECT_THAT(test.read(1), ElementsAre("e"));
    EXPECT_THAT(test.gaps, IsEmpty());
    EXPECT_THAT(test.errors, IsEmpty());
    test.stop();
}

TEST(ConsumerEngine, BeginsInsideABatch) {
    Settings lingering = test_settings();
    lingering.linger = std::chrono::milliseconds(5);
    ConsumerTest test(test_settings(), lingering);
    for (const char* value : {"a", "b", "c", "d"}) ASSERT_TRUE(test.send(value).ok());
    ASSERT_TRUE(test.wait_for(4));
    test.read_from(Start::offset(2));
    EXPECT_THAT(test.read(2), ElementsAre("c", "d"));
    EXPECT_THAT(test.gaps, IsEmpty());
    test.stop();
}

TEST(ConsumerEngine, WaitsForRecordsThatAreStillToBeWritten) {
    ConsumerTest test;
    test.read_from(Start::beginning());
    EXPECT_TRUE(test.poll(3s).empty());
    test.write({"a"});
    EXPECT_THAT(test.read(1), ElementsAre("a"));
    test.stop();
}

TEST(ConsumerEngine, OnePollReturnsNoMoreThanItMay) {
    Settings few = test_settings();
    few.max_poll_records = 3;
    ConsumerTest test(few);
    test.write({"a", "b", "c", "d", "e", "f", "g"});
    test.read_from(Start::beginning());
    std::vector<std::string> values;
    while (values.size() < 7) {
        Records records = test.poll();
        EXPECT_LE(records.size(), 3u);
        for (const ConsumerRecord& record : records) values.emplace_back(*record.value);
    }
    EXPECT_THAT(values, ElementsAre("a", "b", "c", "d", "e", "f", "g"));
    test.stop();
}

TEST(ConsumerEngine, RecordsStayGoodAfterTheNextPoll) {
    ConsumerTest test;
    test.write({"a"});
    test.read_from(Start::beginning());
    Records first = test.poll();
    test.write({"b"});
    Records second = test.poll();
    ASSERT_THAT(first, SizeIs(1));
    ASSERT_THAT(second, SizeIs(1));
    EXPECT_EQ(*first[0].value, "a");
    EXPECT_EQ(*second[0].value, "b");
    test.stop();
}

TEST(ConsumerEngine, APausedPartitionKeepsItsRecords) {
    ConsumerTest test;
    test.write({"a"}, 0);
    test.write({"b"}, 1);
    test.read_from(Start::beginning(), 0);
    test.read_from(Start::beginning(), 1);
    TopicPartition first{"t", 0};
    test.consumer.builder.positions()[first].is_paused = true;
    test.consumer.engine.pause(first, true);
    EXPECT_THAT(test.read(1), ElementsAre("b"));
    EXPECT_TRUE(test.poll().empty());
    test.consumer.builder.positions()[first].is_paused = false;
    test.consumer.engine.pause(first, false);
    EXPECT_THAT(test.read(1), ElementsAre("a"));
    test.stop();
}

TEST(ConsumerEngine, DecompressesWhatItReads) {
    for (Compression compression : {Compression::lz4, Compression::zstd}) {
        Settings compressing = test_settings();
        compressing.compression = compression;
        ConsumerTest test(test_settings(), compressing);
        std::string long_value(10'000, 'x');
        test.write({long_value, "short"});
        test.read_from(Start::beginning());
        EXPECT_THAT(test.read(2), ElementsAre(long_value, "short"));
        test.stop();
    }
}

TEST(ConsumerEngine, ADamagedBatchIsNeitherDeliveredNorSkipped) {
    ConsumerTest test;
    test.write({"a", "b", "c"});
    test.broker().damage("t", 0, 1);
    test.read_from(Start::beginning());
    EXPECT_THAT(test.read(1), ElementsAre("a"));
    Records records = test.poll();
    EXPECT_TRUE(records.empty());
    ASSERT_THAT(records.errors(), SizeIs(1));
    EXPECT_EQ(records.errors()[0].failure.code, ErrorCode::corrupt_data);
    test.broker().repair("t", 0, 1);
    EXPECT_THAT(test.read(2), ElementsAre("b", "c"));
    EXPECT_THAT(test.gaps, IsEmpty());
    test.stop();
}

TEST(ConsumerEngine, DeletedRecordsAreAnErrorUnlessAResetIsSet) {
    ConsumerTest test;
    test.write({"a", "b", "c"});
    test.broker().delete_before("t", 0, 2);
    test.read_from(Start::offset(0));
    Records records = test.poll();
    ASSERT_THAT(records.errors(), SizeIs(1));
    EXPECT_EQ(records.errors()[0].failure.code, ErrorCode::offset_out_of_range);
    EXPECT_THAT(records.gaps(), IsEmpty());
    test.read_from(Start::offset(2));
    EXPECT_THAT(test.read(1), ElementsAre("c"));
    test.stop();
}

TEST(ConsumerEngine, DeletedRecordsAreAGapWithAReset) {
    Settings earliest = test_settings();
    earliest.offset_reset = OffsetReset::earliest;
    ConsumerTest test(earliest);
    test.write({"a", "b", "c"});
    test.broker().delete_before("t", 0, 2);
    test.read_from(Start::offset(0));
    EXPECT_THAT(test.read(1), ElementsAre("c"));
    ASSERT_THAT(test.gaps, SizeIs(1));
    EXPECT_EQ(test.gaps[0].from, 0);
    EXPECT_EQ(test.gaps[0].to, 2);
    EXPECT_EQ(test.gaps[0].reason, Gap::Reason::deleted);
    test.stop();
}

TEST(ConsumerEngine, ALogThatWasCutIsReadOnFromTheCut) {
    Settings earliest = test_settings();
    earliest.offset_reset = OffsetReset::earliest;
    ConsumerTest test(earliest);
    test.write({"a", "b", "c"});
    test.read_from(Start::beginning());
    EXPECT_THAT(test.read(3), ElementsAre("a", "b", "c"));
    test.broker().cut("t", 0, 1);
    Records records = test.poll(10s);
    ASSERT_THAT(records.gaps(), SizeIs(1));
    EXPECT_EQ(records.gaps()[0].from, 1);
    EXPECT_EQ(records.gaps()[0].to, 3);
    EXPECT_EQ(records.gaps()[0].reason, Gap::Reason::truncated);
    test.write({"d"});
    EXPECT_THAT(test.read(1), ElementsAre("d"));
    test.stop();
}

TEST(ConsumerEngine, AMissingRangeInsideTheLogIsAnAlarm) {
    ConsumerTest test;
    test.write({"a", "b", "c"});
    FakePartition& log = test.broker().find("t")->partitions[0];
    log.frames.erase(log.frames.begin() + 1);
    log.bases.erase(log.bases.begin() + 1);
    test.read_from(Start::beginning());
    EXPECT_THAT(test.read(2), ElementsAre("a", "c"));
    ASSERT_THAT(test.gaps, SizeIs(1));
    EXPECT_EQ(test.gaps[0].from, 1);
    EXPECT_EQ(test.gaps[0].to, 2);
    EXPECT_EQ(test.gaps[0].reason, Gap::Reason::missing);
    test.stop();
}

TEST(ConsumerEngine, ATopicThatDoesNotExistIsAnError) {
    ConsumerTest test;
    TopicPartition nowhere{"nowhere", 0};
    test.consumer.seek(nowhere, Start::beginning());
    Records records = test.poll(10s);
    ASSERT_THAT(records.errors(), SizeIs(1));
    EXPECT_EQ(records.errors()[0].failure.code, ErrorCode::unknown_topic_or_partition);
    test.stop();
}

TEST(ConsumerEngine, ATopicThatWasMadeAfterItWasMissedIsRead) {
    ConsumerTest test;
    TopicPartition later{"later", 0};
    test.consumer.seek(later, Start::beginning());
    EXPECT_THAT(test.poll(10s).errors(), SizeIs(1));
    test.broker().make_topic("later", 1);
    ASSERT_TRUE(test.send("a", 0, "later").ok());
    test.consumer.seek(later, Start::beginning());
    EXPECT_THAT(test.read(1), ElementsAre("a"));
    EXPECT_THAT(test.errors, IsEmpty());
    test.stop();
}

TEST(ConsumerEngine, WaitsForBrokersThatAreAwayForLongerThanARequestMayTake) {
    Settings impatient = test_settings();
    impatient.request_timeout = std::chrono::milliseconds(500);
    ConsumerTest test(impatient);
    test.write({"a"});
    test.simulation.network().cut_both(test.broker_node, test.consumer_node);
    test.read_from(Start::beginning());
    test.simulation.run_for(20s);
    test.simulation.network().heal_all();
    EXPECT_THAT(test.read(1), ElementsAre("a"));
    test.stop();
}

TEST(ConsumerEngine, APartitionThatDoesNotExistIsAnError) {
    ConsumerTest test;
    test.read_from(Start::beginning(), 7);
    Records records = test.poll(10s);
    ASSERT_THAT(records.errors(), SizeIs(1));
    EXPECT_EQ(records.errors()[0].failure.code, ErrorCode::unknown_topic_or_partition);
    test.stop();
}

TEST(ConsumerEngine, APartitionThatWasAddedMeanwhileIsRead) {
    ConsumerTest test;
    test.write({"a"});
    test.read_from(Start::beginning());
    EXPECT_THAT(test.read(1), ElementsAre("a"));
    test.broker().find("t")->partitions.resize(5);
    test.read_from(Start::beginning(), 4);
    Records records = test.poll(1s);
    EXPECT_THAT(records.errors(), IsEmpty());
    test.write({"b"}, 4);
    EXPECT_THAT(test.read(1), ElementsAre("b"));
    EXPECT_THAT(test.errors, IsEmpty());
    test.stop();
}

TEST(ConsumerEngine, SkipsNothingWhenConnectionsBreak) {
    size_t cuts = 0;
    for (uint64_t seed = 1; seed <= 30; ++seed) {
        ConsumerTest test(test_settings(), test_settings(), seed);
        simulation::RandomStream random = test.simulation.stream("cuts");
        test.read_from(Start::beginning());
        std::vector<std::string> written;
        std::vector<std::string> read;
        for (int number = 0; number < 60; ++number) {
            written.push_back("record " + std::to_string(number));
            test.write({written.back()});
            Cut& cut = test.consumer.cut;
            if (random.below(4) == 0 && !cut.sent && !cut.received) {
                (random.below(2) == 0 ? cut.sent : cut.received) = random.below(300);
            }
            if (random.below(3) == 0) {
                size_t wanted = std::min<size_t>(written.size() - read.size(), random.below(3));
                for (std::string& value : test.read(wanted)) read.push_back(std::move(value));
            }
        }
        for (std::string& value : test.read(written.size() - read.size())) read.push_back(std::move(value));
        EXPECT_EQ(read, written) << "seed " << seed;
        EXPECT_THAT(test.gaps, IsEmpty());
        cuts += test.consumer.cut.cuts;
        test.stop();
    }
    EXPECT_GT(cuts, 100u);
}

TEST(ConsumerEngine, ALeaderThatFallsSilentIsLeftAsSoonAsAnotherLeads) {
    ConsumerTest test(two_addresses(), two_addresses());
    simulation::Node& second_node = test.simulation.node("broker2");
    SecondBroker& second =
        second_node.start([&test](World& world) { return std::make_unique<SecondBroker>(world, test.broker()); });
    Address address{"0.0.0.0", test_port};
    second_node.run(start(&second.server, address));
    test.write({"before"});
    test.read_from(Start::beginning());
    EXPECT_THAT(test.read(1), ElementsAre("before"));
    test.simulation.run_for(100ms);  // a fetch waits
    test.simulation.network().isolate(test.broker_node);
    test.move_leader(2);
    const Instant moved = test.simulation.now();
    test.write({"after"});
    EXPECT_THAT(test.read(1), ElementsAre("after"));
    EXPECT_LT(test.simulation.now() - moved, 3s);
    EXPECT_THAT(test.gaps, IsEmpty());
    test.stop();
}

// Twenty records that make answers of several at a time.
std::vector<std::string> large_records() {
    std::vector<std::string> records;
    for (char letter = 'a'; letter < 'u'; ++letter) records.emplace_back(200'000, letter);
    return records;
}

Settings settings_for_large_records() {
    Settings settings = test_settings();
    settings.max_partition_fetch_bytes = 500'000;
    return settings;
}

// How long it takes to read the large records over a slow path.
Duration time_to_read(bool tells_next_offset) {
    simulation::Options options;
    options.network.latency = {10ms, 0us};
    options.network.window_bytes = 384 << 10;
    ConsumerTest test(settings_for_large_records(), test_settings(), 1, options);
    test.broker().tells_next_offset = tells_next_offset;
    test.write(large_records());
    Instant begin = test.simulation.now();
    test.read_from(Start::beginning());
    EXPECT_EQ(test.read(20), large_records());
    Duration taken = test.simulation.now() - begin;
    test.stop();
    return taken;
}

TEST(ConsumerEngine, FetchesOnWhileAnAnswerIsOnItsWay) {
    // Ten answers, each a little larger than what the network carries in a round trip of 20 ms: after the rest of one
    // has come there is another such pause, or not.
    EXPECT_LT(time_to_read(true) + 100ms, time_to_read(false));
}

TEST(ConsumerEngine, ABrokerThatTellsAFalseNextOffsetCostsFetchesAndNoRecords) {
    for (int64_t error : {-1, 1, 1000}) {
        ConsumerTest test(settings_for_large_records());
        test.broker().next_offset_error = error;
        test.write(large_records());
        test.read_from(Start::beginning());
        EXPECT_EQ(test.read(20), large_records()) << error;
        EXPECT_THAT(test.gaps, IsEmpty());
        EXPECT_THAT(test.errors, IsEmpty());
        test.stop();
    }
}

TEST(ConsumerEngine, SkipsNothingWhenConnectionsBreakWithinLargeAnswers) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        simulation::Options options;
        options.network.split = true;
        ConsumerTest test(settings_for_large_records(), test_settings(), seed, options);
        simulation::RandomStream random = test.simulation.stream("cuts");
        test.write(large_records());
        test.read_from(Start::beginning());
        std::vector<std::string> read;
        while (read.size() < 20) {
            Cut& cut = test.consumer.cut;
            if (!cut.received) cut.received = random.below(1'200'000);
            std::vector<std::string> more = test.read(1);
            ASSERT_FALSE(more.empty());
            for (std::string& value : more) read.push_back(std::move(value));
        }
        EXPECT_EQ(read, large_records()) << "seed " << seed;
        EXPECT_THAT(test.gaps, IsEmpty());
        test.stop();
    }
}

TEST(ConsumerEngine, KnowsWhereItStartedBeforeThereAreRecords) {
    ConsumerTest test;
    test.write({"a", "b"});
    test.read_from(Start::end());
    TopicPartition name{"t", 0};
    Instant deadline = test.simulation.now() + 5s;
    Expected<int64_t> position = test.consumer_node.run(test.consumer.engine.started_at(name, deadline));
    ASSERT_TRUE(position.ok());
    EXPECT_EQ(*position, 2);
    test.stop();
}

}  // namespace
}  // namespace ironbark::client
