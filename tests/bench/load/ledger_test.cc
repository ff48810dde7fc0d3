#include "bench/load/ledger.h"

#include <gtest/gtest.h>
#include <string>

namespace ironbark::bench {
namespace {

constexpr size_t record_size = 64;

// Twelve records over two partitions, all acknowledged: record n of a partition at offset n.
struct LedgerTest : testing::Test {
    Ledger ledger{2, 12};
    Pattern pattern{record_size};

    LedgerTest() {
        for (size_t number = 0; number < ledger.records(); ++number) {
            const auto turn = static_cast<int64_t>(number / 2);
            ledger.entry(number) = {turn, 100 + static_cast<Nanoseconds>(number), 1, Fate::acknowledged};
        }
    }
    std::string value(size_t number) { return std::string(pattern.record(static_cast<int64_t>(number))); }
    // Reads the records of partition 1 whole, and these of partition 0, from offset 0 on.
    Findings read(const std::vector<size_t>& numbers) {
        Verifier verifier(ledger, record_size);
        for (size_t number = 1; number < ledger.records(); number += 2) {
            verifier.take(1, static_cast<int64_t>(number / 2), value(number));
        }
        int64_t offset = 0;
        for (const size_t number : numbers) verifier.take(0, offset++, value(number));
        return verifier.finish();
    }
};

TEST_F(LedgerTest, FindsNothingWhereAllIsRight) {
    const Findings findings = read({0, 2, 4, 6, 8, 10});
    EXPECT_TRUE(findings.is_whole());
    EXPECT_EQ(findings.read, 12u);
    EXPECT_EQ(findings.confirmed, 12u);
}

TEST_F(LedgerTest, CountsWhatIsMissingAtTheEnd) {
    const Findings findings = read({0, 2, 4});
    EXPECT_EQ(findings.missing, 3u);
    EXPECT_EQ(findings.confirmed, 9u);
    EXPECT_EQ(findings.reordered, 0u);
    EXPECT_FALSE(findings.is_whole());
}

TEST_F(LedgerTest, FindsThoseBehindAMissingOneNotWhereTheirReceiptsSay) {
    const Findings findings = read({0, 2, 6, 8, 10});
    EXPECT_EQ(findings.missing, 1u);
    EXPECT_EQ(findings.reordered, 3u);
}

TEST_F(LedgerTest, CountsASecondCopy) {
    const Findings findings = read({0, 2, 4, 6, 8, 10, 10});
    EXPECT_EQ(findings.duplicated, 1u);
    EXPECT_EQ(findings.missing, 0u);
}

TEST_F(LedgerTest, CountsRecordsThatChangedPlaces) {
    const Findings findings = read({0, 2, 6, 4, 8, 10});
    EXPECT_EQ(findings.reordered, 2u);  // neither is where its receipt says
}

TEST_F(LedgerTest, CountsALaterRecordBeforeAnEarlierOneWithoutReceipts) {
    for (const size_t number : {4u, 6u}) ledger.entry(number).fate = Fate::unknown;
    EXPECT_EQ(read({0, 2, 6, 4, 8, 10}).reordered, 1u);
}

TEST_F(LedgerTest, CountsAnAlteredRecordOnceAndNotAsMissing) {
    Verifier verifier(ledger, record_size);
    for (size_t number = 0; number < ledger.records(); ++number) {
        std::string bytes = value(number);
        if (number == 4) bytes.back() ^= 1;
        verifier.take(number % 2, static_cast<int64_t>(number / 2), bytes);
    }
    const Findings findings = verifier.finish();
    EXPECT_EQ(findings.altered, 1u);
    EXPECT_EQ(findings.missing, 0u);
}

TEST_F(LedgerTest, TakesNoRecordOfAnotherPartitionNorOneThatIsNoRecord) {
    Verifier verifier(ledger, record_size);
    verifier.take(0, 0, value(1));
    verifier.take(0, 1, value(4711));
    verifier.take(0, 2, std::nullopt);
    verifier.take(0, 3, "short");
    const Findings findings = verifier.finish();
    EXPECT_EQ(findings.altered, 4u);
    EXPECT_EQ(findings.missing, 12u);
}

TEST_F(LedgerTest, TakesAnUnknownRecordWhetherItIsThereOrNot) {
    ledger.entry(10).fate = Fate::unknown;
    EXPECT_TRUE(read({0, 2, 4, 6, 8, 10}).is_whole());
    EXPECT_TRUE(read({0, 2, 4, 6, 8}).is_whole());
}

TEST_F(LedgerTest, CountsARefusedRecordThatIsThere) {
    ledger.entry(10).fate = Fate::refused;
    EXPECT_EQ(read({0, 2, 4, 6, 8, 10}).contradicted, 1u);
    EXPECT_TRUE(read({0, 2, 4, 6, 8}).is_whole());
}

TEST_F(LedgerTest, KnowsWhenALaterLeaderAcknowledgedFirst) {
    ledger.entry(6).leader_epoch = 2;
    ledger.entry(8).leader_epoch = 2;
    EXPECT_EQ(ledger.first_later(0, 101, 1), 106);
    EXPECT_EQ(ledger.first_later(0, 107, 1), 108);
    EXPECT_EQ(ledger.first_later(0, 101, 2), std::nullopt);
    EXPECT_EQ(ledger.first_later(1, 101, 1), std::nullopt);
}

}  // namespace
}  // namespace ironbark::bench
