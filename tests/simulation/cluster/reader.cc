#include "tests/simulation/cluster/reader.h"

#include <algorithm>
#include <limits>

namespace ironbark::simulation {
namespace {

std::string text_of(const TopicPartition& name) {
    return name.topic + "/" + std::to_string(name.partition);
}

std::string text_of(Start start) {
    switch (start.kind) {
        case Start::Kind::offset: return "offset " + std::to_string(start.number);
        case Start::Kind::beginning: return "the beginning";
        case Start::Kind::end: return "the end";
        case Start::Kind::before_end: return std::to_string(start.number) + " before the end";
        case Start::Kind::timestamp: return "time " + std::to_string(start.number);
    }
    return "";
}

}  // namespace

Reader::Reader(World& world, Stage& stage, const Settings& settings, std::string who)
    : world_(world),
      stage_(stage),
      settings_(settings),
      who_(std::move(who)),
      router_(world, client::RouterOptions::of(settings)),
      engine_(world, router_, client::ConsumerOptions::of(settings)),
      builder_(settings.max_poll_records, settings.check_crcs, nullptr),
      running_(world.executor) {
    running_.spawn(router_.run());
    running_.spawn(engine_.run());
}

void Reader::assign(const std::vector<Assignment>& assignments) {
    for (const auto& [name, expected] : expected_) engine_.forget(name);
    expected_.clear();
    builder_.positions().clear();
    for (const Assignment& assignment : assignments) seek(assignment.partition, assignment.start);
}

void Reader::seek(const TopicPartition& name, Start start) {
    stage_.history.say(who_, "reads " + text_of(name) + " from " + text_of(start));
    Expected expected;
    expected.start = start;
    if (start.kind == Start::Kind::offset) expected.next = start.number;
    expected_[name] = expected;
    RecordsBuilder::Position& position = builder_.positions()[name];
    position.generation = ++generations_;
    position.next = expected.next;
    engine_.seek(name, position.generation, start);
}

void Reader::pause(const TopicPartition& name, bool is_paused) {
    auto found = builder_.positions().find(name);
    if (found == builder_.positions().end()) return;
    found->second.is_paused = is_paused;
    engine_.pause(name, is_paused);
}

int64_t Reader::position(const TopicPartition& name) const {
    auto found = builder_.positions().find(name);
    return found == builder_.positions().end() ? -1 : found->second.next;
}

Task<void> Reader::close() {
    co_await engine_.close();
    co_await running_.join();
}

// As Consumer::poll does it.
Task<Records> Reader::next_records(Duration patience) {
    Instant deadline = world_.executor.now() + patience;
    while (true) {
        Records records = builder_.build();
        for (const TopicPartition& name : builder_.take_damaged()) {
            RecordsBuilder::Position& position = builder_.positions()[name];
            position.generation = ++generations_;
            engine_.seek(name, position.generation, Start::offset(position.next),
                         world_.executor.now() + settings_.retry_backoff);
        }
        bool has_news = !records.empty() || !records.gaps().empty() || !records.errors().empty();
        if (has_news || world_.executor.now() >= deadline) co_return std::move(records);
        if (engine_.queue().take(&builder_.news())) {
            engine_.note_taken();
        } else {
            co_await engine_.wait_for_news(deadline);
        }
    }
}

Task<Reader::Polled> Reader::poll(Duration patience) {
    Records records = co_await next_records(patience);
    Polled polled;
    take(records, &polled);
    look_at_marks();
    co_return std::move(polled);
}

Reader::Expected* Reader::expected_of(const TopicPartition& name) {
    auto found = expected_.find(name);
    if (found == expected_.end()) stage_.history.fail("news of assigned partitions only", who_ + ": " + text_of(name));
    Expected& expected = found->second;
    if (const client::TopicView* topic = router_.find(name.topic); topic != nullptr && !expected.has_identity) {
        expected.identity = {topic->id, PartitionIndex(name.partition)};
        expected.has_identity = true;
    }
    return &expected;
}

void Reader::take(const Records& records, Polled* polled) {
    std::vector<Gap> gaps = records.gaps();
    for (const ConsumerRecord& record : records) take_record(record, &gaps, polled);
    while (!gaps.empty()) {
        TopicPartition name = gaps.front().partition;
        if (!take_gap(name, *expected_of(name), std::numeric_limits<int64_t>::max(), &gaps)) {
            stage_.history.fail("a gap begins where the reader is", who_ + " is told of one from " +
                                                                        std::to_string(gaps.front().from) + " to " +
                                                                        std::to_string(gaps.front().to));
        }
    }
    for (const PartitionError& error : records.errors()) take_error(error, polled);
}

void Reader::take_record(const ConsumerRecord& record, std::vector<Gap>* gaps, Polled* polled) {
    TopicPartition name{std::string(record.topic), record.partition};
    Expected& expected = *expected_of(name);
    while (record.offset != expected.next && take_gap(name, expected, record.offset, gaps)) {
    }
    if (expected.next < 0 || expected.may_go_back_to(record.offset)) expected.next = record.offset;
    if (record.offset != expected.next) {
        stage_.history.fail(text_of(name) + " goes on at " + std::to_string(expected.next),
                            who_ + " is shown " + std::to_string(record.offset) + " and told of no gap");
    }
    SentRecord& sent = stage_.history.show(who_, record, settings_.visibility == Visibility::durable);
    if (expected.has_read && expected.identity != sent.partition) {
        stage_.history.fail("one partition in one reading", who_ + " is shown records of two");
    }
    expected.identity = sent.partition;
    expected.has_identity = true;
    expected.has_read = true;
    ++expected.next;
    polled->records.emplace_back(name, FinalRecord{record.offset, record.leader_epoch, sent.number});
}

// Goes over the gap that begins where the reader is, if there is one: where nobody knows that yet, over one that ends
// at `limit` at most.
bool Reader::take_gap(const TopicPartition& name, Expected& expected, int64_t limit, std::vector<Gap>* gaps) {
    for (auto gap = gaps->begin(); gap != gaps->end(); ++gap) {
        if (gap->partition != name) continue;
        bool is_back = gap->reason == Gap::Reason::truncated;
        int64_t begin = is_back ? gap->to : gap->from;
        if (expected.next < 0 && gap->to > limit) continue;
        if (expected.next >= 0 && begin != expected.next && !expected.may_go_back_to(begin)) continue;
        bool to_end = settings_.offset_reset == OffsetReset::latest;
        if (to_end && !is_back) stage_.history.say(who_, "goes on at the end, at " + std::to_string(gap->to));
        if (is_back || !to_end) {
            bool is_durable_read = settings_.visibility == Visibility::durable;
            stage_.history.gap(who_, expected.identity, *gap, is_durable_read, expected.marks.durable_watermark);
        }
        expected.next = is_back ? gap->from : gap->to;
        gaps->erase(gap);
        return true;
    }
    return false;
}

void Reader::take_error(const PartitionError& error, Polled* polled) {
    stage_.history.say(who_, "error of " + text_of(error.partition) + ": " + error.failure.to_string());
    Expected& expected = *expected_of(error.partition);
    bool may_refuse = expected.has_identity && stage_.history.may_refuse(expected.identity);
    ErrorCode code = error.failure.code;
    if (code == ErrorCode::corrupt_data && !may_refuse) {
        stage_.history.fail("bytes that nobody damaged are whole", who_ + ": " + error.failure.to_string());
    }
    if (code == ErrorCode::storage_error && !may_refuse && !stage_.plan.has_disk_errors()) {
        stage_.history.fail("a good disk makes no errors", who_ + ": " + error.failure.to_string());
    }
    bool may_pass = error.failure.is_retriable() || error.failure.outcome == Outcome::unknown ||
                    code == ErrorCode::corrupt_data || client::concerns_existence(code);
    if (!may_pass || client::concerns_existence(code)) polled->ended.push_back(error.partition);
}

void Reader::look_at_marks() {
    for (auto& [name, expected] : expected_) {
        Marks marks = engine_.marks(name);
        if (marks.log_start < 0) continue;
        const client::TopicView* topic = router_.find(name.topic);
        bool is_known = expected.has_identity && topic != nullptr && topic->id == expected.identity.topic;
        if (!is_known || stage_.history.is_damaged(expected.identity)) continue;
        // A new leader knows less for a while than the one before has told: what it serves is good all the same, and
        // what stands behind its watermark is read when it has heard of all replicas. And it may have deleted less, as
        // long as nobody was told that the deletion is done.
        const bool may_fall = stage_.excuses.has_cluster();
        const int64_t durable = may_fall ? -1 : expected.marks.durable_watermark;
        const int64_t log_start = may_fall ? -1 : expected.marks.log_start;
        if (marks.log_start < log_start || marks.durable_watermark < durable) {
            stage_.history.fail(
                "log start and durable watermark of " + text_of(name) + " only rise: " +
                    std::to_string(expected.marks.log_start) + ", " + std::to_string(expected.marks.durable_watermark),
                who_ + " is told " + std::to_string(marks.log_start) + ", " + std::to_string(marks.durable_watermark));
        }
        stage_.history.see_marks(who_, expected.identity, marks);
        marks.durable_watermark = std::max(marks.durable_watermark, expected.marks.durable_watermark);
        expected.marks = marks;
    }
}

}  // namespace ironbark::simulation
