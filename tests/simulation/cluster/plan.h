#pragma once
// Everything that a seed decides before its run begins: the faults of the world, the broker, topics, clients, and what
// will happen to them. Swarm style: each kind of fault and of operation is on or off by a coin, at a rate of its own.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/config.h"
#include "ironbark/settings.h"
#include "tests/simulation/cluster/cluster_plan.h"
#include "tests/simulation/options.h"
#include "tests/simulation/random_stream.h"

namespace ironbark::simulation {

enum class Profile : uint8_t {
    swarm,    // whatever the seed draws
    calm,     // no faults at all
    crashes,  // processes die and the power fails; disk and network are good
};

struct TopicPlan {
    std::string name;
    int32_t partitions = 1;
    std::map<std::string, std::string> settings;
    int32_t replicas = -1;  // as the broker chooses
    int32_t min_in_sync = -1;
};

struct ProducerPlan {
    Settings settings;
    Duration pause_mean;  // between bursts
    uint64_t burst_max;   // records sent without a pause
    size_t size_max;      // of a record's value
    bool chooses_by_key;  // else it names the partition
};

struct ConsumerPlan {
    Settings settings;
    bool is_tailing;      // begins at the end, or where it stopped; else reads from somewhere, again and again
    uint64_t polls_max;   // until it begins anew
    Duration pause_mean;  // between polls
};

struct AdminPlan {
    Duration pause_mean;
    std::vector<uint64_t> weights;  // of the operations of AdminClient
};

// What befalls the machines; weights of choices, 0: never.
enum class Mishap : uint8_t {
    kill,         // of the broker's process
    lose_power,   // of its machine
    stop,         // in order
    die_between,  // killed, or power lost, in place of one of its next disk operations
    pause,        // SIGSTOP for a while
    cut,          // links between the broker and clients
    fill_disk,    // for a while
    kill_client,
    rot,   // of one page that was written: see RotPlan
    skew,  // the broker's wall clock jumps
};
constexpr size_t mishaps = 10;

enum class Rot : uint8_t { none, index, producers, log };

struct FaultPlan {
    Duration pause_mean;
    std::vector<uint64_t> weights;
    Rot rot = Rot::none;  // one kind in a run: two kinds together may hide what was lost
};

// What a run leaves out of what its seed has drawn, to see whether it is needed for a failure.
struct LeftOut {
    std::set<std::string> classes;  // names of mishaps, and of faults of the world
    std::set<uint64_t> mishaps;     // by number
    std::optional<Duration> chaos;  // how long, instead
    std::string to_string() const;  // as options
};

struct Plan {
    uint64_t seed = 1;
    Profile profile = Profile::swarm;
    Options world;
    broker::Config config;
    Duration chaos;  // how long faults happen
    std::vector<TopicPlan> topics;
    std::vector<ProducerPlan> producers;
    std::vector<ConsumerPlan> consumers;
    AdminPlan admin;
    FaultPlan faults;
    size_t nodes = 1;
    ClusterPlan cluster;  // if there are several
    LeftOut left_out;

    static Plan draw(uint64_t seed, Profile profile, size_t nodes = 1);
    void leave_out(const LeftOut& what);
    // Whether the disk may refuse what it should do: then a log may fail, and what it had in memory is lost even if the
    // broker stops in order.
    bool has_disk_errors() const;
    // Whether everything that was appended is on the disk soon: no disk error, no stall, no full disk.
    bool is_disk_prompt() const;
    std::string to_string() const;
};

// What a topic is made with, drawn for the topics of the plan and for those that are made during the run.
TopicPlan draw_topic(RandomStream& random, std::string name);
// The longest flush.interval.ms among them.
constexpr Duration flush_interval_max = 3s;

const char* name(Profile profile);
const char* name(Mishap mishap);

}  // namespace ironbark::simulation
