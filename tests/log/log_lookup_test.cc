// Finding records by their time, which producers choose: it need not grow.
#include <gtest/gtest.h>

#include "log/timestamps.h"
#include "tests/log/log_world.h"

namespace ironbark::log {
namespace {

using Found = std::optional<std::pair<int64_t, int64_t>>;  // offset and timestamp

std::vector<uint8_t> make_timed_frame(const std::vector<int64_t>& times, record::Codec codec = record::Codec::none) {
    record::BatchBuilder builder;
    for (int64_t time : times) {
        record::NewRecord record;
        record.timestamp = Timestamp(time);
        const std::string text(500, 'x');
        record.value = as_bytes(text);
        EXPECT_TRUE(builder.append(record).ok());
    }
    record::Compressor compressor;
    if (codec != record::Codec::none) builder.compress(codec, &compressor);
    Bytes frame = builder.seal(here.seed(), {});
    return {frame.begin(), frame.end()};
}

class Lookup : public testing::Test {
  protected:
    Lookup() { log = &world.begin(); }
    void append(const std::vector<int64_t>& times, record::Codec codec = record::Codec::none) {
        ASSERT_TRUE(world.try_append(*log, make_timed_frame(times, codec)).ok());
        all.insert(all.end(), times.begin(), times.end());
    }
    static Found as_pair(const std::optional<TimestampOffset>& found) {
        if (!found) return std::nullopt;
        return std::pair(found->offset.value, found->timestamp.milliseconds);
    }
    Found find(int64_t time) { return as_pair(world.run(log->find_timestamp(Timestamp(time))).value()); }
    Found find_max() { return as_pair(world.run(log->find_max_timestamp()).value()); }
    // What is asked for, by looking at every record.
    Found expected(int64_t time) {
        for (int64_t offset = log->log_start().value; offset < static_cast<int64_t>(all.size()); ++offset) {
            int64_t at = all[static_cast<size_t>(offset)];
            if (at >= time) return std::pair(offset, at);
        }
        return std::nullopt;
    }
    void reopen() {
        world.make_durable(*log);
        world.stop();
        log = &world.open();
    }

