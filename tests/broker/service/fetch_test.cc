#include "tests/broker/service/service_fixture.h"

namespace ironbark::broker {
namespace {

SERVICE_TESTS(Fetch);

TEST_P(Fetch, ReturnsWholeBatchesFromTheOneThatHoldsTheOffset) {
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"a", "b", "c"}));
    world().produce(partition, make_batch(partition, {"d"}));
    Fetched fetched = world().fetch(partition, 1);
    ASSERT_EQ(fetched.frames.size(), 2u);
    EXPECT_EQ(fetched.frames[0].records, numbered({"a", "b", "c"}));
    EXPECT_EQ(fetched.records, numbered({"b", "c", "d"}, 1));
    EXPECT_EQ(fetched.log_start, 0);
    EXPECT_EQ(fetched.durable, 4);
    EXPECT_EQ(fetched.high, 4);
    EXPECT_EQ(fetched.log_end, 4);
    EXPECT_EQ(fetched.epoch, 0);
}

TEST_P(Fetch, AtTheEndIsEmptyAndNoError) {
    PartitionIdentity partition = world().make_topic("t");
    EXPECT_TRUE(world().fetch(partition, 0).said.ok());
    world().produce(partition, make_batch(partition, {"a"}));
    Fetched fetched = world().fetch(partition, 1);
    EXPECT_TRUE(fetched.said.ok());
    EXPECT_TRUE(fetched.records.empty());
}

TEST_P(Fetch, OutsideOfTheLogSaysWhereItIs) {
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"a"}));
    for (int64_t offset : {int64_t{-1}, int64_t{-5}, int64_t{2}, INT64_MAX, INT64_MIN}) {
        Fetched fetched = world().fetch(partition, offset);
        EXPECT_EQ(fetched.said.code, ErrorCode::offset_out_of_range) << offset;
        EXPECT_TRUE(fetched.said.mentions("0 to 1")) << fetched.said;
        EXPECT_EQ(fetched.log_start, 0);
        EXPECT_EQ(fetched.log_end, 1);
    }
}

TEST_P(Fetch, KnowsNoPartitionThatIsNotThere) {
    PartitionIdentity partition = world().make_topic("t");
    PartitionIdentity missing{partition.topic, PartitionIndex(1)};
    world().produce(partition, make_batch(partition, {"a"}));
    FetchAnswer answer = world().fetch({{missing, 0}, {partition, 0}});
    EXPECT_EQ(answer.partitions[0].said.code, ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(answer.partitions[1].records, numbered({"a"}));
}

TEST_P(Fetch, RefusesEpochsThatAreNotItsOwn) {
    PartitionIdentity partition = world().make_topic("t");
    world().kill();
    world().start();
    EXPECT_EQ(world().fetch({{partition, 0, 0}}).partitions[0].said.code, ErrorCode::fenced_leader_epoch);
    EXPECT_TRUE(world().fetch({{partition, 0, 1}}).partitions[0].said.ok());
    EXPECT_EQ(world().fetch({{partition, 0, 2}}).partitions[0].said.code, ErrorCode::unknown_leader_epoch);
}

TEST_P(Fetch, RefusesRequestsThatContradictThemselves) {
    PartitionIdentity partition = world().make_topic("t");
    EXPECT_EQ(world().fetch(std::vector<FetchPart>{}).said.code, ErrorCode::invalid_request);
    EXPECT_EQ(world().fetch(partition, 0, {.visibility = static_cast<Visibility>(9)}).said.code,
              ErrorCode::invalid_request);
}

TEST_P(Fetch, DurableReadersSeeOnlyWhatIsOnDisk) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    world().produce(partition, make_batch(partition, {"a"}), AckLevel::leader_durable);
    world().produce(partition, make_batch(partition, {"b"}), AckLevel::leader);
    EXPECT_EQ(world().fetch(partition, 0, {.visibility = Visibility::durable}).records, numbered({"a"}));
    EXPECT_EQ(world().fetch(partition, 0, {.visibility = Visibility::replicated}).records, numbered({"a", "b"}));
    EXPECT_EQ(world().fetch(partition, 0).records, numbered({"a"})) << "acks.default is isr_durable";
    // One that has seen more than is durable waits: it is not out of range.
    Fetched ahead = world().fetch(partition, 2, {.visibility = Visibility::durable});
    EXPECT_TRUE(ahead.said.ok()) << ahead.said;
    EXPECT_TRUE(ahead.records.empty());
}

