// Real daemons whose active controller is killed again and again while somebody makes topics: what was acknowledged is
// there afterwards, and the next controller is active soon.
//
//     IRONBARK_CONTROLLER_KILLS=200 controller_kill_test     more kills than in the suite; prints how long each took

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <gtest/gtest.h>
#include <set>
#include <signal.h>
#include <thread>
#include <unistd.h>

#include "ironbark/admin.h"
#include "tests/processes/temporary_directory.h"
#include "tests/processes/tool.h"

namespace ironbark::processes {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

constexpr int kills_of_the_suite = 5;
constexpr auto patience = 60s;

int kill_count() {
    const char* text = std::getenv("IRONBARK_CONTROLLER_KILLS");
    return text == nullptr ? kills_of_the_suite : std::atoi(text);
}

int first_port() {
    return 28'000 + getpid() % 60 * 30;
}

std::string bootstrap_of(int port) {
    std::string text;
    for (int node = 0; node < 3; ++node)
        text += (node == 0 ? "" : ",") + ("127.0.0.1:" + std::to_string(port + 10 * node));
    return text;
}

class ControllerKills : public testing::Test {
  protected:
    ~ControllerKills() override { tool.run({"cluster", "stop", "--dir", directory.path(), "--timeout", "5s"}); }

    Json start(std::vector<std::string> more) {
        std::vector<std::string> arguments = {"cluster", "start", "--dir", directory.path()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return tool.json(arguments);
    }
    Admin make_admin() {
        Settings settings;
        settings.bootstrap_servers = tool.bootstrap();
        return std::move(Admin::create(settings).value());
    }
    // The active controller, another one than `before` and in a later term; -1: nobody for a long time.
    static int32_t wait_for_active(Admin& admin, uint64_t* term) {
        const auto deadline = Clock::now() + patience;
        while (Clock::now() < deadline) {
            Expected<ClusterInfo> cluster = admin.describe_cluster(1s);
            if (cluster.ok() && cluster->controller >= 0 && cluster->term > *term) {
                *term = cluster->term;
                return cluster->controller;
            }
            std::this_thread::sleep_for(2ms);
        }
        return -1;
    }

    // Makes topics without a pause until told to stop. Only what is acknowledged counts.
    void make_topics() {
        Admin admin = make_admin();
        for (int number = 0; !is_stopped; ++number) {
            TopicSpecification topic;
            topic.name = "t" + std::to_string(number);
            Expected<CreatedTopic> made = admin.create_topic(topic, 10s);
            if (made.ok()) {
                acknowledged.insert(topic.name);
            } else {
                ++refused;
            }
        }
    }

    TemporaryDirectory directory;
    int port = first_port();
    Tool tool{bootstrap_of(port)};
    std::atomic<bool> is_stopped{false};
    std::set<std::string> acknowledged;  // of the thread that makes topics, until it has ended
    int refused = 0;
};

TEST_F(ControllerKills, LoseNothingThatWasAcknowledged) {
    Json nodes = start({"--nodes", "3", "--port-base", std::to_string(port)})["nodes"];
    ASSERT_EQ(nodes.size(), 3u) << nodes;
    Admin admin = make_admin();
    uint64_t term = 0;
    int32_t active = wait_for_active(admin, &term);
    ASSERT_GE(active, 0);
    std::thread maker([this] { make_topics(); });
    std::vector<int64_t> outages_ms;
    for (int kill = 0; kill < kill_count() && active >= 0; ++kill) {
        std::this_thread::sleep_for(100ms);
        const auto index = static_cast<size_t>(active - 1);
        const auto killed_at = Clock::now();
        EXPECT_EQ(::kill(nodes[index]["pid"].get<pid_t>(), SIGKILL), 0);
        const int32_t killed = active;
        active = wait_for_active(admin, &term);
        outages_ms.push_back((Clock::now() - killed_at) / 1ms);
        const Json again = start({"--node", std::to_string(killed)});
        EXPECT_TRUE(again.contains("nodes")) << again;
        if (!again.contains("nodes")) break;
        nodes[index] = again["nodes"][0];
    }
    is_stopped = true;
    maker.join();
    ASSERT_GE(active, 0) << "nobody is active after " << outages_ms.size() << " kills";
    std::sort(outages_ms.begin(), outages_ms.end());
    std::printf("%zu kills: active again after %lld ms (median), %lld ms (worst); %zu topics acknowledged, %d not\n",
                outages_ms.size(), static_cast<long long>(outages_ms[outages_ms.size() / 2]),
                static_cast<long long>(outages_ms.back()), acknowledged.size(), refused);
    EXPECT_GT(acknowledged.size(), outages_ms.size());
    Expected<std::vector<TopicSummary>> topics = admin.list_topics();
    ASSERT_TRUE(topics.ok()) << topics.error().to_string();
    for (const TopicSummary& topic : *topics) acknowledged.erase(topic.name);
    EXPECT_TRUE(acknowledged.empty()) << acknowledged.size() << " are lost, the first is " << *acknowledged.begin();
}

}  // namespace
}  // namespace ironbark::processes
