#pragma once
// A whole broker in a simulated world, and beside it a client that speaks the protocol by hand. Scripts are
// synchronous: each verb lets virtual time run until it is answered.
//
//     BrokerWorld world;
//     PartitionIdentity partition = world.make_topic("t");
//     world.produce(partition, make_batch(partition, {"a"}));
//     world.kill();
//     world.start();

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "runtime/rpc/channel.h"
#include "tests/broker/service/calls.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::broker {

using simulation::Crash;
using simulation::Node;
using simulation::Options;
using simulation::Simulation;

constexpr uint16_t client_port = 9400;
constexpr uint16_t metrics_port = 9401;

// A configuration for a broker on the node "server", with little memory and a short reserve.
Config small_config();

// What a client program consists of: several connections, so that all shards get some.
struct ClientProgram {
    explicit ClientProgram(World& the_world);
    void connect();
    void disconnect(Node& node);  // and makes new channels
    World& world;
    rpc::Introduction introduction;
    std::vector<std::unique_ptr<rpc::Channel>> channels;
};

using Pending = std::shared_ptr<std::optional<rpc::CallResult>>;

struct BrokerWorld {
    explicit BrokerWorld(size_t shards = 1, Config config = small_config(), Options options = {}, uint64_t seed = 1);
    ~BrokerWorld();

    // Starts the broker; ends the test if it does not.
    void start();
    // The same, and what it says if it does not start ("" if it does).
    std::string try_start();
    void stop();  // in order
    void kill();
    void lose_power();

    // A call on one of the connections, to its end.
    rpc::CallResult call(rpc::Method method, rpc::Metadata metadata, Text payload = {}, Duration patience = 60s);
    // A call beside the script.
    Pending begin(rpc::Method method, rpc::Metadata metadata, Text payload = {}, Duration patience = 600s);
    rpc::CallResult wait_for(const Pending& pending, Duration limit = 600s);
    // Sends bytes on a connection of their own and reads until the broker ends it.
    std::string exchange(uint16_t port, std::string bytes, Duration patience = 30s);
    std::string get(const std::string& path);  // of the metrics port: head and body

    ReceiptSeen produce(const PartitionIdentity& partition,
                        Text frames,
                        AckLevel level = AckLevel::leader_durable,
                        int32_t epoch = -1);
    ProduceAnswer produce(const std::vector<ProducePart>& parts,
                          AckLevel level = AckLevel::leader_durable,
                          int32_t timeout_ms = 30'000);
    Pending begin_produce(const PartitionIdentity& partition,
                          Text frames,
                          AckLevel level = AckLevel::leader_durable,
                          int32_t timeout_ms = 30'000);
    ReceiptSeen receipt_of(const Pending& pending) { return read_produce(wait_for(pending)).receipts.at(0); }
    Fetched fetch(const PartitionIdentity& partition, int64_t offset = 0, FetchShape shape = {});
    FetchAnswer fetch(const std::vector<FetchPart>& parts, FetchShape shape = {});
    Pending begin_fetch(const std::vector<FetchPart>& parts, FetchShape shape);
    // Everything from `offset` on, by as many fetches as it takes.
    std::vector<Seen> read_all(const PartitionIdentity& partition,
                               int64_t offset = 0,
                               Visibility visibility = Visibility::durable);
    OffsetSeen list(const PartitionIdentity& partition,
                    OffsetPlace place,
                    int64_t time = -1,
                    Visibility visibility = Visibility::topic_default);
    StartSeen delete_before(const PartitionIdentity& partition, int64_t before);

    Said create_topic(const std::string& name, const TopicShape& shape = {});
    // The topic's first partition.
    PartitionIdentity make_topic(const std::string& name, const TopicShape& shape = {});
    Uuid topic_id(const std::string& name);
    PartitionIdentity partition(const std::string& name, int32_t index) {
        return {topic_id(name), PartitionIndex(index)};
    }
    Said alter_topic(const std::string& name, const Settings& set, const std::vector<std::string>& reset = {});
    Said delete_topic(const std::string& name);
    int64_t allocate_producer();

    // The file that the partition writes to now.
    std::string newest_segment(const PartitionIdentity& partition);
    std::vector<std::string> files_of(const PartitionIdentity& partition);

    size_t shards;
    Config config;
    Simulation simulation;
    Node& server;
    Node& client;
    Broker* broker = nullptr;
    std::string problem;

  private:
    rpc::Channel& next_channel();
    ClientProgram* client_program_ = nullptr;
    size_t calls_ = 0;
};

}  // namespace ironbark::broker
