// ironbark replica move | cancel | status: which brokers keep a partition, by an operator's hand.

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "runtime/base/text.h"
#include "tools/table.h"
#include "tools/terminal.h"
#include "tools/topic.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds look_interval(200);
constexpr double told_interval_seconds = 5;

std::string brokers_text(const std::vector<int32_t>& brokers) {
    return fmt::format("{}", fmt::join(brokers, ","));
}

bool has(const std::vector<int32_t>& brokers, int32_t broker) {
    return std::find(brokers.begin(), brokers.end(), broker) != brokers.end();
}

Json to_json(const PlannedReplicas& planned) {
    return {{"topic", planned.partition.topic},
            {"partition", planned.partition.partition},
            {"before", planned.before},
            {"to", planned.to}};
}

struct Move {
    std::string topic;
    PartitionSummary partition;
    std::vector<int32_t> missing;  // brokers that have to be in sync first
    std::vector<int32_t> dead;     // brokers that are to keep it, are not in sync, and are not alive
    std::string lag;               // records that they lack, as the leader knows it
};

// What each of those that are to be in sync lacks of the leader's log.
std::string lag_of(const TopicDescription& topic, const Move& move) {
    std::string text;
    for (const PartitionDescription& partition : topic.partitions) {
        if (partition.partition != move.partition.partition) continue;
        for (const ReplicaState& each : partition.replica_states) {
            if (!has(move.missing, each.broker)) continue;
            text += (text.empty() ? "" : ", ") + lag_text(partition, each);
        }
    }
    return text;
}

// "waits for broker 3, which is not alive"; empty if all live.
std::string dead_text(const Move& move) {
    if (move.dead.empty()) return {};
    const bool is_one = move.dead.size() == 1;
    return fmt::format("waits for {} {}, which {} not alive", is_one ? "broker" : "brokers", brokers_text(move.dead),
                       is_one ? "is" : "are");
}

std::string state_of(const Move& move) {
    const PartitionSummary& partition = move.partition;
    const std::string dead = dead_text(move);
    if (partition.leader < 0) return dead.empty() ? "nobody leads it" : "nobody leads it; " + dead;
    if (!move.missing.empty()) {
        std::string text = fmt::format("until brokers {} are in sync", brokers_text(move.missing));
        if (partition.throttle > 0) {
            text += fmt::format(", at {}/s each", bytes_text(static_cast<uint64_t>(partition.throttle)));
        }
        return dead.empty() ? text : fmt::format("{}; {}", text, dead);
    }
    if (!has(partition.moving_to, partition.leader)) return "the leader is handed over";
    return dead.empty() ? "the others are let go when enough of the new ones are in sync" : dead;
}

Expected<std::vector<int32_t>> living_brokers(Admin& admin, Admin::Timeout patience) {
    Expected<ClusterInfo> cluster = admin.describe_cluster(patience);
    if (!cluster) return cluster.error();
    std::vector<int32_t> alive;
    for (const BrokerInfo& broker : cluster->brokers) {
        if (broker.is_alive) alive.push_back(broker.id);
    }
    return alive;
}

Expected<std::vector<Move>> moves_of(Admin& admin, Admin::Timeout patience) {
    Expected<std::vector<TopicSummary>> topics = admin.list_topics(patience);
    if (!topics) return topics.error();
    Expected<std::vector<int32_t>> alive = living_brokers(admin, patience);
    if (!alive) return alive.error();
    std::vector<Move> moves;
    for (const TopicSummary& topic : *topics) {
        const size_t first = moves.size();
        for (const PartitionSummary& partition : topic.partitions) {
            if (partition.moving_to.empty()) continue;
            Move& move = moves.emplace_back(Move{topic.name, partition, {}, {}, {}});
            for (int32_t each : partition.moving_to) {
                if (!has(partition.in_sync, each) && !has(*alive, each)) move.dead.push_back(each);
            }
            for (int32_t each : partition.added) {
                if (has(partition.moving_to, each) && !has(partition.in_sync, each)) move.missing.push_back(each);
            }
        }
        if (moves.size() == first) continue;
        // How far they are is worth knowing, and no reason to say nothing.
        if (Expected<TopicDescription> description = admin.describe_topic(topic.name, patience)) {
            for (size_t index = first; index < moves.size(); ++index) {
                moves[index].lag = lag_of(*description, moves[index]);
            }
        }
    }
    return moves;
}

