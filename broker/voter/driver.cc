#include "broker/voter/driver.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace ironbark::consensus {
namespace {

// After one that could not be made: a full disk, or a damaged file.
constexpr Duration snapshot_retry_interval = 10s;
constexpr uint64_t due_at_once = UINT64_MAX / 2;

template <typename Waiters, typename Waiting = std::remove_pointer_t<typename Waiters::mapped_type>>
void give(Waiters& waiters, uint64_t id, typename Waiting::Given answer) {
    auto found = waiters.find(id);
    if (found == waiters.end()) return;  // whoever asked has given up
    found->second->answer = std::move(answer);
    found->second->done.set();
    waiters.erase(found);
}

template <typename Waiters, typename Waiting = std::remove_pointer_t<typename Waiters::mapped_type>>
void give_all(Waiters& waiters, const typename Waiting::Given& answer) {
    while (!waiters.empty()) give(waiters, waiters.begin()->first, answer);
}

}  // namespace

Driver::Driver(World& world, Store& store, StateMachine& machine, Transport& transport, DriverSettings settings)
    : world_(world),
      store_(store),
      machine_(machine),
      transport_(transport),
      settings_(std::move(settings)),
      callers_(world.executor),
      timer_changed_(world.executor),
      changed_(world.executor),
      scope_(world.executor) {
    settings_.core.self.directory = store.voter_directory();
}

Driver::~Driver() {
    ASSERT(scope_.count() == 0 || world_.executor.has_crashed());
}

Task<Result<std::unique_ptr<Driver>>> Driver::open(World* world,
                                                   Store* store,
                                                   StateMachine* machine,
                                                   Transport* transport,
                                                   DriverSettings settings,
                                                   std::string* problem) {
    std::unique_ptr<Driver> driver(new Driver(*world, *store, *machine, *transport, std::move(settings)));
    CO_TRY_VOID(co_await driver->restore(problem));
    co_return std::move(driver);
}

Task<Result<void>> Driver::restore(std::string* problem) {
    Restored restored = store_.restored();
    Result<void> done;
    if (restored.snapshot) done = co_await restore_machine(*restored.snapshot);
    if (done.ok()) {
        Result<Core> core = Core::restore(settings_.core, std::move(restored), moment());
        if (core.ok()) core_.emplace(std::move(core).value());
        if (!core.ok()) done = core.error();
    }
    if (!done.ok()) {
        *problem = fmt::format(
            "this voter's log or snapshot cannot be used: {}. It does not vote; nothing was changed. Restore its files "
            "from a copy of their own; or, while a majority of the voters lives, move them away and admit this one as "
            "a new voter: ironbark controller replace-voter.",
            describe(done.error()));
    }
    co_return done;
}

Task<Result<void>> Driver::restore_machine(Snapshot snapshot) {
    machine_.clear();
    applied_bytes_ = 0;
    snapshot_bytes_ = snapshot.size_bytes;
    co_return co_await store_.visit_snapshot(std::move(snapshot),
                                             [this](Bytes record) { return machine_.restore(record); });
}

int64_t Driver::now_ms() const {
    return std::chrono::floor<std::chrono::milliseconds>(world_.executor.now().time_since_epoch()).count();
}

Task<void> Driver::run() {
    while (!is_closing_) {
        const int64_t due_ms = core_->timer_ms();
        if (due_ms <= now_ms()) {
            step(TimerExpired{});
            continue;
        }
        Instant due = due_ms == INT64_MAX ? never : Instant(std::chrono::milliseconds(due_ms));
        co_await timer_changed_.wait(due);
    }
}

Task<void> Driver::close() {
    is_closing_ = true;
    end_waiting();
    timer_changed_.pulse();
    changed_.close();
    co_await callers_.wait_until_empty();
    co_await scope_.join();
}

// What is underway when the voter ends or fails: a proposal may have been written.
void Driver::end_waiting() {
    give_all(proposals_, {Outcome::unknown, ErrorCode::closed, {}});
    give_all(reads_, ErrorCode::closed);
    give_all(transfers_, false);
}

void Driver::take(Event event) {
    // The state machine comes first: the core goes on applying when it hears of it.
    if (auto* installed = std::get_if<SnapshotInstalled>(&event)) {
        if (!is_closing_) scope_.spawn(install(std::move(*installed)));
        return;
    }
    if (const auto* made = std::get_if<SnapshotMade>(&event)) snapshot_bytes_ = made->snapshot.size_bytes;
    step(std::move(event));
}

Task<void> Driver::install(SnapshotInstalled installed) {
    Result<void> restored = co_await restore_machine(installed.snapshot);
    if (restored.ok()) co_return step(std::move(installed));
    // It is durable and verified, and yet no state of this program's: going on would be guessing.
    settings_.on_notice(fmt::format("the snapshot that the leader sent cannot be restored: {}. Is this daemon older?",
                                    describe(restored.error())));
    step(StorageFailed{});
}

// Actions may cause events at once: those come after all actions of this one.
void Driver::step(Event event) {
    if (is_closing_) return;
    events_.push_back(std::move(event));
    if (std::exchange(is_stepping_, true)) return;
    while (!events_.empty()) {
        Event next = std::move(events_.front());
        events_.pop_front();
        Actions actions = core_->step(moment(), std::move(next));
        for (Action& action : actions) {
            std::visit([this](auto& one) { carry_out(std::move(one)); }, action);
        }
    }
    is_stepping_ = false;
    look_for_snapshot();
    timer_changed_.pulse();
}

