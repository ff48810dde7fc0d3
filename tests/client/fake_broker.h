#pragma once
// A broker that keeps its logs in memory and does what a test asks of it: real frames, real checks at ingest, real
// bookkeeping of producers, one thread. What a produce is to be answered can be scripted.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "log/producers.h"
#include "log/record/frame.h"
#include "runtime/rpc/handshake.h"
#include "runtime/rpc/server.h"
#include "runtime/task/scope.h"
#include "wire/client_generated.h"

namespace ironbark::client {

struct FakePartition {
    std::vector<std::vector<uint8_t>> frames;  // stamped, in order
    std::vector<int64_t> bases;                // their offsets
    log::Producers producers;
    uint64_t chain = 0;
    int64_t start = 0;
    int64_t end = 0;
    int32_t epoch = 1;
    int32_t leader = 1;
};

struct FakeTopic {
    std::string name;
    Uuid id;
    std::vector<FakePartition> partitions;
    std::map<std::string, std::string> settings;
};

struct FakeVoter {
    int32_t id = 1;
    Uuid directory;
    uint64_t match = 0;
    int64_t last_heard_ms = -1;
    bool is_leaving = false;
};

// What the broker knows of its cluster.
struct FakeCluster {
    int32_t controller = 1;
    uint64_t term = 1;
    uint64_t committed = 0;
    std::vector<FakeVoter> voters;
    std::set<int32_t> gone;                    // brokers
    ErrorCode quorum_error = ErrorCode::none;  // why nothing newer is known of the controllers
    std::vector<std::string> events;           // numbered from 1
};

// What becomes of the next produce of a partition.
struct ProduceScript {
    bool is_appended = true;                 // before the answer
    ErrorCode error = ErrorCode::none;       // the answer
    Outcome outcome = Outcome::not_written;  // said with the error
    Duration delay{0};                       // before anything is done
};

// The state that outlives connections and restarts of the process.
class FakeBroker final : public rpc::Handler {
  public:
    FakeBroker(World& world, Address advertised, int32_t number = 1);

    FakeTopic& make_topic(const std::string& name, int32_t partitions);
    FakeTopic* find(const std::string& name);
    // Knows nothing of it until it is shown again.
    void hide_topic(const std::string& name);
    void show_topic();
    int64_t metadata_version = 1;
    // The values of a partition's records, in order.
    std::vector<std::string> values(const std::string& topic, int32_t partition = 0);
    // Forgets what is behind this offset, as a cut does; the leader epoch grows.
    void cut(const std::string& topic, int32_t partition, int64_t end);
    void delete_before(const std::string& topic, int32_t partition, int64_t start);
    // Flips a bit in the payload of the frame at this place.
    void damage(const std::string& topic, int32_t partition, size_t frame);
    void repair(const std::string& topic, int32_t partition, size_t frame) { damage(topic, partition, frame); }
    void script(ProduceScript next) { scripts_.push_back(next); }
    void add_broker(int32_t number, Address address) { brokers_[number] = std::move(address); }
    void remove_broker(int32_t number) { brokers_.erase(number); }  // it is given up

    Task<rpc::Response> handle(rpc::Session& session, rpc::Request request) override;

    const int32_t id;
    size_t produces = 0;
    wire::AckLevel level = wire::AckLevel::leader_durable;  // of every receipt
    std::vector<int32_t> holders{};                         // in every receipt; empty: this broker
    bool tells_expected = true;                             // with out_of_order_sequence; old brokers did not
    bool tells_next_offset = true;                          // where fetched records end; old brokers did not
    int64_t next_offset_error = 0;                          // added to what it tells
    size_t fetches = 0;
    std::map<rpc::Method, size_t> requests;
    FakeCluster cluster;
    void happen(const std::string& event);
    // Whoever asks for a topic's description waits until this is taken back.
    void set_mute(bool is_mute);
    // Serves the topics of another broker, as far as it leads them.
    void share_topics(FakeBroker& other) { shared_topics_ = &other.topics(); }

  private:
    std::map<std::string, FakeTopic>& topics() { return shared_topics_ != nullptr ? *shared_topics_ : topics_; }
    FakePartition* find(const Uuid& topic, int32_t partition);
    rpc::Response metadata(const wire::MetadataRequest& request);
    rpc::Response create_topic(const wire::CreateTopicRequest& request);
    rpc::Response allocate(const wire::AllocateProducerIdRequest& request);
    rpc::Response list_offsets(const wire::ListOffsetsRequest& request);
    rpc::Response delete_records(const wire::DeleteRecordsRequest& request);
    Task<rpc::Response> describe_topic(rpc::Request request);
    FakeTopic* find(const wire::DescribeTopicRequest& request);
    rpc::Response describe_cluster();
    Task<rpc::Response> cluster_events(rpc::Request request);
    rpc::Response replace_voter(const wire::ReplaceVoterRequest& request);
    Task<rpc::Response> produce(rpc::Request request);
    Task<rpc::Response> fetch(rpc::Request request);
    struct Produced;
    Produced append(FakePartition& partition, const PartitionIdentity& identity, Bytes frame, int32_t gap_from);
    size_t available(const wire::FetchRequest& request);

    World& world_;
    std::map<int32_t, Address> brokers_;
    std::map<std::string, FakeTopic> topics_;
    std::map<std::string, FakeTopic>* shared_topics_ = nullptr;
    std::map<std::string, FakeTopic> hidden_;
    std::deque<ProduceScript> scripts_;
    int64_t producer_ids_ = 1000;
    std::map<int64_t, int16_t> producer_epochs_;
    Event appended_;
    Event happened_;
    Event spoke_;
    bool is_mute_ = false;
};

// The broker behind a port.
struct FakeServer {
    FakeServer(World& its_world, FakeBroker& handler)
        : world(its_world), server(world, {}, handler), accepting(world.executor) {}

    World& world;
    rpc::Server server;
    std::unique_ptr<Listener> listener;
    Scope accepting;
};
Task<uint16_t> start(FakeServer* server, Address address);
Task<void> stop(FakeServer* server);

}  // namespace ironbark::client
