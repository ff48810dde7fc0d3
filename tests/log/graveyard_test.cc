#include "log/graveyard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/limits.h"
#include "tests/log/printing.h"
#include "tests/log/record/samples.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::log {
namespace {

using testing::HasSubstr;
using Names = std::vector<std::string>;

constexpr const char* directory = "partition";
constexpr uint64_t plenty = uint64_t{1} << 30;

BuriedRange sample_range(int64_t time = record::sample_time) {
    BuriedRange range;
    range.identity = record::sample_partition;
    range.first = Offset(42);
    range.end = Offset(50);
    range.epoch = Epoch(3);
    range.time = Timestamp(time);
    range.reason = "cut";
    return range;
}

// The head of such a burial, of one block. The checksums were computed by another program.
std::string head_line(const std::string& checksum, const std::string& first_offset) {
    return R"({"bytes":4096,"checksum":")" + checksum + R"(","end_offset":50,"first_offset":)" + first_offset +
           R"(,"ironbark":"graveyard 1","new_epoch":3,"partition":7,"reason":"cut","time_ms":1700000000000,)" +
           R"("topic":"0f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f"})";
}

// A process that has a segment open, which dies with it.
struct SegmentProgram {
    std::unique_ptr<File> file;
};

class GraveyardTest : public testing::Test {
  protected:
    GraveyardTest() {
        start();
        EXPECT_TRUE(run(world->disk.make_directory(directory)).ok());
        EXPECT_TRUE(run(world->disk.sync_directory(".")).ok());
        for (char letter = 'a'; letter < 'e'; ++letter) log += std::string(block_size, letter);
        node.disk().replace("partition/0.log", as_bytes(log));
        open();
    }
    void start() {
        program = &node.start([](World&) { return std::make_unique<SegmentProgram>(); });
        world = &node.world();
    }
    void open() { program->file = run(world->disk.open("partition/0.log", OpenMode::read, true)).value(); }
    File* file() { return program->file.get(); }
    template <typename T>
    T run(Task<T> task) {
        return node.run(std::move(task));
    }
    Result<void> bury_bytes(uint64_t begin, uint64_t end, BuriedRange range = sample_range(), uint64_t most = plenty) {
        std::vector<BuriedBytes> parts;
        parts.push_back({file(), begin, end});
        Result<Timestamp> buried = run(bury(world, directory, std::move(range), std::move(parts), most));
        return buried.ok() ? Result<void>() : Result<void>(buried.error());
    }
    Names list() { return run(list_graveyard(world, directory)).value(); }
    std::string path(size_t index = 0) { return std::string(directory) + "/graveyard/" + list().at(index); }
    std::string read(size_t index = 0) { return std::string(as_text(node.disk().read(path(index)))); }

