#include "tests/simulation/node.h"

#include "runtime/base/assert.h"
#include "tests/simulation/simulation.h"

namespace ironbark::simulation {

Node::Node(Simulation& simulation, std::string name, uint64_t id)
    : simulation_(simulation), name_(std::move(name)), id_(id), disk_(simulation, *this) {}

Node::~Node() = default;

void Node::begin(size_t shard_count, Build build) {
    ASSERT(process_ == nullptr);
    ASSERT(shard_count > 0);
    shard_count_ = shard_count;
    build_ = std::move(build);
    has_power_ = true;
    is_paused_ = false;
    simulation_.record(TraceKind::node_started, id_, ++starts_);
    process_ = std::make_unique<Process>(*this, starts_, shard_count);
    simulation_.network().node_started();
    if (build_) process_->set_program(build_(*process_));
}

void Node::restart() { begin(shard_count_, build_); }

World& Node::boot(size_t shard_count) {
    begin(shard_count, nullptr);
    return world();
}

World& Node::world(size_t shard) {
    ASSERT(is_running());
    return process_->world(shard);
}

void Node::crash(Crash how) {
    if (is_dying_ || !has_power_) return;
    if (process_ == nullptr && how == Crash::kill) return;
    simulation_.record(TraceKind::node_ended, id_, static_cast<uint64_t>(how));
    has_power_ = how == Crash::kill;
    if (process_ != nullptr) process_->crash();
    disk_.process_died(how);
    simulation_.network().process_died(*this, how);
    if (process_ == nullptr) return;
    is_dying_ = true;
    if (process_->owns_executor(simulation_.running_executor())) {
        simulation_.bury_later(*this);
    } else {
        bury();
    }
}

void Node::bury() {
    process_.reset();
    is_dying_ = false;
}

void Node::end() {
    ASSERT(is_running());
    ASSERT(!process_->owns_executor(simulation_.running_executor()));
    simulation_.record(TraceKind::node_ended, id_, static_cast<uint64_t>(Crash::none));
    process_.reset();
    disk_.process_ended();
    simulation_.network().process_died(*this, Crash::none);
}

void Node::spawn(Task<void> task, size_t shard) {
    ASSERT(is_running());
    process_->scripts(shard).spawn(std::move(task));
}

void Node::run_to_end(const std::function<bool()>& has_ended, Duration limit) {
    uint64_t start = starts_;
    auto has_died = [this, start] { return !is_running() || starts_ != start; };
    simulation_.run_until([&] { return has_ended() || has_died(); }, limit);
    if (!has_ended() && !has_died()) simulation_.fail("a task on node " + name_ + " did not end within its limit");
}

namespace {

Task<void> mark(Task<void> task, std::shared_ptr<bool> ended) {
    co_await std::move(task);
    *ended = true;
}

}  // namespace

bool Node::try_run(Task<void> task, Duration limit, size_t shard) {
    auto ended = std::make_shared<bool>(false);
    spawn(mark(std::move(task), ended), shard);
    run_to_end([ended] { return *ended; }, limit);
    return *ended;
}

void Node::fail_died() const { simulation_.fail("node " + name_ + " died under a task that was to end"); }

}  // namespace ironbark::simulation
