#include "broker/controller/metadata_store.h"

#include <gtest/gtest.h>

#include "tests/broker/printing.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::broker {
namespace {

using simulation::Crash;
using simulation::Node;
using simulation::Options;
using simulation::Simulation;

const Uuid owner = Uuid::from_words(7, 7);
const std::vector<BrokerId> one_replica{BrokerId(1)};
constexpr const char* path = "/metadata";

Command numbered_topic(uint64_t number) {
    TopicRecord record;
    record.id = Uuid::from_words(number + 1, 1);
    record.name = "t" + std::to_string(number);
    return create_topic(record, 1, one_replica);
}

struct Keeper {
    explicit Keeper(World& the_world) : world(the_world) {}
    World& world;
    std::unique_ptr<MetadataStore> store;
    std::string problem;
};

Task<Result<void>> open(Keeper* keeper, Uuid directory) {
    Result<std::unique_ptr<MetadataStore>> opened =
        co_await MetadataStore::open(&keeper->world, path, directory, &keeper->problem);
    if (!opened.ok()) co_return opened.error();
    keeper->store = std::move(opened).value();
    co_return Result<void>();
}

// Makes topics until the process dies; `done` says how many were answered.
Task<void> make_topics(Keeper* keeper, uint64_t from, uint64_t count, uint64_t* done) {
    Result<void> opened = co_await open(keeper, owner);
    if (!opened.ok()) co_return;
    for (uint64_t number = from; number < from + count; ++number) {
        Result<void> executed = co_await keeper->store->execute(numbered_topic(number));
        if (executed.ok()) *done = number + 1;
    }
}

struct StoreTest {
    explicit StoreTest(uint64_t seed = 1, Options options = {})
        : simulation(seed, options), node(simulation.node("n")) {
        start();
    }
    ~StoreTest() {
        if (node.is_running()) end();
    }
    void start() {
        keeper = &node.start([](World& world) { return std::make_unique<Keeper>(world); });
    }
    void end() {
        if (keeper->store) node.run(keeper->store->close());
        node.end();
    }
    Result<void> open_store(Uuid directory = owner) { return node.run(open(keeper, directory)); }
    Result<void> execute(Command command) { return node.run(keeper->store->execute(std::move(command))); }
    const Metadata& state() { return *keeper->store->current(); }

