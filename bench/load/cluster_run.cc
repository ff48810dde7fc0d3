#include "bench/load/cluster_run.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "bench/load/cluster_report.h"
#include "bench/load/must.h"
#include "bench/load/reader.h"
#include "bench/machine/noise.h"
#include "ironbark/consumer.h"

namespace ironbark::bench {

namespace {

using namespace std::chrono_literals;

constexpr auto create_time = 60s;
constexpr double read_seconds_max = 60;  // without a record

bool is_durable(Acks acks) {
    return acks == Acks::isr_durable || acks == Acks::leader_durable;
}

Visibility visibility_of(Acks acks) {
    return is_durable(acks) ? Visibility::durable : Visibility::replicated;
}

void create_replicated_topic(Admin& admin, const ClusterSettings& settings) {
    TopicSpecification topic;
    topic.name = settings.topic;
    topic.partitions = settings.partitions;
    topic.replicas = Cluster::size;
    topic.min_in_sync = 2;
    topic.settings = settings.topic_settings;
    must(admin.create_topic(topic, create_time), "creating the topic");
    wait_until_in_sync(admin, settings.topic);
}

// Of the brokers of a cluster that is there.
std::string versions_of(Admin& admin) {
    const ClusterInfo cluster = must(admin.describe_cluster(create_time), "asking for the brokers");
    std::set<std::string> versions;
    for (const BrokerInfo& broker : cluster.brokers) versions.insert(broker.version);
    std::string text;
    for (const std::string& version : versions) text += (text.empty() ? "brokers of version " : ", ") + version;
    return text;
}

std::vector<int64_t> ends_of(const TopicDescription& topic) {
    std::vector<int64_t> ends(topic.partitions.size(), 0);
    for (const PartitionDescription& partition : topic.partitions) {
        ends[static_cast<size_t>(partition.partition)] = partition.log_end;
    }
    return ends;
}

// Reads each partition up to its end, which does not move any more.
void read_everything(const Settings& settings,
                     const TopicDescription& topic,
                     Verifier& verifier,
                     Sightings& sightings,
                     ClusterResult& result) {
    Consumer consumer = must(Consumer::create(settings), "the consumer");
    std::vector<Assignment> assignments;
    std::vector<int64_t> next(topic.partitions.size(), 0);
    const std::vector<int64_t> ends = ends_of(topic);
    for (const PartitionDescription& partition : topic.partitions) {
        assignments.push_back({{topic.name, partition.partition}, Start::beginning()});
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
            sightings.compare(partition, record.offset, record.value);
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
        if (disturbance.kind == Disturbing::stop_follower) continue;
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
                        {settings.topic, settings.kill_leader_seconds, settings.stop_leader_seconds,
                         settings.stop_follower_seconds, settings.leader_place});
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
            std::unique_ptr<Reader> reader,
            ClusterResult& result) {
    Verifier verifier(ledger, settings.record_size);
    Sightings sightings(ledger.partitions());
    const auto note = [&result](const std::exception& problem) {
        result.trouble += (result.trouble.empty() ? "" : "; ") + std::string(problem.what());
    };
    try {
        const TopicDescription topic = wait_until_in_sync(admin, settings.topic, client.visibility);
        try {
            if (reader) sightings = reader->finish(ends_of(topic));
        } catch (const std::exception& problem) {
            note(problem);
        }
        read_everything(client, topic, verifier, sightings, result);
    } catch (const std::exception& problem) {
        note(problem);
    }
    result.findings = verifier.finish();
    result.sightings = sightings.finish();
}

// What is wrong with the result, by what was promised.
std::string verdict(const ClusterSettings& settings, const ClusterResult& result) {
    Findings findings = result.findings;
    if (settings.is_loss_allowed) findings.missing = 0;
    if (!findings.is_whole()) return "what was acknowledged is not what is there";
    const bool may_be_taken_back = settings.is_loss_allowed && !is_durable(settings.acks);
    if (result.sightings.repeated > 0 || (result.sightings.taken_back > 0 && !may_be_taken_back)) {
        return "what a reader saw is not what is there";
    }
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
    std::optional<Cluster> cluster;
    if (settings.bootstrap.empty()) {
        cluster.emplace(bench, settings.node.ios.front());
        cluster->wait_until_whole();
    }
    Settings client;
    client.bootstrap_servers = cluster ? cluster->bootstrap() : settings.bootstrap;
    client.acks = settings.acks;
    client.visibility = visibility_of(settings.acks);
    Admin admin = must(Admin::create(client), "the administrator");
    create_replicated_topic(admin, settings);
    ClusterResult result;
    result.daemon_version = cluster ? Daemon::version_of(settings.node.daemon) : versions_of(admin);
    result.schedule = {settings.topic, static_cast<size_t>(settings.partitions), settings.record_size, settings.rate,
                       settings.seconds};
    OpenLoad load(client, result.schedule);
    load.warm_up();
    std::unique_ptr<Reader> reader;
    if (settings.is_read_meanwhile) {
        reader = std::make_unique<Reader>(client, settings.topic, result.schedule.partitions);
    }
    if (cluster) {
        disturb_and_send(*cluster, admin, load, settings, result);
    } else {
        load.run();
    }
    add_load(load, result);
    add_failovers(load.ledger(), result);
    verify(admin, client, settings, load.ledger(), std::move(reader), result);
    print_report(settings, result, noise.report());
    if (!settings.node.json_path.empty()) write_report(settings, result, noise.report());
    return verdict(settings, result);
}

}  // namespace ironbark::bench
