#include "ironbark/consumer.h"

#include <atomic>

#include "client/consumer_engine.h"
#include "client/io_thread.h"
#include "client/records_builder.h"

namespace ironbark {
namespace {

using client::not_done;

const Failure not_assigned = not_done(ErrorCode::not_found, "the partition is not assigned");
const Failure was_closed = not_done(ErrorCode::closed, "the consumer was closed");

}  // namespace

struct Consumer::Implementation {
    explicit Implementation(const Settings& settings)
        : thread(std::make_shared<client::IoThread>(settings)),
          router(thread->world(), client::RouterOptions::of(settings)),
          engine(thread->world(), router, client::ConsumerOptions::of(settings)),
          builder(settings.max_poll_records, settings.check_crcs, thread),
          backoff(settings.retry_backoff) {
        thread->spawn([this] { return router.run(); });
        thread->spawn([this] { return engine.run(); });
    }
    ~Implementation() { close(); }

    void seek(const TopicPartition& partition, Start start, Duration pause);
    void retry_damaged();
    void close();
    // Runs a plain function on the consumer's thread, and does not wait.
    template <typename Work>
    void post(Work work) {
        if (!is_closed) thread->world().executor.post_remote(std::move(work));
    }

    std::shared_ptr<client::IoThread> thread;
    client::Router router;
    client::ConsumerEngine engine;
    RecordsBuilder builder;
    Duration backoff;
    uint64_t generations = 0;
    std::atomic<bool> is_closed{false};
};

void Consumer::Implementation::seek(const TopicPartition& partition, Start start, Duration pause) {
    RecordsBuilder::Position& position = builder.positions()[partition];
    position.generation = ++generations;
    position.next = start.kind == Start::Kind::offset ? start.number : -1;
    post([this, partition, generation = position.generation, start, pause] {
        engine.seek(partition, generation, start, thread->world().executor.now() + pause);
    });
}

void Consumer::Implementation::retry_damaged() {
    for (const TopicPartition& partition : builder.take_damaged()) {
        int64_t next = builder.positions()[partition].next;
        seek(partition, Start::offset(next), backoff);
    }
}

void Consumer::Implementation::close() {
    if (is_closed) return;
    thread->run([this] { return engine.close(); });
    thread->stop();
    is_closed = true;
}

Consumer::Consumer(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
Consumer::Consumer(Consumer&&) noexcept = default;
Consumer& Consumer::operator=(Consumer&&) noexcept = default;
Consumer::~Consumer() = default;

Expected<Consumer> Consumer::create(const Settings& settings) {
    if (Expected<void> checked = settings.check(); !checked.ok()) return checked.error();
    return Consumer(std::make_unique<Implementation>(settings));
}

Expected<void> Consumer::assign(std::vector<Assignment> partitions) {
    Implementation& self = *implementation_;
    if (self.is_closed) return was_closed;
    for (const Assignment& assignment : partitions) {
        bool is_bad = assignment.partition.partition < 0 || assignment.start.number < 0;
        if (is_bad)
            return not_done(ErrorCode::invalid_request, "partitions, offsets, counts and times are not negative");
    }
    for (const TopicPartition& partition : assignment()) {
        self.post([&self, partition] { self.engine.forget(partition); });
    }
    self.builder.positions().clear();
    for (const Assignment& assignment : partitions) self.seek(assignment.partition, assignment.start, Duration(0));
    return {};
}

std::vector<TopicPartition> Consumer::assignment() const {
    std::vector<TopicPartition> partitions;
    for (const auto& [partition, position] : implementation_->builder.positions()) partitions.push_back(partition);
    return partitions;
}

Expected<Records> Consumer::poll(std::chrono::milliseconds timeout) {
    Implementation& self = *implementation_;
    if (self.is_closed) return was_closed;
    Instant deadline = self.thread->deadline(timeout);
    while (true) {
        Records records = self.builder.build();
        self.retry_damaged();
        bool has_news = !records.empty() || !records.gaps().empty() || !records.errors().empty();
        if (has_news) return records;
        if (self.engine.queue().take(&self.builder.news())) {
            self.engine.note_taken();
            continue;
        }
        bool is_over = self.thread->world().executor.now() >= deadline;
        if (is_over) return records;
        bool was_interrupted = self.thread->run([&] { return self.engine.wait_for_news(deadline); });
        if (was_interrupted) return records;
    }
}

Expected<void> Consumer::seek(const TopicPartition& partition, Start start) {
    Implementation& self = *implementation_;
    if (self.is_closed) return was_closed;
    if (self.builder.positions().count(partition) == 0) return not_assigned;
    if (start.number < 0) return not_done(ErrorCode::invalid_request, "offsets, counts and times are not negative");
    self.seek(partition, start, Duration(0));
    return {};
}

Expected<int64_t> Consumer::position(const TopicPartition& partition, std::chrono::milliseconds timeout) {
    Implementation& self = *implementation_;
    if (self.is_closed) return was_closed;
    auto found = self.builder.positions().find(partition);
    if (found == self.builder.positions().end()) return not_assigned;
    if (found->second.next >= 0) return found->second.next;
    Instant deadline = self.thread->deadline(timeout);
    return self.thread->run([&] { return self.engine.started_at(partition, deadline); });
}

Expected<void> Consumer::pause(const TopicPartition& partition) {
    Implementation& self = *implementation_;
    auto found = self.builder.positions().find(partition);
    if (found == self.builder.positions().end()) return not_assigned;
    found->second.is_paused = true;
    self.post([&self, partition] { self.engine.pause(partition, true); });
    return {};
}

Expected<void> Consumer::resume(const TopicPartition& partition) {
    Implementation& self = *implementation_;
    auto found = self.builder.positions().find(partition);
    if (found == self.builder.positions().end()) return not_assigned;
    found->second.is_paused = false;
    self.post([&self, partition] { self.engine.pause(partition, false); });
    return {};
}

Expected<Marks> Consumer::marks(const TopicPartition& partition) const {
    Implementation& self = *implementation_;
    if (self.is_closed) return was_closed;
    if (self.builder.positions().count(partition) == 0) return not_assigned;
    struct Get {
        static Task<Marks> run(const client::ConsumerEngine* engine, const TopicPartition* name) {
            co_return engine->marks(*name);
        }
    };
    return self.thread->run([&] { return Get::run(&self.engine, &partition); });
}

void Consumer::wakeup() {
    Implementation& self = *implementation_;
    self.post([&self] { self.engine.interrupt(); });
}

void Consumer::close() {
    implementation_->close();
}

ConsumerStatistics Consumer::statistics() const {
    ConsumerStatistics statistics = implementation_->builder.statistics();
    statistics.fetches = implementation_->engine.fetches();
    return statistics;
}

}  // namespace ironbark
