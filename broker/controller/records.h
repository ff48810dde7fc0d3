#pragma once
// What the metadata holds of each broker, partition and topic. Values; the sets of a partition have no broker twice and
// stand in the order of its replicas.

#include <map>
#include <string>
#include <vector>

#include "runtime/base/ids.h"

namespace ironbark::broker {

using BrokerIds = std::vector<BrokerId>;
using Assignment = std::vector<BrokerIds>;  // for each partition its replicas, in order of preference

// For people.
inline std::string list_of(const BrokerIds& brokers) {
    std::string text;
    for (BrokerId broker : brokers) text += (text.empty() ? "" : ", ") + std::to_string(broker.value);
    return text;
}

// As they stand in messages.
inline std::vector<int32_t> numbers_of(const BrokerIds& brokers) {
    std::vector<int32_t> numbers;
    numbers.reserve(brokers.size());
    for (BrokerId broker : brokers) numbers.push_back(broker.value);
    return numbers;
}

struct BrokerRecord {
    BrokerId id{-1};
    Uuid directory;
    Incarnation incarnation{-1};
    std::string host;  // for clients
    uint16_t port = 0;
    std::string peer_host;  // for daemons
    uint16_t peer_port = 0;
    uint16_t replica_port = 0;  // at peer_host: where its shards serve followers
    std::string rack;
    std::string version;        // of the program
    int32_t feature_level = 1;  // the highest that it can do
    bool is_controller_only = false;  // it keeps no partitions
    bool is_alive = false;
    bool is_clean = false;  // its last start followed a clean stop of the incarnation before, on the same directory
    Incarnation started_from{-1};  // the one that stopped; -1: none
    Timestamp since;               // of the last change of is_alive
    friend bool operator==(const BrokerRecord&, const BrokerRecord&) = default;
};

// Who may lead: the clean tier (in_sync and holders; each has every record that was acknowledged at an isr level), and
// when that is empty, or nothing is acknowledged below isr_durable, the durable tier (each has every `isr_durable`
// record on disk). tiers.h keeps them.
struct PartitionRecord {
    BrokerIds replicas;  // in order of preference
    BrokerIds in_sync;
    BrokerIds holders;    // not in in_sync since it was below min-in-sync, and have not lost memory since
    BrokerIds durable;    // the last in_sync with at least min-in-sync members (before: all), less wiped disks
    BrokerId leader{-1};  // -1: nobody leads
    Epoch leader_epoch;
    int32_t partition_epoch = 0;
    BrokerId last_leader{-1};  // who led last, while nobody does
    BrokerId target{-1};       // who is to lead next, by a planned move: another member of in_sync
    BrokerIds damaged;         // their log has lost what it had: in none of the sets until it has been emptied
    BrokerIds moving_to;       // the replicas that it is to have, by a planned move; empty: none is planned
    BrokerIds added;           // those of `replicas` that came with it
    int64_t throttle = 0;      // bytes a second to each of those while it is far behind; 0: any
    // Of each replica: the partition epoch in which it came, or in which its log was emptied; 0: it was there from the
    // beginning. What is said of a log of an earlier membership counts for nothing.
    std::vector<int32_t> memberships;
    friend bool operator==(const PartitionRecord&, const PartitionRecord&) = default;
};

struct TopicRecord {
    Uuid id;
    std::string name;
    int32_t min_in_sync = 1;
    std::map<std::string, std::string> settings;  // what was set; the rest has its default
    int64_t settings_version = 0;
    Timestamp created;
    // Since the topic was created nothing was acknowledged that is not on disk (`min.acks` is isr_durable). A floor
    // that is raised later does not say so of what was there before.
    bool has_durable_floor = false;
    std::vector<PartitionRecord> partitions;
    friend bool operator==(const TopicRecord&, const TopicRecord&) = default;
};

}  // namespace ironbark::broker