// "orders/3: until brokers 4 are in sync (4: 1200 records behind)"; empty if it is not being moved any more.
std::string progress_of(Admin& admin, Admin::Timeout patience, const TopicPartition& place) {
    Expected<std::vector<Move>> moves = moves_of(admin, patience);
    if (!moves)
        return fmt::format("{}: how far it is is not known: {}", partition_text(place), moves.error().to_string());
    for (const Move& move : *moves) {
        if (move.topic != place.topic || move.partition.partition != place.partition) continue;
        const std::string lag = move.lag.empty() ? "" : fmt::format(" (records behind: {})", move.lag);
        return fmt::format("{}: {}{}", partition_text(place), state_of(move), lag);
    }
    return {};
}

// Until the planned move has ended, whoever may have changed or cancelled it meanwhile. Says how far it is now and
// then. A limit of 0: as long as it takes.
Expected<PartitionSummary> wait_for_end(
    Session& session, Admin& admin, Admin::Timeout patience, TopicPartition place, std::chrono::milliseconds limit) {
    const Stopwatch watch;
    double next_told = told_interval_seconds;
    while (true) {
        Expected<std::vector<TopicSummary>> topics = admin.list_topics(patience);
        if (!topics) return topics.error();
        for (const TopicSummary& topic : *topics) {
            if (topic.name != place.topic && topic.id != place.topic) continue;
            place.topic = topic.name;
            for (const PartitionSummary& partition : topic.partitions) {
                if (partition.partition == place.partition && partition.moving_to.empty()) return partition;
            }
        }
        const double seconds = watch.seconds();
        const bool is_over = limit.count() > 0 && seconds * 1000 >= static_cast<double>(limit.count());
        if (is_over) {
            return Failure{ErrorCode::timed_out, Outcome::written,
                           fmt::format("not moved after {}: {}. It goes on by itself; 'ironbark replica status' shows "
                                       "how far it is",
                                       duration_text(limit.count()), progress_of(admin, patience, place))};
        }
        if (seconds >= next_told) {
            const std::string progress = progress_of(admin, patience, place);
            if (!progress.empty()) session.say(progress);
            next_told = seconds + told_interval_seconds;
        }
        std::this_thread::sleep_for(look_interval);
    }
}

// "50MiB/s": of `50MiB` in a second.
Expected<int64_t> parse_throttle(std::string_view text) {
    if (text.ends_with("/s")) text.remove_suffix(2);
    const Result<int64_t> bytes = parse_bytes(text);
    if (!bytes.ok() || *bytes < 1) return wrong_usage("--throttle is bytes a second, like 50MiB/s");
    return *bytes;
}

int plan(Session& session, const std::string& text, const std::vector<int32_t>& to, int64_t throttle, bool waits) {
    Expected<TopicPartition> partition = parse_partition(text);
    if (!partition) return session.usage(partition.error());
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        const std::string what = fmt::format("cannot move the replicas of {}", text);
        Expected<std::vector<PlannedReplicas>> planned = admin.move_replicas({{*partition, to, throttle}}, patience);
        if (!planned) return session.fail(what, planned.error());
        PlannedReplicas& one = planned->front();
        if (one.failure && one.failure->code == ErrorCode::unknown_topic_or_partition) {
            one.failure->hint = unknown_topic_hint(admin, patience, partition->topic, one.failure->hint);
        }
        if (one.failure) return session.fail(what, *one.failure);
        if (!session.json) {
            session.print(
                fmt::format("{}: from brokers {} to {}\n", text, brokers_text(one.before), brokers_text(one.to)));
        }
        if (waits) {
            session.output.flush();
            // A move takes as long as it takes, unless somebody has said otherwise.
            const Admin::Timeout limit = session.timeout.empty() ? Admin::Timeout(0) : patience;
            Expected<PartitionSummary> end = wait_for_end(session, admin, patience, *partition, limit);
            if (!end) return session.fail(fmt::format("waiting for the move of {}", text), end.error());
            one.to = end->replicas;
            if (!session.json) session.print(fmt::format("{}: brokers {} keep it\n", text, brokers_text(one.to)));
        } else if (!session.json) {
            session.print("`ironbark replica status` shows how far it is\n");
        }
        if (session.json) session.print_json(to_json(one));
        return exit_done;
    });
}

