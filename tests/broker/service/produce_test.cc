#include "tests/broker/service/service_fixture.h"

namespace ironbark::broker {
namespace {

SERVICE_TESTS(Produce);

TEST_P(Produce, StampsOffsetsAndAnswersWithAReceipt) {
    PartitionIdentity partition = world().make_topic("t");
    ReceiptSeen first = world().produce(partition, make_batch(partition, {"a", "b"}));
    EXPECT_TRUE(first.said.ok()) << first.said;
    EXPECT_EQ(first.base, 0);
    EXPECT_EQ(first.last, 1);
    EXPECT_EQ(first.epoch, 0);
    EXPECT_EQ(first.level, AckLevel::leader_durable);
    EXPECT_EQ(first.replicas, std::vector<int32_t>{1});
    EXPECT_EQ(first.log_start, 0);
    EXPECT_GE(first.append_time, batch_time.milliseconds);
    EXPECT_FALSE(first.duplicate);
    ReceiptSeen second = world().produce(partition, make_batch(partition, {"c"}));
    EXPECT_EQ(second.base, 2);
    EXPECT_EQ(second.last, 2);
    EXPECT_EQ(world().read_all(partition), numbered({"a", "b", "c"}));
}

TEST_P(Produce, TakesSeveralBatchesOfOnePartitionAsOneRange) {
    PartitionIdentity partition = world().make_topic("t");
    Text frames = make_batch(partition, {"a", "b"}) + make_batch(partition, {"c"}) + make_batch(partition, {"d"});
    ReceiptSeen receipt = world().produce(partition, frames);
    EXPECT_TRUE(receipt.said.ok()) << receipt.said;
    EXPECT_EQ(receipt.base, 0);
    EXPECT_EQ(receipt.last, 3);
    EXPECT_EQ(world().read_all(partition), numbered({"a", "b", "c", "d"}));
}

TEST_P(Produce, ServesPartitionsOfAllShardsInOneRequest) {
    world().make_topic("t", {.partitions = 8});
    std::vector<ProducePart> parts;
    for (int32_t index = 7; index >= 0; --index) {
        PartitionIdentity partition = world().partition("t", index);
        parts.push_back({partition, make_batch(partition, {std::to_string(index)})});
    }
    ProduceAnswer answer = world().produce(parts);
    ASSERT_TRUE(answer.said.ok()) << answer.said;
    ASSERT_EQ(answer.receipts.size(), 8u);
    for (const ReceiptSeen& receipt : answer.receipts) EXPECT_TRUE(receipt.said.ok()) << receipt.said;
    for (const ProducePart& part : parts) {
        EXPECT_EQ(world().read_all(part.partition), numbered({std::to_string(part.partition.partition.value)}));
    }
}

TEST_P(Produce, RefusesOnePartitionAndServesTheOthers) {
    PartitionIdentity good = world().make_topic("t", {.partitions = 2});
    PartitionIdentity other = world().partition("t", 1);
    PartitionIdentity missing{good.topic, PartitionIndex(2)};
    PartitionIdentity unknown{Uuid::from_words(1, 2), PartitionIndex(0)};
    ProduceAnswer answer = world().produce({{missing, make_batch(missing, {"x"})},
                                            {good, make_batch(good, {"a"})},
                                            {unknown, make_batch(unknown, {"y"})},
                                            {other, make_batch(other, {"b"})}});
    ASSERT_EQ(answer.receipts.size(), 4u);
    for (size_t refused : {0u, 2u}) {
        EXPECT_EQ(answer.receipts[refused].said.code, ErrorCode::unknown_topic_or_partition);
        EXPECT_EQ(answer.receipts[refused].said.outcome, Outcome::not_written);
        EXPECT_EQ(answer.receipts[refused].base, -1);
        EXPECT_TRUE(answer.receipts[refused].replicas.empty());
    }
    EXPECT_TRUE(answer.receipts[1].said.ok());
    EXPECT_TRUE(answer.receipts[3].said.ok());
}

TEST_P(Produce, RefusesNegativePartitionNumbers) {
    PartitionIdentity good = world().make_topic("t");
    PartitionIdentity negative{good.topic, PartitionIndex(-1)};
    EXPECT_EQ(world().produce(negative, make_batch(negative, {"x"})).said.code, ErrorCode::unknown_topic_or_partition);
}

struct Damage {
    const char* what;
    void (*apply)(Text& frame);
    ErrorCode code;
};

TEST_P(Produce, RefusesDamagedBatchesAndWritesNothing) {
    PartitionIdentity partition = world().make_topic("t");
    const Damage damages[] = {
        {"a bit of the records", [](Text& frame) { frame.back() ^= 1; }, ErrorCode::corrupt_message},
        {"a bit of the batch's header", [](Text& frame) { frame[64 + 30] ^= 4; }, ErrorCode::corrupt_message},
        {"a bit of the frame's header", [](Text& frame) { frame[20] ^= 1; }, ErrorCode::corrupt_message},
        {"the magic number", [](Text& frame) { frame[8] ^= 1; }, ErrorCode::corrupt_message},
        {"its end", [](Text& frame) { frame.pop_back(); }, ErrorCode::corrupt_message},
        {"something behind it", [](Text& frame) { frame.push_back(0); }, ErrorCode::corrupt_message},
        {"almost everything", [](Text& frame) { frame.resize(10); }, ErrorCode::corrupt_message},
    };
    for (const Damage& damage : damages) {
        Text frame = make_batch(partition, {"a", "b"});
        damage.apply(frame);
        ReceiptSeen receipt = world().produce(partition, frame);
        EXPECT_EQ(receipt.said.code, damage.code) << damage.what << ": " << receipt.said;
        EXPECT_EQ(receipt.said.outcome, Outcome::not_written) << damage.what;
        EXPECT_FALSE(receipt.said.hint.empty()) << damage.what;
    }
    EXPECT_EQ(world().list(partition, OffsetPlace::end).offset, 0);
}

TEST_P(Produce, RefusesAGoodBatchWithABadOneBehindItAsAWhole) {
    PartitionIdentity partition = world().make_topic("t");
    Text bad = make_batch(partition, {"b"});
    bad.back() ^= 1;
    ReceiptSeen receipt = world().produce(partition, make_batch(partition, {"a"}) + bad);
    EXPECT_EQ(receipt.said.code, ErrorCode::corrupt_message);
    EXPECT_EQ(receipt.said.outcome, Outcome::not_written);
    EXPECT_EQ(world().list(partition, OffsetPlace::end).offset, 0);
}

TEST_P(Produce, RefusesBatchesOfAnotherPartition) {
    PartitionIdentity partition = world().make_topic("t", {.partitions = 2});
    PartitionIdentity other = world().partition("t", 1);
    ReceiptSeen receipt = world().produce(partition, make_batch(other, {"a"}));
    EXPECT_EQ(receipt.said.code, ErrorCode::corrupt_message);
    EXPECT_EQ(receipt.said.outcome, Outcome::not_written);
}

TEST_P(Produce, RefusesABatchThatCameFromALog) {
    PartitionIdentity partition = world().make_topic("t");
    Text frame = make_batch(partition, {"a"});
    record::stamp(frame, partition.seed(), {Offset(0), Epoch(0), 0, batch_time, 0});
    EXPECT_EQ(world().produce(partition, frame).said.code, ErrorCode::invalid_record);
}

TEST_P(Produce, RefusesBatchesAboveTheTopicsLimitAndNamesIt) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"max.message.bytes", "4KiB"}}});
    EXPECT_TRUE(world().produce(partition, make_batch(partition, {std::string(4000, 'x')})).said.ok());
    ReceiptSeen receipt = world().produce(partition, make_batch(partition, {std::string(4100, 'x')}));
    EXPECT_EQ(receipt.said.code, ErrorCode::message_too_large);
    EXPECT_EQ(receipt.said.outcome, Outcome::not_written);
    EXPECT_TRUE(receipt.said.mentions("4096")) << receipt.said;
    EXPECT_TRUE(receipt.said.mentions("max.message.bytes")) << receipt.said;
}

