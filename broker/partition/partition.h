#pragma once
// One replica of a partition on this broker: what it may do (its role and epoch), what its producers may append, up to
// where its readers see, and who waits for that. Lives on its shard; owned by the shard's registry.
//
// It leads, or it follows. What a leader knows of the other replicas, and which watermarks follow from it, is its
// leadership's (leadership.h); what a follower takes over from its leader comes through `take_frames` and
// `take_watermarks`.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "broker/partition/leadership.h"
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
    Epoch appended_in{-1};   // in which the request was served: it is acknowledged by that leadership
    Timestamp append_time{-1};
    wire::AckLevel level = wire::AckLevel::none;
    BrokerIds replicas;  // that hold it at that level
    bool duplicate = false;
    int32_t expected_sequence = -1;  // with out_of_order_sequence
    int32_t gap_from = -1;           // it stands behind a gap in its producer's sequence that begins here
    Offset log_start{-1};
    Duration queued{};
    Duration written{};
    Duration synced{};
    Duration replicated{};
};

// What the partitions of a shard share. Outlives them.
struct PartitionContext {
    World& world;
    BrokerId self{-1};
    // Until when this broker may rely on being heard by the controller.
    std::function<Instant()> lease_end;
    // The in-sync set, or the leader, of a partition that this broker leads may have to change.
    std::function<void()> in_sync_is_due;
    // Something has happened to these since they were last seen at rest (Partition::come_to_rest): of thousands of idle
    // partitions not even the memory is to be touched to see that they are.
    std::vector<PartitionIdentity> stirred{};
    uint64_t watches_made = 0;  // a number names one watch of whichever partition
};

class Partition {
  public:
    // `context` outlives it.
    Partition(PartitionContext* context, PartitionIdentity identity, TopicSettings settings)
        : context_(*context),
          world_(context->world),
          identity_(identity),
          settings_(settings),
          appending_(world_.executor),
          gate_(world_.executor) {
        stir();
    }

    const PartitionIdentity& identity() const { return identity_; }
    PartitionState state() const { return state_; }
    const std::string& detail() const { return detail_; }
    log::Log* log() { return log_; }
    const log::Log* log() const { return log_; }
    Epoch leader_epoch() const { return epoch_; }
    const TopicSettings& settings() const { return settings_; }
    void change_settings(TopicSettings settings);

    // The log is there: lead, in the epoch of the record. Suspends until the epoch's start is durable. Where the disk
    // has no room to say so, it does not lead, and `wants_room`.
    Task<void> lead(log::Log* log, PartitionRecord record, int32_t min_in_sync);
    // It was to lead in this epoch, and there was no room on the disk to begin. Before `lead_again_at` there is no use
    // in being asked to lead in any.
    bool wants_room() const { return !leads_ && lead_again_at_ != Instant() && no_room_in_ == epoch_; }
    Instant lead_again_at() const { return lead_again_at_; }
    // The log is there, and somebody else leads in this epoch, or nobody: what is here is kept and not served. Ends a
    // leadership: what was appended stays, and who waits for it is told that its fate is unknown.
    void follow(log::Log* log, Epoch epoch);
    bool leads() const { return leads_; }
    // It does not lead in the present epoch, or not any more, and the controller is told so: somebody else may lead
    // before the news come back. It is not to lead in this epoch again, unless nothing has come of that.
    void give_up();
    void take_back() { given_up_in_ = Epoch(-1); }
    bool has_given_up(Epoch epoch) const { return given_up_in_ == epoch; }
    // Null unless it leads, and its log is well.
    Leadership* leadership() { return leadership_.get(); }
    const Leadership* leadership() const { return leadership_.get(); }
    // The record has changed within the epoch.
    void take_record(const PartitionRecord& record, int32_t min_in_sync);
    // What other replicas have; see ReplicaSet.
    void replica_matched(const ReplicaLife& who, Offset end);
    void replica_acknowledged(const ReplicaLife& who, ReplicaEnds ends);
    // What a planned move of this leadership asks for now: then the controller is to be told.
    std::optional<PlannedMove::Step> next_move_step();
    // Somebody waits until everything below is durable on every member of the in-sync set.
    Offset sync_to() const { return leadership_ == nullptr ? Offset() : leadership_->sync_to; }
    // Leadership::throttle_of
    int64_t throttle_of(BrokerId follower) const {
        return leadership_ == nullptr ? 0 : leadership_->throttle_of(follower);
    }
    // Somebody waits, or reads, up to where everything is in the memory of every member.
    Offset memory_to() const;
    // Somebody reads with this visibility, and is likely to go on.
    void note_reader(wire::Visibility visibility);

    // Keeps appends waiting until `is_over`, which is asked again and again, or the deadline.
    Task<void> hold_appends(std::function<bool()> is_over, Instant deadline);
    // Suspends until nothing of an earlier role is being appended any more.
    Task<void> settle() { (void)co_await appending_.lock(); }

