#include "bench/load/load.h"

#include <atomic>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "bench/load/must.h"
#include "bench/load/pattern.h"
#include "ironbark/admin.h"
#include "ironbark/consumer.h"
#include "ironbark/producer.h"

namespace ironbark::bench {

namespace {

using namespace std::chrono_literals;

constexpr auto settle_time_max = 60s;  // for the last acknowledgements, and for records that do not come back

// The state of a closed loop. `send_next` runs on the producer's thread, after the first records on the caller's too.
class Loop {
  public:
    Loop(const Settings& settings, Written& written, const ProduceLoop& loop)
        : producer_(must(Producer::create(settings), "the producer")),
          written_(written),
          loop_(loop),
          pattern_(written.record_size) {}

    ProduceLoopResult run() {
        must(producer_.partition_count(written_.topic), "looking up the topic");
        const Nanoseconds begin = now();
        counting_from_ = begin + from_seconds(loop_.warm_up_seconds);
        until_ = counting_from_ + from_seconds(loop_.seconds);
        for (size_t slot = 0; slot < loop_.in_flight; ++slot) send_next(slot);
        while (now() < until_ && !has_failed_) std::this_thread::sleep_for(5ms);
        must(producer_.flush(settle_time_max), "waiting for acknowledgements");
        must(producer_.close(settle_time_max), "closing the producer");
        if (has_failed_) throw std::runtime_error("sending: " + failure_);
        result_.rate.records = result_.latency.count();
        result_.rate.bytes = result_.rate.records * written_.record_size;
        result_.rate.seconds = to_seconds(last_ - counting_from_);
        return result_;
    }

  private:
    void send_next(size_t slot) {
        std::lock_guard lock(mutex_);
        const size_t partition = slot % written_.end.size();
        Record record;
        record.topic = written_.topic;
        record.partition = static_cast<int32_t>(partition);
        record.value = pattern_.record(written_.end[partition]);
        const Nanoseconds sent = now();
        Expected<void> accepted = producer_.send(
            record, [this, slot, sent](const Expected<Receipt>& receipt) { resolved(receipt, slot, sent); });
        if (!accepted.ok()) return fail(accepted.error());
        ++written_.end[partition];
    }

    void resolved(const Expected<Receipt>& receipt, size_t slot, Nanoseconds sent) {
        const Nanoseconds time = now();
        if (!receipt.ok()) return fail(receipt.error());
        if (time >= counting_from_ && time < until_) {
            result_.latency.add(time - sent);
            last_ = time;
        }
        if (time < until_) send_next(slot);
    }

    void fail(const Failure& failure) {
        failure_ = failure.to_string();
        has_failed_ = true;
    }

    Producer producer_;
    Written& written_;
    ProduceLoop loop_;
    std::mutex mutex_;  // orders the numbers of the first records with those of their successors
    Pattern pattern_;
    Nanoseconds counting_from_ = 0;
    Nanoseconds until_ = 0;
    Nanoseconds last_ = 0;
    ProduceLoopResult result_;
    std::string failure_;
    std::atomic<bool> has_failed_ = false;
};

// Compares what comes with what must come.
class LogCheck {
  public:
    explicit LogCheck(Written& written) : written_(written), next_(written.begin), pattern_(written.record_size) {}

    bool is_done() const { return next_ == written_.end; }

    void take(const Records& records) {
        if (!records.errors().empty()) throw std::runtime_error("reading: " + records.errors()[0].failure.to_string());
        if (!records.gaps().empty()) throw std::runtime_error("reading: records are missing, the log has a gap");
        for (const ConsumerRecord& record : records) {
            int64_t& next = next_[static_cast<size_t>(record.partition)];
            const bool is_right = record.offset == next && record.value && pattern_.is_record(*record.value, next);
            if (!is_right) {
                throw std::runtime_error("partition " + std::to_string(record.partition) + ", offset " +
                                         std::to_string(record.offset) + ": not the record that was written");
            }
            ++next;
        }
    }

