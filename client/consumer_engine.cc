#include "client/consumer_engine.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace ironbark::client {
namespace {

// While the application works on one answer, the next one is on its way or waits.
constexpr size_t answers_waiting_max = 1;
// Partitions that were assigned or sought while a fetch waits at the broker get one of their own.
constexpr size_t fetches_per_broker_max = 4;
// Half of what rpc/method.cc allows.
constexpr size_t fetch_parts_max = 10'000;
// What an answer may hold, so that it fits a frame together with its metadata.
constexpr size_t answer_size_max = size_t{14} << 20;
// Errors that pass by themselves are reported when they have not passed so soon, and then ever more rarely.
constexpr uint64_t failures_before_report = 4;

bool is_repeatedly_worth_reporting(uint64_t failures) {
    return failures >= failures_before_report && std::has_single_bit(failures);
}

Fetched news_of(Fetched::Kind kind) {
    Fetched news;
    news.kind = kind;
    return news;
}

}  // namespace

ConsumerOptions ConsumerOptions::of(const Settings& settings) {
    FetchLimits limits{settings.fetch_max_wait, settings.fetch_min_bytes,
                       std::min(settings.fetch_max_bytes, answer_size_max),
                       std::min(settings.max_partition_fetch_bytes, answer_size_max), settings.visibility};
    return {limits, settings.request_timeout, settings.offset_reset};
}

ConsumerEngine::ConsumerEngine(World& world, Router& router, ConsumerOptions options)
    : world_(world),
      router_(router),
      options_(options),
      wakeup_(world.executor),
      news_(world.executor),
      located_(world.executor),
      stopped_(world.executor),
      scope_(world.executor) {
    router_.on_change([this] { topics_changed(); });
}

ConsumerEngine::~ConsumerEngine() {
    router_.on_change(nullptr);
}

Task<void> ConsumerEngine::run() {
    while (!closing_) {
        Instant next = look(world_.executor.now());
        co_await wakeup_.wait(next);
    }
    co_await scope_.join();
    stopped_.set();
}

Task<void> ConsumerEngine::close() {
    closing_ = true;
    interrupt();
    located_.pulse();
    wakeup_.wake_here();
    co_await router_.close();
    co_await stopped_.wait();
}

void ConsumerEngine::seek(const TopicPartition& partition, uint64_t generation, Start start, Instant not_before) {
    std::unique_ptr<Reading>& slot = readings_[partition];
    bool was_paused = slot != nullptr && slot->is_paused;
    // A new one: what is underway for the old one finds another generation.
    auto reading = std::make_unique<Reading>();
    reading->name = std::make_shared<const TopicPartition>(partition);
    reading->generation = generation;
    reading->start = start;
    reading->begun = world_.executor.now();
    reading->is_paused = was_paused;
    reading->not_before = not_before;
    if (start.kind == Start::Kind::offset) {
        reading->is_located = true;
        reading->started_at = reading->next_offset = start.number;
    }
    slot = std::move(reading);
    wakeup_.wake_here();
}

void ConsumerEngine::forget(const TopicPartition& partition) {
    readings_.erase(partition);
}

void ConsumerEngine::pause(const TopicPartition& partition, bool is_paused) {
    auto found = readings_.find(partition);
    if (found != readings_.end()) found->second->is_paused = is_paused;
    wakeup_.wake_here();
}

Marks ConsumerEngine::marks(const TopicPartition& partition) const {
    auto found = readings_.find(partition);
    return found == readings_.end() ? Marks() : found->second->marks;
}

Task<Expected<int64_t>> ConsumerEngine::started_at(TopicPartition partition, Instant deadline) {
    Wake wake = Wake::signalled;
    while (true) {
        auto found = readings_.find(partition);
        if (found == readings_.end()) co_return not_done(ErrorCode::not_found, "the partition is not assigned");
        const Reading& reading = *found->second;
        if (reading.started_at >= 0) co_return reading.started_at;
        if (reading.has_failed) co_return reading.failure;
        if (closing_) co_return not_done(ErrorCode::closed, "the consumer was closed");
        if (wake == Wake::timed_out) {
            std::string hint = "the start of the partition is not known yet";
            if (reading.failures_in_row > 0) hint += ": " + reading.failure.to_string();
            co_return not_done(ErrorCode::timed_out, std::move(hint));
        }
        wake = co_await located_.wait(deadline);
    }
}

Task<bool> ConsumerEngine::wait_for_news(Instant deadline) {
    Wake wake = Wake::signalled;
    while (queue_.is_empty() && !is_interrupted_ && wake == Wake::signalled) wake = co_await news_.wait(deadline);
    co_return std::exchange(is_interrupted_, false);
}

void ConsumerEngine::interrupt() {
    is_interrupted_ = true;
    news_.pulse();
}

