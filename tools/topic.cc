// ironbark topic create | list | describe | options: what asks, and what adds. What changes or removes is in
// topic_change.cc.

#include "tools/topic.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>

#include "tools/table.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

struct CreateOptions {
    TopicSpecification topic;
    std::vector<std::string> settings;
};

int create(Session& session, CreateOptions options) {
    Expected<std::map<std::string, std::string>> settings = parse_assignments(options.settings);
    if (!settings) return session.usage(settings.error());
    options.topic.settings = *settings;
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        Expected<CreatedTopic> created = admin.create_topic(options.topic, patience);
        if (!created) return session.fail(fmt::format("cannot create topic '{}'", options.topic.name), created.error());
        if (session.json) {
            session.print_json(Json{{"topic", options.topic.name},
                                    {"id", created->id},
                                    {"partitions", created->partitions},
                                    {"replicas", created->replicas},
                                    {"min_in_sync", created->min_in_sync},
                                    {"dry_run", options.topic.validate_only}});
        } else {
            session.print(fmt::format(
                "{} topic {} with {}, {}, min-in-sync {}\n", options.topic.validate_only ? "would create" : "created",
                options.topic.name, count_text(static_cast<uint64_t>(created->partitions), "partition"),
                count_text(static_cast<uint64_t>(created->replicas), "replica"), created->min_in_sync));
        }
        return exit_done;
    });
}

std::string problem_of(const std::optional<Failure>& failure) {
    return failure ? failure->to_string() : "";
}

Json to_json(const TopicSummary& topic) {
    Json partitions = Json::array();
    for (const PartitionSummary& partition : topic.partitions) {
        Json entry = {{"partition", partition.partition},
                      {"leader", partition.leader},
                      {"leader_epoch", partition.leader_epoch},
                      {"replicas", partition.replicas},
                      {"in_sync", partition.in_sync}};
        if (partition.failure) entry["error"] = tools::to_json(*partition.failure);
        partitions.push_back(std::move(entry));
    }
    Json value = {{"name", topic.name}, {"id", topic.id}, {"partitions", std::move(partitions)}};
    if (topic.failure) value["error"] = tools::to_json(*topic.failure);
    return value;
}

int list_topics(Session& session) {
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        Expected<std::vector<TopicSummary>> topics = admin.list_topics(patience);
        if (!topics) return session.fail("cannot list the topics", topics.error());
        std::sort(topics->begin(), topics->end(), [](const auto& one, const auto& two) { return one.name < two.name; });
        Json values = Json::array();
        Table table({"TOPIC", "PARTITIONS", "REPLICAS", "WITHOUT LEADER", "ID"});
        for (const TopicSummary& topic : *topics) {
            values.push_back(to_json(topic));
            auto orphans = std::count_if(topic.partitions.begin(), topic.partitions.end(),
                                         [](const PartitionSummary& partition) { return partition.leader < 0; });
            size_t replicas = topic.partitions.empty() ? 0 : topic.partitions.front().replicas.size();
            table.add({topic.name, std::to_string(topic.partitions.size()), std::to_string(replicas),
                       std::to_string(orphans), topic.id});
        }
        if (session.json) {
            session.print_json(values);
        } else if (topics->empty()) {
            session.say("there are no topics; 'ironbark topic create NAME' makes one");
        } else {
            session.print(table.to_string());
        }
        return exit_done;
    });
}

Json to_json(const TopicDescription& topic) {
    Json settings = Json::object();
    for (const SettingValue& setting : topic.settings) {
        settings[setting.key] = {
            {"value", setting.value}, {"default", setting.default_value}, {"source", name(setting.source)}};
    }
    Json partitions = Json::array();
    for (const PartitionDescription& partition : topic.partitions) {
        Json entry = {{"partition", partition.partition},
                      {"state", partition.state},
                      {"state_detail", partition.state_detail},
                      {"leader", partition.leader},
                      {"leader_epoch", partition.leader_epoch},
                      {"replicas", partition.replicas},
                      {"in_sync", partition.in_sync},
                      {"log_start", partition.log_start},
                      {"durable_watermark", partition.durable_watermark},
                      {"high_watermark", partition.high_watermark},
                      {"log_end", partition.log_end},
                      {"bytes", partition.bytes},
                      {"segments", partition.segments}};
        if (partition.failure) entry["error"] = tools::to_json(*partition.failure);
        partitions.push_back(std::move(entry));
    }
    return {{"name", topic.name},
            {"id", topic.id},
            {"settings_version", topic.settings_version},
            {"min_in_sync", topic.min_in_sync},
            {"settings", std::move(settings)},
            {"partitions", std::move(partitions)}};
}

std::string number_text(int64_t number) {
    return number < 0 ? "" : std::to_string(number);
}

std::string text_of(const TopicDescription& topic) {
    std::string out = fmt::format("topic {} ({}), min-in-sync {}\n\n", topic.name, topic.id,
                                  topic.min_in_sync < 0 ? "unknown" : std::to_string(topic.min_in_sync));
    Table partitions({"PARTITION", "STATE", "LEADER", "EPOCH", "REPLICAS", "IN SYNC", "START", "DURABLE", "HIGH", "END",
                      "ON DISK", "SEGMENTS"});
    std::string problems;
    for (const PartitionDescription& partition : topic.partitions) {
        partitions.add({std::to_string(partition.partition), partition.state, number_text(partition.leader),
                        number_text(partition.leader_epoch), fmt::format("{}", fmt::join(partition.replicas, ",")),
                        fmt::format("{}", fmt::join(partition.in_sync, ",")), number_text(partition.log_start),
                        number_text(partition.durable_watermark), number_text(partition.high_watermark),
                        number_text(partition.log_end),
                        partition.bytes < 0 ? "" : bytes_text(static_cast<uint64_t>(partition.bytes)),
                        number_text(partition.segments)});
        std::string problem = partition.state_detail + problem_of(partition.failure);
        if (!problem.empty()) problems += fmt::format("partition {}: {}\n", partition.partition, problem);
    }
    out += partitions.to_string() + problems;
    Table settings({"SETTING", "VALUE", "FROM", "DEFAULT"});
    for (const SettingValue& setting : topic.settings) {
        bool is_default = setting.source == SettingSource::default_value;
        settings.add({setting.key, setting.value, is_default ? "default" : name(setting.source),
                      is_default ? "" : setting.default_value});
    }
    return out + "\n" + settings.to_string();
}

