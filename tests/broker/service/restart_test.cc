// What is there after a stop, a kill, a power loss; who may start on a directory.

#include "tests/broker/service/service_fixture.h"

namespace ironbark::broker {
namespace {

SERVICE_TESTS(Restart);

TEST_P(Restart, AfterAStopEverythingIsThere) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    world().produce(partition, make_batch(partition, {"a"}), AckLevel::leader);
    EXPECT_TRUE(world().broker->started_clean()) << "a new directory";
    world().stop();
    world().start();
    EXPECT_TRUE(world().broker->started_clean());
    EXPECT_EQ(world().read_all(partition), numbered({"a"}));
}

TEST_P(Restart, AfterAKillOrAPowerLossDurableRecordsAreThereAtTheirOffsets) {
    for (Crash how : {Crash::kill, Crash::power_loss}) {
        for (uint64_t seed = 1; seed <= 10; ++seed) {
            Options faults;
            faults.disk.torn_pages = true;
            BrokerWorld other(GetParam(), small_config(), faults, seed);
            PartitionIdentity partition = other.make_topic("t", {.partitions = 3});
            std::map<PartitionIdentity, std::vector<Seen>> acknowledged;
            for (int count = 0; count < 40; ++count) {
                PartitionIdentity each{partition.topic, PartitionIndex(count % 3)};
                AckLevel level = count % 4 == 1 ? AckLevel::leader : AckLevel::isr_durable;
                std::string value = std::to_string(count);
                ReceiptSeen receipt = other.produce(each, make_batch(each, {value}), level);
                ASSERT_TRUE(receipt.said.ok());
                if (level == AckLevel::isr_durable) acknowledged[each].push_back({receipt.base, value});
            }
            other.server.crash(how);
            other.broker = nullptr;
            other.start();
            EXPECT_FALSE(other.broker->started_clean());
            for (const auto& [each, records] : acknowledged) {
                std::vector<Seen> seen = other.read_all(each);
                for (const Seen& record : records) {
                    ASSERT_LT(static_cast<size_t>(record.offset), seen.size());
                    EXPECT_EQ(seen[static_cast<size_t>(record.offset)], record) << "seed " << seed;
                }
            }
        }
    }
}

TEST_P(Restart, AMemoryLevelMayLoseItsRecordsAndTheirOffsetsAreUsedAgain) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    world().produce(partition, make_batch(partition, {"a"}), AckLevel::leader_durable);
    world().produce(partition, make_batch(partition, {"b"}), AckLevel::leader);
    world().lose_power();
    world().start();
    EXPECT_EQ(world().read_all(partition), numbered({"a"}));
    ReceiptSeen receipt = world().produce(partition, make_batch(partition, {"c"}));
    EXPECT_EQ(receipt.base, 1);
    EXPECT_EQ(receipt.epoch, 1) << "the same offset in another epoch is another record";
}

TEST_P(Restart, EveryStartIsANewEpochAndIncarnation) {
    PartitionIdentity partition = world().make_topic("t");
    std::vector<int64_t> incarnations;
    int32_t last_epoch = -1;
    for (int count = 0; count < 4; ++count) {
        const int32_t epoch = world().produce(partition, make_batch(partition, {"a"})).epoch;
        EXPECT_GT(epoch, last_epoch);
        last_epoch = epoch;
        rpc::CallResult node = world().call(rpc::Method::describe_node, describe_node_request());
        incarnations.push_back(node.as<wire::DescribeNodeResponse>().incarnation());
        count % 2 == 0 ? world().kill() : world().stop();
        world().start();
    }
    EXPECT_EQ(incarnations, (std::vector<int64_t>{1, 2, 3, 4}));
}

TEST_P(Restart, IsCleanOnlyRightAfterACleanStop) {
    world().make_topic("t");
    world().stop();
    world().start();
    EXPECT_TRUE(world().broker->started_clean());
    world().kill();
    world().start();
    EXPECT_FALSE(world().broker->started_clean());
    world().lose_power();
    world().start();
    EXPECT_FALSE(world().broker->started_clean());
    world().stop();
    world().start();
    EXPECT_TRUE(world().broker->started_clean());
}

