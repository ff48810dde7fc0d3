#include "bench/load/cluster_run.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>

#include "bench/load/cluster_report.h"
#include "bench/load/must.h"
#include "bench/machine/noise.h"
#include "ironbark/consumer.h"

namespace ironbark::bench {

namespace {

using namespace std::chrono_literals;

constexpr const char* topic_name = "load";
constexpr auto create_time = 60s;
constexpr double read_seconds_max = 60;  // without a record

bool is_durable(Acks acks) {
    return acks == Acks::isr_durable || acks == Acks::leader_durable;
}

Visibility visibility_of(Acks acks) {
    return is_durable(acks) ? Visibility::durable : Visibility::replicated;
}

void create_replicated_topic(Admin& admin, int32_t partitions) {
    TopicSpecification topic;
    topic.name = topic_name;
    topic.partitions = partitions;
    topic.replicas = Cluster::size;
    topic.min_in_sync = 2;
    must(admin.create_topic(topic, create_time), "creating the topic");
    wait_until_in_sync(admin, topic_name);
}

// Reads each partition up to its end, which does not move any more.
void read_everything(const Settings& settings,
                     const TopicDescription& topic,
                     Verifier& verifier,
                     ClusterResult& result) {
    Consumer consumer = must(Consumer::create(settings), "the consumer");
    std::vector<Assignment> assignments;
    std::vector<int64_t> next(topic.partitions.size(), 0);
    std::vector<int64_t> ends(topic.partitions.size(), 0);
    for (const PartitionDescription& partition : topic.partitions) {
        ends[static_cast<size_t>(partition.partition)] = partition.log_end;
        assignments.push_back({{topic_name, partition.partition}, Start::beginning()});
    }
    must(consumer.assign(std::move(assignments)), "assigning the partitions");
    Nanoseconds last = now();
    while (!std::equal(next.begin(), next.end(), ends.begin(), std::greater_equal<>())) {
        const Records records = must(consumer.poll(1s), "reading");
        result.gaps += records.gaps().size();
        for (const Gap& gap : records.gaps()) next[static_cast<size_t>(gap.partition.partition)] = gap.to;
        for (const ConsumerRecord& record : records) {
            const auto partition = static_cast<size_t>(record.partition);
            verifier.take(partition, record.offset, record.value);
            next[partition] = record.offset + 1;
        }
        for (const PartitionError& error : records.errors()) {
            if (!error.failure.is_retriable()) throw std::runtime_error("reading: " + error.failure.to_string());
        }
        if (!records.empty()) last = now();
        if (now() - last > from_seconds(read_seconds_max)) throw std::runtime_error("reading: the rest does not come");
    }
}

void add_failovers(const Ledger& ledger, ClusterResult& result) {
    for (const Disturbance& disturbance : result.disturbances) {
        if (!disturbance.is_kill) continue;
        std::vector<double> times;
        for (const Led& led : disturbance.led) {
            const auto first = ledger.first_later(led.partition, disturbance.at, led.epoch);
            if (first) times.push_back(to_seconds(*first - disturbance.at) * 1e3);
        }
        if (times.size() < disturbance.led.size() || times.empty()) ++result.failovers_unseen;
        if (times.empty()) continue;
        result.failover_ms.push_back(*std::min_element(times.begin(), times.end()));
        if (times.size() == disturbance.led.size()) {
            result.all_ms.push_back(*std::max_element(times.begin(), times.end()));
        }
    }
}

void add_load(const OpenLoad& load, ClusterResult& result) {
    const Ledger& ledger = load.ledger();
    result.begin = load.begin();
    result.latency = load.latency();
    result.failures = load.failures();
    result.acknowledged = ledger.count(Fate::acknowledged);
    result.losses_told = load.statistics().records_lost;
    Nanoseconds last = load.end();
    for (size_t partition = 0; partition < ledger.partitions(); ++partition) {
        const std::vector<Nanoseconds> times = ledger.acknowledgements(partition);
        if (!times.empty()) last = std::max(last, times.back());
        const std::vector<Outage> outages = find_outages(partition, times, load.begin(), load.end());
        result.outages.insert(result.outages.end(), outages.begin(), outages.end());
    }
    std::sort(result.outages.begin(), result.outages.end(),
              [](const Outage& left, const Outage& right) { return left.begin < right.begin; });
    result.acknowledged_per_second = static_cast<double>(result.latency.count()) / to_seconds(last - load.begin());
}

// Sends on a thread of its own and disturbs on this one: a daemon ends with the thread that started it
// (PR_SET_PDEATHSIG), and those that are started again must outlive the load.
void disturb_and_send(
    Cluster& cluster, Admin& admin, OpenLoad& load, const ClusterSettings& settings, ClusterResult& result) {
    Disturber disturber(cluster, admin, load,
                        {topic_name, settings.kill_leader_seconds, settings.stop_follower_seconds});
    std::exception_ptr failure;
    const Nanoseconds begin = now();
    std::thread sending([&load, &failure] {
        try {
            load.run();
        } catch (...) {
            failure = std::current_exception();
        }
    });
    disturber.run(begin, begin + from_seconds(settings.seconds));  // does not throw
    sending.join();
    if (failure) std::rethrow_exception(failure);
    result.disturbances = disturber.disturbances();
    result.trouble = disturber.trouble();
}

void verify(Admin& admin,
            const Settings& client,
            const ClusterSettings& settings,
            const Ledger& ledger,
            ClusterResult& result) {
    Verifier verifier(ledger, settings.record_size);
    try {
        const TopicDescription topic = wait_until_in_sync(admin, topic_name, client.visibility);
        read_everything(client, topic, verifier, result);
    } catch (const std::exception& problem) {
        result.trouble += (result.trouble.empty() ? "" : "; ") + std::string(problem.what());
    }
    result.findings = verifier.finish();
}

// What is wrong with the result, by what was promised.
std::string verdict(const ClusterSettings& settings, const ClusterResult& result) {
    Findings findings = result.findings;
    if (settings.is_loss_allowed) findings.missing = 0;
    if (!findings.is_whole()) return "what was acknowledged is not what is there";
    if (!result.trouble.empty()) return "not everything was done: " + result.trouble;
    return "";
}

}  // namespace

const std::map<std::string, Acks>& checked_levels() {
    static const std::map<std::string, Acks> levels{{name(Acks::leader), Acks::leader},
                                                    {name(Acks::leader_durable), Acks::leader_durable},
                                                    {name(Acks::isr), Acks::isr},
                                                    {name(Acks::isr_durable), Acks::isr_durable}};
    return levels;
}

std::string run_cluster(const ClusterSettings& settings) {
    const Noise noise;
    Bench bench(settings.node);
    Cluster cluster(bench, settings.node.ios.front());
    cluster.wait_until_whole();
    Settings client;
    client.bootstrap_servers = cluster.bootstrap();
    client.acks = settings.acks;
    client.visibility = visibility_of(settings.acks);
    Admin admin = must(Admin::create(client), "the administrator");
    create_replicated_topic(admin, settings.partitions);
    ClusterResult result;
    result.schedule = {topic_name, static_cast<size_t>(settings.partitions), settings.record_size, settings.rate,
                       settings.seconds};
    OpenLoad load(client, result.schedule);
    load.warm_up();
    disturb_and_send(cluster, admin, load, settings, result);
    add_load(load, result);
    add_failovers(load.ledger(), result);
    verify(admin, client, settings, load.ledger(), result);
    print_report(settings, result, noise.report());
    if (!settings.node.json_path.empty()) write_report(settings, result, noise.report());
    return verdict(settings, result);
}

}  // namespace ironbark::bench
