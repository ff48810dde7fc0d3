#include "tests/broker/service/service_fixture.h"

namespace ironbark::broker {
namespace {

SERVICE_TESTS(Offsets);

Text batch_at(const PartitionIdentity& partition, int64_t after_ms, std::vector<std::string> values) {
    return make_batch(partition, {std::move(values), {}, Timestamp(batch_time.milliseconds + after_ms)});
}

TEST_P(Offsets, OfAnEmptyPartitionAreZero) {
    PartitionIdentity partition = world().make_topic("t");
    EXPECT_EQ(world().list(partition, OffsetPlace::start).offset, 0);
    EXPECT_EQ(world().list(partition, OffsetPlace::end).offset, 0);
    EXPECT_EQ(world().list(partition, OffsetPlace::timestamp, 0).offset, -1);
    EXPECT_EQ(world().list(partition, OffsetPlace::max_timestamp).offset, -1);
    EXPECT_EQ(world().list(partition, OffsetPlace::end).epoch, 0);
}

TEST_P(Offsets, TheEndIsTheWatermarkOfTheVisibility) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    world().produce(partition, make_batch(partition, {"a"}), AckLevel::leader_durable);
    world().produce(partition, make_batch(partition, {"b"}), AckLevel::leader);
    EXPECT_EQ(world().list(partition, OffsetPlace::end, -1, Visibility::durable).offset, 1);
    EXPECT_EQ(world().list(partition, OffsetPlace::end, -1, Visibility::replicated).offset, 2);
    EXPECT_EQ(world().list(partition, OffsetPlace::end).offset, 1);
}

TEST_P(Offsets, AreFoundByTime) {
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, batch_at(partition, 100, {"a", "b"}));
    world().produce(partition, batch_at(partition, 300, {"c"}));
    world().produce(partition, batch_at(partition, 200, {"late"}));
    auto at = [&](int64_t after_ms) {
        return world().list(partition, OffsetPlace::timestamp, batch_time.milliseconds + after_ms);
    };
    EXPECT_EQ(at(0).offset, 0);
    EXPECT_EQ(at(100).offset, 0);
    EXPECT_EQ(at(101).offset, 2);
    EXPECT_EQ(at(101).time, batch_time.milliseconds + 300);
    EXPECT_EQ(at(300).offset, 2);
    EXPECT_EQ(at(301).offset, -1);
    OffsetSeen latest = world().list(partition, OffsetPlace::max_timestamp);
    EXPECT_EQ(latest.offset, 2);
    EXPECT_EQ(latest.time, batch_time.milliseconds + 300);
}

TEST_P(Offsets, WhatMayNotBeSeenYetIsNotFoundByTime) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    world().produce(partition, batch_at(partition, 100, {"a"}), AckLevel::leader);
    EXPECT_EQ(world().list(partition, OffsetPlace::timestamp, 0, Visibility::durable).offset, -1);
    EXPECT_EQ(world().list(partition, OffsetPlace::timestamp, 0, Visibility::replicated).offset, 0);
}

TEST_P(Offsets, TheLatestTimeIsThatOfARecordThatMayBeSeen) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    auto latest = [&](Visibility visibility) {
        return world().list(partition, OffsetPlace::max_timestamp, -1, visibility).offset;
    };
    EXPECT_EQ(latest(Visibility::durable), -1);
    world().produce(partition, batch_at(partition, 300, {"a"}), AckLevel::leader_durable);
    world().produce(partition, batch_at(partition, 100, {"b"}), AckLevel::leader_durable);
    world().produce(partition, batch_at(partition, 900, {"c"}), AckLevel::leader);
    EXPECT_EQ(latest(Visibility::durable), 0);
    EXPECT_EQ(latest(Visibility::replicated), 2);
}

TEST_P(Offsets, AreListedForPartitionsOfAllShards) {
    world().make_topic("t", {.partitions = 7});
    std::vector<ListPart> parts;
    for (int32_t index = 0; index < 7; ++index) {
        PartitionIdentity partition = world().partition("t", index);
        for (int32_t count = 0; count < index; ++count) world().produce(partition, make_batch(partition, {"x"}));
        parts.push_back({partition, OffsetPlace::end});
    }
    parts.push_back({PartitionIdentity{parts[0].partition.topic, PartitionIndex(7)}, OffsetPlace::end});
    std::vector<OffsetSeen> seen =
        read_list(world().call(rpc::Method::list_offsets, list_request(parts, Visibility::durable)));
    for (size_t index = 0; index < 7; ++index) EXPECT_EQ(seen[index].offset, static_cast<int64_t>(index));
    EXPECT_EQ(seen[7].said.code, ErrorCode::unknown_topic_or_partition);
}

