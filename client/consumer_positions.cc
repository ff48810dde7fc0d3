// Where a ConsumerEngine reads: whether the partition is there, where it begins, where it goes on when the log has
// changed under it.
#include <algorithm>

#include "client/consumer_engine.h"

namespace ironbark::client {

// Whether the topic is known. If it turns out not to exist, or not any more, that is the end of the reading.
bool ConsumerEngine::identify(Reading& reading) {
    const TopicPartition& name = *reading.name;
    const TopicView* topic = router_.find(name.topic);
    if (topic == nullptr) {
        // An older answer may be out of date: the topic may have been made since.
        const Failure* why = router_.why_missing(name.topic, reading.begun);
        if (why != nullptr && !why->is_retriable()) {
            fail(reading, *why);
        } else {
            router_.want(name.topic);
        }
        return false;
    }
    if (name.partition < 0 || name.partition >= topic->partition_count()) {
        reading.is_locating = true;
        scope_.spawn(look_for_partition({reading.name, reading.generation}));
        return false;
    }
    if (reading.has_identity && reading.identity.topic != topic->id) {
        fail(reading, not_done(ErrorCode::unknown_topic_id, "the topic was deleted, and made again under its name"));
        return false;
    }
    reading.identity = {topic->id, PartitionIndex(name.partition)};
    reading.has_identity = true;
    return true;
}

// What the topic seems to lack may have been added since it was last asked for.
Task<void> ConsumerEngine::look_for_partition(Ticket ticket) {
    const TopicPartition& name = *ticket.name;
    Instant deadline = world_.executor.now() + options_.request_time_max;
    const int64_t wanted = int64_t{name.partition} + 1;
    Expected<TopicView> topic = co_await router_.load(name.topic, wanted, deadline);
    wakeup_.wake_here();
    Reading* reading = find(ticket);
    if (reading == nullptr) co_return;
    reading->is_locating = false;
    if (!topic.ok() && topic.error().is_retriable()) {
        retry(*reading, topic.error());
    } else if (!topic.ok()) {
        fail(*reading, topic.error());
    } else if (name.partition < 0 || name.partition >= topic->partition_count()) {
        std::string hint = "the topic has " + std::to_string(topic->partition_count()) + " partitions";
        fail(*reading, not_done(ErrorCode::unknown_topic_or_partition, std::move(hint)));
    }
}

// Finds where these readings begin: two questions each, the second one for what the first may leave open.
Task<void> ConsumerEngine::locate(std::vector<Ticket> tickets) {
    std::vector<OffsetQuery> queries;
    for (const Ticket& ticket : tickets) {
        Reading* reading = find(ticket);
        Start start = reading == nullptr ? Start() : reading->start;
        OffsetQuery first{*ticket.name, OffsetQuery::Place::start, -1};
        if (start.kind == Start::Kind::timestamp) {
            first.place = OffsetQuery::Place::timestamp;
            first.timestamp = start.number;
        }
        queries.push_back(std::move(first));
        OffsetQuery last{*ticket.name, OffsetQuery::Place::end, -1};
        queries.push_back(std::move(last));
    }
    Instant deadline = world_.executor.now() + options_.request_time_max;
    std::vector<OffsetAnswer> answers =
        co_await list_offsets(&world_, &router_, std::move(queries), options_.limits.visibility, deadline);
    for (size_t index = 0; index < tickets.size(); ++index) {
        Reading* reading = find(tickets[index]);
        if (reading != nullptr) located(*reading, answers[2 * index], answers[2 * index + 1]);
    }
    located_.pulse();
    wakeup_.wake_here();
}

void ConsumerEngine::located(Reading& reading, const OffsetAnswer& first, const OffsetAnswer& last) {
    reading.is_locating = false;
    const OffsetAnswer& failed = first.failure ? first : last;
    if (failed.failure) {
        bool is_final = !failed.failure->is_retriable();
        return is_final ? fail(reading, *failed.failure) : retry(reading, *failed.failure);
    }
    int64_t offset = first.offset;
    if (reading.start.kind == Start::Kind::end) offset = last.offset;
    if (reading.start.kind == Start::Kind::timestamp && offset < 0) offset = last.offset;
    if (reading.start.kind == Start::Kind::before_end)
        offset = std::max(first.offset, last.offset - reading.start.number);
    if (offset < 0) return fail(reading, senseless_answer("a log without a start or an end"));
    reading.is_located = true;
    reading.failures_in_row = 0;
    reading.started_at = reading.next_offset = offset;
}

// The next record is not in the log: deleted from its start, or cut from its end.
void ConsumerEngine::out_of_range(Reading& reading, Failure failure) {
    const Marks& marks = reading.marks;
    if (marks.log_start < 0 || marks.log_end < 0) return retry(reading, failure);
    bool is_deleted = reading.next_offset < marks.log_start;
    if (!is_deleted && reading.next_offset <= marks.log_end) return retry(reading, failure);
    if (options_.reset == OffsetReset::none) {
        failure.hint += "; the log has [" + std::to_string(marks.log_start) + ", " + std::to_string(marks.log_end) +
                        "): seek, or set 'auto.offset.reset'";
        return fail(reading, std::move(failure));
    }
    bool to_end = options_.reset == OffsetReset::latest;
    int64_t end = marks.high_watermark >= 0 ? marks.high_watermark : marks.log_end;
    int64_t reset_to = to_end ? end : marks.log_start;
    Gap gap;
    gap.partition = *reading.name;
    if (is_deleted) {
        gap.from = reading.next_offset;
        gap.to = reset_to;
        gap.reason = Gap::Reason::deleted;
        return jump(reading, std::move(gap), reset_to);
    }
    // Beyond the end without having read anything: nobody has lost anything, the start was a wrong one.
    if (!reading.has_read) return jump(reading, std::move(gap), reset_to);
    // What was read there is undone. The log goes on where it was cut, whatever the reset says: neither reading
    // everything again nor leaving out what is written anew would be right.
    gap.from = marks.log_end;
    gap.to = reading.next_offset;
    gap.reason = Gap::Reason::truncated;
    jump(reading, std::move(gap), marks.log_end);
}

void ConsumerEngine::jump(Reading& reading, Gap gap, int64_t offset) {
    Fetched news;
    news.kind = Fetched::Kind::gap;
    news.gap = std::move(gap);
    news.offset = offset;
    push(reading, std::move(news));
    reading.next_offset = offset;
    reading.failures_in_row = 0;
}

}  // namespace ironbark::client
