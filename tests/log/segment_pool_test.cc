#include "log/segment_pool.h"

#include <gtest/gtest.h>

#include "log/limits.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::log {
namespace {

constexpr uint64_t pooled_size = 8 * block_size;

class SegmentPoolTest : public testing::Test {
  protected:
    SegmentPoolTest() {
        node.boot();
        for (const char* path : {"pool", "logs"}) EXPECT_TRUE(run(node.world().disk.make_directory(path)).ok());
        EXPECT_TRUE(run(node.world().disk.sync_directory(".")).ok());
    }
    template <typename T>
    T run(Task<T> task) {
        return node.run(std::move(task));
    }
    void put(SegmentPool& pool, const std::string& name, uint64_t bytes = pooled_size) {
        node.disk().replace("logs/" + name, std::vector<uint8_t>(bytes, static_cast<uint8_t>(name[0])));
        ASSERT_TRUE(run(pool.put("logs/" + name, bytes)).ok());
    }
    // Which file it is, by its first byte.
    std::string take(SegmentPool& pool, uint64_t bytes = pooled_size) {
        std::optional<SegmentPool::Taken> taken = run(pool.take(bytes));
        if (!taken) return "";
        EXPECT_EQ(taken->size, bytes);
        EXPECT_EQ(node.disk().size(taken->path), bytes);
        return std::string(1, static_cast<char>(node.disk().read(taken->path)[0]));
    }
    std::vector<std::string> names() { return run(node.world().disk.list("pool")).value(); }

    simulation::Simulation simulation{1};
    simulation::Node& node = simulation.node("n1");
};

TEST_F(SegmentPoolTest, GivesBackWhatWasPut) {
    SegmentPool pool(node.world(), "pool", 4);
    EXPECT_EQ(take(pool), "");
    put(pool, "a");
    EXPECT_EQ(pool.count(), 1u);
    EXPECT_TRUE(run(node.world().disk.list("logs"))->empty()) << "moved";
    EXPECT_EQ(take(pool), "a");
    EXPECT_EQ(take(pool), "") << "once";
}

TEST_F(SegmentPoolTest, GivesOnlyFilesOfTheSizeThatIsAskedFor) {
    SegmentPool pool(node.world(), "pool", 4);
    put(pool, "a");
    put(pool, "b", 2 * pooled_size);
    EXPECT_EQ(take(pool, 3 * pooled_size), "");
    EXPECT_EQ(take(pool, 2 * pooled_size), "b");
    EXPECT_EQ(take(pool), "a");
}

TEST_F(SegmentPoolTest, LetsTheOldestGoWhenItIsFull) {
    SegmentPool pool(node.world(), "pool", 2);
    for (const char* name : {"a", "b", "c"}) put(pool, name);
    EXPECT_EQ(names().size(), 2u);
    EXPECT_EQ(take(pool), "c");
    EXPECT_EQ(take(pool), "b");
    EXPECT_EQ(take(pool), "");
}

TEST_F(SegmentPoolTest, WithoutRoomRemovesTheFile) {
    SegmentPool pool(node.world(), "pool", 0);
    put(pool, "a");
    EXPECT_EQ(pool.count(), 0u);
    EXPECT_TRUE(names().empty());
    EXPECT_TRUE(run(node.world().disk.list("logs"))->empty());
}

TEST_F(SegmentPoolTest, KnowsTheFilesOfAnEarlierRun) {
    {
        SegmentPool before(node.world(), "pool", 4);
        put(before, "a");
        put(before, "b", 2 * pooled_size);
    }
    SegmentPool pool(node.world(), "pool", 4);
    pool.adopt(names());
    EXPECT_EQ(pool.count(), 2u);
    EXPECT_EQ(take(pool), "a");
    EXPECT_EQ(take(pool, 2 * pooled_size), "b");
}

TEST_F(SegmentPoolTest, RemovesFilesOfAnEarlierRunThatAreOfNoUse) {
    node.disk().replace("pool/empty", {});
    SegmentPool pool(node.world(), "pool", 4);
    pool.adopt({"empty", "gone"});
    EXPECT_EQ(take(pool), "");
    EXPECT_EQ(pool.count(), 0u);
    EXPECT_TRUE(names().empty());
}

TEST_F(SegmentPoolTest, HasAFileDurablyBeforeItGetsAnotherLife) {
    SegmentPool pool(node.world(), "pool", 4);
    put(pool, "a");
    node.lose_power();
    node.boot();
    EXPECT_EQ(names().size(), 1u);
    EXPECT_TRUE(run(node.world().disk.list("logs"))->empty()) << "its old name must not show new contents";
}

TEST_F(SegmentPoolTest, LeavesTheFileWhereItIsWhenItCannotBeMoved) {
    SegmentPool pool(node.world(), "pool", 4);
    EXPECT_EQ(run(pool.put("logs/missing", pooled_size)).error().code, ErrorCode::not_found);
    EXPECT_EQ(pool.count(), 0u);
}

}  // namespace
}  // namespace ironbark::log
