#pragma once
// The checker: what every client did and was told, and whether all of it can be true together. It is told by the
// clients as they go (in virtual time, on one thread) and ends the run at the first contradiction. The promises are
// those of docs/DURABILITY.md:
//
//   - A record that was told to be durable (by a receipt of a durable level, or by a read that shows only what is
//     durable) stands at its offset for ever, together with everything before it in its epoch.
//   - A record of a weaker level stands at its offset until something happens that excuses its loss (excuses.h): of one
//     broker, an end other than in order.
//   - What was told to be not written is never shown. Every record is in the log at most once.
//   - Records of one idempotent producer stand in the order in which they were sent.
//   - What such a producer was told to be written and is lost, it is told, with its number and its place, no later than
//     the next record of the partition is acknowledged. What it is told to be lost may be, and is never shown later.
//   - Nothing is acknowledged by a leader alone that was sent after somebody had begun to lead in a later epoch.
//   - Nothing that is sent after an offset was durable stands below it. Log starts and durable watermarks only rise.
//
// A claim is what somebody was told about one offset. Of two claims about one offset, the one of the older epoch may
// have been undone: if it was never durable, and its loss is excused.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ironbark/consumer.h"
#include "ironbark/producer.h"
#include "runtime/base/ids.h"
#include "tests/simulation/cluster/atlas.h"
#include "tests/simulation/cluster/excuses.h"

namespace ironbark::simulation {

struct SentRecord {
    enum class Fate : uint8_t { open, written, not_written, unknown };
    uint64_t number = 0;
    uint64_t producer = 0;  // one life of one producer
    bool is_ordered = false;
    PartitionIdentity partition;
    size_t size = 0;
    int64_t timestamp = 0;
    Acks asked = Acks::topic;
    Instant sent;
    int64_t durable_before = 0;  // the partition's durable end when it was sent: it stands nowhere below
    Fate fate = Fate::open;
    Instant settled{};          // when its producer was told
    bool has_no_place = false;  // written, and nobody said where
    bool was_shown = false;
    bool is_lost = false;            // its producer was told so
    bool is_lost_for_good = false;   // and that it cannot come back
    Instant lost_at{};
    Told told{};                     // by its receipt
    std::optional<int64_t> told_at;  // the offset of its receipt
    std::optional<int64_t> durable_at;
};

// A record as it stands in the log at the end.
struct FinalRecord {
    int64_t offset;
    int32_t epoch;
    uint64_t number;
    friend bool operator==(const FinalRecord&, const FinalRecord&) = default;
};

class History {
  public:
    // `excuses` and `atlas` outlive it.
    History(Simulation& simulation, Excuses* excuses, Atlas* atlas, Duration flush_bound, bool is_loud)
        : simulation_(simulation), excuses_(*excuses), atlas_(*atlas), flush_bound_(flush_bound), is_loud_(is_loud) {}

    // A line for people; part of the trace.
    void say(const std::string& who, const std::string& what);
    [[noreturn]] void fail(const std::string& expected, const std::string& seen) const;
    std::string last_lines() const;

    // ---- producers ----
    uint64_t next_number() { return ++numbers_; }
    // Before the record is given to the producer, which may still refuse it.
    void send(const std::string& who, SentRecord record);
    void refused(const std::string& who, uint64_t number, const Failure& failure);
    void resolved(const std::string& who, uint64_t number, const Expected<Receipt>& result);
    // Its process died: what was not resolved is unknown.
    void producer_died(uint64_t producer);
    size_t open_records(uint64_t producer) const;
    // `producer` was told of a loss in the partition.
    void lost(const std::string& who, uint64_t producer, const PartitionIdentity& partition, const Loss& loss);
    bool was_written(uint64_t number) const { return records_.at(number).fate == SentRecord::Fate::written; }

    // ---- brokers ----
    void broker_ended(int32_t broker, bool in_order);

    // ---- topics ----
    // Everything below may be deleted from now on, by retention or by request.
    void may_delete(const PartitionIdentity& partition, int64_t before);
    void deleted(const PartitionIdentity& partition, int64_t log_start);
    // Bytes of the partition were damaged on purpose, and may be nowhere else: it may refuse, but not lie about what a
    // record holds.
    void damaged(const PartitionIdentity& partition);
    bool is_damaged(const PartitionIdentity& partition) { return partitions_[partition].is_damaged; }
    // Bytes of one of its replicas were damaged: who meets them is refused until that replica has been replaced.
    void replica_rots(const PartitionIdentity& partition) { partitions_[partition].may_refuse = true; }
    bool may_refuse(const PartitionIdentity& partition) {
        return partitions_[partition].may_refuse || is_damaged(partition);
    }
    // Somebody asks for it: from here on nobody can say whether it is there, until `topic_deleted` or `topic_stands`.
    void topic_may_go(const Uuid& topic) { deleted_topics_.emplace(topic, false); }
    void topic_deleted(const Uuid& topic) { deleted_topics_[topic] = true; }
    // It is there, and every deletion that was asked for has come to nothing.
    void topic_stands(const Uuid& topic);
    // It is, or may be.
    bool is_deleted(const Uuid& topic) const { return deleted_topics_.contains(topic); }
    // Everything below is durable, as somebody was told.
    int64_t durable_end(const PartitionIdentity& partition) { return partitions_[partition].durable_end; }
    // Everything below that was written in this epoch was told to be in the memory of every in-sync replica.
    int64_t replicated_end(const PartitionIdentity& partition, int32_t epoch) {
        return partitions_[partition].replicated_of_epoch[epoch];
    }

