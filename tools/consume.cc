// ironbark consume: records to standard output.

#include <fmt/format.h>
#include <memory>
#include <set>

#include "ironbark/consumer.h"
#include "tools/command.h"
#include "tools/json_stream.h"
#include "tools/record_format.h"
#include "tools/start_place.h"
#include "tools/terminal.h"
#include "tools/topic.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono_literals::operator""ms;

constexpr auto poll_pause = 200ms;           // how often an idle loop looks for Ctrl-C
constexpr size_t records_per_poll = 10'000;  // few calls for much output
constexpr uint64_t without_limit = UINT64_MAX;

struct ConsumeOptions {
    std::string topic;
    std::vector<int32_t> partitions;
    std::string start = "start";
    uint64_t count = without_limit;
    std::string format = "%v\\n";
    bool exit_at_end = false;
    std::string visibility;
    std::vector<std::string> settings;
};

Expected<Settings> consumer_settings(const Session& session, const ConsumeOptions& options) {
    Expected<Settings> settings = session.settings();
    if (!settings) return settings;
    settings->max_poll_records = records_per_poll;
    if (!options.visibility.empty()) {
        if (Expected<void> set = settings->set("visibility", options.visibility); !set) {
            return wrong_usage(set.error().hint);
        }
    }
    if (Expected<void> set = apply_assignments(*settings, options.settings); !set) return set.error();
    if (Expected<void> checked = settings->check(); !checked) return wrong_usage(checked.error().hint);
    return settings;
}

Json to_json(const Gap& gap) {
    return {{"topic", gap.partition.topic},
            {"partition", gap.partition.partition},
            {"from", gap.from},
            {"to", gap.to},
            {"reason", name(gap.reason)}};
}

class ConsumeCommand {
  public:
    ConsumeCommand(Session& session, const ConsumeOptions& options) : session_(session), options_(options) {}

    int run() {
        Expected<RecordFormat> format = RecordFormat::parse(options_.format);
        if (!format) return session_.usage(format.error());
        format_ = *format;
        Expected<Start> start = parse_start(options_.start);
        if (!start) return session_.usage(start.error());
        Expected<Settings> settings = consumer_settings(session_, options_);
        if (!settings) return session_.usage(settings.error());
        return with_admin(session_, [&](Admin& admin, Admin::Timeout patience) {
            Expected<TopicDescription> topic = admin.describe_topic(options_.topic, patience);
            if (!topic) return fail_for_topic(session_, admin, patience, "read", options_.topic, topic.error());
            if (Expected<void> chosen = choose_partitions(*topic); !chosen) return session_.usage(chosen.error());
            if (options_.exit_at_end) {
                Expected<void> found = find_ends(admin, settings->visibility, patience, *start);
                if (!found)
                    return session_.fail(fmt::format("cannot read '{}' to its end", topic->name), found.error());
            }
            return read(*settings, *start);
        });
    }

  private:
    Expected<void> choose_partitions(const TopicDescription& topic) {
        std::set<int32_t> known;
        for (const PartitionDescription& partition : topic.partitions) known.insert(partition.partition);
        for (int32_t wanted : options_.partitions) {
            if (!known.contains(wanted)) {
                return wrong_usage(fmt::format("--partition {}: topic {} has {}, the last is {}", wanted, topic.name,
                                               count_text(known.size(), "partition"), known.size() - 1));
            }
        }
        if (!options_.partitions.empty()) known = {options_.partitions.begin(), options_.partitions.end()};
        for (int32_t partition : known) partitions_.push_back({topic.name, partition});
        return {};
    }

    // What is the end now: records that come later are not waited for.
    Expected<void> find_ends(Admin& admin, Visibility visibility, Admin::Timeout patience, Start start) {
        std::vector<OffsetQuery> queries;
        for (const TopicPartition& partition : partitions_) queries.push_back({partition, OffsetQuery::Place::end});
        Expected<std::vector<FoundOffset>> found = admin.list_offsets(queries, visibility, patience);
        if (!found) return found.error();
        for (const FoundOffset& end : *found) {
            if (end.failure) return *end.failure;
            if (start.kind == Start::Kind::offset && start.number > end.offset) {
                return Failure{ErrorCode::offset_out_of_range, Outcome::not_written,
                               fmt::format("--offset {} is beyond the end of {}/{}, which is {}", start.number,
                                           end.partition.topic, end.partition.partition, end.offset)};
            }
            unfinished_[end.partition] = end.offset;
        }
        if (visibility != Visibility::replicated) count_not_synced(admin, queries, *found, patience);
        return {};
    }

    // Records that every in-sync replica has in memory, and that are not shown before all have them on disk. What
    // cannot be asked is not worth a failure.
    void count_not_synced(Admin& admin,
                          const std::vector<OffsetQuery>& queries,
                          const std::vector<FoundOffset>& ends,
                          Admin::Timeout patience) {
        Expected<std::vector<FoundOffset>> found = admin.list_offsets(queries, Visibility::replicated, patience);
        if (!found) return;
        for (const FoundOffset& replicated : *found) {
            for (const FoundOffset& end : ends) {
                const bool is_same = end.partition.partition == replicated.partition.partition;
                if (!is_same || replicated.failure || replicated.offset < end.offset) continue;
                not_synced_ += static_cast<uint64_t>(replicated.offset - end.offset);
            }
        }
    }