TEST_P(Restart, AStopThatIsInterruptedIsNotClean) {
    for (uint64_t stop = 1; stop < 14; ++stop) {
        BrokerWorld other(GetParam(), small_config(), {}, stop);
        PartitionIdentity partition = other.make_topic("t", {.partitions = 2});
        other.produce(partition, make_batch(partition, {"a"}), AckLevel::leader_durable);
        other.server.disk().stop_after(stop, Crash::power_loss);
        bool ended = other.server.try_run(other.broker->stop());
        other.server.disk().stop_never();
        if (ended) other.server.end();
        other.broker = nullptr;
        other.start();
        if (ended) {
            EXPECT_TRUE(other.broker->started_clean());
        }
        EXPECT_EQ(other.read_all(partition), numbered({"a"})) << stop;
    }
}

TEST_P(Restart, ARequestThatWasUnderWayAtAKillIsUnknownToTheClient) {
    options.disk.sync = {5s, 0ns};
    PartitionIdentity partition = world().make_topic("t");
    Pending produced = world().begin_produce(partition, make_batch(partition, {"a"}));
    world().simulation.run_for(1s);
    world().kill();
    ProduceAnswer answer = read_produce(world().wait_for(produced));
    EXPECT_EQ(answer.delivery, rpc::Delivery::unknown);
    EXPECT_EQ(answer.said.outcome, Outcome::unknown);
}

TEST_P(Restart, AStopOfManyLogsWritesBesideEachOther) {
    options.disk.sync = {10ms, 0ns};
    PartitionIdentity first = world().make_topic("t", {.partitions = 300});
    std::vector<ProducePart> parts;
    for (int32_t index = 0; index < 300; ++index) {
        PartitionIdentity each{first.topic, PartitionIndex(index)};
        parts.push_back({each, make_batch(each, {"a"})});
    }
    ASSERT_TRUE(world().produce(parts).said.ok());
    Instant begun = world().simulation.now();
    world().stop();
    EXPECT_LT(world().simulation.now() - begun, 2s) << "one after the other it is at least three seconds, of this time";
    world().start();
    EXPECT_TRUE(world().broker->started_clean());
    EXPECT_EQ(world().read_all(first), numbered({"a"}));
}

TEST_P(Restart, AStopFinishesWhatItHasBegun) {
    options.disk.sync = {1s, 0ns};
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"a"}));
    Pending produced = world().begin_produce(partition, make_batch(partition, {"b"}));
    world().simulation.run_for(100ms);
    world().stop();
    EXPECT_TRUE(world().receipt_of(produced).said.ok());
    world().start();
    EXPECT_TRUE(world().broker->started_clean());
    EXPECT_EQ(world().read_all(partition), numbered({"a", "b"}));
}

TEST_P(Restart, WithAnotherNumberOfShardsFindsEverything) {
    world().make_topic("t", {.partitions = 8});
    auto fill = [&](const std::string& value) {
        for (int32_t index = 0; index < 8; ++index) {
            PartitionIdentity partition = world().partition("t", index);
            ASSERT_TRUE(world().produce(partition, make_batch(partition, {value})).said.ok());
        }
    };
    fill("a");
    std::vector<std::string> values{"a"};
    for (size_t shards : {4u, 1u, 2u, 5u}) {
        // (A clean stop by every second change.)
        shards % 2 == 0 ? world().stop() : world().kill();
        world().shards = shards;
        world().start();
        EXPECT_EQ(world().broker->started_clean(), shards % 2 == 0) << shards;
        for (int32_t index = 0; index < 8; ++index) {
            EXPECT_EQ(world().read_all(world().partition("t", index)), numbered(values)) << shards;
        }
        fill(std::to_string(shards));
        values.push_back(std::to_string(shards));
    }
    world().delete_before(world().partition("t", 3), 2);
    world().kill();
    world().shards = 3;
    world().start();
    EXPECT_EQ(world().list(world().partition("t", 3), OffsetPlace::start).offset, 2);
}

