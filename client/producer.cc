#include "ironbark/producer.h"

#include <algorithm>
#include <array>

#include "client/io_thread.h"
#include "client/producer_engine.h"

namespace ironbark {
namespace {

using client::Append;
using client::not_done;
using client::PartitionQueue;
using client::ProducerTopic;

const Failure inside_callback =
    not_done(ErrorCode::invalid_request, "a callback of the producer must not wait for the producer");

// The record in the terms of the log; headers are copied to `room`, which the result borrows.
using HeaderRoom = std::array<record::RecordHeader, record::record_headers_max>;

std::optional<Bytes> bytes_of(const std::optional<std::string_view>& text) {
    if (!text) return std::nullopt;
    return as_bytes(*text);
}

std::span<const record::RecordHeader> convert(std::span<const Header> headers, HeaderRoom& room) {
    for (size_t index = 0; index < headers.size(); ++index) {
        room[index] = {headers[index].key, bytes_of(headers[index].value)};
    }
    return std::span(room).first(headers.size());
}

}  // namespace

struct Producer::Implementation {
    explicit Implementation(const Settings& its_settings)
        : settings(its_settings),
          thread(settings),
          router(thread.world(), client::RouterOptions::of(settings)),
          engine(thread.world(), router, client::ProducerOptions::of(settings)) {
        thread.spawn([this] { return router.run(); });
        thread.spawn([this] { return engine.run(); });
    }
    ~Implementation() {
        (void)close(std::chrono::milliseconds(0));
        thread.stop();
    }

    Expected<void> send(const Record& record, SendCallback& callback);
    Expected<void> send(const Record& record, const record::NewRecord& encoded, SendCallback& callback);
    Expected<ProducerTopic*> topic(std::string_view name);
    Expected<void> wait_for_room(const record::NewRecord& record, std::optional<Instant>& deadline);
    Expected<void> close(std::chrono::milliseconds timeout);

