// ironbark topic alter | add-partitions | delete | delete-records: what changes a topic, or removes records for good.

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>

#include "runtime/base/text.h"
#include "tools/table.h"
#include "tools/topic.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

struct AlterOptions {
    std::string topic;
    std::vector<std::string> settings;
    TopicChanges changes;
};

std::string value_of(const TopicDescription& topic, const std::string& key) {
    for (const SettingValue& setting : topic.settings) {
        if (setting.key == key) return setting.value;
    }
    return {};
}

// What became of the settings that were named.
int show_changes(Session& session,
                 const AlterOptions& options,
                 const TopicDescription& before,
                 const TopicDescription& after) {
    std::vector<std::string> keys = options.changes.reset;
    for (const auto& [key, value] : options.changes.set) keys.push_back(key);
    Json changes = Json::array();
    Table table({"SETTING", "BEFORE", "NOW"});
    bool is_other = false;
    for (const std::string& key : keys) {
        is_other = is_other || value_of(before, key) != value_of(after, key);
        changes.push_back({{"key", key}, {"before", value_of(before, key)}, {"now", value_of(after, key)}});
        table.add({key, value_of(before, key), value_of(after, key)});
    }
    if (session.json) {
        session.print_json(
            Json{{"topic", before.name}, {"dry_run", options.changes.validate_only}, {"changes", changes}});
    } else {
        session.print(table.to_string());
        if (!is_other) session.print(options.changes.validate_only ? "nothing would change\n" : "nothing changed\n");
    }
    return exit_done;
}

// As the cluster keeps it: "2d" is 172800000, "64KiB" 65536. What is not understood stays; it was checked elsewhere.
std::string normalised(const std::vector<TopicOptionInfo>& options, const std::string& key, const std::string& text) {
    for (const TopicOptionInfo& option : options) {
        if (option.key != key || (option.type != "bytes" && option.type != "duration")) continue;
        const Result<int64_t> number = option.type == "bytes" ? parse_bytes(text) : parse_milliseconds(text);
        if (number.ok()) return std::to_string(*number);
    }
    return text;
}

// What the topic would be like.
Expected<TopicDescription> altered_topic(Admin& admin,
                                         Admin::Timeout patience,
                                         const TopicDescription& before,
                                         const TopicChanges& changes) {
    Expected<std::vector<TopicOptionInfo>> options = admin.topic_options(patience);
    if (!options) return options.error();
    TopicDescription wanted = before;
    for (SettingValue& setting : wanted.settings) {
        auto change = changes.set.find(setting.key);
        if (change != changes.set.end()) setting.value = normalised(*options, setting.key, change->second);
        bool is_reset = std::count(changes.reset.begin(), changes.reset.end(), setting.key) > 0;
        if (is_reset) setting.value = setting.default_value;
    }
    return wanted;
}

int alter(Session& session, AlterOptions options) {
    Expected<std::map<std::string, std::string>> set = parse_assignments(options.settings);
    if (!set) return session.usage(set.error());
    options.changes.set = *set;
    if (options.changes.set.empty() && options.changes.reset.empty()) {
        return session.usage(wrong_usage("nothing to change: give --set KEY=VALUE or --reset KEY"));
    }
    for (const std::string& key : options.changes.reset) {
        if (set->contains(key)) return session.usage(wrong_usage(fmt::format("'{}' is both set and reset", key)));
    }
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        Expected<TopicDescription> before = admin.describe_topic(options.topic, patience);
        if (!before) return fail_for_topic(session, admin, patience, "alter", options.topic, before.error());
        Expected<void> altered = admin.alter_topic(options.topic, options.changes, patience);
        if (!altered) return session.fail(fmt::format("cannot alter topic '{}'", options.topic), altered.error());
        if (options.changes.validate_only) {
            Expected<TopicDescription> wanted = altered_topic(admin, patience, *before, options.changes);
            if (!wanted) return session.fail("it could be done, but what would change cannot be said", wanted.error());
            return show_changes(session, options, *before, *wanted);
        }
        Expected<TopicDescription> after = admin.describe_topic(options.topic, patience);
        if (!after) return session.fail("the settings were changed, but cannot be read again", after.error());
        return show_changes(session, options, *before, *after);
    });
}

struct AddOptions {
    std::string topic;
    int32_t partitions = 0;
    bool dry_run = false;
};

