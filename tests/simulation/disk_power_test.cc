// What a simulated disk keeps when its process dies, and when the power goes.
#include <algorithm>
#include <functional>
#include <set>

#include "tests/simulation/disk_fixture.h"

namespace ironbark::simulation {
namespace {

TEST(PowerLoss, KeepsWhatASyncCovered) {
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskWorld world(seed);
        ASSERT_TRUE(world.write(0, "synced").ok());
        ASSERT_TRUE(world.sync().ok());
        world.node.lose_power();
        EXPECT_EQ(world.text(), "synced");
    }
}

TEST(PowerLoss, KeepsASyncedWriteAndTheSizeThatReachesIt) {
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskWorld world(seed);
        ASSERT_TRUE(world.write(page_size, pages('b')).ok());
        ASSERT_TRUE(world.write(0, pages('a'), Sync::data).ok());
        world.node.lose_power();
        ASSERT_GE(world.text().size(), page_size);
        EXPECT_EQ(world.text().substr(0, page_size), pages('a'));
    }
}

TEST(PowerLoss, KeepsOrDropsEachUnsyncedPageAsAWhole) {
    std::set<std::string> outcomes;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskWorld world(seed);
        ASSERT_TRUE(world.write(0, pages('a', 2), Sync::data).ok());
        ASSERT_TRUE(world.write(0, pages('b', 2)).ok());
        world.node.lose_power();
        std::string text = world.text();
        ASSERT_EQ(text.size(), 2 * page_size);
        for (uint64_t page = 0; page < 2; ++page) {
            std::string bytes = text.substr(page * page_size, page_size);
            EXPECT_TRUE(bytes == pages('a') || bytes == pages('b'));
        }
        outcomes.insert({text.front(), text.back()});
    }
    EXPECT_EQ(outcomes, (std::set<std::string>{"aa", "ab", "ba", "bb"}));
}

TEST(PowerLoss, LosesSizeAndDataIndependently) {
    std::set<std::string> outcomes;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskWorld world(seed);
        ASSERT_TRUE(world.write(0, "ab").ok());
        world.node.lose_power();
        outcomes.insert(world.text());
    }
    EXPECT_EQ(outcomes, (std::set<std::string>{"", "ab", std::string(2, '\0')}));
}

TEST(PowerLoss, MayBringBackAnyVersionSinceTheLastSync) {
    std::set<char> outcomes;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskWorld world(seed);
        ASSERT_TRUE(world.write(0, "a", Sync::data).ok());
        ASSERT_TRUE(world.write(0, "b").ok());
        ASSERT_TRUE(world.write(0, "c").ok());
        world.node.lose_power();
        outcomes.insert(world.text().front());
    }
    EXPECT_EQ(outcomes, (std::set<char>{'a', 'b', 'c'}));
}

// How many of the eight sectors of the first page hold one letter only, and how many 'b's there are.
struct Tear {
    size_t whole_sectors = 0;
    size_t new_bytes = 0;
};
Tear tear_of(const std::string& text) {
    Tear tear;
    for (size_t begin = 0; begin < page_size; begin += sector_size) {
        std::string sector = text.substr(begin, sector_size);
        size_t count = static_cast<size_t>(std::count(sector.begin(), sector.end(), 'b'));
        tear.whole_sectors += count == 0 || count == sector_size ? 1 : 0;
        tear.new_bytes += count;
    }
    return tear;
}

TEST(PowerLoss, TearsPagesBetweenSectorsWhereTheClassIsOn) {
    Options options;
    options.disk.torn_pages = true;
    int torn = 0;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskWorld world(seed, options);
        ASSERT_TRUE(world.write(0, pages('a'), Sync::data).ok());
        ASSERT_TRUE(world.write(0, pages('b')).ok());
        world.node.lose_power();
        Tear tear = tear_of(world.text());
        EXPECT_EQ(tear.whole_sectors, page_size / sector_size);
        torn += tear.new_bytes != 0 && tear.new_bytes != page_size ? 1 : 0;
    }
    EXPECT_GT(torn, 10);
}

TEST(PowerLoss, TearsInsideSectorsOnADeviceWithoutAtomicBlocks) {
    Options options;
    options.disk.torn_sectors = true;
    int torn = 0;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskWorld world(seed, options);
        ASSERT_TRUE(world.write(0, pages('a'), Sync::data).ok());
        ASSERT_TRUE(world.write(0, pages('b')).ok());
        world.node.lose_power();
        torn += tear_of(world.text()).whole_sectors < page_size / sector_size ? 1 : 0;
    }
    EXPECT_GT(torn, 10);
}

