#include "tests/simulation/cluster/producer_client.h"

#include <array>

namespace ironbark::simulation {
namespace {

using client::Append;
using client::ProducerTopic;

std::optional<Bytes> bytes_of(const std::optional<std::string>& text) {
    if (!text) return std::nullopt;
    return as_bytes(*text);
}

}  // namespace

ProducerClient::ProducerClient(World& world, Stage& stage, const ProducerPlan& plan, std::string name, uint64_t life)
    : world_(world),
      stage_(stage),
      plan_(plan),
      name_(std::move(name)),
      life_(life),
      random_(stage.plan.seed, "producer/" + std::to_string(life)),
      router_(world, client::RouterOptions::of(plan.settings)),
      engine_(world, router_, client::ProducerOptions::of(plan.settings)),
      running_(world.executor) {
    engine_.on_loss([this](const Loss& loss) {
        const ProducerTopic* topic = engine_.accumulator().find(loss.topic);
        if (topic == nullptr) return;  // made again under its name meanwhile
        const PartitionIdentity partition{topic->id(), PartitionIndex(loss.partition)};
        if (loss.is_fatal) given_up_.insert(partition);
        stage_.history.lost(name_, life_, partition, loss);
    });
    running_.spawn(router_.run());
    running_.spawn(engine_.run());
    running_.spawn(run());
}

bool ProducerClient::is_idempotent() const {
    return plan_.settings.enable_idempotence && plan_.settings.acks != Acks::none;
}

Task<void> ProducerClient::run() {
    while (stage_.phase == Phase::chaos) {
        co_await send_burst();
        Duration pause = random_.duration({1ms, plan_.pause_mean});
        co_await sleep_for(world_.executor, pause);
    }
    std::vector<TopicPartition> targets = stage_.good_partitions();
    for (const TopicPartition& target : targets) co_await send_until_written(target);
    co_await close();
}

Task<void> ProducerClient::send_burst() {
    uint64_t count = random_.between(1, plan_.burst_max);
    for (uint64_t index = 0; index < count && !stage_.topics.empty(); ++index) {
        const KnownTopic& topic = stage_.topics[random_.below(stage_.topics.size())];
        std::string topic_name = topic.name;
        int32_t partition = static_cast<int32_t>(random_.below(static_cast<uint64_t>(topic.partitions)));
        size_t size = random_.below(plan_.size_max + 1);
        co_await send(std::move(topic_name), plan_.chooses_by_key ? -1 : partition, size);
    }
    if (!random_.chance(one_in(30))) co_return;
    Instant deadline = world_.executor.now() + 1s;
    Expected<void> flushed = co_await engine_.flush(deadline);
    stage_.history.say(name_, flushed.ok() ? "has flushed" : "flush: " + flushed.error().to_string());
}

// With the faults over, a record is written, though not always the first one: connections may have to be given up yet.
Task<void> ProducerClient::send_until_written(TopicPartition target) {
    while (true) {
        uint64_t number = co_await send(target.topic, target.partition, 20);
        Instant deadline = world_.executor.now() + plan_.settings.delivery_timeout + 1s;
        (void)co_await engine_.flush(deadline);
        if (number != 0 && stage_.history.was_written(number)) co_return;
        const KnownTopic* topic = stage_.topic(target.topic);
        if (topic == nullptr || given_up_.contains({topic->id, PartitionIndex(target.partition)})) co_return;
        co_await sleep_for(world_.executor, 200ms);
    }
}

Task<uint64_t> ProducerClient::send(std::string topic_name, int32_t partition, size_t size) {
    Instant deadline = world_.executor.now() + plan_.settings.max_block;
    ProducerTopic* topic = engine_.accumulator().find(topic_name);
    if (topic == nullptr) {
        Expected<ProducerTopic*> loaded = co_await engine_.load_topic(topic_name, deadline);
        if (!loaded.ok()) {
            stage_.history.say(name_, "cannot load " + topic_name + ": " + loaded.error().to_string());
            co_return 0;
        }
        topic = *loaded;
    }
    SentRecord record;
    record.number = stage_.history.next_number();
    Content content = content_of(record.number, size);
    if (partition < 0) partition = topic->choose(bytes_of(content.key));
    if (partition >= topic->partition_count()) co_return 0;  // it has not heard of the new ones
    uint64_t number = record.number;
    record.producer = life_;
    record.is_ordered = is_idempotent();
    record.partition = {topic->id(), PartitionIndex(partition)};
    record.size = size;
    record.timestamp = world_.executor.wall_milliseconds();
    record.asked = plan_.settings.acks;
    stage_.history.send(name_, record);
    Expected<void> accepted = co_await append(std::move(record), std::move(content), topic, partition);
    if (accepted.ok()) co_return number;
    stage_.history.refused(name_, number, accepted.error());
    co_return 0;
}

Task<Expected<void>> ProducerClient::append(SentRecord record,
                                            Content content,
                                            ProducerTopic* topic,
                                            int32_t partition) {
    std::vector<record::RecordHeader> headers;
    for (const auto& [key, value] : content.headers) headers.push_back({key, bytes_of(value)});
    record::NewRecord encoded;
    encoded.timestamp = Timestamp(record.timestamp);
    encoded.key = bytes_of(content.key);
    encoded.value = bytes_of(content.value);
    encoded.headers = headers;
    SendCallback callback = [this, number = record.number](const Expected<Receipt>& result) {
        stage_.history.resolved(name_, number, result);
    };
    Instant deadline = world_.executor.now() + plan_.settings.max_block;
    while (true) {
        client::PartitionQueue* queue = topic->partition(partition);
        Result<Append> appended = engine_.accumulator().append(*queue, encoded, callback, world_.executor, true);
        if (!appended.ok()) co_return client::failure_of(appended.error());
        if (*appended == Append::done) co_return Expected<void>();
        if (*appended == Append::topic_is_gone) {
            co_return client::not_done(ErrorCode::unknown_topic_or_partition, "the topic is gone");
        }
        bool has_room = co_await engine_.wait_for_room(&encoded, deadline);
        if (!has_room) co_return client::not_done(ErrorCode::queue_full, "no room");
    }
}

Task<void> ProducerClient::close() {
    Instant deadline = world_.executor.now() + plan_.settings.delivery_timeout + 5s;
    Expected<void> closed = co_await engine_.close(deadline);
    if (!closed.ok())
        stage_.history.fail("with the faults over, a producer is closed in time", closed.error().to_string());
    size_t open = stage_.history.open_records(life_);
    if (open != 0) stage_.history.fail("every record is resolved", name_ + " has " + std::to_string(open) + " open");
    stage_.history.say(name_, "has ended");
    is_done_ = true;
}

}  // namespace ironbark::simulation
