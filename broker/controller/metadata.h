#pragma once
// What the cluster knows of itself: brokers, topics, partitions, settings. A pure state machine: a command
// (commands.h) is checked against the state and changes it, the same on every machine and at every replay; no clock, no
// disk, no randomness (ids and times come in with the command). Versions share topics and events, so a copy is cheap
// and is what the shards are given: immutable snapshots. A command copies the topics that it changes, no others.

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/controller/commands.h"
#include "broker/controller/events.h"
#include "broker/controller/records.h"
#include "runtime/base/bytes.h"
#include "runtime/base/result.h"
#include "runtime/base/shared_list.h"
#include "runtime/base/shared_map.h"
#include "runtime/base/time.h"
#include "wire/metadata_generated.h"

namespace ironbark::broker {

// Of each element of a batch (appoint_leaders, change_in_sync, move_leaders, hand_over_leaders), in order: ok, or why
// not. fenced_leader_epoch: it was made for another epoch, and had no effect. What a leader proposed and was refused
// with any other error raised the partition epoch.
using Verdicts = std::vector<Result<void>>;

class Metadata {
  public:
    // Applies a command, or says why it cannot be. The state is unchanged after an error. Commands that are not
    // well-formed are corrupt_data. A batch is applied even if every element of it is refused: who executes it learns
    // that from `verdicts`; the leader that proposed an in-sync change, perhaps on another machine, from the record,
    // which has a higher partition epoch and the set that counts.
    Result<void> apply(Bytes command, Verdicts* verdicts = nullptr);

    // Whether it is a part of a snapshot, which replaces a state instead of changing it. False for what is no command.
    static bool is_snapshot_part(Bytes command);

    int64_t version() const { return version_; }  // grows with every command
    int64_t next_producer_id() const { return next_producer_id_; }
    BrokerId active_controller() const { return controller_; }     // the last that said so; -1: none ever did
    uint64_t controller_term() const { return controller_term_; }  // its term
    // How long a broker may be silent; zero: no controller has said.
    Duration session_timeout() const { return std::chrono::milliseconds(session_timeout_ms_); }
    int32_t feature_level() const { return feature_level_; }
    // Whether a leader that has failed is replaced by a person's word only.
    bool is_failover_manual() const { return is_failover_manual_; }
    const std::map<BrokerId, BrokerRecord>& brokers() const { return brokers_; }
    const BrokerRecord* find(BrokerId id) const;
    bool is_alive(BrokerId id) const;
    const SharedMap<std::string, std::shared_ptr<const TopicRecord>>& topics() const { return by_name_; }
    std::shared_ptr<const TopicRecord> find(const std::string& name) const;
    std::shared_ptr<const TopicRecord> find(const Uuid& id) const;
    // Null: there is no such partition. Valid until a command is applied.
    const PartitionRecord* find(const PartitionIdentity& identity) const;
    size_t partition_count() const { return partition_count_; }
    // The partitions whose replicas are being moved.
    const std::set<PartitionIdentity>& moving() const { return moving_; }
    // Whether the topic was deleted by a command, not long ago: then, and only then, may its files be removed.
    bool was_deleted(const Uuid& id) const;
    const SharedList<ClusterEvent>& events() const { return events_; }  // the last events_max, oldest first

    // Commands that stand for everything that was applied; each of about snapshot_bytes_max at most.
    std::vector<Command> snapshot() const;
    friend bool operator==(const Metadata& left, const Metadata& right);

  private:
    class TopicDrafts;
    class SnapshotParts;
    Result<void> apply_body(const wire::MetadataCommand& message, Verdicts* verdicts);
    Result<void> apply_body(const wire::RegisterBrokerCommand& command);
    Result<void> apply_body(const wire::EndBrokerCommand& command);
    Result<void> apply_body(const wire::CreateTopicCommand& command);
    Result<void> apply_body(const wire::DeleteTopicCommand& command);
    Result<void> apply_body(const wire::AlterTopicCommand& command);
    Result<void> apply_body(const wire::AddPartitionsCommand& command);
    Result<void> apply_body(const wire::AllocateProducerIdsCommand& command);
    Result<void> apply_body(const wire::AppointLeaderCommand& command, Verdicts* verdicts);
    Result<void> apply_body(const wire::ChangeInSyncCommand& command, Verdicts* verdicts);
    Result<void> apply_body(const wire::MoveLeaderCommand& command, Verdicts* verdicts);
    Result<void> apply_body(const wire::HandOverLeaderCommand& command, Verdicts* verdicts);
    Result<void> apply_body(const wire::DamagedReplicaCommand& command, Verdicts* verdicts);
    Result<void> apply_body(const wire::MoveReplicasCommand& command, Verdicts* verdicts);
    Result<void> apply_body(const wire::SetFailoverCommand& command);
    Result<void> apply_body(const wire::ControllerActiveCommand& command);
    Result<void> apply_body(const wire::SetFeatureLevelCommand& command);
    Result<void> apply_body(const wire::SnapshotCommand& command);

