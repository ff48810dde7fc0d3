#include "broker/control/controller.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "broker/controller/replica_moves.h"

namespace ironbark::broker {
namespace {

using consensus::Term;
using consensus::Voter;
using consensus::VoterId;

constexpr Duration command_time_max = 10s;  // of commands that the controller itself decides
constexpr Duration probe_time_max = 500ms;
// The watch looks at least so often; one that comes later than this after it was due was held up, and with it perhaps
// the heartbeats. Less than a heartbeat together, in a session of the usual length.
constexpr Duration watch_interval = 100ms;
constexpr Duration held_up_time = 150ms;
constexpr Duration command_retry_pause = 50ms;
constexpr Duration log_hanging_time = 2s;  // a write that takes so long is not slow: nobody knows if it will ever end
constexpr Duration disk_look_interval = 1s;

constexpr const char* disk_failed = "the controller's log cannot be written; restart the daemon when the disk is well";

ErrorCode code_for_callers(ErrorCode code) {
    return code == ErrorCode::not_leader_or_follower ? ErrorCode::not_controller : code;
}

const char* code_text(ErrorCode code) {
    switch (code) {
        case ErrorCode::not_controller: return "another controller is active, or none is";
        case ErrorCode::timed_out: return "a majority of the controllers has not confirmed it in time";
        case ErrorCode::overloaded: return "the controller has too much to do; try again";
        case ErrorCode::closed: return "the controller is stopping, or has stopped working";
        default: return "";
    }
}

}  // namespace

class Controller::Alone final : public consensus::Transport {
  public:
    void send(consensus::Message) override {}
};

Controller::Controller(World& world, ControllerSettings settings)
    : world_(world),
      settings_(std::move(settings)),
      appointer_(settings_.appointment_wait),
      changed_(world.executor),
      scope_(world.executor) {
    machine_.on_change = [this] { changed_.pulse(); };
}

Controller::~Controller() = default;

Task<Result<std::unique_ptr<Controller>>> Controller::open(World* world,
                                                           ControllerSettings settings,
                                                           peer::PeerLinks* links,
                                                           std::string* problem) {
    std::unique_ptr<Controller> controller(new Controller(*world, std::move(settings)));
    Result<void> ready = co_await controller->prepare(links, problem);
    if (ready.ok()) co_return std::move(controller);
    co_await controller->stop();
    co_await controller->join();
    co_return ready.error();
}

Task<Result<void>> Controller::prepare(peer::PeerLinks* links, std::string* problem) {
    consensus::StoreSettings store;
    store.directory = settings_.directory;
    store.owner = settings_.owner;
    // Nothing happens in the store before there is a driver: it is opened before, and told of afterwards.
    store.on_event = [this](consensus::Event event) { driver_->take(std::move(event)); };
    store.on_notice = [this](std::string text) { note(std::move(text)); };
    store.on_relief = [this](const std::string& text) {
        spdlog::info("controller: {}", text);
        note({});
    };
    CO_TRY(store_, co_await consensus::Store::open(&world_, std::move(store), problem));
    self_ = {VoterId(settings_.id), store_->voter_directory()};
    consensus::Transport* transport = links;
    if (links == nullptr) {
        alone_ = std::make_unique<Alone>();
        transport = alone_.get();
    }
    consensus::DriverSettings settings = driver_settings();
    CO_TRY(driver_,
           co_await consensus::Driver::open(&world_, store_.get(), &machine_, transport, std::move(settings), problem));
    CO_TRY_VOID(check_membership(problem));
    if (links != nullptr) {
        peer::FormingSettings forming;
        forming.self = self_;
        for (const VoterAddress& voter : settings_.voters) forming.voters.push_back({VoterId(voter.id), voter.address});
        forming.on_notice = [this](std::string text) { note(std::move(text)); };
        forming_ = std::make_unique<peer::Forming>(world_, *driver_, *links, std::move(forming));
    }
    co_return Result<void>();
}

// Voters are changed by `replace-voter`, never by configuration.
Result<void> Controller::check_membership(std::string* problem) const {
    const auto membership = driver_->status().membership;
    if (membership == nullptr) return {};
    std::vector<int32_t> known;
    for (const Voter& voter : membership->voters) {
        known.push_back(voter.id.value);
        if (voter.directory != self_.directory || voter.id == self_.id) continue;
        *problem = fmt::format("the data directory {} belongs to broker {}, and broker.id is {}. Set broker.id = {}.",
                               directory_of(settings_.directory), voter.id.value, settings_.id, voter.id.value);
        return ErrorCode::invalid_config;
    }
    std::vector<int32_t> configured;
    for (const VoterAddress& voter : settings_.voters) configured.push_back(voter.id);
    if (configured.empty()) configured.push_back(settings_.id);
    if (known == configured) return {};
    *problem = fmt::format(
        "this cluster's controllers are {}, and controller.voters names {}. The voters of a cluster are fixed when it "
        "forms; set controller.voters to those.",
        fmt::join(known, ", "), fmt::join(configured, ", "));
    return ErrorCode::invalid_config;
}

consensus::DriverSettings Controller::driver_settings() {
    consensus::DriverSettings settings;
    settings.core.self = self_;
    settings.core.election_timeout_ms = settings_.election_timeout / 1ms;
    settings.core.heartbeat_interval_ms = std::max<int64_t>(1, settings.core.election_timeout_ms / 4);
    settings.on_role = [this](const consensus::RoleChanged& role) {
        role_ = role;
        if (!role.is_ready) appointer_.clear();
        changed_.pulse();
    };
    settings.on_report = [this](const consensus::Report& report) { this->report(report); };
    settings.on_notice = [this](std::string text) { note(std::move(text)); };
    return settings;
}

void Controller::note(std::string text) {
    if (!text.empty()) spdlog::warn("controller: {}", text);
    notice_ = std::move(text);
    changed_.pulse();
}

// What is committed is applied when it is on the own disk, too: so one whose log waits for room, or for a disk that
// hangs, executes nothing, and the others do not notice.
Task<void> Controller::watch_disk() {
    bool is_told = false;
    while (!is_stopping_) {
        const bool leads = role_.role == consensus::Role::leader;
        const bool is_unable = leads && store_->is_log_held_up(log_hanging_time);
        if (is_unable) {
            if (!is_told) spdlog::warn("controller: its log waits for the disk: another one is to be active");
            (void)co_await driver_->transfer_leadership(std::nullopt);
        }
        is_told = is_unable;
        if (is_stopping_) break;
        co_await changed_.wait(leads ? now() + disk_look_interval : never);
    }
}

void Controller::report(const consensus::Report& report) {
    spdlog::debug("controller: voter {} ({}): {}", report.peer.id.value, report.peer.directory.to_string(),
                  report.text);
}

void Controller::start() {
    scope_.spawn(driver_->run());
    scope_.spawn(watch_brokers());
    scope_.spawn(watch_partitions());
    scope_.spawn(watch_moves());
    if (forming_ != nullptr) scope_.spawn(watch_disk());
    if (forming_ != nullptr) scope_.spawn(forming_->run());
    if (forming_ == nullptr && driver_->status().cluster.is_zero()) {
        driver_->form({peer::cluster_of({self_}), {self_}, std::nullopt});
    }
}

Task<void> Controller::stop() {
    is_stopping_ = true;
    const bool leads = role_.role == consensus::Role::leader;
    if (leads && forming_ != nullptr) (void)co_await driver_->transfer_leadership(std::nullopt);
    changed_.close();
    if (driver_ != nullptr) co_await driver_->close();
}

Task<void> Controller::join() {
    co_await scope_.join();
    if (store_ != nullptr) co_await store_->close();
}

Error Controller::why_inactive() const {
    // Nobody else can take its place, so waiting for another is of no use.
    const bool has_failed = role_.role == consensus::Role::stopped && forming_ == nullptr;
    if (has_failed) return {ErrorCode::storage_error, disk_failed};
    return {ErrorCode::not_controller, code_text(ErrorCode::not_controller)};
}

Task<Executed> Controller::execute(Command command, Instant deadline) {
    if (!is_active()) co_return Executed{Outcome::not_written, why_inactive(), {}, -1};
    const Term term = role_.term;
    const Instant begun = now();
    auto payload = std::make_shared<const Command>(std::move(command));
    consensus::ProposalResult result = co_await driver_->propose(term, std::move(payload), deadline);
    if (result.outcome != Outcome::written) {
        const ErrorCode code = code_for_callers(result.code);
        const bool has_failed = role_.role == consensus::Role::stopped && forming_ == nullptr;
        const Error error = has_failed ? why_inactive() : Error(code, code_text(code));
        co_return Executed{result.outcome, error, {}, -1};
    }
    commit_times_.add(now() - begun);
    if (Result<void> outcome = machine_.outcome_of(result.index); !outcome.ok()) {
        co_return Executed{Outcome::not_written, outcome.error(), {}, -1};
    }
    co_return Executed{Outcome::written, ErrorCode::none, {}, machine_.state().version()};
}

Task<Executed> Controller::replace_voter(Voter incoming, Instant deadline) {
    consensus::ProposalResult result = co_await driver_->replace_voter(role_.term, incoming, deadline);
    const ErrorCode code = code_for_callers(result.code);
    const Error error = result.outcome == Outcome::written ? Error(ErrorCode::none) : Error(code, code_text(code));
    co_return Executed{result.outcome, error, {}, machine_.state().version()};
}

// ---- other voters --------------------------------------------------------------------------------------------------

rpc::Response Controller::take_message(const rpc::Session& session, const rpc::Request& request) {
    Result<consensus::Message> message = peer::receive_message(session, request);
    if (message.ok()) {
        driver_->receive(*std::move(message));
    } else {
        spdlog::warn("controller: a message from {} counts for nothing: {}", session.peer, describe(message.error()));
    }
    return rpc::error_response(ErrorCode::none, Outcome::written);  // nobody hears it: messages are one-way
}

rpc::Response Controller::voter_state() const {
    if (forming_ != nullptr) return forming_->answer_voter_state();
    return rpc::error_response({ErrorCode::invalid_request, "this daemon is a cluster by itself"},
                               Outcome::not_written);
}

rpc::Response Controller::form_cluster(const rpc::Session& session, const rpc::Request& request) {
    if (forming_ != nullptr) return forming_->answer_form_cluster(session, request);
    return rpc::error_response({ErrorCode::invalid_request, "this daemon is a cluster by itself"},
                               Outcome::not_written);
}

void Controller::process_died(VoterId voter) {
    const consensus::Status status = driver_->status();
    if (status.membership == nullptr) return;
    for (const Voter& each : status.membership->everybody()) {
        if (each.id == voter) driver_->peer_process_died(each);
    }
    connection_ended(voter.value);
}

// ---- which brokers live --------------------------------------------------------------------------------------------

Task<void> Controller::watch_brokers() {
    Instant expected = now();
    while (!is_stopping_) {
        if (!is_active()) {
            co_await changed_.wait();
            expected = now();
            continue;
        }
        if (activated_ != role_.term) {
            activated_ = role_.term;
            ++activations_;
            co_await become_active();
            expected = now();
            continue;
        }
        if (now() > expected + held_up_time) liveness_.begin(now(), session_timeout(), machine_.state());
        co_await end_silent(now());
        // One that could not be given up is tried again after a pause.
        expected = std::max(now() + command_retry_pause, liveness_.next_due(session_timeout(), machine_.state()));
        // Not later than the next look: a pause of this thread that is longer shows, however it was woken.
        expected = std::min(expected, now() + watch_interval);
        co_await changed_.wait(expected);
    }
}

Duration Controller::session_timeout() const {
    const Duration known = machine_.state().session_timeout();
    return known > Duration() ? known : settings_.session_timeout;
}

// Whoever died with the controller before is found at once; whoever is silent gets a whole session timeout, of those
// that leases were granted by the longer one, and as if it had begun when a majority may have confirmed another
// controller last. Half of it is left in any case for the living to be heard here
// (docs/adr/0013-the-wait-of-a-new-controller.md).
Task<void> Controller::become_active() {
    const Duration whole = std::max(session_timeout(), settings_.session_timeout);
    const Duration silence = std::chrono::milliseconds(role_.silence_ms);
    const Duration grace = std::max(whole - silence, whole / 2);
    liveness_.begin(now(), grace, machine_.state());
    spdlog::info("controller: active in term {}", role_.term.value);
    const Timestamp time(world_.executor.wall_milliseconds());
    Command command = controller_active(BrokerId(settings_.id), role_.term.value, settings_.session_timeout, time);
    (void)co_await execute(std::move(command), now() + command_time_max);
    liveness_.begin(now(), grace, machine_.state());
    for (const auto& [id, broker] : machine_.state().brokers()) {
        if (broker.is_alive && id.value != settings_.id) scope_.spawn(probe(id));
    }
}

Task<void> Controller::end_silent(Instant moment) {
    for (const Liveness::Silent& each : liveness_.silent(moment, session_timeout(), machine_.state())) {
        spdlog::warn("controller: broker {} has been silent for {} ms, and is given up", each.broker.value,
                     session_timeout() / 1ms);
        co_await end_broker(each.broker, each.incarnation, EndReason::silent);
    }
}

void Controller::connection_ended(int32_t node) {
    if (is_active() && node != settings_.id) scope_.spawn(probe(BrokerId(node)));
}

// A process that dies ends several connections at a time. One that ends while it is looked at may be of the next
// process, that has died, too.
Task<void> Controller::probe(BrokerId id) {
    if (auto [known, is_new] = probed_.try_emplace(id, false); !is_new) {
        known->second = true;
        co_return;
    }
    do {
        probed_[id] = false;
        co_await probe_once(id);
    } while (probed_[id]);
    probed_.erase(id);
}

Task<void> Controller::probe_once(BrokerId id) {
    const BrokerRecord* found = machine_.state().find(id);
    if (found == nullptr || !found->is_alive) co_return;
    const BrokerRecord broker = *found;
    const Address address{broker.peer_host, broker.peer_port};
    Result<std::unique_ptr<Socket>> socket = co_await world_.network.connect(address, now() + probe_time_max);
    if (socket.ok()) (*socket)->close();
    // Anything but a refusal may be the network's doing: then silence decides.
    if (socket.ok() || socket.error().code != ErrorCode::connection_refused || !is_active()) co_return;
    spdlog::warn("controller: the process of broker {} is gone", id.value);
    co_await end_broker(id, broker.incarnation, EndReason::process_gone);
}

Task<void> Controller::end_broker(BrokerId broker, Incarnation incarnation, EndReason reason) {
    Command command = broker::end_broker(broker, incarnation, reason, Timestamp(world_.executor.wall_milliseconds()));
    Executed done = co_await execute(std::move(command), now() + command_time_max);
    // What it says of an incarnation that is over already is no news.
    if (!done.ok() && done.error.code != ErrorCode::stale_broker_epoch && is_active()) {
        spdlog::warn("controller: broker {} could not be given up: {}", broker.value, describe(done.error));
    }
}

// ---- who leads -----------------------------------------------------------------------------------------------------

void Controller::take_reports(BrokerId broker, Incarnation incarnation, const std::vector<ReplicaReport>& reports) {
    appointer_.take(broker, incarnation, reports, now());
    changed_.pulse();
}

// What the metadata refused, because it has changed meanwhile, is looked at again with the change.
Task<void> Controller::watch_partitions() {
    std::vector<Appointment> before;
    while (!is_stopping_) {
        Appointer::Decision decision;
        if (is_active()) decision = appointer_.decide(machine_.state(), now());
        if (decision.appointments.empty()) {
            before.clear();
            co_await changed_.wait(decision.next);
            continue;
        }
        if (machine_.state().is_failover_manual()) {
            if (decision.appointments != before) propose(decision.appointments);
            before = std::move(decision.appointments);
            co_await changed_.wait();
            continue;
        }
        // The same once more: nobody has confirmed it.
        if (decision.appointments == before) co_await sleep_for(world_.executor, command_retry_pause);
        before = decision.appointments;
        const Timestamp time(world_.executor.wall_milliseconds());
        Executed done = co_await execute(appoint_leaders(decision.appointments, time), now() + command_time_max);
        if (!done.ok()) spdlog::warn("controller: leaders were not appointed: {}", describe(done.error));
    }
}

// Failover is manual: a person decides.
void Controller::propose(const std::vector<Appointment>& appointments) const {
    constexpr size_t shown_max = 8;
    for (size_t index = 0; index < std::min(appointments.size(), shown_max); ++index) {
        const Appointment& each = appointments[index];
        const auto topic = machine_.state().find(each.topic);
        if (topic == nullptr) continue;
        spdlog::warn("controller: nobody leads {}/{}; broker {} would: `ironbark leader elect {}/{} --yes`",
                     topic->name, each.partition.value, each.leader.value, topic->name, each.partition.value);
    }
    if (appointments.size() > shown_max) {
        spdlog::warn("controller: and {} more partitions that nobody leads", appointments.size() - shown_max);
    }
}

// Replicas that are moved: once those that are new are in sync, the leader is handed to one that stays, and the others
// are let go. Everything that is to be known of a move stands in the metadata, for whichever controller is active.
Task<void> Controller::watch_moves() {
    while (!is_stopping_) {
        MoveSteps steps;
        if (is_active()) steps = next_steps(machine_.state());
        if (steps.leaders.empty() && steps.ends.empty()) {
            co_await changed_.wait();
            continue;
        }
        if (!steps.leaders.empty()) {
            (void)co_await execute(broker::move_leaders(steps.leaders), now() + command_time_max);
        }
        if (!steps.ends.empty()) {
            const Timestamp time(world_.executor.wall_milliseconds());
            (void)co_await execute(broker::move_replicas(steps.ends, time), now() + command_time_max);
        }
        // What had no effect, because the partition has changed meanwhile, is looked at again.
        co_await sleep_for(world_.executor, command_retry_pause);
    }
}

Task<Controller::Appointed> Controller::appoint(PartitionIdentity identity,
                                                bool unclean,
                                                bool validate_only,
                                                Instant deadline) {
    Appointed appointed;
    appointed.executed.outcome = Outcome::not_written;
    const auto topic = machine_.state().find(identity.topic);
    const PartitionRecord* found = machine_.state().find(identity);
    if (found == nullptr) {
        appointed.executed.error = {ErrorCode::unknown_topic_or_partition, "the topic has no such partition"};
        co_return appointed;
    }
    const PartitionRecord partition = *found;
    if (partition.leader.value != -1) {
        appointed.executed.error = ErrorCode::invalid_request;
        appointed.executed.hint = fmt::format(
            "broker {} leads the partition: `ironbark leader move` hands it to another", partition.leader.value);
        co_return appointed;
    }
    std::optional<Appointer::Proposal> proposal = appointer_.propose(machine_.state(), identity, unclean);
    if (!proposal) {
        appointed.executed.error = ErrorCode::not_enough_replicas;
        appointed.executed.hint =
            unclean ? fmt::format("no replica that lives has said what it has: start one of brokers {}",
                                  list_of(partition.replicas))
                    : why_nobody_leads(machine_.state(), *topic, partition);
        co_return appointed;
    }
    appointed.leader = proposal->appointment.leader;
    appointed.log_end = proposal->report.log_end;
    appointed.loss = proposal->loss;
    if (validate_only) {
        appointed.executed = {Outcome::written, ErrorCode::none, {}, machine_.state().version()};
        co_return appointed;
    }
    Command command = appoint_leaders({proposal->appointment}, Timestamp(world_.executor.wall_milliseconds()));
    appointed.executed = co_await execute(std::move(command), deadline);
    if (!appointed.executed.ok()) co_return appointed;
    found = machine_.state().find(identity);
    if (found != nullptr && found->leader == appointed.leader) co_return appointed;
    appointed.executed = {Outcome::not_written, ErrorCode::fenced_leader_epoch, "the partition has changed meanwhile",
                          -1};
    co_return appointed;
}

}  // namespace ironbark::broker
