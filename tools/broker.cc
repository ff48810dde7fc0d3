// ironbark broker list.

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/table.h"
#include "tools/topic.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

int list(Session& session) {
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        Expected<ClusterInfo> cluster = admin.describe_cluster(patience);
        if (!cluster) return session.fail("cannot list the brokers", cluster.error());
        Json values = Json::array();
        Table table({"BROKER", "ADDRESS", "RACK", "CONTROLLER"});
        for (const BrokerInfo& broker : cluster->brokers) {
            const bool is_controller = broker.id == cluster->controller;
            values.push_back({{"id", broker.id},
                              {"host", broker.host},
                              {"port", broker.port},
                              {"rack", broker.rack},
                              {"controller", is_controller}});
            table.add({std::to_string(broker.id), fmt::format("{}:{}", broker.host, broker.port), broker.rack,
                       is_controller ? "active" : ""});
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
    add_command(noun, session, {"list", "list all brokers", "ironbark broker list"},
                [&session] { return list(session); });
}

}  // namespace ironbark::tools
