// ironbark cluster status: what there is, how it fares, and what would be lost if the power went now.

#include "tools/cluster.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/at_risk.h"
#include "tools/local_cluster/commands.h"
#include "tools/quorum.h"
#include "tools/table.h"
#include "tools/topic.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

struct BrokerStatus {
    BrokerInfo broker;
    Expected<NodeDescription> node;
};

struct PartitionProblem {
    std::string topic;
    int32_t partition = -1;
    std::string what;
};

// Of a topic; sums over its partitions.
struct TopicStatus {
    std::string name;
    int32_t min_in_sync = -1;
    size_t partitions = 0;
    size_t without_leader = 0;
    size_t not_all_in_sync = 0;
    size_t below_min_in_sync = 0;
    int64_t not_synced = 0;
    int64_t on_one_disk = 0;
    size_t not_known = 0;  // partitions whose leader has not said what would be lost
};

struct Status {
    ClusterInfo cluster;
    std::vector<TopicStatus> topic_states;
    std::vector<BrokerStatus> brokers;
    size_t topics = 0;
    size_t partitions = 0;
    std::vector<PartitionProblem> problems;
    QuorumStatus quorum;

    uint64_t unsynced_bytes() const {
        uint64_t sum = 0;
        for (const BrokerStatus& status : brokers) sum += status.node.ok() ? status.node->unsynced_bytes : 0;
        return sum;
    }
    std::vector<std::string> reasons;  // why it is not healthy; empty: it is
    bool is_healthy() const { return reasons.empty(); }
};

void add_broker_reasons(const BrokerStatus& status, std::vector<std::string>* reasons) {
    const std::string who = fmt::format("broker {}", status.broker.id);
    if (!status.broker.is_alive) {
        reasons->push_back(fmt::format("{} is gone since {}", who, time_text(status.broker.since)));
    } else if (!status.node.ok()) {
        reasons->push_back(fmt::format("{} does not answer: {}", who, status.node.error().to_string()));
    }
    if (!status.node.ok()) return;
    for (const DataDirectoryInfo& directory : status.node->directories) {
        if (directory.state != "online")
            reasons->push_back(fmt::format("{}: disk {} is {}", who, directory.path, directory.state));
    }
    const auto replicas = static_cast<uint64_t>(status.node->replica_problem_count);
    if (replicas > 0) reasons->push_back(fmt::format("{}: {} with a problem", who, count_text(replicas, "replica")));
}

// Everything for which somebody should do something, in a few words each.
std::vector<std::string> reasons_of(const Status& status) {
    std::vector<std::string> reasons;
    if (status.cluster.controller < 0) reasons.push_back("no controller is active");
    if (status.cluster.quorum_failure) {
        reasons.push_back("nothing newer is known of the controllers: " + status.cluster.quorum_failure->to_string());
    }
    for (const VoterStatus& voter : status.quorum.voters) {
        if (voter.answers || voter.role == VoterRole::leaving) continue;
        reasons.push_back(fmt::format("voter {} does not answer", voter.voter.id));
    }
    for (const BrokerStatus& broker : status.brokers) add_broker_reasons(broker, &reasons);
    if (!status.problems.empty()) {
        reasons.push_back(fmt::format("{} not serving", count_text(status.problems.size(), "partition")));
    }
    for (const TopicStatus& topic : status.topic_states) {
        if (topic.below_min_in_sync == 0) continue;
        reasons.push_back(fmt::format("topic {}: {} below its min-in-sync of {}: records at the isr levels are refused",
                                      topic.name, count_text(topic.below_min_in_sync, "partition"), topic.min_in_sync));
    }
    return reasons;
}

// Why a partition does not serve; empty if it does.
std::string problem_of(const PartitionDescription& partition) {
    if (partition.failure) return partition.failure->to_string();
    if (partition.leader < 0) return "no leader";
    if (partition.state == "online") return {};
    return partition.state_detail.empty() ? partition.state : partition.state + ": " + partition.state_detail;
}

void look_at_topic(Status& status, Admin& admin, Admin::Timeout patience, const TopicSummary& topic) {
    ++status.topics;
    status.partitions += topic.partitions.size();
    Expected<TopicDescription> description = admin.describe_topic(topic.id, patience);
    if (!description) {
        status.problems.push_back({topic.name, -1, description.error().to_string()});
        return;
    }
    TopicStatus state;
    state.name = topic.name;
    state.min_in_sync = description->min_in_sync;
    for (const PartitionDescription& partition : description->partitions) {
        std::string problem = problem_of(partition);
        if (!problem.empty()) status.problems.push_back({topic.name, partition.partition, std::move(problem)});
        ++state.partitions;
        state.without_leader += partition.leader < 0 ? 1 : 0;
        const auto in_sync = static_cast<int32_t>(partition.in_sync.size());
        state.not_all_in_sync += partition.in_sync.size() < partition.replicas.size() ? 1 : 0;
        state.below_min_in_sync += in_sync < description->min_in_sync ? 1 : 0;
        const AtRisk risk = at_risk(partition);
        state.not_known += risk.is_known() ? 0 : 1;
        state.not_synced += std::max<int64_t>(0, risk.not_synced);
        state.on_one_disk += std::max<int64_t>(0, risk.on_one_disk);
    }
    status.topic_states.push_back(std::move(state));
}