    // As a follower, when the log is known to agree with the leader's of `epoch`. Appends frames as the leader sent
    // them, all of one answer in their order. fenced_leader_epoch: it does not follow in that epoch any more.
    Task<Result<void>> take_frames(BufferSlice frames, Epoch epoch);
    // The leader of `epoch` has something else from there on (log::Log::cut), or does not have what would come next
    // (log::Log::restart).
    Task<Result<void>> cut(Offset to, std::optional<Epoch> next, Epoch epoch, std::string reason);
    Task<Result<void>> restart(log::Log::ReplicaStart start, Epoch epoch, std::string reason);
    void take_watermarks(Offset high, Offset durable, Epoch epoch);

    void fail(std::string detail);
    // Its log could not be opened, because it has lost what it had.
    void fail_damaged(std::string detail);
    // What is stored here is not what was written, or not all of it.
    bool is_damaged() const { return is_damaged_ || (log_ != nullptr && log_->is_damaged()); }
    // What the metadata says of this replica. Damaged: it is replaced from a whole one, and until then follows nobody.
    struct Standing {
        int32_t membership = 0;
        bool is_damaged = false;
    };
    void set_standing(Standing standing) {
        standing_ = standing;
        stir();
    }
    const Standing& standing() const { return standing_; }
    // It is in `PartitionContext::stirred` from now on; or not any more, until something happens to it.
    void stir() {
        if (!std::exchange(is_stirred_, true)) context_.stirred.push_back(identity_);
    }
    void come_to_rest() { is_stirred_ = false; }
    // Nobody begins anything with it any more. Suspends until what was begun has ended; then the log may go.
    Task<void> remove();
    // Held by whoever uses the log across a suspension.
    Gate::Holder use() { return gate_.enter(); }
    // Called by the shard when the log's durable end has moved, or the log has failed or was found to be damaged.
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
    Offset durable_end() const { return log_ == nullptr ? Offset() : log_->durable_end(); }
    Offset high_watermark() const { return high_watermark_; }
    Offset durable_watermark() const { return durable_watermark_; }
    // Up to where a reader of this visibility sees.
    Offset watermark(wire::Visibility visibility) const;
    // False for a new leader that has not heard yet that all replicas have what it had when it was appointed: a leader
    // before may have shown more.
    bool knows_watermark(wire::Visibility visibility) const {
        return leadership_ == nullptr || watermark(visibility) >= leadership_->replicas.epoch_start();
    }
    // The refusal for a request that knows this epoch (-1: none), if there is one.
    Error check_epoch(int32_t known) const;

    // Calls `changed` on this executor whenever a watermark moves or the state changes, until `unwatch`, which does no
    // harm to a partition that has taken the place of the one that was watched.
    uint64_t watch(std::function<void()> changed);
    void unwatch(uint64_t number) { watchers_.erase(number); }

  private:
    Result<void> check_frames(Bytes frames, std::vector<record::FrameView>& checked, Receipt& receipt) const;
    Task<void> append_checked(const std::vector<record::FrameView>* frames, int32_t gap_from, Receipt* receipt);
    Task<bool> append_frame(record::FrameView frame, int32_t gap_from, Receipt* receipt);
    bool refuse_sequence(const log::SequenceCheck& check, const record::FrameView& frame, Receipt& receipt) const;
    bool refuse_split(Offset base, bool is_duplicate, Receipt& receipt) const;
    void extend(const log::RememberedBatch& written, Receipt& receipt) const;
    Receipt refuse(const Error& error) const;
    Error why_not_now(wire::AckLevel level) const;
    bool needs_lease(wire::AckLevel level) const;
    Task<Result<void>> reach(std::shared_ptr<Leadership> leadership, const Receipt* receipt, Instant deadline);
    void want(const Receipt& receipt);
    wire::Visibility effective(wire::Visibility visibility) const;
    void move_marks();
    void end_leadership();
    void wait_for_room(log::Log* log, Epoch epoch);
    bool follows_in(Epoch epoch) const { return state_ == PartitionState::online && !leads_ && epoch_ == epoch; }
    void apply_settings();
    void notify();

    PartitionContext& context_;
    World& world_;
    PartitionIdentity identity_;
    TopicSettings settings_;
    PartitionState state_ = PartitionState::opening;
    std::string detail_;
    bool is_damaged_ = false;
    Standing standing_;
    log::Log* log_ = nullptr;
    Epoch epoch_{-1};
    bool leads_ = false;
    Epoch no_room_in_{-1};                    // the newest one that could not be begun
    Epoch given_up_in_{-1};                   // the newest one that another may lead in
    Instant lead_again_at_{};                 // no time: none is to be begun again
    std::shared_ptr<Leadership> leadership_;  // who waits keeps it
    Offset high_watermark_;
    Offset durable_watermark_;
    Mutex appending_;  // held from the check of a sequence until its batch is in the log
    bool is_appending_ = false;
    bool is_stirred_ = false;
    Gate gate_;
    std::map<uint64_t, std::function<void()>> watchers_;
};

}  // namespace ironbark::broker