    const Settings settings;
    client::IoThread thread;
    client::Router router;
    client::ProducerEngine engine;
    std::atomic<bool> is_closed{false};
};

Expected<void> Producer::Implementation::send(const Record& record, SendCallback& callback) {
    record::NewRecord encoded;
    HeaderRoom room;
    if (record.headers.size() > room.size()) {
        return not_done(ErrorCode::invalid_record, "a record has at most 64 headers");
    }
    if (!record.headers.empty()) encoded.headers = convert(record.headers, room);
    encoded.key = bytes_of(record.key);
    encoded.value = bytes_of(record.value);
    const Executor& clock = thread.world().executor;
    encoded.timestamp = Timestamp(record.timestamp ? *record.timestamp : clock.wall_milliseconds());
    return send(record, encoded, callback);
}

Expected<void> Producer::Implementation::send(const Record& record,
                                              const record::NewRecord& encoded,
                                              SendCallback& callback) {
    std::optional<Instant> deadline;
    bool is_chosen = record.partition.has_value();
    bool may_begin_batch = false;
    bool was_looked_for = false;
    while (true) {
        Expected<ProducerTopic*> found = topic(record.topic);
        if (!found.ok()) return found.error();
        ProducerTopic& topic = **found;
        int32_t partition = is_chosen ? *record.partition : topic.choose(encoded.key);
        PartitionQueue* queue = topic.partition(partition);
        // It may have been added since the topic was last asked for.
        if (queue == nullptr && partition >= 0 && !was_looked_for && !thread.is_here()) {
            was_looked_for = true;
            Instant until = thread.deadline(settings.max_block);
            thread.run([&] { return engine.look_for_partition(std::string(record.topic), partition, until); });
            continue;
        }
        if (queue == nullptr) {
            return not_done(ErrorCode::unknown_topic_or_partition,
                            "the topic has " + std::to_string(topic.partition_count()) + " partitions");
        }
        bool may_begin = may_begin_batch || is_chosen || !topic.is_sticky(encoded.key);
        Result<Append> appended =
            engine.accumulator().append(*queue, encoded, callback, thread.world().executor, may_begin);
        if (!appended.ok()) return client::failure_of(appended.error());
        switch (*appended) {
            case Append::done: return {};
            case Append::topic_is_gone: break;
            case Append::new_batch:
                topic.move_on(partition);
                may_begin_batch = true;
                break;
            case Append::full:
                if (Expected<void> waited = wait_for_room(encoded, deadline); !waited.ok()) return waited;
                break;
        }
    }
}

Expected<ProducerTopic*> Producer::Implementation::topic(std::string_view name) {
    if (ProducerTopic* found = engine.accumulator().find(name)) return found;
    if (is_closed.load()) return not_done(ErrorCode::closed, "the producer was closed");
    if (thread.is_here()) return inside_callback;
    Instant deadline = thread.deadline(settings.max_block);
    return thread.run([&] { return engine.load_topic(std::string(name), deadline); });
}

Expected<void> Producer::Implementation::wait_for_room(const record::NewRecord& record,
                                                       std::optional<Instant>& deadline) {
    if (!deadline) deadline = thread.deadline(settings.max_block);
    bool has_room = !thread.is_here() && settings.max_block.count() > 0 &&
                    thread.run([&] { return engine.wait_for_room(&record, *deadline); });
    if (has_room) return {};
    if (is_closed.load()) return not_done(ErrorCode::closed, "the producer was closed");
    return not_done(ErrorCode::queue_full,
                    "'buffer.memory' is used up by records that are not acknowledged: wait, or raise it");
}

Expected<void> Producer::Implementation::close(std::chrono::milliseconds timeout) {
    if (thread.is_here()) return inside_callback;
    if (is_closed.exchange(true)) return {};
    Instant deadline = thread.deadline(timeout);
    return thread.run([&] { return engine.close(deadline); });
}

Producer::Producer(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
Producer::Producer(Producer&&) noexcept = default;
Producer& Producer::operator=(Producer&&) noexcept = default;
Producer::~Producer() = default;

Expected<Producer> Producer::create(const Settings& settings) {
    if (Expected<void> checked = settings.check(); !checked.ok()) return checked.error();
    return Producer(std::make_unique<Implementation>(settings));
}

Expected<void> Producer::send(const Record& record, SendCallback callback) {
    return implementation_->send(record, callback);
}

std::future<Expected<Receipt>> Producer::send(const Record& record) {
    auto promise = std::make_shared<std::promise<Expected<Receipt>>>();
    std::future<Expected<Receipt>> future = promise->get_future();
    SendCallback callback = [promise](const Expected<Receipt>& sent) { promise->set_value(sent); };
    Expected<void> accepted = implementation_->send(record, callback);
    if (!accepted.ok()) promise->set_value(accepted.error());
    return future;
}

Expected<int32_t> Producer::partition_count(std::string_view topic) {
    Expected<ProducerTopic*> found = implementation_->topic(topic);
    if (!found.ok()) return found.error();
    return (*found)->partition_count();
}

Expected<void> Producer::flush(std::chrono::milliseconds timeout) {
    Implementation& self = *implementation_;
    if (self.thread.is_here()) return inside_callback;
    Instant deadline = self.thread.deadline(timeout);
    return self.thread.run([&] { return self.engine.flush(deadline); });
}

Expected<void> Producer::close(std::chrono::milliseconds timeout) {
    return implementation_->close(timeout);
}

void Producer::on_loss(std::function<void(const Loss&)> listener) {
    Implementation& self = *implementation_;
    struct Set {
        static Task<void> run(client::ProducerEngine* engine, std::function<void(const Loss&)> its_listener) {
            engine->on_loss(std::move(its_listener));
            co_return;
        }
    };
    if (self.thread.is_here()) return self.engine.on_loss(std::move(listener));
    self.thread.run([&] { return Set::run(&self.engine, listener); });
}

ProducerStatistics Producer::statistics() const {
    Implementation& self = *implementation_;
    struct Get {
        static Task<ProducerStatistics> run(client::ProducerEngine* engine) {
            ProducerStatistics statistics = engine->statistics();
            statistics.buffer_used = engine->accumulator().memory_used();
            co_return statistics;
        }
    };
    if (self.thread.is_here()) return self.engine.statistics();
    return self.thread.run([&] { return Get::run(&self.engine); });
}

}  // namespace ironbark
