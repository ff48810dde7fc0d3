// The fault classes of the simulated disk, scripted and at random.
#include <set>

#include "runtime/task/scope.h"
#include "tests/simulation/disk_fixture.h"

namespace ironbark::simulation {
namespace {

Task<Result<size_t>> write_once(World& world, std::string text) {
    CO_TRY(std::unique_ptr<File> file, co_await world.disk.open("data/log", OpenMode::read_write, false));
    std::vector<BufferSlice> slices;
    slices.push_back(world.buffers.copy_of(as_bytes(text)));
    Result<size_t> written = co_await file->write(0, std::move(slices), Sync::data);
    co_await file->close();
    co_return written;
}

Task<Result<size_t>> read_once(World& world, size_t size) {
    CO_TRY(std::unique_ptr<File> file, co_await world.disk.open("data/log", OpenMode::read, false));
    BufferSlice into(world.buffers.take(size), 0, size);
    Result<size_t> count = co_await file->read(0, into);
    co_await file->close();
    co_return count;
}

TEST(DiskFaults, WriteLessThanAskedAndSyncNothing) {
    Options options;
    options.disk.short_write = one_in(1);
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskWorld world(seed, options);
        Result<size_t> count = world.node.run(write_once(world.node.world(), pages('a', 4)));
        ASSERT_TRUE(count.ok());
        EXPECT_GT(*count, 0u);
        EXPECT_LT(*count, 4 * page_size);
        EXPECT_EQ(world.text(View::durable), "");
        EXPECT_EQ(world.text(), std::string(*count, 'a'));
    }
}

TEST(DiskFaults, ReadLessThanAsked) {
    Options options;
    options.disk.short_read = one_in(1);
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskWorld world(seed, options);
        ASSERT_TRUE(world.write(0, pages('a', 4)).ok());
        Result<size_t> count = world.node.run(read_once(world.node.world(), 4 * page_size));
        ASSERT_TRUE(count.ok());
        EXPECT_GT(*count, 0u);
        EXPECT_LT(*count, 4 * page_size);
    }
}

TEST(DiskFaults, FailAWriteAndLeaveSomeOfItBehind) {
    std::set<std::string> outcomes;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskWorld world(seed);
        ASSERT_TRUE(world.write(0, pages('a', 2)).ok());
        world.disk().fail_next_write("data/log");
        Result<void> written = world.write(0, pages('b', 2));
        EXPECT_EQ(written.error().code, ErrorCode::io_error);
        outcomes.insert({world.text().front(), world.text().back()});
        EXPECT_TRUE(world.write(0, "c").ok());
    }
    EXPECT_EQ(outcomes, (std::set<std::string>{"aa", "ab", "ba", "bb"}));
}

TEST(DiskFaults, ForgetWhatAFailedSyncShouldHaveCovered) {
    DiskWorld world(1);
    ASSERT_TRUE(world.write(0, "old", Sync::data).ok());
    ASSERT_TRUE(world.write(0, "new").ok());
    world.disk().fail_next_sync("data/log");
    EXPECT_EQ(world.sync().error().code, ErrorCode::io_error);
    EXPECT_EQ(world.text(), "new");       // looks written
    EXPECT_TRUE(world.sync().ok());       // and the next sync lies
    EXPECT_EQ(world.text(View::durable), "old");
    world.simulation.run_for(3600s);
    EXPECT_EQ(world.text(), "old");       // until the page is evicted
}

TEST(DiskFaults, FailTheSyncOfAWrite) {
    DiskWorld world(1);
    ASSERT_TRUE(world.write(0, "old", Sync::data).ok());
    world.disk().fail_next_sync("data/log");
    EXPECT_EQ(world.write(0, "new", Sync::data).error().code, ErrorCode::io_error);
    EXPECT_EQ(world.text(), "new");
    world.disk().evict();
    EXPECT_EQ(world.text(), "old");
}

TEST(DiskFaults, KeepWhatIsWrittenAfterAFailedSync) {
    DiskWorld world(1);
    ASSERT_TRUE(world.write(0, "old").ok());
    world.disk().fail_next_sync("data/log");
    EXPECT_FALSE(world.sync().ok());
    ASSERT_TRUE(world.write(0, "new", Sync::data).ok());
    world.simulation.run_for(3600s);
    world.node.lose_power();
    EXPECT_EQ(world.text(), "new");
}

