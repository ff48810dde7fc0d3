#pragma once
// The batches of one partition that were taken up for sending and are not resolved: sequence numbers, attempts, order,
// and what becomes of each. Pure: it decides, the engine carries. The rules (docs/DURABILITY.md):
//
//   - Sequence numbers count the records of this partition from 0 in each producer epoch. A batch that may have been
//     written is only ever sent again with the same bytes under the same epoch.
//   - Batches are sent in order, at most `unresolved_max` unresolved; nothing overtakes a batch that waits to be
//     repeated. Without idempotence there is one at a time, and it is not repeated once it may have been written.
//   - Results are handed out in order.
//   - A broker takes batches in the order of their numbers only. So one that is acknowledged proves that those before
//     it were written as well, whatever became of their own answers.
//   - A batch that fails leaves a hole in the sequence. Once nothing is in flight, the later ones close it: renumbered
//     if the failed one is certainly not written and none of them may be, else under a new producer epoch; those that
//     may have been written are then given up as unknown.
//   - "Out of order, expected n" in answer to an attempt that was made after everything before it had been resolved:
//     acknowledged records are lost, from sequence n on. The batch goes again, with the same number and `gap_from` = n;
//     the loss is handed out with the answer. If a promised record is among them, the batch fails instead, and the
//     window is of no more use.

#include <deque>
#include <memory>
#include <optional>

#include "client/acknowledged.h"
#include "client/failures.h"
#include "client/pending_batch.h"
#include "log/record/batch_builder.h"

namespace ironbark::client {

// What a producer sends as; -1 without idempotence.
struct ProducerIdentity {
    ProducerId id{-1};
    ProducerEpoch epoch{-1};

    bool is_known() const { return id.value >= 0; }
    friend bool operator==(const ProducerIdentity&, const ProducerIdentity&) = default;
};

// What a broker said about a batch that was written.
struct Written {
    int64_t base_offset = -1;
    int32_t leader_epoch = -1;
    int64_t append_time = -1;
    Acks level = Acks::none;
    std::vector<int32_t> replicas{};
    std::chrono::microseconds queued{0};
    std::chrono::microseconds written{0};
    std::chrono::microseconds synced{0};
    std::chrono::microseconds replicated{0};
    bool duplicate = false;
    int32_t gap_from = -1;  // the broker confirms: what the producer had from here on to this batch is lost
};

class SendWindow {
  public:
    enum class State : uint8_t { waiting, in_flight, written, failed };

    // A batch in the window. The engine reads it, and changes nothing but the batch itself.
    struct Entry {
        std::unique_ptr<PendingBatch> batch;
        Instant deadline;
        State state = State::waiting;
        record::ProducerSequence sequence;  // none: without idempotence, and of a failed batch that was passed over
        bool is_sealed = false;             // with `sequence`; set by the engine, unset when renumbered
        bool may_be_written = false;        // an attempt ended, and nobody knows how
        bool waits_for_others = false;      // refused as out of order: goes again when everything before it is resolved
        bool was_first = false;             // at the latest attempt, everything before it was resolved
        int32_t gap_from = -1;              // goes with it: what was acknowledged from this sequence on is lost
        uint64_t attempts = 0;
        Instant not_before{};  // after a pause
        Written receipt;       // written
        Failure failure;       // failed; or of the latest attempt

        int32_t records() const { return batch->records; }
    };
    // The end of an attempt that did not succeed.
    struct Refusal {
        Failure failure;
        bool may_be_repeated = false;  // the same may succeed later
        int32_t expected = -1;         // with out_of_order_sequence: the only acceptable one; -1: not told
        bool may_have_expired = true;  // with unknown_producer_id: nothing was acknowledged for a long time
    };

    SendWindow(bool is_idempotent, size_t unresolved_max);

    // Whether another batch may be taken up now.
    bool has_room() const;
    bool is_empty() const { return entries_.empty(); }
    // Takes up a batch; it gets its sequence number. REQUIRES: has_room(), and an identity if idempotent
    Entry& admit(std::unique_ptr<PendingBatch> batch, Instant deadline);

    // The batch to be sent now; nullptr if there is none.
    Entry* next_to_send(Instant now);
    void begin_attempt(Entry& entry);
    void succeeded(Entry& entry, Written receipt);
    void refused(Entry& entry, Refusal refusal, Instant repeat_at);

    // Gives up what waits beyond its deadline. What is in flight is for its caller to end.
    void expire(Instant now);
    // Gives up everything that is not in flight, whatever its deadline.
    void give_up(const Failure& reason);
    // The pause before a repetition is over: there is a new leader.
    void hasten();
    // When something is to be done next that no event announces; after `now`.
    Instant next_time(Instant now) const;

    // The next result, in order; empty if the first batch is not resolved. Its state is written or failed.
    std::unique_ptr<Entry> pop_resolved();

    // Whether nothing goes on without another identity: at first, and when the epoch must be raised.
    bool needs_identity() const;
    const ProducerIdentity& identity() const { return identity_; }
    // Whether the broker knows the id with a higher epoch: then an epoch more is not enough.
    bool must_change_id() const { return must_change_id_; }
    // Continues with it: what may have been written is given up as unknown, the rest is renumbered from 0.
    // REQUIRES: needs_identity(), another identity than before
    void set_identity(const ProducerIdentity& identity);

    // Acknowledged records that the broker no longer has were found out; given out once. To be asked after each answer,
    // before the results.
    std::optional<LostRange> take_loss() { return std::exchange(loss_, std::nullopt); }

  private:
    bool is_blocked() const { return has_hole_ || must_raise_epoch_; }
    bool is_first_unresolved(const Entry& entry) const;
    void repeat(Entry& entry, Instant at);
    void refused_as_unexpected(Entry& entry, Refusal refusal, Instant repeat_at);
    void found_gap(Entry& entry, int32_t expected, Instant repeat_at);
    void raise_epoch(Entry& entry, Instant repeat_at);
    void doubt_written(const Failure& why);
    void report(LostRange lost);
    void fail(Entry& entry, Failure failure);
    void end_as_failed(Entry& entry, Failure failure);
    const Entry* acknowledged_behind(const Entry& entry) const;
    void settle();
    void renumber(int32_t sequence);
    record::ProducerSequence next_sequence_of(const Entry& entry);

    const bool is_idempotent_;
    const size_t unresolved_max_;
    ProducerIdentity identity_;
    int32_t next_sequence_ = 0;
    std::deque<std::unique_ptr<Entry>> entries_;
    size_t in_flight_ = 0;

    bool has_hole_ = false;  // a batch that is not written left the window: its sequence is free again ...
    int32_t hole_ = 0;       // ... from here on
    bool must_raise_epoch_ = false;
    bool must_change_id_ = false;
    Acknowledged acknowledged_;  // and handed out
    std::optional<LostRange> loss_;
};

}  // namespace ironbark::client
