// A broker's session against a controller that answers as the script wants.

#include "broker/control/broker_session.h"

#include <gtest/gtest.h>

#include "broker/control/producer_ids.h"
#include "runtime/rpc/convert.h"
#include "runtime/rpc/respond.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::broker {
namespace {

constexpr Duration session_timeout = 1500ms;

Command registration() {
    RegisterBroker broker;
    broker.id = BrokerId(7);
    broker.directory = Uuid::from_words(1, 1);
    broker.incarnation = Incarnation(1);
    return register_broker(broker);
}

// Registers everybody as incarnation 1, which the metadata shows at version 1, and keeps the metadata back until it is
// released.
class ScriptedController final : public rpc::Handler {
  public:
    explicit ScriptedController(World& world) : world_(world), changed_(world.executor) {}

    Task<rpc::Response> handle(rpc::Session&, rpc::Request request) override {
        flatbuffers::FlatBufferBuilder builder;
        switch (request.method) {
            case rpc::Method::register_broker: {
                const wire::Uuid cluster = rpc::to_wire(Uuid::from_words(2, 2));
                co_return rpc::respond(
                    builder, wire::CreateRegisterBrokerResponse(builder, 0, 1, 1, session_timeout / 1ms, &cluster));
            }
            case rpc::Method::heartbeat:
                ++heartbeats;
                co_return rpc::respond(
                    builder, wire::CreateHeartbeatResponse(builder, 0, 1200, static_cast<int64_t>(log_.size())));
            case rpc::Method::report_replicas:
                reports.push_back(request.as<wire::ReportReplicasRequest>().replicas()->size());
                co_return rpc::respond(builder, wire::CreateReportReplicasResponse(builder));
            case rpc::Method::follow_metadata:
                co_return co_await follow(request.as<wire::FollowMetadataRequest>().version());
            default: break;
        }
        co_return rpc::error_response({ErrorCode::unsupported_version, "not in this script"}, Outcome::not_written);
    }

    void add(Command command) { log_.push_back(std::move(command)); }
    void release() {
        released_ = log_.size();
        changed_.pulse();
    }
    void close() { changed_.close(); }

    int heartbeats = 0;
    std::vector<size_t> reports;  // how many replicas each had

  private:
    Task<rpc::Response> follow(int64_t version) {
        while (static_cast<size_t>(version) >= released_ && !changed_.is_closed()) co_await changed_.wait();
        rpc::Response response;
        std::vector<uint32_t> sizes;
        for (size_t at = static_cast<size_t>(version); at < released_; ++at) {
            sizes.push_back(static_cast<uint32_t>(log_[at].size()));
            response.payload.push_back(world_.buffers.copy_of(log_[at]));
        }
        flatbuffers::FlatBufferBuilder builder;
        const auto newest = static_cast<int64_t>(released_);
        response.metadata =
            rpc::finish(builder, wire::CreateFollowMetadataResponseDirect(builder, 0, newest, false, 0, &sizes));
        co_return response;
    }

    World& world_;
    Event changed_;
    std::vector<Command> log_;
    size_t released_ = 0;
};

class BrokerSessionTest : public testing::Test {
  protected:
    BrokerSessionTest() : simulation_(1), node_(simulation_.node("broker")), world_(node_.boot()) {
        controller_ = std::make_unique<ScriptedController>(world_);
        controller_->add(registration());
        client_ = std::make_unique<ControllerClient>(world_, 1, std::vector<int32_t>{1}, controller_.get(), nullptr);
        SessionSettings settings;
        settings.broker = BrokerId(7);
        settings.session_timeout = session_timeout;
        session_ = std::make_unique<BrokerSession>(world_, *client_, settings);
    }
    ~BrokerSessionTest() override {
        session_->stop();
        client_->close();
        controller_->close();
        node_.run(session_->join());
        node_.run(client_->join());
        session_.reset();
        client_.reset();
        controller_.reset();
        node_.end();
    }

    static Task<void> begin_session(BrokerSession* session, bool* begun) {
        Result<void> result = co_await session->begin(Incarnation(-1));
        *begun = result.ok();
    }
    static Task<void> raise_epoch(ProducerIds* ids, ProducerId id, std::optional<ErrorCode>* into) {
        Result<ProducerIds::Given> given = co_await ids->raise(id, ProducerEpoch(0));
        *into = given.ok() ? ErrorCode::none : given.error().code;
    }
    void begin() {
        node_.spawn(begin_session(session_.get(), &has_begun_));
        simulation_.run_for(10ms);
    }

