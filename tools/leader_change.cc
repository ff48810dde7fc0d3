// ironbark leader move | balance | elect: who leads, by an operator's hand.

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>

#include "tools/table.h"
#include "tools/topic.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

// While a partition is being moved nobody appends to it: so not all are moved at once.
constexpr size_t moved_at_once = 8;

Json to_json(const MovedLeader& moved) {
    Json value = {{"topic", moved.partition.topic},
                  {"partition", moved.partition.partition},
                  {"before", moved.before},
                  {"leader", moved.leader},
                  {"leader_epoch", moved.leader_epoch},
                  {"outage_us", moved.outage.count()}};
    if (moved.failure) value["error"] = tools::to_json(*moved.failure);
    return value;
}

std::string outage_text(const MovedLeader& moved) {
    return fmt::format("{:.1f} ms", static_cast<double>(moved.outage.count()) / 1000);
}

int move(Session& session, const std::string& text, int32_t to) {
    Expected<TopicPartition> partition = parse_partition(text);
    if (!partition) return session.usage(partition.error());
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        const std::string what = fmt::format("cannot move the leadership of {}", text);
        Expected<std::vector<MovedLeader>> moved = admin.move_leaders({{*partition, to}}, patience);
        if (!moved) return session.fail(what, moved.error());
        const MovedLeader& one = moved->front();
        if (one.failure && one.failure->code == ErrorCode::unknown_topic_or_partition) {
            Failure failure = *one.failure;
            failure.hint = unknown_topic_hint(admin, patience, partition->topic, failure.hint);
            return session.fail(what, failure);
        }
        if (one.failure) return session.fail(what, *one.failure);
        if (session.json) {
            session.print_json(to_json(one));
        } else if (one.before == to) {
            session.print(fmt::format("broker {} leads {} already\n", to, text));
        } else {
            session.print(
                fmt::format("broker {} leads {} in epoch {}; before it was {}. Nobody could append for {} at "
                            "most, and nothing was lost\n",
                            to, text, one.leader_epoch, one.before, outage_text(one)));
        }
        return exit_done;
    });
}

struct Imbalance {
    std::vector<LeaderMove> moves;
    std::vector<std::string> waiting;  // the preferred leader is not in sync
};

Imbalance imbalance_of(const std::vector<TopicSummary>& topics, const std::string& only) {
    Imbalance imbalance;
    for (const TopicSummary& topic : topics) {
        if (!only.empty() && topic.name != only && topic.id != only) continue;
        for (const PartitionSummary& partition : topic.partitions) {
            if (partition.replicas.empty() || partition.leader == partition.replicas.front()) continue;
            const int32_t preferred = partition.replicas.front();
            const TopicPartition place{topic.name, partition.partition};
            const auto& in_sync = partition.in_sync;
            const bool is_ready = std::find(in_sync.begin(), in_sync.end(), preferred) != in_sync.end();
            if (partition.leader >= 0 && is_ready) {
                imbalance.moves.push_back({place, preferred});
            } else {
                imbalance.waiting.push_back(partition_text(place));
            }
        }
    }
    return imbalance;
}

int show_balance(Session& session, const std::vector<MovedLeader>& moved, const Imbalance& imbalance) {
    const auto failed = std::count_if(moved.begin(), moved.end(), [](const MovedLeader& one) { return one.failure; });
    if (session.json) {
        Json values = Json::array();
        for (const MovedLeader& one : moved) values.push_back(to_json(one));
        session.print_json(Json{{"moved", std::move(values)}, {"not_ready", imbalance.waiting}});
    } else {
        Table table({"PARTITION", "BEFORE", "LEADER", "OUTAGE AT MOST", "PROBLEM"});
        for (const MovedLeader& one : moved) {
            table.add({partition_text(one.partition), std::to_string(one.before), std::to_string(one.leader),
                       one.failure ? "" : outage_text(one), one.failure ? one.failure->to_string() : ""});
        }
        if (!moved.empty()) session.print(table.to_string());
        if (moved.empty() && imbalance.waiting.empty())
            session.print("every partition is led by its preferred broker\n");
        for (const std::string& partition : imbalance.waiting) {
            session.print(
                fmt::format("{}: stays, because nobody leads or its preferred leader is not in sync\n", partition));
        }
    }
    return failed == 0 && imbalance.waiting.empty() ? exit_done : exit_refused;
}

