#include "tests/broker/service/service_fixture.h"

namespace ironbark::broker {
namespace {

SERVICE_TESTS(Idempotence);

TEST_P(Idempotence, ABatchSentAgainGetsItsFirstReceipt) {
    PartitionIdentity partition = world().make_topic("t");
    int64_t producer = world().allocate_producer();
    world().produce(partition, make_batch(partition, {"before"}));
    Text batch = make_batch(partition, producer, 0, {"a", "b"});
    ReceiptSeen first = world().produce(partition, batch);
    ReceiptSeen again = world().produce(partition, batch);
    EXPECT_FALSE(first.duplicate);
    EXPECT_TRUE(again.duplicate);
    EXPECT_TRUE(again.said.ok()) << again.said;
    EXPECT_EQ(again.base, 1);
    EXPECT_EQ(again.last, 2);
    EXPECT_EQ(again.epoch, first.epoch);
    EXPECT_EQ(again.append_time, first.append_time);
    EXPECT_EQ(world().read_all(partition), numbered({"before", "a", "b"}));
}

TEST_P(Idempotence, ARetryWaitsForItsOwnLevel) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    Text batch = make_batch(partition, world().allocate_producer(), 0, {"a"});
    world().produce(partition, batch, AckLevel::leader);
    EXPECT_EQ(world().list(partition, OffsetPlace::end, -1, Visibility::durable).offset, 0);
    ReceiptSeen again = world().produce(partition, batch, AckLevel::leader_durable);
    EXPECT_TRUE(again.duplicate);
    EXPECT_EQ(again.level, AckLevel::leader_durable);
    EXPECT_EQ(world().list(partition, OffsetPlace::end, -1, Visibility::durable).offset, 1);
}

TEST_P(Idempotence, AGapIsRefusedAndSaysWhatIsExpected) {
    PartitionIdentity partition = world().make_topic("t");
    int64_t producer = world().allocate_producer();
    world().produce(partition, make_batch(partition, producer, 0, {"a", "b"}));
    ReceiptSeen gap = world().produce(partition, make_batch(partition, producer, 7, {"x"}));
    EXPECT_EQ(gap.said.code, ErrorCode::out_of_order_sequence);
    EXPECT_EQ(gap.said.outcome, Outcome::not_written);
    EXPECT_TRUE(gap.said.mentions("expected is 2")) << gap.said;
    EXPECT_EQ(gap.expected, 2);
    EXPECT_TRUE(world().produce(partition, make_batch(partition, producer, 2, {"c"})).said.ok());
}

// What a kill took of a memory level leaves a gap in the producer's numbers: it says that it knows, and goes on.
TEST_P(Idempotence, BehindRecordsThatAKillTookTheProducerGoesOn) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    int64_t producer = world().allocate_producer();
    world().produce(partition, make_batch(partition, producer, 0, {"a", "b"}));
    EXPECT_TRUE(world().produce(partition, make_batch(partition, producer, 2, {"c"}), AckLevel::leader).said.ok());
    world().lose_power();
    world().start();
    Text next = make_batch(partition, producer, 3, {"d"});
    ReceiptSeen refused = world().produce(partition, next);
    EXPECT_EQ(refused.said.code, ErrorCode::out_of_order_sequence);
    EXPECT_EQ(refused.expected, 2);
    auto with_gap = [&](int32_t gap_from) {
        ProducePart part{partition, next};
        part.gap_from = gap_from;
        return world().produce({part}).receipts.at(0);
    };
    EXPECT_EQ(with_gap(1).said.code, ErrorCode::out_of_order_sequence) << "it knows of another gap";
    ReceiptSeen accepted = with_gap(2);
    EXPECT_TRUE(accepted.said.ok()) << accepted.said;
    EXPECT_EQ(accepted.base, 2);
    EXPECT_EQ(accepted.gap_from, 2);
    EXPECT_EQ(world().read_all(partition), numbered({"a", "b", "d"}));
    world().kill();
    world().start();
    ReceiptSeen again = with_gap(2);
    EXPECT_TRUE(again.duplicate) << again.said;
    EXPECT_EQ(again.base, 2);
    EXPECT_EQ(again.gap_from, 2);
    EXPECT_TRUE(world().produce(partition, make_batch(partition, producer, 4, {"e"})).said.ok());
}

TEST_P(Idempotence, OnlyTheFirstBatchOfAShareMayStandBehindAGap) {
    PartitionIdentity partition = world().make_topic("t");
    int64_t producer = world().allocate_producer();
    world().produce(partition, make_batch(partition, producer, 0, {"a"}));
    ProducePart part{partition, make_batch(partition, producer, 5, {"b"}) + make_batch(partition, producer, 6, {"c"})};
    part.gap_from = 1;
    ReceiptSeen both = world().produce({part}).receipts.at(0);
    EXPECT_TRUE(both.said.ok()) << both.said;
    EXPECT_EQ(both.gap_from, 1);
    EXPECT_EQ(world().read_all(partition), numbered({"a", "b", "c"}));
}