    // ---- consumers ----
    // Returns which record it is.
    SentRecord& show(const std::string& who, const ConsumerRecord& record, bool is_durable);
    // `durable`: the watermark that this reader had been told before.
    void gap(
        const std::string& who, const PartitionIdentity& partition, const Gap& gap, bool is_durable, int64_t durable);
    void see_marks(const std::string& who, const PartitionIdentity& partition, const Marks& marks);

    // The whole log, read when everything has come to rest. Read again, it is the same; but in a cluster a deletion of
    // which nobody knows the outcome may be what only one replica has done, and another one leads.
    void check_final(const PartitionIdentity& partition, int64_t log_start, const std::vector<FinalRecord>& log);

    struct Counts {
        uint64_t sent = 0;
        uint64_t refused = 0;
        uint64_t written = 0;
        uint64_t written_durable = 0;
        uint64_t duplicates = 0;
        uint64_t not_written = 0;
        uint64_t unknown = 0;
        uint64_t shown = 0;
        uint64_t gaps = 0;
        uint64_t undone = 0;  // claims of memory levels that were lost, as they may
        uint64_t losses = 0;  // told to producers
        uint64_t records_lost = 0;
        uint64_t final_records = 0;
        // What else happened, counted by whoever did it: a path that is never taken is not tested.
        uint64_t starts_after_crash = 0;
        uint64_t starts_refused = 0;
        uint64_t clients_killed = 0;
        uint64_t cuts = 0;
        uint64_t full_disks = 0;
        uint64_t rots = 0;
        uint64_t topics_made = 0;
        uint64_t topics_deleted = 0;
        uint64_t topics_altered = 0;
        uint64_t topics_enlarged = 0;
        uint64_t deletions = 0;
    };
    Counts& counts() { return counts_; }

  private:
    struct Claim {
        uint64_t number;
        int32_t epoch;
        Instant since;
        Told told;
    };
    struct Partition {
        std::map<int64_t, Claim> claims;
        std::map<int32_t, int64_t> durable_of_epoch;  // the last offset of the epoch that was told to be durable
        std::map<int32_t, int64_t> replicated_of_epoch;  // its end
        int64_t durable_end = 0;
        int64_t may_start_at = 0;  // the highest log start that anybody asked for
        int64_t starts_at = 0;     // the highest log start that was told
        bool is_damaged = false;
        bool may_refuse = false;
        std::optional<std::vector<FinalRecord>> final_log;
        int64_t final_start = 0;  // of it
    };
    SentRecord& record(uint64_t number) { return records_.at(number); }
    void settle(SentRecord& record, SentRecord::Fate fate);
    Told told_by(const PartitionIdentity& partition, Acks level, int32_t epoch) const;
    void claim(const std::string& who, SentRecord& record, int64_t offset, const Told& told);
    void make_durable(SentRecord& record, Partition& partition, int64_t offset, int32_t epoch);
    bool is_durable(const Partition& partition, int64_t offset, const Claim& claim) const;
    // What this producer was told to be written to the partition and not to be lost, in order.
    std::vector<SentRecord*> acknowledged(uint64_t producer, const PartitionIdentity& partition);
    void check_may_be_lost(const SentRecord& sent) const;
    void check_lease(const SentRecord& sent, const Receipt& receipt) const;
    // Whether what was told of it before it was durable may have been undone.
    bool may_be_undone(const SentRecord& record, const Told& told) const {
        return excuses_.may_be_lost(record.partition, told, record.sent);
    }
    bool must_be_gone(const SentRecord& record) const;
    // Nothing is promised any more, or nobody can say.
    bool is_gone(const PartitionIdentity& partition) const { return deleted_topics_.contains(partition.topic); }
    // Whether nothing is to be concluded from what its leader says. A broker that says something about what its log
    // holds has the log, whatever was asked meanwhile; but who led it in a cluster, the metadata does not say any more.
    bool is_beyond_judgement(const PartitionIdentity& partition) const {
        return excuses_.has_cluster() && is_gone(partition);
    }
    void check_claims(const PartitionIdentity& name, int64_t log_start, const std::vector<FinalRecord>& log);
    void check_order(const PartitionIdentity& name, int64_t log_start, const std::vector<FinalRecord>& log);
    void check_losses(const PartitionIdentity& name, int64_t log_start, const std::vector<FinalRecord>& log);

    Simulation& simulation_;
    Excuses& excuses_;
    Atlas& atlas_;
    const Duration flush_bound_;  // after so long an acknowledged record is on the disk, whatever its level
    const bool is_loud_;
    uint64_t numbers_ = 0;
    std::map<uint64_t, SentRecord> records_;
    std::map<uint64_t, size_t> open_;  // by producer
    std::map<PartitionIdentity, Partition> partitions_;
    std::map<Uuid, bool> deleted_topics_;  // and whether that is certain
    std::deque<std::string> lines_;
    Counts counts_;
};

}  // namespace ironbark::simulation
