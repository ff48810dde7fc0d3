#pragma once
// Creates, describes and changes topics, and asks the cluster about itself. Thread-safe; calls block, at most as long
// as their timeout. A call that changes something fails with an outcome: `not_written` (nothing was changed), `unknown`
// (it may have been).

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ironbark/settings.h"

namespace ironbark {

struct TopicSpecification {
    std::string name;
    int32_t partitions = -1;  // -1: the cluster's default, as for the next two
    int32_t replicas = -1;
    int32_t min_in_sync = -1;
    std::map<std::string, std::string> settings{};  // see `topic_options`
    bool validate_only = false;                     // do nothing, and answer as if it had been done
};

struct CreatedTopic {
    std::string id;
    int32_t partitions = 0;
    int32_t replicas = 0;
    int32_t min_in_sync = 0;
};

struct TopicChanges {
    std::map<std::string, std::string> set{};
    std::vector<std::string> reset{};  // keys that go back to their defaults
    bool validate_only = false;
};

// Where a value comes from.
enum class SettingSource : uint8_t { default_value, cluster, topic, broker };
const char* name(SettingSource source);

struct SettingValue {
    std::string key;
    std::string value;
    std::string default_value;
    SettingSource source = SettingSource::default_value;
};

// What a leader knows of one of its replicas, itself included; -1: nothing since it leads.
struct ReplicaState {
    int32_t broker = -1;
    int64_t log_end = -1;
    int64_t durable_end = -1;
    int64_t behind_ms = -1;  // for how long it has not had everything
};

struct PartitionDescription {
    int32_t partition = -1;
    std::optional<Failure> failure{};  // why the rest is not known
    int32_t leader = -1;               // -1: none now
    int32_t leader_epoch = -1;
    std::vector<int32_t> replicas{};
    std::vector<int32_t> in_sync{};
    // As the broker that answered has them; -1: it does not know.
    int64_t log_start = -1;
    int64_t durable_watermark = -1;
    int64_t high_watermark = -1;
    int64_t log_end = -1;
    int64_t bytes = -1;  // allocated on disk
    int32_t segments = -1;
    std::string state{};
    std::string state_detail{};
    std::vector<ReplicaState> replica_states{};  // if the leader answered
};

struct TopicDescription {
    std::string name;
    std::string id;
    int64_t settings_version = -1;
    int32_t min_in_sync = -1;  // with fewer in sync a partition takes no records at the isr levels; -1: unknown
    std::vector<SettingValue> settings{};
    std::vector<PartitionDescription> partitions{};
};

struct TopicOptionInfo {
    std::string key;
    std::string type;
    std::string default_value;
    std::string range;
    std::string description;
};

struct BrokerInfo {
    int32_t id = -1;
    std::string host{};
    uint16_t port = 0;
    std::string rack{};
    bool is_alive = false;
    bool is_clean = false;     // its last start followed a clean stop
    int64_t incarnation = -1;  // numbers its starts
    std::string directory{};   // id of its data directory
    std::string version{};
    int64_t since = -1;  // ms since 1970: when it became alive, or ceased to be
    int32_t partitions = 0;
    int32_t leads = 0;                // of them
    bool is_controller_only = false;  // it is to keep none
};

// A daemon that decides with others about the cluster's metadata. While one is replaced, two have the same id.
struct VoterInfo {
    int32_t id = -1;
    std::string directory{};  // a voter is its directory: another one under the same id has no vote
    std::string host{};
    uint16_t port = 0;
    uint64_t match = 0;          // entries of the log that it is known to have
    int64_t last_heard_ms = -1;  // ago, by the active controller; -1: never in this term
    bool is_leaving = false;     // being replaced by the one of the same id
};

struct PartitionSummary {
    int32_t partition = -1;
    int32_t leader = -1;
    int32_t leader_epoch = -1;
    std::vector<int32_t> replicas{};
    std::vector<int32_t> in_sync{};
    std::vector<int32_t> moving_to{};  // the brokers that are to keep it, by a planned move; empty: none is planned
    std::vector<int32_t> added{};      // those of `replicas` that came with it
    int64_t throttle = 0;              // see ReplicaMove
    std::optional<Failure> failure{};
};

struct TopicSummary {
    std::string name;
    std::string id;
    std::vector<PartitionSummary> partitions{};
    std::optional<Failure> failure{};
};

struct ClusterInfo {
    std::string id;
    int64_t metadata_version = -1;
    std::vector<BrokerInfo> brokers{};        // those that are gone, too
    int32_t controller = -1;                  // broker whose controller is active; -1: none is known
    std::optional<Failure> quorum_failure{};  // why nothing newer is known of the controllers
    std::vector<VoterInfo> voters{};
    uint64_t term = 0;       // grows with every election
    uint64_t committed = 0;  // entries of the log that a majority has
    uint64_t log_bytes = 0;
    uint64_t snapshot = 0;  // entries that are in the snapshot, and not in the log any more
    int32_t feature_level = 0;
    bool is_failover_manual = false;  // leaders that fail are replaced by elect_leader only
};

// Something that happened to the cluster; docs/OPERATIONS.md lists the kinds.
struct ClusterEvent {
    int64_t number = -1;  // one higher than that of the event before
    int64_t time_ms = -1;
    std::string kind{};
    std::string text{};  // for people
};

// Ids of the directories that were, and are, a voter.
struct ReplacedVoter {
    std::string before;
    std::string now;
};

// The leadership of a partition is to go to this broker.
struct LeaderMove {
    TopicPartition partition;
    int32_t to = -1;
};

struct MovedLeader {
    TopicPartition partition;
    std::optional<Failure> failure{};
    int32_t before = -1;  // who led
    int32_t leader = -1;  // who leads now
    int32_t leader_epoch = -1;
    std::chrono::microseconds outage{};  // nobody could append for so long, at most
};

// A partition is to be kept by these brokers, in order of preference; empty: by those from before the planned move.
struct ReplicaMove {
    TopicPartition partition;
    std::vector<int32_t> to{};
    // Bytes a second that each new one is given while it is far behind; 0: as many as go. It never gets there if more
    // is written. Planned once more, a move takes another one over.
    int64_t throttle = 0;
};

// A move that is planned: those that are new follow, and when they are in sync the others are let go.
struct PlannedReplicas {
    TopicPartition partition;
    std::optional<Failure> failure{};
    std::vector<int32_t> before{};  // without those that an earlier move had added
    std::vector<int32_t> to{};
};

// Who leads a partition that nobody led; or would.
struct ElectedLeader {
    int32_t leader = -1;
    int64_t log_end = -1;  // of its log: what is appended now begins there
    std::string loss{};    // acknowledged records that may be lost by it, for people; empty: none
};

struct OffsetQuery {
    enum class Place : uint8_t { start, end, timestamp, max_timestamp };
    TopicPartition partition;
    Place place = Place::end;
    int64_t timestamp = -1;  // of Place::timestamp: ms since 1970
};

struct FoundOffset {
    TopicPartition partition;
    std::optional<Failure> failure{};
    int64_t offset = -1;  // -1: no such record
    int64_t timestamp = -1;
    int32_t leader_epoch = -1;
};

struct DeleteRecords {
    TopicPartition partition;
    int64_t before = -1;  // the log start that is wanted; -1: the high watermark
};

struct DeletedRecords {
    TopicPartition partition;
    std::optional<Failure> failure{};
    int64_t log_start = -1;
};

struct DataDirectoryInfo {
    std::string path;
    std::string id;
    uint64_t free_bytes = 0;
    uint64_t total_bytes = 0;
    std::string state;
    std::string state_detail;
    bool direct_io = false;
};

struct MemoryPoolInfo {
    std::string name;
    uint64_t used_bytes = 0;
    uint64_t limit_bytes = 0;
};

// A replica on a broker that is not available, or that is not taken over from its leader.
struct ReplicaProblemInfo {
    std::string topic;  // its name, or its id if the broker does not know the name
    int32_t partition = -1;
    std::string problem;  // for people
};

struct NodeDescription {
    int32_t broker_id = -1;
    std::string cluster_id;
    std::string version;
    int64_t incarnation = -1;
    int64_t start_time = -1;  // ms since 1970
    std::string io_world;     // "io_uring" or "posix"
    std::string io_reason;
    int32_t shards = 0;
    int32_t partitions = 0;
    uint64_t unsynced_bytes = 0;
    int64_t unsynced_age_ms = 0;
    std::vector<DataDirectoryInfo> directories{};
    std::vector<MemoryPoolInfo> memory{};
    std::vector<SettingValue> settings{};
    std::vector<ReplicaProblemInfo> replica_problems{};  // the first hundred
    int32_t replica_problem_count = 0;                   // all of them
};

class Admin {
  public:
    using Timeout = std::chrono::milliseconds;
    static constexpr Timeout default_timeout{30'000};

    static Expected<Admin> create(const Settings& settings);
    Admin(Admin&&) noexcept;
    Admin& operator=(Admin&&) noexcept;
    ~Admin();

    Expected<CreatedTopic> create_topic(const TopicSpecification& topic, Timeout timeout = default_timeout);
    // A topic is given by its name, or by its id.
    Expected<void> delete_topic(const std::string& topic, Timeout timeout = default_timeout);
    Expected<void> alter_topic(const std::string& topic,
                               const TopicChanges& changes,
                               Timeout timeout = default_timeout);
    // `partitions`: how many there are to be afterwards. Returns how many there are.
    Expected<int32_t> add_partitions(const std::string& topic,
                                     int32_t partitions,
                                     bool validate_only = false,
                                     Timeout timeout = default_timeout);
    // Each partition as its leader has it, or with the failure of the leader that did not answer. Without a leader it
    // is as the broker that answers has it; in state "elsewhere", without marks, if that one has no replica.
    Expected<TopicDescription> describe_topic(const std::string& topic, Timeout timeout = default_timeout);
    Expected<std::vector<TopicSummary>> list_topics(Timeout timeout = default_timeout);
    // What can be set on a topic.
    Expected<std::vector<TopicOptionInfo>> topic_options(Timeout timeout = default_timeout);

    Expected<std::vector<FoundOffset>> list_offsets(const std::vector<OffsetQuery>& queries,
                                                    Visibility visibility = Visibility::topic,
                                                    Timeout timeout = default_timeout);
    Expected<std::vector<DeletedRecords>> delete_records(const std::vector<DeleteRecords>& partitions,
                                                         Timeout timeout = default_timeout);

    Expected<ClusterInfo> describe_cluster(Timeout timeout = default_timeout);
    // What happened after the event of this number, oldest first: all that is remembered if it is -1, and maybe not all
    // at once. If there is nothing, waits up to `max_wait` for it (within the timeout), and then returns nothing.
    Expected<std::vector<ClusterEvent>> cluster_events(int64_t after = -1,
                                                       Timeout max_wait = Timeout(0),
                                                       Timeout timeout = default_timeout);
    // Makes the directory that the daemon of this id has now a voter in place of the one that was. What the old one had
    // promised is forgotten: for directories that are lost, while a majority of the others is there.
    Expected<ReplacedVoter> replace_voter(int32_t voter, Timeout timeout = default_timeout);
    // Planned moves to members of the in-sync sets: nothing that was acknowledged at any level is lost, and producers
    // retry. In the order given; each has its own failure, and the leader before leads on then.
    Expected<std::vector<MovedLeader>> move_leaders(const std::vector<LeaderMove>& moves,
                                                    Timeout timeout = default_timeout);
    // Other brokers are to keep the partitions, without a pause for anybody. Returns when that is planned, each move
    // with its own failure; the cluster goes on by itself, and `list_topics` shows how far it is. A move to other
    // brokers takes the place of one that is planned; one to none takes it back.
    Expected<std::vector<PlannedReplicas>> move_replicas(const std::vector<ReplicaMove>& moves,
                                                         Timeout timeout = default_timeout);
    // For a partition that nobody leads: appoints the most up-to-date of those that may lead; or, if none of them lives
    // and `unclean` permits it, of all replicas that live. `validate_only` says who it would be.
    Expected<ElectedLeader> elect_leader(const TopicPartition& partition,
                                         bool unclean = false,
                                         bool validate_only = false,
                                         Timeout timeout = default_timeout);
    // Manual: a leader that has failed is replaced by `elect_leader` only.
    Expected<void> set_failover(bool is_manual, Timeout timeout = default_timeout);
    // -1: whichever broker answers first.
    Expected<NodeDescription> describe_node(int32_t broker = -1, Timeout timeout = default_timeout);

  private:
    struct Implementation;
    explicit Admin(std::unique_ptr<Implementation> implementation);
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace ironbark