Task<ProposalResult> Driver::propose(Term expected_term, Payload command, Instant deadline) {
    const ProposalId id(++ids_);
    return resolve(id, Propose{id, expected_term, std::move(command)}, deadline);
}

Task<ProposalResult> Driver::replace_voter(Term expected_term, Voter incoming, Instant deadline) {
    const ProposalId id(++ids_);
    return resolve(id, ReplaceVoter{id, expected_term, incoming}, deadline);
}

// Suspends until the core has answered, or is over; empty at the deadline.
template <typename Answer>
Task<std::optional<Answer>> Driver::ask(Waiters<Answer>* waiters, uint64_t id, Event event, Instant deadline) {
    Gate::Holder inside = callers_.enter();
    Waiting<Answer> waiting(world_.executor);
    waiters->emplace(id, &waiting);
    step(std::move(event));
    co_await waiting.done.wait(deadline);
    waiters->erase(id);
    co_return std::move(waiting.answer);
}

Task<ProposalResult> Driver::resolve(ProposalId id, Event event, Instant deadline) {
    if (is_over()) co_return ProposalResult{Outcome::not_written, ErrorCode::closed, {}};
    std::optional<ProposalResult> result = co_await ask(&proposals_, id.value, std::move(event), deadline);
    co_return result.value_or(ProposalResult{Outcome::unknown, ErrorCode::timed_out, {}});
}

Task<Result<void>> Driver::read_barrier(Instant deadline) {
    if (is_over()) co_return ErrorCode::closed;
    const ReadId id(++ids_);
    Event event = ReadBarrier{id};
    std::optional<ErrorCode> code = co_await ask(&reads_, id.value, std::move(event), deadline);
    if (code == ErrorCode::none) co_return Result<void>();
    co_return code.value_or(ErrorCode::timed_out);
}

Task<bool> Driver::transfer_leadership(std::optional<VoterId> to) {
    if (is_over() || !transfers_.empty()) co_return false;
    Event event = TransferLeadership{to};
    // The core ends it after an election timeout.
    std::optional<bool> is_done = co_await ask(&transfers_, ++ids_, std::move(event), never);
    co_return *is_done;
}

void Driver::carry_out(ApplyEntries action) {
    for (const Entry& entry : action.entries) {
        applied_bytes_ += entry.size();
        if (entry.kind == EntryKind::command) machine_.apply(entry.index, *entry.command);
    }
}

void Driver::carry_out(const ProposalResolved& action) {
    give(proposals_, action.id.value, {action.outcome, action.code, action.index});
}

void Driver::carry_out(const ReadResolved& action) {
    give(reads_, action.id.value, action.code);
}

void Driver::carry_out(const TransferEnded& action) {
    give_all(transfers_, action.is_done);
}

void Driver::carry_out(const RoleChanged& action) {
    role_ = action.role;
    changed_.pulse();
    settings_.on_role(action);
}

void Driver::carry_out(const FailStop& action) {
    role_ = Role::stopped;
    end_waiting();
    settings_.on_notice(action.text);
}

Task<void> Driver::send_chunk(SendSnapshotChunk action) {
    auto& chunk = std::get<SnapshotChunk>(action.message.body);
    Result<Payload> bytes = co_await store_.read_chunk(chunk.snapshot, chunk.position, action.size);
    if (is_closing_) co_return;
    if (bytes.ok()) {
        chunk.bytes = std::move(bytes).value();
        transport_.send(std::move(action.message));
    } else if (bytes.error().code == ErrorCode::corrupt_data) {
        // Nothing is lost: the state machine has what it stands for. A new one takes its place.
        settings_.on_notice("the newest snapshot is damaged on this disk; a new one is made. Look after the disk");
        applied_bytes_ = due_at_once;
        look_for_snapshot();
    }
}

void Driver::look_for_snapshot() {
    const uint64_t due = std::max(settings_.snapshot_bytes_min, snapshot_bytes_);
    if (is_making_snapshot_ || is_over() || applied_bytes_ < due || world_.executor.now() < snapshot_not_before_)
        return;
    Status status = core_->status();
    bool is_possible = status.applied > status.snapshot && !status.is_installing;
    // A follower that is being sent the last one would have to begin anew, unless the log gets too long.
    bool is_pressing = status.log_bytes > settings_.core.limits.log_bytes_max / 2;
    if (!is_possible || (core_->is_sending_snapshot() && !is_pressing)) return;
    is_making_snapshot_ = true;
    applied_bytes_ = 0;
    scope_.spawn(make_snapshot(core_->describe(status.applied), machine_.snapshot()));
}

Task<void> Driver::make_snapshot(Snapshot described, SnapshotRecords records) {
    Result<void> made = co_await store_.make_snapshot(std::move(described), std::move(records));
    is_making_snapshot_ = false;
    if (made.ok()) co_return;
    applied_bytes_ = due_at_once;
    snapshot_not_before_ = world_.executor.now() + snapshot_retry_interval;
}

}  // namespace ironbark::consensus