Task<void> sync_and_note(File* file, bool* synced) {
    Result<void> result = co_await file->sync();
    *synced = result.ok();
}

Task<void> write_while_syncing(World& world, bool* synced) {
    Result<std::unique_ptr<File>> file = co_await world.disk.open("data/log", OpenMode::read_write, false);
    ASSERT(file.ok());
    std::vector<BufferSlice> before;
    before.push_back(world.buffers.copy_of(as_bytes(pages('a'))));
    ASSERT((co_await write_fully(**file, 0, std::move(before), Sync::no)).ok());
    Scope scope(world.executor);
    scope.spawn(sync_and_note(file->get(), synced));
    Yield yield(world.executor);
    co_await yield;
    std::vector<BufferSlice> after;
    after.push_back(world.buffers.copy_of(as_bytes(pages('b'))));
    ASSERT((co_await write_fully(**file, page_size, std::move(after), Sync::no)).ok());
    co_await scope.join();
    co_await (*file)->close();
}

TEST(PowerLoss, KeepsOfASyncOnlyTheWritesThatHadCompletedBeforeIt) {
    int lost = 0;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        Options options;
        options.shuffle = false;
        // The sync takes longer than the write that overtakes it.
        options.disk.sync = Latency{10ms, 1us};
        options.disk.write = Latency{1us, 1us};
        DiskWorld world(seed, options);
        bool synced = false;
        world.node.run(write_while_syncing(world.node.world(), &synced));
        ASSERT_TRUE(synced);
        world.node.lose_power();
        std::string text = world.text();
        ASSERT_GE(text.size(), page_size);
        EXPECT_EQ(text.substr(0, page_size), pages('a'));
        lost += text != pages('a') + pages('b') ? 1 : 0;
    }
    EXPECT_GT(lost, 10);
}

TEST(ProcessCrash, KeepsCompletedWrites) {
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskWorld world(seed);
        ASSERT_TRUE(world.write(0, "written").ok());
        world.node.kill();
        EXPECT_EQ(world.text(), "written");
        world.node.lose_power();  // the page cache was all that held it
        world.node.restart();
    }
}

TEST(ProcessCrash, KeepsSomePagesOfAWriteInFlight) {
    std::set<std::string> outcomes;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        Options options;
        options.disk.write = Latency{10ms, 1us};
        DiskWorld world(seed, options);
        ASSERT_TRUE(world.write(0, pages('a', 2)).ok());
        world.node.spawn([](World& inside) -> Task<void> {
            static_cast<void>(co_await write_text(inside, "data/log", 0, pages('b', 2), Sync::data));
        }(world.node.world()));
        world.simulation.run_for(5ms);
        ASSERT_EQ(world.disk().in_flight(), 1u);
        world.node.kill();
        outcomes.insert({world.text().front(), world.text().back()});
    }
    EXPECT_EQ(outcomes, (std::set<std::string>{"aa", "ab", "ba", "bb"}));
}

// Names

Task<void> create(World& world, std::string path) {
    Result<std::unique_ptr<File>> file = co_await world.disk.open(path, OpenMode::create, false);
    ASSERT(file.ok());
    co_await (*file)->close();
}

// What is left of the names in `data` after a power loss, over many seeds.
std::set<std::vector<std::string>> names_left(const std::function<void(DiskWorld&)>& change) {
    std::set<std::vector<std::string>> outcomes;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskWorld world(seed);
        change(world);
        world.node.lose_power();
        outcomes.insert(world.disk().files());
    }
    return outcomes;
}

using Names = std::vector<std::string>;

TEST(PowerLoss, KeepsAPrefixOfTheChangesOfADirectory) {
    auto outcomes = names_left([](DiskWorld& world) {
        world.node.run(create(world.node.world(), "data/x"));
        ASSERT_TRUE(world.node.run(world.node.world().disk.rename("data/log", "data/y")).ok());
        ASSERT_TRUE(world.node.run(world.node.world().disk.remove("data/x")).ok());
    });
    EXPECT_EQ(outcomes, (std::set<Names>{{"data/log"}, {"data/log", "data/x"}, {"data/x", "data/y"}, {"data/y"}}));
}