int describe(Session& session, const std::string& topic) {
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        Expected<TopicDescription> description = admin.describe_topic(topic, patience);
        if (!description) return fail_for_topic(session, admin, patience, "describe", topic, description.error());
        if (session.json) {
            session.print_json(to_json(*description));
        } else {
            session.print(text_of(*description));
        }
        return exit_done;
    });
}

int options(Session& session) {
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        Expected<std::vector<TopicOptionInfo>> options = admin.topic_options(patience);
        if (!options) return session.fail("cannot ask for the topic options", options.error());
        Json values = Json::array();
        Table table({"SETTING", "TYPE", "DEFAULT", "RANGE", "MEANING"});
        for (const TopicOptionInfo& option : *options) {
            values.push_back({{"key", option.key},
                              {"type", option.type},
                              {"default", option.default_value},
                              {"range", option.range},
                              {"description", option.description}});
            table.add({option.key, option.type, option.default_value, option.range, option.description});
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

Expected<TopicPartition> parse_partition(const std::string& text) {
    const size_t slash = text.rfind('/');
    TopicPartition place;
    const char* end = text.data() + text.size();
    bool is_good = slash != std::string::npos && slash > 0 && slash + 1 < text.size();
    if (is_good) {
        const auto parsed = std::from_chars(text.data() + slash + 1, end, place.partition);
        is_good = parsed.ec == std::errc() && parsed.ptr == end && place.partition >= 0;
    }
    if (!is_good) return wrong_usage(fmt::format("'{}' is no partition; write TOPIC/NUMBER, like orders/3", text));
    place.topic = text.substr(0, slash);
    return place;
}

std::string partition_text(const TopicPartition& partition) {
    return fmt::format("{}/{}", partition.topic, partition.partition);
}

std::string lag_text(const PartitionDescription& partition, const ReplicaState& replica) {
    if (replica.log_end < 0) return fmt::format("{}: not heard of", replica.broker);
    return fmt::format("{}: {}", replica.broker, std::max<int64_t>(0, partition.log_end - replica.log_end));
}

Expected<void> find_broker(Admin& admin, const Settings& settings, Admin::Timeout patience) {
    constexpr Admin::Timeout start_patience{2'000};  // a daemon that was started just before listens by then
    Expected<NodeDescription> node = admin.describe_node(-1, std::min(patience, start_patience));
    if (node.ok() || node.error().code != ErrorCode::connection_refused) return {};
    Failure failure = node.error();
    failure.hint = fmt::format(
        "nobody listens at {}: is ironbarkd running there? --bootstrap or IRONBARK_BOOTSTRAP name "
        "another address",
        settings.bootstrap_servers);
    return failure;
}

int fail_for_topic(Session& session,
                   Admin& admin,
                   Admin::Timeout patience,
                   const char* verb,
                   const std::string& topic,
                   Failure failure) {
    bool is_unknown =
        failure.code == ErrorCode::unknown_topic_or_partition || failure.code == ErrorCode::unknown_topic_id;
    if (is_unknown) failure.hint = unknown_topic_hint(admin, patience, topic, failure.hint);
    return session.fail(fmt::format("cannot {} topic '{}'", verb, topic), failure);
}

void add_topic(Command app, Session& session) {
    Command noun = add_noun(app, "topic", "topics: create, look at, change, delete");
    auto create_options = std::make_shared<CreateOptions>();
    Command create_command = add_command(
        noun, session,
        {"create", "create a topic",
         "ironbark topic create orders --partitions 3 --replicas 1 --set retention.ms=7d --set acks.default=leader"},
        [&session, create_options] { return create(session, *create_options); });
    TopicSpecification& topic = create_options->topic;
    create_command.add_option("NAME", topic.name, "letters, digits, '.', '_', '-'").required();
    create_command.add_option("--partitions", topic.partitions, "how many [the cluster's default]").number_from(1);
    create_command.add_option("--replicas", topic.replicas, "copies of each partition [the cluster's default]")
        .number_from(1);
    create_command
        .add_option("--min-in-sync", topic.min_in_sync,
                    "replicas that must be in sync for a write at an isr level [the cluster's default]")
        .number_from(1);
    add_set(create_command, create_options->settings, "a setting; 'ironbark topic options' lists them");
    create_command.add_flag("--dry-run", topic.validate_only, "only say whether it could be created");

    add_command(noun, session, {"list", "list all topics", "ironbark topic list --json"},
                [&session] { return list_topics(session); });

    auto described = std::make_shared<std::string>();
    add_command(noun, session,
                {"describe", "show a topic's partitions, offsets and settings", "ironbark topic describe orders"},
                [&session, described] { return describe(session, *described); })
        .add_option("NAME", *described, "the topic, or its id")
        .required();

    add_command(noun, session, {"options", "list every setting of topics", "ironbark topic options"},
                [&session] { return options(session); });
    add_topic_changes(noun, session);
}

}  // namespace ironbark::tools
