#pragma once
// Chooses leaders for partitions that have none, from what their replicas report. Pure: the metadata, the reports and
// the time come in; appointments go out, to be committed by the active controller.
//
// Candidates are the living members of the electable tier (tiers.h). One report is enough for what was acknowledged at
// an isr level. The others that live are waited for, from the first report on and not for long, because each may save
// records that a leader alone has acknowledged. The most up-to-date one leads: by the epoch of its last record, then by
// its log's end; then who does not fail again and again, and then by its place among the replicas. In sync are those
// that reported.
//
// Silence opens nothing: a partition whose electable replicas are all gone waits for them (`why_nobody_leads`).

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/controller/metadata.h"
#include "broker/controller/reports.h"
#include "runtime/base/time.h"

namespace ironbark::broker {

class Appointer {
  public:
    explicit Appointer(Duration wait) : wait_(wait) {}

    // All that a broker reports, in place of what it reported before.
    void take(BrokerId broker, Incarnation incarnation, const std::vector<ReplicaReport>& reports, Instant now);
    // Of a controller that is active no more: others have heard newer reports.
    void clear() { heard_.clear(); }

    struct Decision {
        std::vector<Appointment> appointments;  // for one command
        Instant next = never;                   // when to look again, if nothing changes before
    };
    // Forgets what is outdated: of incarnations that are over, and of epochs in which somebody was appointed.
    Decision decide(const Metadata& metadata, Instant now);

    // Who would lead now, and what may be lost by it.
    struct Proposal {
        Appointment appointment;
        ReplicaReport report;  // of the leader
        std::string loss;      // for people; empty: nothing that was acknowledged
    };
    // For a partition that nobody leads, without waiting for anybody; `unclean`: if nobody may by right, the most
    // up-to-date of all replicas that live. Nothing if nobody who may has reported.
    std::optional<Proposal> propose(const Metadata& metadata, const PartitionIdentity& identity, bool unclean) const;

    size_t partition_count() const { return heard_.size(); }  // that somebody has reported

  private:
    struct Heard {
        Incarnation incarnation{-1};
        ReplicaReport report;
        Instant since{};  // the first time in this epoch
    };
    using Replies = std::map<BrokerId, Heard>;
    struct Question {
        const PartitionIdentity& identity;
        const TopicRecord& topic;
        const PartitionRecord& partition;
        const Metadata& metadata;
        const BrokerIds& flapping;
    };
    struct Choice {
        Appointment appointment;
        const Heard* best = nullptr;  // null: nobody has reported
        size_t living = 0;            // of the candidates
        Instant first = never;        // report
    };
    // Whether what was heard of a broker is of the incarnation and the epoch that are current.
    static bool is_current(const Metadata& metadata, const PartitionRecord& partition, BrokerId id, const Heard& heard);
    static Choice choose(const Question& question, const BrokerIds& candidates, const Replies& replies);
    void judge(const Question& question, const Replies& replies, Instant now, Decision& decision) const;

    Duration wait_;
    std::map<PartitionIdentity, Replies> heard_;
};

// Brokers that were given up three times within the five minutes before the newest event, without having been stopped:
// among equals they do not lead.
BrokerIds flapping_brokers(const Metadata& metadata);
// What a partition without a leader waits for, for people.
std::string why_nobody_leads(const Metadata& metadata, const TopicRecord& topic, const PartitionRecord& partition);

}  // namespace ironbark::broker