    Result<void> check_name(const TopicRecord& topic) const;
    Result<void> check_room(const TopicRecord& topic, size_t more) const;
    bool keeps_partitions(BrokerId id) const;
    Result<void> check_broker(const wire::RegisterBrokerCommand& command) const;
    Result<std::vector<PartitionRecord>> assigned(
        const flatbuffers::Vector<flatbuffers::Offset<wire::ReplicaList>>* lists, int32_t min_in_sync) const;
    Result<void> appoint(const wire::Appointment& appointment,
                         TopicDrafts& drafts,
                         std::vector<ClusterEvent>* changes) const;
    Result<void> change(const wire::InSyncChange& change, TopicDrafts& drafts) const;
    Result<void> move(const wire::LeaderMove& move, TopicDrafts& drafts) const;
    Result<void> hand_over(const wire::LeaderHandover& one,
                           TopicDrafts& drafts,
                           std::vector<ClusterEvent>* changes) const;

    Result<void> note_damage(const wire::ReplicaDamage& one,
                             TopicDrafts& drafts,
                             std::vector<ClusterEvent>* changes) const;

    Result<void> move_replicas(const wire::ReplicaMove& move,
                               TopicDrafts& drafts,
                               std::vector<ClusterEvent>* changes) const;
    Result<void> check_replicas(const PartitionRecord& partition, const BrokerIds& to, int32_t min_in_sync) const;

    Result<void> restore_brokers(const wire::SnapshotCommand& command);
    Result<void> restore_events(const wire::SnapshotCommand& command);
    Result<void> restore_topics(const wire::SnapshotCommand& command);
    Result<void> restore_topic(const wire::TopicState& from);

    void put(std::shared_ptr<const TopicRecord> topic);
    void forget_moves(const Uuid& topic);
    void happened(ClusterEvent event);
    void happened(std::vector<ClusterEvent> events, Timestamp time);
    template <typename List, typename Judge>
    Result<void> apply_batch(const List* list, Verdicts* verdicts, Judge judge);

    int64_t version_ = 0;
    int64_t next_producer_id_ = 0;
    BrokerId controller_{-1};
    uint64_t controller_term_ = 0;
    int32_t session_timeout_ms_ = 0;
    int32_t feature_level_ = 1;
    bool is_failover_manual_ = false;
    size_t partition_count_ = 0;
    std::map<BrokerId, BrokerRecord> brokers_;
    // There may be many of these, and every change leads to one more copy of the state.
    SharedMap<std::string, std::shared_ptr<const TopicRecord>> by_name_;
    SharedMap<Uuid, std::shared_ptr<const TopicRecord>> by_id_;
    SharedList<ClusterEvent> events_;  // oldest first
    std::deque<Uuid> deleted_;         // oldest first
    std::set<PartitionIdentity> moving_;
};

using MetadataSnapshot = std::shared_ptr<const Metadata>;

constexpr size_t topic_name_size_max = 249;       // Kafka's, whose file names end there
constexpr int32_t topic_partitions_max = 10'000;  // of one topic
constexpr size_t cluster_topics_max = 10'000;     // an answer with all topics must fit a frame
constexpr size_t cluster_partitions_max = 100'000;
constexpr size_t cluster_brokers_max = 1000;            // each is known to all, and watched by one
constexpr size_t partition_replicas_max = 32;           // sets of replicas are searched from end to end
constexpr Error keeps_no_partitions(ErrorCode::policy_violation,
                                    "a broker that is a controller only keeps no partitions");
constexpr size_t broker_text_size_max = 255;            // of a host (as in the DNS), a rack, a version
constexpr size_t deleted_topics_max = 1000;             // remembered, until their files are certainly gone
constexpr size_t snapshot_bytes_max = size_t{1} << 20;  // of one part, and as much more as one topic's settings take

// Kafka's rule: 1 to 249 of [a-zA-Z0-9._-], and neither "." nor "..".
bool is_topic_name(std::string_view name);

}  // namespace ironbark::broker