    int read(const Settings& settings, Start start) {
        Expected<Consumer> consumer = Consumer::create(settings);
        if (!consumer) return session_.fail("cannot start the consumer", consumer.error());
        std::vector<Assignment> assignments;
        for (const TopicPartition& partition : partitions_) assignments.push_back({partition, start});
        if (Expected<void> assigned = consumer->assign(assignments); !assigned) {
            return session_.fail(fmt::format("cannot read '{}'", options_.topic), assigned.error());
        }
        catch_interrupts();
        if (session_.json) {
            json_ = std::make_unique<JsonStream>(session_.output);
            json_->begin_array("records");
        }
        Expected<void> finished = poll_until_done(*consumer);
        if (session_.json) end_json(finished);
        session_.output.flush();
        if (!finished) {
            session_.say(fmt::format("cannot go on reading '{}': {}", options_.topic, finished.error().to_string()));
        } else if (not_synced_ > 0 && unfinished_.empty()) {
            session_.say(fmt::format("{} not synced yet and not shown: --visibility replicated shows {}",
                                     not_synced_ == 1 ? "1 record is" : fmt::format("{} records are", not_synced_),
                                     not_synced_ == 1 ? "it" : "them"));
        }
        return finished.ok() ? exit_done : exit_refused;
    }

    Expected<void> poll_until_done(Consumer& consumer) {
        while (!is_done(consumer)) {
            Expected<Records> records = consumer.poll(poll_pause);
            if (!records) return records.error();
            for (const ConsumerRecord& record : *records) {
                if (printed_ == options_.count) break;
                print(record);
            }
            session_.output.flush();
            for (const Gap& gap : records->gaps()) note(gap);
            for (const PartitionError& error : records->errors()) {
                if (Expected<void> bearable = note(error); !bearable) return bearable;
            }
        }
        return {};
    }

    bool is_done(Consumer& consumer) {
        if (interrupted != 0 || session_.output.is_closed() || session_.output.failure() != 0) return true;
        if (printed_ >= options_.count) return true;
        if (!options_.exit_at_end) return false;
        // The position moves over gaps, too; it is not known while the start is looked up.
        std::erase_if(unfinished_, [&](const auto& entry) {
            Expected<int64_t> position = consumer.position(entry.first, 0ms);
            return position.ok() && *position >= entry.second;
        });
        return unfinished_.empty();
    }

    void print(const ConsumerRecord& record) {
        ++printed_;
        if (json_ != nullptr) {
            append_json(record, json_->begin_item());
        } else {
            format_.append(record, &session_.output.buffer());
            session_.output.flush_if_full();
        }
    }

    void note(const Gap& gap) {
        session_.say(fmt::format("gap in {}/{}: offsets {} to {} are {}", gap.partition.topic, gap.partition.partition,
                                 gap.from, gap.to - 1, name(gap.reason)));
        if (json_ != nullptr) gaps_.push_back(to_json(gap));
    }

    // Failures that may pass are said once and waited out.
    Expected<void> note(const PartitionError& error) {
        std::string text =
            fmt::format("{}/{}: {}", error.partition.topic, error.partition.partition, error.failure.to_string());
        if (!error.failure.is_retriable()) {
            Failure failure = error.failure;
            failure.hint = fmt::format("{}/{}: {}", error.partition.topic, error.partition.partition, failure.hint);
            return failure;
        }
        if (said_.insert(text).second) session_.say(text + "; trying again");
        return {};
    }

    void end_json(const Expected<void>& finished) {
        json_->end_array();
        json_->field("gaps", gaps_);
        if (!finished) json_->field("error", tools::to_json(finished.error()));
        json_.reset();
    }

    Session& session_;
    const ConsumeOptions& options_;
    RecordFormat format_;
    std::vector<TopicPartition> partitions_;
    std::map<TopicPartition, int64_t> unfinished_;  // with the end that is to be reached
    uint64_t not_synced_ = 0;                       // records behind these ends that are not shown yet
    std::unique_ptr<JsonStream> json_;
    Json gaps_ = Json::array();
    std::set<std::string> said_;
    uint64_t printed_ = 0;
};

}  // namespace

void add_consume(Command app, Session& session) {
    auto options = std::make_shared<ConsumeOptions>();
    Command command = add_command(
        app, session,
        {"consume", "print records", "ironbark consume orders --offset -10 --format '%p/%o %k: %v\\n' --exit-at-end"},
        [&session, options] { return ConsumeCommand(session, *options).run(); });
    command.add_option("TOPIC", options->topic, "what to read").required();
    command.add_option("--partition", options->partitions, "only these; as often as one likes [all]")
        .number_from(0)
        .one_value_each();
    command
        .add_option("--offset", options->start,
                    "where to begin: start, end, an offset, -N for the last N of each partition, @TIME for ms\n"
                    "since 1970 or like 2024-05-06T07:08:09Z [start]")
        .type_name("PLACE");
    command.add_option("--count", options->count, "stop after so many records")
        .number_from(0, INT64_MAX)
        .type_name("N");
    command
        .add_option("--format", options->format,
                    "%t topic, %p partition, %o offset, %T timestamp, %k key, %v value, %h headers, %e epoch,\n"
                    "%K and %V sizes of key and value, %%; \\n \\t \\r \\0 \\\\ \\xHH ['%v\\n']")
        .type_name("TEXT");
    command.add_flag("--exit-at-end", options->exit_at_end,
                     "stop at what is the end now; says if records there are not shown yet");
    command
        .add_option("--visibility", options->visibility,
                    "durable: what every in-sync replica has on disk, so that no power cut takes it back;\n"
                    "replicated: what every in-sync replica has in memory; topic: durable, or replicated where\n"
                    "the topic's acks.default is a memory level (none, leader, isr) [topic]")
        .type_name("WHICH");
    add_set(command, options->settings, "any setting of consumers, for example fetch.max.wait.ms=50ms");
}

}  // namespace ironbark::tools
