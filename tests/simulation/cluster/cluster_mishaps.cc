// What befalls the daemons of a ClusterRun. What ends by itself later (a pause, a cut) is put among what is due.

#include <algorithm>

#include "broker/controller/tiers.h"
#include "tests/simulation/cluster/cluster_run.h"
#include "tests/simulation/cluster/draws.h"

namespace ironbark::simulation {
namespace {

constexpr uint64_t rot_of_recent_bytes = uint64_t{16} << 10;
constexpr Duration marked_for = 1s;

}  // namespace

void ClusterRun::befall(ClusterMishap mishap, RandomStream& random) {
    DaemonNode& daemon = *daemons_[random.below(daemons_.size())];
    switch (mishap) {
        case ClusterMishap::kill: return end_one(daemon, Crash::kill);
        case ClusterMishap::lose_power: return end_one(daemon, Crash::power_loss);
        case ClusterMishap::lose_all_power:
            // Seldom enough that a run has a life between them.
            if (random.chance(one_in(plan_.cluster.theme == Theme::failovers ? 2 : 3))) lose_all_power();
            return;
        case ClusterMishap::stop:
            if (!daemon.is_down() && !daemon.node().is_paused()) daemon.begin_stop();
            return;
        case ClusterMishap::die_between: return stop_between(daemon, random);
        case ClusterMishap::pause: return pause(daemon, random);
        case ClusterMishap::isolate: return isolate(daemon, random);
        case ClusterMishap::cut_plane: return cut_plane(daemon, random);
        case ClusterMishap::slow_link: return slow_link(daemon, random);
        case ClusterMishap::hang_disk: {
            const Duration time = random.duration({50ms, plan_.cluster.long_mean});
            stage_.history.say(
                "mishap", "the disk of " + daemon.node().name() + " hangs for " + std::to_string(time / 1ms) + " ms");
            stage_.atlas.note(Path::disk_hang);
            if (daemon.id() == plan_.cluster.rotten) hangs_until_ = simulation_.now() + time;
            return daemon.node().disk().hang(time);
        }
        case ClusterMishap::fill_disk: return fill_disk(daemon, random);
        case ClusterMishap::fail_write: return fail_write(daemon, random);
        case ClusterMishap::kill_client: return clients_.kill_one(random);
        case ClusterMishap::rot: return rot(random);
        case ClusterMishap::wipe: return wipe(daemon);
        case ClusterMishap::skew:
            stage_.atlas.note(Path::clock_skew);
            daemon.node().set_wall_skew_milliseconds(static_cast<int64_t>(random.below(7'200'000)) - 3'600'000);
            return;
    }
}

void ClusterRun::end_one(DaemonNode& daemon, Crash how) {
    if (!daemon.is_down()) daemon.crash(how);
}

void ClusterRun::lose_all_power() {
    stage_.atlas.note(Path::power_loss_of_all);
    for (const auto& daemon : daemons_) daemon->crash(Crash::power_loss);
}

void ClusterRun::stop_between(DaemonNode& daemon, RandomStream& random) {
    const uint64_t operations = random.between(1, 100);
    const bool is_kill = coin(random);
    stage_.history.say("mishap", daemon.node().name() + " is to die in place of change " + std::to_string(operations));
    daemon.node().disk().stop_after(operations, is_kill ? Crash::kill : Crash::power_loss);
}

void ClusterRun::pause(DaemonNode& daemon, RandomStream& random) {
    if (daemon.is_down() || daemon.node().is_paused()) return;
    const Duration time = random.duration({10ms, plan_.cluster.long_mean});
    stage_.history.say("mishap", daemon.node().name() + " is paused for " + std::to_string(time / 1ms) + " ms");
    stage_.atlas.note(time < plan_.cluster.session_timeout ? Path::pause_short : Path::pause_long);
    daemon.node().pause();
    later(time, [node = &daemon.node()] { node->resume(); });
}

void ClusterRun::isolate(DaemonNode& daemon, RandomStream& random) {
    const Duration time = random.duration({100ms, plan_.cluster.long_mean});
    stage_.history.say("mishap", daemon.node().name() + " is isolated for " + std::to_string(time / 1ms) + " ms");
    stage_.atlas.note(Path::isolation);
    std::vector<Node*> others = simulation_.nodes();
    std::erase(others, &daemon.node());
    for (Node* other : others) simulation_.network().cut_both(daemon.node(), *other);
    later(time, [this, node = &daemon.node(), others] {
        for (Node* other : others) simulation_.network().heal_both(*node, *other);
    });
}

// Direction 0: both; 1: from the first to the second; 2: the other one.
void ClusterRun::cut(Node& one, Node& other, uint16_t port, uint64_t direction, Duration healed_after) {
    SimulatedNetwork& network = simulation_.network();
    if (direction != 2) network.cut_plane(one, other, port);
    if (direction != 1) network.cut_plane(other, one, port);
    later(healed_after, [&network, &one, &other, port] {
        network.heal_plane(one, other, port);
        network.heal_plane(other, one, port);
    });
}

// A plane is the connections to one port: clients to brokers, followers to leaders, and everything that has to do with
// controllers (their votes, and the sessions of brokers).
void ClusterRun::cut_plane(DaemonNode& daemon, RandomStream& random) {
    const uint64_t plane = random.below(4);
    const uint64_t direction = random.below(3);
    const Duration time = random.duration({100ms, plan_.cluster.long_mean});
    const bool is_of_all = coin(random);
    stage_.history.say("mishap", "plane " + std::to_string(plane) + " of " + daemon.node().name() +
                                     " is cut in direction " + std::to_string(direction) + " for " +
                                     std::to_string(time / 1ms) + " ms");
    std::vector<Node*> peers;
    std::vector<Node*> clients;
    for (Node* node : simulation_.nodes()) {
        if (node == &daemon.node()) continue;
        const bool is_daemon =
            std::any_of(daemons_.begin(), daemons_.end(), [&](const auto& each) { return &each->node() == node; });
        // Some of them, or all.
        if (random.chance(one_in(2)) || is_of_all) (is_daemon ? peers : clients).push_back(node);
    }
    if (plane == 0 || plane == 3) {
        if (direction != 1) stage_.atlas.note(Path::cut_clients_to_broker, clients.size());
        if (direction != 2) stage_.atlas.note(Path::cut_broker_to_clients, clients.size());
        for (Node* client : clients) cut(daemon.node(), *client, client_port, direction, time);
    }
    if (plane == 1 || plane == 3) {
        stage_.atlas.note(direction == 0 ? Path::cut_followers : Path::cut_followers_one_way, peers.size());
        for (Node* peer : peers) cut(daemon.node(), *peer, replica_port, direction, time);
    }
    if (plane == 2 || plane == 3) {
        stage_.atlas.note(direction == 0 ? Path::cut_controllers : Path::cut_controllers_one_way, peers.size());
        for (Node* peer : peers) cut(daemon.node(), *peer, controller_port, direction, time);
    }
    if (plane == 3) stage_.atlas.note(Path::cut_all_planes);
}

void ClusterRun::slow_link(DaemonNode& daemon, RandomStream& random) {
    const std::vector<Node*> nodes = simulation_.nodes();
    Node& other = *nodes[random.below(nodes.size())];
    const Latency latency{random.duration({1ms, 10ms}), random.duration({1ms, 100ms})};
    const Duration time = random.duration({100ms, plan_.cluster.long_mean});
    const bool is_one_way = coin(random);
    stage_.history.say("mishap", "the link from " + daemon.node().name() + " to " + other.name() + " is slow for " +
                                     std::to_string(time / 1ms) + " ms");
    stage_.atlas.note(Path::slow_link);
    SimulatedNetwork& network = simulation_.network();
    network.set_latency(daemon.node(), other, latency);
    if (!is_one_way) network.set_latency(other, daemon.node(), latency);
    later(time, [this, &network, node = &daemon.node(), &other] {
        network.set_latency(*node, other, plan_.world.network.latency);
        network.set_latency(other, *node, plan_.world.network.latency);
    });
}

void ClusterRun::fill_disk(DaemonNode& daemon, RandomStream& random) {
    ++stage_.history.counts().full_disks;
    stage_.atlas.note(Path::disk_full);
    SimulatedDisk& disk = daemon.node().disk();
    disk.set_capacity(disk.used_bytes() + random.below(4 << 20));
    later(random.duration({100ms, plan_.cluster.long_mean}),
          [this, &disk] { disk.set_capacity(plan_.world.disk.capacity_bytes); });
}

void ClusterRun::fail_write(DaemonNode& daemon, RandomStream& random) {
    SimulatedDisk& disk = daemon.node().disk();
    std::vector<std::string> files;
    for (const std::string& path : disk.files()) {
        if (path.find("graveyard") == std::string::npos) files.push_back(path);
    }
    const uint64_t which = random.next();
    const bool is_sync = coin(random);
    if (files.empty() || daemon.is_down()) return;
    const std::string& path = files[which % files.size()];
    stage_.history.say("mishap", daemon.node().name() + " fails to " + (is_sync ? "sync " : "write ") + path);
    stage_.atlas.note(is_sync ? Path::sync_failed : Path::write_failed);
    is_sync ? disk.fail_next_sync(path) : disk.fail_next_write(path);
}

// A write that a crash has torn looks like one that has rotten, as long as no mark says that it was promised. So what
// rots is what marks have held for a while. (A mark that was set is on disk soon, unless that hangs.)
void ClusterRun::note_marks() {
    DaemonNode& daemon = *daemons_[static_cast<size_t>(plan_.cluster.rotten - 1)];
    if (!plan_.cluster.may(ClusterMishap::rot) || !daemon.is_ready()) return;
    if (daemon.node().is_paused() || simulation_.now() < hangs_until_) return marked_.clear();
    Marked now{simulation_.now(), {}};
    for (broker::Shard* shard : daemon.broker()->facts().shards) {
        for (const auto& [identity, marks] : shard->store()->marks().all()) {
            if (marks.floor) now.floors[identity] = *marks.floor;
        }
    }
    marked_.push_back(std::move(now));
    while (marked_.size() > 1 && marked_[1].at <= marked_.back().at - marked_for) marked_.pop_front();
}

// Also of a log that was cut or emptied meanwhile.
log::Floor ClusterRun::marked_end(const PartitionIdentity& identity) const {
    if (marked_.empty() || marked_.front().at > marked_.back().at - marked_for) return {};
    auto before = marked_.front().floors.find(identity);
    auto now = marked_.back().floors.find(identity);
    if (before == marked_.front().floors.end() || now == marked_.back().floors.end()) return {};
    const auto place = [](const log::Floor& floor) { return std::pair(floor.segment_base, floor.position); };
    return std::min(before->second, now->second,
                    [&](const log::Floor& one, const log::Floor& other) { return place(one) < place(other); });
}

// Of one of its logs. Half of them are of what was written last, which a restart reads again.
std::optional<ClusterRun::RottenPlace> ClusterRun::draw_rot(DaemonNode& daemon, RandomStream& random) {
    SimulatedDisk& disk = daemon.node().disk();
    std::vector<RottenPlace> choices;
    for (const std::string& path : disk.files()) {
        const std::optional<PartitionIdentity> identity = partition_of_file(path);
        if (!path.ends_with(".log") || !identity) continue;
        const log::Floor end = marked_end(*identity);
        const Offset base(std::stoll(path.substr(path.rfind('/') + 1)));
        const uint64_t size = disk.size(path);
        const uint64_t used = base < end.segment_base    ? size
                              : base == end.segment_base ? std::min(end.position, size)
                                                         : 0;
        if (used > 0) choices.push_back({path, *identity, used});
    }
    const uint64_t which = random.next();
    if (choices.empty()) return std::nullopt;
    RottenPlace place = choices[which % choices.size()];
    const uint64_t size = coin(random) ? std::min(place.position, rot_of_recent_bytes) : place.position;
    place.position -= 1 + random.below(size);
    return place;
}

// What is in the log may then be refused, but never served wrongly; and where every acknowledgement was of two, the
// replica is replaced. (One that was in sync alone may have what nobody else has. And a page that the disk refuses to
// read is an error of the disk, after which nothing is replaced by itself.)
void ClusterRun::rot(RandomStream& random) {
    DaemonNode& daemon = *daemons_[static_cast<size_t>(plan_.cluster.rotten - 1)];
    const bool is_about_damage = plan_.cluster.theme == Theme::damage;
    const bool is_unreadable = coin(random) && !is_about_damage;
    const bool ends_soon = random.chance(one_in(4)) && is_about_damage;
    const std::optional<RottenPlace> place = draw_rot(daemon, random);
    if (!place) return;
    const auto topic = watch_.newest()->find(place->identity.topic);
    const bool is_promised = topic != nullptr && topic->min_in_sync > 1 && !is_unreadable;
    is_promised ? stage_.history.replica_rots(place->identity) : stage_.history.damaged(place->identity);
    stage_.history.say("mishap", daemon.node().name() + ": " + place->path +
                                     (is_unreadable ? " cannot be read at " : " rots at ") +
                                     std::to_string(place->position));
    stage_.atlas.note(Path::rot);
    ++stage_.history.counts().rots;
    SimulatedDisk& disk = daemon.node().disk();
    is_unreadable ? disk.fail_reads(place->path, place->position)
                  : disk.rot(place->path, place->position, static_cast<uint32_t>(random.below(8)));
    if (ends_soon) end_one(daemon, coin(random) ? Crash::kill : Crash::power_loss);
}

// Once in a run, and only where everything that it holds is on another disk, too. Where one in sync is enough, the loss
// of a disk is not what the level survives: whatever becomes of those partitions is right.
bool ClusterRun::may_be_wiped(int32_t id) {
    const broker::MetadataSnapshot& metadata = watch_.newest();
    for (const auto& daemon : daemons_) {
        if (!daemon->is_ready()) return false;
    }
    for (const auto& [topic_name, topic] : metadata->topics()) {
        for (const broker::PartitionRecord& partition : topic->partitions) {
            if (!broker::contains(partition.replicas, BrokerId(id)) || topic->min_in_sync == 1) continue;
            if (partition.in_sync.size() < 2 || partition.leader.value < 0) return false;
        }
    }
    return true;
}

void ClusterRun::wipe(DaemonNode& daemon) {
    if (has_wiped_ || !may_be_wiped(daemon.id())) return;
    has_wiped_ = true;
    for (const auto& [topic_name, topic] : watch_.newest()->topics()) {
        for (size_t index = 0; index < topic->partitions.size(); ++index) {
            const broker::BrokerIds& replicas = topic->partitions[index].replicas;
            const PartitionIdentity identity{topic->id, PartitionIndex(static_cast<int32_t>(index))};
            const bool is_promised = topic->min_in_sync > 1 || !broker::contains(replicas, BrokerId(daemon.id()));
            if (!is_promised) stage_.history.damaged(identity);
        }
    }
    daemon.crash(Crash::power_loss);
    stage_.history.say("mishap", daemon.node().name() + " loses its disk");
    stage_.atlas.note(Path::wiped);
    stage_.excuses.broker_wiped(daemon.id());
    daemon.node().disk().restore(DiskImage());
    stage_.lost_voters.insert(daemon.id());
}

}  // namespace ironbark::simulation
