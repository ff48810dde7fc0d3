// What the controller of a cluster of one answers brokers, asked by hand.

#include "broker/control/controller_service.h"

#include <gtest/gtest.h>

#include "runtime/rpc/convert.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::broker {
namespace {

struct Followed {
    int64_t version = -1;
    bool is_snapshot = false;
    uint32_t parts = 0;
    uint32_t parts_left = 0;
};

class ControllerServiceTest : public testing::Test {
  protected:
    ControllerServiceTest() : simulation_(1), node_(simulation_.node("n1")), world_(node_.boot()) {
        session_.is_open = true;
        node_.run(open(this));
        controller_->start();
        EXPECT_TRUE(simulation_.run_until([&] { return controller_->is_active(); }, 10s));
        simulation_.run_for(1s);
    }
    ~ControllerServiceTest() override {
        node_.run(close(this));
        service_.reset();
        controller_.reset();
        node_.end();
    }

    static Task<void> open(ControllerServiceTest* test) {
        std::string problem;
        ControllerSettings settings;
        settings.directory = "/controller";
        settings.owner = Uuid::from_words(1, 1);
        settings.id = 1;
        settings.session_timeout = 1500ms;
        settings.election_timeout = 300ms;
        Task<Result<std::unique_ptr<Controller>>> opening =
            Controller::open(&test->world_, std::move(settings), nullptr, &problem);
        Result<std::unique_ptr<Controller>> opened = co_await std::move(opening);
        EXPECT_TRUE(opened.ok()) << problem;
        test->controller_ = std::move(opened).value();
        test->service_ = std::make_unique<ControllerService>(test->world_, nullptr, nullptr, test->controller_.get());
    }
    static Task<void> close(ControllerServiceTest* test) {
        co_await test->controller_->stop();
        co_await test->controller_->join();
    }
    static Task<void> run(ControllerServiceTest* test, Command command) {
        const Instant deadline = test->world_.executor.now() + 10s;
        Executed executed = co_await test->controller_->execute(std::move(command), deadline);
        EXPECT_TRUE(executed.ok()) << describe(executed.error);
    }
    void execute(Command command) { node_.run(run(this, std::move(command))); }

    rpc::Response ask(rpc::Method method, rpc::Metadata metadata) {
        rpc::Request request;
        request.method = method;
        request.metadata = world_.buffers.copy_of(rpc::bytes_of(metadata));
        request.received = world_.executor.now();
        return node_.run(service_->handle(session_, std::move(request)));
    }
    ErrorCode code_of(const rpc::Response& response) {
        if (!response.is_error) return ErrorCode::none;
        const Bytes metadata = rpc::bytes_of(response.metadata);
        return static_cast<ErrorCode>(flatbuffers::GetRoot<wire::ErrorInfo>(metadata.data())->code());
    }
    Followed follow(int32_t broker, int64_t version, const Followed& before = {}) {
        flatbuffers::FlatBufferBuilder builder;
        const int64_t snapshot = before.parts_left > 0 ? before.version : -1;
        rpc::Response response = ask(
            rpc::Method::follow_metadata,
            rpc::finish(builder, wire::CreateFollowMetadataRequest(builder, broker, version, snapshot, before.parts)));
        EXPECT_FALSE(response.is_error);
        const auto& answer =
            *flatbuffers::GetRoot<wire::FollowMetadataResponse>(rpc::bytes_of(response.metadata).data());
        const uint32_t parts = answer.command_sizes() == nullptr ? 0 : answer.command_sizes()->size();
        const bool goes_on = before.parts_left > 0 && before.version == answer.version();
        return {answer.version(), answer.is_snapshot(), (goes_on ? before.parts : 0) + parts, answer.parts_left()};
    }
    ErrorCode report(int32_t broker, int64_t incarnation) {
        flatbuffers::FlatBufferBuilder builder;
        return code_of(ask(rpc::Method::report_replicas,
                           rpc::finish(builder, wire::CreateReportReplicasRequest(builder, broker, incarnation))));
    }
    void add_topic(const std::string& name, uint64_t id, size_t settings_size) {
        TopicRecord topic;
        topic.id = Uuid::from_words(id, id);
        topic.name = name;
        topic.settings["a"] = std::string(settings_size, 'x');
        execute(create_topic(topic, Assignment{BrokerIds{BrokerId(1)}}));
    }
    void add_broker(int32_t id) {
        RegisterBroker broker;
        broker.id = BrokerId(id);
        broker.directory = Uuid::from_words(9, static_cast<uint64_t>(id));
        broker.incarnation = Incarnation(1);
        execute(register_broker(broker));
    }

    simulation::Simulation simulation_;
    simulation::Node& node_;
    World& world_;
    rpc::Session session_;
    std::unique_ptr<Controller> controller_;
    std::unique_ptr<ControllerService> service_;
};

TEST_F(ControllerServiceTest, ALargeSnapshotIsGivenToManyAtATimeThoughTheMetadataChanges) {
    add_broker(1);
    for (uint64_t id = 1; id <= 20; ++id) add_topic("t" + std::to_string(id), id, 500'000);
    std::map<int32_t, Followed> brokers;
    int answers = 0;
    for (int round = 0; round < 10; ++round) {
        for (int32_t broker : {2, 3, 4}) {
            Followed& mine = brokers[broker];
            if (mine.is_snapshot && mine.parts_left == 0) continue;
            mine = follow(broker, -1, mine);
            ++answers;
            EXPECT_TRUE(mine.is_snapshot);
            add_topic(std::to_string(answers), 100 + static_cast<uint64_t>(answers), 10);
        }
    }
    for (int32_t broker : {2, 3, 4}) {
        EXPECT_EQ(brokers[broker].parts_left, 0u) << "broker " << broker;
        EXPECT_GT(brokers[broker].parts, 5u);
        EXPECT_EQ(brokers[broker].version, brokers[2].version) << "the same one served all";
        EXPECT_FALSE(follow(broker, brokers[broker].version).is_snapshot) << "and commands lead on from it";
    }
    EXPECT_LE(answers, 12);
    EXPECT_GT(follow(5, -1).version, brokers[2].version) << "who begins afterwards gets a new one";
}

TEST_F(ControllerServiceTest, ReportsAreTakenFromTheIncarnationThatLives) {
    add_broker(2);
    EXPECT_EQ(report(2, 1), ErrorCode::none);
    EXPECT_EQ(report(2, 0), ErrorCode::stale_broker_epoch);
    EXPECT_EQ(report(2, 2), ErrorCode::stale_broker_epoch);
    EXPECT_EQ(report(3, 1), ErrorCode::stale_broker_epoch);
    execute(end_broker(BrokerId(2), Incarnation(1), EndReason::silent, {}));
    EXPECT_EQ(report(2, 1), ErrorCode::stale_broker_epoch);
}

TEST_F(ControllerServiceTest, TheSessionTimeoutIsInTheMetadata) {
    EXPECT_EQ(controller_->machine().state().session_timeout(), 1500ms);
    EXPECT_EQ(controller_->session_timeout(), 1500ms);
}

}  // namespace
}  // namespace ironbark::broker