TEST_P(Produce, RefusesTimestampsTooFarInTheFuture) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"message.timestamp.after.max.ms", "1h"}}});
    BatchShape soon{{"a"}, {}, Timestamp(batch_time.milliseconds + 3'500'000)};
    EXPECT_TRUE(world().produce(partition, make_batch(partition, soon)).said.ok());
    BatchShape late{{"b"}, {}, Timestamp(batch_time.milliseconds + 2 * 3'600'000)};
    ReceiptSeen receipt = world().produce(partition, make_batch(partition, late));
    EXPECT_EQ(receipt.said.code, ErrorCode::invalid_timestamp);
    EXPECT_EQ(receipt.said.outcome, Outcome::not_written);
}

TEST_P(Produce, TakesCompressedBatchesAsTheyAre) {
    PartitionIdentity partition = world().make_topic("t");
    for (record::Codec codec : {record::Codec::lz4, record::Codec::zstd}) {
        BatchShape shape{{std::string(5000, 'a'), "b"}, {}, batch_time, codec};
        EXPECT_TRUE(world().produce(partition, make_batch(partition, shape)).said.ok());
    }
    std::string many(5000, 'a');
    EXPECT_EQ(world().read_all(partition), numbered({many, "b", many, "b"}));
}

TEST_P(Produce, RefusesRequestsThatContradictThemselves) {
    PartitionIdentity partition = world().make_topic("t");
    Text frame = make_batch(partition, {"a"});
    auto size = static_cast<uint32_t>(frame.size());
    struct Bad {
        const char* what;
        std::vector<ProducePart> parts;
    };
    const Bad requests[] = {
        {"no partitions", {}},
        {"sizes beyond the payload", {{partition, frame, -1, size + 1}}},
        {"a payload beyond the sizes", {{partition, frame, -1, size - 1}}},
        {"sizes that overflow", {{partition, frame, -1, size}, {partition, {}, -1, 0xffffffff}}},
    };
    for (const Bad& bad : requests) {
        ProduceAnswer answer = world().produce(bad.parts);
        EXPECT_EQ(answer.said.code, ErrorCode::invalid_request) << bad.what;
        EXPECT_EQ(answer.said.outcome, Outcome::not_written) << bad.what;
        EXPECT_FALSE(answer.said.hint.empty()) << bad.what;
    }
    EXPECT_EQ(world().produce({{partition, frame}}, static_cast<AckLevel>(17)).said.code, ErrorCode::invalid_request);
    EXPECT_EQ(world().list(partition, OffsetPlace::end).offset, 0);
}

