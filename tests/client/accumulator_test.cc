#include "client/accumulator.h"

#include <gtest/gtest.h>
#include <thread>

#include "log/record/record_reader.h"
#include "runtime/io/posix_world.h"

namespace ironbark::client {
namespace {

class AccumulatorTest : public testing::Test {
  protected:
    AccumulatorTest() {
        auto topic = std::make_unique<ProducerTopic>("t", Uuid::from_words(1, 2), Partitioner::murmur2, 7);
        topic->grow(2);
        topic_ = &accumulator_.add(std::move(topic));
    }
    Result<Append> append(const std::string& value, bool may_begin = true, SendCallback callback = nullptr) {
        record::NewRecord record;
        record.value = as_bytes(value);
        return accumulator_.append(*topic_->partition(0), record, callback, world_->executor(), may_begin);
    }
    std::unique_ptr<PendingBatch> take(Instant opened_until = Instant::max()) {
        return accumulator_.take(*topic_->partition(0), opened_until);
    }
    void resolve(std::unique_ptr<PendingBatch> batch) {
        accumulator_.recycle(std::move(batch->builder));
        accumulator_.resolved(*batch);
    }

    std::unique_ptr<ThreadWorld> world_ = make_posix_world();
    std::atomic<int> wakes_{0};
    Accumulator accumulator_{{2000, 10'000, 64 << 10}, [this] { ++wakes_; }};
    ProducerTopic* topic_;
};

TEST_F(AccumulatorTest, FindsTopicsByName) {
    EXPECT_EQ(accumulator_.find("t"), topic_);
    EXPECT_EQ(accumulator_.find("u"), nullptr);
    ProducerTopic& other = accumulator_.add(std::make_unique<ProducerTopic>("u", Uuid(), Partitioner::murmur2, 7));
    EXPECT_EQ(accumulator_.find("u"), &other);
    EXPECT_EQ(accumulator_.find("t"), topic_);
    EXPECT_EQ(accumulator_.find("t"), topic_);
}

TEST_F(AccumulatorTest, DoesNotFindATopicThatWasRetired) {
    EXPECT_EQ(accumulator_.find("t"), topic_);
    accumulator_.retire(*topic_);
    EXPECT_EQ(accumulator_.find("t"), nullptr);
    ProducerTopic& again = accumulator_.add(std::make_unique<ProducerTopic>("t", Uuid(), Partitioner::murmur2, 7));
    EXPECT_EQ(accumulator_.find("t"), &again);
}

TEST_F(AccumulatorTest, ABuilderThatWasSharedIsUsedAgainWhenNobodyHoldsIt) {
    ASSERT_EQ(*append("x"), Append::done);
    std::unique_ptr<PendingBatch> batch = take();
    record::BatchBuilder* builder = batch->builder.get();
    std::shared_ptr<record::BatchBuilder> shared = accumulator_.share(std::move(batch->builder));
    accumulator_.resolved(*batch);
    ASSERT_EQ(*append("y"), Append::done);
    batch = take();
    EXPECT_NE(batch->builder.get(), builder);
    accumulator_.resolved(*batch);
    shared.reset();
    ASSERT_EQ(*append("z"), Append::done);
    batch = take();
    EXPECT_EQ(batch->builder.get(), builder);
    resolve(std::move(batch));
}

TEST_F(AccumulatorTest, RecordsJoinTheOpenBatchAndWakeOnce) {
    for (int count = 0; count < 10; ++count) ASSERT_EQ(*append("x"), Append::done);
    EXPECT_EQ(wakes_, 1);
    std::unique_ptr<PendingBatch> batch = take();
    ASSERT_NE(batch, nullptr);
    EXPECT_EQ(batch->records, 10);
    EXPECT_EQ(take(), nullptr);
    resolve(std::move(batch));
}

TEST_F(AccumulatorTest, AFullBatchIsClosedAndTheNextOneBegun) {
    for (int count = 0; count < 5; ++count) ASSERT_EQ(*append(std::string(900, 'x')), Append::done);
    EXPECT_EQ(wakes_, 3);  // at the first record, and at the two that closed a batch
    Instant before_everything{};
    std::vector<int32_t> records;
    while (std::unique_ptr<PendingBatch> batch = take(before_everything)) {
        records.push_back(batch->records);
        resolve(std::move(batch));
    }
    EXPECT_EQ(records, (std::vector<int32_t>{2, 2}));
    resolve(take());
}

TEST_F(AccumulatorTest, ANewBatchIsBegunOnlyIfThatIsAllowed) {
    EXPECT_EQ(*append("x", false), Append::new_batch);
    EXPECT_EQ(accumulator_.memory_used(), 0u);
    EXPECT_EQ(*append("x", true), Append::done);
    EXPECT_EQ(*append("x", false), Append::done);
    EXPECT_EQ(*append(std::string(1990, 'x'), false), Append::new_batch);
    EXPECT_TRUE(accumulator_.front(*topic_->partition(0)).is_closed);
    resolve(take());
}

TEST_F(AccumulatorTest, ALargeRecordGoesAlone) {
    ASSERT_EQ(*append("x"), Append::done);
    ASSERT_EQ(*append(std::string(5000, 'x')), Append::done);
    ASSERT_EQ(*append("x"), Append::done);
    for (int count = 0; count < 3; ++count) {
        std::unique_ptr<PendingBatch> batch = take();
        ASSERT_NE(batch, nullptr);
        EXPECT_EQ(batch->records, 1);
        resolve(std::move(batch));
    }
}

TEST_F(AccumulatorTest, ARecordAboveTheLimitIsRefused) {
    Result<Append> appended = append(std::string(10'000, 'x'));
    ASSERT_FALSE(appended.ok());
    EXPECT_EQ(appended.error().code, ErrorCode::message_too_large);
    EXPECT_EQ(accumulator_.memory_used(), 0u);
    EXPECT_EQ(take(), nullptr);
}

TEST_F(AccumulatorTest, ARecordBefore1970IsRefused) {
    record::NewRecord record;
    record.timestamp = Timestamp(-1);
    SendCallback none;
    Result<Append> appended = accumulator_.append(*topic_->partition(0), record, none, world_->executor(), true);
    ASSERT_FALSE(appended.ok());
    EXPECT_EQ(appended.error().code, ErrorCode::invalid_timestamp);
}

TEST_F(AccumulatorTest, MemoryIsBoundedAndGivenBack) {
    int accepted = 0;
    while (*append(std::string(1500, 'x')) == Append::done) ++accepted;
    EXPECT_GE(accepted, 12);
    EXPECT_LE(accumulator_.memory_used(), size_t{64} << 10);
    record::NewRecord record;
    EXPECT_FALSE(accumulator_.has_room(record));
    while (std::unique_ptr<PendingBatch> batch = take()) resolve(std::move(batch));
    EXPECT_EQ(accumulator_.memory_used(), 0u);
    EXPECT_TRUE(accumulator_.has_room(record));
    EXPECT_EQ(*append("x"), Append::done);
    resolve(take());
}

TEST_F(AccumulatorTest, CallbacksKnowTheirRecord) {
    ASSERT_EQ(*append("a"), Append::done);
    ASSERT_EQ(*append("b", true, [](const Expected<Receipt>&) {}), Append::done);
    ASSERT_EQ(*append("c", true, [](const Expected<Receipt>&) {}), Append::done);
    std::unique_ptr<PendingBatch> batch = take();
    ASSERT_EQ(batch->callbacks.size(), 2u);
    EXPECT_EQ(batch->callbacks[0].index, 1);
    EXPECT_EQ(batch->callbacks[1].index, 2);
    resolve(std::move(batch));
}

// Whatever the engine has concluded meanwhile: a record that came while it looked at an empty queue waited for ever.
TEST_F(AccumulatorTest, AnEmptyQueueSignalsItsNextRecord) {
    std::vector<PartitionQueue*> queues;
    ASSERT_EQ(*append("x"), Append::done);
    ASSERT_EQ(*append("x"), Append::done);
    accumulator_.take_signalled(&queues);
    ASSERT_EQ(queues.size(), 1u);
    EXPECT_EQ(wakes_, 1);
    EXPECT_FALSE(accumulator_.is_empty(*queues[0]));
    resolve(take());
    ASSERT_EQ(*append("x"), Append::done);
    EXPECT_EQ(wakes_, 2);
    EXPECT_FALSE(accumulator_.is_empty(*queues[0]));
    queues.clear();
    accumulator_.take_signalled(&queues);
    EXPECT_EQ(queues.size(), 1u);
    resolve(take());
    EXPECT_TRUE(accumulator_.is_empty(*queues[0]));
}

TEST_F(AccumulatorTest, ALingeringBatchIsTakenWhenItIsOldEnough) {
    Instant before = world_->executor().now();
    ASSERT_EQ(*append("x"), Append::done);
    EXPECT_EQ(take(before - 1s), nullptr);
    resolve(take(world_->executor().now()));
}

TEST_F(AccumulatorTest, AFlushIsOverWhenEverythingBeforeItIsResolved) {
    ASSERT_EQ(*append("a"), Append::done);
    uint64_t flush = accumulator_.begin_flush();
    std::unique_ptr<PendingBatch> first = take();
    ASSERT_EQ(*append("b"), Append::done);
    EXPECT_FALSE(accumulator_.is_flushed(flush));
    resolve(std::move(first));
    EXPECT_TRUE(accumulator_.is_flushed(flush));
    resolve(take());
}

TEST_F(AccumulatorTest, ARetiredTopicTakesNothingAndIsNotFound) {
    ASSERT_EQ(*append("x"), Append::done);
    accumulator_.retire(*topic_);
    EXPECT_EQ(accumulator_.find("t"), nullptr);
    EXPECT_EQ(*append("x"), Append::topic_is_gone);
    resolve(take());
}

// What each of several threads appends stays in its order, and nothing is lost.
TEST_F(AccumulatorTest, ManyThreadsAppendAtOnce) {
    constexpr int threads = 4;
    constexpr int records = 2000;
    Accumulator large({2000, 10'000, size_t{64} << 20}, [] {});
    auto owned = std::make_unique<ProducerTopic>("t", Uuid::from_words(1, 2), Partitioner::murmur2, 7);
    owned->grow(1);
    PartitionQueue& queue = *large.add(std::move(owned)).partition(0);
    std::vector<std::thread> writers;
    for (int thread = 0; thread < threads; ++thread) {
        writers.emplace_back([&, thread] {
            for (int number = 0; number < records; ++number) {
                std::string value = std::to_string(thread) + " " + std::to_string(number);
                record::NewRecord record;
                record.value = as_bytes(value);
                SendCallback none;
                Result<Append> appended = large.append(queue, record, none, world_->executor(), true);
                EXPECT_TRUE(appended.ok() && *appended == Append::done);
            }
        });
    }
    for (std::thread& writer : writers) writer.join();
    std::map<std::string, int> next;
    while (std::unique_ptr<PendingBatch> batch = large.take(queue, Instant::max())) {
        Bytes frame = batch->builder->seal(queue.seed, {});
        record::FrameView view = record::parse_frame(frame, queue.seed).value();
        record::Decompressor decompressor;
        record::ByteBuffer scratch;
        auto reader = record::RecordReader::open(view.batch, view.record_bytes(), &decompressor, &scratch).value();
        record::Record record;
        while (reader.next(&record).value()) {
            std::string value(as_text(*record.value));
            std::string thread = value.substr(0, value.find(' '));
            EXPECT_EQ(value, thread + " " + std::to_string(next[thread]++));
        }
        large.recycle(std::move(batch->builder));
        large.resolved(*batch);
    }
    for (auto [thread, count] : next) EXPECT_EQ(count, records);
    EXPECT_EQ(next.size(), size_t{threads});
    EXPECT_EQ(large.memory_used(), 0u);
}

}  // namespace
}  // namespace ironbark::client
