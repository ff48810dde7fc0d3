// ironbark controller status | replace-voter: the daemons that decide together about the cluster's metadata.

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "tools/quorum.h"
#include "tools/table.h"
#include "tools/topic.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

// If nobody is active, nobody has heard of the others; then they were asked.
std::string heard_text(const VoterStatus& status, bool anybody_is_active) {
    if (!anybody_is_active) return status.answers ? "answers" : "DOES NOT ANSWER";
    if (status.role == VoterRole::active) return "(active)";
    if (status.voter.last_heard_ms < 0) return "NEVER";
    const std::string ago = duration_text(status.voter.last_heard_ms) + " ago";
    return status.answers ? ago : "SILENT: " + ago;
}

// A cluster of one needs none.
std::string address_of(const VoterInfo& voter) {
    return voter.host.empty() ? "-" : fmt::format("{}:{}", voter.host, voter.port);
}

std::string text_of(const QuorumStatus& quorum, const ClusterInfo& cluster) {
    std::string out =
        cluster.controller < 0 ? "NO ACTIVE CONTROLLER\n" : fmt::format("active controller: {}\n", cluster.controller);
    out += fmt::format(
        "term {}, committed up to entry {}; log of {}, snapshot up to entry {}; feature level {}; failover {}\n",
        cluster.term, cluster.committed, bytes_text(cluster.log_bytes), cluster.snapshot, cluster.feature_level,
        cluster.is_failover_manual ? "MANUAL" : "auto");
    out += majority_text(quorum) + "\n\n";
    Table table({"VOTER", "ADDRESS", "DIRECTORY", "ROLE", "BEHIND", "LAST HEARD"});
    for (const VoterStatus& status : quorum.voters) {
        table.add({std::to_string(status.voter.id), address_of(status.voter), status.voter.directory, name(status.role),
                   status.answers ? std::to_string(status.behind) : "-", heard_text(status, cluster.controller >= 0)});
    }
    out += table.to_string();
    for (const std::string& line : advice(quorum, cluster)) out += "\n" + line + "\n";
    return out;
}

int show_quorum(Session& session) {
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        Expected<ClusterInfo> cluster = admin.describe_cluster(patience);
        if (!cluster) return session.fail("cannot ask for the controllers", cluster.error());
        const QuorumStatus quorum = quorum_of(*cluster, answering_voters(admin, patience, *cluster));
        if (session.json) {
            session.print_json(to_json(quorum, *cluster));
        } else {
            session.print(text_of(quorum, *cluster));
        }
        return cluster->controller < 0 ? exit_refused : exit_done;
    });
}

// The voter that would be replaced.
Expected<VoterInfo> find_voter(const ClusterInfo& cluster, int32_t id) {
    std::set<int32_t> ids;
    for (const VoterInfo& voter : cluster.voters) {
        if (voter.id == id && !voter.is_leaving) return voter;
        ids.insert(voter.id);
    }
    return Failure{ErrorCode::invalid_request, Outcome::not_written,
                   fmt::format("the voters are {}; 'ironbark controller status' shows them", fmt::join(ids, ", "))};
}

// Whether the active controller hears of that very directory: then it is not lost.
bool is_in_place(const ClusterInfo& cluster, const VoterInfo& voter) {
    if (cluster.controller < 0) return false;  // then nobody knows
    const QuorumStatus quorum = quorum_of(cluster, {});
    return std::any_of(quorum.voters.begin(), quorum.voters.end(), [&](const VoterStatus& status) {
        return status.answers && status.voter.id == voter.id && status.voter.directory == voter.directory;
    });
}

std::string plan_text(const VoterInfo& voter) {
    return fmt::format(
        "make the data directory that daemon {} has now a voter in place of {}. What the old directory had promised to "
        "the others is forgotten: do this only if it is lost for good. If another voter has lost its directory too, "
        "entries that were committed can be lost with it, and nobody notices",
        voter.id, voter.directory);
}

int replace_voter(Session& session, int32_t id) {
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        const std::string what = fmt::format("cannot replace voter {}", id);
        Expected<ClusterInfo> cluster = admin.describe_cluster(patience);
        if (!cluster) return session.fail(what, cluster.error());
        Expected<VoterInfo> voter = find_voter(*cluster, id);
        if (!voter) return session.fail(what, voter.error());
        // With --yes the active controller decides, who asks the daemon itself.
        const bool is_needless = !session.yes && is_in_place(*cluster, *voter);
        if (!is_needless && !session.confirm(plan_text(*voter))) return exit_refused;
        Expected<ReplacedVoter> replaced(ReplacedVoter{voter->directory, voter->directory});
        if (!is_needless) replaced = admin.replace_voter(id, patience);
        if (!replaced) return session.fail(what, replaced.error());
        const bool is_same = replaced->before == replaced->now;
        if (session.json) {
            session.print_json(
                Json{{"done", !is_same}, {"voter", id}, {"before", replaced->before}, {"now", replaced->now}});
        } else if (is_same) {
            session.print(fmt::format("voter {} is directory {} already: nothing to replace\n", id, replaced->now));
        } else {
            session.print(
                fmt::format("voter {} is directory {} now; it was {}\n", id, replaced->now, replaced->before));
        }
        return exit_done;
    });
}

int set_failover(Session& session, const std::string& mode) {
    if (mode != "auto" && mode != "manual") {
        return session.usage(wrong_usage(fmt::format("failover is auto or manual, not '{}'", mode)));
    }
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        const bool is_manual = mode == "manual";
        Expected<void> set = admin.set_failover(is_manual, patience);
        if (!set) return session.fail(fmt::format("cannot make failover {}", mode), set.error());
        if (session.json) {
            session.print_json(Json{{"failover", mode}});
        } else if (is_manual) {
            session.print(
                "failover is manual: a partition whose leader fails waits for 'ironbark leader elect TOPIC/PARTITION "
                "--yes'\n");
        } else {
            session.print("failover is automatic: partitions that nobody leads get leaders now\n");
        }
        return exit_done;
    });
}

}  // namespace

void add_controller(Command app, Session& session) {
    Command noun = add_noun(app, "controller", "the daemons that decide together about the cluster's metadata");
    add_command(noun, session,
                {"status", "show who is active, and how far each voter is; exit code 1 if nobody is active",
                 "ironbark controller status"},
                [&session] { return show_quorum(session); });
    auto id = std::make_shared<int32_t>(-1);
    Command replace =
        add_command(noun, session,
                    {"replace-voter",
                     "admit the new data directory of a voter whose old one is lost. A voter is its directory: one "
                     "that comes back empty has no vote until it is admitted. Without --yes it says what it would do",
                     "ironbark controller replace-voter 3 --yes"},
                    [&session, id] { return replace_voter(session, *id); });
    replace.add_option("ID", *id, "the voter's number").required().number_from(0);
    add_yes(replace, session);
    auto mode = std::make_shared<std::string>();
    Command failover = add_command(noun, session,
                                   {"failover",
                                    "whether leaders that fail are replaced at once (auto), or by 'ironbark leader "
                                    "elect' only (manual)",
                                    "ironbark controller failover manual"},
                                   [&session, mode] { return set_failover(session, *mode); });
    failover.add_option("MODE", *mode, "auto or manual").required();
}

}  // namespace ironbark::tools