    simulation::Simulation simulation{1};
    simulation::Node& node = simulation.node("n1");
    World* world = nullptr;
    std::string log;
    SegmentProgram* program = nullptr;
};

TEST_F(GraveyardTest, IsEmptyWhereNothingWasBuried) {
    EXPECT_EQ(list(), Names{});
}

TEST_F(GraveyardTest, KeepsTheBlocksThatHoldTheBytes) {
    ASSERT_TRUE(bury_bytes(block_size + 100, 2 * block_size + 1).ok());
    ASSERT_EQ(list().size(), 1u);
    EXPECT_EQ(read().size(), 3 * block_size);
    EXPECT_EQ(read().substr(block_size), std::string(block_size, 'b') + std::string(block_size, 'c'));
}

TEST_F(GraveyardTest, JoinsThePartsOfSeveralFiles) {
    std::vector<BuriedBytes> parts;
    parts.push_back({file(), 3 * block_size, 4 * block_size});
    parts.push_back({file(), 0, block_size});
    ASSERT_TRUE(run(bury(world, directory, sample_range(), std::move(parts), plenty)).ok());
    EXPECT_EQ(read().substr(block_size), std::string(block_size, 'd') + std::string(block_size, 'a'));
}

TEST_F(GraveyardTest, SaysWhatWasBuried) {
    ASSERT_TRUE(bury_bytes(0, 2 * block_size).ok());
    Result<BuriedRange> head = run(read_buried_head(world, path()));
    ASSERT_TRUE(head.ok());
    EXPECT_EQ(head->identity, record::sample_partition);
    EXPECT_EQ(head->first, Offset(42));
    EXPECT_EQ(head->end, Offset(50));
    EXPECT_EQ(head->epoch, Epoch(3));
    EXPECT_EQ(head->time, Timestamp(record::sample_time));
    EXPECT_EQ(head->reason, "cut");
    EXPECT_EQ(head->bytes, 2 * block_size);
}

TEST_F(GraveyardTest, HasThisHead) {
    ASSERT_TRUE(bury_bytes(0, block_size).ok());
    const std::string line = head_line("1017860235f46cbb", "42");
    EXPECT_EQ(read().substr(0, block_size), line + "\n" + std::string(block_size - line.size() - 1, '\0'));
    EXPECT_EQ(list().front(), "00000001700000000000-00000000000000000042.grave");
}

TEST_F(GraveyardTest, ListsTheOldestFirst) {
    ASSERT_TRUE(bury_bytes(0, block_size, sample_range(5000)).ok());
    ASSERT_TRUE(bury_bytes(0, block_size, sample_range(700)).ok());
    EXPECT_THAT(list().at(0), HasSubstr("05000-"));
    EXPECT_THAT(list().at(1), HasSubstr("05001-")) << "the clock went back, the order stays";
}

TEST_F(GraveyardTest, KeepsBurialsOfOneMomentApart) {
    for (const uint64_t end : {uint64_t{4}, uint64_t{5}}) {
        ASSERT_TRUE(bury_bytes(0, end * block_size, sample_range(9)).ok());
    }
    ASSERT_EQ(list().size(), 2u);
    EXPECT_EQ(run(read_buried_head(world, path(0)))->bytes, 4 * block_size);
    EXPECT_EQ(run(read_buried_head(world, path(1)))->bytes, 5 * block_size);
}

TEST_F(GraveyardTest, LetsTheOldestGoWhenThereIsTooMuch) {
    for (int64_t time : {1, 2, 3}) ASSERT_TRUE(bury_bytes(0, block_size, sample_range(time), 4 * block_size).ok());
    ASSERT_EQ(list().size(), 2u);
    EXPECT_EQ(run(read_buried_head(world, path(0)))->time, Timestamp(2));
}

TEST_F(GraveyardTest, KeepsTheNewestHoweverLarge) {
    ASSERT_TRUE(bury_bytes(0, 4 * block_size, sample_range(1), 1).ok());
    ASSERT_TRUE(bury_bytes(0, 4 * block_size, sample_range(2), 1).ok());
    ASSERT_EQ(list().size(), 1u);
    EXPECT_EQ(run(read_buried_head(world, path(0)))->time, Timestamp(2));
}

TEST_F(GraveyardTest, IsOnDiskBeforeItIsSaidToBe) {
    ASSERT_TRUE(bury_bytes(0, block_size).ok());
    node.lose_power();
    start();
    ASSERT_EQ(list().size(), 1u);
    EXPECT_EQ(read().substr(block_size), std::string(block_size, 'a'));
}

TEST_F(GraveyardTest, HasNoHalfFiles) {
    const simulation::DiskImage image = node.disk().snapshot();
    for (uint64_t step = 1; step < 12; ++step) {
        node.kill();
        node.disk().restore(image);
        start();
        open();
        std::vector<BuriedBytes> parts;
        parts.push_back({file(), 0, 4 * block_size});
        node.disk().stop_after(step, simulation::Crash::power_loss);
        bool ended = node.try_run(bury(world, directory, sample_range(), std::move(parts), plenty)).has_value();
        node.disk().stop_never();
        if (node.is_running()) node.lose_power();
        start();
        for (size_t index = 0; index < list().size(); ++index) EXPECT_EQ(read(index).substr(block_size), log);
        EXPECT_EQ(list().size(), ended ? 1u : list().size());
    }
}

TEST_F(GraveyardTest, RemovesWhatAnInterruptedBurialLeft) {
    ASSERT_TRUE(bury_bytes(0, block_size).ok());
    node.disk().replace("partition/graveyard/1-2.grave.new", as_bytes("half"));
    EXPECT_EQ(list().size(), 1u) << "it is not listed";
    ASSERT_TRUE(bury_bytes(0, block_size, sample_range(5)).ok());
    EXPECT_FALSE(node.disk().exists("partition/graveyard/1-2.grave.new"));
}

TEST_F(GraveyardTest, LeavesNothingBehindWhenTheDiskIsFull) {
    ASSERT_TRUE(run(world->disk.make_directory("partition/graveyard")).ok());
    node.disk().set_capacity(node.disk().used_bytes() + block_size);
    EXPECT_EQ(bury_bytes(0, 4 * block_size).error().code, ErrorCode::storage_full);
    EXPECT_TRUE(run(world->disk.list("partition/graveyard"))->empty());
}

TEST_F(GraveyardTest, RefusesBytesThatCannotBeRead) {
    node.disk().fail_reads("partition/0.log", block_size);
    EXPECT_EQ(bury_bytes(0, 4 * block_size).error().code, ErrorCode::io_error);
    EXPECT_TRUE(list().empty());
}

TEST_F(GraveyardTest, TakesNoOtherFileForAGrave) {
    const char* heads[] = {"", "\n", "{}\n", "not json\n", "[1,2,3]\n", "{\"ironbark\":\"graveyard 2\"}\n"};
    for (const char* head : heads) {
        node.disk().replace("partition/any", as_bytes(head));
        EXPECT_EQ(run(read_buried_head(world, "partition/any")).error().code, ErrorCode::corrupt_data) << head;
    }
    ASSERT_TRUE(bury_bytes(0, block_size).ok());
    std::string good = read();
    for (const char* key :
         {"ironbark", "topic", "partition", "first_offset", "end_offset", "new_epoch", "time_ms", "reason", "bytes"}) {
        std::string bad = good;
        bad[bad.find(key)] = 'X';
        node.disk().replace("partition/any", as_bytes(bad));
        EXPECT_EQ(run(read_buried_head(world, "partition/any")).error().code, ErrorCode::corrupt_data) << key;
    }
    EXPECT_EQ(run(read_buried_head(world, "partition/missing")).error().code, ErrorCode::not_found);
}

TEST_F(GraveyardTest, WithADamagedHeadIsRefused) {
    ASSERT_TRUE(bury_bytes(0, block_size).ok());
    std::string bytes = read();
    for (size_t at = 0; bytes[at] != '\n'; ++at) {
        bytes[at] ^= 1;
        node.disk().replace("partition/any", as_bytes(bytes));
        EXPECT_EQ(run(read_buried_head(world, "partition/any")).error().code, ErrorCode::corrupt_data) << at;
        bytes[at] ^= 1;
    }
}

// Heads with a good checksum, as a faulty program would write them.
TEST_F(GraveyardTest, TakesNoAbsurdNumberForAnOffset) {
    for (const std::string& head : {head_line("f2ffb7bfe3ea6471", "4.5"), head_line("df39ef89728b0497", "-1"),
                                    head_line("c839f95f52096741", "\"42\""), head_line("33ec03bb83c753c8", "null")}) {
        node.disk().replace("partition/any", as_bytes(head));
        Result<BuriedRange> decoded = run(read_buried_head(world, "partition/any"));
        ASSERT_FALSE(decoded.ok()) << head;
        EXPECT_STREQ(decoded.error().text, "not the head of a graveyard file");
    }
}

}  // namespace
}  // namespace ironbark::log
