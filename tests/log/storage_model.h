#pragma once
// The trivial model of one log: a list of batches, how much of it was promised to be on disk, and what was under way
// when the process died. It outlives the processes of a sequence. A check that fails returns what is wrong; empty: all
// is right.

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "log/log.h"

namespace ironbark::log {

struct ModelBatch {
    record::FrameView frame;  // headers as stamped; its bytes are gone
    uint64_t payload = 0;     // XXH3 of the batch from byte 21 on
    std::vector<Timestamp> timestamps;

    Offset base() const { return frame.header.base_offset; }
    Offset next() const { return frame.next_offset(); }
};

class StorageModel {
  public:
    explicit StorageModel(PartitionIdentity identity) : identity_(identity) {}

    const PartitionIdentity& identity() const { return identity_; }
    Offset base() const { return base_; }  // of the first batch there can be
    Offset end() const { return batches_.empty() ? base_ : batches_.back().next(); }
    uint64_t chain() const { return batches_.empty() ? base_chain_ : batches_.back().frame.header.checksum; }
    Offset log_start() const { return log_start_; }
    Offset durable() const { return durable_; }
    Offset log_start_wanted() const { return log_start_wanted_; }
    Epoch epoch_highest() const { return epoch_highest_; }
    const std::deque<ModelBatch>& batches() const { return batches_; }
    uint64_t cuts() const { return cuts_; }
    Offset lowest_cut_since(uint64_t cuts) const;  // one that has not ended included
    // The producers as a replay of everything up to the end remembers them.
    const Producers& producers() const { return producers_; }

    // What the log was asked, before it is asked, and what it answered.
    void epoch_begins(Epoch epoch) { epoch_highest_ = std::max(epoch_highest_, epoch); }
    void epoch_began(Epoch epoch) { starts_.push_back({epoch, end()}); }
    void appended(record::FrameView sent,
                  const Appended& where,
                  Epoch epoch,
                  uint64_t checksum,
                  std::vector<Timestamp> timestamps);
    // A frame as a leader stamped it, which may be the first of its epoch.
    void appended_replica(record::FrameView frame, std::vector<Timestamp> timestamps);
    void reached_durable(Offset end) { durable_ = std::max(durable_, end); }
    void cut_begins(Offset to, std::optional<Epoch> next);
    void cut_ended(bool done);
    void restart_begins(Log::ReplicaStart start);
    void restart_ended(bool done);
    bool is_changing() const { return pending_cut_ || pending_restart_; }
    void deletion_begins(Offset to) { log_start_wanted_ = std::max(log_start_wanted_, to); }
    void deleted(Offset to) { log_start_ = std::max(log_start_, to); }

    // What this sequence does to the disk excuses.
    struct Excuses {
        bool may_lose_end = false;          // rot in the last round, which nothing has promised yet, looks like a tear
        bool may_forget_producers = false;  // a checkpoint could not be written before room had to be made
    };
    // Against a log that was just opened: what was durable is there, what was not may be there as a prefix. The model
    // follows the log.
    std::string check_opened(const Log& log, Excuses excuses);
    // A checkpoint could not be read: from here on the producers are not compared if they differ.
    void excuse_producers(const Log& log) {
        producers_known_ = producers_known_ && log.producers().encode() == producers_.encode();
    }
    // Against a log in use.
    std::string check_state(const Log& log) const;
    // What a read from `from` below `limit` returned. Only batches below `believed` are compared: what lies beyond was
    // cut while the read was under way.
    std::string check_read(const ReadFrames& read, Offset from, Offset limit, Offset believed) const;
    std::string check_timestamp(const std::optional<TimestampOffset>& found, Timestamp time) const;
    std::string check_max_timestamp(const std::optional<TimestampOffset>& found) const;
    std::string check_replica_start(const Log::ReplicaStart& start, bool may_forget_producers) const;
    std::string check_end_of_epoch(Epoch epoch, Log::EpochEnd end) const;
    // The batch that holds the record; null if there is none.
    const ModelBatch* holding(Offset offset) const;

  private:
    struct Cut {
        Offset to;
        std::optional<Epoch> next;
        bool was_begun = false;  // `next`, there, before the cut
    };
    bool knows(const EpochStart& entry) const;
    void add(record::FrameView frame, std::vector<Timestamp> timestamps);
    void cut_to(Offset end);
    std::string check_pending_cut(const Log& log, Excuses excuses);
    void check_pending_restart(const Log& log);
    Epoch epoch_before(const ModelBatch& batch) const;
    void check_and_take_epochs(const Log& log, std::string* wrong);
    std::string compare(const record::FrameView& frame, const ModelBatch& batch) const;

    PartitionIdentity identity_;
    std::deque<ModelBatch> batches_;  // since the beginning of time, or since the log started anew
    Offset base_;
    uint64_t base_chain_ = 0;
    Epoch base_epoch_{-1};
    Producers base_producers_;
    std::vector<EpochStart> starts_;
    std::vector<Offset> cut_places_;
    Producers producers_;
    Offset log_start_;
    Offset log_start_wanted_;
    Offset durable_;
    Epoch epoch_highest_{-1};
    std::optional<Cut> pending_cut_;
    std::optional<Log::ReplicaStart> pending_restart_;
    uint64_t cuts_ = 0;
    bool producers_known_ = true;
};

}  // namespace ironbark::log
