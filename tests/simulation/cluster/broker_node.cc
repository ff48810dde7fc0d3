#include "tests/simulation/cluster/broker_node.h"

namespace ironbark::simulation {
namespace {

constexpr size_t shards_max = 3;
constexpr Duration start_limit = std::chrono::minutes(10);

}  // namespace

BrokerNode::BrokerNode(Stage& stage, std::string name)
    : stage_(stage), random_(stage.plan.seed, "broker/" + name), node_(stage.simulation.node(name)) {}

std::unique_ptr<broker::Broker> BrokerNode::make(const std::vector<World*>& worlds) {
    return std::make_unique<broker::Broker>(worlds, stage_.plan.config, "simulated", "a run of the simulator");
}

void BrokerNode::ended(bool in_order, const std::string& how) {
    is_up_ = false;
    broker_ = nullptr;
    stage_.history.say(node_.name(), how);
    // After an error of its disk, what was in memory only is lost even then.
    stage_.history.broker_ended(stage_.plan.config.broker_id, in_order && !stage_.plan.has_disk_errors());
}

bool BrokerNode::try_start() {
    size_t shards = random_.between(1, shards_max);
    stage_.history.say(node_.name(), "starts with " + std::to_string(shards) + " shards");
    problem_.clear();
    broker_ = &node_.start([this](const std::vector<World*>& worlds) { return make(worlds); }, shards + 1);
    std::optional<Result<void>> started = node_.try_run(broker_->start(&problem_), start_limit);
    if (!started) {
        ended(false, "died while it started");
        return false;
    }
    is_up_ = started->ok();
    if (is_up_) {
        stage_.history.counts().starts_after_crash += broker_->started_clean() ? 0 : 1;
        stage_.history.say(node_.name(),
                           std::string("serves, after ") + (broker_->started_clean() ? "a clean stop" : "a crash"));
        return true;
    }
    bool may_refuse = stage_.plan.has_disk_errors() && stage_.phase == Phase::chaos;
    if (!may_refuse) {
        stage_.history.fail("a broker whose disk is well starts", problem_ + " (" + name(started->error().code) + ")");
    }
    ++stage_.history.counts().starts_refused;
    bool has_stopped = node_.try_run(broker_->stop(), start_limit);
    if (has_stopped) node_.end();
    ended(false, "does not start: " + problem_);
    return false;
}

void BrokerNode::start() {
    while (!try_start()) stage_.simulation.run_for(random_.duration({1ms, 500ms}));
}

void BrokerNode::stop() {
    stage_.history.say(node_.name(), "is stopped in order");
    bool has_stopped = node_.try_run(broker_->stop(), start_limit);
    if (has_stopped) node_.end();
    ended(has_stopped, has_stopped ? "has stopped in order" : "died while it stopped");
}

void BrokerNode::crash(Crash how) {
    node_.crash(how);
    ended(false, how == Crash::kill ? "is killed" : "loses its power");
}

void BrokerNode::notice_death() {
    if (has_died()) ended(false, "died between two operations of its disk");
}

}  // namespace ironbark::simulation