int show_status(Session& session) {
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        Expected<std::vector<Move>> moves = moves_of(admin, patience);
        if (!moves) return session.fail("cannot list the moves", moves.error());
        Json values = Json::array();
        Table table({"PARTITION", "LEADER", "REPLICAS", "TO", "IN SYNC", "WAITS", "RECORDS BEHIND"});
        for (const Move& move : *moves) {
            const PartitionSummary& partition = move.partition;
            values.push_back({{"topic", move.topic},
                              {"partition", partition.partition},
                              {"leader", partition.leader},
                              {"replicas", partition.replicas},
                              {"to", partition.moving_to},
                              {"added", partition.added},
                              {"in_sync", partition.in_sync},
                              {"missing", move.missing},
                              {"not_alive", move.dead},
                              {"throttle", partition.throttle}});
            table.add({fmt::format("{}/{}", move.topic, partition.partition),
                       partition.leader < 0 ? "NONE" : std::to_string(partition.leader),
                       brokers_text(partition.replicas), brokers_text(partition.moving_to),
                       brokers_text(partition.in_sync), state_of(move), move.lag});
        }
        if (session.json) {
            session.print_json(values);
        } else {
            session.print(moves->empty() ? "no replicas are being moved\n" : table.to_string());
        }
        return exit_done;
    });
}

}  // namespace

void add_replica(Command app, Session& session) {
    Command noun = add_noun(app, "replica", "which brokers keep a partition");

    auto moved = std::make_shared<std::string>();
    auto to = std::make_shared<std::vector<int32_t>>();
    auto throttle = std::make_shared<std::string>();
    auto waits = std::make_shared<bool>(false);
    Command move_command = add_command(
        noun, session,
        {"move",
         "have a partition kept by these brokers, the preferred leader first. New ones copy it while everything goes "
         "on; when they are in sync the leader is handed over, if it is to go, and the others let it go",
         "ironbark replica move orders/3 --to 2,3,4 --throttle 50MiB/s"},
        [&session, moved, to, throttle, waits] {
            const Expected<int64_t> rate = throttle->empty() ? Expected<int64_t>(0) : parse_throttle(*throttle);
            return rate ? plan(session, *moved, *to, *rate, *waits) : session.usage(rate.error());
        });
    move_command.add_option("TOPIC/PARTITION", *moved, "like orders/3").required();
    move_command.add_option("--to", *to, "brokers, like 2,3,4").required().number_from(0).separated_by(',');
    move_command.add_option(
        "--throttle", *throttle,
        "of what each new one copies while it is far behind, like 50MiB/s; once more with another one "
        "to change it");
    move_command.add_flag(
        "--wait", *waits,
        "return when it has been moved, or after --timeout if that is given; says now and then how far it is");

    auto cancelled = std::make_shared<std::string>();
    Command cancel_command = add_command(
        noun, session,
        {"cancel", "take a move back: the brokers from before keep the partition, and those that were added let it go",
         "ironbark replica cancel orders/3"},
        [&session, cancelled] { return plan(session, *cancelled, {}, 0, false); });
    cancel_command.add_option("TOPIC/PARTITION", *cancelled, "like orders/3").required();

    add_command(noun, session, {"status", "list the moves that are under way", "ironbark replica status"},
                [&session] { return show_status(session); });
}

}  // namespace ironbark::tools