int add_partitions(Session& session, const AddOptions& options) {
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        Expected<int32_t> count = admin.add_partitions(options.topic, options.partitions, options.dry_run, patience);
        if (!count) return fail_for_topic(session, admin, patience, "add partitions to", options.topic, count.error());
        if (session.json) {
            session.print_json(Json{{"topic", options.topic}, {"partitions", *count}, {"dry_run", options.dry_run}});
        } else {
            session.print(fmt::format("topic {} {} {} partitions\n", options.topic,
                                      options.dry_run ? "would have" : "has", *count));
        }
        return exit_done;
    });
}

// How many records the partitions hold, as far as it is known.
uint64_t record_count(const TopicDescription& topic) {
    uint64_t count = 0;
    for (const PartitionDescription& partition : topic.partitions) {
        if (partition.log_start >= 0) count += static_cast<uint64_t>(partition.log_end - partition.log_start);
    }
    return count;
}

int remove(Session& session, const std::string& topic) {
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        Expected<TopicDescription> description = admin.describe_topic(topic, patience);
        if (!description) return fail_for_topic(session, admin, patience, "delete", topic, description.error());
        const uint64_t records = record_count(*description);
        std::string plan =
            fmt::format("delete topic {} ({}) with {} and all its records, {}, for good", description->name,
                        description->id, count_text(description->partitions.size(), "partition"), records);
        if (!session.confirm(plan)) return exit_refused;
        // By its id: a topic of the same name that was created since is another one.
        Expected<void> deleted = admin.delete_topic(description->id, patience);
        if (!deleted) return session.fail(fmt::format("cannot delete topic '{}'", topic), deleted.error());
        if (session.json) {
            session.print_json(
                Json{{"done", true}, {"topic", description->name}, {"id", description->id}, {"records", records}});
        } else {
            session.print(fmt::format("deleted topic {} with {}\n", description->name, count_text(records, "record")));
        }
        return exit_done;
    });
}

struct DeleteOptions {
    std::string topic;
    int32_t partition = -1;
    std::string before;
};

// -1: the end.
Expected<int64_t> parse_before(const std::string& text) {
    if (text == "end") return int64_t{-1};
    int64_t offset = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), offset);
    if (error != std::errc{} || end != text.data() + text.size() || offset < 0) {
        return wrong_usage(fmt::format("--before '{}': it is an offset, or 'end'", text));
    }
    return offset;
}

// The partition as it is, or why there is nothing to delete from.
Expected<PartitionDescription> find_partition(const TopicDescription& topic, int32_t partition) {
    for (const PartitionDescription& candidate : topic.partitions) {
        if (candidate.partition != partition) continue;
        if (candidate.failure) return *candidate.failure;
        return candidate;
    }
    return Failure{ErrorCode::unknown_topic_or_partition, Outcome::not_written,
                   fmt::format("topic {} has {}, the last is {}", topic.name,
                               count_text(topic.partitions.size(), "partition"), topic.partitions.size() - 1)};
}

Failure beyond_high_watermark(int64_t to, int64_t high_watermark) {
    return {ErrorCode::offset_out_of_range, Outcome::not_written,
            fmt::format("only records below the high watermark, which is {}, can be deleted, and not those up to {}",
                        high_watermark, to)};
}

