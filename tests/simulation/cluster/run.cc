#include "tests/simulation/cluster/run.h"

#include <cstdio>

namespace ironbark::simulation {
namespace {

// Of virtual time, once nothing is wrong any more: what is not done by then is stuck.
constexpr Duration liveness_limit = std::chrono::minutes(5);

}  // namespace

Run::Run(uint64_t seed, Profile profile, Prints prints)
    : plan_(Plan::draw(seed, profile)),
      simulation_(seed, plan_.world),
      stage_(simulation_, plan_, prints.story),
      random_(seed, "run"),
      broker_(stage_, "broker"),
      clients_(stage_) {
    simulation_.on_report([this] { report(); });
    if (prints.events) simulation_.print_events();
}

Run::~Run() = default;

void Run::report() const {
    std::fprintf(stderr, "what happened last:\n%splan: %s\nreplay: simulate --seed %llu --profile %s --trace\n",
                 stage_.history.last_lines().c_str(), plan_.to_string().c_str(),
                 static_cast<unsigned long long>(plan_.seed), name(plan_.profile));
}

RunOutcome outcome_of(const Simulation& simulation, const History::Counts& counts, uint64_t broker_starts) {
    RunOutcome outcome;
    outcome.hash = simulation.trace_hash();
    outcome.events = simulation.events();
    outcome.virtual_time = simulation.elapsed();
    outcome.broker_starts = broker_starts;
    outcome.counts = counts;
    return outcome;
}

RunOutcome Run::execute() {
    stage_.history.say("plan", plan_.to_string());
    start_clients();
    live_through_faults();
    recover();
    settle();
    read_twice();
    clients_.end();
    return outcome_of(simulation_, stage_.history.counts(), broker_.starts());
}

void Run::start_clients() {
    broker_.start();
    clients_.start_admin();
    // A log that fails meanwhile is well again after a restart.
    while (!clients_.has_topics()) {
        pass(10s);
        if (broker_.is_up() && !clients_.has_topics()) broker_.stop();
        if (!broker_.is_up()) broker_.start();
    }
    clients_.start_others();
}

void Run::pass(Duration duration) {
    simulation_.run_until([this] { return broker_.has_died(); }, duration);
    broker_.notice_death();
}

void Run::live_through_faults() {
    Instant end = simulation_.now() + plan_.chaos;
    while (simulation_.now() < end) {
        pass(random_.duration({50ms, plan_.faults.pause_mean}));
        if (broker_.is_up()) befall(draw_mishap());
        if (broker_.is_up()) continue;
        if (random_.chance(one_in(2))) simulation_.run_for(random_.duration({1ms, 2s}));
        broker_.start();
    }
}

Mishap Run::draw_mishap() {
    uint64_t sum = 1;
    for (uint64_t weight : plan_.faults.weights) sum += weight;
    uint64_t draw = random_.below(sum);
    size_t index = 0;
    while (index < mishaps && draw >= plan_.faults.weights[index]) draw -= plan_.faults.weights[index++];
    return static_cast<Mishap>(index);  // beyond the last one: none, this time
}

void Run::befall(Mishap mishap) {
    if (static_cast<size_t>(mishap) >= mishaps) return;
    stage_.history.say("mishap", name(mishap));
    switch (mishap) {
        case Mishap::kill: return broker_.crash(Crash::kill);
        case Mishap::lose_power: return broker_.crash(Crash::power_loss);
        case Mishap::stop: return broker_.stop();
        case Mishap::die_between: {
            uint64_t operations = random_.between(1, 60);
            bool is_kill = random_.chance(one_in(2));
            return broker_.node().disk().stop_after(operations, is_kill ? Crash::kill : Crash::power_loss);
        }
        case Mishap::pause:
            broker_.node().pause();
            pass(random_.duration({10ms, 3s}));
            if (broker_.is_up()) broker_.node().resume();
            return;
        case Mishap::cut: return cut_links();
        case Mishap::fill_disk: return fill_disk();
        case Mishap::kill_client: return kill_client();
        case Mishap::rot: return rot_something();
        case Mishap::skew: {
            int64_t skew = static_cast<int64_t>(random_.below(1200'000)) - 600'000;
            return broker_.node().set_wall_skew_milliseconds(skew);
        }
    }
}

void Run::kill_client() {
    clients_.kill_one(random_);
    pass(random_.duration({1ms, 1s}));
}

void Run::cut_links() {
    ++stage_.history.counts().cuts;
    for (Node* node : simulation_.nodes()) {
        if (node == &broker_.node() || !random_.chance(one_in(2))) continue;
        uint64_t kind = random_.below(3);
        if (kind != 0) simulation_.network().cut(broker_.node(), *node);
        if (kind != 1) simulation_.network().cut(*node, broker_.node());
    }
    Duration healed_after = random_.duration({100ms, 4s});
    simulation_.after(healed_after, [this] { simulation_.network().heal_all(); });
}

void Run::fill_disk() {
    ++stage_.history.counts().full_disks;
    SimulatedDisk& disk = broker_.node().disk();
    uint64_t whole = plan_.world.disk.capacity_bytes;
    disk.set_capacity(disk.used_bytes() + random_.below(4 << 20));
    Duration freed_after = random_.duration({100ms, 4s});
    simulation_.after(freed_after, [&disk, whole] { disk.set_capacity(whole); });
}

// One bit of a file of the kind that this run damages, or a page of it that the disk cannot read any more. What is in a
// log may then be refused, but never served wrongly; indexes and snapshots are made anew.
void Run::rot_something() {
    const char* suffix = plan_.faults.rot == Rot::index       ? ".index"
                         : plan_.faults.rot == Rot::producers ? ".producers"
                                                              : ".log";
    SimulatedDisk& disk = broker_.node().disk();
    std::vector<std::string> files;
    for (const std::string& path : disk.files()) {
        if (path.ends_with(suffix) && partition_of_file(path) && disk.size(path) > 0) files.push_back(path);
    }
    if (files.empty()) return;
    const std::string& path = files[random_.below(files.size())];
    // Of a topic that is being deleted, too: it may be found to stand, and is judged then.
    if (plan_.faults.rot == Rot::log) stage_.history.damaged(*partition_of_file(path));
    uint64_t position = random_.below(disk.size(path));
    uint32_t bit = static_cast<uint32_t>(random_.below(8));
    bool is_unreadable = random_.chance(one_in(2));
    stage_.history.say("mishap",
                       path + (is_unreadable ? " cannot be read at " : " rots at ") + std::to_string(position));
    is_unreadable ? disk.fail_reads(path, position) : disk.rot(path, position, bit);
    ++stage_.history.counts().rots;
}

void Run::wait_until(const std::string& what, const std::function<bool()>& condition) {
    bool is_done = simulation_.run_until([&] { return broker_.has_died() || condition(); }, liveness_limit);
    if (broker_.has_died()) stage_.history.fail("a broker that nobody kills lives", "it died");
    if (!is_done) stage_.history.fail(what + " within five minutes without faults", "they are not done");
}

// From here on nothing goes wrong. Logs that failed come back with a restart.
void Run::recover() {
    stage_.history.say("run", "the faults end");
    stage_.phase = Phase::recovery;
    broker_.node().disk().stop_never();
    broker_.node().disk().set_capacity(plan_.world.disk.capacity_bytes);
    broker_.node().disk().evict();
    simulation_.end_faults();
    if (broker_.is_up()) broker_.stop();
    broker_.start();
    wait_until("producers finish", [this] { return clients_.have_produced(); });
}

void Run::settle() {
    stage_.history.say("run", "the producers have ended");
    stage_.phase = Phase::settled;
    wait_until("consumers and the administrator finish", [this] { return clients_.have_consumed(); });
}

void Run::read_twice() {
    for (int round = 0; round < 2; ++round) {
        read_everything(stage_, liveness_limit);
        // Once more after a clean stop: nothing has changed.
        broker_.stop();
        if (round == 0) broker_.start();
    }
}

}  // namespace ironbark::simulation