int balance(Session& session, const std::string& topic) {
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        Expected<std::vector<TopicSummary>> topics = admin.list_topics(patience);
        if (!topics) return session.fail("cannot list the leaders", topics.error());
        const auto is_meant = [&](const TopicSummary& each) { return each.name == topic || each.id == topic; };
        if (!topic.empty() && std::none_of(topics->begin(), topics->end(), is_meant)) {
            const Failure unknown{ErrorCode::unknown_topic_or_partition, Outcome::not_written,
                                  unknown_topic_hint(admin, patience, topic, "there is no such topic")};
            return session.fail(fmt::format("cannot balance {}", topic), unknown);
        }
        const Imbalance imbalance = imbalance_of(*topics, topic);
        std::vector<MovedLeader> all;
        for (size_t begin = 0; begin < imbalance.moves.size(); begin += moved_at_once) {
            const size_t end = std::min(imbalance.moves.size(), begin + moved_at_once);
            const std::vector<LeaderMove> some(imbalance.moves.begin() + static_cast<std::ptrdiff_t>(begin),
                                               imbalance.moves.begin() + static_cast<std::ptrdiff_t>(end));
            Expected<std::vector<MovedLeader>> moved = admin.move_leaders(some, patience);
            if (!moved) return session.fail("cannot move leaders", moved.error());
            all.insert(all.end(), moved->begin(), moved->end());
        }
        return show_balance(session, all, imbalance);
    });
}

int elect(Session& session, const std::string& text, bool unclean) {
    Expected<TopicPartition> partition = parse_partition(text);
    if (!partition) return session.usage(partition.error());
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        const std::string what = fmt::format("cannot elect a leader of {}", text);
        Expected<ElectedLeader> proposed = admin.elect_leader(*partition, unclean, true, patience);
        if (!proposed) return session.fail(what, proposed.error());
        const std::string loss = proposed->loss.empty() ? "nothing that was acknowledged is lost"
                                                        : fmt::format("may be lost: {}", proposed->loss);
        if (!session.confirm(fmt::format("make broker {} the leader of {}, from offset {} on; {}", proposed->leader,
                                         text, proposed->log_end, loss))) {
            return exit_refused;
        }
        Expected<ElectedLeader> elected = admin.elect_leader(*partition, unclean, false, patience);
        if (!elected) return session.fail(what, elected.error());
        if (session.json) {
            session.print_json(
                Json{{"leader", elected->leader}, {"log_end", elected->log_end}, {"loss", elected->loss}});
        } else {
            session.print(fmt::format("broker {} leads {} from offset {} on; {}\n", elected->leader, text,
                                      elected->log_end,
                                      elected->loss.empty() ? "nothing that was acknowledged is lost"
                                                            : fmt::format("may be lost: {}", elected->loss)));
        }
        return exit_done;
    });
}

}  // namespace

void add_leader_changes(Command noun, Session& session) {
    auto partition = std::make_shared<std::string>();
    auto to = std::make_shared<int32_t>(-1);
    Command move_command = add_command(
        noun, session,
        {"move",
         "hand the leadership of a partition to another broker that is in sync. The leader stops appending, "
         "and hands over when the other has everything on disk: nothing acknowledged at any level is lost, "
         "and producers see a retry at most",
         "ironbark leader move orders/3 --to 2"},
        [&session, partition, to] { return move(session, *partition, *to); });
    move_command.add_option("TOPIC/PARTITION", *partition, "like orders/3").required();
    move_command.add_option("--to", *to, "the broker that is to lead").required().number_from(0);

    auto topic = std::make_shared<std::string>();
    Command balance_command = add_command(
        noun, session,
        {"balance",
         "hand each partition to its preferred leader, the first of its replicas, a few at a time. Exit code 1 "
         "if some preferred leaders are not in sync",
         "ironbark leader balance"},
        [&session, topic] { return balance(session, *topic); });
    balance_command.add_option("TOPIC", *topic, "name or id; all topics if it is not given");

    auto elected = std::make_shared<std::string>();
    auto unclean = std::make_shared<bool>(false);
    Command elect_command = add_command(
        noun, session,
        {"elect",
         "appoint a leader where nobody leads: who may lead by right, or with --unclean, if none of those is "
         "there, any replica that lives. Without --yes it says who it would be, and what may be lost",
         "ironbark leader elect orders/3 --unclean --yes"},
        [&session, elected, unclean] { return elect(session, *elected, *unclean); });
    elect_command.add_option("TOPIC/PARTITION", *elected, "like orders/3").required();
    elect_command.add_flag("--unclean", *unclean, "accept the loss of acknowledged records");
    add_yes(elect_command, session);
}

}  // namespace ironbark::tools
