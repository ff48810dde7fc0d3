// The simulated disk without faults: what any file system does. And what a script can see and change.
#include "tests/simulation/simulated_disk.h"

#include <algorithm>

#include "runtime/task/scope.h"
#include "tests/simulation/disk_fixture.h"

namespace ironbark::simulation {
namespace {

Task<Result<void>> open_and_close(World& world, std::string path, OpenMode mode) {
    CO_TRY(std::unique_ptr<File> file, co_await world.disk.open(path, mode, false));
    co_await file->close();
    co_return Result<void>();
}

ErrorCode code_of(const Result<void>& result) { return result.ok() ? ErrorCode::none : result.error().code; }

TEST(SimulatedDisk, OpensAsAsked) {
    DiskWorld world(1);
    auto open = [&](const char* path, OpenMode mode) {
        return code_of(world.node.run(open_and_close(world.node.world(), path, mode)));
    };
    EXPECT_EQ(open("data/x", OpenMode::read), ErrorCode::not_found);
    EXPECT_EQ(open("data/x", OpenMode::read_write), ErrorCode::not_found);
    EXPECT_EQ(open("data/x", OpenMode::create), ErrorCode::none);
    EXPECT_EQ(open("data/x", OpenMode::create), ErrorCode::already_exists);
    EXPECT_EQ(open("data/x", OpenMode::open_or_create), ErrorCode::none);
    EXPECT_EQ(open("nowhere/x", OpenMode::create), ErrorCode::not_found);
    EXPECT_EQ(open("data", OpenMode::read), ErrorCode::io_error);
}

TEST(SimulatedDisk, ReadsZerosWhereNothingWasWritten) {
    DiskWorld world(1);
    ASSERT_TRUE(world.write(10'000, "x").ok());
    Result<std::string> text = world.read(0, 20'000);
    ASSERT_TRUE(text.ok());
    EXPECT_EQ(*text, std::string(10'000, '\0') + "x");
}

Task<void> allocate_and_cut(World& world) {
    Result<std::unique_ptr<File>> opened = co_await world.disk.open("data/log", OpenMode::read_write, true);
    ASSERT(opened.ok());
    File& file = **opened;
    EXPECT_TRUE(file.is_direct());
    EXPECT_TRUE((co_await file.allocate(0, 65'536)).ok());
    EXPECT_TRUE((co_await file.allocate(0, 4096)).ok());  // never shrinks
    Result<uint64_t> size = co_await file.size();
    EXPECT_EQ(*size, 65'536u);
    std::vector<BufferSlice> slices;
    slices.push_back(world.buffers.copy_of(as_bytes(pages('a', 4))));
    EXPECT_TRUE((co_await write_fully(file, 8192, std::move(slices), Sync::no)).ok());
    EXPECT_TRUE((co_await file.truncate(10'000)).ok());
    EXPECT_TRUE((co_await file.truncate(65'536)).ok());
    co_await (*opened).get()->close();
    EXPECT_EQ((co_await file.sync()).error().code, ErrorCode::closed);
}

TEST(SimulatedDisk, AllocatesAndCutsFiles) {
    DiskWorld world(1);
    world.node.run(allocate_and_cut(world.node.world()));
    EXPECT_EQ(world.text(), std::string(8192, '\0') + std::string(1808, 'a') + std::string(65'536 - 10'000, '\0'));
    EXPECT_EQ(world.disk().used_bytes(), 65'536u);
}

TEST(SimulatedDisk, RefusesDirectFilesWhereTheFileSystemDoes) {
    Options options;
    options.disk.direct_io = false;
    DiskWorld world(1, options);
    bool is_direct = world.node.run([](World& inside) -> Task<bool> {
        Result<std::unique_ptr<File>> file = co_await inside.disk.open("data/log", OpenMode::read_write, true);
        ASSERT(file.ok());
        co_await (*file)->close();
        co_return (*file)->is_direct();
    }(world.node.world()));
    EXPECT_FALSE(is_direct);
}

TEST(SimulatedDisk, ChangesNames) {
    DiskWorld world(1);
    Disk& disk = world.node.world().disk;
    auto run = [&](Task<Result<void>> change) { return code_of(world.node.run(std::move(change))); };
    EXPECT_EQ(run(disk.make_directory("/data/deep/")), ErrorCode::none);
    EXPECT_EQ(run(disk.make_directory("data/deep")), ErrorCode::none);
    EXPECT_EQ(run(disk.make_directory("data/log")), ErrorCode::already_exists);
    EXPECT_EQ(run(disk.make_directory("nowhere/deep")), ErrorCode::not_found);
    EXPECT_EQ(run(disk.rename("data/log", "data/deep/log")), ErrorCode::none);
    EXPECT_EQ(run(disk.rename("data/log", "data/x")), ErrorCode::not_found);
    EXPECT_EQ(run(disk.remove_directory("data/deep")), ErrorCode::already_exists);
    EXPECT_EQ(run(disk.remove("data/deep/log")), ErrorCode::none);
    EXPECT_EQ(run(disk.remove("data/deep/log")), ErrorCode::not_found);
    EXPECT_EQ(run(disk.remove_directory("data/deep")), ErrorCode::none);
    EXPECT_EQ(run(disk.sync_directory("data/deep")), ErrorCode::not_found);
    EXPECT_TRUE(world.disk().files().empty());
}

TEST(SimulatedDisk, ListsNamesInOrder) {
    DiskWorld world(1);
    for (const char* path : {"data/c", "data/a", "data/b"}) {
        ASSERT_TRUE(world.node.run(open_and_close(world.node.world(), path, OpenMode::create)).ok());
    }
    Result<std::vector<std::string>> names = world.node.run(world.node.world().disk.list("data"));
    ASSERT_TRUE(names.ok());
    EXPECT_EQ(*names, (std::vector<std::string>{"a", "b", "c", "log"}));
}

Task<void> read_after_remove(World& world) {
    Result<std::unique_ptr<File>> file = co_await world.disk.open("data/log", OpenMode::read, false);
    ASSERT(file.ok());
    ASSERT((co_await world.disk.remove("data/log")).ok());
    BufferSlice into(world.buffers.take(4096), 0, 4096);
    Result<size_t> count = co_await read_fully(**file, 0, into);
    EXPECT_EQ(*count, 7u);
    co_await (*file)->close();
}

TEST(SimulatedDisk, KeepsARemovedFileWhileItIsOpen) {
    DiskWorld world(1);
    ASSERT_TRUE(world.write(0, "written").ok());
    world.node.run(read_after_remove(world.node.world()));
    EXPECT_EQ(world.disk().used_bytes(), 0u);
}

using LockResult = Result<std::unique_ptr<DirectoryLock>>;

Task<void> hold_lock(World& world, bool* is_locked) {
    LockResult lock = co_await world.disk.lock("data/lock");
    *is_locked = lock.ok();
    co_await sleep_until(world.executor, never - 1ns);
}

TEST(SimulatedDisk, ReleasesALockWithItsProcess) {
    DiskWorld world(1);
    for (int start = 0; start < 2; ++start) {
        bool is_locked = false;
        world.node.spawn(hold_lock(world.node.world(), &is_locked));
        world.simulation.run_for(1s);
        EXPECT_TRUE(is_locked);
        LockResult second = world.node.run(world.node.world().disk.lock("data/lock"));
        EXPECT_EQ(second.error().code, ErrorCode::locked);
        world.node.kill();
        world.node.restart();
    }
    LockResult lock = world.node.run(world.node.world().disk.lock("data/lock"));
    EXPECT_TRUE(lock.ok());
    lock = ErrorCode::cancelled;  // gives it back
    EXPECT_TRUE(world.node.run(world.node.world().disk.lock("data/lock")).ok());
}

Task<void> write_page(File* file, World* world, uint64_t index, std::vector<uint64_t>* order) {
    std::vector<BufferSlice> slices;
    slices.push_back(world->buffers.copy_of(as_bytes(pages('a'))));
    ASSERT((co_await file->write(index * page_size, std::move(slices), Sync::no)).ok());
    order->push_back(index);
}

Task<void> write_beside(World& world, std::vector<uint64_t>* order) {
    Result<std::unique_ptr<File>> file = co_await world.disk.open("data/log", OpenMode::read_write, true);
    ASSERT(file.ok());
    Scope scope(world.executor);
    for (uint64_t index = 0; index < 10; ++index) scope.spawn(write_page(file->get(), &world, index, order));
    co_await scope.join();
    co_await (*file)->close();
}

TEST(SimulatedDisk, CompletesOperationsInAnyOrder) {
    int unordered = 0;
    for (uint64_t seed = 0; seed < 20; ++seed) {
        DiskWorld world(seed);
        std::vector<uint64_t> order;
        world.node.run(write_beside(world.node.world(), &order));
        EXPECT_EQ(order.size(), 10u);
        unordered += std::is_sorted(order.begin(), order.end()) ? 0 : 1;
    }
    EXPECT_EQ(unordered, 20);
}

TEST(SimulatedDisk, ShowsDurableAndVisibleBytes) {
    DiskWorld world(1);
    ASSERT_TRUE(world.write(0, "old", Sync::data).ok());
    ASSERT_TRUE(world.write(0, "newer").ok());
    EXPECT_EQ(world.text(), "newer");
    EXPECT_EQ(world.text(View::durable), "old");
    EXPECT_EQ(world.disk().size("data/log"), 5u);
    EXPECT_EQ(world.disk().size("data/log", View::durable), 3u);
}

TEST(SimulatedDisk, CanBeCopiedAndPutBack) {
    DiskWorld world(1);
    ASSERT_TRUE(world.write(0, "old").ok());
    DiskImage image = world.disk().snapshot();
    ASSERT_TRUE(world.write(0, "new", Sync::data).ok());
    world.node.kill();
    world.disk().restore(image);
    EXPECT_EQ(world.text(), "old");
    world.node.restart();
    EXPECT_EQ(*world.read(0, 10), "old");
    EXPECT_EQ(world.disk().snapshot().files(View::visible), (std::vector<std::string>{"data/log"}));
}

TEST(SimulatedDisk, LetsScriptsDamageFilesForGood) {
    DiskWorld world(1);
    ASSERT_TRUE(world.write(0, "abcdef").ok());
    world.disk().rot("data/log", 1, 0);
    EXPECT_EQ(world.text(), "accdef");
    world.disk().truncate("data/log", 3);
    EXPECT_EQ(world.text(View::durable), "acc");
    world.disk().replace("data/other", as_bytes("made"));
    EXPECT_EQ(text_of(world.node, "data/other", View::durable), "made");
    world.disk().remove("data/log");
    EXPECT_EQ(world.disk().files(View::durable), (std::vector<std::string>{"data/other"}));
}

}  // namespace
}  // namespace ironbark::simulation