TEST_P(Idempotence, AnUnknownProducerMustBeginWithZero) {
    PartitionIdentity partition = world().make_topic("t");
    ReceiptSeen refused = world().produce(partition, make_batch(partition, 4711, 5, {"x"}));
    EXPECT_EQ(refused.said.code, ErrorCode::unknown_producer_id);
    EXPECT_EQ(refused.said.outcome, Outcome::not_written);
    EXPECT_TRUE(refused.said.mentions("4711")) << refused.said;
}

TEST_P(Idempotence, ANewEpochOfAProducerEndsTheOneBefore) {
    PartitionIdentity partition = world().make_topic("t");
    int64_t producer = world().allocate_producer();
    world().produce(partition, make_batch(partition, producer, 0, {"a"}, 0));
    EXPECT_TRUE(world().produce(partition, make_batch(partition, producer, 0, {"b"}, 1)).said.ok());
    ReceiptSeen old = world().produce(partition, make_batch(partition, producer, 1, {"x"}, 0));
    EXPECT_EQ(old.said.code, ErrorCode::invalid_producer_epoch);
    EXPECT_EQ(old.said.outcome, Outcome::not_written);
    EXPECT_EQ(world().read_all(partition), numbered({"a", "b"}));
}

TEST_P(Idempotence, ABatchOlderThanRememberedIsWrittenButNobodyKnowsWhere) {
    PartitionIdentity partition = world().make_topic("t");
    int64_t producer = world().allocate_producer();
    for (int32_t sequence = 0; sequence < 7; ++sequence) {
        EXPECT_TRUE(world().produce(partition, make_batch(partition, producer, sequence, {"a"})).said.ok());
    }
    ReceiptSeen old = world().produce(partition, make_batch(partition, producer, 0, {"a"}));
    EXPECT_EQ(old.said.code, ErrorCode::sequence_expired);
    EXPECT_EQ(old.said.outcome, Outcome::written);
    ReceiptSeen remembered = world().produce(partition, make_batch(partition, producer, 2, {"a"}));
    EXPECT_TRUE(remembered.duplicate);
    EXPECT_EQ(remembered.base, 2);
    EXPECT_EQ(world().list(partition, OffsetPlace::end).offset, 7);
}

TEST_P(Idempotence, IsPerPartition) {
    PartitionIdentity one = world().make_topic("t", {.partitions = 2});
    PartitionIdentity two = world().partition("t", 1);
    int64_t producer = world().allocate_producer();
    EXPECT_FALSE(world().produce(one, make_batch(one, producer, 0, {"a"})).duplicate);
    EXPECT_FALSE(world().produce(two, make_batch(two, producer, 0, {"a"})).duplicate);
}

TEST_P(Idempotence, SurvivesAKill) {
    PartitionIdentity partition = world().make_topic("t");
    int64_t producer = world().allocate_producer();
    Text batch = make_batch(partition, producer, 0, {"a", "b"});
    ReceiptSeen first = world().produce(partition, batch);
    world().kill();
    world().start();
    ReceiptSeen again = world().produce(partition, batch);
    EXPECT_TRUE(again.duplicate);
    EXPECT_EQ(again.base, first.base);
    EXPECT_EQ(again.last, first.last);
    EXPECT_EQ(again.epoch, first.epoch) << "the epoch that it was written in";
    EXPECT_FALSE(world().produce(partition, make_batch(partition, producer, 2, {"c"})).duplicate);
    EXPECT_EQ(world().read_all(partition), numbered({"a", "b", "c"}));
}