TEST_P(Produce, RefusesAPartitionWithoutAnyBytesAndServesTheOthers) {
    PartitionIdentity partition = world().make_topic("t");
    ProduceAnswer answer = world().produce({{partition, {}}, {partition, make_batch(partition, {"a"})}});
    ASSERT_EQ(answer.receipts.size(), 2u);
    EXPECT_EQ(answer.receipts[0].said.code, ErrorCode::invalid_request);
    EXPECT_EQ(answer.receipts[0].said.outcome, Outcome::not_written);
    EXPECT_TRUE(answer.receipts[1].said.ok());
}

TEST_P(Produce, RefusesEpochsThatAreNotItsOwn) {
    PartitionIdentity partition = world().make_topic("t");
    world().kill();
    world().start();  // leads in epoch 1
    Text frame = make_batch(partition, {"a"});
    ReceiptSeen old = world().produce(partition, frame, AckLevel::leader, 0);
    EXPECT_EQ(old.said.code, ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(old.said.outcome, Outcome::not_written);
    ReceiptSeen future = world().produce(partition, frame, AckLevel::leader, 2);
    EXPECT_EQ(future.said.code, ErrorCode::unknown_leader_epoch);
    EXPECT_EQ(future.said.outcome, Outcome::not_written);
    ReceiptSeen current = world().produce(partition, frame, AckLevel::leader, 1);
    EXPECT_TRUE(current.said.ok());
    EXPECT_EQ(current.epoch, 1);
}

TEST_P(Produce, ServesALevelAsAskedRaisedByTheTopicsFloor) {
    PartitionIdentity plain = world().make_topic("plain");
    PartitionIdentity floored =
        world().make_topic("floored", {.settings = {{"min.acks", "leader_durable"}, {"acks.default", "leader"}}});
    for (AckLevel level :
         {AckLevel::none, AckLevel::leader, AckLevel::leader_durable, AckLevel::isr, AckLevel::isr_durable}) {
        EXPECT_EQ(world().produce(plain, make_batch(plain, {"a"}), level).level, level);
    }
    EXPECT_EQ(world().produce(plain, make_batch(plain, {"a"}), AckLevel::topic_default).level, AckLevel::isr_durable);
    EXPECT_EQ(world().produce(floored, make_batch(floored, {"a"}), AckLevel::topic_default).level,
              AckLevel::leader_durable);
    EXPECT_EQ(world().produce(floored, make_batch(floored, {"a"}), AckLevel::none).level, AckLevel::leader_durable);
    EXPECT_EQ(world().produce(floored, make_batch(floored, {"a"}), AckLevel::isr).level, AckLevel::isr_durable);
}

TEST_P(Produce, AnswersAMemoryLevelWithoutWaitingForTheDisk) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    world().produce(partition, make_batch(partition, {"a"}), AckLevel::leader);
    Fetched fetched = world().fetch(partition, 0, {.visibility = Visibility::durable});
    EXPECT_EQ(fetched.durable, 0);
    EXPECT_EQ(fetched.high, 1);
    EXPECT_EQ(fetched.log_end, 1);
    EXPECT_TRUE(fetched.records.empty());
    ReceiptSeen durable = world().produce(partition, make_batch(partition, {"b"}), AckLevel::leader_durable);
    EXPECT_EQ(durable.base, 1);
    EXPECT_EQ(world().read_all(partition), numbered({"a", "b"}));
}

