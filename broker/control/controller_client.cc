#include "broker/control/controller_client.h"

#include <algorithm>

#include "runtime/rpc/frame.h"

namespace ironbark::broker {
namespace {

// Between two rounds while nobody is active: an election takes longer.
constexpr Duration round_pause = 20ms;

constexpr Error nobody_is_active(
    ErrorCode::not_controller, "no controller is active: a majority of the controllers must run and reach each other");
constexpr Error another_is_active(ErrorCode::connection_closed,
                                  "another controller has become active before this one answered");
constexpr Error not_connected(ErrorCode::connection_refused, "that controller cannot be reached");

rpc::CallResult given_up() {
    rpc::CallResult result;
    result.delivery = rpc::Delivery::unknown;
    result.outcome = Outcome::unknown;
    result.error = another_is_active;
    return result;
}

// An answer of a handler, as it would have come over a connection.
rpc::CallResult result_of(World& world, rpc::Response response) {
    rpc::CallResult result;
    result.delivery = rpc::Delivery::answered;
    const Bytes metadata = rpc::bytes_of(response.metadata);
    if (response.is_error) {
        const auto& info = *flatbuffers::GetRoot<wire::ErrorInfo>(metadata.data());
        result.error = ErrorCode(info.code());
        result.outcome = static_cast<Outcome>(info.outcome());
        if (info.hint() != nullptr) result.hint = info.hint()->str();
        result.leader = info.leader();
        result.leader_epoch = info.leader_epoch();
        return result;
    }
    result.metadata = world.buffers.copy_of(metadata);
    std::vector<uint8_t> payload;
    for (const BufferSlice& slice : response.payload) {
        const Bytes bytes = slice.bytes();
        payload.insert(payload.end(), bytes.begin(), bytes.end());
    }
    if (!payload.empty()) result.payload = world.buffers.copy_of(payload);
    return result;
}

}  // namespace

ControllerClient::ControllerClient(
    World& world, int32_t self, std::vector<int32_t> voters, rpc::Handler* own, peer::PeerLinks* links)
    : world_(world),
      self_(self),
      voters_(std::move(voters)),
      own_(own),
      links_(links),
      closing_(world.executor),
      scope_(world.executor) {
    own_session_.is_open = true;
}

struct ControllerClient::Attempt {
    Attempt(Executor& executor, std::shared_ptr<const ControllerCall> what, int32_t whom)
        : call(std::move(what)), voter(whom), ended(executor) {}
    std::shared_ptr<const ControllerCall> call;
    int32_t voter;
    std::optional<rpc::CallResult> result;  // none: not yet
    Event ended;                            // or given up
};

Task<rpc::CallResult> ControllerClient::call(ControllerCall what, Instant deadline) {
    const auto call = std::make_shared<const ControllerCall>(std::move(what));
    rpc::CallResult result = rpc::never_sent(nobody_is_active);
    rpc::CallResult refusal = result;  // the last that a controller has given
    size_t asked = 0;                  // since the last pause
    while (!closing_.is_set() && world_.executor.now() < deadline) {
        const auto attempt = std::make_shared<Attempt>(world_.executor, call, choose());
        attempts_.push_back(attempt.get());
        scope_.spawn(run(attempt, call->answer_time ? world_.executor.now() + *call->answer_time : deadline));
        co_await attempt->ended.wait();
        std::erase(attempts_, attempt.get());
        result = attempt->result ? *std::move(attempt->result) : given_up();
        if (result.ok()) {
            active_ = attempt->voter;
            if (call->confirms) confirm(attempt->voter);
            co_return result;
        }
        if (!may_repeat(*call, result)) co_return result;
        forget(attempt->voter, result.leader);
        const bool is_said = result.delivery == rpc::Delivery::answered;
        if (is_said) refusal = result;
        if (++asked <= voters_.size() && active_ >= 0) continue;
        if (asked >= voters_.size()) {
            asked = 0;
            if (is_impatient_ && call->repeat == Repeat::never) co_return result;
            co_await closing_.wait(std::min(deadline, world_.executor.now() + round_pause));
        }
    }
    if (closing_.is_set()) co_return rpc::never_sent(Error(ErrorCode::closed, "this daemon is stopping"));
    // That one of them was not there is not why nobody did it.
    const bool is_absent = result.error.code == ErrorCode::connection_refused;
    co_return is_absent ? refusal : result;
}

// After a failed attempt; unless somebody else has found another one meanwhile. The next question goes to another
// voter.
void ControllerClient::forget(int32_t voter, int32_t hint) {
    if (active_ >= 0 && active_ != voter) return;
    active_ = hint == voter ? -1 : hint;
    const auto place = std::find(voters_.begin(), voters_.end(), voter);
    next_ = static_cast<size_t>(place - voters_.begin());
}

Task<void> ControllerClient::run(std::shared_ptr<Attempt> attempt, Instant answer_by) {
    rpc::CallResult result = co_await ask(attempt->voter, attempt->call.get(), answer_by);
    attempt->result.emplace(std::move(result));
    attempt->ended.set();
}

void ControllerClient::confirm(int32_t voter) {
    for (Attempt* attempt : attempts_) {
        if (attempt->voter != voter) attempt->ended.set();
    }
}

int32_t ControllerClient::choose() {
    const bool is_known = std::find(voters_.begin(), voters_.end(), active_) != voters_.end();
    if (is_known) return active_;
    next_ = (next_ + 1) % voters_.size();
    return voters_[next_];
}

bool ControllerClient::may_repeat(const ControllerCall& call, const rpc::CallResult& result) {
    // A daemon that stops refuses what comes: somebody else is active, or will be.
    const bool is_answered = result.delivery == rpc::Delivery::answered;
    const bool is_stopping = is_answered && result.error.code == ErrorCode::connection_closed;
    if (is_stopping || result.error.code == ErrorCode::not_controller) return result.outcome == Outcome::not_written;
    if (result.delivery == rpc::Delivery::never_sent) return true;
    if (result.delivery == rpc::Delivery::answered) return false;
    return call.repeat == Repeat::always;
}

Task<rpc::CallResult> ControllerClient::ask(int32_t voter, const ControllerCall* call, Instant deadline) {
    if (voter == self_ && own_ != nullptr) co_return co_await ask_own(call);
    const consensus::VoterId to(voter);
    if (links_ == nullptr || !links_->is_connected(to)) {
        const Error why = links_ == nullptr ? Error(ErrorCode::none) : links_->last_error(to);
        co_return rpc::never_sent(why.code == ErrorCode::none ? not_connected : why);
    }
    std::vector<BufferSlice> payload;
    if (call->payload.size > 0) payload.push_back(call->payload);
    rpc::Metadata metadata = call->make();
    co_return co_await links_->call(to, call->method, std::move(metadata), std::move(payload), deadline);
}

Task<rpc::CallResult> ControllerClient::ask_own(const ControllerCall* call) {
    rpc::Request request;
    request.method = call->method;
    rpc::Metadata metadata = call->make();
    request.metadata = world_.buffers.copy_of(rpc::bytes_of(metadata));
    request.payload = call->payload;
    request.received = world_.executor.now();
    rpc::Response response = co_await own_->handle(own_session_, std::move(request));
    co_return result_of(world_, std::move(response));
}

}  // namespace ironbark::broker
