#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/engine_test.h"

namespace ironbark::client {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

std::string numbered(int number) {
    return "record " + std::to_string(number);
}

std::vector<std::string> first_and(int count) {
    std::vector<std::string> values{"first"};
    for (int number = 0; number < count; ++number) values.push_back(numbered(number));
    return values;
}

std::vector<std::string> resolved(const ProducerTest& test) {
    std::vector<std::string> values;
    for (const auto& result : test.program.results) values.push_back(result.value);
    return values;
}

TEST(ProducerEngine, WritesARecordAndSaysWhere) {
    ProducerTest test;
    ASSERT_TRUE(test.send("hello", 1).ok());
    ASSERT_TRUE(test.wait_for(1));
    const std::optional<Receipt>& receipt = test.program.results[0].receipt;
    ASSERT_TRUE(receipt.has_value());
    EXPECT_EQ(receipt->topic, "t");
    EXPECT_EQ(receipt->partition, 1);
    EXPECT_EQ(receipt->offset, 0);
    EXPECT_EQ(receipt->leader_epoch, 1);
    EXPECT_EQ(receipt->level, Acks::leader_durable);
    EXPECT_THAT(receipt->replicas, ElementsAre(1));
    EXPECT_EQ(receipt->synced.count(), 30);
    EXPECT_FALSE(receipt->duplicate);
    EXPECT_THAT(test.written(1), ElementsAre("hello"));
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, RefusesATopicThatDoesNotExist) {
    ProducerTest test;
    Expected<void> sent = test.send("x", 0, "nowhere");
    ASSERT_FALSE(sent.ok());
    EXPECT_EQ(sent.error().code, ErrorCode::unknown_topic_or_partition);
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, APartitionThatWasAddedMeanwhileTakesRecords) {
    ProducerTest test;
    test.warm_up();
    test.broker().find("t")->partitions.resize(5);
    ASSERT_TRUE(test.send("late", 4).ok());
    ASSERT_TRUE(test.wait_for(2));
    EXPECT_THAT(test.written(4), ElementsAre("late"));
    Expected<void> nowhere = test.send("x", 5);
    EXPECT_EQ(nowhere.error().code, ErrorCode::unknown_topic_or_partition);
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, RecordsSentTogetherShareABatchWhenTheyLinger) {
    Settings settings = test_settings();
    settings.linger = milliseconds(5);
    ProducerTest test(settings);
    for (int number = 0; number < 100; ++number) ASSERT_TRUE(test.send(numbered(number)).ok());
    ASSERT_TRUE(test.wait_for(100));
    EXPECT_LE(test.broker().produces, 5u);
    for (int number = 0; number < 100; ++number) {
        EXPECT_EQ(test.program.results[static_cast<size_t>(number)].receipt->offset, number);
    }
    EXPECT_TRUE(test.close().ok());
}

// Every byte at which the connection may end while a request leaves, and while its answer comes.
class CutConnection : public testing::TestWithParam<size_t> {};

TEST_P(CutConnection, WhileSendingLeavesOneCopyWithIdempotence) {
    ProducerTest test;
    test.warm_up();
    test.program.cut.sent = GetParam();
    for (int number = 0; number < 3; ++number) ASSERT_TRUE(test.send(numbered(number)).ok());
    ASSERT_TRUE(test.wait_for(4));
    EXPECT_EQ(test.program.cut.cuts, 1u);
    EXPECT_EQ(test.written(), first_and(3));
    EXPECT_EQ(resolved(test), first_and(3));
    for (size_t index = 0; index < 4; ++index) {
        ASSERT_TRUE(test.program.results[index].receipt.has_value());
        EXPECT_EQ(test.program.results[index].receipt->offset, static_cast<int64_t>(index));
    }
    EXPECT_TRUE(test.close().ok());
}

TEST_P(CutConnection, WhileReceivingLeavesOneCopyWithIdempotence) {
    ProducerTest test;
    test.warm_up();
    test.program.cut.received = GetParam();
    for (int number = 0; number < 3; ++number) ASSERT_TRUE(test.send(numbered(number)).ok());
    ASSERT_TRUE(test.wait_for(4));
    EXPECT_EQ(test.program.cut.cuts, 1u);
    EXPECT_EQ(test.written(), first_and(3));
    EXPECT_EQ(resolved(test), first_and(3));
    for (size_t index = 0; index < 4; ++index) {
        ASSERT_TRUE(test.program.results[index].receipt.has_value());
        EXPECT_EQ(test.program.results[index].receipt->offset, static_cast<int64_t>(index));
    }
    EXPECT_TRUE(test.program.results[1].receipt->duplicate);
    EXPECT_TRUE(test.close().ok());
}

TEST_P(CutConnection, WhileSendingIsUnknownWithoutIdempotence) {
    Settings settings = test_settings();
    settings.enable_idempotence = false;
    ProducerTest test(settings);
    test.warm_up();
    test.program.cut.sent = GetParam();
    ASSERT_TRUE(test.send("x").ok());
    ASSERT_TRUE(test.wait_for(2));
    ASSERT_FALSE(test.program.results[1].receipt.has_value());
    EXPECT_EQ(test.program.results[1].failure.outcome, Outcome::unknown);
    EXPECT_THAT(test.written(), ElementsAre("first"));
    EXPECT_TRUE(test.close().ok());
}

TEST_P(CutConnection, WhileReceivingIsUnknownWithoutIdempotence) {
    Settings settings = test_settings();
    settings.enable_idempotence = false;
    ProducerTest test(settings);
    test.warm_up();
    test.program.cut.received = GetParam();
    ASSERT_TRUE(test.send("x").ok());
    ASSERT_TRUE(test.wait_for(2));
    ASSERT_FALSE(test.program.results[1].receipt.has_value());
    EXPECT_EQ(test.program.results[1].failure.outcome, Outcome::unknown);
    EXPECT_THAT(test.written(), ElementsAre("first", "x"));
    EXPECT_TRUE(test.close().ok());
}

// Before the first byte, inside the header, inside the metadata, inside the payload (the answer has none).
INSTANTIATE_TEST_SUITE_P(Steps, CutConnection, testing::Values(0, 1, 31, 32, 60, 100, 130));

TEST(ProducerEngine, WhatCouldNeverBeSentIsNotWritten) {
    Settings settings = test_settings();
    settings.delivery_timeout = std::chrono::seconds(3);
    ProducerTest test(settings);
    test.warm_up();
    test.broker_node.kill();
    test.simulation.run_for(1s);  // the connection's end is known
    ASSERT_TRUE(test.send("x").ok());
    ASSERT_TRUE(test.wait_for(2));
    EXPECT_EQ(test.program.results[1].failure.code, ErrorCode::timed_out);
    EXPECT_EQ(test.program.results[1].failure.outcome, Outcome::not_written);
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, WhatMayHaveArrivedIsUnknownAtTheDeadline) {
    Settings settings = test_settings();
    settings.delivery_timeout = std::chrono::seconds(3);
    ProducerTest test(settings);
    test.warm_up();
    test.simulation.network().cut(test.broker_node, test.client_node);  // answers are lost, requests arrive
    ASSERT_TRUE(test.send("x").ok());
    ASSERT_TRUE(test.wait_for(2));
    EXPECT_EQ(test.program.results[1].failure.outcome, Outcome::unknown);
    EXPECT_THAT(test.written(), ElementsAre("first", "x"));
    EXPECT_FALSE(test.program.results[1].failure.hint.empty());
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, ARetriableRefusalIsRepeatedInOrder) {
    ProducerTest test;
    test.warm_up();
    ProduceScript refuse;
    refuse.is_appended = false;
    refuse.error = ErrorCode::not_enough_replicas;
    test.broker().script(refuse);
    test.broker().script(refuse);
    for (int number = 0; number < 20; ++number) ASSERT_TRUE(test.send(numbered(number)).ok());
    ASSERT_TRUE(test.wait_for(21));
    EXPECT_EQ(test.written(), first_and(20));
    EXPECT_EQ(resolved(test), first_and(20));
    EXPECT_GE(test.program.engine.statistics().batches_repeated, 1u);
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, AWriteWithAnUnknownOutcomeIsRepeatedAndFound) {
    ProducerTest test;
    test.warm_up();
    ProduceScript lie;
    lie.error = ErrorCode::request_timed_out;
    lie.outcome = Outcome::unknown;
    test.broker().script(lie);
    ASSERT_TRUE(test.send("x").ok());
    ASSERT_TRUE(test.wait_for(2));
    ASSERT_TRUE(test.program.results[1].receipt.has_value());
    EXPECT_TRUE(test.program.results[1].receipt->duplicate);
    EXPECT_EQ(test.program.results[1].receipt->offset, 1);
    EXPECT_THAT(test.written(), ElementsAre("first", "x"));
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, ARefusedBatchDoesNotStopThoseBehindIt) {
    ProducerTest test;
    test.warm_up();
    ProduceScript refuse;
    refuse.is_appended = false;
    refuse.error = ErrorCode::policy_violation;
    test.broker().script(refuse);
    for (int number = 0; number < 10; ++number) ASSERT_TRUE(test.send(numbered(number)).ok());
    ASSERT_TRUE(test.wait_for(11));
    size_t failures = 0;
    std::vector<std::string> expected;
    for (const auto& result : test.program.results) {
        if (result.receipt) {
            expected.push_back(result.value);
        } else {
            ++failures;
            EXPECT_EQ(result.failure.code, ErrorCode::policy_violation);
            EXPECT_EQ(result.failure.outcome, Outcome::not_written);
        }
    }
    EXPECT_GE(failures, 1u);
    EXPECT_EQ(test.written(), expected);
    EXPECT_EQ(resolved(test), first_and(10));
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, ABrokerThatForgotTheProducerGetsANewEpoch) {
    ProducerTest test;
    test.warm_up();
    test.broker().find("t")->partitions[0].producers = log::Producers();
    ASSERT_TRUE(test.send("x").ok());
    ASSERT_TRUE(test.wait_for(2));
    EXPECT_TRUE(test.program.results[1].receipt.has_value());
    EXPECT_THAT(test.written(), ElementsAre("first", "x"));
    EXPECT_EQ(test.program.engine.statistics().losses, 1u) << "it may be: nothing is that old";
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, AcknowledgedRecordsThatAreGoneAreReported) {
    ProducerTest test;
    test.warm_up();
    std::vector<Loss> losses;
    test.program.engine.on_loss([&losses](const Loss& loss) { losses.push_back(loss); });
    ASSERT_TRUE(test.send("a").ok());
    ASSERT_TRUE(test.wait_for(2));
    test.broker().cut("t", 0, 1);
    ASSERT_TRUE(test.send("b").ok());
    ASSERT_TRUE(test.wait_for(3));
    EXPECT_TRUE(test.program.results[2].receipt.has_value());
    EXPECT_THAT(test.written(), ElementsAre("first", "b"));
    ASSERT_EQ(losses.size(), 1u);
    EXPECT_EQ(losses[0].topic, "t");
    EXPECT_EQ(losses[0].partition, 0);
    EXPECT_EQ(losses[0].records, 1);
    EXPECT_EQ(losses[0].first_offset, 1);
    EXPECT_EQ(losses[0].last_offset, 1);
    EXPECT_EQ(losses[0].level, Acks::leader_durable);
    EXPECT_FALSE(losses[0].is_final);
    EXPECT_FALSE(losses[0].is_fatal);
    EXPECT_EQ(test.program.engine.statistics().losses, 1u);
    EXPECT_EQ(test.program.engine.statistics().records_lost, 1u);
    EXPECT_EQ(test.broker().requests[rpc::Method::allocate_producer_id], 1u) << "it goes on under its epoch";
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, ALossIsToldBeforeTheRecordThatFoundIt) {
    ProducerTest test;
    test.warm_up();
    size_t resolved_before = 0;
    test.program.engine.on_loss([&](const Loss&) { resolved_before = test.program.results.size(); });
    test.broker().cut("t", 0, 0);
    test.broker().find("t")->partitions[0].producers = log::Producers();
    ASSERT_TRUE(test.send("a").ok());
    ASSERT_TRUE(test.send("b").ok());
    ASSERT_TRUE(test.wait_for(3));
    EXPECT_EQ(resolved_before, 1u);
}

TEST(ProducerEngine, WhatABrokerWithoutTheNewAnswerLostIsReportedWithoutItsNumber) {
    ProducerTest test;
    test.broker().tells_expected = false;
    test.warm_up();
    std::vector<Loss> losses;
    test.program.engine.on_loss([&losses](const Loss& loss) { losses.push_back(loss); });
    ASSERT_TRUE(test.send("a").ok());
    ASSERT_TRUE(test.wait_for(2));
    test.broker().cut("t", 0, 1);
    ASSERT_TRUE(test.send("b").ok());
    ASSERT_TRUE(test.wait_for(3));
    EXPECT_TRUE(test.program.results[2].receipt.has_value());
    ASSERT_EQ(losses.size(), 1u);
    EXPECT_EQ(losses[0].records, -1);
    EXPECT_EQ(losses[0].first_offset, -1);
    EXPECT_EQ(losses[0].last_offset, 1);
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, AfterTheLossOfPromisedRecordsNothingMoreIsWrittenToTheirPartition) {
    ProducerTest test;
    test.broker().level = wire::AckLevel::isr;
    test.broker().holders = {1, 2, 3};
    test.warm_up();
    std::vector<Loss> losses;
    test.program.engine.on_loss([&losses](const Loss& loss) { losses.push_back(loss); });
    ASSERT_TRUE(test.send("a").ok());
    ASSERT_TRUE(test.wait_for(2));
    test.broker().cut("t", 0, 1);
    ASSERT_TRUE(test.send("b").ok());
    ASSERT_TRUE(test.wait_for(3));
    EXPECT_EQ(test.program.results[2].failure.code, ErrorCode::out_of_order_sequence);
    EXPECT_EQ(test.program.results[2].failure.outcome, Outcome::not_written);
    ASSERT_EQ(losses.size(), 1u);
    EXPECT_TRUE(losses[0].is_fatal);
    ASSERT_TRUE(test.send("c").ok());
    ASSERT_TRUE(test.wait_for(4));
    EXPECT_FALSE(test.program.results[3].receipt.has_value());
    ASSERT_TRUE(test.send("elsewhere", 1).ok());
    ASSERT_TRUE(test.wait_for(5));
    EXPECT_TRUE(test.program.results[4].receipt.has_value()) << "the other partition is well";
    EXPECT_THAT(test.written(), ElementsAre("first"));
    EXPECT_EQ(losses.size(), 1u);
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, ATopicMadeAgainUnderItsNameTakesNoOldRecords) {
    ProducerTest test;
    test.warm_up();
    test.broker().make_topic("t", 2);
    ASSERT_TRUE(test.send("old").ok());
    ASSERT_TRUE(test.wait_for(2));
    EXPECT_EQ(test.program.results[1].failure.code, ErrorCode::unknown_topic_id);
    EXPECT_EQ(test.program.results[1].failure.outcome, Outcome::not_written);
    ASSERT_TRUE(test.send("new").ok());
    ASSERT_TRUE(test.wait_for(3));
    EXPECT_TRUE(test.program.results[2].receipt.has_value());
    EXPECT_THAT(test.written(), ElementsAre("new"));
    EXPECT_TRUE(test.close().ok());
}

// Its sequence numbers begin anew then, and must not be taken for those of the records before.
TEST(ProducerEngine, ATopicThatWasNotKnownForAWhileTakesEveryRecord) {
    ProducerTest test;
    test.warm_up();
    test.broker().hide_topic("t");
    ASSERT_TRUE(test.send("given up").ok());
    ASSERT_TRUE(test.wait_for(2));
    EXPECT_EQ(test.program.results[1].failure.code, ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(test.program.results[1].failure.outcome, Outcome::not_written);
    test.broker().show_topic();
    ASSERT_TRUE(test.send("second").ok());
    ASSERT_TRUE(test.send("third").ok());
    ASSERT_TRUE(test.wait_for(4));
    ASSERT_TRUE(test.program.results[2].receipt.has_value());
    EXPECT_FALSE(test.program.results[2].receipt->duplicate);
    EXPECT_THAT(test.written(), ElementsAre("first", "second", "third"));
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, ABrokerThatIsBehindTakesNoTopicAway) {
    ProducerTest test;
    test.broker().metadata_version = 5;
    test.warm_up();
    test.broker().hide_topic("t");
    test.broker().metadata_version = 4;
    ASSERT_TRUE(test.send("second").ok());
    EXPECT_FALSE(test.wait_for(2, 5s));
    test.broker().show_topic();
    ASSERT_TRUE(test.wait_for(2));
    EXPECT_TRUE(test.program.results[1].receipt.has_value());
    EXPECT_THAT(test.written(), ElementsAre("first", "second"));
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, AtAcksNoneNobodyAnswers) {
    Settings settings = test_settings();
    settings.acks = Acks::none;
    ProducerTest test(settings);
    ASSERT_TRUE(test.send("x").ok());
    ASSERT_TRUE(test.wait_for(1));
    ASSERT_TRUE(test.program.results[0].receipt.has_value());
    EXPECT_EQ(test.program.results[0].receipt->offset, -1);
    EXPECT_EQ(test.program.results[0].receipt->level, Acks::none);
    test.simulation.run_for(1s);
    EXPECT_THAT(test.written(), ElementsAre("x"));
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerEngine, CompressedBatchesHoldTheSameRecords) {
    for (Compression compression : {Compression::lz4, Compression::zstd}) {
        Settings settings = test_settings();
        settings.compression = compression;
        settings.linger = milliseconds(5);
        ProducerTest test(settings);
        std::vector<std::string> values;
        for (int number = 0; number < 50; ++number) {
            values.push_back(numbered(number) + std::string(100, 'x'));
            ASSERT_TRUE(test.send(values.back()).ok());
        }
        ASSERT_TRUE(test.wait_for(50));
        EXPECT_EQ(test.written(), values);
        EXPECT_LT(test.program.engine.statistics().bytes_written, 3000u);
        EXPECT_TRUE(test.close().ok());
    }
}

// What a batch of words takes, compressed at this level.
size_t compressed_size(Compression compression, int level) {
    Settings settings = test_settings();
    settings.compression = compression;
    settings.compression_level = level;
    ProducerTest test(settings);
    const char* words[] = {"partition", "offset", "epoch", "leader", "record", "batch", "segment", "broker"};
    simulation::RandomStream random = test.simulation.stream("words");
    std::string text;
    while (text.size() < 12'000) text += std::string(words[random.below(8)]) + std::to_string(random.below(50)) + " ";
    EXPECT_TRUE(test.send(text).ok());
    EXPECT_TRUE(test.wait_for(1));
    EXPECT_THAT(test.written(), ElementsAre(text));
    size_t size = test.broker().find("t")->partitions[0].frames.at(0).size();
    EXPECT_TRUE(test.close().ok());
    return size;
}

TEST(ProducerEngine, AHigherLevelCompressesMore) {
    EXPECT_LT(compressed_size(Compression::zstd, 19), compressed_size(Compression::zstd, 1));
    EXPECT_LT(compressed_size(Compression::lz4, 12), compressed_size(Compression::lz4, 1));
    EXPECT_EQ(compressed_size(Compression::zstd, 0), compressed_size(Compression::zstd, 3)) << "zstd's own default";
}

TEST(ProducerEngine, ClosingGivesUpWhatIsNotResolved) {
    ProducerTest test;
    test.warm_up();
    test.simulation.network().cut_both(test.broker_node, test.client_node);
    ASSERT_TRUE(test.send("in flight", 0).ok());
    test.simulation.run_for(10ms);
    EXPECT_FALSE(test.close(1s).ok());
    ASSERT_EQ(test.program.results.size(), 2u);
    EXPECT_EQ(test.program.results[1].failure.outcome, Outcome::unknown);
    Expected<void> late = test.send("late");
    ASSERT_FALSE(late.ok());
    EXPECT_EQ(late.error().code, ErrorCode::closed);
}

TEST(ProducerEngine, FlushWaitsForWhatWasAcceptedBefore) {
    Settings settings = test_settings();
    settings.linger = std::chrono::seconds(30);
    ProducerTest test(settings);
    ASSERT_TRUE(test.send("a", 0).ok());
    ASSERT_TRUE(test.send("b", 1).ok());
    test.simulation.run_for(1s);
    EXPECT_THAT(test.program.results, IsEmpty());
    Instant deadline = test.simulation.now() + 5s;
    EXPECT_TRUE(test.client_node.run(test.program.engine.flush(deadline)).ok());
    EXPECT_EQ(test.program.results.size(), 2u);
    EXPECT_TRUE(test.close().ok());
}

// Connections that break at random, for as long as records are sent: one copy of each, in order.
TEST(ProducerEngine, RandomCutsLeaveOneCopyInOrder) {
    size_t cuts = 0;
    for (uint64_t seed = 1; seed <= 30; ++seed) {
        Settings settings = test_settings();
        settings.linger = milliseconds(1);
        settings.retry_backoff = milliseconds(1);
        ProducerTest test(settings, seed);
        simulation::RandomStream random = test.simulation.stream("cuts");
        test.warm_up();
        for (int number = 0; number < 200; ++number) {
            ASSERT_TRUE(test.send(numbered(number)).ok());
            test.simulation.run_for(std::chrono::microseconds(random.below(2000)));
            Cut& cut = test.program.cut;
            if (random.below(10) == 0 && !cut.sent && !cut.received) {
                (random.below(2) == 0 ? cut.sent : cut.received) = random.below(400);
            }
        }
        ASSERT_TRUE(test.wait_for(201)) << "seed " << seed;
        EXPECT_EQ(test.written(), first_and(200)) << "seed " << seed;
        EXPECT_EQ(resolved(test), first_and(200)) << "seed " << seed;
        cuts += test.program.cut.cuts;
        EXPECT_TRUE(test.close().ok());
    }
    EXPECT_GT(cuts, 200u);
}

}  // namespace
}  // namespace ironbark::client
