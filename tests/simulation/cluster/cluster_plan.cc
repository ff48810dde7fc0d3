#include "tests/simulation/cluster/cluster_plan.h"

#include <algorithm>

#include "tests/simulation/cluster/draws.h"
#include "tests/simulation/cluster/plan.h"

namespace ironbark::simulation {
namespace {

constexpr size_t leader_operations = 5;  // of AdminClient; and one more moves replicas

std::string host_of(int32_t id) {
    return "n" + std::to_string(id);
}

bool is_usual(ClusterMishap mishap) {
    return mishap == ClusterMishap::kill || mishap == ClusterMishap::lose_power ||
           mishap == ClusterMishap::lose_all_power || mishap == ClusterMishap::stop ||
           mishap == ClusterMishap::die_between;
}

// Those that end the promises of memory, or of a partition, are on more seldom: they excuse much.
bool is_on(RandomStream& random, ClusterMishap mishap) {
    switch (mishap) {
        case ClusterMishap::fill_disk:
        case ClusterMishap::fail_write: return random.chance(one_in(5));
        case ClusterMishap::rot: return random.chance(one_in(8));
        case ClusterMishap::wipe: return random.chance(one_in(4));
        default: return coin(random);
    }
}

}  // namespace

const char* name(ClusterMishap mishap) {
    constexpr const char* names[] = {
        "kill",      "lose-power", "lose-all-power", "stop",       "die-between", "pause", "isolate", "cut-plane",
        "slow-link", "hang-disk",  "fill-disk",      "fail-write", "kill-client", "rot",   "skew",    "wipe"};
    static_assert(std::size(names) == cluster_mishaps);
    return names[static_cast<size_t>(mishap)];
}

void draw_replication(RandomStream& random, size_t nodes, TopicPlan& topic) {
    topic.replicas = one_of<int32_t>(random, {1, 2, 3, 3, 3, 3});
    if (nodes > 3) topic.replicas = one_of<int32_t>(random, {1, 2, 3, 3, 3, 5});
    topic.min_in_sync = static_cast<int32_t>(random.between(1, std::min<uint64_t>(2, topic.replicas)));
    if (topic.replicas == 5) topic.min_in_sync = static_cast<int32_t>(random.between(1, 3));
}

void draw_cluster(Plan& plan, size_t nodes) {
    RandomStream random(plan.seed, "cluster plan");
    plan.nodes = nodes;
    ClusterPlan& cluster = plan.cluster;
    cluster.session_timeout = one_of<Duration>(random, {800ms, 1500ms, 1500ms, 3s});
    cluster.election_timeout = one_of<Duration>(random, {150ms, 300ms, 300ms});
    cluster.appointment_wait = one_of<Duration>(random, {1ms, 30ms, 30ms, 200ms});
    cluster.replica_lag_time_max = one_of<Duration>(random, {500ms, 2s, 2s});
    cluster.pause_mean = between(random, 200ms, 3s);
    cluster.down_mean = between(random, 50ms, 4s);
    cluster.long_mean = between(random, 200ms, 4s);
    for (size_t index = 0; index < cluster_mishaps; ++index) {
        const auto mishap = static_cast<ClusterMishap>(index);
        uint64_t weight = random.between(1, 10);
        bool is_drawn = is_on(random, mishap);
        if (plan.profile == Profile::crashes) is_drawn = is_usual(mishap);
        cluster.weights.push_back(is_drawn && plan.profile != Profile::calm ? weight : 0);
    }
    // Of two disks that are lost at once nothing is promised where two in sync are enough.
    if (cluster.may(ClusterMishap::rot)) cluster.weights[static_cast<size_t>(ClusterMishap::wipe)] = 0;
    cluster.rotten = static_cast<int32_t>(random.between(1, nodes));
    // Daemons that fail all the time at every disk make no cluster: errors are mishaps here, and rates seldom.
    if (!random.chance(one_in(4))) plan.world.disk.write_error = plan.world.disk.sync_error = Chance{};
    plan.world.disk.full = Chance{};
    plan.faults = FaultPlan{plan.faults.pause_mean, std::vector<uint64_t>(mishaps, 0), Rot::none};
    plan.chaos = between(random, 5s, 25s);
    for (size_t index = 0; index < leader_operations; ++index) {
        uint64_t weight = random.between(1, 10);
        plan.admin.weights.push_back(coin(random) ? weight : 0);
    }
    // A cluster is asked for more.
    plan.admin.pause_mean = between(random, 100ms, 2s);
    // What is planned takes a while, and much may happen on the way.
    const uint64_t moves = random.between(5, 30);
    plan.admin.weights.push_back(coin(random) ? moves : 0);
    for (TopicPlan& topic : plan.topics) draw_replication(random, nodes, topic);
    std::string servers;
    for (size_t id = 1; id <= nodes; ++id) {
        servers += (id > 1 ? "," : "") + host_of(static_cast<int32_t>(id)) + ":" + std::to_string(client_port);
    }
    for (ProducerPlan& producer : plan.producers) producer.settings.bootstrap_servers = servers;
    for (ConsumerPlan& consumer : plan.consumers) consumer.settings.bootstrap_servers = servers;
}

broker::Config config_of(const Plan& plan, int32_t id) {
    broker::Config config = plan.config;
    config.broker_id = id;
    config.advertise = {host_of(id), client_port};
    for (size_t index = 1; index <= plan.nodes; ++index) {
        const auto voter = static_cast<int32_t>(index);
        config.voters.push_back({voter, {host_of(voter), controller_port}});
    }
    config.cluster_listen = {"0.0.0.0", controller_port};
    config.cluster_advertise = {host_of(id), controller_port};
    config.cluster_replica_port = replica_port;
    config.cluster_secret = "a secret for simulations";
    config.session_timeout = plan.cluster.session_timeout;
    config.election_timeout = plan.cluster.election_timeout;
    config.appointment_wait = plan.cluster.appointment_wait;
    config.replica_lag_time_max = plan.cluster.replica_lag_time_max;
    return config;
}

}  // namespace ironbark::simulation
