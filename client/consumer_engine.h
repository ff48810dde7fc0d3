#pragma once
// The side of a consumer that does the input and output: finds where to begin, fetches ahead from the leaders of the
// assigned partitions, goes on after errors and changes of leader. What it gets is verified as far as its headers say
// where the next fetch begins, and handed over through the queue. Runs in any world; belongs to its executor, except
// for the queue.

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "client/fetch_queue.h"
#include "client/partition_calls.h"
#include "client/router.h"
#include "client/wakeup.h"
#include "log/record/frame.h"
#include "runtime/task/scope.h"

namespace ironbark::client {

struct ConsumerOptions {
    FetchLimits limits;
    Duration request_time_max;
    OffsetReset reset;

    static ConsumerOptions of(const Settings& settings);  // REQUIRES: settings.check()
};

class ConsumerEngine {
  public:
    ConsumerEngine(World& world, Router& router, ConsumerOptions options);
    ConsumerEngine(const ConsumerEngine&) = delete;
    ConsumerEngine& operator=(const ConsumerEngine&) = delete;
    ~ConsumerEngine();

    FetchQueue& queue() { return queue_; }
    // The queue was emptied: there is room again. Any thread.
    void note_taken() { wakeup_.wake(); }

    // Fetches until `close`.
    Task<void> run();
    Task<void> close();

    // Reads this partition from there on, not before `not_before`; what is underway of it is of an older generation.
    void seek(const TopicPartition& partition, uint64_t generation, Start start, Instant not_before = {});
    void forget(const TopicPartition& partition);
    void pause(const TopicPartition& partition, bool is_paused);
    // Where the partition was begun to be read. Suspends until that is known, an error forbids it, or the deadline.
    Task<Expected<int64_t>> started_at(TopicPartition partition, Instant deadline);
    Marks marks(const TopicPartition& partition) const;

    // Suspends until the queue has something, `interrupt` (true), or the deadline.
    Task<bool> wait_for_news(Instant deadline);
    void interrupt();
    uint64_t fetches() const { return fetches_.load(std::memory_order_relaxed); }  // any thread

  private:
    struct Reading {
        std::shared_ptr<const TopicPartition> name;
        uint64_t generation = 0;
        Start start;
        Instant begun;
        PartitionIdentity identity;  // once the topic is known
        bool has_identity = false;
        bool is_located = false;
        bool is_locating = false;
        bool is_paused = false;
        bool has_failed = false;  // until the next seek
        bool has_read = false;    // something, since the last seek
        int64_t started_at = -1;
        int64_t next_offset = -1;   // of what is to be handed over next
        uint64_t fetch = 0;         // the fetch whose answer is awaited last; 0: another one may begin
        int64_t ahead_offset = -1;  // where that begins if an answer is on its way that is going to end there
        int32_t leader_epoch = -1;  // at the last fetch
        uint64_t failures_in_row = 0;
        Instant not_before{};
        Marks marks;
        Failure failure;
    };
    // A reading as it was when a request about it began.
    struct Ticket {
        std::shared_ptr<const TopicPartition> name;
        uint64_t generation;
    };
    struct Request {
        uint64_t number = 0;
        int32_t broker = -1;
        Instant sent;
        rpc::Channel* channel = nullptr;
        std::vector<Ticket> tickets;
        std::vector<FetchPart> parts;
    };

    Instant look(Instant now);
    bool identify(Reading& reading);
    Task<void> look_for_partition(Ticket ticket);
    bool is_wanted(const Reading& reading, Instant now) const;
    Reading* find(const Ticket& ticket);
    Task<void> locate(std::vector<Ticket> tickets);
    void located(Reading& reading, const OffsetAnswer& first, const OffsetAnswer& last);
    Instant doubt_what_is_late(Instant now);
    Task<void> fetch(Request request);
    void preview(const Request& request, Bytes metadata);
    void apply(const Request& request, std::vector<FetchAnswer> answers);
    void accept(Reading& reading, const FetchAnswer& answer);
    void refuse(Reading& reading, const FetchAnswer& answer);
    void out_of_range(Reading& reading, Failure failure);
    void jump(Reading& reading, Gap gap, int64_t offset);
    void retry(Reading& reading, const Failure& failure);
    void fail(Reading& reading, Failure failure);
    void push(Reading& reading, Fetched news);
    void topics_changed();

    World& world_;
    Router& router_;
    const ConsumerOptions options_;
    FetchQueue queue_;
    Wakeup wakeup_;
    std::map<TopicPartition, std::unique_ptr<Reading>> readings_;
    std::map<int32_t, size_t> in_flight_;  // fetches, by broker
    std::vector<const Request*> unanswered_;  // they live in the frames of `fetch`, the oldest first
    Event news_;                           // pulsed when something was pushed, or on an interruption
    Event located_;                        // pulsed when a start was found, or not
    bool is_interrupted_ = false;
    bool closing_ = false;
    std::atomic<uint64_t> fetches_{0};
    Event stopped_;
    Scope scope_;
};

}  // namespace ironbark::client