    Simulation simulation;
    Node& node;
    Keeper* keeper = nullptr;
};

TEST(MetadataStore, KeepsWhatWasExecuted) {
    StoreTest test;
    ASSERT_TRUE(test.open_store().ok());
    for (uint64_t number = 0; number < 10; ++number) EXPECT_TRUE(test.execute(numbered_topic(number)).ok());
    MetadataSnapshot before = test.keeper->store->current();
    Metadata copy = *before;
    test.node.lose_power();
    test.start();
    ASSERT_TRUE(test.open_store().ok());
    EXPECT_TRUE(test.state() == copy);
}

TEST(MetadataStore, ARefusedCommandLeavesNoTrace) {
    StoreTest test;
    ASSERT_TRUE(test.open_store().ok());
    EXPECT_TRUE(test.execute(numbered_topic(0)).ok());
    EXPECT_EQ(test.execute(numbered_topic(0)).error().code, ErrorCode::topic_already_exists);
    EXPECT_EQ(test.state().version(), 1);
    test.end();
    test.start();
    ASSERT_TRUE(test.open_store().ok());
    EXPECT_EQ(test.state().version(), 1);
}

TEST(MetadataStore, EveryExecutedCommandIsThereAfterACrashAtAnyDiskOperation) {
    for (Crash how : {Crash::kill, Crash::power_loss}) {
        for (uint64_t stop = 1; stop < 40; ++stop) {
            Options options;
            options.disk.torn_pages = true;
            StoreTest test(stop, options);
            ASSERT_TRUE(test.open_store().ok());
            test.end();
            test.start();
            uint64_t done = 0;
            test.node.disk().stop_after(stop, how);
            test.node.spawn(make_topics(test.keeper, 0, 12, &done));
            test.simulation.run_for(10s);
            test.node.disk().stop_never();
            if (test.node.is_running()) test.end();
            test.start();
            Result<void> opened = test.open_store();
            ASSERT_TRUE(opened.ok()) << "stopped at " << stop << ": " << test.keeper->problem;
            // One more may be there: its command was being written.
            uint64_t found = test.state().topics().size();
            EXPECT_TRUE(found == done || found == done + 1) << found << " of " << done << ", stopped at " << stop;
            for (uint64_t number = 0; number < done; ++number) {
                EXPECT_NE(test.state().find("t" + std::to_string(number)), nullptr);
            }
            EXPECT_TRUE(test.execute(numbered_topic(found)).ok()) << "and it goes on";
        }
    }
}

Task<void> alter_often(Keeper* keeper, uint64_t count, uint64_t* done) {
    Result<void> opened = co_await open(keeper, owner);
    if (!opened.ok()) co_return;
    std::string filler(40'000, 'x');
    for (uint64_t number = 1; number <= count; ++number) {
        std::map<std::string, std::string> set{{"number", std::to_string(number)}, {"filler", filler}};
        Command command = alter_topic(Uuid::from_words(1, 1), set, {});
        Result<void> executed = co_await keeper->store->execute(std::move(command));
        if (executed.ok()) *done = number;
    }
}

TEST(MetadataStore, ALongJournalIsRewrittenAndNothingIsLostIfThatIsInterrupted) {
    // (Each command takes 80 KiB and two writes, the rewriting comes after 8 MiB: about the 103rd.)
    std::vector<uint64_t> stops{0};
    for (uint64_t stop = 220; stop < 245; ++stop) stops.push_back(stop);
    for (uint64_t stop : stops) {
        StoreTest test(stop + 1);
        ASSERT_TRUE(test.open_store().ok());
        ASSERT_TRUE(test.execute(numbered_topic(0)).ok());
        test.end();
        test.start();
        uint64_t done = 0;
        if (stop > 0) test.node.disk().stop_after(stop, stop % 2 == 0 ? Crash::kill : Crash::power_loss);
        test.node.spawn(alter_often(test.keeper, 230, &done));
        test.simulation.run_for(60s);
        test.node.disk().stop_never();
        if (test.node.is_running()) test.end();
        if (stop == 0) {
            EXPECT_EQ(done, 230u);
            EXPECT_LT(test.node.disk().size(path), uint64_t{4} << 20) << "it was rewritten";
        }
        test.start();
        ASSERT_TRUE(test.open_store().ok()) << "stopped at " << stop << ": " << test.keeper->problem;
        uint64_t number = std::stoull(test.state().find(Uuid::from_words(1, 1))->settings.at("number"));
        EXPECT_TRUE(number == done || number == done + 1) << number << " of " << done << ", stopped at " << stop;
    }
}

TEST(MetadataStore, ADamagedJournalIsRefusedWithItsName) {
    StoreTest healthy;
    ASSERT_TRUE(healthy.open_store().ok());
    for (uint64_t number = 0; number < 3; ++number) ASSERT_TRUE(healthy.execute(numbered_topic(number)).ok());
    healthy.end();
    simulation::DiskImage image = healthy.node.disk().snapshot();
    // Seven blocks: the head, and for each topic a commit and its copy.
    for (uint64_t block : {uint64_t{1}, uint64_t{3}, uint64_t{5}}) {
        for (uint64_t byte : {uint64_t{0}, uint64_t{9}, uint64_t{17}, uint64_t{25}, uint64_t{60}}) {
            healthy.node.disk().restore(image);
            healthy.node.disk().rot(path, block * 4096 + byte, 3);
            healthy.node.disk().rot(path, (block + 1) * 4096 + byte, 3);
            healthy.start();
            EXPECT_FALSE(healthy.open_store().ok()) << "block " << block << ", byte " << byte;
            EXPECT_NE(healthy.keeper->problem.find(path), std::string::npos) << healthy.keeper->problem;
            EXPECT_NE(healthy.keeper->problem.find("Restore it from a copy"), std::string::npos);
            healthy.end();
        }
    }
}

TEST(MetadataStore, WhereverAByteOfTheLastCommandRotsNothingIsLost) {
    StoreTest test;
    ASSERT_TRUE(test.open_store().ok());
    for (uint64_t number = 0; number < 3; ++number) ASSERT_TRUE(test.execute(numbered_topic(number)).ok());
    test.end();
    simulation::DiskImage image = test.node.disk().snapshot();
    for (uint64_t byte = 5 * 4096; byte < 7 * 4096; ++byte) {
        if (byte % 4096 >= 400 && byte % 97 != 0) continue;  // zeros, that no checksum covers
        test.node.disk().restore(image);
        test.node.disk().rot(path, byte, static_cast<uint32_t>(byte % 8));
        test.start();
        ASSERT_TRUE(test.open_store().ok()) << "byte " << byte << ": " << test.keeper->problem;
        ASSERT_EQ(test.state().topics().size(), 3u) << "byte " << byte;
        EXPECT_LE(test.keeper->store->repaired(), 1u);
        test.end();
    }
}

TEST(MetadataStore, WithoutAGoodCopyOfTheLastCommandItIsRefusedUntilSomebodyGivesItUp) {
    StoreTest test;
    ASSERT_TRUE(test.open_store().ok());
    for (uint64_t number = 0; number < 3; ++number) ASSERT_TRUE(test.execute(numbered_topic(number)).ok());
    test.end();
    simulation::DiskImage image = test.node.disk().snapshot();
    for (uint64_t byte = 0; byte < 60; ++byte) {
        test.node.disk().restore(image);
        test.node.disk().rot(path, 5 * 4096 + byte, 3);
        test.node.disk().rot(path, 6 * 4096 + 59 - byte, 3);
        for (int start = 0; start < 2; ++start) {
            test.start();
            ASSERT_FALSE(test.open_store().ok()) << byte;
            EXPECT_NE(test.keeper->problem.find("truncate -s 20480 /metadata"), std::string::npos)
                << test.keeper->problem;
            test.end();
        }
        test.node.disk().truncate(path, 20480);
        test.start();
        ASSERT_TRUE(test.open_store().ok()) << test.keeper->problem;
        EXPECT_EQ(test.state().topics().size(), 2u);
        EXPECT_TRUE(test.execute(numbered_topic(7)).ok());
        test.end();
    }
}

TEST(MetadataStore, ADamagedHeadLosesNothing) {
    StoreTest test;
    ASSERT_TRUE(test.open_store().ok());
    for (uint64_t number = 0; number < 3; ++number) ASSERT_TRUE(test.execute(numbered_topic(number)).ok());
    test.end();
    simulation::DiskImage image = test.node.disk().snapshot();
    for (uint64_t byte : {uint64_t{0}, uint64_t{9}, uint64_t{17}, uint64_t{25}, uint64_t{60}}) {
        test.node.disk().restore(image);
        test.node.disk().rot(path, byte, 3);
        test.start();
        // The commits say whose they are, too.
        ASSERT_TRUE(test.open_store().ok()) << "byte " << byte << ": " << test.keeper->problem;
        EXPECT_EQ(test.state().topics().size(), 3u) << "byte " << byte;
        test.end();
    }
}

TEST(MetadataStore, AJournalOfAnotherDirectoryIsRefused) {
    StoreTest test;
    ASSERT_TRUE(test.open_store().ok());
    test.end();
    test.start();
    Result<void> opened = test.open_store(Uuid::from_words(8, 8));
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, ErrorCode::foreign_data);
    EXPECT_NE(test.keeper->problem.find(path), std::string::npos) << test.keeper->problem;
}

TEST(MetadataStore, ADiskThatFailsEndsAllChangesAndTheRestIsReadable) {
    StoreTest test;
    ASSERT_TRUE(test.open_store().ok());
    ASSERT_TRUE(test.execute(numbered_topic(0)).ok());
    test.node.disk().fail_next_sync(path);
    Result<void> failed = test.execute(numbered_topic(1));
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code, ErrorCode::storage_error);
    EXPECT_FALSE(test.keeper->store->is_writable());
    EXPECT_EQ(test.state().topics().size(), 1u) << "nobody sees what may not be on disk";
    EXPECT_EQ(test.execute(numbered_topic(2)).error().code, ErrorCode::storage_error);
}