  private:
    Written& written_;
    std::vector<int64_t> next_;
    Pattern pattern_;
};

// Ends of the partitions as readers see them: what is not durable yet is not in them.
std::vector<int64_t> visible_ends(Admin& admin, const Written& written) {
    std::vector<OffsetQuery> queries;
    for (size_t partition = 0; partition < written.end.size(); ++partition) {
        queries.push_back({{written.topic, static_cast<int32_t>(partition)}, OffsetQuery::Place::end, -1});
    }
    std::vector<int64_t> ends;
    for (const FoundOffset& found : must(admin.list_offsets(queries), "asking where the log ends")) {
        if (found.failure) throw std::runtime_error("asking where the log ends: " + found.failure->to_string());
        ends.push_back(found.offset);
    }
    return ends;
}

// Waits until the log ends, for readers, where the last acknowledged record does: then nothing was written twice.
void wait_for_ends(const Settings& settings, const Written& written) {
    Admin admin = must(Admin::create(settings), "the administrator");
    const Nanoseconds give_up = now() + from_seconds(60);
    while (visible_ends(admin, written) != written.end) {
        if (now() > give_up) throw std::runtime_error("the log does not end where the last acknowledged record does");
        std::this_thread::sleep_for(20ms);
    }
}

}  // namespace

int64_t Written::records() const {
    const int64_t begins = std::accumulate(begin.begin(), begin.end(), int64_t{0});
    return std::accumulate(end.begin(), end.end(), int64_t{0}) - begins;
}

Written create_topic(const Settings& settings, const std::string& name, int32_t partitions, int32_t replicas) {
    Admin admin = must(Admin::create(settings), "the administrator");
    TopicSpecification topic;
    topic.name = name;
    topic.partitions = partitions;
    topic.replicas = replicas;
    must(admin.create_topic(topic, 120s), "creating the topic");
    Written written;
    written.topic = name;
    written.begin.assign(static_cast<size_t>(partitions), 0);
    written.end = written.begin;
    return written;
}

ProduceLoopResult produce_closed_loop(const Settings& settings, Written& written, const ProduceLoop& loop) {
    return Loop(settings, written, loop).run();
}

ProduceLoopResult produce_one_by_one(const Settings& settings, Written& written, double seconds) {
    Producer producer = must(Producer::create(settings), "the producer");
    must(producer.partition_count(written.topic), "looking up the topic");
    Pattern pattern(written.record_size);
    ProduceLoopResult result;
    const Nanoseconds begin = now();
    const Nanoseconds end = begin + from_seconds(seconds);
    for (Nanoseconds sent = begin; sent < end; sent = now()) {
        Record record;
        record.topic = written.topic;
        record.partition = 0;
        record.value = pattern.record(written.end[0]);
        must(producer.send(record).get(), "sending");
        result.latency.add(now() - sent);
        ++written.end[0];
    }
    result.rate = {result.latency.count(), result.latency.count() * written.record_size, to_seconds(now() - begin)};
    return result;
}

Rate produce_flood(const Settings& settings, Written& written, uint64_t bytes, uint64_t warm_up_bytes) {
    Producer producer = must(Producer::create(settings), "the producer");
    must(producer.partition_count(written.topic), "looking up the topic");
    Pattern pattern(written.record_size);
    const uint64_t warm_up = warm_up_bytes / written.record_size;
    const uint64_t count = bytes / written.record_size;
    Nanoseconds begin = 0;
    for (uint64_t index = 0; index < warm_up + count; ++index) {
        if (index == warm_up) begin = now();
        const size_t partition = index % written.end.size();
        Record record;
        record.topic = written.topic;
        record.partition = static_cast<int32_t>(partition);
        record.value = pattern.record(written.end[partition]++);
        must(producer.send(record, nullptr), "sending");
    }
    must(producer.flush(settle_time_max), "waiting for acknowledgements");
    const double seconds = to_seconds(now() - begin);
    const ProducerStatistics statistics = producer.statistics();
    if (statistics.records_written != warm_up + count) {
        throw std::runtime_error("only " + std::to_string(statistics.records_written) + " of " +
                                 std::to_string(warm_up + count) + " records were acknowledged");
    }
    return {count, count * written.record_size, seconds};
}

Rate read_back(const Settings& settings, Written& written) {
    wait_for_ends(settings, written);
    Consumer consumer = must(Consumer::create(settings), "the consumer");
    std::vector<Assignment> assignments;
    for (size_t partition = 0; partition < written.end.size(); ++partition) {
        assignments.push_back({{written.topic, static_cast<int32_t>(partition)}, Start::beginning()});
    }
    must(consumer.assign(std::move(assignments)), "assigning the partitions");
    LogCheck reader(written);
    Rate rate;
    Nanoseconds begin = 0;
    Nanoseconds last = now();
    while (!reader.is_done()) {
        const Records records = must(consumer.poll(1s), "reading");
        reader.take(records);
        if (!records.empty()) {
            last = now();
            rate.records += begin == 0 ? 0 : records.size();
            if (begin == 0) begin = last;
        } else if (now() - last > from_seconds(60)) {
            throw std::runtime_error("reading: records that were acknowledged do not come");
        }
    }
    rate.bytes = rate.records * written.record_size;
    rate.seconds = to_seconds(last - begin);
    return rate;
}

void delete_everything(const Settings& settings, Written& written) {
    Admin admin = must(Admin::create(settings), "the administrator");
    std::vector<DeleteRecords> parts;
    for (size_t partition = 0; partition < written.end.size(); ++partition) {
        parts.push_back({{written.topic, static_cast<int32_t>(partition)}, written.end[partition]});
    }
    for (const DeletedRecords& deleted : must(admin.delete_records(parts), "deleting records")) {
        if (deleted.failure) throw std::runtime_error("deleting records: " + deleted.failure->to_string());
        written.begin[static_cast<size_t>(deleted.partition.partition)] = deleted.log_start;
    }
}

}  // namespace ironbark::bench
