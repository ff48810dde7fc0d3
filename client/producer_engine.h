#pragma once
// The side of a producer that does the input and output: takes batches from the accumulator, seals them, sends them to
// the leaders of their partitions, repeats what has to be repeated, and resolves every record. One coroutine decides
// (`run`), and one for each request carries. Runs in any world; belongs to its executor, except for the accumulator,
// which any thread may fill.

#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "client/accumulator.h"
#include "client/produce_request.h"
#include "client/router.h"
#include "client/wakeup.h"
#include "log/record/codec.h"
#include "runtime/task/scope.h"

namespace ironbark::client {

struct ProducerOptions {
    Acks acks;
    bool is_idempotent;
    Duration linger;
    size_t request_size_max;
    Duration delivery_time_max;
    Duration request_time_max;
    size_t in_flight_max;
    Compression compression;
    int compression_level;
    Partitioner partitioner;
    AccumulatorLimits accumulator;

    static ProducerOptions of(const Settings& settings);  // REQUIRES: settings.check()
};

class ProducerEngine {
  public:
    ProducerEngine(World& world, Router& router, ProducerOptions options);
    ProducerEngine(const ProducerEngine&) = delete;
    ProducerEngine& operator=(const ProducerEngine&) = delete;
    ~ProducerEngine();

    Accumulator& accumulator() { return accumulator_; }

    // Sends until `close`, and everything that was accepted is resolved.
    Task<void> run();
    // Suspends until the topic is known to the accumulator.
    Task<Expected<ProducerTopic*>> load_topic(std::string name, Instant deadline);
    // Asks again, as far as the topic is not known to have the partition: it may have been added.
    Task<void> look_for_partition(std::string name, int32_t partition, Instant deadline);
    // Suspends until there is room for the record, at most until the deadline (false). Who is woken may be too late.
    Task<bool> wait_for_room(const record::NewRecord* record, Instant deadline);
    // Suspends until everything accepted before is resolved, at most until the deadline (timed_out).
    Task<Expected<void>> flush(Instant deadline);
    // Flushes, and at the deadline gives up what is left: waiting as not written, in flight as unknown. `run` ends.
    Task<Expected<void>> close(Instant deadline);

    void on_loss(std::function<void(const Loss&)> listener) { loss_listener_ = std::move(listener); }
    const ProducerStatistics& statistics() const { return statistics_; }

  private:
    // One partition that has something to send.
    struct Sender {
        Sender(PartitionQueue& its_queue, bool is_idempotent, size_t unresolved_max)
            : queue(its_queue), window(is_idempotent, unresolved_max) {}
        PartitionQueue& queue;
        SendWindow window;
        bool is_active = false;
        int32_t leader_epoch = -1;  // when it was last looked up
        std::optional<Instant> last_acknowledged{};
    };
    struct Request {
        int32_t broker = -1;
        Instant sent;
        Instant deadline;
        size_t size = 0;
        std::vector<Sender*> senders;
        std::vector<SendWindow::Entry*> entries;
        std::vector<ProducePart> parts;
    };

    Instant look(Instant now);
    void activate(PartitionQueue& queue);
    Leader leader_of(const PartitionQueue& queue) const;
    Instant prepare(Sender& sender, Instant now);
    void give_up_queue(Sender& sender, Instant opened_until, const Failure& reason);
    const Failure* reason_to_give_up(const Sender& sender) const;
    void drop_idle_senders();
    void send_what_is_ready(Instant now);
    bool has_something(Sender& sender, Instant now);
    Request gather(int32_t broker, const std::vector<Sender*>& senders, Instant now);
    SendWindow::Entry* next_entry(Sender& sender, Instant now);
    void seal(Sender& sender, SendWindow::Entry& entry);
    Instant doubt_what_is_late(Instant now);
    Task<void> exchange(Request request);
    Task<rpc::CallResult> call(const Request* request);
    void apply(Request& request, const rpc::CallResult& result);
    void refuse(Sender& sender, SendWindow::Entry& entry, const ProduceAnswer& answer);
    void resolve(Sender& sender);
    void finish(const PartitionQueue& queue, PendingBatch& batch, const Written* receipt, const Failure& failure);
    void count(const PendingBatch& batch, const Written* receipt, Outcome outcome);
    void report_loss(Sender& sender, const LostRange& lost);
    void give_identity(Sender& sender);
    Task<void> obtain_identity();
    void topics_changed();
    void retire(ProducerTopic& topic, const Failure& reason);
    bool is_due_at_once() const { return flushes_ > 0 || room_waiters_ > 0 || closing_; }
    Instant opened_until(Instant now) const { return is_due_at_once() ? Instant::max() : now - options_.linger; }

    World& world_;
    Router& router_;
    const ProducerOptions options_;
    Wakeup wakeup_;
    Accumulator accumulator_;
    record::Compressor compressor_;
    std::unordered_map<const PartitionQueue*, std::unique_ptr<Sender>> senders_;
    std::vector<Sender*> active_;
    size_t turn_ = 0;  // where the next request begins to look, so that no partition is always the last
    std::map<int32_t, size_t> in_flight_;  // requests, by broker
    std::vector<const Request*> unanswered_;  // they live in the frames of `exchange`, the oldest first

    ProducerIdentity identity_;
    bool wants_identity_ = false;
    bool wants_other_id_ = false;
    bool is_obtaining_identity_ = false;
    Instant identity_not_before_{};
    Failure identity_failure_;

    Event room_;      // pulsed when memory was given back
    Event resolved_;  // pulsed when a batch was resolved
    Event stopped_;
    size_t flushes_ = 0;
    size_t room_waiters_ = 0;
    bool closing_ = false;
    bool giving_up_ = false;
    std::unordered_map<const PartitionQueue*, Failure> retired_;  // why batches of a queue are not sent any more
    // As whom partitions of retired queues were written to: a queue that comes after begins with sequence 0, and so
    // needs another identity. (A topic may not be known for a while, and then be the same.)
    std::map<PartitionIdentity, ProducerIdentity> spent_;
    std::function<void(const Loss&)> loss_listener_;
    ProducerStatistics statistics_;
    Scope scope_;
};

}  // namespace ironbark::client
