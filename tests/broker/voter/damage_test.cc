// Damage to what a voter keeps: refused, with a message that says the way out, or repaired; never taken for something
// else. Every row of the table of storage faults that other consensus stores got wrong is here or in store_test.cc.
// IRONBARK_VOTER_FLIPS=all flips a bit in every byte, not in some.
#include <cstdlib>

#include "log/journal.h"
#include "runtime/base/checksum.h"
#include "tests/broker/voter/voter_world.h"

namespace ironbark::consensus::testing {
namespace {

constexpr uint64_t block = log::block_size;

bool is_thorough() {
    return std::getenv("IRONBARK_VOTER_FLIPS") != nullptr;
}

// The next byte to flip: of each block the beginning, where the records are, closely; the rest here and there.
uint64_t next_byte(uint64_t byte) {
    if (is_thorough()) return byte + 1;
    return byte + (byte % block < 200 ? 11 : 1021);
}

// A voter with a history: terms, a vote, entries in several commits, a cut, two snapshots; stopped in order.
void live(VoterWorld& world) {
    ASSERT_TRUE(world.open().ok());
    world.fill(6);
    for (uint64_t index = 7; index <= 9; ++index) {
        world.store().take(append(index, {entry(index, 2, "more")}));
        world.events(1ms);
    }
    ASSERT_TRUE(world.make_snapshot(5, 2, some_records(2, 100)).ok());
    world.store().take(TruncateSuffix{WriteId(10), LogIndex(9)});
    world.store().take(term_and_vote(2, 4, 1));
    world.events(1ms);
    world.store().take(append(11, {entry(9, 4, "other"), entry(10, 4, std::string(5000, 'x'))}));
    world.events(1ms);
    ASSERT_TRUE(world.make_snapshot(8, 2, some_records(2, 400)).ok());
    world.store().take(term_and_vote(3, 6, 3));
    world.events(1ms);
    world.close();
}

// The snapshot 20/5, from a leader.
void receive_snapshot(VoterWorld& world) {
    Snapshot snapshot = described(20, 5);
    std::vector<uint8_t> bytes(10'000, 'x');
    snapshot.size_bytes = bytes.size();
    snapshot.checksum = checksum_of({xxh3(bytes, 0)}, bytes.size());
    world.store().take(WriteSnapshotChunk{snapshot, 0, std::make_shared<std::vector<uint8_t>>(bytes)});
    world.store().take(InstallSnapshot{snapshot});
    EXPECT_EQ(world.events(), "written 10000, installed 20/5");
}

// A voter whose log begins behind a snapshot that it was sent.
void live_behind_a_snapshot(VoterWorld& world) {
    live(world);
    ASSERT_TRUE(world.open().ok());
    receive_snapshot(world);
    world.store().take(ResetLog{WriteId(1), LogIndex(20)});
    world.store().take(append(2, {entry(21, 6, "next")}));
    EXPECT_EQ(world.events(), "log 1, log 2");
    world.close();
}

// Everything that lies on the disk, but for the journal's own rewriting at a start.
std::vector<std::vector<uint8_t>> all_files(VoterWorld& world) {
    std::vector<std::vector<uint8_t>> files;
    for (const std::string& file : world.disk().files()) files.push_back(world.disk().read(file));
    return files;
}

void expect_refused(VoterWorld& world,
                    const std::string& file,
                    const std::string& why,
                    ErrorCode code = ErrorCode::corrupt_data) {
    const auto before = all_files(world);
    Result<void> opened = world.open();
    ASSERT_FALSE(opened.ok()) << world.restored();
    EXPECT_EQ(opened.error().code, code);
    EXPECT_NE(world.problem.find(file), std::string::npos) << world.problem;
    EXPECT_NE(world.problem.find(why), std::string::npos) << world.problem;
    EXPECT_NE(world.problem.find("nothing was changed"), std::string::npos) << world.problem;
    EXPECT_TRUE(all_files(world) == before) << "nothing was changed";
}

std::string restored_of(VoterWorld& world) {
    EXPECT_TRUE(world.open().ok()) << world.problem;
    std::string text = world.restored();
    world.close();
    return text;
}

// Where the journal's commits end: behind them it is zero.
uint64_t used_size(VoterWorld& world) {
    std::vector<uint8_t> bytes = world.disk().read(journal_path);
    uint64_t size = bytes.size();
    while (size > block && is_zero(Bytes(bytes).subspan(size - block, block))) size -= block;
    return size;
}

TEST(VoterDamage, OfOneByteOfTheJournalLosesNothing) {
    VoterWorld world;
    live(world);
    const simulation::DiskImage image = world.disk().snapshot();
    const std::string before = restored_of(world);
    EXPECT_TRUE(before.starts_with("term 6 vote 3 snapshot 8/2 1/1:M ")) << before;
    world.restore(image);
    const uint64_t size = used_size(world);
    EXPECT_GE(size, 17 * block) << "seven commits, and one of two blocks";
    uint64_t flips = 0;
    for (uint64_t byte = 0; byte < size; byte = next_byte(byte)) {
        world.restore(image);
        world.disk().rot(journal_path, byte, static_cast<uint32_t>(byte % 8));
        ASSERT_EQ(restored_of(world), before) << byte;
        ASSERT_EQ(restored_of(world), before) << byte << ", once more";
        ++flips;
    }
    RecordProperty("flips", static_cast<int>(flips));
}

// Of both copies: whichever commit it is, the first, one in the middle or the last.
TEST(VoterDamage, OfBothCopiesIsRefused) {
    VoterWorld world;
    live(world);
    const simulation::DiskImage image = world.disk().snapshot();
    // The large commit is the third from the end, and has two blocks.
    const uint64_t blocks = used_size(world) / block;
    std::vector<std::pair<uint64_t, uint64_t>> copies;
    for (uint64_t first = 1; first < blocks; first += 2) copies.emplace_back(first, first + 1);
    const std::vector<uint8_t> bytes = world.disk().read(journal_path);
    uint64_t refused = 0;
    for (auto [first, second] : copies) {
        Bytes one = Bytes(bytes).subspan(first * block, 40);
        if (!std::equal(one.begin(), one.end(), bytes.begin() + static_cast<std::ptrdiff_t>(second * block))) continue;
        for (uint64_t byte = 0; byte < 60; byte += is_thorough() ? 1 : 3) {
            world.restore(image);
            world.disk().rot(journal_path, first * block + byte, 2);
            world.disk().rot(journal_path, second * block + (byte * 7) % 60, 6);
            expect_refused(world, journal_path, "damaged");
            EXPECT_NE(world.problem.find("controller replace-voter"), std::string::npos);
            ++refused;
        }
    }
    EXPECT_GE(refused, 6u * 20);
}

TEST(VoterDamage, OfATermIsNotBelieved) {
    // With a good checksum, as another store's term file would have it: what cannot be is refused by itself.
    struct Case {
        const char* why;
        std::vector<StoredRecord> records;
    };
    const StoredRecord itself = StoredVoter{Uuid::from_words(1, 2)};
    const Case cases[] = {
        {"does not begin with its voter", {StoredTerm{cluster, Term(5), voter(1)}}},
        {"lower than the one before", {itself, StoredTerm{cluster, Term(258), {}}, StoredTerm{cluster, Term(2), {}}}},
        {"two votes in one term",
         {itself, StoredTerm{cluster, Term(2), voter(1)}, StoredTerm{cluster, Term(2), voter(2)}}},
        {"says what cannot be", {itself, StoredTerm{cluster, Term(term_max.value + 1), {}}}},
        {"entries do not join", {itself, first_entry(), entry(3, 1, "a")}},
        {"the snapshot of the first 9 entries is missing", {itself, StoredReset{LogIndex(9)}, entry(10, 2, "a")}},
        {"the snapshot of the first 9 entries is missing", {itself, StoredReset{LogIndex(9)}}},
    };
    for (const Case& one : cases) {
        VoterWorld world;
        ASSERT_TRUE(world.open().ok());
        world.close();
        world.disk().remove(journal_path);
        std::vector<log::JournalRecord> records;
        for (const StoredRecord& record : one.records) records.push_back(encode(record));
        auto journal = world.node.run(log::Journal::open(world.node.world(), journal_path, data_directory,
                                                         log::Copies::two_behind, std::move(records)));
        ASSERT_TRUE(journal.ok());
        world.node.run((*journal)->close());
        expect_refused(world, "data/voter", one.why);
    }
}

TEST(VoterDamage, ARecordOfANewerVersionIsRefused) {
    VoterWorld world;
    ASSERT_TRUE(world.node.run(world.node.world().disk.make_directory(directory)).ok());
    std::vector<log::JournalRecord> records{encode(StoredVoter{Uuid::from_words(1, 2)}), {99, 1, 2, 3}};
    auto journal = world.node.run(log::Journal::open(world.node.world(), journal_path, data_directory,
                                                     log::Copies::two_behind, std::move(records)));
    world.node.run((*journal)->close());
    expect_refused(world, journal_path, "newer version", ErrorCode::unsupported_version);
}

TEST(VoterDamage, AJournalThatWasCutOffIsRefused) {
    VoterWorld world;
    live(world);
    const simulation::DiskImage image = world.disk().snapshot();
    const std::string before = restored_of(world);
    world.restore(image);
    const uint64_t size = used_size(world);
    for (uint64_t cut = 0; cut <= size + 2 * block; cut += block / 2) {
        world.restore(image);
        world.disk().truncate(journal_path, cut);
        if (cut > size) {
            EXPECT_EQ(restored_of(world), before) << "only of the room for more";
        } else {
            expect_refused(world, journal_path, "");
        }
    }
}

TEST(VoterDamage, AnEmptiedJournalIsRefused) {
    VoterWorld world;
    live(world);
    std::vector<uint8_t> bytes = world.disk().read(journal_path);
    std::fill(bytes.begin() + block, bytes.end(), uint8_t{0});
    world.disk().replace(journal_path, bytes);
    expect_refused(world, journal_path, "there is nothing in it");
    std::fill(bytes.begin(), bytes.end(), uint8_t{0});
    world.disk().replace(journal_path, bytes);
    expect_refused(world, journal_path, "nothing behind it is readable");
}

TEST(VoterDamage, AMissingJournalBesideSnapshotsIsRefused) {
    VoterWorld world;
    live(world);
    world.disk().remove(journal_path);
    expect_refused(world, journal_path, "missing");
    EXPECT_FALSE(world.disk().exists(journal_path));
}

TEST(VoterDamage, AMissingSnapshotThatEntriesWereGivenUpForIsRefused) {
    VoterWorld world;
    live_behind_a_snapshot(world);
    world.disk().remove(world.snapshot_path(20, 5));
    expect_refused(world, directory, "the snapshot of the first 20 entries is missing");
}

TEST(VoterDamage, AMissingSnapshotThatTheLogStandsInForIsNoLoss) {
    VoterWorld world;
    live(world);
    world.disk().remove(world.snapshot_path(8, 2));
    EXPECT_TRUE(restored_of(world).starts_with("term 6 vote 3 snapshot 5/2 1/1:M "));
}

TEST(VoterDamage, AnEmptiedDirectoryIsAnotherVoter) {
    VoterWorld world;
    live(world);
    ASSERT_TRUE(world.open().ok());
    const Uuid before = world.store().voter_directory();
    world.close();
    for (const std::string& file : world.disk().files()) world.disk().remove(file);
    ASSERT_TRUE(world.open().ok());
    EXPECT_EQ(world.restored(), "term 0");
    EXPECT_NE(world.store().voter_directory(), before) << "it has promised nothing, and nobody counts on it";
}

TEST(VoterDamage, FilesOfAnotherDirectoryAreRefused) {
    VoterWorld world;
    live(world);
    const simulation::DiskImage image = world.disk().snapshot();
    EXPECT_EQ(world.open(Uuid::from_words(8, 8)).error().code, ErrorCode::foreign_data);
    EXPECT_NE(world.problem.find("belongs to another data directory"), std::string::npos) << world.problem;
    VoterWorld other(2);
    ASSERT_TRUE(other.open(Uuid::from_words(8, 8)).ok());
    other.fill(9);
    ASSERT_TRUE(other.make_snapshot(9, 2, some_records(2, 100)).ok());
    world.restore(image);
    world.disk().replace(world.snapshot_path(9, 2), other.disk().read(other.snapshot_path(9, 2)));
    expect_refused(world, world.snapshot_path(9, 2), "another data directory", ErrorCode::foreign_data);
}

// The newest: the one before it and the log come to the same.
TEST(VoterDamage, OfTheNewestSnapshotIsRepairedFromTheOneBefore) {
    VoterWorld world;
    live(world);
    const simulation::DiskImage image = world.disk().snapshot();
    const std::string newest = world.snapshot_path(8, 2);
    const std::string good = restored_of(world);
    std::string fallen_back = good;
    fallen_back.replace(fallen_back.find("snapshot 8/2"), 12, "snapshot 5/2");
    const uint64_t size = world.disk().size(newest);
    EXPECT_EQ(size, 3 * block);
    uint64_t repaired = 0;
    for (uint64_t byte = 0; byte < size; byte = next_byte(byte)) {
        world.restore(image);
        world.disk().rot(newest, byte, static_cast<uint32_t>(byte % 8));
        ASSERT_TRUE(world.open().ok()) << byte << world.problem;
        const std::string found = world.restored();
        const bool is_padding = (byte >= block + 4 + 2 * 4 + 801 && byte < 2 * block) || byte >= 2 * block + 8;
        ASSERT_EQ(found, is_padding ? good : fallen_back) << byte;
        if (is_padding) {
            world.close();
            continue;
        }
        EXPECT_NE(world.notices().at(0).find(newest), std::string::npos);
        // The next snapshot makes up for it.
        ASSERT_TRUE(world.make_snapshot(10, 4, some_records(2, 300)).ok());
        EXPECT_EQ(world.snapshot_files(), 2u);
        world.close();
        ASSERT_EQ(restored_of(world).find("snapshot 10/4") == std::string::npos, false);
        ++repaired;
    }
    EXPECT_GT(repaired, 20u);
    for (uint64_t cut : {uint64_t{0}, block, 2 * block + 100, size - 1}) {
        world.restore(image);
        world.disk().truncate(newest, cut);
        EXPECT_EQ(restored_of(world), fallen_back) << cut;
    }
    world.restore(image);
    world.disk().fail_reads(newest, block);
    EXPECT_EQ(restored_of(world), fallen_back) << "a sector that cannot be read";
}

TEST(VoterDamage, OfAllSnapshotsIsNoLossWhileTheLogIsWhole) {
    VoterWorld world;
    live(world);
    for (uint64_t index : {5u, 8u}) world.disk().rot(world.snapshot_path(index, 2), block + 10);
    EXPECT_TRUE(restored_of(world).starts_with("term 6 vote 3 1/1:M "));
}

TEST(VoterDamage, OfTheOnlySnapshotIsRefused) {
    VoterWorld world;
    live_behind_a_snapshot(world);
    const simulation::DiskImage image = world.disk().snapshot();
    const std::string path = world.snapshot_path(20, 5);
    for (uint64_t byte = 0; byte < block + 10'000; byte = next_byte(byte)) {
        world.restore(image);
        world.disk().rot(path, byte, static_cast<uint32_t>(byte % 8));
        expect_refused(world, path, "damaged");
    }
}

// It was durable, and may have been acknowledged; the log was not reset yet, and does not have what it stood for.
TEST(VoterDamage, OfASnapshotThatTheLogDoesNotReachIsRefused) {
    VoterWorld world;
    live(world);
    ASSERT_TRUE(world.open().ok());
    receive_snapshot(world);
    world.close();
    world.disk().rot(world.snapshot_path(20, 5), block + 5000);
    expect_refused(world, world.snapshot_path(20, 5), "its bytes are damaged");
}

TEST(VoterDamage, ASnapshotUnderAnotherNameIsRefused) {
    VoterWorld world;
    live_behind_a_snapshot(world);
    std::vector<uint8_t> bytes = world.disk().read(world.snapshot_path(20, 5));
    world.disk().remove(world.snapshot_path(20, 5));
    world.disk().replace(world.snapshot_path(21, 6), bytes);
    expect_refused(world, world.snapshot_path(21, 6), "another snapshot than its name says");
}

// A write that the disk acknowledged and lost, and one that went elsewhere: the other copy has it.
TEST(VoterDamage, OfALostOrMisdirectedWriteIsRepaired) {
    for (bool is_lost : {true, false}) {
        VoterWorld world;
        live(world);
        ASSERT_TRUE(world.open().ok());
        if (is_lost)
            world.disk().lose_next_write(journal_path);
        else
            world.disk().misdirect_next_write(journal_path, world.snapshot_path(5, 2), block);
        world.store().take(append(1, {entry(11, 6, "lost")}));
        EXPECT_EQ(world.events(), "log 1");
        world.store().take(append(2, {entry(12, 6, "next")}));
        EXPECT_EQ(world.events(), "log 2");
        const std::string before = world.restored();
        world.close();
        EXPECT_EQ(restored_of(world), before);
    }
}

TEST(VoterDamage, OfTheHeadIsPutRight) {
    VoterWorld world;
    live(world);
    const std::string before = restored_of(world);
    world.disk().rot(journal_path, 20);
    ASSERT_TRUE(world.open().ok());
    EXPECT_EQ(world.restored(), before);
    EXPECT_EQ(world.notices().size(), 1u);
    world.close();
    ASSERT_TRUE(world.open().ok());
    EXPECT_EQ(world.notices().size(), 1u) << "no more";
    world.close();
}

}  // namespace
}  // namespace ironbark::consensus::testing
