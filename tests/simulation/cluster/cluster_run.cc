#include "tests/simulation/cluster/cluster_run.h"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>

#include "broker/control/control.h"
#include "broker/controller/tiers.h"
#include "runtime/base/checksum.h"
#include "tests/simulation/cluster/draws.h"

namespace ironbark::simulation {
namespace {

// Of virtual time, once nothing is wrong any more: what is not done by then is stuck. TCP and sessions have their own
// patience before.
constexpr Duration cluster_liveness_limit = std::chrono::minutes(5);
constexpr Duration in_sync_limit = std::chrono::minutes(2);
constexpr Duration slice = 50ms;         // between two close looks
constexpr Duration under_way_time = 3s;  // what was sent by somebody who waits for no answer has come by then
constexpr size_t read_bytes_max = size_t{64} << 20;

// All frames of a log from there on, in as many reads as it takes.
Task<Result<std::vector<uint8_t>>> read_log(log::Log* log, Offset next) {
    std::vector<uint8_t> bytes;
    while (next < log->log_end()) {
        Result<log::ReadFrames> read = co_await log->read(next, log->log_end(), read_bytes_max);
        if (!read.ok()) co_return read.error();
        for (const BufferSlice& each : read->slices) {
            const Bytes part = each.bytes();
            bytes.insert(bytes.end(), part.begin(), part.end());
        }
        next = read->next;
    }
    co_return bytes;
}

}  // namespace

ClusterRun::ClusterRun(Plan plan, Prints prints)
    : plan_(std::move(plan)),
      simulation_(plan_.seed, plan_.world),
      stage_(simulation_, plan_, prints.story),
      random_(plan_.seed, "cluster run"),
      watch_(stage_, daemons_),
      clients_(stage_),
      is_expected_(plan_.nodes, false) {
    for (size_t id = 1; id <= plan_.nodes; ++id) {
        daemons_.push_back(std::make_unique<DaemonNode>(stage_, static_cast<int32_t>(id)));
    }
    watch_.begin();
    simulation_.on_report([this] { report(); });
    if (prints.events) simulation_.print_events();
}

ClusterRun::~ClusterRun() = default;

void ClusterRun::report() {
    std::string befell;
    for (uint64_t number : stage_.mishaps) befell += (befell.empty() ? "" : ",") + std::to_string(number);
    std::fprintf(stderr,
                 "what happened last:\n%splan: %s\n%s%s\nreplay: simulate --nodes %zu --seed %llu --profile %s%s "
                 "--trace\n",
                 stage_.history.last_lines().c_str(), plan_.to_string().c_str(), mishaps_mark, befell.c_str(),
                 plan_.nodes, static_cast<unsigned long long>(plan_.seed), name(plan_.profile),
                 plan_.left_out.to_string().c_str());
}

RunOutcome ClusterRun::execute() {
    stage_.history.say("plan", plan_.to_string());
    form();
    live_through_faults();
    recover();
    settle();
    read_twice();
    clients_.end();
    uint64_t starts = 0;
    for (const auto& daemon : daemons_) starts += daemon->node().starts();
    RunOutcome outcome = outcome_of(simulation_, stage_.history.counts(), starts);
    outcome.atlas = stage_.atlas;
    return outcome;
}

// ---- time ----------------------------------------------------------------------------------------------------------

void ClusterRun::look() {
    watch_.look();
    for (size_t index = 0; index < daemons_.size(); ++index) {
        DaemonNode& daemon = *daemons_[index];
        daemon.look();
        if (daemon.is_ready()) stage_.lost_voters.erase(daemon.id());
        if (!daemon.is_down() || is_expected_[index] || stage_.phase == Phase::settled) continue;
        is_expected_[index] = true;
        Duration down = stage_.phase == Phase::chaos ? random_.duration({1ms, plan_.cluster.down_mean}) : Duration(0);
        later(down, [this, index] {
            is_expected_[index] = false;
            if (daemons_[index]->is_down()) daemons_[index]->start();
        });
    }
}

void ClusterRun::later(Duration delay, std::function<void()> what) {
    due_.push_back({simulation_.now() + delay, std::move(what)});
}

void ClusterRun::pass(Duration duration) {
    const Instant end = simulation_.now() + duration;
    while (true) {
        Instant next = end;
        for (const Due& due : due_) next = std::min(next, due.at);
        const Instant now = simulation_.now();
        simulation_.run_until(
            [&] {
                if (watch_.has_news()) watch_.look();
                return std::any_of(daemons_.begin(), daemons_.end(), [](const auto& one) { return one->has_news(); });
            },
            std::max(Duration(0), next - now));
        look();
        std::vector<Due> ripe;
        for (Due& due : due_) {
            if (due.at <= simulation_.now()) ripe.push_back(std::move(due));
        }
        std::erase_if(due_, [](const Due& due) { return due.what == nullptr; });
        for (Due& due : ripe) due.what();
        if (simulation_.now() >= end) return;
    }
}

bool ClusterRun::are_all_ready() {
    return std::all_of(daemons_.begin(), daemons_.end(), [](const auto& daemon) { return daemon->is_ready(); });
}

void ClusterRun::wait_until(const std::string& what, const std::function<bool()>& condition) {
    const Instant end = simulation_.now() + cluster_liveness_limit;
    while (!condition()) {
        if (simulation_.now() >= end)
            stage_.history.fail(what + " within five minutes without faults", what_is_missing());
        pass(slice);
        watch_.look_closely();
        tend();
    }
}

std::string ClusterRun::what_is_missing() {
    std::string text = "they are not done";
    for (const auto& daemon : daemons_) {
        text += fmt::format("\n    {}: {}", daemon->node().name(),
                            daemon->is_ready()  ? daemon->broker()->facts().control->status().problem
                            : daemon->is_down() ? "down"
                                                : "neither up nor down");
    }
    if (watch_.newest() == nullptr) return text;
    for (const TopicPartition& name : stage_.good_partitions()) {
        text += "\n  " + watch_.tell({stage_.topic(name.topic)->id, PartitionIndex(name.partition)});
    }
    return text;
}

// ---- a life --------------------------------------------------------------------------------------------------------

// Without mishaps, but not without the faults of the world.
void ClusterRun::form() {
    for (size_t index = 0; index < daemons_.size(); ++index) {
        is_expected_[index] = true;
        later(random_.duration({0ms, 500ms}), [this, index] {
            is_expected_[index] = false;
            daemons_[index]->start();
        });
    }
    wait_until("a cluster forms", [this] { return are_all_ready(); });
    clients_.start_admin();
    wait_until("topics are made", [this] { return clients_.has_topics(); });
    clients_.start_others();
}

void ClusterRun::live_through_faults() {
    const Instant end = simulation_.now() + plan_.chaos;
    RandomStream pauses(plan_.seed, "pauses between mishaps");
    for (uint64_t number = 1; simulation_.now() < end; ++number) {
        const Instant next = simulation_.now() + pauses.duration({20ms, plan_.cluster.pause_mean});
        while (simulation_.now() < std::min(next, end)) {
            pass(std::min(slice, next - simulation_.now()));
            watch_.look_closely();
            note_marks();
            if (++slices_ % 20 == 0) tend();
        }
        RandomStream random(plan_.seed, "mishap/" + std::to_string(number));
        const size_t index = weighed(random, plan_.cluster.weights, 1);
        if (index >= cluster_mishaps) continue;
        const auto mishap = static_cast<ClusterMishap>(index);
        if (plan_.left_out.mishaps.contains(number) || plan_.left_out.classes.contains(name(mishap))) continue;
        stage_.history.say("mishap", std::to_string(number) + ": " + name(mishap));
        stage_.mishaps.push_back(number);
        befall(mishap, random);
        look();
    }
}

// As an operator does who looks at /healthz.
void ClusterRun::tend() {
    for (const auto& daemon : daemons_) {
        if (!daemon->is_sick()) continue;
        stage_.history.say("operator", "starts " + daemon->node().name() + " anew");
        stage_.atlas.note(Path::restart_of_sick);
        daemon->begin_stop();
        return;  // one at a time
    }
}

void ClusterRun::recover() {
    stage_.history.say("run", "the faults end");
    stage_.phase = Phase::recovery;
    simulation_.end_faults();
    std::vector<Due> due = std::exchange(due_, {});
    for (Due& each : due) each.what();
    for (const auto& daemon : daemons_) {
        Node& node = daemon->node();
        node.disk().stop_never();
        node.disk().set_capacity(plan_.world.disk.capacity_bytes);
        node.disk().evict();
        node.resume();
        for (Node* other : simulation_.nodes()) {
            simulation_.network().set_latency(node, *other, plan_.world.network.latency);
            simulation_.network().set_latency(*other, node, plan_.world.network.latency);
        }
    }
    // Logs and voters that failed come back with a start.
    for (const auto& daemon : daemons_) {
        if (plan_.has_disk_errors() && !daemon->is_down()) daemon->begin_stop();
    }
    wait_until("daemons serve", [this] { return are_all_ready(); });
    wait_until("producers finish", [this] { return clients_.have_produced(); });
    await_replicas();
}

void ClusterRun::settle() {
    stage_.history.say("run", "the producers have ended");
    stage_.phase = Phase::settled;
    wait_until("consumers and the administrator finish", [this] { return clients_.have_consumed(); });
    pass(under_way_time);
    await_replicas();  // once more: what was asked for in the end may have been planned late
}

// All replicas of all partitions that nobody has damaged are in sync and hold the same, and nothing moves.
void ClusterRun::await_replicas() {
    const Instant end = simulation_.now() + in_sync_limit;
    for (const TopicPartition& name : stage_.good_partitions()) {
        const PartitionIdentity identity{stage_.topic(name.topic)->id, PartitionIndex(name.partition)};
        while (!is_at_rest(name)) {
            if (simulation_.now() >= end) {
                stage_.history.fail(
                    "all replicas are in sync, equal and where they are to be within two minutes without faults",
                    watch_.tell(identity));
            }
            pass(slice);
            watch_.look_closely();
            tend();
        }
    }
}

bool ClusterRun::is_at_rest(const TopicPartition& name) {
    const PartitionIdentity identity{stage_.topic(name.topic)->id, PartitionIndex(name.partition)};
    const auto topic = watch_.newest()->find(identity.topic);
    if (topic == nullptr) stage_.history.fail("topic " + name.topic + " is there", "it is not");
    const broker::PartitionRecord& record = topic->partitions.at(static_cast<size_t>(name.partition));
    const bool is_whole = record.leader.value >= 0 && record.in_sync.size() == record.replicas.size();
    if (!is_whole || !record.moving_to.empty()) return false;
    // Who has let it go keeps nothing of it.
    for (const auto& daemon : daemons_) {
        const bool is_replica = broker::contains(record.replicas, BrokerId(daemon->id()));
        if (!is_replica && watch_.replica(daemon->id(), identity) != nullptr) return false;
    }
    return are_equal(identity, record);
}

// Byte by byte, from where all of them begin: who led before may have deleted more than the others.
bool ClusterRun::are_equal(const PartitionIdentity& identity, const broker::PartitionRecord& record) {
    std::optional<std::vector<uint8_t>> first;
    Offset start;
    for (BrokerId broker : record.replicas) {
        const broker::Partition* partition = watch_.replica(broker.value, identity);
        if (partition != nullptr) start = std::max(start, partition->log_start());
    }
    for (BrokerId broker : record.replicas) {
        broker::Partition* partition = watch_.replica(broker.value, identity);
        if (partition == nullptr || partition->log() == nullptr) return false;
        Node& node = daemons_[static_cast<size_t>(broker.value - 1)]->node();
        std::optional<Result<std::vector<uint8_t>>> read = node.try_run(read_log(partition->log(), start));
        if (!read) return false;
        if (!read->ok() && start < partition->log_start()) return false;  // retention has gone on meanwhile
        // To read it is to find the damage: it is replaced.
        if (!read->ok() && stage_.history.may_refuse(identity)) return false;
        if (!read->ok()) stage_.history.fail("a whole log can be read", ironbark::name(read->error().code));
        if (first && *first != **read) return false;
        first = std::move(**read);
    }
    return true;
}

void ClusterRun::stop_all(bool in_order) {
    stage_.history.say("run", in_order ? "all daemons are stopped" : "all daemons lose their power");
    if (!in_order) return lose_all_power();
    for (const auto& daemon : daemons_) daemon->begin_stop();
    wait_until("all daemons stop", [this] {
        return std::all_of(daemons_.begin(), daemons_.end(), [](const auto& daemon) { return daemon->is_down(); });
    });
}

// The second time after all went down together: nothing has changed, because everything is on disk by now.
void ClusterRun::read_twice() {
    const bool in_order = random_.chance(one_in(2));
    for (int round = 0; round < 2; ++round) {
        read_everything(stage_, cluster_liveness_limit);
        pass(flush_interval_max + 5s);
        stop_all(round == 1 || in_order);
        if (round == 1) return;
        for (const auto& daemon : daemons_) daemon->start();
        wait_until("daemons serve again", [this] { return are_all_ready(); });
        wait_until("every partition has a leader", [this] {
            for (const TopicPartition& name : stage_.good_partitions()) {
                const auto topic = watch_.newest()->find(stage_.topic(name.topic)->id);
                if (topic->partitions.at(static_cast<size_t>(name.partition)).leader.value < 0) return false;
            }
            return true;
        });
    }
}

}  // namespace ironbark::simulation
