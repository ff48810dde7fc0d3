// The records of a voter's journal and the head of a snapshot, byte by byte; and which records can follow which.
#include "broker/voter/records.h"

#include "broker/voter/snapshot_head.h"
#include "broker/voter/stored_log.h"
#include "tests/broker/voter/voter_world.h"
#include "tests/log/record/samples.h"

namespace ironbark::consensus::testing {
namespace {

using record::from_hex;
using record::to_hex;

std::vector<StoredRecord> all_kinds() {
    Membership joint = *three_voters().replacing({VoterId(2), Uuid::from_words(9, 9)});
    return {StoredVoter{Uuid::from_words(1, 2)},
            StoredTerm{cluster, Term(7), std::nullopt},
            StoredTerm{cluster, Term(7), voter(3)},
            no_op(4, 2),
            entry(5, 3, "command"),
            entry(6, 3, ""),
            first_entry(),
            Entry{LogIndex(9), Term(4), EntryKind::membership, nullptr, std::make_shared<Membership>(joint)},
            StoredTruncation{LogIndex(5)},
            StoredReset{LogIndex(70)}};
}

TEST(VoterRecords, ReadAsTheyWereWritten) {
    for (const StoredRecord& record : all_kinds()) {
        const std::vector<uint8_t> bytes = encode(record);
        Result<StoredRecord> decoded = decode(bytes);
        ASSERT_TRUE(decoded.ok());
        EXPECT_EQ(decoded->index(), record.index());
        EXPECT_EQ(to_hex(encode(*decoded)), to_hex(bytes));
        EXPECT_EQ(encoded_size(record), bytes.size() + 4);
    }
}

TEST(VoterRecords, CutShortOrTooLongAreRefused) {
    for (const StoredRecord& record : all_kinds()) {
        const std::vector<uint8_t> bytes = encode(record);
        auto* one = std::get_if<Entry>(&record);
        const bool is_open_ended = one != nullptr && one->kind == EntryKind::command;
        for (size_t size = 0; size < (is_open_ended ? 17 : bytes.size()); ++size) {
            EXPECT_EQ(decode(Bytes(bytes).first(size)).error().code, ErrorCode::corrupt_data) << size;
        }
        std::vector<uint8_t> longer = bytes;
        longer.push_back(0);
        EXPECT_EQ(decode(longer).ok(), is_open_ended);
    }
}

// Computed by another program (Python's struct).
TEST(VoterRecords, HaveTheseBytes) {
    const std::string directory = "0000000000004002a000000000000002";
    EXPECT_EQ(to_hex(encode(StoredVoter{*Uuid::parse("00000000-0000-4002-a000-000000000002")})), "01" + directory);
    const Uuid id = *Uuid::parse("00000000-0000-4002-a000-000000000002");
    EXPECT_EQ(to_hex(encode(StoredTerm{id, Term(258), Voter{VoterId(3), id}})),
              "02" + directory + "0201000000000000" + "01" + "03000000" + directory);
    EXPECT_EQ(to_hex(encode(StoredTerm{id, Term(258), std::nullopt})), "02" + directory + "0201000000000000" + "00");
    EXPECT_EQ(to_hex(encode(no_op(5, 2))), "0305000000000000000200000000000000");
    EXPECT_EQ(to_hex(encode(entry(6, 2, "abc"))), "0406000000000000000200000000000000616263");
    Membership one{id, {{VoterId(1), id}}, std::nullopt};
    Entry membership{LogIndex(1), Term(1), EntryKind::membership, nullptr, std::make_shared<Membership>(one)};
    EXPECT_EQ(to_hex(encode(membership)),
              "0501000000000000000100000000000000" + directory + "01" + "01000000" + directory + "00");
    EXPECT_EQ(to_hex(encode(StoredTruncation{LogIndex(5)})), "060500000000000000");
    EXPECT_EQ(to_hex(encode(StoredReset{LogIndex(70)})), "074600000000000000");
}

// Computed by another program (Python's struct, and libxxhash).
TEST(VoterRecords, ASnapshotsHeadHasTheseBytes) {
    const Uuid id = *Uuid::parse("00000000-0000-4002-a000-000000000002");
    Membership one{id, {{VoterId(1), id}}, std::nullopt};
    Snapshot snapshot{LogIndex(70), Term(3), std::make_shared<Membership>(one),
                      LogIndex(1),  300'000, 0x1122334455667788};
    std::vector<uint8_t> golden = from_hex(
        "3ca7e070cae786d7 234942534e415031 0000000000004002a000000000000002"
        "4600000000000000 0300000000000000 0100000000000000 e093040000000000 8877665544332211"
        "0000000000004002a000000000000002 01 01000000 0000000000004002a000000000000002 00");
    golden.resize(log::block_size);
    EXPECT_EQ(to_hex(encode_head(snapshot, id)), to_hex(golden));
    EXPECT_EQ(file_name(place_of(snapshot)), "00000000000000000070-00000000000000000003.snapshot");
    EXPECT_EQ(checksum_of({1, 2}, 300'000), uint64_t{0x49ce98f75d92870a});
    Result<Snapshot> decoded = decode_head(golden, id);
    ASSERT_TRUE(decoded.ok());
    EXPECT_TRUE(decoded->is_same(snapshot));
    EXPECT_EQ(*decoded->membership, one);
}

TEST(VoterRecords, ASnapshotsFileNameIsReadStrictly) {
    EXPECT_TRUE(parse_file_name("00000000000000000070-00000000000000000003.snapshot"));
    for (const char* name :
         {"70-3.snapshot", "0000000000000000007x-00000000000000000003.snapshot",
          "00000000000000000070-00000000000000000003.snapshot.new",
          "+0000000000000000070-00000000000000000003.snapshot", "00000000000000000070_00000000000000000003.snapshot"}) {
        EXPECT_FALSE(parse_file_name(name)) << name;
    }
}

TEST(StoredLogTest, RefusesWhatCannotFollow) {
    const StoredRecord itself = StoredVoter{Uuid::from_words(1, 2)};
    const StoredRecord term = StoredTerm{cluster, Term(5), voter(1)};
    const StoredRecord second = no_op(2, 5);
    struct Case {
        const char* what;
        std::vector<StoredRecord> before;
        StoredRecord next;
    };
    const Case cases[] = {
        {"no voter", {}, term},
        {"two voters", {itself}, itself},
        {"a lower term", {itself, term}, StoredTerm{cluster, Term(4), std::nullopt}},
        {"another vote", {itself, term}, StoredTerm{cluster, Term(5), voter(2)}},
        {"a vote taken back", {itself, term}, StoredTerm{cluster, Term(5), std::nullopt}},
        {"another cluster", {itself, term}, StoredTerm{Uuid::from_words(6, 6), Term(6), std::nullopt}},
        {"a gap", {itself, first_entry()}, no_op(3, 5)},
        {"an entry twice", {itself, first_entry()}, first_entry()},
        {"a log that begins late", {itself}, second},
        {"a first entry that forms nothing", {itself}, no_op(1, 1)},
        {"a lower term of an entry", {itself, first_entry(), second}, no_op(3, 4)},
        {"a cut in front of the log", {itself, StoredReset{LogIndex(5)}}, StoredTruncation{LogIndex(5)}},
        {"a cut behind the log", {itself, first_entry()}, StoredTruncation{LogIndex(2)}},
        {"a reset to the past", {itself, StoredReset{LogIndex(5)}}, StoredReset{LogIndex(4)}},
    };
    for (const Case& one : cases) {
        StoredLog log;
        for (const StoredRecord& record : one.before) ASSERT_TRUE(log.apply(record).ok()) << one.what;
        EXPECT_EQ(log.apply(one.next).error().code, ErrorCode::corrupt_data) << one.what;
    }
}

TEST(StoredLogTest, ItsRecordsComeToTheSame) {
    StoredLog log;
    for (const StoredRecord& record :
         std::vector<StoredRecord>{StoredVoter{Uuid::from_words(1, 2)}, StoredTerm{cluster, Term(5), voter(1)},
                                   first_entry(), entry(2, 2, "a"), entry(3, 2, "b"), entry(4, 2, "c"),
                                   StoredTruncation{LogIndex(4)}, entry(4, 3, "d"), entry(5, 3, "e")}) {
        ASSERT_TRUE(log.apply(record).ok());
    }
    log.forget(LogIndex(2));
    StoredLog again;
    uint64_t bytes = 0;
    for (const std::vector<uint8_t>& record : log.records()) {
        Result<StoredRecord> decoded = decode(record);
        ASSERT_TRUE(decoded.ok() && again.apply(*decoded).ok());
        if (std::holds_alternative<Entry>(*decoded)) bytes += record.size() + 4;
    }
    EXPECT_EQ(again.records(), log.records());
    EXPECT_EQ(again.base(), LogIndex(2));
    EXPECT_EQ(again.last(), LogIndex(5));
    EXPECT_EQ(again.term_at(LogIndex(4)), Term(3));
    EXPECT_EQ(again.term_at(LogIndex(2)), std::nullopt);
    EXPECT_EQ(log.bytes(), bytes);
    EXPECT_EQ(log.bytes_up_to(LogIndex(5)), bytes);
}

}  // namespace
}  // namespace ironbark::consensus::testing
