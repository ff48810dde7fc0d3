// Rules of runtime/io/world.h whose breach ends the test program.
#include "runtime/task/scope.h"
#include "tests/simulation/disk_fixture.h"

namespace ironbark::simulation {
namespace {

Task<void> write_at(World& world, uint64_t position, size_t begin, size_t size) {
    Result<std::unique_ptr<File>> file = co_await world.disk.open("data/log", OpenMode::read_write, true);
    ASSERT(file.ok());
    std::vector<BufferSlice> slices;
    slices.push_back(BufferSlice(world.buffers.take(65'536), begin, size));
    static_cast<void>(co_await (*file)->write(position, std::move(slices), Sync::no));
    co_await (*file)->close();
}

TEST(DiskRulesDeathTest, DirectWritesAreAligned) {
    DiskWorld world(1);
    World& inside = world.node.world();
    EXPECT_DEATH(world.node.run(write_at(inside, 512, 0, 4096)), "a position that is not a multiple of 4096: 512");
    EXPECT_DEATH(world.node.run(write_at(inside, 0, 0, 100)), "a size that is not a multiple of 4096: 100");
    EXPECT_DEATH(world.node.run(write_at(inside, 0, 64, 4096)), "memory that is not aligned");
}

Task<void> write_slice(File* file, BufferSlice slice) {
    std::vector<BufferSlice> slices;
    slices.push_back(std::move(slice));
    static_cast<void>(co_await file->write(0, std::move(slices), Sync::no));
}

Task<void> change_in_flight(World& world) {
    Result<std::unique_ptr<File>> file = co_await world.disk.open("data/log", OpenMode::read_write, false);
    ASSERT(file.ok());
    BufferSlice slice = world.buffers.copy_of(as_bytes("unchanged"));
    Scope scope(world.executor);
    scope.spawn(write_slice(file->get(), slice));
    co_await sleep_for(world.executor, 1us);
    slice.data()[0] = 'X';
    co_await scope.join();
    co_await (*file)->close();
}

TEST(DiskRulesDeathTest, BuffersInFlightDoNotChange) {
    DiskWorld world(1);
    EXPECT_DEATH(world.node.run(change_in_flight(world.node.world())),
                 "changed while its write was in flight(.|\n)*seed 1");
}

Task<void> write_beside(World& world, uint64_t first, uint64_t second) {
    Scope scope(world.executor);
    scope.spawn(write_at(world, first, 0, 8192));
    scope.spawn(write_at(world, second, 0, 8192));
    co_await scope.join();
}

TEST(DiskRulesDeathTest, WritesInFlightDoNotOverlap) {
    Options options;
    options.disk.write = Latency{1s, 1us};
    DiskWorld world(1, options);
    EXPECT_DEATH(world.node.run(write_beside(world.node.world(), 0, 4096)),
                 "overlap in data/log: a change of .*\\.\\..* and then a change of");
    world.node.run(write_beside(world.node.world(), 0, 8192));
}

Task<void> forget_to_close(World& world) {
    Result<std::unique_ptr<File>> file = co_await world.disk.open("data/log", OpenMode::read, false);
    ASSERT(file.ok());
}

TEST(DiskRulesDeathTest, FilesAreClosedBeforeTheyAreDestroyed) {
    DiskWorld world(1);
    EXPECT_DEATH(world.node.run(forget_to_close(world.node.world())), "destroyed before it was closed");
}

TEST(DiskRulesDeathTest, ADiskIsNotReplacedUnderARunningNode) {
    DiskWorld world(1);
    EXPECT_DEATH(world.disk().restore(DiskImage()), "restore while the node is running");
}

TEST(DiskRulesDeathTest, ScriptsNameFilesThatAreThere) {
    DiskWorld world(1);
    EXPECT_DEATH(world.disk().rot("data/lgo", 0), "there is no file data/lgo");
    EXPECT_DEATH(world.disk().rot("data/log", 0), "rot beyond the end");
}

}  // namespace
}  // namespace ironbark::simulation
