#pragma once
// A topic of one partition on several daemons, and a client that writes to it and reads it back: what was acknowledged,
// at which level, and what is on each replica.

#include <string>
#include <vector>

#include "tests/broker/cluster/cluster_world.h"

namespace ironbark::broker {

class Replicated {
  public:
    // REQUIRES: all daemons are ready
    explicit Replicated(ClusterWorld& cluster,
                        TopicShape shape = {.replicas = 3, .min_in_sync = 2},
                        const std::string& name = "t");

    // Of a topic that is there.
    static Replicated existing(ClusterWorld& cluster, const std::string& name);

    const PartitionIdentity& identity() const { return identity_; }
    // As some daemon that runs knows it by its newest metadata.
    PartitionRecord record();
    int32_t leader() { return record().leader.value; }
    // Waits for a leader that is not `other`, of a later epoch than the known one.
    int32_t wait_leader(Duration limit = 60s, int32_t other = -1);
    // The first replica that is not this one.
    int32_t other_than(int32_t id);
    // Waits until so many replicas are in sync.
    bool wait_in_sync(size_t count, Duration limit = 60s);

    // One batch with one record to this daemon.
    ReceiptSeen produce(int32_t id,
                        const std::string& value,
                        AckLevel level = AckLevel::isr_durable,
                        int32_t timeout_ms = 30'000);
    ClusterWorld::Pending begin_produce(int32_t id,
                                        const std::string& value,
                                        AckLevel level,
                                        int32_t timeout_ms = 30'000);
    // To whoever leads, again until it is acknowledged. Every attempt is another record.
    ReceiptSeen produce_somewhere(const std::string& value,
                                  AckLevel level = AckLevel::isr_durable,
                                  Duration limit = 60s);
    // Asks this daemon for a planned move.
    MovedSeen move(int32_t id, int32_t target, int32_t timeout_ms = 30'000);
    ElectedSeen elect(int32_t id, bool unclean = false, bool validate_only = false);
    std::vector<std::string> read(int32_t id, Visibility visibility = Visibility::durable);

    const Partition* replica(int32_t id);
    // For whoever has to find out why it is as it is.
    std::string tell();
    // The values in the log of a replica that is there, up to its end.
    std::vector<std::string> log_of(int32_t id);
    // Reads all of a replica's log, and waits until it is whole, or has been replaced by one that is.
    bool wait_mended(int32_t id, Duration limit);
    // Until the logs of these daemons are equal, frame by frame, and end alike.
    bool wait_equal(const std::vector<int32_t>& ids, Duration limit = 60s);

  private:
    Replicated(ClusterWorld& cluster, const PartitionIdentity& identity) : cluster_(cluster), identity_(identity) {}
    std::vector<SeenFrame> frames_of(int32_t id);
    bool are_equal(const std::vector<int32_t>& ids);

    ClusterWorld& cluster_;
    PartitionIdentity identity_;
};

}  // namespace ironbark::broker
