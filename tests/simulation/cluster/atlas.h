#pragma once
// Which faults befell a cluster, and which paths it took: a path that is never taken is not tested. Counted where it is
// seen to be taken, not where it is drawn.

#include <array>
#include <cstdint>
#include <string>

namespace ironbark::simulation {

enum class Path : uint8_t {
    // what befalls daemons
    kill,
    power_loss,
    power_loss_of_all,
    death_between_operations,  // killed, or power lost, in place of a change of the disk
    stop,                      // that was asked for
    stop_completed,            // in order
    stop_interrupted,          // it died on the way
    start_clean,
    start_unclean,
    start_refused,
    restart_of_sick,  // a daemon that says that something of it has failed
    pause_short,      // than a session
    pause_long,
    clock_skew,
    // what befalls links, by plane and direction
    isolation,
    cut_clients_to_broker,
    cut_broker_to_clients,
    cut_followers,  // of a broker from another as its leader, both ways
    cut_followers_one_way,
    cut_controllers,
    cut_controllers_one_way,
    cut_all_planes,
    slow_link,
    // what befalls disks
    disk_hang,
    disk_full,
    write_failed,
    sync_failed,
    rot,
    wiped,
    // what brokers and controllers do about it
    session_silent,
    session_gone,
    session_stopped,
    session_replaced,
    controller_changed,
    leader_of_clean_tier,
    leader_without_last,
    leader_of_durable_tier,
    leader_of_durable_floor,
    leader_of_only_replica,
    leader_by_hand,  // of no tier: nobody asks for it. (Those of a tier are among elect_done)
    leader_moved,
    leader_again,  // of the broker that led before, in a later epoch
    leadership_ended,
    in_sync_shrunk,
    in_sync_grown,
    in_sync_alone,  // of several replicas
    below_min_in_sync,
    log_cut,
    log_begun_anew,
    damage_met_by_a_read,  // of a reader, or for a follower
    damage_met_at_start,
    damage_met_as_follower,  // of a log that cannot be made to follow: hardly possible, watermarks bound deletions
    replica_damaged,
    replica_emptied,
    replica_replaced,  // it is in sync again
    replica_added,
    replica_added_again,  // that was let go before
    replica_let_go,
    replicas_moved,  // a move has come to its end
    // what is asked of them
    move_done,
    move_failed,
    balance,
    replica_move_planned,
    replica_move_taken_back,
    replica_move_failed,
    elect_done,
    elect_failed,
    failover_manual,
    failover_automatic,
    voter_replaced,
    // what clients are told
    receipt_none,
    receipt_leader,
    receipt_leader_durable,
    receipt_isr,
    receipt_isr_durable,
    receipt_duplicate,
    not_written,
    unknown,
    loss,
    loss_fatal,
    read_durable,
    read_replicated,
    gap_truncated,
    gap_deleted,
    claim_undone,
    count_of_paths,
};
constexpr size_t paths = static_cast<size_t>(Path::count_of_paths);
const char* name(Path path);

struct Atlas {
    std::array<uint64_t, paths> counts{};
    void note(Path path, uint64_t times = 1) { counts[static_cast<size_t>(path)] += times; }
    uint64_t count(Path path) const { return counts[static_cast<size_t>(path)]; }
    // A line for each path, those that were never taken among them.
    std::string to_string() const;
};

}  // namespace ironbark::simulation