TEST(PowerLoss, KeepsTheChangesOfASyncedDirectory) {
    auto outcomes = names_left([](DiskWorld& world) {
        world.node.run(create(world.node.world(), "data/x"));
        ASSERT_TRUE(world.node.run(world.node.world().disk.sync_directory("data")).ok());
    });
    EXPECT_EQ(outcomes, (std::set<Names>{{"data/log", "data/x"}}));
}

TEST(PowerLoss, MayLoseADirectoryWhoseParentWasNotSynced) {
    auto outcomes = names_left([](DiskWorld& world) {
        ASSERT_TRUE(world.node.run(world.node.world().disk.make_directory("data/deep")).ok());
        world.node.run(create(world.node.world(), "data/deep/x"));
        ASSERT_TRUE(world.node.run(world.node.world().disk.sync_directory("data/deep")).ok());
    });
    EXPECT_EQ(outcomes, (std::set<Names>{{"data/log"}, {"data/deep/x", "data/log"}}));
}

TEST(PowerLoss, KeepsARenameBetweenDirectoriesInBothOrInNeither) {
    auto outcomes = names_left([](DiskWorld& world) {
        ASSERT_TRUE(world.node.run(world.node.world().disk.make_directory("pool")).ok());
        ASSERT_TRUE(world.node.run(world.node.world().disk.sync_directory(".")).ok());
        ASSERT_TRUE(world.node.run(world.node.world().disk.rename("data/log", "pool/x")).ok());
    });
    EXPECT_EQ(outcomes, (std::set<Names>{{"data/log"}, {"pool/x"}}));
}

TEST(PowerLoss, BringsBackARemovedFileWithItsSyncedContent) {
    std::set<std::vector<std::string>> outcomes;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskWorld world(seed);
        ASSERT_TRUE(world.write(0, "old", Sync::data).ok());
        ASSERT_TRUE(world.node.run(world.node.world().disk.remove("data/log")).ok());
        EXPECT_FALSE(world.disk().exists("data/log"));
        EXPECT_TRUE(world.disk().exists("data/log", View::durable));
        world.node.lose_power();
        outcomes.insert(world.disk().files());
        if (world.disk().exists("data/log")) {
            EXPECT_EQ(world.text(), "old");
        }
    }
    EXPECT_EQ(outcomes, (std::set<Names>{{}, {"data/log"}}));
}

TEST(PowerLoss, DropsTheContentOfAFileWithoutADurableName) {
    auto outcomes = names_left([](DiskWorld& world) {
        World& inside = world.node.world();
        world.node.run(create(inside, "data/x"));
        ASSERT_TRUE(world.node.run(write_text(inside, "data/x", 0, "synced", Sync::data)).ok());
    });
    EXPECT_TRUE(outcomes.contains(Names{"data/log"}));
}

// A crash between any two steps

Task<Result<void>> replace(World& world, std::string text) {
    std::vector<uint8_t> bytes(text.begin(), text.end());
    co_return co_await replace_file(world, "data/log", std::move(bytes));
}

TEST(StopAfter, StopsBetweenEveryTwoChanges) {
    std::set<std::string> outcomes;
    for (Crash how : {Crash::kill, Crash::power_loss}) {
        for (uint64_t seed = 0; seed < 20; ++seed) {
            DiskWorld counting(seed);
            ASSERT_TRUE(counting.write(0, "old", Sync::data).ok());
            uint64_t before = counting.disk().changes();
            ASSERT_TRUE(counting.node.run(replace(counting.node.world(), "new")).ok());
            uint64_t steps = counting.disk().changes() - before;
            EXPECT_EQ(steps, 5u);  // make, write, sync, rename, sync of the directory
            for (uint64_t step = 1; step <= steps; ++step) {
                DiskWorld world(seed);
                ASSERT_TRUE(world.write(0, "old", Sync::data).ok());
                world.disk().stop_after(step, how);
                EXPECT_FALSE(world.node.try_run(replace(world.node.world(), "new")).has_value());
                EXPECT_FALSE(world.node.is_running());
                outcomes.insert(world.text());
                if (step < 4) {
                    EXPECT_EQ(world.text(), "old");
                }
            }
        }
    }
    EXPECT_EQ(outcomes, (std::set<std::string>{"new", "old"}));
}

TEST(StopAfter, CanBeTakenBack) {
    DiskWorld world(1);
    world.disk().stop_after(1, Crash::kill);
    world.disk().stop_never();
    EXPECT_TRUE(world.write(0, "written").ok());
}

}  // namespace
}  // namespace ironbark::simulation