// A log takes appends one after the other when memory is short: what was checked before must still hold then.
TEST_P(Idempotence, ABatchThatCameTwiceWhileMemoryWasShortIsWrittenOnce) {
    config.unwritten_bytes = 64 << 10;
    options.disk.write = {2s, 0ns};
    PartitionIdentity partition = world().make_topic("t");
    int64_t producer = world().allocate_producer();
    std::vector<Pending> fillers;
    for (int count = 0; count < 4; ++count) {
        fillers.push_back(world().begin_produce(partition, make_batch(partition, {std::string(60'000, 'x')})));
    }
    world().simulation.run_for(100ms);
    Text batch = make_batch(partition, producer, 0, {std::string(30'000, 'a')});
    Pending first = world().begin_produce(partition, batch);
    Pending second = world().begin_produce(partition, batch);
    ReceiptSeen one = world().receipt_of(first);
    ReceiptSeen two = world().receipt_of(second);
    EXPECT_TRUE(one.said.ok()) << one.said;
    EXPECT_TRUE(two.said.ok()) << two.said;
    EXPECT_NE(one.duplicate, two.duplicate);
    EXPECT_EQ(one.base, two.base);
    EXPECT_EQ(world().list(partition, OffsetPlace::end).offset, 5);
}

TEST_P(Idempotence, BatchesInFlightKeepTheirOrderWhileMemoryIsShort) {
    config.unwritten_bytes = 64 << 10;
    options.disk.write = {2s, 0ns};
    PartitionIdentity partition = world().make_topic("t");
    int64_t producer = world().allocate_producer();
    // On one connection, in order, in one request each: none may be taken for out of order.
    std::vector<ProducePart> parts;
    for (int32_t sequence = 0; sequence < 5; ++sequence) {
        parts.push_back({partition, make_batch(partition, producer, sequence, {std::string(40'000, 'a')})});
    }
    ProduceAnswer answer = world().produce(parts, AckLevel::leader_durable, 60'000);
    for (const ReceiptSeen& receipt : answer.receipts) EXPECT_TRUE(receipt.said.ok()) << receipt.said;
    EXPECT_EQ(world().list(partition, OffsetPlace::end).offset, 5);
}

// One receipt has one range: it cannot say that the first half is old and the second half new.
TEST_P(Idempotence, OldAndNewBatchesInOneShareAreRefusedBeforeTheNewOnesAreWritten) {
    PartitionIdentity partition = world().make_topic("t");
    int64_t producer = world().allocate_producer();
    Text first = make_batch(partition, producer, 0, {"a"});
    Text second = make_batch(partition, producer, 1, {"b"});
    world().produce(partition, first);
    world().produce(partition, make_batch(partition, {"between"}));
    ReceiptSeen mixed = world().produce(partition, first + second);
    EXPECT_EQ(mixed.said.code, ErrorCode::invalid_request);
    EXPECT_EQ(mixed.said.outcome, Outcome::unknown);
    EXPECT_EQ(world().read_all(partition), numbered({"a", "between"}));
    EXPECT_TRUE(world().produce(partition, second).said.ok());
    ReceiptSeen both = world().produce(partition, first + second);
    EXPECT_EQ(both.said.code, ErrorCode::invalid_request) << "they do not lie side by side";
}

TEST_P(Idempotence, SeveralOldBatchesSideBySideAreOneReceipt) {
    PartitionIdentity partition = world().make_topic("t");
    int64_t producer = world().allocate_producer();
    Text both = make_batch(partition, producer, 0, {"a"}) + make_batch(partition, producer, 1, {"b", "c"});
    world().produce(partition, both);
    ReceiptSeen again = world().produce(partition, both);
    EXPECT_TRUE(again.duplicate) << again.said;
    EXPECT_EQ(again.base, 0);
    EXPECT_EQ(again.last, 2);
}

TEST_P(Idempotence, ARefusalBehindBatchesThatWereWrittenIsUnknown) {
    PartitionIdentity partition = world().make_topic("t");
    int64_t producer = world().allocate_producer();
    Text good_then_gap = make_batch(partition, producer, 0, {"a"}) + make_batch(partition, producer, 9, {"x"});
    ReceiptSeen receipt = world().produce(partition, good_then_gap);
    EXPECT_EQ(receipt.said.code, ErrorCode::out_of_order_sequence);
    EXPECT_EQ(receipt.said.outcome, Outcome::unknown);
}

TEST_P(Idempotence, ProducerIdsAreNeverGivenTwice) {
    std::set<int64_t> ids;
    for (int count = 0; count < 1200; ++count) EXPECT_TRUE(ids.insert(world().allocate_producer()).second);
    for (int round = 0; round < 3; ++round) {
        world().kill();
        world().start();
        for (int count = 0; count < 5; ++count) EXPECT_TRUE(ids.insert(world().allocate_producer()).second);
    }
}

TEST_P(Idempotence, AProducersEpochIsRaisedOnlyIfTheProducerExists) {
    int64_t id = world().allocate_producer();
    rpc::CallResult raised = world().call(rpc::Method::allocate_producer_id, producer_id_request(id, 3));
    ASSERT_TRUE(raised.ok());
    EXPECT_EQ(raised.as<wire::AllocateProducerIdResponse>().producer_id(), id);
    EXPECT_EQ(raised.as<wire::AllocateProducerIdResponse>().producer_epoch(), 4);
    // The last epoch: a new id takes its place.
    rpc::CallResult last = world().call(rpc::Method::allocate_producer_id, producer_id_request(id, INT16_MAX));
    ASSERT_TRUE(last.ok());
    EXPECT_NE(last.as<wire::AllocateProducerIdResponse>().producer_id(), id);
    EXPECT_EQ(last.as<wire::AllocateProducerIdResponse>().producer_epoch(), 0);
    rpc::CallResult unknown = world().call(rpc::Method::allocate_producer_id, producer_id_request(1'000'000, 0));
    EXPECT_EQ(unknown.error.code, ErrorCode::unknown_producer_id);
}

}  // namespace
}  // namespace ironbark::broker
