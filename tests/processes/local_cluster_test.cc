// A local cluster as a person makes one: three real daemons, one of which is killed and comes back.

#include <chrono>
#include <fstream>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sstream>
#include <thread>
#include <unistd.h>

#include "tests/processes/temporary_directory.h"
#include "tests/processes/tool.h"

namespace ironbark::processes {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;
using std::string_literals::operator""s;

// Below the ports that the kernel gives away, and others than those of another run of this test.
std::string port_base() {
    return std::to_string(10'000 + getpid() % 300 * 60);
}

std::string bootstrap_of(int port) {
    return "127.0.0.1:" + std::to_string(port) + ",127.0.0.1:" + std::to_string(port + 10) +
           ",127.0.0.1:" + std::to_string(port + 20);
}

// One that has ended and that nobody has waited for yet does not run any more.
bool is_running(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string stat;
    std::getline(file, stat);
    const size_t name_end = stat.rfind(')');
    return name_end != std::string::npos && stat.size() > name_end + 2 && stat[name_end + 2] != 'Z';
}

class LocalCluster : public testing::Test {
  protected:
    ~LocalCluster() override { tool.run({"cluster", "stop", "--dir", directory.path(), "--timeout", "5s"}); }

    Json start(std::vector<std::string> more = {}) {
        std::vector<std::string> arguments = {"cluster", "start", "--dir", directory.path()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return tool.json(arguments);
    }
    Json start_three() { return start({"--nodes", "3", "--port-base", base}); }

    // Looks again until it is so: what brokers know of each other takes its time.
    static bool comes_true(const std::function<bool()>& holds) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!holds()) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        return true;
    }
    size_t alive() const {
        const Json brokers = tool.json({"broker", "list"});
        size_t count = 0;
        if (!brokers.is_array()) return 0;  // nobody answers yet
        for (const Json& broker : brokers) count += broker.value("alive", false) ? 1 : 0;
        return count;
    }
    // A node that is not the active controller; 0 while nobody is.
    int bystander() const {
        const Json status = tool.json({"controller", "status"});
        const int active = status.value("active", -1);
        return active < 0 ? 0 : active % 3 + 1;
    }

    TemporaryDirectory directory;
    std::string base = port_base();
    Tool tool{bootstrap_of(std::stoi(base))};
};

TEST_F(LocalCluster, GoesOnWithoutTheNodeThatIsKilledAndTakesItBack) {
    const Json started = start_three();
    ASSERT_EQ(started.value("bootstrap", ""s), tool.bootstrap()) << started;
    ASSERT_EQ(started["nodes"].size(), 3u);
    ASSERT_TRUE(comes_true([&] { return alive() == 3 && bystander() != 0; })) << tool.run({"broker", "list"}).output;
    EXPECT_EQ(tool.run({"controller", "status"}).exit_code, 0);

    const int node = bystander();
    const auto index = static_cast<size_t>(node - 1);
    ASSERT_EQ(tool.run({"topic", "create", "kept", "--replicas", "3", "--min-in-sync", "2"}).exit_code, 0);
    ASSERT_EQ(tool.run({"topic", "create", "strict", "--replicas", "3", "--min-in-sync", "3"}).exit_code, 0);
    EXPECT_THAT(tool.run({"topic", "describe", "strict"}).output, HasSubstr("min-in-sync 3"));
    Conversation follower(tool.of({"cluster", "events", "--follow", "--json"}));
    ASSERT_TRUE(follower.hears("broker_registered"));
    ASSERT_EQ(::kill(started["nodes"][index]["pid"].get<pid_t>(), SIGKILL), 0);
    ASSERT_TRUE(comes_true([&] { return alive() == 2; })) << tool.run({"broker", "list"}).output;
    EXPECT_THAT(tool.run({"broker", "list"}).output, HasSubstr("GONE"));
    const Finished status = tool.run({"cluster", "status"});
    EXPECT_EQ(status.exit_code, 1);
    EXPECT_THAT(status.output, HasSubstr("NOT HEALTHY"));
    EXPECT_THAT(status.output, HasSubstr("  broker " + std::to_string(node) + " is gone since 20"));
    EXPECT_EQ(tool.json({"cluster", "status"}, "", 1)["healthy"], false);
    const std::string below =
        "topic strict: 1 partition below its min-in-sync of 3: records at the isr levels are refused";
    EXPECT_TRUE(comes_true([&] { return tool.run({"cluster", "status"}).output.find(below) != std::string::npos; }))
        << tool.run({"cluster", "status"}).output;
    EXPECT_THAT(tool.run({"cluster", "status"}).output, Not(HasSubstr("topic kept")));
    // A move that needs the one that is gone says so, and does not wait for ever.
    const std::string waits = "waits for broker " + std::to_string(node) + ", which is not alive";
    const std::string to = std::to_string(node % 3 + 1) + "," + std::to_string(node);
    const Finished move = tool.run({"replica", "move", "kept/0", "--to", to, "--wait", "--timeout", "2s"});
    EXPECT_EQ(move.exit_code, 1);
    EXPECT_THAT(move.errors, HasSubstr("not moved after 2.0 s: kept/0: " + waits));
    EXPECT_THAT(tool.run({"replica", "status"}).output, HasSubstr(waits));
    EXPECT_EQ(tool.run({"replica", "cancel", "kept/0"}).exit_code, 0);
    ASSERT_TRUE(follower.hears("broker_ended"));
    EXPECT_THAT(tool.run({"cluster", "events"}).output, HasSubstr("broker_ended"));

    const Json again = start();
    for (size_t each = 0; each < 3; ++each) {
        EXPECT_EQ(again["nodes"][each]["state"], each == index ? "started" : "running") << again;
    }
    EXPECT_NE(again["nodes"][index]["pid"], started["nodes"][index]["pid"]);
    EXPECT_TRUE(comes_true([&] { return alive() == 3; })) << tool.run({"broker", "list"}).output;
    follower.signal(SIGINT);
    const Finished followed = follower.finish();
    EXPECT_EQ(followed.exit_code, 0) << followed.errors;
    std::istringstream lines(followed.output);
    for (std::string line; std::getline(lines, line);) {
        EXPECT_TRUE(Json::parse(line, nullptr, false).contains("number")) << line;
    }
}

TEST_F(LocalCluster, IsStoppedWholeAndStartedAgain) {
    const Json started = start_three();
    ASSERT_EQ(started.value("bootstrap", ""s), tool.bootstrap()) << started;
    const Json stopped = tool.json({"cluster", "stop", "--dir", directory.path()});
    for (size_t each = 0; each < 3; ++each) {
        EXPECT_EQ(stopped["nodes"][each]["pid"], started["nodes"][each]["pid"]);
        EXPECT_EQ(stopped["nodes"][each]["state"], "stopped") << stopped;
        EXPECT_FALSE(is_running(started["nodes"][each]["pid"].get<pid_t>()));
    }
    const Json nothing = tool.json({"cluster", "stop", "--dir", directory.path()});
    EXPECT_EQ(nothing["nodes"][0]["state"], "not running");
    const Json again = start();
    EXPECT_EQ(again["nodes"].size(), 3u) << again;
    EXPECT_TRUE(comes_true([&] { return alive() == 3; })) << tool.run({"broker", "list"}).output;
}

// While a producer streams, first a follower goes and then the leader.
TEST_F(LocalCluster, ReplicasMoveUnderALoad) {
    start_three();
    ASSERT_TRUE(comes_true([&] { return alive() == 3 && bystander() != 0; })) << tool.run({"broker", "list"}).output;
    ASSERT_EQ(tool.run({"topic", "create", "t", "--replicas", "2", "--min-in-sync", "1"}).exit_code, 0);
    const Json before = tool.json({"topic", "describe", "t"})["partitions"][0]["replicas"];
    ASSERT_EQ(before.size(), 2u) << before;
    const int first = before[0].get<int>();
    const int second = before[1].get<int>();
    const int third = 6 - first - second;
    const auto list = [](int one, int other) { return std::to_string(one) + "," + std::to_string(other); };
    Conversation producer(tool.of({"produce", "t", "--acks", "isr_durable"}));
    size_t sent = 0;
    const auto send = [&] {
        for (const size_t end = sent + 20'000; sent < end; ++sent) producer.say(std::to_string(sent) + "\n");
    };
    send();
    const Finished refused = tool.run({"replica", "move", "t/0", "--to", list(first, third), "--throttle", "fast"});
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_THAT(refused.errors, HasSubstr("--throttle is bytes a second, like 50MiB/s"));
    const Finished moved =
        tool.run({"replica", "move", "t/0", "--to", list(first, third), "--throttle", "20MiB/s", "--wait"});
    EXPECT_EQ(moved.exit_code, 0) << moved.errors;
    EXPECT_THAT(moved.output, HasSubstr("brokers " + list(first, third) + " keep it"));
    send();
    const Json again = tool.json({"replica", "move", "t/0", "--to", list(third, second), "--wait"});
    EXPECT_EQ(again.value("to", Json()), Json({third, second})) << again;
    send();
    const Finished produced = producer.finish();
    EXPECT_EQ(produced.exit_code, 0) << produced.errors;
    const Json now = tool.json({"topic", "describe", "t"})["partitions"][0];
    EXPECT_EQ(now["replicas"], Json({third, second}));
    EXPECT_EQ(tool.run({"replica", "status"}).output, "no replicas are being moved\n");
    const Finished read =
        tool.shell("diff <(ironbark consume t --format '%v\n' --offset start --exit-at-end) <(seq 0 " +
                   std::to_string(sent - 1) + ")");
    EXPECT_EQ(read.exit_code, 0) << read.output.substr(0, 500) << read.errors;
}

TEST_F(LocalCluster, OfOneNodeIsComplete) {
    const Json started = start({"--nodes", "1", "--port-base", base});
    ASSERT_EQ(started["nodes"].size(), 1u) << started;
    EXPECT_TRUE(comes_true([&] { return alive() == 1; }));
    EXPECT_EQ(tool.run({"topic", "create", "t"}).exit_code, 0);
}

TEST_F(LocalCluster, IsNotMadeWhereSomethingElseIs) {
    const std::string mine = directory / "mine";
    ASSERT_EQ(tool.shell("echo x > " + mine).exit_code, 0);
    Finished refused = tool.run({"cluster", "start", "--dir", directory.path()});
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_THAT(refused.errors, HasSubstr("is not empty"));
    EXPECT_EQ(tool.run({"cluster", "stop", "--dir", directory.path()}).exit_code, 1);
    EXPECT_EQ(tool.run({"cluster", "start", "--dir", directory.path(), "--nodes", "2"}).exit_code, 2);
}

TEST_F(LocalCluster, SaysWhatADaemonSaidThatEndsInsteadOfStarting) {
    const Json started = start({"--nodes", "1", "--port-base", base});
    ASSERT_EQ(started["nodes"].size(), 1u) << started;
    ASSERT_EQ(tool.run({"cluster", "stop", "--dir", directory.path()}).exit_code, 0);
    ASSERT_EQ(tool.shell("echo 'shrads = 1' >> " + directory.path() + "/node-1/ironbarkd.toml").exit_code, 0);
    Finished refused = tool.run({"cluster", "start", "--dir", directory.path()});
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_THAT(refused.errors, HasSubstr("node 1 ended instead of getting ready"));
    EXPECT_THAT(refused.errors, HasSubstr("shrads"));
    EXPECT_THAT(tool.run({"cluster", "stop", "--dir", directory.path()}).output, HasSubstr("was not running"));
}

}  // namespace
}  // namespace ironbark::processes
