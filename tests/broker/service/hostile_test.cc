// Requests that are well-formed frames and make no sense: of every kind, empty or altered. Whoever sends them gets an
// answer or loses the connection; the broker and everything else go on.

#include "runtime/rpc/method.h"
#include "tests/broker/service/service_fixture.h"

namespace ironbark::broker {
namespace {

SERVICE_TESTS(Hostile);

constexpr int alterations = 40;  // of each kind of request

// A message without any field.
rpc::Metadata empty_message() {
    flatbuffers::FlatBufferBuilder builder;
    flatbuffers::uoffset_t begin = builder.StartTable();
    flatbuffers::Offset<wire::MetadataRequest> table(builder.EndTable(begin));
    return rpc::finish(builder, table);
}

rpc::Metadata from_bytes(const Text& from) {
    auto* bytes = new uint8_t[from.size()];
    std::copy(from.begin(), from.end(), bytes);
    return {nullptr, false, bytes, from.size(), bytes, from.size()};
}

template <typename Create>
rpc::Metadata built(Create create) {
    flatbuffers::FlatBufferBuilder builder;
    return rpc::finish(builder, create(builder));
}

// What a client may ask for.
std::vector<rpc::MethodLimits> kinds() {
    std::vector<rpc::MethodLimits> list;
    for (const rpc::MethodLimits& kind : rpc::all_methods()) {
        if (kind.audience == rpc::Audience::clients) list.push_back(kind);
    }
    return list;
}

struct Sample {
    rpc::Method method;
    rpc::Metadata metadata;
    Text payload{};
};

// One good request of every kind, about this topic.
std::vector<Sample> samples(const std::string& topic, const PartitionIdentity& partition) {
    Text frames = make_batch(partition, {"a"});
    std::vector<Sample> list;
    list.push_back({rpc::Method::metadata, metadata_request({topic}, {partition.topic}, false)});
    list.push_back({rpc::Method::create_topic, create_request(topic, {.settings = {{"retention.ms", "1h"}}})});
    list.push_back({rpc::Method::delete_topic, delete_topic_request(topic, partition.topic)});
    list.push_back({rpc::Method::alter_topic, alter_request(topic, {{"retention.ms", "1h"}}, {"min.acks"}, false)});
    list.push_back({rpc::Method::add_partitions, add_partitions_request(topic, 3, false)});
    list.push_back({rpc::Method::describe_topic, describe_topic_request(topic)});
    list.push_back({rpc::Method::topic_options, topic_options_request()});
    list.push_back({rpc::Method::produce, produce_request({{partition, frames}}, AckLevel::leader, 1000), frames});
    list.push_back({rpc::Method::fetch, fetch_request({{partition, 0}}, {.wait_ms = 10})});
    list.push_back({rpc::Method::list_offsets, list_request({{partition}}, Visibility::durable)});
    list.push_back({rpc::Method::delete_records, delete_request({{partition, 0}})});
    list.push_back({rpc::Method::allocate_producer_id, producer_id_request(1, 2)});
    list.push_back({rpc::Method::describe_node, describe_node_request()});
    list.push_back({rpc::Method::describe_cluster,
                    built([](auto& builder) { return wire::CreateDescribeClusterRequest(builder); })});
    list.push_back({rpc::Method::cluster_events,
                    built([](auto& builder) { return wire::CreateClusterEventsRequest(builder, 3, 10); })});
    list.push_back({rpc::Method::replace_voter,
                    built([](auto& builder) { return wire::CreateReplaceVoterRequest(builder, 2, 10); })});
    list.push_back({rpc::Method::move_leaders, move_request(partition, 1, 10)});
    list.push_back({rpc::Method::move_replicas, move_replicas_request(partition, {1}, 10)});
    list.push_back({rpc::Method::elect_leader, elect_request(partition, true, false)});
    list.push_back({rpc::Method::set_failover,
                    built([](auto& builder) { return wire::CreateSetFailoverRequest(builder, true, 10); })});
    return list;
}

TEST_P(Hostile, EveryKindIsAmongTheSamples) {
    PartitionIdentity partition = world().make_topic("t");
    EXPECT_EQ(samples("t", partition).size() + 1, kinds().size()) << "all but the handshake";
}

TEST_P(Hostile, MessagesWithoutAnyFieldAreAnswered) {
    PartitionIdentity kept = world().make_topic("kept");
    world().produce(kept, make_batch(kept, {"a"}));
    for (const rpc::MethodLimits& kind : kinds()) {
        if (kind.method == rpc::Method::handshake) continue;
        rpc::CallResult result = world().call(kind.method, empty_message());
        const bool is_answered = result.ok() || result.error.code != ErrorCode::timed_out;
        EXPECT_TRUE(is_answered && result.delivery != rpc::Delivery::never_sent) << kind.name;
    }
    EXPECT_EQ(world().read_all(kept), numbered({"a"}));
}

TEST_P(Hostile, AlteredMessagesHarmNobodyElse) {
    PartitionIdentity kept = world().make_topic("kept");
    world().produce(kept, make_batch(kept, {"a", "b"}));
    simulation::RandomStream random = world().simulation.stream("alterations");
    for (int round = 0; round < alterations; ++round) {
        world().simulation.run_for(5s);  // until the connections that were refused are gone
        world().create_topic("victim");
        PartitionIdentity victim = world().partition("victim", 0);
        for (Sample& sample : samples("victim", victim)) {
            Text bytes(sample.metadata.data(), sample.metadata.data() + sample.metadata.size());
            for (uint64_t changes = random.between(1, 4); changes > 0; --changes) {
                uint8_t extremes[] = {0, 1, 0x7f, 0x80, 0xff, static_cast<uint8_t>(random.next())};
                bytes[random.below(bytes.size())] = extremes[random.below(std::size(extremes))];
            }
            world().call(sample.method, from_bytes(bytes), sample.payload, 5s);
        }
    }
    world().simulation.run_for(5s);
    EXPECT_EQ(world().read_all(kept), numbered({"a", "b"}));
    const Said said = world().produce(kept, make_batch(kept, {"c"})).said;
    EXPECT_TRUE(said.ok()) << said;
    world().kill();
    world().start();
    EXPECT_EQ(world().read_all(kept), numbered({"a", "b", "c"}));
}

TEST_P(Hostile, AbsurdTopicsAreRefusedWithAReason) {
    const std::vector<TopicShape> shapes{
        {.partitions = 0},
        {.partitions = -7},
        {.partitions = 10'001},
        {.partitions = INT32_MAX},
        {.replicas = 0},
        {.replicas = 2},
        {.min_in_sync = 2},
        {.settings = {{"segment.bytes", "1"}}},
        {.settings = {{"segment.bytes", "9223372036854775808"}}},
        {.settings = {{"segment.bytes", "-1"}}},
        {.settings = {{"retention.ms", "-2"}}},
        {.settings = {{"retention.ms", "forever"}}},
        {.settings = {{"retention.bytes", "0x10"}}},
        {.settings = {{"flush.interval.ms", "0"}}},
        {.settings = {{"flush.bytes", "1"}}},
        {.settings = {{"max.message.bytes", "1GiB"}}},
        {.settings = {{"acks.default", "all"}}},
        {.settings = {{"min.acks", ""}}},
        {.settings = {{"", ""}}},
        {.settings = {{std::string(1000, 'k'), "1"}}},
    };
    for (const TopicShape& shape : shapes) {
        Said said = world().create_topic("absurd", shape);
        EXPECT_FALSE(said.ok()) << shape.partitions << (shape.settings.empty() ? "" : shape.settings[0].second);
        EXPECT_EQ(said.outcome, Outcome::not_written);
        EXPECT_FALSE(said.hint.empty());
    }
    EXPECT_TRUE(world().topic_id("absurd").is_zero());
    EXPECT_TRUE(world().create_topic("sensible").ok());
}

TEST_P(Hostile, EveryRequestAboutATopicThatIsNotThereSaysSo) {
    const std::string name = "nowhere";
    const PartitionIdentity partition{Uuid::from_words(3, 4), PartitionIndex(0)};
    EXPECT_EQ(world().delete_topic(name).code, ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(world().alter_topic(name, {{"retention.ms", "1h"}}).code, ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(said_by(world().call(rpc::Method::add_partitions, add_partitions_request(name, 3, false))).code,
              ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(said_by(world().call(rpc::Method::describe_topic, describe_topic_request(name))).code,
              ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(world().produce(partition, make_batch(partition, {"a"})).said.code,
              ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(world().fetch(partition).said.code, ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(world().list(partition, OffsetPlace::start).said.code, ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(world().delete_before(partition, 0).said.code, ErrorCode::unknown_topic_or_partition);
}

}  // namespace
}  // namespace ironbark::broker
