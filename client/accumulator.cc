#include "client/accumulator.h"

#include <algorithm>

namespace ironbark::client {
namespace {

constexpr Error too_large(
    ErrorCode::message_too_large,
    "the record is larger than 'max.request.size': raise it, and the topic's 'max.message.bytes'");

// Memory is taken in steps, so that an open batch with few records does not occupy a whole one.
constexpr size_t memory_step_min = 4 << 10;
// Spare builders keep their memory: enough for the batches that are being filled, not one for each partition.
constexpr size_t builders_max = 64;
// What a batch takes beside its records, and its first callback.
constexpr size_t batch_overhead = record::batch_header_size + 2 * sizeof(PendingBatch::Waiting);

// Not less than what the record takes in a batch. Six numbers of at most ten bytes stand before, and two per header.
size_t size_bound_of(const record::NewRecord& record) {
    size_t size = 60;
    if (record.key) size += record.key->size();
    if (record.value) size += record.value->size();
    for (const record::RecordHeader& header : record.headers) {
        size += 20 + header.key.size() + (header.value ? header.value->size() : 0);
    }
    return size;
}

size_t memory_of(const PendingBatch& batch) {
    return batch.builder->batch_size() + batch.callbacks.size() * sizeof(PendingBatch::Waiting);
}

}  // namespace

Accumulator::Accumulator(AccumulatorLimits limits, std::function<void()> wake)
    : limits_(limits), wake_(std::move(wake)) {}

ProducerTopic* Accumulator::find(std::string_view name) const {
    ProducerTopic* last = found_last_.load(std::memory_order_acquire);
    if (last != nullptr && last->name() == name) return last;
    std::shared_lock lock(topics_mutex_);
    auto found = topics_by_name_.find(name);
    if (found == topics_by_name_.end()) return nullptr;
    found_last_.store(found->second, std::memory_order_release);
    return found->second;
}

Result<Append> Accumulator::append(PartitionQueue& queue,
                                   const record::NewRecord& record,
                                   SendCallback& callback,
                                   const Executor& clock,
                                   bool may_begin_batch) {
    size_t size_bound = size_bound_of(record);
    bool is_news = false;
    {
        std::lock_guard lock(queue.mutex);
        if (queue.is_retired) return Append::topic_is_gone;
        const bool was_empty = queue.is_empty();
        if (queue.open != nullptr && !fits(*queue.open, record, size_bound)) {
            queue.closed.push_back(std::move(queue.open));
            is_news = true;
        }
        if (queue.open == nullptr) {
            if (!may_begin_batch) {
                if (is_news) wake_();
                return Append::new_batch;
            }
            std::unique_ptr<PendingBatch> batch = begin_batch(size_bound, clock.now());
            if (batch == nullptr) return Append::full;
            bool is_too_large = !batch->builder->fits(record, limits_.batch_size_max);
            Result<int32_t> index = is_too_large ? Result<int32_t>(too_large) : batch->builder->append(record);
            if (!index.ok()) {
                release(batch->memory);
                recycle(std::move(batch->builder));
                return index.error();
            }
            note_opened(*batch);
            queue.open = std::move(batch);
        } else {
            if (!reserve(*queue.open, size_bound)) return Append::full;
            TRY([[maybe_unused]] int32_t index, queue.open->builder->append(record));
        }
        PendingBatch& batch = *queue.open;
        if (callback) batch.callbacks.push_back({batch.records, std::move(callback)});
        ++batch.records;
        if (was_empty) signal(queue);
        is_news |= was_empty;
    }
    if (is_news) wake_();
    return Append::done;
}

bool Accumulator::fits(const PendingBatch& batch, const record::NewRecord& record, size_t size_bound) const {
    const record::BatchBuilder& builder = *batch.builder;
    bool surely = builder.batch_size() + size_bound <= limits_.batch_size && batch.records < record::batch_records_max;
    return surely || builder.fits(record, limits_.batch_size);
}

std::unique_ptr<PendingBatch> Accumulator::begin_batch(size_t size, Instant now) {
    auto batch = std::make_unique<PendingBatch>();
    batch->builder = builders_->take();
    batch->opened = now;
    if (reserve(*batch, size)) return batch;
    recycle(std::move(batch->builder));
    return nullptr;
}

// Makes sure that the batch's share covers another record of this size, and its callback.
bool Accumulator::reserve(PendingBatch& batch, size_t size) {
    size_t needed = memory_of(batch) + size + sizeof(PendingBatch::Waiting);
    if (needed <= batch.memory) return true;
    size_t generous = std::max({memory_step_min, 2 * batch.memory, needed});
    return take_memory(batch, generous) || take_memory(batch, std::max(memory_step_min, needed));
}

bool Accumulator::take_memory(PendingBatch& batch, size_t size) {
    auto more = static_cast<int64_t>(size - batch.memory);
    int64_t used = memory_used_.fetch_add(more, std::memory_order_relaxed);
    // A record that fits the limits is accepted by an empty buffer, whatever the rounding.
    if (used > 0 && used + more > static_cast<int64_t>(limits_.memory_max)) {
        memory_used_.fetch_sub(more, std::memory_order_relaxed);
        return false;
    }
    batch.memory = size;
    return true;
}

bool Accumulator::has_room(const record::NewRecord& record) const {
    size_t size = std::max(memory_step_min, size_bound_of(record) + batch_overhead);
    return memory_used() == 0 || memory_used() + size <= limits_.memory_max;
}

void Accumulator::release(size_t size) {
    memory_used_.fetch_sub(static_cast<int64_t>(size), std::memory_order_relaxed);
}

void Accumulator::signal(PartitionQueue& queue) {
    std::lock_guard lock(signalled_mutex_);
    signalled_.push_back(&queue);
}

void Accumulator::note_opened(PendingBatch& batch) {
    std::lock_guard lock(flush_mutex_);
    batch.flush_number = flush_number_;
    ++unresolved_[flush_number_];
}

uint64_t Accumulator::begin_flush() {
    std::lock_guard lock(flush_mutex_);
    return flush_number_++;
}

bool Accumulator::is_flushed(uint64_t flush) const {
    std::lock_guard lock(flush_mutex_);
    return unresolved_.empty() || unresolved_.begin()->first > flush;
}

ProducerTopic& Accumulator::add(std::unique_ptr<ProducerTopic> topic) {
    std::lock_guard lock(topics_mutex_);
    ProducerTopic& added = *topic;
    topics_.push_back(std::move(topic));
    topics_by_name_[added.name()] = &added;
    found_last_.store(nullptr, std::memory_order_release);
    return added;
}

void Accumulator::retire(ProducerTopic& topic) {
    {
        std::lock_guard lock(topics_mutex_);
        auto found = topics_by_name_.find(topic.name());
        if (found != topics_by_name_.end() && found->second == &topic) topics_by_name_.erase(found);
        found_last_.store(nullptr, std::memory_order_release);
    }
    for (int32_t index = 0; index < topic.partition_count(); ++index) {
        PartitionQueue& queue = *topic.partition(index);
        std::lock_guard lock(queue.mutex);
        queue.is_retired = true;
    }
}

std::vector<ProducerTopic*> Accumulator::topics() const {
    std::shared_lock lock(topics_mutex_);
    std::vector<ProducerTopic*> found;
    for (const auto& [name, topic] : topics_by_name_) found.push_back(topic);
    return found;
}

void Accumulator::take_signalled(std::vector<PartitionQueue*>* queues) {
    std::lock_guard lock(signalled_mutex_);
    queues->insert(queues->end(), signalled_.begin(), signalled_.end());
    signalled_.clear();
}

std::unique_ptr<PendingBatch> Accumulator::take(PartitionQueue& queue, Instant opened_until) {
    std::lock_guard lock(queue.mutex);
    if (queue.closed.empty()) {
        bool is_due = queue.open != nullptr && queue.open->opened <= opened_until;
        return is_due ? std::move(queue.open) : nullptr;
    }
    std::unique_ptr<PendingBatch> batch = std::move(queue.closed.front());
    queue.closed.pop_front();
    return batch;
}

Accumulator::Front Accumulator::front(PartitionQueue& queue) {
    std::lock_guard lock(queue.mutex);
    if (!queue.closed.empty()) return {true, true, queue.closed.front()->opened};
    if (queue.open != nullptr) return {true, false, queue.open->opened};
    return {};
}

bool Accumulator::is_empty(PartitionQueue& queue) {
    std::lock_guard lock(queue.mutex);
    return queue.is_empty();
}

std::shared_ptr<record::BatchBuilder> Accumulator::share(std::unique_ptr<record::BatchBuilder> builder) {
    auto give_back = [builders = builders_](record::BatchBuilder* unused) {
        builders->give_back(std::unique_ptr<record::BatchBuilder>(unused));
    };
    return {builder.release(), std::move(give_back)};
}

std::unique_ptr<record::BatchBuilder> Accumulator::Builders::take() {
    std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<record::BatchBuilder>();
    std::unique_ptr<record::BatchBuilder> builder = std::move(free_.back());
    free_.pop_back();
    return builder;
}

void Accumulator::Builders::give_back(std::unique_ptr<record::BatchBuilder> builder) {
    builder->reset();
    std::lock_guard lock(mutex_);
    if (free_.size() < builders_max) free_.push_back(std::move(builder));
}

void Accumulator::resolved(const PendingBatch& batch) {
    release(batch.memory);
    std::lock_guard lock(flush_mutex_);
    auto found = unresolved_.find(batch.flush_number);
    ASSERT(found != unresolved_.end() && found->second > 0);
    if (--found->second == 0) unresolved_.erase(found);
}

}  // namespace ironbark::client