TEST_P(Offsets, RequestsThatContradictThemselvesAreRefused) {
    PartitionIdentity partition = world().make_topic("t");
    auto refusal = [&](const std::vector<ListPart>& parts, Visibility visibility) {
        return world().call(rpc::Method::list_offsets, list_request(parts, visibility)).error.code;
    };
    EXPECT_EQ(refusal({}, Visibility::durable), ErrorCode::invalid_request);
    EXPECT_EQ(refusal({{partition, static_cast<OffsetPlace>(4)}}, Visibility::durable), ErrorCode::invalid_request);
    EXPECT_EQ(refusal({{partition}}, static_cast<Visibility>(3)), ErrorCode::invalid_request);
}

TEST_P(Offsets, KnowTheEpoch) {
    PartitionIdentity partition = world().make_topic("t");
    world().kill();
    world().start();
    auto code = [&](int32_t epoch) {
        return read_list(world().call(rpc::Method::list_offsets,
                                      list_request({{partition, OffsetPlace::end, -1, epoch}}, Visibility::durable)))
            .at(0)
            .said.code;
    };
    EXPECT_EQ(code(-1), ErrorCode::none);
    EXPECT_EQ(code(0), ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(code(1), ErrorCode::none);
    EXPECT_EQ(code(2), ErrorCode::unknown_leader_epoch);
}

// The largest requests that are meant to be served: the answer must be one that a client accepts.
TEST_P(Offsets, OfTenThousandPartitionsFitAnAnswerWhateverItSays) {
    PartitionIdentity partition = world().make_topic("t");
    std::vector<ListPart> lists;
    std::vector<FetchPart> fetches;
    std::vector<ProducePart> produces;
    std::vector<std::pair<PartitionIdentity, int64_t>> deletes;
    for (int32_t index = 0; index < 10'000; ++index) {
        PartitionIdentity missing{partition.topic, PartitionIndex(index + 1)};
        lists.push_back({missing});
        fetches.push_back({missing});
        produces.push_back({missing, make_batch(missing, {"x"})});
        deletes.push_back({missing, 0});
    }
    std::vector<OffsetSeen> listed =
        read_list(world().call(rpc::Method::list_offsets, list_request(lists, Visibility::durable)));
    ASSERT_EQ(listed.size(), 10'000u) << listed[0].said;
    EXPECT_EQ(listed.back().said.code, ErrorCode::unknown_topic_or_partition);
    FetchAnswer fetched = world().fetch(fetches, {});
    ASSERT_EQ(fetched.partitions.size(), 10'000u) << fetched.said;
    EXPECT_EQ(fetched.partitions.back().said.code, ErrorCode::unknown_topic_or_partition);
    ProduceAnswer produced = world().produce(produces);
    ASSERT_EQ(produced.receipts.size(), 10'000u) << produced.said;
    EXPECT_EQ(produced.receipts.back().said.code, ErrorCode::unknown_topic_or_partition);
    std::vector<StartSeen> deleted = read_delete(world().call(rpc::Method::delete_records, delete_request(deletes)));
    ASSERT_EQ(deleted.size(), 10'000u) << deleted[0].said;
    lists.push_back({partition});
    rpc::CallResult refused = world().call(rpc::Method::list_offsets, list_request(lists, Visibility::durable));
    EXPECT_EQ(refused.error.code, ErrorCode::invalid_request);
}

SERVICE_TESTS(DeleteRecords);

TEST_P(DeleteRecords, MovesTheStartOfTheLog) {
    PartitionIdentity partition = world().make_topic("t");
    for (const char* value : {"a", "b", "c", "d"}) world().produce(partition, make_batch(partition, {value}));
    StartSeen deleted = world().delete_before(partition, 2);
    EXPECT_TRUE(deleted.said.ok()) << deleted.said;
    EXPECT_EQ(deleted.log_start, 2);
    EXPECT_EQ(world().list(partition, OffsetPlace::start).offset, 2);
    EXPECT_EQ(world().fetch(partition, 1).said.code, ErrorCode::offset_out_of_range);
    EXPECT_EQ(world().read_all(partition, 2), numbered({"c", "d"}, 2));
    EXPECT_EQ(world().delete_before(partition, 1).log_start, 2) << "it never moves back";
    world().lose_power();
    world().start();
    EXPECT_EQ(world().list(partition, OffsetPlace::start).offset, 2);
    EXPECT_EQ(world().read_all(partition, 2), numbered({"c", "d"}, 2));
}

TEST_P(DeleteRecords, UpToTheHighWatermark) {
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"a", "b", "c"}), AckLevel::leader);
    EXPECT_EQ(world().delete_before(partition, -1).log_start, 3);
    EXPECT_EQ(world().list(partition, OffsetPlace::end).offset, 3);
    EXPECT_EQ(world().produce(partition, make_batch(partition, {"d"})).base, 3);
    EXPECT_EQ(world().read_all(partition, 3), numbered({"d"}, 3));
}

TEST_P(DeleteRecords, InTheMiddleOfABatchHidesWhatIsBefore) {
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"a", "b", "c"}));
    EXPECT_EQ(world().delete_before(partition, 1).log_start, 1);
    EXPECT_EQ(world().read_all(partition, 1), numbered({"b", "c"}, 1));
    EXPECT_EQ(world().list(partition, OffsetPlace::timestamp, 0).offset, 1);
}