int delete_records(Session& session, const DeleteOptions& options) {
    Expected<int64_t> before = parse_before(options.before);
    if (!before) return session.usage(before.error());
    return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
        const std::string what = fmt::format("cannot delete records of {}/{}", options.topic, options.partition);
        Expected<TopicDescription> topic = admin.describe_topic(options.topic, patience);
        if (!topic) return fail_for_topic(session, admin, patience, "delete records of", options.topic, topic.error());
        Expected<PartitionDescription> partition = find_partition(*topic, options.partition);
        if (!partition) return session.fail(what, partition.error());
        const int64_t to = *before < 0 ? partition->high_watermark : *before;
        const int64_t count = std::max<int64_t>(0, to - partition->log_start);
        std::string plan = fmt::format("delete {} of {}/{} for good: offsets {} up to, not including, {}",
                                       count_text(static_cast<uint64_t>(count), "record"), topic->name,
                                       options.partition, partition->log_start, to);
        // With --yes the leader decides, whose high watermark may be higher by then.
        if (!session.yes && partition->high_watermark >= 0 && to > partition->high_watermark) {
            return session.fail(what, beyond_high_watermark(to, partition->high_watermark));
        }
        if (!session.confirm(plan)) return exit_refused;
        Expected<std::vector<DeletedRecords>> deleted =
            admin.delete_records({{{topic->name, options.partition}, to}}, patience);
        if (!deleted) return session.fail(what, deleted.error());
        if (deleted->front().failure) return session.fail(what, *deleted->front().failure);
        const int64_t log_start = deleted->front().log_start;
        if (session.json) {
            session.print_json(Json{{"done", true},
                                    {"topic", topic->name},
                                    {"partition", options.partition},
                                    {"log_start", log_start},
                                    {"deleted", log_start - partition->log_start}});
        } else {
            session.print(fmt::format("deleted {}; {}/{} now starts at offset {}\n",
                                      count_text(static_cast<uint64_t>(log_start - partition->log_start), "record"),
                                      topic->name, options.partition, log_start));
        }
        return exit_done;
    });
}

void add_alter(Command noun, Session& session) {
    auto options = std::make_shared<AlterOptions>();
    Command command = add_command(noun, session,
                                  {"alter", "change settings of a topic",
                                   "ironbark topic alter orders --set retention.ms=2d --reset segment.bytes"},
                                  [&session, options] { return alter(session, *options); });
    command.add_option("NAME", options->topic, "the topic, or its id").required();
    add_set(command, options->settings, "a new value; 'ironbark topic options' lists the keys");
    command.add_option("--reset", options->changes.reset, "a key that goes back to its default")
        .type_name("KEY")
        .one_value_each();
    command.add_flag("--dry-run", options->changes.validate_only, "only say what would change");
}

void add_add_partitions(Command noun, Session& session) {
    auto options = std::make_shared<AddOptions>();
    Command command = add_command(noun, session,
                                  {"add-partitions", "give a topic more partitions; keys may then land elsewhere",
                                   "ironbark topic add-partitions orders --to 6"},
                                  [&session, options] { return add_partitions(session, *options); });
    command.add_option("NAME", options->topic, "the topic, or its id").required();
    command.add_option("--to", options->partitions, "how many there are to be").required().number_from(1);
    command.add_flag("--dry-run", options->dry_run, "only say whether it could be done");
}

void add_delete(Command noun, Session& session) {
    auto topic = std::make_shared<std::string>();
    Command command = add_command(
        noun, session, {"delete", "delete a topic and all its records", "ironbark topic delete orders --yes"},
        [&session, topic] { return remove(session, *topic); });
    command.add_option("NAME", *topic, "the topic, or its id").required();
    add_yes(command, session);
}

void add_delete_records(Command noun, Session& session) {
    auto options = std::make_shared<DeleteOptions>();
    Command command = add_command(noun, session,
                                  {"delete-records", "delete the oldest records of a partition",
                                   "ironbark topic delete-records orders --partition 0 --before 1000 --yes"},
                                  [&session, options] { return delete_records(session, *options); });
    command.add_option("NAME", options->topic, "the topic, or its id").required();
    command.add_option("--partition", options->partition, "of which").required().number_from(0);
    command.add_option("--before", options->before, "the first offset to keep, or 'end'")
        .required()
        .type_name("OFFSET|end");
    add_yes(command, session);
}

}  // namespace

std::string unknown_topic_hint(Admin& admin, Admin::Timeout patience, const std::string& topic, std::string hint) {
    Expected<std::vector<TopicSummary>> topics = admin.list_topics(patience);
    if (!topics) return hint;
    std::vector<std::string_view> names;
    for (const TopicSummary& candidate : *topics) names.push_back(candidate.name);
    std::string_view near = nearest(topic, names);
    if (near == topic) return hint;  // what is missing is not the topic
    if (near.empty()) return hint + "; 'ironbark topic list' shows the topics, 'ironbark topic create' makes one";
    return fmt::format("{}; the nearest is '{}'", hint, near);
}

void add_topic_changes(Command noun, Session& session) {
    add_alter(noun, session);
    add_add_partitions(noun, session);
    add_delete(noun, session);
    add_delete_records(noun, session);
}

}  // namespace ironbark::tools
