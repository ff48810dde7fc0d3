// The story of `tools/quickstart`: real lines go into a cluster of three whose leader is killed in the middle, and all
// of them come back.
//
//     ironbark-quickstart --daemon PATH --dir DIR [--input FILE] [--records-min N]
//
// It proves what it prints: after the last acknowledgement everything is read again and compared with what was sent,
// record by record. Exit code 0 only if every record was acknowledged and is there exactly once, in order, unaltered.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fmt/format.h>
#include <ironbark/admin.h>
#include <ironbark/consumer.h>
#include <ironbark/producer.h>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tools/story/input.h"
#include "tools/story/node.h"

namespace {

using namespace ironbark;
using namespace ironbark::story;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr const char* topic = "quickstart";
constexpr int32_t partition_count = 3;
constexpr size_t input_bytes_max = size_t{64} << 20;

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

template <typename T>
T must(Expected<T> result, const char* what) {
    if (!result) throw std::runtime_error(fmt::format("{}: {}", what, result.error().to_string()));
    if constexpr (!std::is_void_v<T>) return std::move(result).value();
}

// What became of the records: filled in by the producer's callbacks.
struct Progress {
    std::atomic<size_t> acknowledged{0};
    std::atomic<size_t> failed{0};
    std::mutex mutex;
    std::string first_failure;        // under mutex
    std::vector<uint32_t> latencies;  // microseconds; under mutex
    // Of each partition, the newest leader epoch in which a record was acknowledged.
    std::array<std::atomic<int32_t>, partition_count> epochs{-1, -1, -1};
};

void show(const Progress& progress, size_t total, double elapsed) {
    static const bool is_terminal = isatty(STDOUT_FILENO) != 0;
    if (!is_terminal) return;
    size_t done = progress.acknowledged;
    fmt::print("\r  {:>9} of {} acknowledged ({:3.0f} %), {:.1f} s ", done, total,
               100.0 * static_cast<double>(done) / static_cast<double>(total), elapsed);
    std::fflush(stdout);
}

void end_progress() {
    if (isatty(STDOUT_FILENO) != 0) fmt::print("\r{:70}\r", "");
}

class Story {
  public:
    Story(std::string daemon, std::string directory, Input input)
        : input_(std::move(input)), cluster_(daemon, directory) {}

    void begin() {
        cluster_.start();
        fmt::print("Three brokers run (pids {}, {}, {}), clients on {}.\n", cluster_.node(1).pid(),
                   cluster_.node(2).pid(), cluster_.node(3).pid(), cluster_.bootstrap());
        settings_.bootstrap_servers = cluster_.bootstrap();
        settings_.acks = Acks::isr_durable;
        settings_.delivery_timeout = 60s;
        TopicSpecification specification;
        specification.name = topic;
        specification.partitions = partition_count;
        specification.replicas = 3;
        specification.min_in_sync = 2;
        admin_.emplace(must(Admin::create(settings_), "the administrator"));
        wait_until("three brokers",
                   [this] { return must(admin_->describe_cluster(), "the brokers").brokers.size() == 3; });
        must(admin_->create_topic(specification), "creating the topic");
        fmt::print(
            "Sending {} records ({}{}) to {} partitions with 3 replicas,\n"
            "each acknowledged when every in-sync replica has synced it to its disk ...\n",
            input_.record_count(), input_.origin, input_.passes > 1 ? fmt::format(", {} passes", input_.passes) : "",
            partition_count);
    }

