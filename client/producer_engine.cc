#include "client/producer_engine.h"

#include <algorithm>

#include "client/frame_seal.h"

namespace ironbark::client {
namespace {

// One partition is a table in the request and one in the answer: far below what rpc/method.cc allows.
constexpr size_t produce_parts_max = 1000;

const Failure closed_failure =
    not_done(ErrorCode::closed, "the producer was closed before the record was acknowledged");

}  // namespace

ProducerOptions ProducerOptions::of(const Settings& settings) {
    ProducerOptions options;
    options.acks = settings.acks;
    // Nobody would learn that a batch is missing, and every later one would be refused as out of order.
    options.is_idempotent = settings.enable_idempotence && settings.acks != Acks::none;
    options.linger = settings.linger;
    options.request_size_max = settings.max_request_size;
    options.delivery_time_max = settings.delivery_timeout;
    options.request_time_max = settings.request_timeout;
    options.in_flight_max = static_cast<size_t>(settings.max_in_flight);
    options.compression = settings.compression;
    options.compression_level = settings.compression_level;
    options.partitioner = settings.partitioner;
    options.accumulator = {settings.batch_size, settings.max_request_size, settings.buffer_memory};
    return options;
}

ProducerEngine::ProducerEngine(World& world, Router& router, ProducerOptions options)
    : world_(world),
      router_(router),
      options_(std::move(options)),
      wakeup_(world.executor),
      accumulator_(options_.accumulator, [this] { wakeup_.wake(); }),
      compressor_(options_.compression_level),
      room_(world.executor),
      resolved_(world.executor),
      stopped_(world.executor),
      scope_(world.executor) {
    router_.on_change([this] { topics_changed(); });
}

ProducerEngine::~ProducerEngine() {
    router_.on_change(nullptr);
}

Task<void> ProducerEngine::run() {
    while (true) {
        Instant next = look(world_.executor.now());
        if (giving_up_ && active_.empty()) break;
        co_await wakeup_.wait(next);
    }
    co_await scope_.join();
    stopped_.set();
}

// One round over everything that has something to send. Returns when the next one is due, if nothing happens before.
Instant ProducerEngine::look(Instant now) {
    std::vector<PartitionQueue*> signalled;
    accumulator_.take_signalled(&signalled);
    for (PartitionQueue* queue : signalled) activate(*queue);
    Instant next = never;
    for (size_t index = 0; index < active_.size(); ++index) next = std::min(next, prepare(*active_[index], now));
    if (wants_identity_ && !is_obtaining_identity_) {
        if (identity_not_before_ <= now) {
            is_obtaining_identity_ = true;
            scope_.spawn(obtain_identity());
        } else {
            next = std::min(next, identity_not_before_);
        }
    }
    next = std::min(next, doubt_what_is_late(now));
    const uint64_t requests_before = statistics_.requests;
    send_what_is_ready(now);
    if (statistics_.requests > requests_before) next = std::min(next, now + doubt_time);
    drop_idle_senders();
    return next;
}

// Returns when to look again.
Instant ProducerEngine::doubt_what_is_late(Instant now) {
    for (const Request* request : unanswered_) {
        if (now < request->sent + doubt_time) return request->sent + doubt_time;
        for (size_t index = 0; index < request->senders.size(); ++index) {
            const PartitionQueue& queue = request->senders[index]->queue;
            const int32_t epoch = request->parts[index].leader_epoch;
            if (!router_.doubt(request->broker, queue.topic, queue.identity.partition.value, epoch)) break;
        }
    }
    return unanswered_.empty() ? never : now + doubt_pause;
}

void ProducerEngine::activate(PartitionQueue& queue) {
    std::unique_ptr<Sender>& sender = senders_[&queue];
    if (sender == nullptr) {
        // Without idempotence a second batch in flight could overtake one that has to be repeated.
        size_t unresolved_max = options_.is_idempotent ? options_.in_flight_max : 1;
        sender = std::make_unique<Sender>(queue, options_.is_idempotent, unresolved_max);
    }
    if (sender->is_active) return;
    sender->is_active = true;
    active_.push_back(sender.get());
}

Leader ProducerEngine::leader_of(const PartitionQueue& queue) const {
    const TopicView* topic = router_.find(queue.topic);
    const auto partition = static_cast<size_t>(queue.identity.partition.value);
    return topic != nullptr && partition < topic->leaders.size() ? topic->leaders[partition] : Leader();
}

// Gives up what is too late, sees to the identity. Returns when the partition is to be looked at again.
Instant ProducerEngine::prepare(Sender& sender, Instant now) {
    sender.window.expire(now);
    const Failure* reason = reason_to_give_up(sender);
    if (reason != nullptr) sender.window.give_up(*reason);
    if (options_.is_idempotent) give_identity(sender);
    resolve(sender);
    if (sender.window.is_empty()) {
        if (reason != nullptr) give_up_queue(sender, Instant::max(), *reason);
        std::string hint = "not sent within 'delivery.timeout.ms'";
        if (options_.is_idempotent && !identity_.is_known() && !identity_failure_.hint.empty()) {
            hint += ": no producer id was to be had: " + identity_failure_.to_string();
        } else if (leader_of(sender.queue).broker < 0) {
            hint += ": nobody leads the partition; 'ironbark leader list' says why";
        }
        give_up_queue(sender, now - options_.delivery_time_max, not_done(ErrorCode::timed_out, std::move(hint)));
    }
    Instant next = sender.window.next_time(now);
    Accumulator::Front front = accumulator_.front(sender.queue);
    if (!front.exists) return next;
    bool is_lingering = !front.is_closed && front.opened > opened_until(now);
    if (is_lingering) next = std::min(next, front.opened + options_.linger);
    // While the window holds something older, that comes first.
    if (sender.window.is_empty()) next = std::min(next, front.opened + options_.delivery_time_max);
    return next;
}

const Failure* ProducerEngine::reason_to_give_up(const Sender& sender) const {
    if (auto found = retired_.find(&sender.queue); found != retired_.end()) return &found->second;
    return giving_up_ ? &closed_failure : nullptr;
}

void ProducerEngine::give_up_queue(Sender& sender, Instant opened_until, const Failure& reason) {
    while (true) {
        Accumulator::Front front = accumulator_.front(sender.queue);
        if (!front.exists || front.opened > opened_until) return;
        std::unique_ptr<PendingBatch> batch = accumulator_.take(sender.queue, Instant::max());
        finish(sender.queue, *batch, nullptr, reason);
    }
}

void ProducerEngine::drop_idle_senders() {
    std::erase_if(active_, [this](Sender* sender) {
        if (!sender->window.is_empty() || !accumulator_.is_empty(sender->queue)) return false;
        sender->is_active = false;
        return true;
    });
}

void ProducerEngine::send_what_is_ready(Instant now) {
    std::map<int32_t, std::vector<Sender*>> by_broker;
    size_t count = active_.size();
    for (size_t index = 0; index < count; ++index) {
        Sender& sender = *active_[(index + turn_) % count];
        if (!has_something(sender, now)) continue;
        const Leader leader = leader_of(sender.queue);
        if (leader.broker < 0 || router_.channel(leader.broker) == nullptr) {
            router_.want(sender.queue.topic);
            continue;
        }
        sender.leader_epoch = leader.epoch;
        by_broker[leader.broker].push_back(&sender);
    }
    for (auto& [broker, senders] : by_broker) {
        size_t& in_flight = in_flight_[broker];
        while (in_flight < options_.in_flight_max) {
            Request request = gather(broker, senders, now);
            if (request.entries.empty()) break;
            ++in_flight;
            ++statistics_.requests;
            scope_.spawn(exchange(std::move(request)));
        }
    }
    ++turn_;
}

bool ProducerEngine::has_something(Sender& sender, Instant now) {
    if (reason_to_give_up(sender) != nullptr) return false;
    if (sender.window.next_to_send(now) != nullptr) return true;
    if (!sender.window.has_room()) return false;
    Accumulator::Front front = accumulator_.front(sender.queue);
    return front.exists && (front.is_closed || front.opened <= opened_until(now));
}

// A batch of each partition that has one to send, as far as they fit into a request.
ProducerEngine::Request ProducerEngine::gather(int32_t broker, const std::vector<Sender*>& senders, Instant now) {
    Request request;
    request.broker = broker;
    request.deadline = now + options_.request_time_max;
    for (Sender* sender : senders) {
        SendWindow::Entry* entry = next_entry(*sender, now);
        if (entry == nullptr) continue;
        size_t size = entry->batch->frame.size;
        // What does not fit stays in the window, and goes first next time.
        if (!request.entries.empty() && request.size + size > options_.request_size_max) break;
        sender->window.begin_attempt(*entry);
        ++statistics_.batches_sent;
        statistics_.batches_repeated += entry->attempts > 1 ? 1 : 0;
        request.size += size;
        request.deadline = std::min(request.deadline, entry->deadline);
        request.senders.push_back(sender);
        request.entries.push_back(entry);
        request.parts.push_back({sender->queue.identity, sender->leader_epoch, entry->batch->frame, entry->gap_from});
        if (request.entries.size() == produce_parts_max) break;
    }
    return request;
}

SendWindow::Entry* ProducerEngine::next_entry(Sender& sender, Instant now) {
    SendWindow& window = sender.window;
    SendWindow::Entry* entry = window.next_to_send(now);
    if (entry == nullptr && window.has_room()) {
        std::unique_ptr<PendingBatch> batch = accumulator_.take(sender.queue, opened_until(now));
        if (batch == nullptr) return nullptr;
        Instant deadline = batch->opened + options_.delivery_time_max;
        window.admit(std::move(batch), deadline);
        entry = window.next_to_send(now);
    }
    if (entry != nullptr && !entry->is_sealed) seal(sender, *entry);
    return entry;
}

void ProducerEngine::seal(Sender& sender, SendWindow::Entry& entry) {
    PendingBatch& batch = *entry.batch;
    if (batch.builder != nullptr) {
        if (options_.compression == Compression::lz4) batch.builder->compress(record::Codec::lz4, &compressor_);
        if (options_.compression == Compression::zstd) batch.builder->compress(record::Codec::zstd, &compressor_);
        MutableBytes frame = batch.builder->seal(sender.queue.seed, entry.sequence);
        // Sent from where it was built, unless that would hold much more memory than it needs until it is answered.
        if (frame.size() >= batch.builder->memory_size() / 2) {
            batch.frame = world_.buffers.lend(frame, accumulator_.share(std::move(batch.builder)));
        } else {
            batch.frame = world_.buffers.copy_of(frame);
            accumulator_.recycle(std::move(batch.builder));
        }
    } else {
        // An attempt that is over may still hold the bytes.
        if (!batch.frame.buffer.is_unique()) batch.frame = world_.buffers.copy_of(batch.frame.bytes());
        seal_again(MutableBytes(batch.frame.data(), batch.frame.size), sender.queue.seed, entry.sequence);
    }
    entry.is_sealed = true;
}

Task<void> ProducerEngine::exchange(Request request) {
    request.sent = world_.executor.now();
    unanswered_.push_back(&request);
    rpc::CallResult result = co_await call(&request);
    std::erase(unanswered_, &request);
    --in_flight_[request.broker];
    if (result.ok()) router_.trust(request.broker);
    apply(request, result);
    wakeup_.wake_here();
}

Task<rpc::CallResult> ProducerEngine::call(const Request* request) {
    rpc::Channel* channel = router_.channel(request->broker);
    if (channel == nullptr) co_return rpc::never_sent(Error(ErrorCode::closed, "the client is closing"));
    auto left = std::chrono::ceil<std::chrono::milliseconds>(request->deadline - world_.executor.now());
    rpc::Metadata metadata = encode_produce(request->parts, options_.acks, std::max<int64_t>(left.count(), 0));
    std::vector<BufferSlice> payload;
    for (const ProducePart& part : request->parts) payload.push_back(part.frame);
    if (options_.acks != Acks::none) {
        co_return co_await channel->call(rpc::Method::produce, std::move(metadata), std::move(payload),
                                         request->deadline);
    }
    Result<void> sent =
        co_await channel->send(rpc::Method::produce, std::move(metadata), std::move(payload), request->deadline);
    if (!sent.ok()) co_return rpc::never_sent(sent.error());
    rpc::CallResult result;
    result.delivery = rpc::Delivery::unknown;  // it will be sent; nobody will say more
    result.error = Error(ErrorCode::none);
    co_return result;
}

void ProducerEngine::apply(Request& request, const rpc::CallResult& result) {
    size_t count = request.entries.size();
    std::vector<ProduceAnswer> answers;
    if (options_.acks == Acks::none && result.ok()) {
        ProduceAnswer sent;
        sent.is_written = true;
        answers.assign(count, sent);
    } else {
        answers = decode_produce(result, count);
    }
    for (size_t index = 0; index < count; ++index) {
        Sender& sender = *request.senders[index];
        request.parts[index].frame = {};  // whoever repeats the batch may have to change it
        if (answers[index].is_written) {
            sender.window.succeeded(*request.entries[index], std::move(answers[index].receipt));
        } else {
            refuse(sender, *request.entries[index], answers[index]);
        }
        resolve(sender);
    }
}

Task<void> ProducerEngine::look_for_partition(std::string name, int32_t partition, Instant deadline) {
    const int64_t wanted = int64_t{partition} + 1;
    (void)co_await router_.load(std::move(name), wanted, deadline);
}

Task<Expected<ProducerTopic*>> ProducerEngine::load_topic(std::string name, Instant deadline) {
    Expected<TopicView> loaded = co_await router_.load(name, 0, deadline);
    if (!loaded.ok()) co_return loaded.error();
    if (closing_) co_return closed_failure;
    const TopicView& view = *loaded;
    ProducerTopic* topic = accumulator_.find(name);
    if (topic == nullptr) {
        topic = &accumulator_.add(
            std::make_unique<ProducerTopic>(name, view.id, options_.partitioner, world_.random.next()));
        topic->grow(view.partition_count());
    }
    co_return topic;
}

// The router has learnt something.
void ProducerEngine::topics_changed() {
    for (ProducerTopic* topic : accumulator_.topics()) {
        const TopicView* view = router_.find(topic->name());
        const Failure* why_missing = router_.why_missing(topic->name());
        if (view != nullptr && view->id == topic->id()) {
            if (view->partition_count() > topic->partition_count()) topic->grow(view->partition_count());
        } else if (view != nullptr) {
            retire(*topic,
                   not_done(ErrorCode::unknown_topic_id, "the topic was deleted, and made again under its name"));
        } else if (why_missing != nullptr) {
            retire(*topic, *why_missing);
        }
    }
    for (Sender* sender : active_) {
        const TopicView* view = router_.find(sender->queue.topic);
        size_t partition = static_cast<size_t>(sender->queue.identity.partition.value);
        if (view == nullptr || partition >= view->leaders.size()) continue;
        if (view->leaders[partition].epoch > sender->leader_epoch) sender->window.hasten();
    }
    wakeup_.wake_here();
}

void ProducerEngine::retire(ProducerTopic& topic, const Failure& reason) {
    accumulator_.retire(topic);
    for (int32_t index = 0; index < topic.partition_count(); ++index) {
        const PartitionQueue* queue = topic.partition(index);
        retired_.emplace(queue, reason);
        auto sender = senders_.find(queue);
        if (sender == senders_.end()) continue;
        const ProducerIdentity& identity = sender->second->window.identity();
        if (identity.is_known()) spent_[queue->identity] = identity;
    }
}

Task<bool> ProducerEngine::wait_for_room(const record::NewRecord* record, Instant deadline) {
    ++room_waiters_;
    wakeup_.wake_here();
    Wake wake = Wake::signalled;
    while (!accumulator_.has_room(*record) && wake == Wake::signalled) wake = co_await room_.wait(deadline);
    --room_waiters_;
    co_return wake == Wake::signalled;
}

Task<Expected<void>> ProducerEngine::flush(Instant deadline) {
    uint64_t flush = accumulator_.begin_flush();
    ++flushes_;
    wakeup_.wake_here();
    Wake wake = Wake::signalled;
    while (!accumulator_.is_flushed(flush) && wake == Wake::signalled) wake = co_await resolved_.wait(deadline);
    --flushes_;
    if (accumulator_.is_flushed(flush)) co_return Expected<void>();
    co_return Failure{ErrorCode::timed_out, Outcome::unknown, "some records are not resolved yet; they still may be"};
}

Task<Expected<void>> ProducerEngine::close(Instant deadline) {
    closing_ = true;
    for (ProducerTopic* topic : accumulator_.topics()) accumulator_.retire(*topic);
    room_.close();
    Expected<void> flushed = co_await flush(deadline);
    giving_up_ = true;
    co_await router_.close();  // ends what is in flight
    wakeup_.wake_here();
    co_await stopped_.wait();
    co_return flushed;
}

}  // namespace ironbark::client
