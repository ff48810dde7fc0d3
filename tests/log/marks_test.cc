#include "log/marks.h"

#include <gtest/gtest.h>

#include "log/limits.h"
#include "runtime/base/encoding.h"
#include "tests/log/printing.h"
#include "tests/log/record/samples.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::log {
namespace {

using record::from_hex;
using record::sample_partition;
using record::to_hex;

constexpr const char* marks_path = "data/marks-0";
const Uuid marks_owner = Uuid::from_words(1, 2);

PartitionMarks sample_marks() {
    PartitionMarks marks;
    marks.identity = sample_partition;
    marks.log_start = Offset(5);
    marks.high_watermark = Offset(70);
    marks.durable_watermark = Offset(60);
    marks.floor = Floor{Offset(77), Offset(42), 81920, 0x1122334455667788, Epoch(3)};
    marks.epoch_starts = {{Epoch(1), Offset(0)}, {Epoch(3), Offset(50)}};
    return marks;
}

PartitionMarks changed_marks() {
    PartitionMarks marks = sample_marks();
    marks.unfinished = Unfinished::restart;
    marks.abandoned_end = Offset(90);
    return marks;
}

PartitionMarks marks_from(int32_t partition, int64_t log_start = 0) {
    PartitionMarks marks;
    marks.identity = {sample_partition.topic, PartitionIndex(partition)};
    marks.log_start = Offset(log_start);
    return marks;
}

// A process that has marks open, which die with it.
struct MarksProgram {
    std::unique_ptr<Marks> marks;
};

class MarksTest : public testing::Test {
  protected:
    MarksTest() {
        start();
        EXPECT_TRUE(run(node.world().disk.make_directory("data")).ok());
        EXPECT_TRUE(run(node.world().disk.sync_directory(".")).ok());
        open();
    }
    void start() {
        program = &node.start([](World&) { return std::make_unique<MarksProgram>(); });
    }
    Marks* marks() { return program->marks.get(); }
    template <typename T>
    T run(Task<T> task) {
        return node.run(std::move(task));
    }
    Result<void> try_open() {
        Result<std::unique_ptr<Marks>> opened = run(Marks::open(node.world(), marks_path, marks_owner));
        if (!opened.ok()) return opened.error();
        program->marks = std::move(opened).value();
        return {};
    }
    void open() { ASSERT_TRUE(try_open().ok()); }
    void close() {
        run(marks()->close());
        program->marks.reset();
    }
    void lose_power() {
        node.lose_power();
        start();
        open();
    }
    void commit() { ASSERT_TRUE(run(marks()->commit()).ok()); }
    const PartitionMarks* find(int32_t partition) {
        return marks()->find({sample_partition.topic, PartitionIndex(partition)});
    }