    void send_and_kill() {
        Producer producer = must(Producer::create(settings_), "the producer");
        const size_t total = input_.record_count();
        const auto begin = Clock::now();
        std::thread killer;
        for (size_t index = 0; index < total; ++index) {
            send(producer, index);
            if (index % 4096 == 0) show(progress_, total, seconds_since(begin));
            if (index == total / 2) killer = std::thread([this] { kill_leader(); });
        }
        Expected<void> flushed = producer.flush(120s);
        killer.join();
        elapsed_ = seconds_since(begin);
        end_progress();
        if (!trouble_.empty()) throw std::runtime_error(trouble_);
        must(std::move(flushed), "waiting for the last acknowledgements");
        must(producer.close(10s), "closing the producer");
        if (progress_.failed > 0) {
            throw std::runtime_error(fmt::format("{} records were not acknowledged, the first: {}",
                                                 progress_.failed.load(), progress_.first_failure));
        }
        fmt::print(
            "Killed broker {}, which led partition 0, with SIGKILL when {} records were acknowledged. Partition 0\n"
            "was written again after {:.0f} ms, led by broker {}. Broker {} came back, and was in sync everywhere "
            "{:.0f} ms\nafter its start.\n",
            killed_, acknowledged_at_kill_, failover_seconds_ * 1e3, leader_after_, killed_, back_seconds_ * 1e3);
    }

    // Reads everything and compares it with what was sent.
    void verify() {
        Consumer consumer = must(Consumer::create(settings_), "the consumer");
        std::vector<Assignment> assignments;
        for (int32_t partition = 0; partition < partition_count; ++partition) {
            assignments.push_back({{topic, partition}, Start::beginning()});
        }
        must(consumer.assign(std::move(assignments)), "assigning the partitions");
        const size_t total = input_.record_count();
        std::vector<size_t> next(partition_count);  // how many records of each partition have come
        size_t read = 0;
        const auto begin = Clock::now();
        auto last_progress = Clock::now();
        while (read < total) {
            Records records = must(consumer.poll(1s), "reading");
            if (!records.errors().empty()) {
                throw std::runtime_error("reading: " + records.errors().front().failure.to_string());
            }
            if (!records.gaps().empty()) throw std::runtime_error("records are missing: the log has a gap");
            for (const ConsumerRecord& record : records) {
                size_t partition = static_cast<size_t>(record.partition);
                size_t index = next[partition] * partition_count + partition;
                bool in_order = record.offset == static_cast<int64_t>(next[partition]);
                if (index >= total || !in_order || record.value != input_.record(index)) {
                    throw std::runtime_error(
                        fmt::format("partition {}, offset {}: this is not the record that was sent", record.partition,
                                    record.offset));
                }
                ++next[partition];
                bytes_ += record.value->size();
            }
            read += records.size();
            if (!records.empty()) last_progress = Clock::now();
            if (Clock::now() - last_progress > 30s) {
                throw std::runtime_error(fmt::format("only {} of {} records came back", read, total));
            }
        }
        read_seconds_ = seconds_since(begin);
        Records more = must(consumer.poll(200ms), "reading");
        if (!more.empty()) throw std::runtime_error("more records came back than were sent: duplicates");
    }

    void summarise() {
        admin_.reset();
        cluster_.stop();
        std::vector<uint32_t>& latencies = progress_.latencies;
        std::sort(latencies.begin(), latencies.end());
        auto percentile = [&](double part) {
            return latencies[static_cast<size_t>(part * static_cast<double>(latencies.size() - 1))] / 1e3;
        };
        double megabytes = static_cast<double>(bytes_) / 1e6;
        fmt::print("\n  records         {} sent, {} acknowledged, {} read back and compared\n", input_.record_count(),
                   progress_.acknowledged.load(), input_.record_count());
        fmt::print("  lost            0 lost, 0 duplicated, 0 out of order, 0 altered\n");
        fmt::print("  written         {:.1f} MB in {:.2f} s, outage included: {:.1f} MB/s\n", megabytes, elapsed_,
                   megabytes / elapsed_);
        fmt::print(
            "  latency         p50 {:.1f} ms, p99 {:.1f} ms, max {:.1f} ms, from send to synced on all, batching and "
            "outage "
            "included\n",
            percentile(0.5), percentile(0.99), percentile(1));
        fmt::print("  failover        {:.0f} ms from SIGKILL of the leader to the first acknowledgement of the next\n",
                   failover_seconds_ * 1e3);
        fmt::print("  read            {:.1f} MB/s, every checksum verified\n\n", megabytes / read_seconds_);
    }

