#pragma once
// One process of a voter, and the machine it runs on. Part of the World.

#include "tests/broker/consensus/simulation/world.h"

namespace ironbark::consensus::simulation {

// Commands have numbers from 1 on.
constexpr ProposalId replacement_id{UINT64_MAX};

struct World::Node {
    Voter self;
    uint32_t number = 0;
    std::optional<Core> core;
    MemoryDisk disk;
    Checker::Mirror mirror;
    uint64_t life = 1;
    bool is_gone = false;  // for good: its disk is lost
    int64_t paused_until_us = 0;
    int64_t clock_offset_ms = 0;
    int64_t clock_rate = 1000;  // of its clock, in thousandths
    uint64_t timer_number = 0;
    int64_t timer_ms = -1;
    bool is_writing_term = false, is_writing_log = false, is_writing_snapshot = false;
    std::optional<std::pair<Snapshot, Payload>> own_snapshot;  // being written

    // When it last took something from a leader, by its clock, and from whom; nobody once that one was seen to die.
    int64_t heard_ms = INT64_MIN / 2;
    std::optional<Voter> heard_from;

    // The state machine: a chain of what was applied.
    LogIndex applied;
    Status status;  // after the last step
};

}  // namespace ironbark::consensus::simulation