    simulation::Simulation simulation{1};
    simulation::Node& node = simulation.node("n1");
    MarksProgram* program = nullptr;
};

TEST_F(MarksTest, AreWhatWasSetAndCommitted) {
    marks()->set(sample_marks());
    commit();
    lose_power();
    ASSERT_NE(marks()->find(sample_partition), nullptr);
    EXPECT_TRUE(*marks()->find(sample_partition) == sample_marks());
    EXPECT_EQ(marks()->all().size(), 1u);
    EXPECT_EQ(find(1), nullptr);
}

TEST_F(MarksTest, AreForgottenWithThePowerUntilTheyAreCommitted) {
    marks()->set(marks_from(1, 5));
    commit();
    marks()->set(marks_from(1, 6));
    marks()->set(marks_from(2));
    lose_power();
    EXPECT_EQ(find(1)->log_start, Offset(5));
    EXPECT_EQ(find(2), nullptr);
}

TEST_F(MarksTest, OfAPartitionThatWasRemovedAreGone) {
    marks()->set(marks_from(1));
    marks()->set(marks_from(2));
    commit();
    marks()->remove(marks_from(1).identity);
    commit();
    lose_power();
    EXPECT_EQ(find(1), nullptr);
    EXPECT_NE(find(2), nullptr);
}

TEST_F(MarksTest, RememberACleanStopUntilTheNextStart) {
    EXPECT_EQ(marks()->clean_stop(), std::nullopt);
    marks()->set_clean_stop(Incarnation(9));
    commit();
    lose_power();
    EXPECT_EQ(marks()->clean_stop(), Incarnation(9));
    marks()->set_clean_stop(std::nullopt);
    commit();
    lose_power();
    EXPECT_EQ(marks()->clean_stop(), std::nullopt);
}

TEST_F(MarksTest, ManyChangesAreOneCommit) {
    uint64_t before = marks()->journal_bytes();
    for (int32_t partition = 0; partition < 40; ++partition) marks()->set(marks_from(partition));
    commit();
    EXPECT_EQ(marks()->journal_bytes() - before, block_size);
}

TEST_F(MarksTest, AreRewrittenWhenTheJournalIsLong) {
    for (int64_t round = 0; round < 20; ++round) {
        for (int32_t partition = 0; partition < 8000; ++partition) marks()->set(marks_from(partition, round));
        commit();
        EXPECT_LE(marks()->journal_bytes(), journal_rewrite_bytes + (uint64_t{1} << 20));
    }
    lose_power();
    EXPECT_EQ(marks()->all().size(), 8000u);
    EXPECT_EQ(find(7999)->log_start, Offset(19));
}

TEST_F(MarksTest, WithADamagedEntryKeepTheOthersAndAreWrittenAnew) {
    for (int32_t partition : {1, 2, 3}) {
        marks()->set(marks_from(partition));
        commit();
    }
    close();
    node.disk().rot(marks_path, 2 * block_size + 40);
    open();
    EXPECT_EQ(marks()->health().commits_lost, 1u);
    EXPECT_TRUE(find(1) != nullptr && find(2) == nullptr && find(3) != nullptr);
    close();
    open();
    EXPECT_EQ(marks()->health().commits_lost, 0u);
    EXPECT_TRUE(find(1) != nullptr && find(3) != nullptr);
}

TEST_F(MarksTest, WithADamagedHeadAreAllThereAndAreWrittenAnew) {
    marks()->set(marks_from(1));
    commit();
    close();
    node.disk().rot(marks_path, 0);
    open();
    EXPECT_TRUE(marks()->health().head_damaged);
    EXPECT_NE(find(1), nullptr);
    close();
    open();
    EXPECT_FALSE(marks()->health().head_damaged);
    EXPECT_NE(find(1), nullptr);
}

TEST_F(MarksTest, WithADamagedHeadOpenOnAFullDisk) {
    marks()->set(marks_from(1));
    commit();
    close();
    node.disk().rot(marks_path, 0);
    node.disk().set_capacity(node.disk().used_bytes());
    open();
    EXPECT_NE(find(1), nullptr);
}

TEST_F(MarksTest, OfANewerVersionAreRefusedAndNotForgotten) {
    close();
    std::unique_ptr<Journal> journal = run(Journal::open(node.world(), marks_path, marks_owner)).value();
    journal->append({99, 1, 2, 3});
    ASSERT_TRUE(run(journal->commit()).ok());
    run(journal->close());
    EXPECT_EQ(try_open().error().code, ErrorCode::unsupported_version);
    EXPECT_EQ(try_open().error().code, ErrorCode::unsupported_version);
}

// Computed by another program (Python's struct).
TEST(MarksRecord, HasTheseBytes) {
    EXPECT_EQ(to_hex(encode_marks(sample_marks())),
              to_hex(from_hex("01 0f1e2d3c4b5a469788796a5b4c3d2e1f 07000000 0500000000000000 4600000000000000"
                              "3c00000000000000 01 4d00000000000000 2a00000000000000 0040010000000000 8877665544332211"
                              "03000000 02000000 01000000 0000000000000000 03000000 3200000000000000")));
    EXPECT_EQ(to_hex(encode_marks(marks_from(7))),
              to_hex(from_hex("01 0f1e2d3c4b5a469788796a5b4c3d2e1f 07000000 0000000000000000 0000000000000000"
                              "0000000000000000 00 00000000")));
    EXPECT_EQ(to_hex(encode_marks(changed_marks())),
              to_hex(from_hex("05 0f1e2d3c4b5a469788796a5b4c3d2e1f 07000000 0500000000000000 4600000000000000"
                              "3c00000000000000 01 4d00000000000000 2a00000000000000 0040010000000000 8877665544332211"
                              "03000000 02000000 01000000 0000000000000000 03000000 3200000000000000"
                              "02 5a00000000000000")));
}

TEST_F(MarksTest, OfTheOtherKindsHaveTheseBytes) {
    marks()->set(marks_from(7));
    marks()->set_clean_stop(Incarnation(9));
    commit();
    marks()->remove(marks_from(7).identity);
    marks()->set_clean_stop(std::nullopt);
    commit();
    close();
    std::unique_ptr<Journal> journal = run(Journal::open(node.world(), marks_path, marks_owner)).value();
    std::vector<JournalRecord> records = journal->take_contents().records;
    run(journal->close());
    ASSERT_EQ(records.size(), 4u);
    EXPECT_EQ(to_hex(records[1]), to_hex(from_hex("03 0900000000000000")));
    EXPECT_EQ(to_hex(records[2]), to_hex(from_hex("02 0f1e2d3c4b5a469788796a5b4c3d2e1f 07000000")));
    EXPECT_EQ(to_hex(records[3]), to_hex(from_hex("04 0000000000000000")));
}

TEST(MarksRecord, GivesItsFieldsBack) {
    EXPECT_TRUE(decode_marks(encode_marks(sample_marks())) == sample_marks());
    EXPECT_TRUE(decode_marks(encode_marks(marks_from(7, 3))) == marks_from(7, 3));
    PartitionMarks marks = changed_marks();
    EXPECT_TRUE(decode_marks(encode_marks(marks)) == marks);
    marks.abandoned_end = Offset();
    EXPECT_TRUE(decode_marks(encode_marks(marks)) == marks);
    marks.unfinished = Unfinished::cut;
    EXPECT_TRUE(decode_marks(encode_marks(marks)) == marks);
    JournalRecord unknown = encode_marks(marks);
    unknown[unknown.size() - 9] = 3;
    EXPECT_FALSE(decode_marks(unknown));
}

TEST(MarksRecord, CutOffOrWithMoreBehindItIsNone) {
    for (const PartitionMarks& marks : {sample_marks(), changed_marks()}) {
        JournalRecord record = encode_marks(marks);
        for (size_t size = 0; size < record.size(); ++size) {
            EXPECT_FALSE(decode_marks(Bytes(record).first(size))) << size;
        }
        record.push_back(0);
        EXPECT_FALSE(decode_marks(record));
    }
}

}  // namespace
}  // namespace ironbark::log
