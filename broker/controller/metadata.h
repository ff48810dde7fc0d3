#pragma once
// What the cluster knows of itself: brokers, topics, partitions, settings. A pure state machine: a command is checked
// against the state and changes it, the same on every machine and at every replay; no clock, no disk, no randomness
// (ids and times come in with the command). Topics are shared between versions, so a copy is cheap and is what the
// shards are given: immutable snapshots.

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/bytes.h"
#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "wire/metadata_generated.h"

namespace ironbark::broker {

struct BrokerRecord {
    BrokerId id{-1};
    Uuid directory;
    Incarnation incarnation{-1};
    std::string host;
    uint16_t port = 0;
    std::string rack;
    friend bool operator==(const BrokerRecord&, const BrokerRecord&) = default;
};

struct PartitionRecord {
    std::vector<BrokerId> replicas;  // in order of preference
    std::vector<BrokerId> in_sync;
    BrokerId leader{-1};
    Epoch leader_epoch;
    int32_t partition_epoch = 0;
    friend bool operator==(const PartitionRecord&, const PartitionRecord&) = default;
};

struct TopicRecord {
    Uuid id;
    std::string name;
    int32_t min_in_sync = 1;
    std::map<std::string, std::string> settings;  // what was set; the rest has its default
    int64_t settings_version = 0;
    Timestamp created;
    std::vector<PartitionRecord> partitions;
    friend bool operator==(const TopicRecord&, const TopicRecord&) = default;
};

using Command = std::vector<uint8_t>;  // a finished wire::MetadataCommand

class Metadata {
  public:
    // Applies a command, or says why it cannot be. The state is unchanged after an error. Commands that are not
    // well-formed are corrupt_data.
    Result<void> apply(Bytes command);

    int64_t version() const { return version_; }  // grows with every command
    int64_t next_producer_id() const { return next_producer_id_; }
    const std::map<BrokerId, BrokerRecord>& brokers() const { return brokers_; }
    const std::map<std::string, std::shared_ptr<const TopicRecord>>& topics() const { return by_name_; }
    std::shared_ptr<const TopicRecord> find(const std::string& name) const;
    std::shared_ptr<const TopicRecord> find(const Uuid& id) const;
    size_t partition_count() const { return partition_count_; }
    // Whether the topic was deleted by a command, not long ago: then, and only then, may its files be removed.
    bool was_deleted(const Uuid& id) const;

    // Commands that stand for everything that was applied.
    std::vector<Command> snapshot() const;
    friend bool operator==(const Metadata& left, const Metadata& right);

  private:
    Result<void> apply_body(const wire::RegisterBrokerCommand& command);
    Result<void> apply_body(const wire::CreateTopicCommand& command);
    Result<void> apply_body(const wire::DeleteTopicCommand& command);
    Result<void> apply_body(const wire::AlterTopicCommand& command);
    Result<void> apply_body(const wire::AddPartitionsCommand& command);
    Result<void> apply_body(const wire::AllocateProducerIdsCommand& command);
    Result<void> apply_body(const wire::SnapshotCommand& command);
    Result<void> add_topics(const wire::SnapshotCommand& command);
    Result<void> check_new(const TopicRecord& topic) const;
    void put(std::shared_ptr<const TopicRecord> topic);

    int64_t version_ = 0;
    int64_t next_producer_id_ = 0;
    size_t partition_count_ = 0;
    std::map<BrokerId, BrokerRecord> brokers_;
    std::map<std::string, std::shared_ptr<const TopicRecord>> by_name_;
    std::map<Uuid, std::shared_ptr<const TopicRecord>> by_id_;
    std::deque<Uuid> deleted_;  // oldest first
};

constexpr size_t topic_name_size_max = 249;       // Kafka's, whose file names end there
constexpr int32_t topic_partitions_max = 10'000;  // of one topic
constexpr size_t cluster_topics_max = 10'000;     // an answer with all topics must fit a frame
constexpr size_t cluster_partitions_max = 100'000;
constexpr size_t deleted_topics_max = 1000;  // remembered, until their files are certainly gone

// Kafka's rule: 1 to 249 of [a-zA-Z0-9._-], and neither "." nor "..".
bool is_topic_name(std::string_view name);

// The commands.
Command register_broker(const BrokerRecord& broker, bool clean);
Command create_topic(const TopicRecord& topic, int32_t partitions, const std::vector<BrokerId>& replicas);
Command delete_topic(const Uuid& topic);
Command alter_topic(const Uuid& topic,
                    const std::map<std::string, std::string>& set,
                    const std::vector<std::string>& reset);
Command add_partitions(const Uuid& topic, int32_t partitions);
Command allocate_producer_ids(int64_t count);

}  // namespace ironbark::broker
