// ironbark broker list.

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/quorum.h"
#include "tools/table.h"
#include "tools/topic.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

// What its daemon is among the controllers.
const char* controller_text(const ClusterInfo& cluster, int32_t broker) {
    if (broker == cluster.controller) return "active";
    bool is_voter = std::any_of(cluster.voters.begin(), cluster.voters.end(),
                                [broker](const VoterInfo& voter) { return voter.id == broker; });
    return is_voter ? "voter" : "";
}

int list_brokers(Session& session) {
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        Expected<ClusterInfo> cluster = admin.describe_cluster(patience);
        if (!cluster) return session.fail("cannot list the brokers", cluster.error());
        Json values = Json::array();
        Table table(
            {"BROKER", "ADDRESS", "RACK", "STATE", "SINCE", "INCARNATION", "PARTITIONS", "LEADS", "CONTROLLER"});
        for (const BrokerInfo& broker : cluster->brokers) {
            const std::string controller = controller_text(*cluster, broker.id);
            Json value = to_json(broker);
            value["controller"] = broker.id == cluster->controller;
            value["voter"] = !controller.empty();
            values.push_back(std::move(value));
            table.add({std::to_string(broker.id), fmt::format("{}:{}", broker.host, broker.port), broker.rack,
                       broker.is_alive ? "alive" : "GONE", time_text(broker.since),
                       fmt::format("{} ({} start)", broker.incarnation, broker.is_clean ? "clean" : "unclean"),
                       broker.is_controller_only ? "-" : std::to_string(broker.partitions),
                       broker.is_controller_only ? "-" : std::to_string(broker.leads),
                       broker.is_controller_only ? controller + " only" : controller});
        }
        if (cluster->controller < 0) {
            session.say(
                "no controller is active: this is what was known when one was; 'ironbark controller status' says what "
                "to do");
        }
        if (session.json) {
            session.print_json(values);
        } else {
            session.print(table.to_string());
        }
        return exit_done;
    });
}

}  // namespace

void add_broker(Command app, Session& session) {
    Command noun = add_noun(app, "broker", "brokers of the cluster");
    add_command(noun, session, {"list", "list all brokers, those that are gone too", "ironbark broker list"},
                [&session] { return list_brokers(session); });
}

}  // namespace ironbark::tools