    LogWorld world;
    Log* log = nullptr;
    std::vector<int64_t> all;
};

TEST_F(Lookup, InAnEmptyLogFindsNothing) {
    EXPECT_EQ(find(0), std::nullopt);
    EXPECT_EQ(find_max(), std::nullopt);
}

TEST_F(Lookup, FindsTheFirstRecordAtOrAfterATime) {
    append({100, 200});
    append({300});
    EXPECT_EQ(find(0), (Found({0, 100})));
    EXPECT_EQ(find(100), (Found({0, 100})));
    EXPECT_EQ(find(101), (Found({1, 200})));
    EXPECT_EQ(find(300), (Found({2, 300})));
    EXPECT_EQ(find(301), std::nullopt);
    EXPECT_EQ(find_max(), (Found({2, 300})));
}

TEST_F(Lookup, FindsTheRecordInsideACompressedBatch) {
    append({100, 300, 200}, record::Codec::lz4);
    append({400, 500}, record::Codec::zstd);
    EXPECT_EQ(find(150), (Found({1, 300})));
    EXPECT_EQ(find(450), (Found({4, 500})));
    EXPECT_EQ(find_max(), (Found({4, 500})));
}

TEST_F(Lookup, FindsTheFirstInOffsetOrderWhenTimesGoBack) {
    append({500});
    append({100, 900, 200});
    append({300});
    EXPECT_EQ(find(50), (Found({0, 500})));
    EXPECT_EQ(find(501), (Found({2, 900})));
    EXPECT_EQ(find(901), std::nullopt);
    EXPECT_EQ(find_max(), (Found({2, 900})));
}

TEST_F(Lookup, NamesTheFirstOfRecordsWithTheHighestTime) {
    append({100, 900});
    append({900, 900});
    EXPECT_EQ(find_max(), (Found({1, 900})));
}

TEST_F(Lookup, FindsNoRecordThatWasDeleted) {
    append({900, 100});
    append({200, 800});
    world.make_durable(*log);
    ASSERT_TRUE(world.run(log->delete_before(Offset(1))).ok());
    EXPECT_EQ(find(0), (Found({1, 100})));
    EXPECT_EQ(find(150), (Found({2, 200})));
    EXPECT_EQ(find(900), std::nullopt);
    EXPECT_EQ(find_max(), (Found({3, 800})));
    ASSERT_TRUE(world.run(log->delete_before(Offset(4))).ok());
    EXPECT_EQ(find(0), std::nullopt);
    EXPECT_EQ(find_max(), std::nullopt);
}

TEST_F(Lookup, FindsTheSameInManySegmentsWithoutMemoryAndWithoutIndexes) {
    simulation::RandomStream random = world.simulation().stream("times");
    for (int number = 0; number < 60; ++number) {
        std::vector<int64_t> times;
        for (uint64_t count = 1 + random.below(4); count > 0; --count) {
            times.push_back(1000 + number * 10 + static_cast<int64_t>(random.below(300)));
        }
        append(times);
        if (number % 7 == 0) world.make_durable(*log);
    }
    for (int state = 0; state < 3; ++state) {
        if (state > 0) reopen();
        if (state == 2) {
            world.kill();
            for (const auto& [path, bytes] : world.files()) {
                if (path.ends_with(index_suffix)) world.disk().remove(path);
            }
            log = &world.open();
        }
        ASSERT_GT(log->segment_count(), 3u);
        for (int64_t time = 900; time < 2000; time += 13) EXPECT_EQ(find(time), expected(time)) << time;
        EXPECT_EQ(find_max()->second, *std::max_element(all.begin(), all.end()));
    }
}

TEST_F(Lookup, OfADamagedRecordIsAnErrorAndNotAnotherAnswer) {
    append({100});
    append({200});
    reopen();
    world.disk().rot(LogWorld::path(0, log_suffix), block_size + 300);
    EXPECT_EQ(world.run(log->find_timestamp(Timestamp(50))).error().code, ErrorCode::corrupt_data);
}

// Inside a batch

record::FrameView stamped(std::vector<uint8_t>& bytes) {
    record::stamp(bytes, here.seed(), {.base_offset = Offset(40), .leader_epoch = Epoch(2)});
    return record::parse_frame(bytes, here.seed()).value();
}

TEST(Timestamps, AreLookedUpFromAnOffsetOn) {
    std::vector<uint8_t> bytes = make_timed_frame({100, 300, 200, 300});
    record::FrameView frame = stamped(bytes);
    EXPECT_EQ(first_record_at(frame, Timestamp(150), Offset(0))->offset, Offset(41));
    EXPECT_EQ(first_record_at(frame, Timestamp(150), Offset(42))->offset, Offset(42));
    EXPECT_EQ(first_record_at(frame, Timestamp(250), Offset(42))->offset, Offset(43));
    EXPECT_FALSE(first_record_at(frame, Timestamp(301), Offset(0)));
    EXPECT_EQ(first_record_at(frame, Timestamp(0), Offset(0))->epoch, Epoch(2));
    EXPECT_EQ(latest_record(frame, Offset(0))->offset, Offset(41)) << "the first of equal ones";
    EXPECT_EQ(latest_record(frame, Offset(42))->offset, Offset(43));
    EXPECT_FALSE(latest_record(frame, Offset(44)));
}

TEST(Timestamps, OfABatchThatCannotBeReadInsideAreItsHeaders) {
    std::vector<uint8_t> bytes = make_timed_frame({100, 300, 200});
    record::FrameView frame = stamped(bytes);
    frame.batch.attributes = static_cast<int16_t>(record::Codec::zstd);  // its bytes are no zstd
    EXPECT_EQ(first_record_at(frame, Timestamp(150), Offset(0))->offset, Offset(40));
    EXPECT_EQ(first_record_at(frame, Timestamp(150), Offset(42))->offset, Offset(42));
    EXPECT_EQ(latest_record(frame, Offset(0))->timestamp, Timestamp(300));
}

}  // namespace
}  // namespace ironbark::log
