#include "runtime/rpc/client_connection.h"

#include <algorithm>

#include "runtime/rpc/convert.h"

namespace ironbark::rpc {

namespace {

constexpr Error refused_by_peer(ErrorCode::unknown_server_error, "the broker refused the request");

// What an answer with flag_error says. REQUIRES: verified
CallResult read_error(Bytes metadata) {
    const auto& info = *flatbuffers::GetRoot<wire::ErrorInfo>(metadata.data());
    CallResult result;
    result.delivery = Delivery::answered;
    result.error = refused_by_peer;
    // An error without a code is still an error.
    if (info.code() != 0) result.error.code = static_cast<ErrorCode>(info.code());
    bool is_known = info.outcome() <= wire::Outcome::MAX;
    result.outcome = is_known ? static_cast<Outcome>(info.outcome()) : Outcome::unknown;
    result.hint = from_wire(info.hint());
    result.leader = info.leader();
    result.leader_epoch = info.leader_epoch();
    return result;
}

CallResult lost(bool was_handed_over, const Error& error, const std::string& hint) {
    CallResult result;
    result.delivery = was_handed_over ? Delivery::unknown : Delivery::never_sent;
    result.outcome = was_handed_over ? Outcome::unknown : Outcome::not_written;
    result.error = error;
    result.hint = hint;
    return result;
}

}  // namespace

CallResult never_sent(const Error& error) { return lost(false, error, error.text); }

ClientConnection::ClientConnection(World& world, std::unique_ptr<Socket> socket, ClientLimits limits, Traffic& traffic)
    : world_(world),
      socket_(std::move(socket)),
      limits_(limits),
      reader_(world, *socket_, limits.read, nullptr, traffic),
      writer_(world, *socket_, limits.write, traffic),
      callers_left_(world.executor),
      ended_(world.executor),
      last_received_(world.executor.now()),
      scope_(world.executor) {
    callers_left_.set();
    reader_.on_head([this](const FrameHeader& header, Bytes metadata) { preview(header, metadata); });
}

Task<void> ClientConnection::run() {
    scope_.spawn(write());
    co_await read();
    co_await scope_.join();
    while (callers_ != 0) co_await callers_left_.wait();
}

Task<void> ClientConnection::read() {
    while (!closed_) {
        Frame frame;
        Refusal refusal = co_await reader_.next(&frame);
        if (refusal == Refusal::none) {
            last_received_ = world_.executor.now();
            refusal = accept(std::move(frame));
        }
        if (refusal != Refusal::none) close(error_of(refusal));
    }
}

Task<void> ClientConnection::write() {
    bool is_sent = co_await writer_.run();
    if (!is_sent) close(error_of(Refusal::peer_closed));
}

// Tells the head of an answer to the call that waits for it. What is wrong with it is found when it has come whole.
void ClientConnection::preview(const FrameHeader& header, Bytes metadata) {
    auto found = waiting_.find(header.correlation);
    if (found == waiting_.end() || !header.has(flag_response) || header.has(flag_error)) return;
    const Waiting& waiting = *found->second;
    bool is_expected = header.method == static_cast<uint16_t>(waiting.method.method);
    if (waiting.preview != nullptr && is_expected && verify(waiting.method.response, metadata)) {
        (*waiting.preview)(metadata);
    }
}

// Gives an answer to the call that waits for it.
Refusal ClientConnection::accept(Frame frame) {
    const FrameHeader& header = frame.header;
    if (!header.has(flag_response) || header.correlation > correlations_) return Refusal::direction;
    bool is_error = header.has(flag_error);
    if (is_error && !verify(error_limits, frame.metadata.bytes())) return Refusal::metadata;
    if (is_error && header.correlation == 0) {
        // About the connection, which the other side is about to close.
        CallResult said = read_error(frame.metadata.bytes());
        close(said.error, std::move(said.hint));
        return Refusal::none;
    }
    auto found = waiting_.find(header.correlation);
    if (found == waiting_.end()) return header.correlation == 0 ? Refusal::direction : Refusal::none;  // too late
    Waiting* waiting = found->second;
    if (header.method != static_cast<uint16_t>(waiting->method.method)) return Refusal::direction;
    if (!is_error && !verify(waiting->method.response, frame.metadata.bytes())) return Refusal::metadata;
    if (frame.payload.size > 0 && (is_error || !waiting->method.response.has_payload)) return Refusal::payload;
    waiting_.erase(found);
    ++answers_;
    CallResult result;
    if (is_error) {
        result = read_error(frame.metadata.bytes());
    } else {
        result.delivery = Delivery::answered;
        result.outcome = Outcome::written;
        result.metadata = std::move(frame.metadata);
        result.payload = std::move(frame.payload);
    }
    finish(waiting, std::move(result));
    return Refusal::none;
}

void ClientConnection::finish(Waiting* waiting, CallResult result) {
    waiting->result = std::move(result);
    waiting->done.set();
}

uint64_t ClientConnection::push(const Message& message, uint64_t correlation, Units held) {
    FrameHeader header;
    header.method = static_cast<uint16_t>(message.method);
    header.flags = message.is_one_way ? flag_one_way : uint16_t{0};
    header.correlation = correlation;
    std::vector<BufferSlice> payload;
    if (message.payload != nullptr) payload = *message.payload;
    return writer_.push(header, message.metadata, std::move(payload), std::move(held));
}

Task<CallResult> ClientConnection::call(const Message* message, Instant deadline) {
    if (closed_) co_return lost(false, error_, hint_);
    const MethodLimits* method = find_method(static_cast<uint16_t>(message->method));
    ASSERT(method != nullptr && !message->is_one_way);
    Instant begun = world_.executor.now();
    if (begun >= deadline) co_return never_sent(deadline_passed);
    uint64_t correlation = ++correlations_;
    Waiting waiting(world_.executor, *method);
    waiting.preview = message->preview;
    waiting_.emplace(correlation, &waiting);
    waiting.frame = push(*message, correlation, Units());
    ++callers_;
    callers_left_.reset();
    co_await waiting.done.wait(deadline);
    if (--callers_ == 0) callers_left_.set();
    if (waiting.done.is_set()) co_return std::move(waiting.result);
    co_return give_up(correlation, &waiting, begun);
}

// The deadline came first.
CallResult ClientConnection::give_up(uint64_t correlation, Waiting* waiting, Instant begun) {
    waiting_.erase(correlation);
    bool was_handed_over = !writer_.withdraw(waiting->frame);
    if (silent_since_ < last_received_) silent_since_ = std::max(begun, last_received_);
    if (world_.executor.now() - silent_since_ >= limits_.silence_time_max) {
        close(Error(ErrorCode::timed_out, "the broker does not answer"));
    }
    return lost(was_handed_over, deadline_passed, "");
}

Result<void> ClientConnection::send(const Message& message, Units held) {
    if (closed_) return error_;
    ASSERT(message.is_one_way);
    push(message, ++correlations_, std::move(held));
    return {};
}

void ClientConnection::close(const Error& error, std::string hint) {
    if (closed_) return;
    closed_ = true;
    error_ = error;
    hint_ = hint.empty() ? error.text : std::move(hint);
    for (auto& [correlation, waiting] : waiting_) {
        finish(waiting, lost(writer_.was_handed_over(waiting->frame), error_, hint_));
    }
    waiting_.clear();
    writer_.finish();
    socket_->close();
    ended_.set();
}

}  // namespace ironbark::rpc
