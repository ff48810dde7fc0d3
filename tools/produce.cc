// ironbark produce: a record per line of standard input.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <unistd.h>

#include "ironbark/producer.h"
#include "log/record/batch.h"
#include "tools/command.h"
#include "tools/line_reader.h"
#include "tools/produce_tally.h"
#include "tools/terminal.h"
#include "tools/topic.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;
using Milliseconds = std::chrono::milliseconds;

struct ProduceOptions {
    std::string topic;
    int32_t partition = -1;
    std::string key_separator;
    std::string acks;
    std::string compression;
    std::string linger;
    std::string batch_size;
    std::vector<std::string> settings;
};

// A named flag is one setting under a shorter name.
Expected<void> apply_flag(Settings& settings, const char* key, const std::string& value) {
    if (value.empty()) return {};
    if (Expected<void> set = settings.set(key, value); !set) return wrong_usage(set.error().hint);
    return {};
}

Expected<Settings> producer_settings(const Session& session, const ProduceOptions& options) {
    Expected<Settings> settings = session.settings();
    if (!settings) return settings;
    Expected<std::chrono::milliseconds> patience = session.patience();
    if (!patience) return patience.error();
    settings->max_block = *patience;
    // What a person has asked for goes first, then what was set by key, which is the more deliberate.
    const std::pair<const char*, const std::string*> flags[] = {{"acks", &options.acks},
                                                                {"compression.type", &options.compression},
                                                                {"linger.ms", &options.linger},
                                                                {"batch.size", &options.batch_size}};
    for (const auto& [key, value] : flags) {
        if (Expected<void> set = apply_flag(*settings, key, *value); !set) return set.error();
    }
    if (Expected<void> set = apply_assignments(*settings, options.settings); !set) return set.error();
    if (Expected<void> checked = settings->check(); !checked) return wrong_usage(checked.error().hint);
    return settings;
}

std::string text_of(const Loss& loss) {
    const char* kind = loss.is_fatal   ? "although that promises that they are not; nothing more is written there"
                       : loss.is_final ? "for good"
                                       : "unless a broker that still has them leads again";
    std::string where = loss.last_offset < 0    ? ""
                        : loss.first_offset < 0 ? fmt::format(", the last one at offset {}", loss.last_offset)
                                                : fmt::format(", at {}..{}", loss.first_offset, loss.last_offset);
    return fmt::format(
        "acknowledged, then lost: {} of {}/{}{}, acknowledged at level {}: {}",
        loss.records < 0 ? std::string("records") : count_text(static_cast<uint64_t>(loss.records), "record"),
        loss.topic, loss.partition, where, name(loss.level), kind);
}

class ProduceCommand {
  public:
    ProduceCommand(Session& session, const ProduceOptions& options) : session_(session), options_(options) {}

    int run() {
        Expected<std::string> separator = unescape(options_.key_separator);
        if (!separator) return session_.usage(separator.error());
        separator_ = *separator;
        Expected<Settings> settings = producer_settings(session_, options_);
        if (!settings) return session_.usage(settings.error());
        // Before the first line is read: a topic that is not there should cost nobody his input.
        return with_admin(session_, [&](Admin& admin, Admin::Timeout patience) {
            Expected<TopicDescription> topic = admin.describe_topic(options_.topic, patience);
            if (!topic) return fail_for_topic(session_, admin, patience, "write to", options_.topic, topic.error());
            topic_ = topic->name;
            const size_t partitions = topic->partitions.size();
            if (options_.partition >= static_cast<int64_t>(partitions)) {
                return session_.usage(no_such_partition(partitions));
            }
            return produce(*settings);
        });
    }

  private:
    int produce(Settings settings) {
        patience_ = settings.max_block;
        settings.max_block = std::min(patience_, signal_interval);
        Expected<Producer> producer = Producer::create(settings);
        if (!producer) return session_.fail("cannot start the producer", producer.error());
        producer->on_loss([this](const Loss& loss) { tally_.note_loss(loss); });
        catch_interrupts(interrupts_taken);
        if (is_terminal(STDIN_FILENO)) session_.say("a record per line; Ctrl-D ends the input");
        read_and_send(*producer);
        // Every record is resolved by then: that is what delivery.timeout.ms promises.
        wait_for_answers(*producer, settings.delivery_timeout + settings.request_timeout);
        Expected<void> closed = producer->close(Milliseconds(0));
        if (!closed && !has_given_up())
            session_.say(fmt::format("closing the producer: {}", closed.error().to_string()));
        const int code = report();
        return has_given_up() ? exit_by_signal + interrupted : code;
    }

