#include "tests/simulation/cluster/consumer_client.h"

#include "client/partition_calls.h"

namespace ironbark::simulation {

ConsumerClient::ConsumerClient(World& world, Stage& stage, const ConsumerPlan& plan, std::string name, uint64_t life)
    : world_(world),
      stage_(stage),
      plan_(plan),
      name_(std::move(name)),
      random_(stage.plan.seed, "consumer/" + std::to_string(life)),
      reader_(world, stage, plan.settings, name_),
      running_(world.executor) {
    running_.spawn(run());
}

Task<void> ConsumerClient::run() {
    while (stage_.phase == Phase::chaos) {
        begin();
        uint64_t polls = random_.between(1, plan_.polls_max);
        for (uint64_t count = 0; count < polls && stage_.phase == Phase::chaos; ++count) co_await read_some();
    }
    co_await read_to_the_end();
    co_await reader_.close();
    stage_.history.say(name_, "has ended");
    is_done_ = true;
}

void ConsumerClient::begin() {
    std::vector<Assignment> assignments;
    assigned_.clear();
    for (const KnownTopic& topic : stage_.topics) {
        for (int32_t partition = 0; partition < topic.partitions; ++partition) {
            if (!random_.chance(one_in(2))) continue;
            Start start = draw_start(topic, partition);
            assignments.push_back({{topic.name, partition}, start});
            assigned_.push_back({topic.name, partition});
        }
    }
    reader_.assign(assignments);
}

Start ConsumerClient::draw_start(const KnownTopic& topic, int32_t partition) {
    uint64_t kind = random_.below(8);
    int64_t near = reader_.position({topic.name, partition});
    int64_t number = static_cast<int64_t>(random_.below(100));
    if (plan_.is_tailing) return near >= 0 ? Start::offset(near) : Start::end();
    switch (kind) {
        case 0: return Start::offset(number);
        case 1: return Start::end();
        case 2: return Start::before_end(number);
        case 3: return Start::timestamp(world_.executor.wall_milliseconds() - number * 100);
        case 4: return near >= 0 ? Start::offset(near) : Start::beginning();
        default: return Start::beginning();
    }
}

Task<void> ConsumerClient::read_some() {
    Duration patience = random_.duration({1ms, 300ms});
    Reader::Polled polled = co_await reader_.poll(patience);
    for (const TopicPartition& ended : polled.ended) {
        if (stage_.topic(ended.topic) != nullptr) reader_.seek(ended, Start::beginning());
    }
    if (!assigned_.empty() && random_.chance(one_in(20))) {
        const TopicPartition& name = assigned_[random_.below(assigned_.size())];
        reader_.pause(name, random_.chance(one_in(2)));
    }
    Duration pause = random_.duration({0ms, plan_.pause_mean});
    co_await sleep_for(world_.executor, pause);
}

bool ConsumerClient::has_everything() const {
    for (const TopicPartition& name : assigned_) {
        Marks marks = reader_.marks(name);
        // Where nothing can be read, nothing says where the reader is.
        bool is_empty = marks.log_start >= 0 && marks.log_start == marks.log_end;
        if (!is_empty && (marks.log_end < 0 || reader_.position(name) < marks.log_end)) return false;
    }
    return true;
}

Task<void> ConsumerClient::read_to_the_end() {
    assigned_ = stage_.good_partitions();
    std::vector<Assignment> assignments;
    for (const TopicPartition& name : assigned_) {
        int64_t near = reader_.position(name);
        bool goes_on = plan_.is_tailing && near >= 0;
        assignments.push_back({name, goes_on ? Start::offset(near) : Start::beginning()});
    }
    reader_.assign(assignments);
    while (stage_.phase != Phase::settled || !has_everything()) {
        Reader::Polled polled = co_await reader_.poll(500ms);
        for (const TopicPartition& ended : polled.ended) reader_.seek(ended, Start::beginning());
    }
}

Task<std::vector<FinalRecord>> read_whole(World* world, Reader* reader, TopicPartition name, int64_t* log_start) {
    int64_t start = -1;
    int64_t end = -1;
    while (end < 0) {
        std::vector<OffsetQuery> queries{{name, OffsetQuery::Place::start, -1}, {name, OffsetQuery::Place::end, -1}};
        Instant deadline = world->executor.now() + 5s;
        std::vector<client::OffsetAnswer> answers = co_await client::list_offsets(
            world, &reader->router(), std::move(queries), Visibility::replicated, deadline);
        if (answers[0].failure || answers[1].failure) continue;
        start = answers[0].offset;
        end = answers[1].offset;
    }
    std::vector<Assignment> assignments{{name, Start::offset(start)}};
    reader->assign(assignments);
    std::vector<FinalRecord> log;
    while (static_cast<int64_t>(log.size()) < end - start) {
        Reader::Polled polled = co_await reader->poll(500ms);
        for (const auto& [partition, record] : polled.records) log.push_back(record);
    }
    *log_start = start;
    co_return log;
}

}  // namespace ironbark::simulation