ConsumerEngine::Reading* ConsumerEngine::find(const Ticket& ticket) {
    auto found = readings_.find(*ticket.name);
    bool is_same = found != readings_.end() && found->second->generation == ticket.generation;
    return is_same ? found->second.get() : nullptr;
}

// One round over all readings: what can be fetched is fetched. Returns when the next round is due, if nothing happens.
Instant ConsumerEngine::look(Instant now) {
    Instant next = never;
    std::vector<Ticket> to_locate;
    std::map<int32_t, Request> requests;
    for (auto& [name, reading] : readings_) {
        if (reading->not_before > now) next = std::min(next, reading->not_before);
        if (!is_wanted(*reading, now) || !identify(*reading)) continue;
        if (!reading->is_located) {
            reading->is_locating = true;
            to_locate.push_back({reading->name, reading->generation});
            continue;
        }
        const TopicView* topic = router_.find(name.topic);
        Leader leader = topic->leaders[static_cast<size_t>(name.partition)];
        rpc::Channel* channel = router_.channel(leader.broker);
        if (channel == nullptr) {
            router_.want(name.topic);
            continue;
        }
        if (in_flight_[leader.broker] >= fetches_per_broker_max) continue;
        if (queue_.answers_waiting(leader.broker) >= answers_waiting_max) continue;
        Request& request = requests[leader.broker];
        if (request.parts.size() == fetch_parts_max) continue;
        if (request.number == 0) request.number = ++fetches_;
        request.broker = leader.broker;
        request.channel = channel;
        reading->fetch = request.number;
        request.tickets.push_back({reading->name, reading->generation});
        const int64_t ahead = std::exchange(reading->ahead_offset, -1);
        request.parts.push_back({reading->identity, ahead < 0 ? reading->next_offset : ahead, leader.epoch});
        reading->leader_epoch = leader.epoch;
    }
    next = std::min(next, doubt_what_is_late(now));
    if (!requests.empty()) next = std::min(next, now + options_.limits.wait_max + doubt_time);
    if (!to_locate.empty()) scope_.spawn(locate(std::move(to_locate)));
    for (auto& [broker, request] : requests) {
        // Not always the same ones first: an answer may be full before it comes to the last.
        auto first = static_cast<std::ptrdiff_t>(request.number % request.parts.size());
        std::rotate(request.parts.begin(), request.parts.begin() + first, request.parts.end());
        std::rotate(request.tickets.begin(), request.tickets.begin() + first, request.tickets.end());
        ++in_flight_[broker];
        scope_.spawn(fetch(std::move(request)));
    }
    return next;
}

// Returns when to look again.
Instant ConsumerEngine::doubt_what_is_late(Instant now) {
    const Duration patience = options_.limits.wait_max + doubt_time;
    for (const Request* request : unanswered_) {
        if (now < request->sent + patience) return request->sent + patience;
        for (size_t index = 0; index < request->tickets.size(); ++index) {
            const TopicPartition& name = *request->tickets[index].name;
            const int32_t epoch = request->parts[index].leader_epoch;
            if (!router_.doubt(request->broker, name.topic, name.partition, epoch)) break;
        }
    }
    return unanswered_.empty() ? never : now + doubt_pause;
}

bool ConsumerEngine::is_wanted(const Reading& reading, Instant now) const {
    bool is_busy = reading.is_locating || reading.fetch != 0;
    return !is_busy && !reading.is_paused && !reading.has_failed && reading.not_before <= now;
}

Task<void> ConsumerEngine::fetch(Request request) {
    rpc::Metadata metadata = encode_fetch(request.parts, options_.limits);
    Instant deadline = world_.executor.now() + options_.limits.wait_max + options_.request_time_max;
    rpc::Preview go_on = [this, &request](Bytes head) { preview(request, head); };
    request.sent = world_.executor.now();
    unanswered_.push_back(&request);
    rpc::CallResult result =
        co_await request.channel->call(rpc::Method::fetch, std::move(metadata), {}, deadline, std::move(go_on));
    std::erase(unanswered_, &request);
    --in_flight_[request.broker];
    if (result.ok()) router_.trust(request.broker);
    if (!closing_) apply(request, decode_fetch(result, request.parts.size()));
    wakeup_.wake_here();
}

// Where an answer is going to end is known before its records are here: the next fetch leaves now, and its answer
// follows without a pause.
void ConsumerEngine::preview(const Request& request, Bytes metadata) {
    std::vector<int64_t> offsets = decode_next_offsets(metadata, request.parts.size());
    for (size_t index = 0; index < offsets.size(); ++index) {
        Reading* reading = find(request.tickets[index]);
        bool is_current = reading != nullptr && reading->fetch == request.number;
        if (!is_current || offsets[index] <= request.parts[index].offset) continue;
        reading->fetch = 0;
        reading->ahead_offset = offsets[index];
    }
    wakeup_.wake_here();
}