TEST(DiskFaults, FailReadsOfAPageUntilItIsOverwritten) {
    DiskWorld world(1);
    ASSERT_TRUE(world.write(0, pages('a', 3)).ok());
    world.disk().fail_reads("data/log", page_size + 7);
    EXPECT_TRUE(world.read(0, page_size).ok());
    EXPECT_EQ(world.read(page_size, 1).error().code, ErrorCode::io_error);
    EXPECT_EQ(world.read(0, 3 * page_size).error().code, ErrorCode::io_error);
    EXPECT_TRUE(world.read(2 * page_size, page_size).ok());
    ASSERT_TRUE(world.write(page_size, pages('b')).ok());
    EXPECT_TRUE(world.read(0, 3 * page_size).ok());
}

TEST(DiskFaults, LoseAWriteThatWasAcknowledged) {
    DiskWorld world(1);
    ASSERT_TRUE(world.write(0, "old", Sync::data).ok());
    world.disk().lose_next_write("data/log");
    EXPECT_TRUE(world.write(0, "new", Sync::data).ok());
    EXPECT_EQ(world.text(), "old");
}

TEST(DiskFaults, WriteToTheWrongPlace) {
    DiskWorld world(1);
    ASSERT_TRUE(world.write(0, pages('a', 2), Sync::data).ok());
    world.disk().misdirect_next_write("data/log", "data/log", page_size);
    EXPECT_TRUE(world.write(0, pages('b'), Sync::data).ok());
    EXPECT_EQ(world.text(View::durable), pages('a') + pages('b'));
}

TEST(DiskFaults, FillTheDisk) {
    DiskWorld world(1);
    ASSERT_TRUE(world.write(0, pages('a', 2)).ok());
    world.disk().set_capacity(3 * page_size);
    EXPECT_EQ(world.node.run(world.node.world().disk.space("data"))->free_bytes, page_size);
    Result<size_t> count = world.node.run(write_once(world.node.world(), pages('b', 5)));
    EXPECT_EQ(*count, 2 * page_size);  // up to the end of what it had, as there is no room for all
    EXPECT_EQ(world.write(2 * page_size, pages('c', 2)).error().code, ErrorCode::storage_full);
    EXPECT_TRUE(world.write(0, pages('d', 2)).ok());  // what it has can be written again
    world.disk().set_capacity(uint64_t{1} << 30);
    EXPECT_TRUE(world.write(2 * page_size, pages('c', 2)).ok());
}

TEST(DiskFaults, RefuseNewFilesOnAFullDisk) {
    DiskWorld world(1);
    world.disk().set_capacity(0);
    World& inside = world.node.world();
    auto opened = world.node.run(inside.disk.open("data/x", OpenMode::create, false));
    EXPECT_EQ(opened.error().code, ErrorCode::storage_full);
    EXPECT_EQ(world.node.run(inside.disk.make_directory("data/deep")).error().code, ErrorCode::storage_full);
}

// Each class at random: how often a hundred writes, syncs and reads meet an error or other bytes.
struct Met {
    int errors = 0;
    int changed = 0;
};
Met meet(Options options) {
    Met met;
    DiskWorld world(3, std::move(options));
    for (int round = 0; round < 100; ++round) {
        std::string text = pages(static_cast<char>('a' + round % 26), 4);
        met.errors += world.write(0, text).ok() ? 0 : 1;
        met.errors += world.sync().ok() ? 0 : 1;
        Result<std::string> read = world.read(0, text.size());
        met.errors += read.ok() ? 0 : 1;
        met.changed += read.ok() && *read != text ? 1 : 0;
    }
    return met;
}

TEST(DiskFaults, HappenAtRandomInTheirClass) {
    EXPECT_EQ(meet(Options()).errors + meet(Options()).changed, 0);
    Options options;
    options.disk.write_error = one_in(10);
    EXPECT_GT(meet(options).errors, 3);
    options = Options();
    options.disk.sync_error = one_in(10);
    EXPECT_GT(meet(options).errors, 3);
    options = Options();
    options.disk.read_error = one_in(10);
    EXPECT_GT(meet(options).errors, 3);
    options = Options();
    options.disk.rot = one_in(10);
    EXPECT_GT(meet(options).changed, 3);
    EXPECT_EQ(meet(options).errors, 0);
    options = Options();
    options.disk.short_read = one_in(3);
    options.disk.short_write = one_in(3);
    EXPECT_EQ(meet(options).errors + meet(options).changed, 0);  // write_fully and read_fully go on
}

TEST(DiskFaults, StallOperations) {
    Options options;
    options.disk.stall = one_in(10);
    DiskWorld world(1, options);
    Instant start = world.simulation.now();
    for (int round = 0; round < 50; ++round) ASSERT_TRUE(world.write(0, "x").ok());
    EXPECT_GT(world.simulation.now() - start, 3s);
}

}  // namespace
}  // namespace ironbark::simulation