    simulation::Simulation simulation_;
    simulation::Node& node_;
    World& world_;
    std::unique_ptr<ScriptedController> controller_;
    std::unique_ptr<ControllerClient> client_;
    std::unique_ptr<BrokerSession> session_;
    bool has_begun_ = false;
};

TEST_F(BrokerSessionTest, IsAliveFromItsRegistrationOnHoweverLongTheMetadataTakes) {
    begin();
    simulation_.run_for(10s);
    EXPECT_FALSE(has_begun_);
    EXPECT_GE(controller_->heartbeats, 30) << "a controller would have given it up after a session timeout";
    EXPECT_FALSE(session_->has_lease()) << "which counts with the metadata that it was granted for";
    controller_->release();
    simulation_.run_for(1s);
    EXPECT_TRUE(has_begun_);
    EXPECT_TRUE(session_->has_lease());
}

TEST_F(BrokerSessionTest, CatchesUpWithWhatTheControllerKnewWhenItWasAsked) {
    controller_->release();
    begin();
    ASSERT_TRUE(has_begun_);
    ProducerIds ids(world_, *session_);
    controller_->add(allocate_producer_ids(0, 1000));  // for another broker, whose producer comes here now
    std::optional<ErrorCode> raised;
    node_.spawn(raise_epoch(&ids, ProducerId(999), &raised));
    simulation_.run_for(2s);
    EXPECT_FALSE(raised.has_value()) << "this broker has not heard of it, and knows that";
    controller_->release();
    simulation_.run_for(100ms);
    EXPECT_EQ(raised, ErrorCode::none);
    raised.reset();
    node_.spawn(raise_epoch(&ids, ProducerId(1000), &raised));
    simulation_.run_for(100ms);
    EXPECT_EQ(raised, ErrorCode::unknown_producer_id) << "nobody was given that one";
}

Task<void> take_metadata(MetadataSnapshot) {
    co_return;
}

Task<std::vector<ReplicaReport>> one_replica(MetadataSnapshot metadata) {
    const auto& [name, topic] = *metadata->topics().begin();
    co_return std::vector<ReplicaReport>{
        {{topic->id, PartitionIndex(0)}, topic->partitions[0].leader_epoch, Epoch(0), Offset(5), Offset(5)}};
}

Task<void> publish(BrokerSession* session) {
    session->report_with([](MetadataSnapshot metadata) { return one_replica(std::move(metadata)); });
    std::function<Task<void>(MetadataSnapshot)> take = take_metadata;
    co_await session->publish_to(std::move(take));
}

TEST_F(BrokerSessionTest, ReportsAsLongAsAPartitionOfItsHasNoLeader) {
    TopicRecord topic;
    topic.id = Uuid::from_words(3, 3);
    topic.name = "t";
    controller_->add(create_topic(topic, Assignment{BrokerIds{BrokerId(7)}}));
    controller_->release();
    begin();
    ASSERT_TRUE(has_begun_);
    node_.run(publish(session_.get()));
    simulation_.run_for(5s);
    EXPECT_TRUE(controller_->reports.empty()) << "it is led";
    Appointment end;
    end.topic = topic.id;
    end.partition = PartitionIndex(0);
    end.partition_epoch = 0;
    controller_->add(appoint_leaders({end}, {}));
    controller_->release();
    simulation_.run_for(10ms);
    EXPECT_EQ(controller_->reports, std::vector<size_t>{1}) << "at once";
    simulation_.run_for(3s);
    EXPECT_GE(controller_->reports.size(), 10u) << "and with every heartbeat";
    EXPECT_LE(controller_->reports.size(), 12u);
    const size_t before = controller_->reports.size();
    controller_->add(controller_active(BrokerId(2), 9, session_timeout, {}));
    controller_->release();
    simulation_.run_for(1ms);
    EXPECT_EQ(controller_->reports.size(), before + 1) << "and to a controller that has just become active";
    end.partition_epoch = 1;
    end.leader = BrokerId(7);
    end.incarnation = Incarnation(1);
    end.in_sync = {BrokerId(7)};
    controller_->add(appoint_leaders({end}, {}));
    controller_->release();
    simulation_.run_for(10ms);
    const size_t after = controller_->reports.size();
    simulation_.run_for(3s);
    EXPECT_EQ(controller_->reports.size(), after) << "it is led again";
}

}  // namespace
}  // namespace ironbark::broker