    static bool has_given_up() { return interrupts >= interrupts_taken; }

    // Until everything is resolved, or whoever interrupted it does so again: he is told for what he would wait.
    void wait_for_answers(Producer& producer, Milliseconds patience) {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        bool has_told = false;
        while (!has_given_up()) {
            const auto left = std::chrono::duration_cast<Milliseconds>(deadline - std::chrono::steady_clock::now());
            if (left <= Milliseconds(0)) return;
            Expected<void> flushed = producer.flush(std::min(left, signal_interval));
            if (flushed.ok() || flushed.error().code != ErrorCode::timed_out) return;
            if (interrupted == 0 || has_told || has_given_up()) continue;
            has_told = true;
            const uint64_t waiting = lines_ - std::min(lines_, tally_.resolved());
            session_.say(fmt::format("waiting up to {} for {}; interrupt again to give up", duration_text(left.count()),
                                     count_text(waiting, "record")));
        }
    }

    Failure no_such_partition(size_t partitions) const {
        return wrong_usage(fmt::format("--partition {}: topic {} has {}, the last is {}", options_.partition, topic_,
                                       count_text(partitions, "partition"), partitions - 1));
    }

    void read_and_send(Producer& producer) {
        LineReader reader(STDIN_FILENO, record::batch_size_max);
        reader.watch(&interrupted);
        Progress progress;
        while (interrupted == 0 && !tally_.should_stop()) {
            std::optional<Line> line = reader.next();
            if (!line) break;
            ++lines_;
            bytes_ += line->text.size();
            send(producer, *line);
            if (lines_ % progress_lines == 0 && progress.is_due()) {
                progress.show(fmt::format("{} lines read, {}", lines_, sent_text()));
            }
        }
        input_failure_ = reader.failure();
    }

    void send(Producer& producer, const Line& line) {
        if (line.is_too_long) {
            tally_.note_refusal(lines_, {ErrorCode::message_too_large, Outcome::not_written,
                                         fmt::format("a line of more than {}: no batch can be as large",
                                                     bytes_text(record::batch_size_max))});
            return;
        }
        Record record;
        record.topic = topic_;
        if (options_.partition >= 0) record.partition = options_.partition;
        record.value = line.text;
        size_t at = separator_.empty() ? std::string_view::npos : line.text.find(separator_);
        if (at != std::string_view::npos) {
            record.key = line.text.substr(0, at);
            record.value = line.text.substr(at + separator_.size());
        }
        // Two words, so that std::function keeps it in place: no allocation per record.
        ProduceTally* tally = &tally_;
        SendCallback callback = [tally, line_number = lines_](const Expected<Receipt>& answer) {
            tally->note_answer(line_number, answer);
        };
        Expected<void> sent = producer.send(record, callback);
        if (!sent) sent = send_again(producer, record, callback, sent.error());
        if (!sent) tally_.note_refusal(lines_, sent.error());
    }

    // Waits for room, or for the topic, a little at a time: otherwise a signal would go unnoticed meanwhile.
    Expected<void> send_again(Producer& producer, const Record& record, const SendCallback& callback, Failure failure) {
        const auto deadline = std::chrono::steady_clock::now() + patience_;
        while (interrupted == 0 && std::chrono::steady_clock::now() < deadline) {
            const bool has_waited = failure.code == ErrorCode::queue_full || failure.code == ErrorCode::timed_out;
            if (!has_waited && !failure.is_retriable()) break;
            if (!has_waited) std::this_thread::sleep_for(signal_interval);
            Expected<void> sent = producer.send(record, callback);
            if (sent) return sent;
            failure = sent.error();
        }
        return failure;
    }

    // "3 written"; of records that nobody acknowledges only that they were sent.
    std::string sent_text() const {
        const uint64_t silent = tally_.unacknowledged();
        if (silent == 0) return fmt::format("{} written", tally_.written());
        std::string text = fmt::format("{} sent, not acknowledged", silent);
        return tally_.written() == 0 ? text : fmt::format("{} written, {}", tally_.written(), text);
    }

    bool is_complete() const { return tally_.all_well() && input_failure_ == 0 && interrupted == 0; }