// One that the cluster has given up is not waited for.
BrokerStatus ask_broker(Admin& admin, Admin::Timeout patience, const BrokerInfo& broker) {
    if (broker.is_alive) return {broker, admin.describe_node(broker.id, patience)};
    return {broker, Failure{ErrorCode::connection_closed, Outcome::not_written,
                            fmt::format("GONE since {}", time_text(broker.since))}};
}

Expected<Status> ask(Admin& admin, Admin::Timeout patience) {
    Status status;
    Expected<ClusterInfo> cluster = admin.describe_cluster(patience);
    if (!cluster) return cluster.error();
    status.cluster = *cluster;
    for (const BrokerInfo& broker : cluster->brokers) status.brokers.push_back(ask_broker(admin, patience, broker));
    status.quorum = quorum_of(*cluster, answering_voters(admin, patience, *cluster));
    Expected<std::vector<TopicSummary>> topics = admin.list_topics(patience);
    if (!topics) return topics.error();
    for (const TopicSummary& topic : *topics) look_at_topic(status, admin, patience, topic);
    status.reasons = reasons_of(status);
    return status;
}

Json to_json(const NodeDescription& node) {
    Json directories = Json::array();
    for (const DataDirectoryInfo& directory : node.directories) {
        directories.push_back({{"path", directory.path},
                               {"id", directory.id},
                               {"state", directory.state},
                               {"state_detail", directory.state_detail},
                               {"free_bytes", directory.free_bytes},
                               {"total_bytes", directory.total_bytes},
                               {"direct_io", directory.direct_io}});
    }
    Json memory = Json::array();
    for (const MemoryPoolInfo& pool : node.memory) {
        memory.push_back({{"name", pool.name}, {"used_bytes", pool.used_bytes}, {"limit_bytes", pool.limit_bytes}});
    }
    Json problems = Json::array();
    for (const ReplicaProblemInfo& each : node.replica_problems) {
        problems.push_back({{"topic", each.topic}, {"partition", each.partition}, {"problem", each.problem}});
    }
    return {{"version", node.version},
            {"incarnation", node.incarnation},
            {"start_time", node.start_time},
            {"io_world", node.io_world},
            {"io_reason", node.io_reason},
            {"shards", node.shards},
            {"partitions", node.partitions},
            {"unsynced_bytes", node.unsynced_bytes},
            {"unsynced_age_ms", node.unsynced_age_ms},
            {"directories", std::move(directories)},
            {"memory", std::move(memory)},
            {"replica_problem_count", node.replica_problem_count},
            {"replica_problems", std::move(problems)}};
}

Json to_json(const Status& status) {
    Json brokers = Json::array();
    for (const BrokerStatus& broker : status.brokers) {
        Json entry = tools::to_json(broker.broker);
        if (broker.node.ok()) {
            entry.update(to_json(*broker.node));
        } else {
            entry["error"] = tools::to_json(broker.node.error());
        }
        brokers.push_back(std::move(entry));
    }
    Json problems = Json::array();
    for (const PartitionProblem& problem : status.problems) {
        problems.push_back({{"topic", problem.topic}, {"partition", problem.partition}, {"what", problem.what}});
    }
    Json topics = Json::array();
    for (const TopicStatus& topic : status.topic_states) {
        topics.push_back({{"topic", topic.name},
                          {"partitions", topic.partitions},
                          {"without_leader", topic.without_leader},
                          {"not_all_in_sync", topic.not_all_in_sync},
                          {"min_in_sync", topic.min_in_sync},
                          {"below_min_in_sync", topic.below_min_in_sync},
                          {"records_not_synced", topic.not_synced},
                          {"records_on_one_disk", topic.on_one_disk},
                          {"not_known", topic.not_known}});
    }
    return {{"cluster", status.cluster.id},
            {"healthy", status.is_healthy()},
            {"reasons", status.reasons},
            {"controller", status.cluster.controller},
            {"controllers", tools::to_json(status.quorum, status.cluster)},
            {"metadata_version", status.cluster.metadata_version},
            {"unsynced_bytes", status.unsynced_bytes()},
            {"brokers", std::move(brokers)},
            {"topics", status.topics},
            {"topic_states", std::move(topics)},
            {"partitions", status.partitions},
            {"partitions_online", status.partitions - std::min(status.partitions, status.problems.size())},
            {"problems", std::move(problems)}};
}

std::string disk_text(const DataDirectoryInfo& directory) {
    std::string text = fmt::format("{}: {}, {} free of {}", directory.path, directory.state,
                                   bytes_text(directory.free_bytes), bytes_text(directory.total_bytes));
    if (!directory.direct_io) text += ", no direct I/O";
    if (!directory.state_detail.empty()) text += ": " + directory.state_detail;
    return text;
}

