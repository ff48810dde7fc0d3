#pragma once
// What a core is told once: who it is, how patient it is, and every bound of what it holds and sends.

#include <cstddef>
#include <cstdint>

#include "broker/consensus/membership.h"

namespace ironbark::consensus {

struct Limits {
    // One command. The largest metadata command (a topic of 10 000 partitions) takes a tenth of it.
    uint64_t command_size_max = uint64_t{1} << 20;
    // One message of entries: at least one entry of any size, so a little more than a command.
    uint64_t append_bytes_max = (uint64_t{1} << 20) + 4096;
    size_t append_entries_max = 1024;
    // Messages of entries on their way to one follower: 16 hide a round trip of 16 x the time between two commands; the
    // bytes bound what a follower that has stopped reading costs.
    size_t window_messages_max = 16;
    uint64_t window_bytes_max = uint64_t{4} << 20;
    uint64_t snapshot_chunk_size = uint64_t{256} << 10;  // heartbeats of the same connection wait behind one
    uint64_t snapshot_size_max = uint64_t{1} << 30;
    // What a leader took up and has not committed: a second of the largest rate, and refused beyond.
    size_t proposals_max = 4096;
    uint64_t uncommitted_bytes_max = uint64_t{16} << 20;
    size_t reads_max = 4096;
    // Entries in memory, the snapshot's trail included. A leader refuses proposals beyond, a follower takes no more: a
    // snapshot is long due by then.
    uint64_t log_bytes_max = uint64_t{256} << 20;
    // Kept behind a snapshot, so that a follower that was away for a moment needs no snapshot.
    size_t trail_entries = 4096;
    // Messages that wait until the term and the vote are durable. More are lost, as messages may be.
    size_t held_messages_max = 64;
};

struct Settings {
    Voter self;
    // A follower that hears nothing for so long may be a candidate: in its turn, between once and 1.3 times this, after
    // a leader; else at a random moment between once and twice this.
    int64_t election_timeout_ms = 300;
    // A quarter of that: one that is late is no election yet. More of them would keep idle voters awake: a leader of
    // two wakes three times for each.
    int64_t heartbeat_interval_ms = 75;
    Limits limits{};
};

}  // namespace ironbark::consensus
