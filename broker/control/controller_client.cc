#include "broker/control/controller_client.h"

#include <algorithm>

#include "runtime/rpc/frame.h"

namespace ironbark::broker {
namespace {

// Between two rounds while nobody is active: an election takes longer.
constexpr Duration round_pause = 20ms;

constexpr Error nobody_is_active(
    ErrorCode::not_controller, "no controller is active: a majority of the controllers must run and reach each other");
constexpr Error not_connected(ErrorCode::connection_refused, "that controller cannot be reached");

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
    : world_(world), self_(self), voters_(std::move(voters)), own_(own), links_(links), closing_(world.executor) {
    own_session_.is_open = true;
}

Task<rpc::CallResult> ControllerClient::call(ControllerCall call, Instant deadline) {
    rpc::CallResult result = rpc::never_sent(nobody_is_active);
    size_t asked = 0;  // since the last pause
    while (!closing_.is_set() && world_.executor.now() < deadline) {
        const int32_t voter = choose();
        const Instant answer_by = call.answer_time ? world_.executor.now() + *call.answer_time : deadline;
        result = co_await ask(voter, &call, answer_by);
        if (result.ok()) {
            active_ = voter;
            co_return result;
        }
        if (!may_repeat(call, result)) co_return result;
        active_ = result.leader == voter ? -1 : result.leader;
        if (++asked <= voters_.size() && active_ >= 0) continue;
        if (asked >= voters_.size()) {
            asked = 0;
            if (is_impatient_ && call.repeat == Repeat::never) co_return result;
            co_await closing_.wait(std::min(deadline, world_.executor.now() + round_pause));
        }
    }
    if (closing_.is_set()) co_return rpc::never_sent(Error(ErrorCode::closed, "this daemon is stopping"));
    co_return result;
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
