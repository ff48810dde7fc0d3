#include "log/data_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "tests/log/printing.h"
#include "tests/log/record/samples.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::log {
namespace {

using simulation::Crash;
using testing::HasSubstr;

// A process that has a directory open, and its lock until it dies.
struct Program {
    std::unique_ptr<DataDirectory> directory;
};

class DataDirectoryTest : public testing::Test {
  protected:
    DataDirectoryTest() { start(); }
    void start() {
        program = &node.start([](World&) { return std::make_unique<Program>(); });
        world = &node.world();
    }
    std::unique_ptr<DataDirectory>& directory() { return program->directory; }
    template <typename T>
    T run(Task<T> task) {
        return node.run(std::move(task));
    }
    Result<void> open() {
        problem.clear();
        Result<std::unique_ptr<DataDirectory>> opened = run(DataDirectory::open(world, "data", &problem));
        if (!opened.ok()) return opened.error();
        directory() = std::move(opened).value();
        return {};
    }
    void restart(Crash how = Crash::kill) {
        node.crash(how);
        start();
    }
    std::string identity_text() { return std::string(as_text(node.disk().read("data/identity"))); }
    void write_identity(const std::string& text) { node.disk().replace("data/identity", as_bytes(text)); }

    simulation::Simulation simulation{1};
    simulation::Node& node = simulation.node("n1");
    World* world = nullptr;
    Program* program = nullptr;
    std::string problem;
};

TEST_F(DataDirectoryTest, IsMadeWithAnIdentityThatStays) {
    ASSERT_TRUE(open().ok());
    const DirectoryIdentity made = directory()->identity();
    EXPECT_FALSE(made.directory.is_zero());
    EXPECT_TRUE(made.cluster.is_zero()) << "it belongs to none yet";
    restart(Crash::power_loss);
    ASSERT_TRUE(open().ok());
    EXPECT_EQ(directory()->identity().directory, made.directory);
    EXPECT_EQ(directory()->identity().cluster, made.cluster);
    EXPECT_EQ(run(world->disk.list("data")).value(),
              (std::vector<std::string>{"identity", "lock", "partitions", "pool"}));
}

TEST_F(DataDirectoryTest, JoinsOneClusterForGood) {
    ASSERT_TRUE(open().ok());
    const Uuid cluster = Uuid::from_words(1, 2);
    EXPECT_TRUE(run(directory()->join_cluster(world, cluster, &problem)).ok());
    EXPECT_TRUE(run(directory()->join_cluster(world, cluster, &problem)).ok()) << "again is no harm";
    restart(Crash::power_loss);
    ASSERT_TRUE(open().ok());
    EXPECT_EQ(directory()->identity().cluster, cluster);
    Result<void> other = run(directory()->join_cluster(world, Uuid::from_words(3, 4), &problem));
    EXPECT_EQ(other.error().code, ErrorCode::foreign_data);
    EXPECT_NE(problem.find("belongs to the cluster " + cluster.to_string()), std::string::npos) << problem;
    EXPECT_EQ(directory()->identity().cluster, cluster);
}

TEST_F(DataDirectoryTest, IsMadeOnceWhereverThatIsInterrupted) {
    for (uint64_t step = 1; step < 12; ++step) {
        for (Crash how : {Crash::kill, Crash::power_loss}) {
            simulation::Simulation other(step);
            simulation::Node& machine = other.node("n1");
            machine.boot();
            machine.disk().stop_after(step, how);
            machine.try_run(DataDirectory::open(&machine.world(), "data", &problem));
            machine.disk().stop_never();
            if (machine.is_running()) machine.crash(how);
            problem.clear();
            EXPECT_TRUE(machine.run(DataDirectory::open(&machine.boot(), "data", &problem)).ok()) << problem;
        }
    }
}

TEST_F(DataDirectoryTest, IsLockedForOthersAsLongAsItIsOpen) {
    ASSERT_TRUE(open().ok());
    std::unique_ptr<DataDirectory> first = std::move(directory());
    EXPECT_EQ(open().error().code, ErrorCode::locked);
    EXPECT_EQ(problem,
              "data is in use by another ironbarkd. Stop that one, or choose another directory with --data-dir.");
    first.reset();
    EXPECT_TRUE(open().ok());
}

TEST_F(DataDirectoryTest, IsNotLockedByAProcessThatDied) {
    ASSERT_TRUE(open().ok());
    restart(Crash::kill);
    EXPECT_TRUE(open().ok());
}

TEST_F(DataDirectoryTest, WithFilesOfOthersIsLeftAlone) {
    ASSERT_TRUE(run(world->disk.make_directory("data")).ok());
    node.disk().replace("data/thesis.txt", as_bytes("years of work"));
    EXPECT_EQ(open().error().code, ErrorCode::foreign_data);
    EXPECT_THAT(problem, HasSubstr("data is not a data directory of Ironbark"));
    EXPECT_THAT(problem, HasSubstr("Nothing was changed"));
    EXPECT_EQ(run(world->disk.list("data")).value(), std::vector<std::string>{"thesis.txt"});
}

TEST_F(DataDirectoryTest, MayBeTheRootOfAFileSystem) {
    ASSERT_TRUE(run(world->disk.make_directory("data")).ok());
    ASSERT_TRUE(run(world->disk.make_directory("data/lost+found")).ok());
    EXPECT_TRUE(open().ok());
}

TEST_F(DataDirectoryTest, OfANewerVersionIsRefused) {
    ASSERT_TRUE(open().ok());
    restart();
    std::string text = identity_text();
    write_identity(text.replace(text.find("format 1"), 8, "format 2"));
    EXPECT_EQ(open().error().code, ErrorCode::unsupported_version);
    EXPECT_THAT(problem, HasSubstr("Use the version that wrote it, or a newer one"));
}

TEST_F(DataDirectoryTest, WithADamagedIdentityIsRefusedAndNotMadeAnew) {
    ASSERT_TRUE(open().ok());
    restart();
    const std::string good = identity_text();
    for (std::string bad : {std::string(), std::string("ironbark"), good.substr(0, 80), good + "x",
                            std::string(good).replace(50, 1, good[50] == '0' ? "1" : "0"), std::string(5000, 'x')}) {
        write_identity(bad);
        EXPECT_EQ(open().error().code, ErrorCode::corrupt_data);
        EXPECT_THAT(problem, HasSubstr("data/identity"));
        EXPECT_THAT(problem, HasSubstr("Restore it from a copy; the records are untouched"));
        EXPECT_EQ(identity_text(), bad);
    }
}

TEST_F(DataDirectoryTest, ThatCannotBeWrittenIsRefusedWithAReason) {
    node.disk().set_capacity(0);
    EXPECT_FALSE(open().ok());
    EXPECT_THAT(problem, HasSubstr("data"));
    node.disk().set_capacity(uint64_t{1} << 40);
    EXPECT_TRUE(open().ok()) << problem;
}

TEST_F(DataDirectoryTest, ThatIsAFileIsRefusedWithAReason) {
    node.disk().replace("data", as_bytes("a file"));
    EXPECT_FALSE(open().ok());
    EXPECT_THAT(problem, HasSubstr("the data directory data"));
}

TEST_F(DataDirectoryTest, HasThisIdentityFile) {
    const char* text =
        "ironbark data directory, format 1\n"
        "directory 0f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f\n"
        "cluster 1f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f\n"
        "checksum ae6e37724fa590bc\n";
    ASSERT_TRUE(open().ok());
    restart();
    write_identity(text);
    ASSERT_TRUE(open().ok()) << problem;
    EXPECT_EQ(directory()->identity().directory, record::sample_partition.topic);
}

// Shards

PartitionMarks marks_of(int32_t partition) {
    PartitionMarks marks;
    marks.identity = {record::sample_partition.topic, PartitionIndex(partition)};
    marks.log_start = Offset(partition);
    return marks;
}

TEST_F(DataDirectoryTest, HasShardsThatPartitionsBelongToByTheirIdentity) {
    std::vector<int> partitions(4);
    for (int32_t number = 0; number < 400; ++number) ++partitions[shard_of(marks_of(number).identity, 4)];
    for (int count : partitions) EXPECT_GT(count, 50);
    EXPECT_EQ(shard_of(marks_of(7).identity, 1), 0u);
}

TEST_F(DataDirectoryTest, GivesEachShardTheMarksOfItsPartitions) {
    ASSERT_TRUE(open().ok());
    auto open_marks = [&](size_t shard) {
        return run(Marks::open(*world, directory()->marks_path(shard), directory()->identity().directory)).value();
    };
    std::unique_ptr<Marks> single = open_marks(0);
    for (int32_t number = 0; number < 50; ++number) single->set(marks_of(number));
    ASSERT_TRUE(run(single->commit()).ok());
    run(single->close());
    for (size_t shards : {3u, 5u, 2u, 1u}) {
        ASSERT_TRUE(run(directory()->spread_marks(world, shards)).ok());
        size_t found = 0;
        for (size_t shard = 0; shard < shards; ++shard) {
            std::unique_ptr<Marks> marks = open_marks(shard);
            for (const auto& [identity, values] : marks->all()) {
                EXPECT_EQ(shard_of(identity, shards), shard);
                EXPECT_TRUE(values == marks_of(identity.partition.value));
                ++found;
            }
            run(marks->close());
        }
        EXPECT_EQ(found, 50u);
        EXPECT_FALSE(node.disk().exists(directory()->marks_path(shards))) << "no shard has it";
    }
}

TEST_F(DataDirectoryTest, LosesNoMarksWhereverTheirMoveIsInterrupted) {
    ASSERT_TRUE(open().ok());
    std::unique_ptr<Marks> single =
        run(Marks::open(*world, directory()->marks_path(0), directory()->identity().directory)).value();
    for (int32_t number = 0; number < 10; ++number) single->set(marks_of(number));
    ASSERT_TRUE(run(single->commit()).ok());
    run(single->close());
    single.reset();
    node.kill();
    const simulation::DiskImage image = node.disk().snapshot();
    for (uint64_t step = 1; step < 60; step += 2) {
        node.disk().restore(image);
        start();
        ASSERT_TRUE(open().ok());
        node.disk().stop_after(step, Crash::power_loss);
        node.try_run(directory()->spread_marks(world, 3));
        node.disk().stop_never();
        if (node.is_running()) node.kill();
        start();
        ASSERT_TRUE(open().ok());
        ASSERT_TRUE(run(directory()->spread_marks(world, 1)).ok());
        std::unique_ptr<Marks> back =
            run(Marks::open(*world, directory()->marks_path(0), directory()->identity().directory)).value();
        EXPECT_EQ(back->all().size(), 10u) << step;
        run(back->close());
        node.kill();
    }
}

TEST_F(DataDirectoryTest, GivesEachFileOfThePoolToOneShard) {
    ASSERT_TRUE(open().ok());
    for (int number = 0; number < 40; ++number) node.disk().replace("data/pool/f" + std::to_string(number), {});
    std::set<std::string> all;
    for (size_t shard = 0; shard < 3; ++shard) {
        std::vector<std::string> names = run(directory()->pool_files(world, shard, 3)).value();
        for (const std::string& name : names) {
            EXPECT_TRUE(all.insert(name).second) << name;
        }
    }
    EXPECT_EQ(all.size(), 40u);
}

}  // namespace
}  // namespace ironbark::log
