#include "tests/simulation/cluster/daemon_node.h"

#include "broker/control/control.h"

namespace ironbark::simulation {
namespace {

constexpr size_t shards_of_daemon_max = 3;

using Started = std::shared_ptr<std::optional<Result<void>>>;

Task<void> start_daemon(broker::Broker* broker, std::shared_ptr<std::string> problem, Started started) {
    Result<void> outcome = co_await broker->start(problem.get());
    started->emplace(outcome);
}

Task<void> stop_daemon(World* world, broker::Broker* broker, Started started, std::shared_ptr<bool> has_stopped) {
    // A start that waits is ended first; it may succeed all the same.
    if (!started->has_value()) broker->interrupt();
    while (!started->has_value()) co_await sleep_for(world->executor, 1ms);
    co_await broker->stop();
    *has_stopped = true;
}

}  // namespace

DaemonNode::DaemonNode(Stage& stage, int32_t id)
    : stage_(stage),
      id_(id),
      random_(stage.plan.seed, "daemon/" + std::to_string(id)),
      node_(stage.simulation.node("n" + std::to_string(id))) {}

void DaemonNode::start() {
    size_t shards = random_.between(1, shards_of_daemon_max);
    stage_.history.say(node_.name(), "starts with " + std::to_string(shards) + " shards");
    auto make = [config = config_of(stage_.plan, id_)](const std::vector<World*>& worlds) {
        return std::make_unique<broker::Broker>(worlds, config, "simulated", "a run of the simulator");
    };
    broker_ = &node_.start(make, shards + 1);
    problem_ = std::make_shared<std::string>();
    started_ = std::make_shared<std::optional<Result<void>>>();
    has_stopped_ = std::make_shared<bool>(false);
    counted_ = Cuts();
    state_ = State::starting;
    node_.spawn(start_daemon(broker_, problem_, started_));
}

void DaemonNode::begin_stop() {
    if (state_ == State::stopping) return;
    stage_.history.say(node_.name(), "is stopped in order");
    stage_.atlas.note(Path::stop);
    state_ = State::stopping;
    node_.spawn(stop_daemon(&node_.world(), broker_, started_, has_stopped_));
}

void DaemonNode::count_cuts() {
    if (broker() == nullptr) return;
    Cuts cuts;
    for (const broker::Shard* shard : broker_->facts().shards) {
        cuts.cuts += shard->replicator().counters().cuts;
        cuts.restarts += shard->replicator().counters().restarts;
    }
    stage_.atlas.note(Path::log_cut, cuts.cuts - counted_.cuts);
    stage_.atlas.note(Path::log_begun_anew, cuts.restarts - counted_.restarts);
    counted_ = cuts;
}

void DaemonNode::ended(bool in_order, const std::string& how) {
    if (state_ == State::stopping) stage_.atlas.note(in_order ? Path::stop_completed : Path::stop_interrupted);
    state_ = State::down;
    broker_ = nullptr;
    stage_.history.say(node_.name(), how);
    stage_.history.broker_ended(id_, in_order);
}

void DaemonNode::crash(Crash how) {
    node_.crash(how);
    stage_.atlas.note(how == Crash::kill ? Path::kill : Path::power_loss);
    if (state_ != State::down) ended(false, how == Crash::kill ? "is killed" : "loses its power");
}

bool DaemonNode::has_news() const {
    switch (state_) {
        case State::down: return false;
        case State::starting: return !node_.is_running() || started_->has_value();
        case State::ready: return !node_.is_running();
        case State::stopping: return !node_.is_running() || *has_stopped_;
    }
    return false;
}

void DaemonNode::look() {
    if (!has_news()) return;
    if (!node_.is_running()) {
        stage_.atlas.note(Path::death_between_operations);
        return ended(false, "died between two operations of its disk");
    }
    if (state_ == State::starting) return look_at_start();
    node_.end();
    ended(true, "has stopped in order");
}

void DaemonNode::look_at_start() {
    const Result<void>& outcome = **started_;
    if (outcome.ok()) {
        state_ = State::ready;
        bool is_clean = broker_->started_clean();
        stage_.atlas.note(is_clean ? Path::start_clean : Path::start_unclean);
        stage_.history.say(node_.name(), std::string("serves, after ") + (is_clean ? "a clean stop" : "a crash"));
        return;
    }
    bool may_refuse = stage_.plan.has_disk_errors() && stage_.phase == Phase::chaos;
    if (!may_refuse) {
        stage_.history.fail("a daemon whose disk is well starts",
                            *problem_ + " (" + ironbark::name(outcome.error().code) + ")");
    }
    stage_.atlas.note(Path::start_refused);
    stage_.history.say(node_.name(), "does not start: " + *problem_);
    begin_stop();
}

bool DaemonNode::is_sick() {
    if (!is_ready() || node_.is_paused()) return false;
    const std::string problem = broker_->facts().control->status().controller_problem;
    if (problem.find("started again") != std::string::npos) return true;
    for (const broker::Shard* shard : broker_->facts().shards) {
        for (const auto& [identity, partition] : shard->partitions()) {
            // What is damaged is replaced without anybody's help, or left as it is.
            const bool is_good = !stage_.history.is_damaged(identity) && !partition->is_damaged();
            const bool has_failed = partition->state() == broker::PartitionState::failed ||
                                    (partition->log() != nullptr && partition->log()->has_failed());
            if (is_good && has_failed) return true;
        }
    }
    return false;
}

}  // namespace ironbark::simulation
