#pragma once
// What happened in the cluster, for people: made while commands are applied, so the same on every machine. An event
// holds values, and its text is made where it is shown: another program version may say it otherwise.

#include <string>
#include <vector>

#include "runtime/base/ids.h"

namespace ironbark::broker {

// Numbers are kept: they are in snapshots.
enum class EventKind : uint8_t {
    broker_registered = 1,     // broker, its client address in names, value: incarnation, cause: which start
    broker_ended = 2,          // broker, value: incarnation, cause: why, count: partitions left without a leader
    topic_created = 3,         // names: topic, count: partitions, value: replicas of each
    topic_deleted = 4,         // names: topic
    topic_altered = 5,         // names: topic, then settings, count: settings
    partitions_added = 6,      // names: topic, count: partitions that were added, value: how many there are
    leader_changed = 7,        // broker: the leader, if it is one; cause: by which right; count and names: partitions
    controller_changed = 8,    // broker: the voter, value: term
    feature_level_raised = 9,  // value: level
    failover_changed = 10,     // value: 1 if it is manual from now on
    replica_damaged = 11,      // broker, count and names: partitions; cause `emptied`: its log has been emptied for it
    replicas_moving = 12,      // count and names: partitions, and the brokers that are to keep them
    replicas_moved = 13,       // count and names: partitions, and the brokers that keep them alone now
};
const char* name(EventKind kind);

enum class EventCause : uint8_t {
    none = 0,
    process_gone = 1,  // the reasons of an end, as in metadata.fbs, one higher
    silent = 2,
    stopped = 3,
    replaced = 4,
    first_start = 5,
    clean_start = 6,
    unclean_start = 7,
    other_directory = 8,
    clean_tier = 9,
    durable_tier = 10,
    by_hand = 11,
    only_replica = 12,
    ended = 13,                // the leadership ended, and nobody was named
    without_last_leader = 14,  // of the clean tier, without an answer of who led before
    durable_floor = 15,        // of the durable tier, where everything that was acknowledged is on disk
    moved = 16,                // the leader before has handed over
    emptied = 17,
};
const char* name(EventCause cause);

struct ClusterEvent {
    int64_t number = 0;  // from 1, without gaps
    Timestamp time;
    EventKind kind{};
    EventCause cause = EventCause::none;
    BrokerId broker{-1};
    int64_t value = 0;
    int64_t count = 0;
    std::vector<std::string> names;  // the first event_names_max of them; count says how many there were
    friend bool operator==(const ClusterEvent&, const ClusterEvent&) = default;
};

ClusterEvent event_of(EventKind kind, Timestamp time, EventCause cause, BrokerId broker, int64_t value);

constexpr size_t events_max = 1000;  // remembered
constexpr size_t event_names_max = 8;
constexpr size_t event_name_size_max = 300;  // longer ones are cut: a topic's name and a partition's number fit

// Adds one more to event.names, unless they are full.
void add_name(ClusterEvent& event, const std::string& name);

// "broker 2 at 127.0.0.1:9410 registered, incarnation 3, after an unclean stop"
std::string text(const ClusterEvent& event);

}  // namespace ironbark::broker
