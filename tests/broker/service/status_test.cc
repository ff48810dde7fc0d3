// What the metrics port says: /metrics, its names and numbers, /healthz; and what it does with other requests.

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "runtime/rpc/method.h"
#include "tests/broker/service/service_fixture.h"

namespace ironbark::broker {
namespace {

SERVICE_TESTS(Status);

std::string body_of(const std::string& answer) {
    return answer.substr(std::min(answer.size(), answer.find("\r\n\r\n") + 4));
}

// "name{label,label} type" of every family.
std::set<std::string> families_of(const std::string& text) {
    std::map<std::string, std::string> types;
    std::map<std::string, std::string> labels;
    std::istringstream lines(text);
    const std::regex sample("([a-z_]+)(\\{(.*)\\})? .*");
    const std::regex label("([a-z]+)=\"[^\"]*\"");
    for (std::string line; std::getline(lines, line);) {
        std::smatch match;
        if (line.starts_with("# TYPE ")) {
            std::istringstream words(line.substr(7));
            std::string name;
            words >> name >> types[name];
        } else if (std::regex_match(line, match, sample) && !types.empty()) {
            std::string name = match[1];
            std::string in_braces = match[3];
            std::string names;
            for (std::sregex_iterator each(in_braces.begin(), in_braces.end(), label), end; each != end; ++each) {
                if ((*each)[1] != "le") names += (names.empty() ? "" : ",") + std::string((*each)[1]);
            }
            for (const char* suffix : {"_bucket", "_sum", "_count"}) {
                std::string family = name.ends_with(suffix) ? name.substr(0, name.rfind('_')) : name;
                if (types.contains(family)) name = family;
            }
            if (!names.empty()) labels[name] = "{" + names + "}";
        }
    }
    std::set<std::string> families;
    for (const auto& [name, type] : types) families.insert(name + labels[name] + " " + type);
    return families;
}

std::set<std::string> documented() {
    std::ifstream file(IRONBARK_METRICS_PAGE);
    EXPECT_TRUE(file.good()) << IRONBARK_METRICS_PAGE;
    std::set<std::string> names;
    const std::regex row("\\| `(ironbark_[^`]+)` \\| ([a-z]+) \\| .+ \\|");
    for (std::string line; std::getline(file, line);) {
        std::smatch match;
        if (std::regex_match(line, match, row)) names.insert(std::string(match[1]) + " " + std::string(match[2]));
    }
    return names;
}

// Every family is there from the start; those of a histogram by label once something was observed.
std::string everything(BrokerWorld& world) {
    PartitionIdentity partition = world.make_topic("t");
    world.produce(partition, make_batch(partition, {"a"}));
    BrokerFacts facts = world.broker->facts();
    facts.io_world = "io_uring";
    ShardStatus status = world.server.run(look_at_shard(facts.shards.front()));
    for (Shard* shard : facts.shards) {
        if (shard->metrics().records_in > 0) status = world.server.run(look_at_shard(shard), 1s, shard->index());
    }
    ControlStatus control;
    control.is_voter = true;
    return metrics_text(facts, status, control, 0);
}

TEST_P(Status, EveryMetricIsDocumentedAndEveryDocumentedMetricIsThere) {
    std::set<std::string> given = families_of(everything(world()));
    std::set<std::string> written = documented();
    EXPECT_GT(given.size(), 40u);
    for (const std::string& name : given) EXPECT_TRUE(written.contains(name)) << name << " is not in docs/METRICS.md";
    for (const std::string& name : written) EXPECT_TRUE(given.contains(name)) << name << " exists on paper only";
}

// Numbers of methods have gaps, and daemons ask each other for things that this port knows nothing of.
TEST_P(Status, EveryKindOfRequestThatClientsHaveIsCountedAndNoOther) {
    const std::string text = world().get("/metrics");
    for (const rpc::MethodLimits& row : rpc::all_methods()) {
        const std::string line = std::string("ironbark_request_errors_total{kind=\"") + row.name + "\"}";
        EXPECT_EQ(text.find(line) != std::string::npos, row.audience == rpc::Audience::clients) << row.name;
    }
    EXPECT_EQ(text.find("kind=\"\""), std::string::npos);
}

TEST_P(Status, TheRingHasMetricsOnlyWhereThereIsOne) {
    EXPECT_EQ(world().get("/metrics").find("ironbark_uring"), std::string::npos);
}

TEST_P(Status, MetricsCountWhatWasDone) {
    PartitionIdentity partition = world().make_topic("t", {.partitions = 2});
    Text batch = make_batch(partition, 7, 0, {"a", "b", "c"});
    world().produce(partition, batch, AckLevel::leader_durable);
    world().produce(partition, batch, AckLevel::leader_durable);  // again
    world().produce(partition, make_batch(partition, {"d"}), AckLevel::leader);
    Text bad = make_batch(partition, {"e"});
    bad.back() ^= 1;
    world().produce(partition, bad);
    world().read_all(partition);
    std::string text = body_of(world().get("/metrics"));
    for (const char* line : {
             "ironbark_records_in_total 4\n",
             "ironbark_batches_refused_total 1\n",
             "ironbark_batches_duplicate_total 1\n",
             "ironbark_produce_seconds_count{level=\"leader_durable\"} 2\n",
             "ironbark_produce_seconds_count{level=\"leader\"} 1\n",
             "ironbark_request_seconds_count{kind=\"create_topic\"} 1\n",
             "ironbark_request_errors_total{kind=\"fetch\"} 0\n",
             "ironbark_partitions 2\n",
             "ironbark_partitions_failed 0\n",
             "ironbark_disk_full 0\n",
             "ironbark_connections_refused_total{reason=\"http\"} 0\n",
             "ironbark_info{version=",
             "io=\"simulated\"} 1\n",
         }) {
        EXPECT_NE(text.find(line), std::string::npos) << line << "in\n" << text;
    }
    EXPECT_NE(text.find("ironbark_memory_used_bytes{pool=\"requests\"}"), std::string::npos);
    EXPECT_NE(text.find("ironbark_memory_limit_bytes{pool=\"tail\"} " + std::to_string(GetParam() << 20) + "\n"),
              std::string::npos)
        << text;
}

TEST_P(Status, BucketsGrowUpToTheirCount) {
    PartitionIdentity partition = world().make_topic("t");
    for (int count = 0; count < 20; ++count) world().produce(partition, make_batch(partition, {"a"}));
    std::istringstream lines(world().get("/metrics"));
    const std::string prefix = "ironbark_produce_seconds_bucket{level=\"leader_durable\",le=\"";
    std::vector<uint64_t> counts;
    std::string last;
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with(prefix)) continue;
        last = line.substr(prefix.size(), line.find('"', prefix.size()) - prefix.size());
        counts.push_back(std::stoull(line.substr(line.rfind(' ') + 1)));
    }
    ASSERT_EQ(counts.size(), DurationHistogram::bucket_count);
    EXPECT_TRUE(std::is_sorted(counts.begin(), counts.end()));
    EXPECT_EQ(counts.front(), 0u) << "nothing is that fast";
    EXPECT_EQ(counts.back(), 20u);
    EXPECT_EQ(last, "+Inf");
}