TEST(Directory, OfARunningBrokerIsRefused) {
    BrokerWorld world;
    std::string problem;
    Broker second({&world.server.world(0), &world.server.world(1)}, small_config(), "simulated", "a test");
    Result<void> started = world.server.run(second.start(&problem));
    EXPECT_EQ(started.error().code, ErrorCode::locked);
    EXPECT_NE(problem.find("/data is in use by another ironbarkd"), std::string::npos) << problem;
    world.server.run(second.stop());
    PartitionIdentity partition = world.make_topic("t");
    EXPECT_TRUE(world.produce(partition, make_batch(partition, {"a"})).said.ok()) << "the first one goes on";
}

TEST(Directory, ThatBelongsToSomebodyElseIsRefusedAndLeftAlone) {
    Config config = small_config();
    BrokerWorld world(1, config);
    world.stop();
    world.config.data_dir = "/other";
    Result<void> made = world.server.run(world.server.boot().disk.make_directory("/other"));
    ASSERT_TRUE(made.ok());
    world.server.end();
    world.server.disk().replace("/other/thesis.tex", as_bytes("years of work"));
    std::string said = world.try_start();
    EXPECT_NE(said.find("/other is not a data directory of Ironbark"), std::string::npos) << said;
    EXPECT_EQ(world.server.disk().read("/other/thesis.tex").size(), 13u);
}

TEST(Directory, OfAnotherBrokerIdIsRefusedWithTheWayOut) {
    BrokerWorld world;
    world.stop();
    world.config.broker_id = 7;
    std::string said = world.try_start();
    EXPECT_NE(said.find("belongs to broker 1, and broker.id is 7"), std::string::npos) << said;
    world.config.broker_id = 1;
    world.start();
    EXPECT_TRUE(world.broker->started_clean()) << "the refused start has changed nothing";
}

TEST(Directory, WithADamagedFileIsRefusedWithItsName) {
    const std::map<std::string, std::vector<uint64_t>> places{
        {"/data/identity", {20}},
        // Both copies of its first entry, with a good one behind it.
        {"/data/controller/log", {log::block_size + 20, 2 * log::block_size + 20}},
    };
    for (const auto& [file, bytes] : places) {
        BrokerWorld world;
        world.make_topic("t");
        world.stop();
        for (uint64_t place : bytes) world.server.disk().rot(file, place);
        std::string said = world.try_start();
        EXPECT_NE(said.find(file), std::string::npos) << said;
        EXPECT_NE(said.find("Restore"), std::string::npos) << said;
        for (uint64_t place : bytes) world.server.disk().rot(file, place);  // the bits flip back
        world.start();
    }
}

TEST(Directory, OnAFullDiskSaysSo) {
    BrokerWorld world;
    world.stop();
    world.config.data_dir = "/full";
    world.server.disk().set_capacity(world.server.disk().used_bytes());
    std::string said = world.try_start();
    EXPECT_NE(said.find("/full"), std::string::npos) << said;
    EXPECT_EQ(said.find("(nothing said)"), std::string::npos) << said;
    world.server.disk().set_capacity(uint64_t{1} << 40);
    world.start();
}

TEST(Address, InUseIsRefusedBeforeAnythingChanges) {
    BrokerWorld world;
    for (bool metrics : {false, true}) {
        Config config = small_config();
        config.data_dir = "/second";
        (metrics ? config.listen : config.metrics).port = 7000;
        std::string problem;
        Broker second({&world.server.world(0), &world.server.world(1)}, config, "simulated", "a test");
        Result<void> started = world.server.run(second.start(&problem));
        EXPECT_EQ(started.error().code, ErrorCode::address_in_use);
        EXPECT_NE(problem.find("is in use by another program"), std::string::npos) << problem;
        EXPECT_NE(problem.find(metrics ? "--metrics" : "--listen"), std::string::npos) << problem;
        world.server.run(second.stop());
    }
}

}  // namespace
}  // namespace ironbark::broker