  private:
    void send(Producer& producer, size_t index) {
        Record record;
        record.topic = topic;
        record.partition = static_cast<int32_t>(index % partition_count);
        record.value = input_.record(index);
        const auto sent = Clock::now();
        must(producer.send(record, [this, sent](const Expected<Receipt>& receipt) { resolved(receipt, sent); }),
             "sending");
    }

    void resolved(const Expected<Receipt>& receipt, Clock::time_point sent) {
        auto now = Clock::now();
        if (!receipt) {
            std::lock_guard lock(progress_.mutex);
            if (progress_.failed++ == 0) progress_.first_failure = receipt.error().to_string();
            return;
        }
        ++progress_.acknowledged;
        std::atomic<int32_t>& epoch = progress_.epochs[static_cast<size_t>(receipt->partition)];
        if (receipt->leader_epoch > epoch) epoch = receipt->leader_epoch;
        std::lock_guard lock(progress_.mutex);
        progress_.latencies.push_back(
            static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::microseconds>(now - sent).count()));
    }

    template <typename Condition>
    void wait_until(const char* what, Condition condition) {
        const auto give_up = Clock::now() + 60s;
        while (!condition()) {
            if (Clock::now() > give_up) throw std::runtime_error(fmt::format("waited in vain for {}", what));
            std::this_thread::sleep_for(1ms);
        }
    }

    // In the middle: some records acknowledged, others on their way.
    void kill_leader() try {
        wait_until("records", [this] { return progress_.acknowledged >= input_.record_count() / 4; });
        killed_ = partition_zero().leader;
        const int32_t epoch_before = progress_.epochs[0];
        acknowledged_at_kill_ = progress_.acknowledged;
        cluster_.node(killed_).kill();
        const auto begin = Clock::now();
        wait_until("another leader", [&] { return progress_.epochs[0] > epoch_before; });
        failover_seconds_ = seconds_since(begin);
        leader_after_ = partition_zero().leader;
        const auto restarted = Clock::now();
        cluster_.node(killed_).launch();
        cluster_.node(killed_).wait_until_ready();
        wait_until("the broker to be in sync again", [this] {
            const TopicDescription description = must(admin_->describe_topic(topic), "describing the topic");
            return std::all_of(description.partitions.begin(), description.partitions.end(),
                               [](const PartitionDescription& each) { return each.in_sync.size() == 3; });
        });
        back_seconds_ = seconds_since(restarted);
    } catch (const std::exception& problem) {
        trouble_ = problem.what();
    }

    PartitionDescription partition_zero() {
        return must(admin_->describe_topic(topic), "describing the topic").partitions.at(0);
    }

    Input input_;
    ClusterOfThree cluster_;
    Settings settings_;
    std::optional<Admin> admin_;
    Progress progress_;
    std::string trouble_;  // of the thread that kills; read after it has been joined
    int32_t killed_ = -1;
    int32_t leader_after_ = -1;
    size_t acknowledged_at_kill_ = 0;
    double failover_seconds_ = 0;
    double back_seconds_ = 0;
    double elapsed_ = 0;
    double read_seconds_ = 0;
    size_t bytes_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{
        "Streams real lines into three brokers, kills a leader in the middle, and proves that nothing was lost."};
    std::string daemon, directory, file;
    size_t records_min = 300'000;
    app.add_option("--daemon", daemon, "the ironbarkd program")->required();
    app.add_option("--dir", directory, "directory for data and logs of the brokers; must be empty or new")->required();
    app.add_option("--input", file, "text file, a record per line; else this machine's own texts");
    app.add_option("--records-min", records_min, "repeat the input until there are so many records");
    CLI11_PARSE(app, argc, argv);
    try {
        std::filesystem::create_directories(directory);
        Story story(daemon, directory, read_input(file, records_min, input_bytes_max));
        story.begin();
        story.send_and_kill();
        story.verify();
        story.summarise();
    } catch (const std::exception& problem) {
        fmt::print(stderr, "\nquickstart: {}\nThe brokers' own words are in {}/node-*/ironbarkd-*.log.\n",
                   problem.what(), directory);
        return 1;
    }
    return 0;
}
