// Logs that a broker refuses because promised records are damaged, and what an operator can do about it.

#include "tools/offline/accept_loss.h"

#include <gtest/gtest.h>

#include "tests/broker/service/broker_world.h"

namespace ironbark::tools {
namespace {

using broker::AckLevel;
using broker::BrokerWorld;
using broker::OffsetPlace;
using broker::ReceiptSeen;
using broker::Seen;
using simulation::Crash;

constexpr int64_t records_written = 12;

std::string value_of(int64_t number) {
    return std::to_string(number) + std::string(20'000, 'x');
}

// A topic of several segments, three records each, on the disk of a broker that has stopped.
struct AcceptLossTest {
    explicit AcceptLossTest(uint64_t seed = 1) : world(1, broker::small_config(), {}, seed) {
        partition = world.make_topic("t", {.settings = {{"segment.bytes", "64KiB"}}});
        for (int64_t number = 0; number < records_written; ++number) {
            world.produce(partition, broker::make_batch(partition, {value_of(number)}));
        }
        world.stop();
        for (const std::string& path : world.files_of(partition)) {
            if (path.ends_with(".log")) segments.push_back(path);
        }
    }
    std::string directory() const { return "/data/partitions/" + partition.to_string(); }
    Offset base_of(size_t segment) const {
        const std::string& path = segments.at(segment);
        return *log::offset_of_file_name(path.substr(path.rfind('/') + 1), log::log_suffix);
    }
    Expected<LossFound> run(const std::string& path, bool is_accepted) {
        World& offline = world.server.boot();
        Expected<LossFound> found = world.server.run(accept_loss(&offline, path, is_accepted));
        world.server.end();
        return found;
    }
    LossFound look() { return run(directory(), false).value(); }
    LossFound accept() { return run(directory(), true).value(); }
    // Whether the broker serves the partition; if not, what it says.
    std::string refusal() {
        world.start();
        std::string hint =
            world.list(partition, OffsetPlace::end).said.ok() ? "" : world.produce(partition, {}).said.hint;
        world.stop();
        return hint;
    }
    // The broker starts and has just these records; it takes new ones, and has them after another crash.
    void expect_records(int64_t first, int64_t end) {
        world.start();
        EXPECT_EQ(world.list(partition, OffsetPlace::start).offset, first);
        std::vector<Seen> expected;
        for (int64_t number = first; number < end; ++number) expected.push_back({number, value_of(number)});
        EXPECT_EQ(world.read_all(partition, first), expected);
        ReceiptSeen receipt = world.produce(partition, broker::make_batch(partition, {"new"}));
        EXPECT_TRUE(receipt.said.ok()) << receipt.said;
        EXPECT_EQ(receipt.base, end);
        world.lose_power();
        world.start();
        expected.push_back({end, "new"});
        EXPECT_EQ(world.read_all(partition, first), expected);
        world.stop();
    }
    size_t graves() {
        size_t count = 0;
        for (const std::string& path : world.files_of(partition)) count += path.ends_with(".grave") ? 1 : 0;
        return count;
    }
    void rot(size_t segment, uint64_t position) { world.server.disk().rot(segments.at(segment), position); }

    BrokerWorld world;
    PartitionIdentity partition;
    std::vector<std::string> segments;
};

constexpr uint64_t in_the_head = 100;
constexpr uint64_t in_the_first_record = log::block_size + 5000;

TEST(AcceptLoss, ALogThatOpensLosesNothing) {
    AcceptLossTest test;
    LossFound found = test.accept();
    EXPECT_EQ(found.problem, "");
    EXPECT_FALSE(found.is_accepted);
    EXPECT_EQ(test.graves(), 0u);
    test.expect_records(0, records_written);
}

TEST(AcceptLoss, TheRefusalNamesTheCommand) {
    AcceptLossTest test;
    test.rot(test.segments.size() - 1, in_the_head);
    std::string said = test.refusal();
    EXPECT_NE(said.find("`ironbark log accept-loss " + test.directory() + "`"), std::string::npos) << said;
    EXPECT_NE(said.find("Restore it from a copy"), std::string::npos) << said;
}

TEST(AcceptLoss, LookingChangesNothing) {
    AcceptLossTest test;
    test.rot(1, in_the_head);
    LossFound found = test.look();
    EXPECT_NE(found.problem, "");
    ASSERT_TRUE(found.lost);
    EXPECT_FALSE(found.is_accepted);
    EXPECT_EQ(test.graves(), 0u);
    EXPECT_NE(test.refusal(), "");
    for (const std::string& path : test.segments) EXPECT_TRUE(test.world.server.disk().exists(path)) << path;
}

TEST(AcceptLoss, BehindDamagedRecordsTheLogEndsBeforeThem) {
    AcceptLossTest test;
    const size_t newest = test.segments.size() - 1;
    // Without snapshots, all of it is read.
    for (const std::string& path : test.world.files_of(test.partition)) {
        if (path.ends_with(".producers")) test.world.server.disk().remove(path);
    }
    test.rot(newest, in_the_first_record);
    EXPECT_NE(test.refusal(), "");
    LossFound found = test.accept();
    EXPECT_TRUE(found.is_accepted);
    EXPECT_EQ(found.remaining, "");
    EXPECT_EQ(found.lost->first, test.base_of(newest));
    EXPECT_EQ(found.lost->end.value, records_written);
    EXPECT_EQ(test.graves(), 1u);
    test.expect_records(0, test.base_of(newest).value);
}

TEST(AcceptLoss, ADamagedHeadInTheMiddleCostsWhatIsBeforeIt) {
    AcceptLossTest test;
    test.rot(1, in_the_head);
    LossFound found = test.accept();
    EXPECT_EQ(found.lost->first.value, 0);
    EXPECT_EQ(found.lost->end, test.base_of(2));
    EXPECT_EQ(test.graves(), 1u);
    test.expect_records(test.base_of(2).value, records_written);
}

TEST(AcceptLoss, AMissingSegmentCostsWhatIsBeforeItsEnd) {
    AcceptLossTest test;
    test.world.server.disk().remove(test.segments[1]);
    EXPECT_EQ(test.accept().lost->end, test.base_of(2));
    test.expect_records(test.base_of(2).value, records_written);
}

TEST(AcceptLoss, AMissingFirstSegmentCostsItsRecords) {
    AcceptLossTest test;
    test.world.server.disk().remove(test.segments[0]);
    EXPECT_EQ(test.accept().lost->end, test.base_of(1));
    test.expect_records(test.base_of(1).value, records_written);
}

TEST(AcceptLoss, ADamagedNewestHeadCostsItsRecords) {
    AcceptLossTest test;
    const size_t newest = test.segments.size() - 1;
    test.rot(newest, in_the_head);
    LossFound found = test.accept();
    EXPECT_EQ(found.lost->first, test.base_of(newest));
    EXPECT_EQ(found.lost->end.value, records_written);
    test.expect_records(0, test.base_of(newest).value);
}

TEST(AcceptLoss, WithAllHeadsDamagedTheLogGoesOnEmptyAtItsEnd) {
    AcceptLossTest test;
    for (size_t segment = 0; segment < test.segments.size(); ++segment) test.rot(segment, in_the_head);
    LossFound found = test.accept();
    EXPECT_EQ(found.lost->first.value, 0);
    EXPECT_EQ(found.lost->end.value, records_written);
    EXPECT_EQ(test.graves(), 1u);
    test.expect_records(records_written, records_written);
}

TEST(AcceptLoss, WithoutAnyFileTheLogGoesOnEmptyAtItsEnd) {
    AcceptLossTest test;
    for (const std::string& path : test.world.files_of(test.partition)) test.world.server.disk().remove(path);
    EXPECT_NE(test.refusal(), "");
    EXPECT_EQ(test.accept().lost->end.value, records_written);
    test.expect_records(records_written, records_written);
}

TEST(AcceptLoss, WhatTheDiskCannotReadIsGivenUpToo) {
    AcceptLossTest test;
    const size_t newest = test.segments.size() - 1;
    for (const std::string& path : test.world.files_of(test.partition)) {
        if (path.ends_with(".producers")) test.world.server.disk().remove(path);
    }
    test.world.server.disk().fail_reads(test.segments[newest], in_the_first_record);
    EXPECT_NE(test.refusal(), "");
    EXPECT_TRUE(test.accept().is_accepted);
    EXPECT_EQ(test.graves(), 1u);
    test.expect_records(0, test.base_of(newest).value);
}

TEST(AcceptLoss, OneDamageIsAcceptedAtATime) {
    AcceptLossTest test;
    const size_t newest = test.segments.size() - 1;
    for (const std::string& path : test.world.files_of(test.partition)) {
        if (path.ends_with(".producers")) test.world.server.disk().remove(path);
    }
    test.rot(1, in_the_head);
    test.rot(newest, in_the_first_record);
    LossFound first = test.accept();
    EXPECT_TRUE(first.is_accepted);
    EXPECT_EQ(first.lost->end, test.base_of(2));
    EXPECT_NE(first.remaining, "");
    LossFound second = test.accept();
    EXPECT_EQ(second.lost->first, test.base_of(newest));
    EXPECT_EQ(second.remaining, "");
    test.expect_records(test.base_of(2).value, test.base_of(newest).value);
}

TEST(AcceptLoss, InterruptedAnywhereItCanBeRepeated) {
    for (bool is_tail : {false, true}) {
        bool has_ended = false;
        for (uint64_t step = 1; !has_ended; ++step) {
            SCOPED_TRACE(std::to_string(step) + (is_tail ? " tail" : " head"));
            AcceptLossTest test(step);
            const size_t newest = test.segments.size() - 1;
            if (is_tail) {
                test.world.server.disk().remove(test.directory() + "/" +
                                                log::segment_file_name(Offset(records_written), log::producers_suffix));
            }
            test.rot(is_tail ? newest : 1, is_tail ? in_the_first_record : in_the_head);
            World& offline = test.world.server.boot();
            test.world.server.disk().stop_after(step, Crash::power_loss);
            auto found = test.world.server.try_run(accept_loss(&offline, test.directory(), true));
            test.world.server.disk().stop_never();
            has_ended = found.has_value();
            if (has_ended) test.world.server.end();
            LossFound again = test.accept();
            EXPECT_EQ(again.remaining, "");
            is_tail ? test.expect_records(0, test.base_of(newest).value)
                    : test.expect_records(test.base_of(2).value, records_written);
            if (testing::Test::HasFailure()) return;
        }
    }
}

TEST(AcceptLoss, NeedsAStoppedDaemon) {
    AcceptLossTest test;
    test.world.start();
    Expected<LossFound> found = test.world.server.run(accept_loss(&test.world.server.world(), test.directory(), true));
    ASSERT_FALSE(found.ok());
    EXPECT_NE(found.error().hint.find("in use by another ironbarkd"), std::string::npos) << found.error().hint;
}

TEST(AcceptLoss, MakesNoDirectoryWhereThereIsNone) {
    AcceptLossTest test;
    for (const std::string& path : {std::string("/data"), std::string("/data/partitions/t-0"),
                                    "/elsewhere/partitions/" + test.partition.to_string()}) {
        EXPECT_FALSE(test.run(path, true).ok()) << path;
    }
    for (const std::string& path : test.world.server.disk().files()) EXPECT_TRUE(path.starts_with("data/")) << path;
}

}  // namespace
}  // namespace ironbark::tools
