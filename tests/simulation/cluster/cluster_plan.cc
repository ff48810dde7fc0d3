#include "tests/simulation/cluster/cluster_plan.h"

#include <algorithm>

#include "tests/simulation/cluster/draws.h"
#include "tests/simulation/cluster/plan.h"

namespace ironbark::simulation {
namespace {

// Of the operations of AdminClient.
constexpr size_t leader_operations = 5;  // and one more moves replicas
constexpr size_t alter = 3;
constexpr size_t delete_records = 4;
constexpr size_t move_leader = 6;
constexpr size_t set_failover = 9;
constexpr size_t move_replicas = 11;

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

void set_weight(ClusterPlan& cluster, ClusterMishap mishap, uint64_t weight) {
    cluster.weights[static_cast<size_t>(mishap)] = weight;
}

// Messages take as long as syncs, or longer: what is known of others is older, and more is under way.
void move_apart(RandomStream& random, Plan& plan) {
    plan.world.network.latency = {1ms, between(random, 1ms, 20ms)};
    plan.cluster.election_timeout = 300ms;
}

// What else disks do excuses too much. Of two that are lost at once nothing is promised where two in sync are enough;
// and where errors and stalls keep marks from the disk, nothing tells what rots from what was torn.
void only_rot(Plan& plan) {
    for (const ClusterMishap mishap : {ClusterMishap::wipe, ClusterMishap::fill_disk, ClusterMishap::fail_write}) {
        set_weight(plan.cluster, mishap, 0);
    }
    plan.world.disk.write_error = plan.world.disk.sync_error = plan.world.disk.stall = Chance{};
}

// Records leave the memory soon, so that they are read from the disk.
void devote_to_damage(RandomStream& random, Plan& plan) {
    ClusterPlan& cluster = plan.cluster;
    set_weight(cluster, ClusterMishap::rot, 20);
    plan.config.tail_bytes = 4 << 10;
    cluster.pause_mean = between(random, 100ms, 1s);
    plan.chaos = between(random, 5s, 15s);
    plan.admin.weights[alter] = plan.admin.weights[delete_records] = 0;
    plan.admin.weights[move_leader] = random.between(1, 10);
    for (ProducerPlan& producer : plan.producers) producer.size_max = std::max<size_t>(producer.size_max, 500);
    // One that reads everything, again and again.
    ConsumerPlan cold = plan.consumers.front();
    cold.is_tailing = false;
    cold.polls_max = 30;
    cold.pause_mean = 20ms;
    cold.settings.fetch_max_bytes = cold.settings.max_partition_fetch_bytes = 64 << 10;
    cold.settings.max_poll_records = 500;
    plan.consumers.push_back(cold);
}

void devote_to_moves(RandomStream& random, Plan& plan) {
    move_apart(random, plan);
    plan.admin.pause_mean = between(random, 100ms, 300ms);
    plan.admin.weights[move_replicas] = 60;
    set_weight(plan.cluster, ClusterMishap::slow_link, 10);
    set_weight(plan.cluster, ClusterMishap::cut_plane, 10);
    plan.cluster.pause_mean = between(random, 100ms, 1s);
    plan.cluster.long_mean = between(random, 200ms, 1s);
    plan.chaos = between(random, 5s, 15s);
}

// Either way it takes long until a record is known to be on another disk, or is there: who is to join the in-sync set
// has hardly anything on its own.
void devote_to_failovers(RandomStream& random, Plan& plan) {
    if (coin(random)) {
        move_apart(random, plan);
    } else {
        plan.world.disk.sync = {200us, between(random, 1ms, 20ms)};
    }
    for (const ClusterMishap mishap : {ClusterMishap::kill, ClusterMishap::lose_power, ClusterMishap::lose_all_power,
                                       ClusterMishap::slow_link, ClusterMishap::hang_disk, ClusterMishap::cut_plane}) {
        set_weight(plan.cluster, mishap, random.between(3, 10));
    }
    for (ProducerPlan& producer : plan.producers) {
        if (coin(random)) producer.settings.acks = Acks::isr_durable;
    }
    plan.admin.weights[set_failover] = 0;
    plan.cluster.replica_lag_time_max = 500ms;
    plan.cluster.pause_mean = between(random, 100ms, 600ms);
    plan.cluster.down_mean = between(random, 50ms, 1s);
    plan.cluster.long_mean = between(random, 200ms, 1s);
    plan.chaos = between(random, 5s, 15s);
}

Theme draw_theme(RandomStream& random) {
    return one_of(random, {Theme::damage, Theme::damage, Theme::moves, Theme::failovers, Theme::failovers, Theme::any,
                           Theme::any, Theme::any});
}

void devote(RandomStream& random, Plan& plan) {
    switch (plan.cluster.theme) {
        case Theme::any: return;
        case Theme::damage: return devote_to_damage(random, plan);
        case Theme::moves: return devote_to_moves(random, plan);
        case Theme::failovers: return devote_to_failovers(random, plan);
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

const char* name(Theme theme) {
    constexpr const char* names[] = {"any", "damage", "moves", "failovers"};
    return names[static_cast<size_t>(theme)];
}

void draw_replication(RandomStream& random, const Plan& plan, TopicPlan& topic) {
    topic.replicas = one_of<int32_t>(random, {1, 2, 3, 3, 3, 3});
    if (plan.nodes > 3) topic.replicas = one_of<int32_t>(random, {1, 2, 3, 3, 3, 5});
    topic.min_in_sync = static_cast<int32_t>(random.between(1, topic.replicas > 1 ? 2 : 1));
    if (topic.replicas == 5) topic.min_in_sync = static_cast<int32_t>(random.between(1, 3));
    if (plan.cluster.theme == Theme::failovers) topic.replicas = 3;
    if (plan.cluster.theme != Theme::damage) return;
    // What is replaced at all, and stays until it is read.
    topic.replicas = 3;
    topic.min_in_sync = 2;
    topic.settings.erase("retention.ms");
    topic.settings.erase("retention.bytes");
    topic.settings["segment.bytes"] = "65536";
}

void draw_cluster(Plan& plan, size_t nodes) {
    RandomStream random(plan.seed, "cluster plan");
    plan.nodes = nodes;
    ClusterPlan& cluster = plan.cluster;
    RandomStream themes(plan.seed, "theme");
    if (plan.profile == Profile::swarm) cluster.theme = draw_theme(themes);
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
    devote(themes, plan);
    if (cluster.may(ClusterMishap::rot)) only_rot(plan);
    for (TopicPlan& topic : plan.topics) draw_replication(random, plan, topic);
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