TEST_P(Status, OfAWellBrokerIsOk) {
    std::string answer = world().get("/healthz");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
    EXPECT_EQ(body_of(answer), "ok\n");
    EXPECT_NE(answer.find("Content-Length: 3\r\n"), std::string::npos);
}

TEST_P(Status, OtherRequestsAreToldWhatThereIs) {
    EXPECT_TRUE(world().get("/").starts_with("HTTP/1.1 404"));
    EXPECT_EQ(body_of(world().get("/metric")), "there are /metrics and /healthz\n");
    EXPECT_TRUE(world().get("/metrics?format=x").starts_with("HTTP/1.1 200 OK"));
    std::string posted = world().exchange(metrics_port, "POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    EXPECT_TRUE(posted.starts_with("HTTP/1.1 405")) << posted;
}

TEST_P(Status, GarbageEndsItsConnectionAndNothingElse) {
    Instant begun = world().simulation.now();
    for (const std::string& bytes : {std::string("\x16\x03\x01\x02\x00"), std::string(100'000, 'x'),
                                     std::string("GET "), std::string(10, '\0'), std::string("\r\n\r\n")}) {
        std::string answer = world().exchange(metrics_port, bytes, 60s);
        EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 4")) << answer;
    }
    EXPECT_LT(world().simulation.now() - begun, 60s) << "who is slow is not waited for";
    EXPECT_TRUE(world().get("/healthz").starts_with("HTTP/1.1 200 OK"));
}

Task<void> connect_and_say_nothing(World* world, std::vector<std::unique_ptr<Socket>>* sockets) {
    Address address{"server", metrics_port};
    Result<std::unique_ptr<Socket>> socket = co_await world->network.connect(address, world->executor.now() + 10s);
    if (socket.ok()) sockets->push_back(std::move(socket).value());
}

TEST_P(Status, ThoseWhoSayNothingDoNotKeepOthersOut) {
    std::vector<std::unique_ptr<Socket>> silent;
    for (int count = 0; count < 40; ++count) {
        world().client.run(connect_and_say_nothing(&world().client.world(), &silent));
    }
    EXPECT_EQ(silent.size(), 40u);
    EXPECT_TRUE(world().get("/healthz").starts_with("HTTP/1.1 200 OK"));
    for (const auto& socket : silent) socket->close();
}

TEST_P(Status, TheNodeIsDescribedAsItIs) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    world().produce(partition, make_batch(partition, {std::string(5000, 'x')}), AckLevel::leader);
    rpc::CallResult result = world().call(rpc::Method::describe_node, describe_node_request());
    const auto& node = result.as<wire::DescribeNodeResponse>();
    EXPECT_EQ(node.broker_id(), 1);
    EXPECT_EQ(node.incarnation(), 1);
    EXPECT_EQ(node.io_world()->str(), "simulated");
    EXPECT_EQ(node.io_reason()->str(), "a test");
    EXPECT_EQ(node.shards(), static_cast<int32_t>(GetParam()));
    EXPECT_EQ(node.partitions(), 1);
    EXPECT_GE(node.unsynced_bytes(), 5000u);
    ASSERT_EQ(node.directories()->size(), 1u);
    const wire::DataDirectory& directory = *node.directories()->Get(0);
    EXPECT_EQ(directory.path()->str(), "/data");
    EXPECT_EQ(directory.state()->str(), "online");
    EXPECT_TRUE(directory.direct_io());
    EXPECT_GT(directory.free_bytes(), 0u);
    EXPECT_GE(directory.total_bytes(), directory.free_bytes());
}

TEST_P(Status, AFileSystemWithoutDirectIoIsSaidToBeOne) {
    options.disk.direct_io = false;
    PartitionIdentity partition = world().make_topic("t");
    EXPECT_TRUE(world().produce(partition, make_batch(partition, {"a"})).said.ok());
    rpc::CallResult result = world().call(rpc::Method::describe_node, describe_node_request());
    EXPECT_FALSE(result.as<wire::DescribeNodeResponse>().directories()->Get(0)->direct_io());
    world().lose_power();
    world().start();
    EXPECT_EQ(world().read_all(partition), numbered({"a"}));
}

}  // namespace
}  // namespace ironbark::broker