// A journal keeps what found no room and writes it with the next command: there must be no next command.
TEST(MetadataStore, ACommandThatFoundNoRoomNeverComesBackBesideALaterOne) {
    StoreTest test;
    ASSERT_TRUE(test.open_store().ok());
    ASSERT_TRUE(test.execute(numbered_topic(0)).ok());
    test.node.disk().set_capacity(test.node.disk().used_bytes());
    auto alter = [&](int number) {
        std::map<std::string, std::string> set{{"number", std::to_string(number)},
                                               {"filler", std::string(40'000, 'x')}};
        return test.execute(alter_topic(Uuid::from_words(1, 1), set, {}));
    };
    int number = 1;
    while (number < 100 && alter(number).ok()) ++number;
    ASSERT_LT(number, 100) << "the disk never was full";
    test.node.disk().set_capacity(uint64_t{1} << 40);
    EXPECT_EQ(test.execute(numbered_topic(1)).error().code, ErrorCode::storage_error);
    Metadata before = test.state();
    test.end();
    test.start();
    ASSERT_TRUE(test.open_store().ok()) << test.keeper->problem;
    EXPECT_TRUE(test.state() == before);
    EXPECT_TRUE(test.execute(numbered_topic(1)).ok());
}

}  // namespace
}  // namespace ironbark::broker
