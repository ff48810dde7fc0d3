#include "runtime/rpc/connection.h"

namespace ironbark::rpc {

namespace {

// To who knocks with HTTP: a browser, a scraper or a health check that has the wrong port.
constexpr std::string_view http_answer =
    "HTTP/1.1 400 Bad Request\r\n"
    "Content-Type: text/plain\r\n"
    "Content-Length: 117\r\n"
    "Connection: close\r\n"
    "\r\n"
    "This is Ironbark's client port; it does not speak HTTP.\n"
    "Metrics and health are on the metrics port, 9401 unless set.\n";
static_assert(http_answer.size() - http_answer.find("\r\n\r\n") - 4 == 117);

constexpr Error answer_too_large(ErrorCode::message_too_large, "the answer does not fit a frame; ask for less at once");

ReadLimits stranger_limits(const ServerLimits& limits) {
    ReadLimits read = limits.read;
    read.frame_size_max = stranger_frame_size_max;
    return read;
}

}  // namespace

Connection::Connection(World& world,
                       std::unique_ptr<Socket> socket,
                       const ServerLimits& limits,
                       Handler& handler,
                       MemoryBudget& budget,
                       ServerCounters& counters,
                       uint64_t number)
    : world_(world),
      socket_(std::move(socket)),
      limits_(limits),
      handler_(handler),
      counters_(counters),
      slots_(world.executor, static_cast<int64_t>(limits.requests_max)),
      reader_(world, *socket_, stranger_limits(limits), &budget, counters.traffic),
      writer_(world, *socket_, limits.write, counters.traffic),
      watch_(*this),
      last_used_(world.executor.now()),
      scope_(world.executor) {
    session_.number = number;
    session_.peer = socket_->peer();
}

Task<void> Connection::run() {
    world_.executor.arm(watch_, world_.executor.now() + limits_.handshake_time_max);
    scope_.spawn(write());
    Refusal refusal = co_await read();
    world_.executor.disarm(watch_);
    // A reader that ends because the server stops leaves the closing to `drain`.
    if (refusal != Refusal::stopping) {
        count(refusal);
        if (is_told(refusal)) co_await farewell(refusal);
        close(refusal);
    } else {
        co_await scope_.join();
    }
    if (session_.is_open) handler_.ended(session_);
    co_await scope_.join();
}

// Reads and starts requests until the connection ends; says why.
Task<Refusal> Connection::read() {
    while (true) {
        Frame frame;
        Refusal refusal = co_await reader_.next(&frame);
        if (refusal == Refusal::none && closed_for_ == Refusal::none) {
            last_used_ = world_.executor.now();
            refusal = co_await dispatch(std::move(frame));
        }
        if (closed_for_ != Refusal::none) co_return closed_for_;
        if (writer_.has_stalled()) co_return Refusal::slow_reader;
        if (refusal != Refusal::none) co_return refusal;
    }
}

// Starts a request, or refuses it. Suspends while the connection has as many as it may.
Task<Refusal> Connection::dispatch(Frame frame) {
    Refusal refusal = check(frame);
    if (refusal == Refusal::none) {
        std::optional<Units> slot = co_await slots_.take(1);
        if (stopping_) refusal = Refusal::stopping;
        if (refusal == Refusal::none) begin(std::move(frame), std::move(*slot));
    }
    if (is_of_one_request(refusal)) {
        refuse(frame.header, refusal);
        co_return Refusal::none;
    }
    if (refusal != Refusal::none) {
        refused_ = frame.header;
        co_return refusal;
    }
    if (session_.is_open) {
        scope_.spawn(run_next());
    } else {
        // Strangers are served one request at a time.
        co_await run_next();
        if (session_.is_open) open_session();
    }
    co_return Refusal::none;
}

// Decides whether a frame is a request that may be started.
Refusal Connection::check(const Frame& frame) const {
    const FrameHeader& header = frame.header;
    if (header.has(flag_response) || header.has(flag_error)) return Refusal::direction;
    const MethodLimits* method = find_method(header.method);
    if (method != nullptr && method->audience != limits_.audience) method = nullptr;
    if (!session_.is_open) {
        if (method == nullptr || !method->before_handshake) return Refusal::not_introduced;
        if (handshake_frames_ >= limits_.handshake_frames_max) return Refusal::not_introduced;
    }
    if (method == nullptr) return Refusal::unknown_method;
    if (!verify(method->request, frame.metadata.bytes())) return Refusal::metadata;
    if (frame.payload.size > 0 && !method->request.has_payload) return Refusal::payload;
    if (session_.is_open && method->before_handshake) return Refusal::introduced_twice;
    return stopping_ ? Refusal::stopping : Refusal::none;
}

void Connection::begin(Frame frame, Units slot) {
    if (!session_.is_open) ++handshake_frames_;
    ++counters_.requests[frame.header.method];
    Begun begun;
    begun.header = frame.header;
    begun.request.method = static_cast<Method>(frame.header.method);
    begun.request.is_one_way = frame.header.has(flag_one_way);
    begun.request.correlation = frame.header.correlation;
    begun.request.metadata = std::move(frame.metadata);
    begun.request.payload = std::move(frame.payload);
    begun.request.memory = std::move(frame.memory);
    begun.request.received = frame.received;
    begun.slot = std::move(slot);
    begun_.push_back(std::move(begun));
}

Task<void> Connection::run_next() {
    Begun begun = std::move(begun_.front());
    begun_.pop_front();
    FrameHeader header = begun.header;
    Units slot = std::move(begun.slot);
    Task<Response> task = handler_.handle(session_, std::move(begun.request));
    Response response = co_await std::move(task);
    if (!header.has(flag_one_way)) answer(header, std::move(response), std::move(slot));
}

void Connection::open_session() {
    reader_.set_frame_size_max(limits_.frame_size_max);
    world_.executor.disarm(watch_);
    world_.executor.arm(watch_, world_.executor.now() + limits_.idle_time_max);
}

void Connection::refuse(const FrameHeader& request, Refusal refusal) {
    count(refusal);
    if (request.has(flag_one_way)) return;
    answer(request, error_response(error_of(refusal), Outcome::not_written), Units());
}

void Connection::answer(const FrameHeader& request, Response response, Units slot) {
    ASSERT(response.metadata.size() > 0);
    size_t size = frame_header_size + response.metadata.size() + total_size(response.payload);
    if (size > limits_.frame_size_max) response = error_response(answer_too_large, Outcome::unknown);
    FrameHeader header;
    header.method = request.method;
    header.flags = static_cast<uint16_t>(flag_response | (response.is_error ? flag_error : 0));
    header.correlation = request.correlation;
    last_used_ = world_.executor.now();
    writer_.push(header, bytes_of(response.metadata), std::move(response.payload), std::move(slot));
    if (writer_.backlog_bytes() > limits_.backlog_bytes_max) close(Refusal::slow_reader);
}

Task<void> Connection::write() {
    bool is_sent = co_await writer_.run();
    if (!is_sent) close(writer_.has_stalled() ? Refusal::slow_reader : Refusal::peer_closed);
}

// Tells the peer why it is refused. What it has sent meanwhile is read and dropped, because closing a socket with
// unread bytes would reset the connection and could take the explanation with it.
Task<void> Connection::farewell(Refusal refusal) {
    session_.is_closed = true;
    SocketDeadline deadline(world_.executor, *socket_);
    deadline.arm(world_.executor.now() + limits_.farewell_time_max);
    if (refusal == Refusal::http) {
        writer_.push_raw(as_bytes(http_answer));
    } else {
        answer(refused_, error_response(error_of(refusal), Outcome::not_written), Units());
    }
    writer_.finish();
    co_await reader_.drain();
}

void Connection::stop() {
    if (stopping_) return;
    stopping_ = true;
    scope_.spawn(drain());
}

Task<void> Connection::drain() {
    // All slots are free when every answer was sent.
    std::optional<Units> all = co_await slots_.take(slots_.capacity(), world_.executor.now() + limits_.drain_time_max);
    close(Refusal::stopping);
}

void Connection::close(Refusal refusal) {
    if (closed_for_ == Refusal::none) closed_for_ = refusal;
    session_.is_closed = true;
    writer_.finish();
    socket_->close();
}

void Connection::look(Timer& timer) {
    Connection& connection = static_cast<Watch&>(timer).connection;
    if (!connection.session_.is_open) {
        connection.close(Refusal::handshake_timeout);
        return;
    }
    Instant now = connection.world_.executor.now();
    bool is_busy = connection.slots_.used() > 0;
    Instant idle_at = (is_busy ? now : connection.last_used_) + connection.limits_.idle_time_max;
    if (now < idle_at) {
        connection.world_.executor.arm(timer, idle_at);
    } else {
        connection.close(Refusal::idle);
    }
}

}  // namespace ironbark::rpc
