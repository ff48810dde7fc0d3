#include "tools/quorum.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "tools/session.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

std::string number_word(size_t number) {
    static constexpr const char* words[] = {"no", "one", "two", "three", "four"};
    return number < std::size(words) ? words[number] : std::to_string(number);
}

std::string place_of(const VoterInfo& voter) {
    return fmt::format("voter {} ({}:{})", voter.id, voter.host, voter.port);
}

VoterRole role_of(const VoterInfo& voter, const ClusterInfo& cluster) {
    if (voter.is_leaving) return VoterRole::leaving;
    for (const VoterInfo& other : cluster.voters) {
        if (other.is_leaving && other.id == voter.id) return VoterRole::joining;
    }
    return voter.id == cluster.controller ? VoterRole::active : VoterRole::voter;
}

std::string silence_text(const VoterInfo& voter) {
    return voter.last_heard_ms < 0 ? "not since the active controller was elected"
                                   : fmt::format("not for {}", duration_text(voter.last_heard_ms));
}

std::string silence_advice(const VoterInfo& voter) {
    return fmt::format(
        "{} was not heard of: {}. Start its daemon; if its data directory is lost for good, start it with an empty one "
        "and then admit that with 'ironbark controller replace-voter {} --yes'",
        place_of(voter), silence_text(voter), voter.id);
}

}  // namespace

const char* name(VoterRole role) {
    switch (role) {
        case VoterRole::active: return "active";
        case VoterRole::voter: return "voter";
        case VoterRole::leaving: return "leaving";
        case VoterRole::joining: return "joining";
    }
    return "";
}

QuorumStatus quorum_of(const ClusterInfo& cluster, const std::vector<int32_t>& answering) {
    QuorumStatus quorum;
    quorum.active = cluster.controller;
    for (const VoterInfo& voter : cluster.voters) {
        VoterStatus status{voter, role_of(voter, cluster)};
        if (cluster.controller >= 0) {
            status.answers =
                voter.id == cluster.controller || (voter.last_heard_ms >= 0 && voter.last_heard_ms < voter_silent_ms);
        } else {
            status.answers = std::find(answering.begin(), answering.end(), voter.id) != answering.end();
        }
        status.behind = cluster.committed - std::min(cluster.committed, voter.match);
        // While one is replaced there are two of its id, and one of them counts.
        if (!voter.is_leaving) {
            ++quorum.size;
            quorum.answering += status.answers ? 1 : 0;
        }
        quorum.voters.push_back(std::move(status));
    }
    return quorum;
}

std::vector<int32_t> answering_voters(Admin& admin, Admin::Timeout patience, const ClusterInfo& cluster) {
    std::vector<int32_t> answering;
    if (cluster.controller >= 0) return answering;
    constexpr Admin::Timeout each_patience{1'000};
    std::set<int32_t> ids;
    for (const VoterInfo& voter : cluster.voters) ids.insert(voter.id);
    for (int32_t id : ids) {
        if (admin.describe_node(id, std::min(patience, each_patience)).ok()) answering.push_back(id);
    }
    return answering;
}

std::string majority_text(const QuorumStatus& quorum) {
    if (quorum.size == 0) return "the voters are not known";
    const std::string count = fmt::format("{} of {} answer{}", quorum.answering, count_text(quorum.size, "voter"),
                                          quorum.answering == 1 ? "s" : "");
    if (quorum.has_majority()) {
        return fmt::format("{}; {} more may fail", count, number_word(quorum.answering - quorum.majority()));
    }
    std::vector<std::string> silent;
    for (const VoterStatus& status : quorum.voters) {
        if (!status.answers && status.role != VoterRole::leaving) silent.push_back(place_of(status.voter));
    }
    const size_t missing = quorum.majority() - quorum.answering;
    return fmt::format("{}: no majority, changes wait; start {}{}", count,
                       silent.size() == missing ? "" : number_word(missing) + " of ", fmt::join(silent, ", "));
}

std::vector<std::string> advice(const QuorumStatus& quorum, const ClusterInfo& cluster) {
    std::vector<std::string> lines;
    if (cluster.quorum_failure) {
        lines.push_back("nothing newer is known of the controllers: " + cluster.quorum_failure->to_string());
    }
    if (quorum.active < 0) {
        lines.push_back(
            quorum.has_majority()
                ? "no controller is active, although a majority answers: an election takes about a second. If it stays "
                  "so, the voters do not reach each other: look at their cluster.listen addresses, and at their logs"
                : "no controller is active: leaders serve on, but no topic can be made or changed, and no leader is "
                  "replaced, until a majority of the voters runs");
        return lines;
    }
    for (const VoterStatus& status : quorum.voters) {
        if (status.role == VoterRole::leaving) continue;
        if (!status.answers) {
            lines.push_back(silence_advice(status.voter));
        } else if (status.behind > voter_behind_max) {
            lines.push_back(
                fmt::format("{} lacks {} of the log: it is catching up. If that number does not fall, look "
                            "at its log and its disk; until then count it as failed",
                            place_of(status.voter), count_text(status.behind, "entry")));
        }
    }
    return lines;
}

Json to_json(const QuorumStatus& quorum, const ClusterInfo& cluster) {
    Json voters = Json::array();
    for (const VoterStatus& status : quorum.voters) {
        voters.push_back({{"id", status.voter.id},
                          {"directory", status.voter.directory},
                          {"host", status.voter.host},
                          {"port", status.voter.port},
                          {"role", name(status.role)},
                          {"answers", status.answers},
                          {"match", status.voter.match},
                          {"behind", status.answers ? Json(status.behind) : Json()},
                          {"last_heard_ms", status.voter.last_heard_ms}});
    }
    Json value = {{"active", cluster.controller},
                  {"term", cluster.term},
                  {"committed", cluster.committed},
                  {"snapshot", cluster.snapshot},
                  {"log_bytes", cluster.log_bytes},
                  {"feature_level", cluster.feature_level},
                  {"voters_answering", quorum.answering},
                  {"majority", quorum.majority()},
                  {"failover", cluster.is_failover_manual ? "manual" : "auto"},
                  {"voters", std::move(voters)}};
    if (cluster.quorum_failure) value["error"] = to_json(*cluster.quorum_failure);
    return value;
}

Json to_json(const BrokerInfo& broker) {
    return {{"id", broker.id},
            {"host", broker.host},
            {"port", broker.port},
            {"rack", broker.rack},
            {"alive", broker.is_alive},
            {"since", broker.since},
            {"incarnation", broker.incarnation},
            {"clean", broker.is_clean},
            {"directory", broker.directory},
            {"version", broker.version},
            {"partitions", broker.partitions},
            {"leads", broker.leads},
            {"controller_only", broker.is_controller_only}};
}

}  // namespace ironbark::tools
