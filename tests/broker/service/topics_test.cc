#include <set>

#include "runtime/rpc/convert.h"
#include "tests/broker/service/service_fixture.h"

namespace ironbark::broker {
namespace {

SERVICE_TESTS(Topics);

TEST_P(Topics, AreListedWithEverythingThatAClientNeeds) {
    EXPECT_TRUE(world().create_topic("b", {.partitions = 3}).ok());
    EXPECT_TRUE(world().create_topic("a").ok());
    rpc::CallResult result = world().call(rpc::Method::metadata, metadata_request({}, {}, false));
    const auto& message = result.as<wire::MetadataResponse>();
    ASSERT_EQ(message.topics()->size(), 2u);
    EXPECT_EQ(message.topics()->Get(0)->name()->str(), "a");
    const wire::TopicMetadata& topic = *message.topics()->Get(1);
    ASSERT_EQ(topic.partitions()->size(), 3u);
    for (const wire::PartitionMetadata* partition : *topic.partitions()) {
        EXPECT_EQ(partition->leader(), 1);
        EXPECT_EQ(partition->leader_epoch(), 0);
        EXPECT_EQ(partition->replicas()->Get(0), 1);
        EXPECT_EQ(partition->in_sync()->Get(0), 1);
    }
    ASSERT_EQ(message.brokers()->size(), 1u);
    EXPECT_EQ(message.brokers()->Get(0)->id(), 1);
    EXPECT_EQ(message.brokers()->Get(0)->host()->str(), "server");
    EXPECT_EQ(message.brokers()->Get(0)->port(), client_port);
    EXPECT_EQ(message.controller(), 1);
    EXPECT_FALSE(rpc::from_wire(message.cluster_id()).is_zero());
}

TEST_P(Topics, AreFoundByNameAndByIdAndUnknownOnesAreSaidToBe) {
    world().make_topic("t");
    Uuid id = world().topic_id("t");
    rpc::CallResult result =
        world().call(rpc::Method::metadata, metadata_request({"t", "missing"}, {id, Uuid::from_words(4, 4)}, false));
    const auto& topics = *result.as<wire::MetadataResponse>().topics();
    ASSERT_EQ(topics.size(), 4u);
    EXPECT_EQ(topics.Get(0)->error(), nullptr);
    EXPECT_EQ(topics.Get(1)->error()->code(), static_cast<int16_t>(ErrorCode::unknown_topic_or_partition));
    EXPECT_NE(said_by(topics.Get(1)->error()).hint.find("missing"), std::string::npos);
    EXPECT_EQ(topics.Get(2)->name()->str(), "t");
    EXPECT_EQ(topics.Get(3)->error()->code(), static_cast<int16_t>(ErrorCode::unknown_topic_or_partition));
    rpc::CallResult brokers = world().call(rpc::Method::metadata, metadata_request({}, {}, true));
    EXPECT_EQ(brokers.as<wire::MetadataResponse>().topics()->size(), 0u);
}

TEST_P(Topics, AreThereAfterAPowerLossWithTheirSettings) {
    PartitionIdentity before = world().make_topic("t", {.partitions = 4, .settings = {{"retention.ms", "1h"}}});
    world().lose_power();
    world().start();
    EXPECT_EQ(world().topic_id("t"), before.topic);
    rpc::CallResult result = world().call(rpc::Method::describe_topic, describe_topic_request("t"));
    const auto& message = result.as<wire::DescribeTopicResponse>();
    EXPECT_EQ(message.partitions()->size(), 4u);
    bool found = false;
    for (const wire::SettingDescription* setting : *message.settings()) {
        if (setting->key()->str() != "retention.ms") continue;
        found = true;
        EXPECT_EQ(setting->value()->str(), "3600000");
        EXPECT_EQ(setting->default_value()->str(), "604800000");
        EXPECT_EQ(setting->source(), wire::SettingSource::topic);
    }
    EXPECT_TRUE(found);
}

struct BadTopic {
    const char* what;
    std::string name;
    TopicShape shape;
    ErrorCode code;
    const char* mention;
};

TEST_P(Topics, ThatCannotBeAreRefusedWithAReason) {
    world().make_topic("taken");
    const BadTopic bad[] = {
        {"a name that is taken", "taken", {}, ErrorCode::topic_already_exists, "exists"},
        {"no name", "", {}, ErrorCode::invalid_topic, "249"},
        {"a path", "../x", {}, ErrorCode::invalid_topic, "a-z"},
        {"no partitions", "t", {.partitions = 0}, ErrorCode::invalid_partitions, "1 to 10000"},
        {"too many partitions", "t", {.partitions = 10'001}, ErrorCode::invalid_partitions, "1 to 10000"},
        {"too many replicas", "t", {.replicas = 2}, ErrorCode::invalid_replication_factor, "this cluster has 1"},
        {"no replicas", "t", {.replicas = 0}, ErrorCode::invalid_replication_factor, "0 replicas"},
        {"an impossible minimum", "t", {.min_in_sync = 2}, ErrorCode::invalid_config, "min-in-sync"},
        {"an unknown setting", "t", {.settings = {{"retention.mss", "1"}}}, ErrorCode::invalid_config, "'retention.ms'"},
        {"an absurd value", "t", {.settings = {{"retention.ms", "soon"}}}, ErrorCode::invalid_config, "'soon'"},
        {"a value out of range", "t", {.settings = {{"segment.bytes", "1"}}}, ErrorCode::invalid_config, "65536"},
        {"an unknown level", "t", {.settings = {{"min.acks", "all"}}}, ErrorCode::invalid_config, "isr_durable"},
    };
    for (const BadTopic& topic : bad) {
        for (bool validate_only : {true, false}) {
            TopicShape shape = topic.shape;
            shape.validate_only = validate_only;
            Said said = world().create_topic(topic.name, shape);
            EXPECT_EQ(said.code, topic.code) << topic.what << ": " << said;
            EXPECT_EQ(said.outcome, Outcome::not_written) << topic.what;
            EXPECT_TRUE(said.mentions(topic.mention)) << topic.what << ": " << said;
        }
    }
    rpc::CallResult all = world().call(rpc::Method::metadata, metadata_request({}, {}, false));
    EXPECT_EQ(all.as<wire::MetadataResponse>().topics()->size(), 1u);
}

TEST_P(Topics, OnlyValidatedAreNotMade) {
    EXPECT_TRUE(world().create_topic("t", {.validate_only = true}).ok());
    EXPECT_TRUE(world().create_topic("t").ok());
    auto validate = [&](rpc::Metadata request, rpc::Method method) { return said_by(world().call(method, std::move(request))); };
    EXPECT_TRUE(validate(alter_request("t", {{"retention.ms", "7"}}, {}, true), rpc::Method::alter_topic).ok());
    EXPECT_TRUE(validate(add_partitions_request("t", 5, true), rpc::Method::add_partitions).ok());
    rpc::CallResult result = world().call(rpc::Method::describe_topic, describe_topic_request("t"));
    EXPECT_EQ(result.as<wire::DescribeTopicResponse>().partitions()->size(), 1u);
    EXPECT_EQ(result.as<wire::DescribeTopicResponse>().settings_version(), 0);
}

TEST_P(Topics, MadeTwiceAtTheSameTimeAreMadeOnce) {
    std::vector<Pending> pending;
    for (int count = 0; count < 6; ++count) {
        pending.push_back(world().begin(rpc::Method::create_topic, create_request("t", {.partitions = 3})));
    }
    size_t made = 0;
    for (const Pending& one : pending) {
        rpc::CallResult result = world().wait_for(one);
        made += result.ok() ? 1 : 0;
        EXPECT_TRUE(result.ok() || result.error.code == ErrorCode::topic_already_exists);
    }
    EXPECT_EQ(made, 1u);
}

TEST_P(Topics, CanBeUsedOnEveryShardAsSoonAsTheyAreMade) {
    for (int round = 0; round < 10; ++round) {
        std::string name = "t" + std::to_string(round);
        PartitionIdentity partition = world().make_topic(name, {.partitions = 5});
        for (int32_t index = 0; index < 5; ++index) {
            partition.partition = PartitionIndex(index);
            ASSERT_TRUE(world().produce(partition, make_batch(partition, {"a"})).said.ok());
            ASSERT_EQ(world().read_all(partition), numbered({"a"}));
        }
    }
}

TEST_P(Topics, DeletedLeaveNoFiles) {
    PartitionIdentity partition = world().make_topic("t", {.partitions = 4});
    for (int32_t index = 0; index < 4; ++index) {
        PartitionIdentity each{partition.topic, PartitionIndex(index)};
        world().produce(each, make_batch(each, {std::string(100'000, 'x')}));
    }
    EXPECT_FALSE(world().files_of(partition).empty());
    uint64_t used = world().server.disk().used_bytes();
    EXPECT_TRUE(world().delete_topic("t").ok());
    for (int32_t index = 0; index < 4; ++index) {
        EXPECT_TRUE(world().files_of({partition.topic, PartitionIndex(index)}).empty());
    }
    EXPECT_LT(world().server.disk().used_bytes(), used - 4 * 100'000);
    EXPECT_EQ(world().delete_topic("t").code, ErrorCode::unknown_topic_or_partition);
    PartitionIdentity again = world().make_topic("t");
    EXPECT_NE(again.topic, partition.topic);
    EXPECT_EQ(world().produce(again, make_batch(again, {"new"})).base, 0);
}

TEST_P(Topics, AreDeletedByIdOnlyIfTheNameStillIsTheirs) {
    world().make_topic("t");
    Uuid old = world().topic_id("t");
    world().delete_topic("t");
    world().make_topic("t");
    auto remove = [&](const std::string& name, const Uuid& id) {
        return said_by(world().call(rpc::Method::delete_topic, delete_topic_request(name, id))).code;
    };
    EXPECT_EQ(remove("t", old), ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(remove("", old), ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(remove("other", world().topic_id("t")), ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(remove("", {}), ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(remove("t", world().topic_id("t")), ErrorCode::none);
}

// Whatever moment a crash chooses: the topic is there with its records, or gone with its files.
TEST_P(Topics, DeletedDuringACrashAreGoneOrThereAfterTheNextStart) {
    for (uint64_t stop = 1; stop < 40; ++stop) {
        BrokerWorld other(GetParam(), small_config(), {}, stop);
        PartitionIdentity partition = other.make_topic("t", {.partitions = 3});
        PartitionIdentity kept = other.make_topic("kept");
        other.produce(kept, make_batch(kept, {"k"}));
        for (int32_t index = 0; index < 3; ++index) {
            PartitionIdentity each{partition.topic, PartitionIndex(index)};
            other.produce(each, make_batch(each, {"a"}));
        }
        other.server.disk().stop_after(stop, stop % 2 == 0 ? Crash::kill : Crash::power_loss);
        Pending deleting = other.begin(rpc::Method::delete_topic, delete_topic_request("t", {}), {}, 5s);
        bool answered = other.wait_for(deleting).ok();
        other.server.disk().stop_never();
        if (other.server.is_running()) other.kill();
        other.start();
        bool is_there = !other.topic_id("t").is_zero();
        EXPECT_FALSE(answered && is_there) << stop;
        for (int32_t index = 0; index < 3; ++index) {
            PartitionIdentity each{partition.topic, PartitionIndex(index)};
            if (is_there) {
                EXPECT_EQ(other.read_all(each), numbered({"a"})) << stop;
            } else {
                EXPECT_TRUE(other.files_of(each).empty()) << stop << ": " << other.files_of(each).front();
            }
        }
        EXPECT_EQ(other.read_all(kept), numbered({"k"})) << stop;
    }
}

TEST_P(Topics, WithABrokenLogAreDeletedAsOthersAre) {
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"a"}));
    world().stop();
    world().server.disk().rot(world().newest_segment(partition), 100);
    world().start();
    EXPECT_EQ(world().produce(partition, make_batch(partition, {"b"})).said.code, ErrorCode::storage_error);
    EXPECT_TRUE(world().delete_topic("t").ok());
    EXPECT_TRUE(world().files_of(partition).empty());
    world().stop();
    world().start();
    EXPECT_TRUE(world().broker->started_clean());
}

TEST_P(Topics, GrowByPartitions) {
    PartitionIdentity first = world().make_topic("t", {.partitions = 2});
    world().produce(first, make_batch(first, {"a"}));
    rpc::CallResult grown = world().call(rpc::Method::add_partitions, add_partitions_request("t", 6, false));
    ASSERT_TRUE(grown.ok()) << said_by(grown);
    EXPECT_EQ(grown.as<wire::AddPartitionsResponse>().partitions(), 6);
    for (int32_t index = 2; index < 6; ++index) {
        PartitionIdentity added{first.topic, PartitionIndex(index)};
        EXPECT_TRUE(world().produce(added, make_batch(added, {"b"})).said.ok());
    }
    EXPECT_EQ(world().read_all(first), numbered({"a"}));
    for (int32_t count : {6, 5, 0, -1, 20'000}) {
        Said said = said_by(world().call(rpc::Method::add_partitions, add_partitions_request("t", count, false)));
        EXPECT_EQ(said.code, ErrorCode::invalid_partitions) << count;
        EXPECT_EQ(said.outcome, Outcome::not_written);
    }
    EXPECT_EQ(said_by(world().call(rpc::Method::add_partitions, add_partitions_request("no", 3, false))).code,
              ErrorCode::unknown_topic_or_partition);
}

TEST_P(Topics, TakeAlteredSettingsAtOnce) {
    PartitionIdentity partition = world().make_topic("t", {.partitions = 3});
    Text large = make_batch(partition, {std::string(3000, 'x')});
    EXPECT_TRUE(world().produce(partition, large).said.ok());
    EXPECT_TRUE(world().alter_topic("t", {{"max.message.bytes", "2KiB"}, {"acks.default", "leader"}}).ok());
    EXPECT_EQ(world().produce(partition, large).said.code, ErrorCode::message_too_large);
    EXPECT_EQ(world().produce(partition, make_batch(partition, {"a"}), AckLevel::topic_default).level, AckLevel::leader);
    EXPECT_TRUE(world().alter_topic("t", {}, {"max.message.bytes"}).ok());
    EXPECT_TRUE(world().produce(partition, large).said.ok());
}

TEST_P(Topics, RefuseSettingsThatNobodyKnows) {
    world().make_topic("t");
    for (bool reset : {false, true}) {
        Said said = reset ? world().alter_topic("t", {}, {"retention.m"}) : world().alter_topic("t", {{"retention.m", "1"}});
        EXPECT_EQ(said.code, ErrorCode::invalid_config);
        EXPECT_TRUE(said.mentions("'retention.ms'")) << said;
        EXPECT_EQ(said.outcome, Outcome::not_written);
    }
    EXPECT_EQ(world().alter_topic("missing", {{"retention.ms", "1"}}).code, ErrorCode::unknown_topic_or_partition);
}

TEST_P(Topics, AreDescribedWithTheStateOfTheirPartitions) {
    PartitionIdentity partition = world().make_topic("t", {.partitions = 2});
    world().produce(partition, make_batch(partition, {"a", "b"}));
    world().delete_before(partition, 1);
    rpc::CallResult result = world().call(rpc::Method::describe_topic, describe_topic_request("t"));
    const wire::PartitionDescription& used = *result.as<wire::DescribeTopicResponse>().partitions()->Get(0);
    EXPECT_EQ(used.state()->str(), "online");
    EXPECT_EQ(used.log_start(), 1);
    EXPECT_EQ(used.durable_watermark(), 2);
    EXPECT_EQ(used.high_watermark(), 2);
    EXPECT_EQ(used.log_end(), 2);
    EXPECT_GT(used.bytes(), 0);
    EXPECT_EQ(used.segments(), 1);
    EXPECT_EQ(used.leader(), 1);
    const wire::PartitionDescription& idle = *result.as<wire::DescribeTopicResponse>().partitions()->Get(1);
    EXPECT_EQ(idle.bytes(), 0);
    EXPECT_EQ(idle.segments(), 0);
    EXPECT_EQ(world().call(rpc::Method::describe_topic, describe_topic_request("no")).error.code,
              ErrorCode::unknown_topic_or_partition);
}

TEST_P(Topics, OptionsAreAllListed) {
    rpc::CallResult result = world().call(rpc::Method::topic_options, topic_options_request());
    std::set<std::string> keys;
    for (const wire::TopicOption* option : *result.as<wire::TopicOptionsResponse>().options()) {
        keys.insert(option->key()->str());
        EXPECT_FALSE(option->description()->str().empty());
        EXPECT_FALSE(option->range()->str().empty());
        EXPECT_FALSE(option->type()->str().empty());
    }
    EXPECT_EQ(keys.size(), topic_setting_table().size());
}

TEST_P(Topics, ThousandsOfThemStartAndTouchNoDisk) {
    for (int count = 0; count < 30; ++count) {
        ASSERT_TRUE(world().create_topic("t" + std::to_string(count), {.partitions = 100}).ok());
    }
    size_t files = world().server.disk().files().size();
    EXPECT_LT(files, 20u);
    world().stop();
    Instant begun = world().simulation.now();
    world().start();
    EXPECT_LT(world().simulation.now() - begun, 2s);
    EXPECT_EQ(world().broker->partition_count(), 3000u);
    EXPECT_EQ(world().server.disk().files().size(), files);
}

// A client must be able to learn of everything that may be made.
TEST(TopicsLarge, AllOfThemFitAnAnswer) {
    BrokerWorld world;
    for (int count = 0; count < 10; ++count) {
        ASSERT_TRUE(world.create_topic("t" + std::to_string(count), {.partitions = 10'000}).ok());
    }
    rpc::CallResult result = world.call(rpc::Method::metadata, metadata_request({}, {}, false));
    ASSERT_TRUE(result.ok()) << said_by(result);
    EXPECT_EQ(result.as<wire::MetadataResponse>().topics()->size(), 10u);
    EXPECT_TRUE(world.call(rpc::Method::describe_topic, describe_topic_request("t7")).ok());
    EXPECT_EQ(world.create_topic("one-more").code, ErrorCode::invalid_partitions);
}

}  // namespace
}  // namespace ironbark::broker