TEST_P(Produce, SaysWhereTheTimeWent) {
    options.disk.write = {20ms, 0ns};
    options.disk.sync = {50ms, 0ns};
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"the first one makes the file"}));
    ReceiptSeen alone = world().produce(partition, make_batch(partition, {"a"}));
    EXPECT_LT(alone.queued, 1ms);
    EXPECT_LT(alone.written, 1ms);
    EXPECT_GT(alone.synced, 40ms);
    // The round of the first one is under way when the second one comes.
    Pending first = world().begin_produce(partition, make_batch(partition, {"b"}));
    world().simulation.run_for(10ms);
    ReceiptSeen second = world().produce(partition, make_batch(partition, {"c"}));
    EXPECT_GT(second.written, 30ms);
    EXPECT_GT(second.synced, 40ms);
    EXPECT_TRUE(world().receipt_of(first).said.ok());
    ReceiptSeen in_memory = world().produce(partition, make_batch(partition, {"d"}), AckLevel::leader);
    EXPECT_EQ(in_memory.written + in_memory.synced, 0us);
}

TEST_P(Produce, WithoutAnAnswerIsWrittenAllTheSame) {
    PartitionIdentity partition = world().make_topic("t");
    Text frame = make_batch(partition, {"a"});
    rpc::Introduction introduction(rpc::ClientIdentity{"one-way", "0", {}});
    rpc::Channel channel(world().client.world(), Address{"server", client_port}, introduction);
    std::vector<BufferSlice> slices;
    slices.push_back(world().client.world().buffers.copy_of(frame));
    Task<Result<void>> sending =
        channel.send(rpc::Method::produce, produce_request({{partition, frame}}, AckLevel::none, 1000),
                     std::move(slices), world().simulation.now() + 10s);
    EXPECT_TRUE(world().client.run(std::move(sending)).ok());
    world().simulation.run_for(100ms);
    world().client.run(channel.close());
    EXPECT_EQ(world().list(partition, OffsetPlace::end, -1, Visibility::replicated).offset, 1);
}

TEST_P(Produce, SaysUnknownWhenTheDiskIsSlowerThanTheTimeout) {
    options.disk.sync = {20s, 0ns};
    PartitionIdentity partition = world().make_topic("t");
    ProduceAnswer answer = world().produce({{partition, make_batch(partition, {"a"})}}, AckLevel::leader_durable, 1000);
    const Said& said = answer.receipts.at(0).said;
    EXPECT_EQ(said.code, ErrorCode::request_timed_out);
    EXPECT_EQ(said.outcome, Outcome::unknown);
    world().simulation.run_for(120s);
    EXPECT_EQ(world().read_all(partition), numbered({"a"}));
}

TEST_P(Produce, ToADeletedTopicIsRefused) {
    PartitionIdentity partition = world().make_topic("t");
    EXPECT_TRUE(world().produce(partition, make_batch(partition, {"a"})).said.ok());
    EXPECT_TRUE(world().delete_topic("t").ok());
    ReceiptSeen receipt = world().produce(partition, make_batch(partition, {"b"}));
    EXPECT_EQ(receipt.said.code, ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(receipt.said.outcome, Outcome::not_written);
}

TEST_P(Produce, UnderWayWhenItsTopicIsDeletedEnds) {
    options.disk.sync = {5s, 0ns};
    PartitionIdentity partition = world().make_topic("t");
    Pending produced = world().begin_produce(partition, make_batch(partition, {"a"}));
    world().simulation.run_for(1s);
    Pending deleted = world().begin(rpc::Method::delete_topic, delete_topic_request("t", {}));
    ReceiptSeen receipt = world().receipt_of(produced);
    // Either it was durable before the deletion, or it says that it does not know.
    EXPECT_TRUE(receipt.said.ok() || receipt.said.outcome == Outcome::unknown) << receipt.said;
    EXPECT_TRUE(world().wait_for(deleted).ok());
    EXPECT_TRUE(world().files_of(partition).empty());
}

}  // namespace
}  // namespace ironbark::broker
