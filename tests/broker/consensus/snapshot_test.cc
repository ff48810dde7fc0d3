#include <gtest/gtest.h>

#include "tests/broker/consensus/group.h"

namespace ironbark::consensus::testing {
namespace {

Group small_parts() {
    Group group;
    group.settings.limits.trail_entries = 0;
    group.settings.limits.snapshot_chunk_size = 2;
    return group;
}

// 3 was away, and what it lacks is compacted away: "a b c" is five bytes in three parts.
constexpr const char* behind = R"(
    3 voters
    elect 1
    cut 3
    propose 1 a b c
    settle
    snapshot 1
    1 log nothing
    join 3
    1 told ready in 2 ; a written at 3 ; b written at 4 ; c written at 5
)";

TEST(Snapshot, BringsAFollowerThatIsFarBehindInParts) {
    Group group = small_parts();
    group.run(behind);
    group.run(R"(
        expire 1
        1 to 3 append behind 5:2 commit 5 in 2
        deliver 1 3
        deliver 3 1
        1 to 3 snapshot 5 from 0 in 2
        deliver 1 3
        3 to 1 nothing      # not before it is written
        settle
        3 snapshot 5
        3 applied a b c
        3 log nothing
        propose 1 d
        settle
        3 log 6:2
        wait 50
        3 applied a b c d
        3 voters ooo
    )");
}

TEST(Snapshot, IsResumedAfterALoss) {
    Group group = small_parts();
    group.run(behind);
    group.run(R"(
        hold 3
        expire 1
        settle
        release 3
        cut 1 3
        settle              # the first part is written, and what follows is lost
        join 3
        expire 1
        settle
        expire 1            # nothing came since the last heartbeat: once more
        1 to 3 append behind 0:0 commit 5 in 2 ; snapshot 5 from 2 in 2
        settle
        3 applied a b c
    )");
}

TEST(Snapshot, BeginsAnewWithANewerOne) {
    Group group = small_parts();
    group.run(behind);
    group.run(R"(
        expire 1
        deliver 1 3
        deliver 3 1
        deliver 1 3         # the first part of snapshot 5
        propose 1 d
        deliver 1 2
        write 2
        deliver 2 1
        write 1
        1 commit 6
        snapshot 1
        1 to 3 snapshot 6 from 0 in 2
        settle
        3 snapshot 6
        3 applied a b c d
    )");
}

TEST(Snapshot, ASnapshotThatIsDamagedIsAskedForAgain) {
    Group group = small_parts();
    group.run(behind);
    group.damage_next_install(3);
    group.run(R"(
        expire 1
        settle
        3 told the bytes are not what their name says
        3 snapshot 0
        wait 200
        3 snapshot 5
        3 applied a b c
    )");
}

TEST(Snapshot, NeverOverwritesALogThatHasMore) {
    Group group = small_parts();
    group.run(R"(
        3 voters
        elect 1
        propose 1 a b c
        settle
        wait 50
        3 applied a b c
        1 told ready in 2 ; a written at 3 ; b written at 4 ; c written at 5
    )");
    Snapshot old = group.core(3).describe(LogIndex(4));
    old.size_bytes = 1;
    group.receive(3, group.message(1, 3, 2, SnapshotChunk{old, 0, payload("x")}));
    group.run(R"(
        3 to 1 has 5 in 2
        3 log 1:1 2:2 3:2 4:2 5:2
        3 snapshot 0
    )");
}

// What is in the log and not known to be committed is known by the snapshot: it is kept, and committed.
TEST(Snapshot, CommitsTheLogThatItIsAPrefixOf) {
    Group group = small_parts();
    group.run(R"(
        3 voters
        elect 1
        propose 1 a b c
        settle
        3 commit 2
        wait 0
    )");
    Snapshot snapshot = group.core(1).describe(LogIndex(4));
    snapshot.size_bytes = 1;
    group.receive(3, group.message(1, 3, 2, SnapshotChunk{snapshot, 0, payload("x")}));
    group.run(R"(
        3 commit 4
        3 applied a b
        3 log 1:1 2:2 3:2 4:2 5:2
    )");
}

// The entries come while the last part is being written: what they brought is not given up again.
TEST(Snapshot, IsNotInstalledOverALogThatHasCaughtUp) {
    Group group;
    group.settings.limits.trail_entries = 10;
    group.run(R"(
        3 voters
        elect 1
        cut 3
        propose 1 a b c
        settle
        snapshot 1
        join 3
        hold 3
    )");
    Snapshot snapshot = group.core(1).describe(LogIndex(4));
    Payload bytes = payload("a b");
    snapshot.size_bytes = bytes->size();
    snapshot.checksum = MemoryDisk::checksum(*bytes);
    group.receive(3, group.message(1, 3, 2, SnapshotChunk{snapshot, 0, bytes}));
    group.run(R"(
        expire 1
        settle
        write 3
        settle
        3 durable 5
        release 3
        settle
        3 log 1:1 2:2 3:2 4:2 5:2
        3 snapshot 0
        wait 50
        3 applied a b c
    )");
}

TEST(Snapshot, ReplacesALogThatDiffers) {
    Group group = small_parts();
    group.run(R"(
        3 voters
        elect 1
        cut 1
        propose 1 x y z
        settle
        pass 600
        elect 2
        propose 2 a b
        settle
        snapshot 2
        join 1
        wait 200
        1 applied a b
        1 log nothing
        1 snapshot 5
    )");
}

TEST(Snapshot, RestartBeginsBehindIt) {
    Group group = small_parts();
    group.run(R"(
        1 voter
        wait 0
        propose 1 a b
        settle
        snapshot 1
        propose 1 c
        settle
        1 log 5:2
        crash 1
        start 1
        1 applied a b
        settle
        1 applied a b c
        1 voters o
    )");
}

TEST(Snapshot, ATrailIsKeptForThoseWhoAreALittleBehind) {
    Group group = small_parts();
    group.settings.limits.trail_entries = 2;
    group.run(R"(
        3 voters
        elect 1
        propose 1 a b
        settle
        cut 3
        propose 1 c
        settle
        snapshot 1
        1 log 4:2 5:2
        join 3
        wait 60
        3 snapshot 0
        3 log 1:1 2:2 3:2 4:2 5:2
    )");
}

TEST(Snapshot, AHeartbeatReachesAFollowerMeanwhile) {
    Group group = small_parts();
    group.run(behind);
    group.run(R"(
        hold 3
        wait 1000
        3 follows 1
        1 is leader 2
        release 3
        wait 100
        3 applied a b c
    )");
}

TEST(Snapshot, OlderThanTheOneThereIsIsIgnored) {
    Group group = small_parts();
    group.run(R"(
        1 voter
        wait 0
        propose 1 a b
        settle
        1 told ready in 2 ; a written at 3 ; b written at 4
        snapshot 1
        snapshot 1
        1 told the snapshot that was made is older than the one there is
    )");
}

}  // namespace
}  // namespace ironbark::consensus::testing
