// A daemon that is killed while clients write: what was acknowledged is there afterwards, once, in order, unchanged.

#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ironbark/admin.h"
#include "ironbark/consumer.h"
#include "ironbark/producer.h"
#include "tests/processes/daemon.h"
#include "tests/processes/temporary_directory.h"

namespace ironbark::processes {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int32_t partition_count = 3;
constexpr size_t kill_count = 4;
constexpr size_t records_between_kills = 4'000;
const std::string topic = "killed";

struct Flags {
    std::string name;
    std::vector<std::string> flags;
};

class Killed : public testing::TestWithParam<Flags> {
  protected:
    void SetUp() override {
        settings.bootstrap_servers = daemon.bootstrap();
        settings.acks = Acks::leader_durable;
        settings.delivery_timeout = 60s;
        settings.linger = 1ms;
        Admin admin = std::move(Admin::create(settings).value());
        TopicSpecification specification;
        specification.name = topic;
        specification.partitions = partition_count;
        specification.settings["segment.bytes"] = "256KiB";
        ASSERT_TRUE(admin.create_topic(specification).ok());
    }

    static std::string value_of(size_t index) { return std::to_string(index) + std::string(index % 200, 'v'); }

    // Sends records without a pause until told to stop; every one of them must be acknowledged in the end.
    void send_until_stopped() {
        Producer producer = std::move(Producer::create(settings).value());
        while (!stopped) {
            std::string value = value_of(sent);
            Record record{.topic = topic, .partition = static_cast<int32_t>(sent % partition_count), .value = value};
            Expected<void> accepted =
                producer.send(record, [this](const Expected<Receipt>& receipt) { resolved(receipt); });
            ASSERT_TRUE(accepted.ok()) << accepted.error().to_string();
            ++sent;
        }
        Expected<void> flushed = producer.flush(60s);
        ASSERT_TRUE(flushed.ok()) << flushed.error().to_string();
    }

    void resolved(const Expected<Receipt>& receipt) {
        if (receipt.ok()) ++acknowledged;
        if (receipt.ok()) return;
        std::lock_guard lock(mutex);
        if (failure.empty()) failure = receipt.error().to_string();
    }

    bool wait_for(size_t count) {
        const auto deadline = Clock::now() + 60s;
        while (acknowledged < count && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
        return acknowledged >= count;
    }

    // Reads everything there is: as many records as were sent, each where it belongs.
    void expect_all() {
        Consumer consumer = std::move(Consumer::create(settings).value());
        std::vector<Assignment> assignments;
        for (int32_t index = 0; index < partition_count; ++index) {
            assignments.push_back({{topic, index}, Start::beginning()});
        }
        ASSERT_TRUE(consumer.assign(assignments).ok());
        std::vector<size_t> next(partition_count);
        size_t read = 0;
        const auto deadline = Clock::now() + 60s;
        while (read < sent && Clock::now() < deadline) {
            Records records = std::move(consumer.poll(100ms).value());
            ASSERT_TRUE(records.gaps().empty());
            ASSERT_TRUE(records.errors().empty()) << records.errors().front().failure.to_string();
            for (const ConsumerRecord& record : records) {
                size_t& count = next[static_cast<size_t>(record.partition)];
                ASSERT_EQ(record.offset, static_cast<int64_t>(count));
                ASSERT_EQ(record.value, value_of(count * partition_count + static_cast<size_t>(record.partition)));
                ++count;
                ++read;
            }
        }
        EXPECT_EQ(read, sent);
        EXPECT_TRUE(std::move(consumer.poll(100ms).value()).empty()) << "duplicates";
    }

    // Runs beside the test, and is told to stop when the test ends in any way.
    class Sender {
      public:
        explicit Sender(Killed* test) : test_(test), thread_([test] { test->send_until_stopped(); }) {}
        ~Sender() { stop(); }
        void stop() {
            test_->stopped = true;
            if (thread_.joinable()) thread_.join();
        }

      private:
        Killed* test_;
        std::thread thread_;
    };

    TemporaryDirectory directory;
    Daemon daemon{{.data_directory = directory / "data", .flags = GetParam().flags}};
    Settings settings;
    std::atomic<bool> stopped = false;
    std::atomic<size_t> sent = 0;
    std::atomic<size_t> acknowledged = 0;
    std::mutex mutex;
    std::string failure;  // the first; under mutex
};

TEST_P(Killed, LosesNothingThatWasAcknowledged) {
    Sender sender(this);
    for (size_t kill = 0; kill < kill_count; ++kill) {
        EXPECT_TRUE(wait_for(acknowledged.load() + records_between_kills));
        daemon.kill();
        daemon.start();
    }
    EXPECT_TRUE(wait_for(acknowledged.load() + records_between_kills));
    sender.stop();
    EXPECT_EQ(failure, "");
    EXPECT_EQ(acknowledged, sent);
    expect_all();
}

TEST_P(Killed, LosesNothingWhenItIsToldToStop) {
    Sender sender(this);
    EXPECT_TRUE(wait_for(records_between_kills));
    EXPECT_EQ(daemon.stop(), 0);
    daemon.start();
    EXPECT_NE(daemon.said().find("after a clean stop"), std::string::npos) << daemon.said();
    EXPECT_TRUE(wait_for(acknowledged.load() + records_between_kills));
    sender.stop();
    EXPECT_EQ(failure, "");
    expect_all();
}

INSTANTIATE_TEST_SUITE_P(Worlds,
                         Killed,
                         testing::Values(Flags{"Uring", {"--io", "io_uring"}},
                                         Flags{"Posix", {"--io", "posix"}},
                                         Flags{"UringTwoShards", {"--io", "io_uring", "--shards", "2"}},
                                         Flags{"PosixThreeShards", {"--io", "posix", "--shards", "3"}}),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace ironbark::processes