TEST_P(Fetch, FollowsTheTopicsDefaultLevelIfItNamesNoVisibility) {
    PartitionIdentity partition =
        world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}, {"acks.default", "leader"}}});
    world().produce(partition, make_batch(partition, {"a"}), AckLevel::leader);
    EXPECT_EQ(world().fetch(partition, 0).records, numbered({"a"}));
}

TEST_P(Fetch, ReadsSeveralPartitionsOfSeveralShards) {
    world().make_topic("t", {.partitions = 9});
    std::vector<FetchPart> parts;
    for (int32_t index = 8; index >= 0; --index) {
        PartitionIdentity partition = world().partition("t", index);
        world().produce(partition, make_batch(partition, {std::to_string(index)}));
        parts.push_back({partition, 0});
    }
    FetchAnswer answer = world().fetch(parts);
    ASSERT_EQ(answer.partitions.size(), 9u);
    for (size_t index = 0; index < 9; ++index) {
        EXPECT_EQ(answer.partitions[index].records, numbered({std::to_string(8 - index)}));
    }
}

TEST_P(Fetch, TheFirstBatchComesWhateverItsSize) {
    PartitionIdentity partition = world().make_topic("t");
    for (int count = 0; count < 3; ++count) world().produce(partition, make_batch(partition, {std::string(5000, 'x')}));
    for (uint32_t limit : {1u, 100u, 6000u}) {
        EXPECT_EQ(world().fetch(partition, 0, {.bytes_max = limit}).records.size(), 1u) << limit;
        EXPECT_EQ(world().fetch({{partition, 0, -1, limit}}).partitions[0].records.size(), 1u) << limit;
    }
    EXPECT_EQ(world().fetch(partition, 0, {.bytes_max = 11'000}).records.size(), 2u);
    EXPECT_EQ(world().fetch(partition, 0).records.size(), 3u);
}

// The first batch of each partition would be sixteen times more than was asked for.
TEST_P(Fetch, ReturnsNoMoreThanAskedForBeyondTheFirstBatch) {
    world().make_topic("t", {.partitions = 16});
    std::vector<FetchPart> parts;
    for (int32_t index = 0; index < 16; ++index) {
        PartitionIdentity partition = world().partition("t", index);
        world().produce(partition, make_batch(partition, {std::string(50'000, 'x')}));
        parts.push_back({partition, 0});
    }
    FetchAnswer answer = world().fetch(parts, {.bytes_max = 60'000});
    EXPECT_GT(answer.bytes, 50'000u);
    EXPECT_LE(answer.bytes, 60'000u);
    EXPECT_EQ(world().fetch(parts, {.bytes_max = 1000}).bytes, answer.bytes) << "one batch";
    EXPECT_GT(world().fetch(parts, {.bytes_max = 4'000'000}).bytes, 16u * 50'000);
}

// Partitions that find no room this time have their turn when the reader asks for them first.
TEST_P(Fetch, ServesInTheOrderOfTheRequest) {
    world().make_topic("t", {.partitions = 6});
    std::vector<FetchPart> parts;
    for (int32_t index = 0; index < 6; ++index) {
        PartitionIdentity partition = world().partition("t", index);
        world().produce(partition, make_batch(partition, {std::string(50'000, 'x')}));
        parts.push_back({partition, 0});
    }
    for (size_t turn = 0; turn < parts.size(); ++turn) {
        FetchAnswer answer = world().fetch(parts, {.bytes_max = 1000});
        EXPECT_EQ(answer.partitions[0].records.size(), 1u) << turn;
        std::rotate(parts.begin(), parts.begin() + 1, parts.end());
    }
}

// Three of the largest batches are more than a frame holds.
TEST_P(Fetch, AnswersFitAFrameWhateverTheBatches) {
    config.unwritten_bytes = int64_t{64} << 20;
    world().make_topic("t", {.partitions = 6, .settings = {{"max.message.bytes", "15MiB"}}});
    std::vector<FetchPart> parts;
    for (int32_t index = 0; index < 6; ++index) {
        PartitionIdentity partition = world().partition("t", index);
        ReceiptSeen receipt = world().produce(partition, make_batch(partition, {std::string(15'700'000, 'x')}));
        ASSERT_TRUE(receipt.said.ok()) << receipt.said;
        parts.push_back({partition, 0});
    }
    FetchAnswer answer = world().fetch(parts);
    EXPECT_TRUE(answer.said.ok()) << answer.said;
    EXPECT_EQ(answer.partitions[0].records.size(), 1u);
}

TEST_P(Fetch, SkipsNothingOverManySmallReads) {
    config.tail_bytes = 64 << 10;  // most of it comes from disk
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"segment.bytes", "64KiB"}}});
    std::vector<std::string> values;
    for (int count = 0; count < 300; ++count) {
        values.push_back(std::to_string(count) + std::string(static_cast<size_t>(count * 7 % 1500), '.'));
        world().produce(partition, make_batch(partition, {values.back()}));
    }
    EXPECT_EQ(world().read_all(partition), numbered(values));
    std::vector<Seen> seen;
    int64_t offset = 0;
    while (offset < 300) {
        Fetched fetched = world().fetch(partition, offset, {.bytes_max = 2000});
        ASSERT_FALSE(fetched.records.empty());
        seen.insert(seen.end(), fetched.records.begin(), fetched.records.end());
        offset = seen.back().offset + 1;
    }
    EXPECT_EQ(seen, numbered(values));
}

TEST_P(Fetch, ServesNothingThatFailsItsChecksumAndReadsOtherPartitions) {
    config.tail_bytes = 0;
    PartitionIdentity bad = world().make_topic("t", {.partitions = 2});
    PartitionIdentity good = world().partition("t", 1);
    for (const PartitionIdentity& partition : {bad, good}) {
        world().produce(partition, make_batch(partition, {"a"}));
        world().produce(partition, make_batch(partition, {std::string(20'000, 'b')}));
    }
    world().stop();
    std::string segment = world().newest_segment(bad);
    world().server.disk().rot(segment, 10'000);
    world().start();
    FetchAnswer answer = world().fetch({{bad, 1}, {good, 0}});
    EXPECT_EQ(answer.partitions[0].said.code, ErrorCode::storage_error) << answer.partitions[0].said;
    EXPECT_TRUE(answer.partitions[0].said.mentions(segment.substr(segment.find("partitions"))))
        << answer.partitions[0].said;
    EXPECT_TRUE(answer.partitions[0].said.mentions("at byte")) << answer.partitions[0].said;
    EXPECT_TRUE(answer.partitions[0].records.empty());
    EXPECT_EQ(answer.partitions[1].records.size(), 2u);
    Fetched before = world().fetch(bad, 0, {.bytes_max = 100});
    EXPECT_EQ(before.records, numbered({"a"})) << "what is undamaged is served";
    EXPECT_NE(world().get("/metrics").find("ironbark_log_corrupt_reads_total 1"), std::string::npos);
}

TEST_P(Fetch, OfAPageThatCannotBeReadIsAnErrorOfThatPartition) {
    config.tail_bytes = 0;
    PartitionIdentity bad = world().make_topic("t", {.partitions = 2});
    PartitionIdentity good = world().partition("t", 1);
    for (const PartitionIdentity& partition : {bad, good}) {
        world().produce(partition, make_batch(partition, {std::string(20'000, 'b')}));
    }
    world().stop();
    world().server.disk().fail_reads(world().newest_segment(bad), 8192);
    world().start();
    FetchAnswer answer = world().fetch({{bad, 0}, {good, 0}});
    EXPECT_EQ(answer.partitions[0].said.code, ErrorCode::storage_error) << answer.partitions[0].said;
    EXPECT_EQ(answer.partitions[1].records.size(), 1u);
}

SERVICE_TESTS(LongPoll);

TEST_P(LongPoll, WakesWhenARecordIsAppended) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    Pending poll = world().begin_fetch({{partition, 0}}, {.wait_ms = 60'000, .visibility = Visibility::replicated});
    world().simulation.run_for(1s);
    EXPECT_FALSE(poll->has_value());
    Instant begun = world().simulation.now();
    world().produce(partition, make_batch(partition, {"a"}), AckLevel::leader);
    FetchAnswer answer = read_fetch(world().wait_for(poll), {{partition, 0}});
    EXPECT_EQ(answer.partitions[0].records, numbered({"a"}));
    EXPECT_LT(world().simulation.now() - begun, 100ms);
}

TEST_P(LongPoll, OfADurableReaderWakesWhenTheRecordIsOnDisk) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "5s"}}});
    Pending poll = world().begin_fetch({{partition, 0}}, {.wait_ms = 60'000, .visibility = Visibility::durable});
    world().produce(partition, make_batch(partition, {"a"}), AckLevel::leader);
    world().simulation.run_for(3s);
    EXPECT_FALSE(poll->has_value());
    FetchAnswer answer = read_fetch(world().wait_for(poll, 10s), {{partition, 0}});
    EXPECT_EQ(answer.partitions[0].records, numbered({"a"}));
}

TEST_P(LongPoll, EndsAtItsTimeWithWhatIsThere) {
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"a"}));
    Instant begun = world().simulation.now();
    Fetched fetched = world().fetch(partition, 0, {.wait_ms = 500, .bytes_min = 1'000'000});
    EXPECT_GE(world().simulation.now() - begun, 500ms);
    EXPECT_LT(world().simulation.now() - begun, 600ms);
    EXPECT_EQ(fetched.records, numbered({"a"}));
}

TEST_P(LongPoll, WaitsForAsMuchAsItAskedFor) {
    PartitionIdentity partition = world().make_topic("t");
    Pending poll = world().begin_fetch({{partition, 0}}, {.wait_ms = 60'000, .bytes_min = 5000});
    world().produce(partition, make_batch(partition, {std::string(3000, 'a')}));
    world().simulation.run_for(1s);
    EXPECT_FALSE(poll->has_value());
    world().produce(partition, make_batch(partition, {std::string(3000, 'b')}));
    FetchAnswer answer = read_fetch(world().wait_for(poll, 1s), {{partition, 0}});
    EXPECT_EQ(answer.partitions[0].records.size(), 2u);
}

TEST_P(LongPoll, CountsWhatAllPartitionsHaveTogether) {
    world().make_topic("t", {.partitions = 6});
    std::vector<FetchPart> parts;
    for (int32_t index = 0; index < 6; ++index) parts.push_back({world().partition("t", index), 0});
    Pending poll = world().begin_fetch(parts, {.wait_ms = 60'000, .bytes_min = 6000});
    for (const FetchPart& part : parts) {
        EXPECT_FALSE(poll->has_value());
        world().produce(part.partition, make_batch(part.partition, {std::string(900, 'a')}));
        world().simulation.run_for(100ms);
    }
    EXPECT_EQ(read_fetch(world().wait_for(poll, 1s), parts).partitions.size(), 6u);
}

// Enough is there, though no single read returns it: a reader that waits then would wait in vain.
TEST_P(LongPoll, DoesNotWaitWhenThereIsMoreThanOneAnswerTakes) {
    world().make_topic("t", {.partitions = 4});
    std::vector<FetchPart> parts;
    for (int32_t index = 0; index < 4; ++index) parts.push_back({world().partition("t", index), 0});
    for (int count = 0; count < 10; ++count) {
        world().produce(parts[0].partition, make_batch(parts[0].partition, {std::string(50'000, 'x')}));
    }
    Instant begun = world().simulation.now();
    world().fetch(parts, {.wait_ms = 30'000, .bytes_min = 400'000, .bytes_max = 400'000});
    EXPECT_LT(world().simulation.now() - begun, 5s);
    begun = world().simulation.now();
    world().fetch({{parts[0].partition, 0, -1, 60'000}}, {.wait_ms = 30'000, .bytes_min = 100'000});
    EXPECT_LT(world().simulation.now() - begun, 5s) << "the partition's own limit cuts it short";
}

TEST_P(LongPoll, EndsWithAnErrorWhenItsTopicIsDeleted) {
    PartitionIdentity partition = world().make_topic("t");
    PartitionIdentity other = world().make_topic("other");
    Pending poll = world().begin_fetch({{other, 0}, {partition, 0}}, {.wait_ms = 60'000});
    world().simulation.run_for(1s);
    EXPECT_TRUE(world().delete_topic("t").ok());
    FetchAnswer answer = read_fetch(world().wait_for(poll, 1s), {{other, 0}, {partition, 0}});
    EXPECT_TRUE(answer.partitions[0].said.ok());
    EXPECT_EQ(answer.partitions[1].said.code, ErrorCode::unknown_topic_or_partition);
}

TEST_P(LongPoll, IsAnsweredAtOnceIfAPartitionIsInError) {
    PartitionIdentity partition = world().make_topic("t");
    Instant begun = world().simulation.now();
    world().fetch({{partition, 0}, {partition, 99}}, {.wait_ms = 60'000});
    EXPECT_LT(world().simulation.now() - begun, 1s);
}

TEST_P(LongPoll, EndsWhenTheBrokerStops) {
    PartitionIdentity partition = world().make_topic("t");
    Pending poll = world().begin_fetch({{partition, 0}}, {.wait_ms = 300'000});
    world().simulation.run_for(1s);
    Instant begun = world().simulation.now();
    world().stop();
    EXPECT_LT(world().simulation.now() - begun, 3s);
    EXPECT_TRUE(world().wait_for(poll).ok());
}

// A reader that went away must not occupy the broker for as long as it had wanted to wait.
TEST_P(LongPoll, EndsSoonAfterItsConnectionDid) {
    PartitionIdentity partition = world().make_topic("t");
    {
        rpc::Introduction introduction(rpc::ClientIdentity{"short", "0", {}});
        rpc::Channel channel(world().client.world(), Address{"server", client_port}, introduction);
        Task<rpc::CallResult> call =
            channel.call(rpc::Method::fetch, fetch_request({{partition, 0}}, {.wait_ms = 300'000}), {},
                         world().simulation.now() + 1s);
        EXPECT_FALSE(world().client.run(std::move(call)).ok());
        world().client.run(channel.close());
    }
    std::string before = world().get("/metrics");
    world().simulation.run_for(5s);
    std::string text = world().get("/metrics");
    size_t at = text.find("ironbark_request_seconds_count{kind=\"fetch\"} 1");
    EXPECT_NE(at, std::string::npos) << "the fetch has not ended";
}

TEST_P(LongPoll, WakesForEverySingleRecordOfAFastProducer) {
    PartitionIdentity partition = world().make_topic("t");
    std::vector<Seen> seen;
    std::vector<std::string> values;
    for (int round = 0; round < 50; ++round) {
        std::vector<FetchPart> parts{{partition, static_cast<int64_t>(seen.size())}};
        Pending poll = world().begin_fetch(parts, {.wait_ms = 60'000});
        values.push_back(std::to_string(round));
        Pending produced = world().begin_produce(partition, make_batch(partition, {values.back()}), AckLevel::leader);
        FetchAnswer answer = read_fetch(world().wait_for(poll, 5s), parts);
        for (const Seen& record : answer.partitions[0].records) seen.push_back(record);
        world().wait_for(produced);
    }
    EXPECT_EQ(seen, numbered(values));
}

}  // namespace
}  // namespace ironbark::broker