std::string unsynced_text(const NodeDescription& node) {
    if (node.unsynced_bytes == 0) return "nothing";
    return fmt::format("{}, up to {} old", bytes_text(node.unsynced_bytes), duration_text(node.unsynced_age_ms));
}

std::string controllers_text(const Status& status) {
    const ClusterInfo& cluster = status.cluster;
    std::string active =
        cluster.controller < 0 ? "NO ACTIVE CONTROLLER" : fmt::format("controller {} is active", cluster.controller);
    std::string text = fmt::format("{}, term {}, {}\n", active, cluster.term, majority_text(status.quorum));
    if (status.quorum.answering < status.quorum.size || cluster.controller < 0 || cluster.quorum_failure) {
        text += "'ironbark controller status' says what to do\n";
    }
    if (cluster.is_failover_manual) text += "failover is MANUAL: 'ironbark leader elect' appoints leaders\n";
    return text;
}

// Replicas that do not follow, though others serve their partitions.
std::string replica_problems_text(int32_t broker, const NodeDescription& node) {
    constexpr size_t lines_max = 10;
    std::string out;
    for (size_t at = 0; at < std::min(lines_max, node.replica_problems.size()); ++at) {
        const ReplicaProblemInfo& each = node.replica_problems[at];
        out += fmt::format("REPLICA {}/{} on broker {}: {}\n", each.topic, each.partition, broker, each.problem);
    }
    const auto count = static_cast<size_t>(node.replica_problem_count);
    if (count > lines_max) out += fmt::format("and {} more replicas on broker {}\n", count - lines_max, broker);
    return out;
}

// What would be lost now: with the power of all machines, or with one disk.
std::string topics_text(const Status& status) {
    if (status.topic_states.empty()) return {};
    Table table({"TOPIC", "PARTITIONS", "NO LEADER", "NOT ALL IN SYNC", "BELOW MINIMUM", "RECORDS ON NO DISK",
                 "ON ONE DISK AT MOST"});
    for (const TopicStatus& topic : status.topic_states) {
        const std::string more = topic.not_known > 0 ? " or more" : "";
        table.add({topic.name, std::to_string(topic.partitions), std::to_string(topic.without_leader),
                   std::to_string(topic.not_all_in_sync), std::to_string(topic.below_min_in_sync),
                   std::to_string(topic.not_synced) + more, std::to_string(topic.on_one_disk) + more});
    }
    return table.to_string() + "\n";
}

std::string text_of(const Status& status) {
    std::string out =
        fmt::format("cluster {}: {}\n", status.cluster.id, status.is_healthy() ? "healthy" : "NOT HEALTHY");
    for (const std::string& reason : status.reasons) out += fmt::format("  {}\n", reason);
    out += controllers_text(status);
    out += fmt::format("{}, {}, {} of them not serving\n\n", count_text(status.topics, "topic"),
                       count_text(status.partitions, "partition"), status.problems.size());
    Table brokers(
        {"BROKER", "ADDRESS", "VERSION", "SINCE", "I/O", "SHARDS", "PARTITIONS", "A POWER CUT NOW WOULD TAKE"});
    std::string disks;
    std::string replicas;
    for (const BrokerStatus& broker : status.brokers) {
        const std::string id = std::to_string(broker.broker.id);
        const std::string address = fmt::format("{}:{}", broker.broker.host, broker.broker.port);
        if (!broker.node.ok()) {
            const Failure& why = broker.node.error();
            brokers.add({id, address, broker.broker.version, "", "", "", "",
                         broker.broker.is_alive ? "not known: " + why.to_string() : why.hint});
            continue;
        }
        const NodeDescription& node = *broker.node;
        brokers.add({id, address, node.version, time_text(node.start_time), node.io_world, std::to_string(node.shards),
                     std::to_string(node.partitions), unsynced_text(node)});
        for (const DataDirectoryInfo& directory : node.directories) {
            disks += fmt::format("broker {} disk {}\n", id, disk_text(directory));
        }
        replicas += replica_problems_text(broker.broker.id, node);
    }
    out += brokers.to_string() + "\n" + topics_text(status) + disks + replicas;
    for (const PartitionProblem& problem : status.problems) {
        out += fmt::format("NOT SERVING {}{}: {}\n", problem.topic,
                           problem.partition < 0 ? "" : fmt::format("/{}", problem.partition), problem.what);
    }
    return out;
}

int show_cluster(Session& session) {
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        Expected<Status> status = ask(admin, patience);
        if (!status) return session.fail("cannot ask the cluster", status.error());
        if (session.json) {
            session.print_json(to_json(*status));
        } else {
            session.print(text_of(*status));
        }
        return status->is_healthy() ? exit_done : exit_refused;
    });
}

}  // namespace

void add_cluster(Command app, Session& session) {
    Command noun = add_noun(app, "cluster", "the cluster as a whole");
    add_command(
        noun, session,
        {"status", "show how the cluster fares. Exit code 1 if it is not healthy", "ironbark cluster status --json"},
        [&session] { return show_cluster(session); });
    add_cluster_events(noun, session);
    add_local_cluster(noun, session);
}

}  // namespace ironbark::tools
