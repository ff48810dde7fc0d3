#include "broker/control/broker_session.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "broker/controller/tiers.h"
#include "runtime/rpc/convert.h"

namespace ironbark::broker {
namespace {

constexpr int heartbeats_per_session = 5;
// A heartbeat without an answer goes to the next controller after this part of a session: a machine that has lost its
// power closes no connection, and the controller after it gives nobody more than one session timeout.
constexpr int attempts_per_session = 3;
constexpr Duration metadata_poll_time = 5s;    // of a long poll for metadata
constexpr Duration metadata_answer_time = 5s;  // beyond it: of the way there and back
constexpr Duration enroll_time = 3s;  // to find the active controller, before people are told that there is none
// Of its answer, however slow its disk is: another attempt would be another incarnation.
constexpr Duration enroll_answer_time = 60s;
constexpr Duration enroll_pause = 200ms;  // between attempts
constexpr Duration seen_time_max = 60s;   // until a committed command shows here
constexpr Duration follow_pause = 50ms;   // after one that failed
constexpr Duration shard_patience = 2s;   // a shard that has not answered for so long is reported

constexpr Error controller_was_lost(ErrorCode::not_controller,
                                    "the active controller was lost before it answered, and none has taken its place");

constexpr const char* only_controller_failed =
    "the controller's log cannot be written; start the daemon again when the disk is well";

std::string said_by(const rpc::CallResult& result) {
    return result.hint.empty() ? describe(result.error) : result.hint;
}

}  // namespace

BrokerSession::BrokerSession(World& world, ControllerClient& controllers, SessionSettings settings)
    : world_(world),
      controllers_(controllers),
      settings_(std::move(settings)),
      current_(std::make_shared<const Metadata>()),
      changed_(world.executor),
      beat_(world.executor),
      scope_(world.executor) {
    for (size_t shard = 0; shard < settings_.shards.size(); ++shard) {
        pulses_.push_back(std::make_unique<ShardPulse>());
    }
}

BrokerSession::~BrokerSession() = default;

Duration BrokerSession::interval() const {
    return settings_.session_timeout / heartbeats_per_session;
}

// Said once, until it changes.
void BrokerSession::note(std::string text) {
    if (text == problem_) return;
    if (!text.empty()) spdlog::warn("broker {}: {}", settings_.broker.value, text);
    problem_ = std::move(text);
}

Task<Result<void>> BrokerSession::begin(Incarnation stopped_cleanly) {
    stopped_cleanly_ = stopped_cleanly;
    scope_.spawn(keep());
    scope_.spawn(follow());
    while (!is_stopping_ && !is_enrolled_ && !failure_) co_await changed_.wait();
    if (failure_) co_return *failure_;
    if (is_stopping_) co_return Error(ErrorCode::cancelled, "this daemon is stopping");
    co_return Result<void>();
}

// ---- one incarnation after the other -------------------------------------------------------------------------------

Task<void> BrokerSession::keep() {
    // One that has left is not registered again: it would be alive, and without a clean stop, with nobody behind it.
    while (!is_stopping_ && !has_left_) {
        const bool is_enrolled = co_await enroll();
        if (!is_enrolled) {
            co_await changed_.wait(now() + enroll_pause);
            continue;
        }
        co_await heartbeats();
        registered_version_ = -1;
        is_enrolled_ = false;
        stopped_cleanly_ = incarnation_;
    }
}

Task<bool> BrokerSession::enroll() {
    RegisterBroker registration = settings_.registration;
    registration.stopped_cleanly = stopped_cleanly_;
    ControllerCall call;
    call.method = rpc::Method::register_broker;
    call.make = [registration] {
        flatbuffers::FlatBufferBuilder builder;
        const wire::Uuid directory = rpc::to_wire(registration.directory);
        return rpc::finish(
            builder, wire::CreateRegisterBrokerRequestDirect(
                         builder, registration.id.value, &directory, registration.stopped_cleanly.value,
                         registration.host.c_str(), registration.port, registration.peer_host.c_str(),
                         registration.peer_port, registration.rack.c_str(), registration.feature_level,
                         registration.version.c_str(), registration.replica_port, registration.is_controller_only));
    };
    call.repeat = Repeat::always;
    call.answer_time = enroll_answer_time;
    rpc::CallResult result = co_await controllers_.call(std::move(call), now() + enroll_time);
    if (is_stopping_) co_return false;
    if (!result.ok()) {
        note(fmt::format("not registered: {}", said_by(result)));
        // Of the only controller that there is: waiting for another is of no use.
        if (result.error.code == ErrorCode::storage_error) failure_ = Error(result.error.code, only_controller_failed);
        if (failure_) changed_.pulse();
        co_return false;
    }
    const auto& answer = result.as<wire::RegisterBrokerResponse>();
    const bool is_again = incarnation_.value >= 0;
    incarnation_ = Incarnation(answer.incarnation());
    cluster_ = rpc::from_wire(answer.cluster());
    // The cluster's, by which brokers are judged; this daemon's own may be set otherwise.
    if (answer.session_timeout_ms() > 0) {
        settings_.session_timeout = std::chrono::milliseconds(answer.session_timeout_ms());
    }
    is_over_ = false;
    if (is_again)
        spdlog::warn("broker {}: registered again, as incarnation {}", settings_.broker.value, incarnation_.value);
    note({});
    registered_version_ = answer.metadata_version();
    note_enrolled();
    changed_.pulse();
    co_return true;
}

// What was known before says nothing of this incarnation. Heartbeats do not wait for it: a large state takes long.
void BrokerSession::note_enrolled() {
    const bool is_shown = registered_version_ >= 0 && current_->version() >= registered_version_;
    is_enrolled_ = is_enrolled_ || (is_shown && !is_stopping_);
}

Task<void> BrokerSession::leave(Instant deadline) {
    if (incarnation_.value < 0 || is_over_) co_return;
    has_left_ = true;
    Command command =
        end_broker(settings_.broker, incarnation_, EndReason::stopped, Timestamp(world_.executor.wall_milliseconds()));
    (void)co_await execute(std::move(command), deadline);
}

void BrokerSession::stop() {
    is_stopping_ = true;
    changed_.close();
    beat_.set();
}

// ---- heartbeats and leases -----------------------------------------------------------------------------------------

Task<void> BrokerSession::heartbeats() {
    while (!is_stopping_ && !is_over_) {
        look_at_shards();
        const Instant sent = now();
        ControllerCall call;
        call.method = rpc::Method::heartbeat;
        call.make = [this] {
            flatbuffers::FlatBufferBuilder builder;
            std::vector<flatbuffers::Offset<wire::ShardProgress>> shards;
            for (const auto& pulse : pulses_) {
                shards.push_back(wire::CreateShardProgress(builder, pulse->turns.load(std::memory_order_relaxed)));
            }
            return rpc::finish(builder,
                               wire::CreateHeartbeatRequestDirect(builder, settings_.broker.value, incarnation_.value,
                                                                  current_->version(), &shards));
        };
        call.repeat = Repeat::always;
        call.answer_time = settings_.session_timeout / attempts_per_session;
        call.confirms = true;
        rpc::CallResult result = co_await controllers_.call(std::move(call), sent + settings_.session_timeout);
        if (result.ok()) {
            const auto& answer = result.as<wire::HeartbeatResponse>();
            // One that still waits for its metadata is not put off by this one.
            const bool is_waiting = granted_.version > current_->version();
            const Dated grant{sent + std::chrono::milliseconds(answer.lease_ms()), answer.metadata_version()};
            heard_ = {sent, answer.metadata_version()};
            heartbeat_times_.add(now() - sent);
            changed_.pulse();
            if (!is_waiting) granted_ = grant;
            apply_lease();
            note({});
        } else if (result.error.code == ErrorCode::stale_broker_epoch) {
            is_over_ = true;
            granted_ = {};
            lease_end_ = Instant();
            if (lease_to_) lease_to_(Instant(), -1);
            if (!has_left_) note(fmt::format("given up by the controller: {}", said_by(result)));
        } else if (!is_stopping_) {
            note(fmt::format("no controller is heard: {}", said_by(result)));
        }
        // Nobody wants one that is sent later than this one.
        if (!is_over_ && wanted_beat_ <= sent) co_await beat_.wait(sent + interval());
    }
    changed_.pulse();
}

Task<bool> BrokerSession::catch_up(Instant deadline) {
    const Instant asked = now();
    wanted_beat_ = asked;
    beat_.pulse();
    auto has_caught_up = [&] { return heard_.time >= asked && current_->version() >= heard_.version; };
    while (!has_caught_up() && now() < deadline && !is_stopping_) co_await changed_.wait(deadline);
    co_return has_caught_up();
}

void BrokerSession::lease_to(LeaseTo lease_to) {
    lease_to_ = std::move(lease_to);
    if (has_lease()) lease_to_(lease_end(), granted_.version);
}

void BrokerSession::apply_lease() {
    if (current_->version() < granted_.version || granted_.time <= lease_end()) return;
    lease_end_ = granted_.time;
    if (lease_to_) lease_to_(granted_.time, granted_.version);
}

void BrokerSession::look_at_shards() {
    for (size_t shard = 0; shard < pulses_.size(); ++shard) {
        ShardPulse& pulse = *pulses_[shard];
        const bool has_answered = pulse.turns.load(std::memory_order_relaxed) == pulse.asked;
        if (has_answered) {
            if (pulse.is_reported) spdlog::warn("shard {} answers again", shard);
            pulse.is_reported = false;
            pulse.since = now();
            ++pulse.asked;
            settings_.shards[shard]->post_remote([&pulse] { pulse.turns.fetch_add(1, std::memory_order_relaxed); });
        } else if (!pulse.is_reported && now() - pulse.since > shard_patience) {
            pulse.is_reported = true;
            spdlog::error("shard {} has not answered for {} ms: it hangs, or has far too much to do", shard,
                          (now() - pulse.since) / 1ms);
        }
    }
}

// ---- the metadata --------------------------------------------------------------------------------------------------

Task<void> BrokerSession::follow() {
    while (!is_stopping_) {
        const bool is_well = co_await follow_once();
        if (!is_well) co_await changed_.wait(now() + follow_pause);
    }
}

// One question and its answer. False: there was none, or it was of no use.
Task<bool> BrokerSession::follow_once() {
    ControllerCall call;
    call.method = rpc::Method::follow_metadata;
    call.make = [this] {
        flatbuffers::FlatBufferBuilder builder;
        const int64_t known = wants_snapshot_ ? -1 : current_->version();
        const auto poll_ms = static_cast<int32_t>(metadata_poll_time / 1ms);
        return rpc::finish(builder, wire::CreateFollowMetadataRequest(builder, settings_.broker.value, known,
                                                                      incoming_version_, incoming_parts_, poll_ms));
    };
    call.repeat = Repeat::always;
    const Instant deadline = now() + metadata_poll_time + metadata_answer_time;
    rpc::CallResult result = co_await controllers_.call(std::move(call), deadline);
    if (!result.ok()) co_return false;
    const int64_t before = current_->version();
    if (Result<void> taken = take(result); !taken.ok()) {
        wants_snapshot_ = true;
        note(fmt::format("the metadata cannot be followed ({}). Is this daemon older than the controllers?",
                         describe(taken.error())));
        co_return false;
    }
    if (current_->version() == before) co_return true;
    if (current_->session_timeout() > Duration()) settings_.session_timeout = current_->session_timeout();
    note_enrolled();
    apply_lease();
    changed_.pulse();
    co_return true;
}

Result<void> BrokerSession::take(const rpc::CallResult& result) {
    const auto& answer = result.as<wire::FollowMetadataResponse>();
    if (!answer.is_snapshot()) {
        if (answer.version() <= current_->version()) return {};
        // Commands that fail half-way leave nothing behind.
        Metadata next = *current_;
        TRY_VOID(take_commands(answer, result.payload.bytes(), &next));
        if (next.version() != answer.version()) return Error(ErrorCode::corrupt_data, "the versions do not add up");
        current_ = std::make_shared<const Metadata>(std::move(next));
        return {};
    }
    if (incoming_version_ != answer.version() || !incoming_) {
        incoming_.emplace();
        incoming_version_ = answer.version();
        incoming_parts_ = 0;
    }
    Result<void> taken = take_commands(answer, result.payload.bytes(), &*incoming_);
    if (taken.ok() && answer.parts_left() > 0) return {};
    Metadata whole = std::move(*incoming_);
    incoming_.reset();
    incoming_version_ = -1;
    incoming_parts_ = 0;
    TRY_VOID(taken);
    wants_snapshot_ = false;
    if (whole.version() > current_->version()) current_ = std::make_shared<const Metadata>(std::move(whole));
    return {};
}

Result<void> BrokerSession::take_commands(const wire::FollowMetadataResponse& answer, Bytes payload, Metadata* into) {
    static constexpr Error malformed(ErrorCode::corrupt_data, "an answer whose sizes do not add up");
    const auto* sizes = answer.command_sizes();
    for (flatbuffers::uoffset_t at = 0; sizes != nullptr && at < sizes->size(); ++at) {
        const size_t size = sizes->Get(at);
        if (size > payload.size()) return malformed;
        // Commands are read in place, and their numbers must be aligned.
        const Command command(payload.begin(), payload.begin() + static_cast<ptrdiff_t>(size));
        TRY_VOID(into->apply(command));
        payload = payload.subspan(size);
        if (answer.is_snapshot()) ++incoming_parts_;
    }
    return payload.empty() ? Result<void>() : Result<void>(malformed);
}

Task<void> BrokerSession::publish_to(std::function<Task<void>(MetadataSnapshot)> publish) {
    publish_ = std::move(publish);
    co_await this->publish(current_);
    scope_.spawn(publish_newer());
    if (gather_) scope_.spawn(report());
}

Task<void> BrokerSession::publish(MetadataSnapshot metadata) {
    co_await publish_(metadata);
    published_ = std::move(metadata);
    changed_.pulse();
}

// Beside following: shards may take long (the recovery of many logs), and leases and registrations need the metadata
// meanwhile. What has become old by then is passed over.
Task<void> BrokerSession::publish_newer() {
    while (!is_stopping_) {
        if (published_->version() < current_->version()) {
            co_await publish(current_);
        } else {
            co_await changed_.wait();
        }
    }
}

// ---- what the replicas here hold -----------------------------------------------------------------------------------

bool BrokerSession::has_replica_without_leader(const Metadata& metadata) const {
    for (const auto& [name, topic] : metadata.topics()) {
        for (const PartitionRecord& partition : topic->partitions) {
            if (partition.leader.value == -1 && contains(partition.replicas, settings_.broker)) return true;
        }
    }
    return false;
}

// At once with every newer metadata, which may have ended a leadership, or show another controller; and again while a
// leader is missing, because a report may be lost, or a log have become ready.
Task<void> BrokerSession::report() {
    MetadataSnapshot looked_at;
    bool is_wanted = false;
    Instant due{};
    while (!is_stopping_) {
        if (looked_at != published_) {
            looked_at = published_;
            is_wanted = has_replica_without_leader(*looked_at);
            due = now();
        }
        if (!is_wanted || !is_enrolled_) {
            co_await changed_.wait();
        } else if (now() < due) {
            co_await changed_.wait(due);
        } else {
            due = now() + interval();
            co_await send_reports(looked_at);
        }
    }
}

Task<void> BrokerSession::send_reports(MetadataSnapshot metadata) {
    Task<std::vector<ReplicaReport>> gathering = gather_(metadata);
    auto reports = std::make_shared<const std::vector<ReplicaReport>>(co_await std::move(gathering));
    ControllerCall call;
    call.method = rpc::Method::report_replicas;
    call.make = [this, reports, incarnation = incarnation_] {
        flatbuffers::FlatBufferBuilder builder;
        std::vector<flatbuffers::Offset<wire::ReplicaState>> states;
        for (const ReplicaReport& report : *reports) {
            const wire::Uuid topic = rpc::to_wire(report.identity.topic);
            states.push_back(wire::CreateReplicaState(builder, &topic, report.identity.partition.value,
                                                      report.leader_epoch.value, report.last_epoch.value,
                                                      report.log_end.value, report.durable_end.value));
        }
        return rpc::finish(builder, wire::CreateReportReplicasRequestDirect(builder, settings_.broker.value,
                                                                            incarnation.value, &states));
    };
    call.repeat = Repeat::always;
    call.answer_time = settings_.session_timeout / attempts_per_session;
    rpc::CallResult result = co_await controllers_.call(std::move(call), now() + interval());
    // That nobody hears it, or that this incarnation is over, is the heartbeats' news.
    if (!result.ok()) spdlog::debug("broker {}: replicas not reported: {}", settings_.broker.value, said_by(result));
}

Task<Executed> BrokerSession::execute(Command command, Instant deadline) {
    Executed executed = co_await commit(std::move(command), deadline);
    if (executed.ok()) co_await wait_until_seen(executed.version, deadline);
    co_return executed;
}

Task<Executed> BrokerSession::commit(Command command, Instant deadline) {
    ControllerCall call;
    call.method = rpc::Method::execute_command;
    call.payload = world_.buffers.copy_of(command);
    const auto timeout_ms = static_cast<int32_t>(std::max<int64_t>(0, (deadline - now()) / 1ms));
    call.make = [this, timeout_ms] {
        flatbuffers::FlatBufferBuilder builder;
        return rpc::finish(builder, wire::CreateExecuteCommandRequest(builder, settings_.broker.value,
                                                                      incarnation_.value, timeout_ms));
    };
    while (true) {
        const Incarnation asked_as = incarnation_;
        ControllerCall attempt = call;
        rpc::CallResult result = co_await controllers_.call(std::move(attempt), deadline);
        if (result.ok()) {
            const int64_t version = result.as<wire::ExecuteCommandResponse>().metadata_version();
            co_return Executed{Outcome::written, ErrorCode::none, {}, version};
        }
        if (result.delivery == rpc::Delivery::unknown)
            co_return Executed{Outcome::unknown, controller_was_lost, {}, -1};
        // A broker that was given up while it lived registers again by itself, in a moment.
        const bool is_over = result.error.code == ErrorCode::stale_broker_epoch && !has_left_;
        while (is_over && incarnation_ == asked_as && now() < deadline && !is_stopping_) {
            co_await changed_.wait(deadline);
        }
        if (!is_over || incarnation_ == asked_as) co_return Executed{result.outcome, result.error, result.hint, -1};
    }
}

// What is committed is done; that this broker shows it is a courtesy, and takes a moment only.
Task<void> BrokerSession::wait_until_seen(int64_t version, Instant deadline) {
    deadline = std::min(deadline, now() + seen_time_max);
    auto is_seen = [&] {
        return publish_ ? published_ != nullptr && published_->version() >= version : current_->version() >= version;
    };
    while (!is_seen() && now() < deadline && !is_stopping_) co_await changed_.wait(deadline);
}

}  // namespace ironbark::broker
