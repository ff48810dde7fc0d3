#pragma once
// One replica of a partition on this broker: what it may do (its role and epoch), what its producers may append, up to
// where its readers see, and who waits for that. Lives on its shard; owned by the shard's registry.
//
// With one replica the in-sync set is this broker: what is in the log is in the memory of every in-sync replica (the
// high watermark), and what is durable here is durable on all of them (the durable watermark).

#include <functional>
#include <map>
#include <string>

#include "broker/controller/metadata.h"
#include "broker/topic_settings.h"
#include "log/store.h"

namespace ironbark::broker {

enum class PartitionState : uint8_t {
    opening,  // recovery is under way: retriable
    online,
    failed,  // its log could not be opened, or failed since; see `detail`
    removed,
};
const char* name(PartitionState state);

// What became of the frames of one partition in a produce request.
struct Receipt {
    Error error{ErrorCode::none};
    Outcome outcome = Outcome::written;
    std::string hint;
    Offset base{-1};
    Offset last{-1};
    Epoch leader_epoch{-1};  // in which the batches were written
    Timestamp append_time{-1};
    wire::AckLevel level = wire::AckLevel::none;
    bool duplicate = false;
    int32_t expected_sequence = -1;  // with out_of_order_sequence
    int32_t gap_from = -1;           // it stands behind a gap in its producer's sequence that begins here
    Offset log_start{-1};
    Duration queued{};
    Duration written{};
    Duration synced{};
};

class Partition {
  public:
    Partition(World& world, PartitionIdentity identity, TopicSettings settings)
        : world_(world), identity_(identity), settings_(settings), appending_(world.executor), gate_(world.executor) {}

    const PartitionIdentity& identity() const { return identity_; }
    PartitionState state() const { return state_; }
    const std::string& detail() const { return detail_; }
    log::Log* log() { return log_; }
    Epoch leader_epoch() const { return epoch_; }
    const TopicSettings& settings() const { return settings_; }
    void change_settings(TopicSettings settings);

    // The log is there: lead in this epoch. Suspends until the epoch's start is durable.
    Task<void> lead(log::Log* log, Epoch epoch);
    // The log is there, and somebody else leads, or nobody: kept, and not served.
    void hold(log::Log* log, Epoch epoch);
    // Does not lead any more, because of this epoch. What was appended stays, and is answered as it gets there.
    void resign(Epoch epoch);
    bool leads() const { return leads_; }
    void fail(std::string detail);
    // Nobody begins anything with it any more. Suspends until what was begun has ended; then the log may go.
    Task<void> remove();
    // Held by whoever uses the log across a suspension.
    Gate::Holder use() { return gate_.enter(); }
    // Called by the shard when the log's durable end has moved, or the log has failed.
    void log_moved();

    struct Times {
        Instant received;
        Instant deadline;
    };
    // Appends frames (one after the other in `frames`), in the order of the calls. What is refused is refused before
    // anything is appended, and the receipt says so. Suspends only while too much is unwritten, and gives up at the
    // deadline if its turn has not come. Starts what the level needs, without waiting. `gap_from`: the producer of the
    // first frame knows that its sequences from there on are lost (log/producers.h); -1: none are.
    Task<Receipt> append(BufferSlice frames, wire::AckLevel asked, Times times, int32_t gap_from = -1);
    // Suspends until the level of a receipt without an error is reached, or the deadline has come.
    Task<void> acknowledge(Receipt* receipt, Instant deadline);

    Offset log_start() const { return log_ == nullptr ? Offset() : log_->log_start(); }
    Offset log_end() const { return log_ == nullptr ? Offset() : log_->log_end(); }
    Offset high_watermark() const { return log_end(); }
    Offset durable_watermark() const { return log_ == nullptr ? Offset() : log_->durable_end(); }
    // Up to where a reader of this visibility sees.
    Offset watermark(wire::Visibility visibility) const;
    // The refusal for a request that knows this epoch (-1: none), if there is one.
    Error check_epoch(int32_t known) const;

    // Calls `changed` on this executor whenever a watermark moves or the state changes, until `unwatch`.
    uint64_t watch(std::function<void()> changed);
    void unwatch(uint64_t number) { watchers_.erase(number); }

  private:
    Result<void> check_frames(Bytes frames, std::vector<record::FrameView>& checked, Receipt& receipt) const;
    Task<void> append_checked(const std::vector<record::FrameView>* frames, int32_t gap_from, Receipt* receipt);
    Task<bool> append_frame(record::FrameView frame, int32_t gap_from, Receipt* receipt);
    bool refuse_sequence(const log::SequenceCheck& check, const record::FrameView& frame, Receipt& receipt) const;
    bool refuse_split(Offset base, bool is_duplicate, Receipt& receipt) const;
    void extend(const log::RememberedBatch& written, Receipt& receipt) const;
    void note_watermarks();
    void notify();

    World& world_;
    PartitionIdentity identity_;
    TopicSettings settings_;
    PartitionState state_ = PartitionState::opening;
    std::string detail_;
    log::Log* log_ = nullptr;
    Epoch epoch_{-1};
    bool leads_ = false;
    Mutex appending_;  // held from the check of a sequence until its batch is in the log
    Gate gate_;
    uint64_t watchers_made_ = 0;
    std::map<uint64_t, std::function<void()>> watchers_;
};

}  // namespace ironbark::broker
