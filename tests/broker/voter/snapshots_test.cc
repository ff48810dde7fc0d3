// Snapshots of a voter: made, received, read, and found again.
#include "broker/voter/limits.h"
#include "tests/broker/voter/voter_world.h"

namespace ironbark::consensus::testing {
namespace {

constexpr uint64_t chunk_size = uint64_t{256} << 10;

std::string all_records(VoterWorld& world, const Snapshot& snapshot) {
    std::string text;
    auto visitor = [&text](Bytes record) {
        text += std::string(as_text(record)) + "|";
        return Result<void>();
    };
    Result<void> visited = world.node.run(world.store().visit_snapshot(snapshot, visitor));
    return visited.ok() ? text : std::string("refused: ") + visited.error().text;
}

std::string joined(const SnapshotRecords& records) {
    std::string text;
    for (const std::vector<uint8_t>& record : records) text += std::string(as_text(record)) + "|";
    return text;
}

Payload read(VoterWorld& world, const Snapshot& snapshot, uint64_t position, uint64_t size) {
    Result<Payload> bytes = world.node.run(world.store().read_chunk(snapshot, position, size));
    return bytes.ok() ? *bytes : nullptr;
}

// A snapshot on another machine, as its leader would send it.
struct Leader {
    explicit Leader(SnapshotRecords records, uint64_t index = 9) {
        EXPECT_TRUE(world.open().ok());
        world.fill(index);
        EXPECT_TRUE(world.make_snapshot(index, 2, std::move(records)).ok());
        snapshot = *world.store().restored().snapshot;
    }
    WriteSnapshotChunk chunk(uint64_t position) {
        return {snapshot, position, read(world, snapshot, position, chunk_size)};
    }
    // All of it, with each part answered before the next; what the events were.
    std::string send_to(VoterWorld& follower) {
        std::string events;
        for (uint64_t at = 0; at < snapshot.size_bytes; at += chunk_size) {
            follower.store().take(chunk(at));
            events += follower.events(20ms) + "; ";
        }
        return events;
    }
    VoterWorld world;
    Snapshot snapshot;
};

TEST(VoterSnapshots, AreMadeAndFoundAgain) {
    VoterWorld world;
    ASSERT_TRUE(world.open().ok());
    world.fill(20);
    for (size_t count : {0u, 1u, 100u, 2000u}) {
        const SnapshotRecords records = some_records(count, 700);
        const uint64_t index = 5 + count / 200;
        ASSERT_TRUE(world.make_snapshot(index, 2, records).ok());
        EXPECT_EQ(world.take_events(), "made " + std::to_string(index) + "/2");
        world.crash(Crash::power_loss);
        ASSERT_TRUE(world.open().ok()) << world.problem;
        const std::optional<Snapshot> found = world.store().restored().snapshot;
        ASSERT_TRUE(found);
        EXPECT_EQ(found->last_index, LogIndex(index));
        EXPECT_EQ(*found->membership, three_voters());
        EXPECT_EQ(found->membership_index, forming_index);
        EXPECT_EQ(all_records(world, *found), joined(records));
        EXPECT_LE(world.snapshot_files(), 2u);
    }
}

TEST(VoterSnapshots, AreSentAndInstalled) {
    for (size_t count : {1u, 300u, 1500u}) {
        Leader leader(some_records(count, 700));
        VoterWorld follower(2);
        ASSERT_TRUE(follower.open(Uuid::from_words(9, 9)).ok());
        const std::string events = leader.send_to(follower);
        EXPECT_TRUE(events.ends_with("written " + std::to_string(leader.snapshot.size_bytes) + "; ")) << events;
        follower.store().take(InstallSnapshot{leader.snapshot});
        EXPECT_EQ(follower.events(), "installed 9/2");
        follower.store().take(ResetLog{WriteId(1), LogIndex(9)});
        follower.store().take(append(2, {entry(10, 2, "next")}));
        EXPECT_EQ(follower.events(), "log 1, log 2");
        follower.crash(Crash::power_loss);
        ASSERT_TRUE(follower.open(Uuid::from_words(9, 9)).ok()) << follower.problem;
        Restored restored = follower.store().restored();
        ASSERT_TRUE(restored.snapshot && restored.snapshot->is_same(leader.snapshot));
        EXPECT_EQ(*restored.snapshot->membership, *leader.snapshot.membership);
        EXPECT_EQ(restored.entries.size(), 1u);
        EXPECT_EQ(all_records(follower, *restored.snapshot), joined(some_records(count, 700)));
        EXPECT_EQ(*read(follower, leader.snapshot, 0, chunk_size), *leader.chunk(0).bytes) << "and goes on from here";
    }
}

// The core sees no entries, and goes on behind the snapshot.
TEST(VoterSnapshots, AnEmptyLogBeginsBehindOneThoughACrashCameBeforeItsReset) {
    Leader leader(some_records(3, 700));
    VoterWorld follower(2);
    ASSERT_TRUE(follower.open().ok());
    leader.send_to(follower);
    follower.store().take(InstallSnapshot{leader.snapshot});
    EXPECT_EQ(follower.events(), "installed 9/2");
    for (uint64_t index = 10; index < 13; ++index) {
        follower.crash(Crash::power_loss);
        ASSERT_TRUE(follower.open().ok()) << follower.problem;
        follower.store().take(append(1, {entry(index, 2, "next")}));
        EXPECT_EQ(follower.events(), "log 1");
    }
    EXPECT_EQ(follower.store().restored().entries.size(), 3u);
}

TEST(VoterSnapshots, AreReadInPartsOfAnySize) {
    Leader leader(some_records(1500, 700));
    const uint64_t size = leader.snapshot.size_bytes;
    std::vector<uint8_t> whole = *read(leader.world, leader.snapshot, 0, size);
    ASSERT_EQ(whole.size(), size);
    for (uint64_t part : {uint64_t{1000}, uint64_t{100'000}, chunk_size - 1, chunk_size + 1}) {
        std::vector<uint8_t> parts;
        while (parts.size() < size) {
            Payload bytes = read(leader.world, leader.snapshot, parts.size(), part);
            ASSERT_TRUE(bytes && !bytes->empty());
            parts.insert(parts.end(), bytes->begin(), bytes->end());
        }
        EXPECT_TRUE(parts == whole) << part;
    }
    EXPECT_TRUE(read(leader.world, leader.snapshot, size, 10)->empty());
}

TEST(VoterSnapshots, ThatAreNotWhatTheirNameSaysAreRefused) {
    Leader leader(some_records(800, 700));
    VoterWorld follower(2);
    ASSERT_TRUE(follower.open().ok());
    WriteSnapshotChunk first = leader.chunk(0);
    auto bytes = std::make_shared<std::vector<uint8_t>>(*first.bytes);
    (*bytes)[100'000] ^= 4;
    first.bytes = bytes;
    follower.store().take(first);
    for (uint64_t at = chunk_size; at < leader.snapshot.size_bytes; at += chunk_size)
        follower.store().take(leader.chunk(at));
    follower.store().take(InstallSnapshot{leader.snapshot});
    EXPECT_TRUE(follower.events().ends_with("refused 9/2"));
    EXPECT_EQ(follower.snapshot_files(), 0u);
    EXPECT_EQ(follower.disk().files().size(), 1u) << "it is gone";
    leader.send_to(follower);
    follower.store().take(InstallSnapshot{leader.snapshot});
    EXPECT_EQ(follower.events(), "installed 9/2") << "the next try is not harmed";
}

TEST(VoterSnapshots, BeginAnewAtPositionZero) {
    Leader leader(some_records(1500, 700));
    Leader other(some_records(700, 900), 12);
    VoterWorld follower(2);
    ASSERT_TRUE(follower.open().ok());
    follower.store().take(leader.chunk(0));
    follower.store().take(leader.chunk(chunk_size));
    EXPECT_EQ(follower.events(), "written 262144, written 524288");
    other.send_to(follower);
    follower.store().take(InstallSnapshot{other.snapshot});
    EXPECT_EQ(follower.events(), "installed 12/2");
    EXPECT_EQ(all_records(follower, other.snapshot), joined(some_records(700, 900)));
}

TEST(VoterSnapshots, HalfReceivedOnesAreGoneAtTheNextStart) {
    Leader leader(some_records(1500, 700));
    VoterWorld follower(2);
    ASSERT_TRUE(follower.open().ok());
    follower.store().take(leader.chunk(0));
    follower.store().take(leader.chunk(chunk_size));
    follower.events();
    EXPECT_EQ(follower.disk().files().size(), 2u);
    follower.crash(Crash::kill);
    ASSERT_TRUE(follower.open().ok());
    EXPECT_EQ(follower.disk().files().size(), 1u);
    EXPECT_FALSE(follower.store().restored().snapshot);
}

TEST(VoterSnapshots, ANewerOneTakesThePlaceOfWhatIsBeingSent) {
    Leader leader(some_records(800, 700));
    EXPECT_TRUE(read(leader.world, leader.snapshot, 0, 10));
    for (uint64_t index : {10u, 11u}) {
        leader.world.store().take(append(index, {entry(index, 2, "more")}));
        ASSERT_TRUE(leader.world.make_snapshot(index, 2, some_records(3, 3)).ok());
    }
    EXPECT_TRUE(read(leader.world, leader.snapshot, chunk_size, 10)) << "it is still open";
    EXPECT_TRUE(read(leader.world, *leader.world.store().restored().snapshot, 0, 10));
    EXPECT_EQ(read(leader.world, leader.snapshot, 0, 10), nullptr);
}

TEST(VoterSnapshots, NoDamagedByteIsSent) {
    Leader leader(some_records(1500, 700));
    leader.world.disk().rot(leader.world.snapshot_path(9, 2), log::block_size + chunk_size + 77);
    EXPECT_TRUE(read(leader.world, leader.snapshot, 0, chunk_size));
    EXPECT_EQ(read(leader.world, leader.snapshot, chunk_size, chunk_size), nullptr);
    EXPECT_TRUE(read(leader.world, leader.snapshot, 2 * chunk_size, chunk_size));
    ASSERT_TRUE(leader.world.make_snapshot(9, 2, some_records(1500, 700)).ok());
    EXPECT_TRUE(read(leader.world, leader.snapshot, chunk_size, chunk_size)) << "the same snapshot, made again";
}

TEST(VoterSnapshots, OnAFullDiskAreNotMadeAndNothingIsHarmed) {
    VoterWorld world;
    ASSERT_TRUE(world.open().ok());
    world.fill(9);
    const uint64_t used = world.disk().used_bytes();
    for (uint64_t room = 0; room < uint64_t{1} << 20; room += 100'000) {
        world.disk().set_capacity(used + room);
        ASSERT_EQ(world.make_snapshot(9, 2, some_records(1500, 700)).error().code, ErrorCode::storage_full) << room;
        EXPECT_EQ(world.disk().used_bytes(), used) << "it gives the room back";
    }
    EXPECT_EQ(world.take_events(), "");
    world.disk().set_capacity(uint64_t{1} << 40);
    ASSERT_TRUE(world.make_snapshot(9, 2, some_records(1500, 700)).ok());
}

TEST(VoterSnapshots, OnAFullDiskWaitForRoomWhereverTheyAreReceived) {
    Leader leader(some_records(1500, 700));
    for (uint64_t room = 0; room < uint64_t{1} << 20; room += 90'000) {
        VoterWorld follower(2);
        ASSERT_TRUE(follower.open().ok());
        const uint64_t capacity = follower.disk().used_bytes() + room;
        follower.disk().set_capacity(capacity);
        std::string events = leader.send_to(follower);
        if (!follower.store().is_waiting_for_room()) follower.store().take(InstallSnapshot{leader.snapshot});
        EXPECT_EQ(follower.events(5s).find("installed"), std::string::npos);
        EXPECT_TRUE(follower.store().is_waiting_for_room()) << room;
        EXPECT_EQ(follower.notices().size(), 1u) << "it is said once";
        follower.store().take(term_and_vote(1, 2, 2));
        EXPECT_EQ(follower.events(), "term 1") << "others do not wait";
        follower.disk().set_capacity(uint64_t{1} << 40);
        events = follower.events(3s);
        if (events.find("installed") == std::string::npos) {
            follower.store().take(InstallSnapshot{leader.snapshot});
            events = follower.events();
        }
        EXPECT_TRUE(events.ends_with("installed 9/2")) << events;
        EXPECT_EQ(follower.notices().size(), 2u);
        EXPECT_EQ(all_records(follower, leader.snapshot), joined(some_records(1500, 700)));
    }
}

TEST(VoterSnapshots, AFailedWriteOrSyncIsFinal) {
    for (bool is_sync : {false, true}) {
        Leader leader(some_records(1500, 700));
        VoterWorld follower(2);
        ASSERT_TRUE(follower.open().ok());
        leader.send_to(follower);
        is_sync ? follower.disk().fail_next_sync("data/voter/received.new")
                : follower.disk().fail_next_write("data/voter/received.new");
        follower.store().take(InstallSnapshot{leader.snapshot});
        EXPECT_EQ(follower.events(), "failed");
        follower.store().take(term_and_vote(1, 2, 2));
        EXPECT_EQ(follower.events(), "") << "of all that is on this disk, nothing is known any more";
    }
}

// The queue that the rewrite was to answer is gone when it ends.
TEST(VoterSnapshots, AFailureBesideARewriteOfTheJournalIsFinalForBoth) {
    Leader leader(some_records(1500, 700));
    VoterWorld follower(2);
    follower.journal_rewrite_bytes = 0;
    ASSERT_TRUE(follower.open().ok());
    leader.send_to(follower);
    follower.disk().fail_next_write("data/voter/received.new");
    follower.store().take(InstallSnapshot{leader.snapshot});
    for (uint64_t term = 1; term < 20; ++term) follower.store().take(term_and_vote(term, term));
    EXPECT_TRUE(follower.events().ends_with("failed"));
    EXPECT_EQ(follower.events(), "");
}

// Wherever it dies: the old one or the new one counts, whole, and the log is not harmed.
TEST(VoterSnapshots, AreThereOrNotWhereverTheProcessDies) {
    Leader leader(some_records(800, 700), 30);
    for (Crash how : {Crash::kill, Crash::power_loss}) {
        for (bool is_received : {false, true}) {
            bool has_ended = false;
            for (uint64_t step = 1; !has_ended; ++step) {
                simulation::Options options;
                options.disk.torn_pages = true;
                VoterWorld world(step, options);
                ASSERT_TRUE(world.open().ok());
                world.fill(20);
                ASSERT_TRUE(world.make_snapshot(10, 2, some_records(5, 5)).ok());
                world.events();
                world.disk().stop_after(step, how);
                if (is_received) {
                    for (uint64_t at = 0; at < leader.snapshot.size_bytes; at += chunk_size)
                        world.store().take(leader.chunk(at));
                    world.store().take(InstallSnapshot{leader.snapshot});
                    world.simulation.run_for(1s);
                } else {
                    world.node.try_run(world.store().make_snapshot(described(20, 2), some_records(800, 700)));
                }
                world.disk().stop_never();
                has_ended = world.node.is_running();
                world.crash(how);
                ASSERT_TRUE(world.open().ok()) << step << " " << world.problem;
                Restored restored = world.store().restored();
                const uint64_t index = restored.snapshot->last_index.value;
                EXPECT_TRUE(index == (is_received ? 30u : 20u) || (!has_ended && index == 10)) << step;
                const SnapshotRecords records = index == 10 ? some_records(5, 5) : some_records(800, 700);
                EXPECT_EQ(all_records(world, *restored.snapshot), joined(records));
                EXPECT_EQ(restored.entries.size(), 20u);
            }
        }
    }
}

}  // namespace
}  // namespace ironbark::consensus::testing