    int report() {
        const double seconds = watch_.seconds();
        for (const FailureKind& kind : tally_.failures()) {
            std::string others = kind.records > 1 ? fmt::format(" and {} more", kind.records - 1) : "";
            session_.say(fmt::format("line {}{}: {}", kind.first_line, others, kind.failure.to_string()));
        }
        for (const Loss& loss : tally_.losses()) {
            session_.say(text_of(loss));
        }
        if (input_failure_ != 0)
            session_.say(fmt::format("cannot read standard input: {}", std::strerror(input_failure_)));
        std::string text =
            fmt::format("{} read, {} in {:.2f} s; {}, {} not written, {} unknown", count_text(lines_, "line"),
                        bytes_text(bytes_), seconds, sent_text(), tally_.not_written(), tally_.unknown());
        if (tally_.first_failed_line() > 0) {
            text += fmt::format("; the first line that failed is {}", tally_.first_failed_line());
        }
        if (tally_.should_stop()) text += "; what stands behind the last line read was not read";
        session_.say(text);
        if (session_.json) session_.print_json(to_json(seconds));
        return is_complete() ? exit_done : exit_refused;
    }

    Json to_json(double seconds) const {
        Json partitions = Json::array();
        for (const auto& [partition, range] : tally_.partitions()) {
            partitions.push_back({{"partition", partition},
                                  {"records", range.records},
                                  {"first_offset", range.first},
                                  {"last_offset", range.last}});
        }
        Json failures = Json::array();
        for (const FailureKind& kind : tally_.failures()) {
            Json entry = {{"first_line", kind.first_line}, {"records", kind.records}};
            entry.update(tools::to_json(kind.failure));
            failures.push_back(std::move(entry));
        }
        Json losses = Json::array();
        for (const Loss& loss : tally_.losses()) {
            losses.push_back({{"partition", loss.partition},
                              {"records", loss.records},
                              {"first_offset", loss.first_offset},
                              {"last_offset", loss.last_offset},
                              {"level", name(loss.level)},
                              {"final", loss.is_final},
                              {"fatal", loss.is_fatal}});
        }
        Json value = {{"topic", topic_},
                      {"lines", lines_},
                      {"bytes", bytes_},
                      {"seconds", seconds},
                      {"written", tally_.written()},
                      {"not_acknowledged", tally_.unacknowledged()},
                      {"not_written", tally_.not_written()},
                      {"unknown", tally_.unknown()},
                      {"complete", is_complete()},
                      {"partitions", std::move(partitions)},
                      {"failures", std::move(failures)},
                      {"losses", std::move(losses)}};
        if (tally_.first_failed_line() > 0) value["first_failed_line"] = tally_.first_failed_line();
        return value;
    }

    static constexpr uint64_t progress_lines = 1024;  // between two looks at the clock
    static constexpr Milliseconds signal_interval{100};  // for how long a signal may go unnoticed
    static constexpr int interrupts_taken = 2;           // one ends the input, one the waiting
    static constexpr int exit_by_signal = 128;           // as shells have it

    Session& session_;
    const ProduceOptions& options_;
    std::string topic_;  // its name, if its id was given
    std::string separator_;
    ProduceTally tally_;
    Stopwatch watch_;
    Milliseconds patience_{0};  // for room, or for the topic
    uint64_t lines_ = 0;
    uint64_t bytes_ = 0;
    int input_failure_ = 0;
};

}  // namespace

void add_produce(Command app, Session& session) {
    auto options = std::make_shared<ProduceOptions>();
    Command command =
        add_command(app, session,
                    {"produce", "write a record per line of standard input",
                     "tail -F /var/log/syslog | ironbark produce syslog --acks leader_durable --compression zstd"},
                    [&session, options] { return ProduceCommand(session, *options).run(); });
    command.add_option("TOPIC", options->topic, "where to").required();
    command.add_option("--partition", options->partition, "only there; else by key, or in turn").number_from(0);
    command
        .add_option("--key-separator", options->key_separator,
                    "a line is KEY, this, VALUE; without it in a line there is no key")
        .type_name("TEXT");
    command
        .add_option("--acks", options->acks,
                    "topic, none (sent, and nobody says what became of it), leader, leader_durable, isr,\n"
                    "isr_durable [topic]")
        .type_name("LEVEL");
    command.add_option("--compression", options->compression, "none, lz4 or zstd [none]").type_name("CODEC");
    command.add_option("--linger", options->linger, "how long a batch waits for more [5ms]").type_name("DURATION");
    command.add_option("--batch-size", options->batch_size, "how large a batch may grow [128KiB]").type_name("BYTES");
    add_set(command, options->settings, "any setting of producers, for example delivery.timeout.ms=10s");
}

}  // namespace ironbark::tools