void ConsumerEngine::apply(const Request& request, std::vector<FetchAnswer> answers) {
    bool has_frames = false;
    for (size_t index = 0; index < answers.size(); ++index) {
        Reading* reading = find(request.tickets[index]);
        if (reading == nullptr) continue;
        FetchAnswer& answer = answers[index];
        if (reading->fetch == request.number) reading->fetch = 0;
        reading->ahead_offset = -1;
        // Fetched ahead, and the answer before it did not end there, or did not come.
        if (request.parts[index].offset != reading->next_offset) continue;
        if (!answer.failure || answer.marks.log_start >= 0) reading->marks = answer.marks;
        if (answer.failure) {
            refuse(*reading, answer);
        } else if (answer.frames.size > 0) {
            has_frames = true;
            accept(*reading, answer);
        }
    }
    if (has_frames) queue_.count_answer(request.broker);
}

// Looks at the headers as far as is needed to know where the next fetch begins; whoever polls verifies the rest.
void ConsumerEngine::accept(Reading& reading, const FetchAnswer& answer) {
    uint64_t seed = reading.identity.seed();
    Bytes rest = answer.frames.bytes();
    int64_t next = reading.next_offset;
    Error fault(ErrorCode::none);
    while (!rest.empty()) {
        Result<record::FrameView> frame = record::parse_header(rest, seed);
        if (!frame.ok()) {
            fault = frame.error();
        } else if (frame->header.is_pad() || !frame->is_stamped() || frame->header.length > rest.size() ||
                   frame->next_offset().value <= next) {
            fault = Error(ErrorCode::corrupt_data, "what was fetched is not the next part of the log");
        }
        if (fault.code != ErrorCode::none) break;
        next = frame->next_offset().value;
        rest = rest.subspan(frame->header.length);
    }
    size_t size = answer.frames.size - rest.size();
    if (size > 0) {
        Fetched news = news_of(Fetched::Kind::frames);
        news.offset = reading.next_offset;
        news.seed = seed;
        news.frames = answer.frames.part(0, size);
        news.marks = answer.marks;
        push(reading, std::move(news));
        reading.next_offset = next;
        reading.has_read = true;
        reading.failures_in_row = 0;
    }
    if (fault.code != ErrorCode::none) {
        // Never delivered, and fetched again: it may have been damaged on the way.
        Fetched news = news_of(Fetched::Kind::error);
        news.failure = {ErrorCode::corrupt_data, Outcome::not_written,
                        std::string(fault.text) + "; it is fetched again"};
        push(reading, std::move(news));
        retry(reading, failure_of(fault));
    }
}

void ConsumerEngine::refuse(Reading& reading, const FetchAnswer& answer) {
    Failure failure = *answer.failure;
    if (answer.leader >= 0) {
        Leader leader{answer.leader, answer.leader_epoch};
        router_.learn_leader(reading.name->topic, reading.name->partition, leader);
    }
    if (concerns_leadership(failure.code)) router_.want(reading.name->topic);
    bool may_pass = failure.is_retriable() || concerns_existence(failure.code) || failure.outcome == Outcome::unknown;
    if (failure.code == ErrorCode::offset_out_of_range) {
        out_of_range(reading, std::move(failure));
    } else if (may_pass) {
        retry(reading, failure);
    } else {
        fail(reading, std::move(failure));
    }
}

void ConsumerEngine::retry(Reading& reading, const Failure& failure) {
    ++reading.failures_in_row;
    reading.failure = failure;
    reading.not_before = world_.executor.now() + router_.pause_after(reading.failures_in_row - 1);
    if (!is_repeatedly_worth_reporting(reading.failures_in_row)) return;
    Fetched news = news_of(Fetched::Kind::error);
    news.failure = failure;
    push(reading, std::move(news));
}

void ConsumerEngine::fail(Reading& reading, Failure failure) {
    reading.has_failed = true;
    reading.failure = failure;
    Fetched news = news_of(Fetched::Kind::error);
    news.failure = std::move(failure);
    push(reading, std::move(news));
    located_.pulse();
}

void ConsumerEngine::push(Reading& reading, Fetched news) {
    news.partition = reading.name;
    news.generation = reading.generation;
    queue_.push(std::move(news));
    news_.pulse();
}

// The router has learnt something: a pause because of a leader that is gone need not end.
void ConsumerEngine::topics_changed() {
    for (auto& [name, reading] : readings_) {
        const TopicView* topic = router_.find(name.topic);
        if (topic == nullptr || name.partition < 0 || name.partition >= topic->partition_count()) continue;
        if (topic->leaders[static_cast<size_t>(name.partition)].epoch > reading->leader_epoch) reading->not_before = {};
    }
    wakeup_.wake_here();
}

}  // namespace ironbark::client
