// ironbark leader list; leader_change.cc has the rest.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "tools/at_risk.h"
#include "tools/table.h"
#include "tools/topic.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const PartitionDescription& partition) {
    Json replicas = Json::array();
    for (const ReplicaState& each : partition.replica_states) {
        replicas.push_back({{"broker", each.broker},
                            {"log_end", each.log_end},
                            {"durable_end", each.durable_end},
                            {"behind_ms", each.behind_ms}});
    }
    Json value = {{"partition", partition.partition},
                  {"leader", partition.leader},
                  {"leader_epoch", partition.leader_epoch},
                  {"preferred", partition.replicas.empty() ? -1 : partition.replicas.front()},
                  {"replicas", partition.replicas},
                  {"in_sync", partition.in_sync},
                  {"log_end", partition.log_end},
                  {"replica_states", std::move(replicas)}};
    if (partition.failure) value["error"] = tools::to_json(*partition.failure);
    return value;
}

// What each replica lacks of the leader's log, in the order of the replicas.
std::string lags_text(const PartitionDescription& partition) {
    std::string text;
    for (const ReplicaState& each : partition.replica_states) {
        if (each.broker == partition.leader) continue;
        text += (text.empty() ? "" : ", ") + lag_text(partition, each);
    }
    return text;
}

std::string leaders_text(const TopicDescription& topic) {
    Table table({"PARTITION", "LEADER", "EPOCH", "PREFERRED", "REPLICAS", "IN SYNC", "RECORDS BEHIND"});
    std::string problems;
    for (const PartitionDescription& partition : topic.partitions) {
        table.add({std::to_string(partition.partition),
                   partition.leader < 0 ? "NONE" : std::to_string(partition.leader),
                   partition.leader_epoch < 0 ? "" : std::to_string(partition.leader_epoch),
                   partition.replicas.empty() ? "" : std::to_string(partition.replicas.front()),
                   fmt::format("{}", fmt::join(partition.replicas, ",")),
                   fmt::format("{}", fmt::join(partition.in_sync, ",")), lags_text(partition)});
        const std::string why = partition.failure ? partition.failure->to_string() : partition.state_detail;
        if (!why.empty()) problems += fmt::format("partition {}: {}\n", partition.partition, why);
    }
    return table.to_string() + problems;
}

int list_leaders(Session& session, const std::string& topic) {
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        Expected<TopicDescription> description = admin.describe_topic(topic, patience);
        if (!description) {
            return fail_for_topic(session, admin, patience, "list the leaders of", topic, description.error());
        }
        if (session.json) {
            Json values = Json::array();
            for (const PartitionDescription& partition : description->partitions) values.push_back(to_json(partition));
            session.print_json(values);
        } else {
            session.print(leaders_text(*description));
        }
        return exit_done;
    });
}

}  // namespace

void add_leader(Command app, Session& session) {
    Command noun = add_noun(app, "leader", "who leads the partitions of a topic");
    auto topic = std::make_shared<std::string>();
    Command command = add_command(
        noun, session,
        {"list", "list leaders, in-sync replicas and how far the others are behind", "ironbark leader list orders"},
        [&session, topic] { return list_leaders(session, *topic); });
    command.add_option("TOPIC", *topic, "name or id").required();
    add_leader_changes(noun, session);
}

}  // namespace ironbark::tools