TEST_P(DeleteRecords, BeyondTheLogIsRefusedAndChangesNothing) {
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"a"}));
    for (int64_t before : {int64_t{2}, INT64_MAX, int64_t{-2}, INT64_MIN}) {
        StartSeen deleted = world().delete_before(partition, before);
        EXPECT_EQ(deleted.said.code, ErrorCode::offset_out_of_range) << before;
        EXPECT_EQ(deleted.said.outcome, Outcome::not_written) << before;
    }
    EXPECT_EQ(world().read_all(partition), numbered({"a"}));
    EXPECT_EQ(world().delete_before({partition.topic, PartitionIndex(1)}, 0).said.code,
              ErrorCode::unknown_topic_or_partition);
}

TEST_P(DeleteRecords, RemovesWholeSegments) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"segment.bytes", "64KiB"}}});
    for (int count = 0; count < 20; ++count) {
        world().produce(partition, make_batch(partition, {std::string(20'000, 'x')}));
    }
    auto segments = [&] {
        size_t count = 0;
        for (const std::string& path : world().files_of(partition)) count += path.ends_with(".log") ? 1 : 0;
        return count;
    };
    EXPECT_GT(segments(), 5u);
    EXPECT_EQ(world().delete_before(partition, 19).log_start, 19);
    EXPECT_EQ(segments(), 1u);
    EXPECT_EQ(world().read_all(partition, 19).size(), 1u);
}

TEST_P(DeleteRecords, UnderAReaderIsAnErrorAndNoGap) {
    config.tail_bytes = 0;
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"segment.bytes", "64KiB"}}});
    for (int count = 0; count < 30; ++count) {
        world().produce(partition, make_batch(partition, {std::string(20'000, 'x')}));
    }
    for (int64_t before = 1; before < 30; before += 3) {
        std::vector<FetchPart> parts{{partition, before - 1}};
        Pending read = world().begin_fetch(parts, {});
        EXPECT_TRUE(world().delete_before(partition, before + 2).said.ok());
        Fetched fetched = read_fetch(world().wait_for(read), parts).partitions.at(0);
        if (fetched.said.ok()) {
            EXPECT_EQ(fetched.records.front().offset, before - 1);
        } else {
            EXPECT_EQ(fetched.said.code, ErrorCode::offset_out_of_range) << fetched.said;
        }
    }
}

SERVICE_TESTS(Retention);

TEST_P(Retention, RemovesTheOldestBySize) {
    config.retention_interval = 10s;
    PartitionIdentity partition =
        world().make_topic("t", {.settings = {{"segment.bytes", "64KiB"}, {"retention.bytes", "200000"}}});
    for (int count = 0; count < 30; ++count) {
        world().produce(partition, make_batch(partition, {std::string(20'000, 'x')}));
    }
    world().simulation.run_for(30s);
    int64_t start = world().list(partition, OffsetPlace::start).offset;
    EXPECT_GT(start, 10);
    EXPECT_LT(start, 30);
    EXPECT_EQ(world().read_all(partition, start).size(), static_cast<size_t>(30 - start));
}

TEST_P(Retention, RemovesByTimeEvenWhatNobodyAddsTo) {
    config.retention_interval = 10s;
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"retention.ms", "1min"}}});
    world().produce(partition, make_batch(partition, {"a"}));
    world().simulation.run_for(30s);
    EXPECT_EQ(world().list(partition, OffsetPlace::start).offset, 0);
    world().simulation.run_for(120s);
    EXPECT_EQ(world().list(partition, OffsetPlace::start).offset, 1);
    EXPECT_EQ(world().produce(partition, make_batch(partition, {"b"})).base, 1);
}

TEST_P(Retention, ThatIsAlteredTakesEffect) {
    config.retention_interval = 10s;
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"a"}));
    world().simulation.run_for(3600s);
    EXPECT_EQ(world().list(partition, OffsetPlace::start).offset, 0);
    EXPECT_TRUE(world().alter_topic("t", {{"retention.ms", "60000"}}).ok());
    world().simulation.run_for(60s);
    EXPECT_EQ(world().list(partition, OffsetPlace::start).offset, 1);
}

}  // namespace
}  // namespace ironbark::broker
