// Disks that fail, fill up or lie, under a broker that serves.

#include "tests/broker/service/service_fixture.h"

namespace ironbark::broker {
namespace {

SERVICE_TESTS(Faults);

TEST_P(Faults, ASyncErrorEndsItsPartitionAndNoOther) {
    PartitionIdentity bad = world().make_topic("t", {.partitions = 2});
    PartitionIdentity good = world().partition("t", 1);
    for (const PartitionIdentity& partition : {bad, good}) world().produce(partition, make_batch(partition, {"a"}));
    EXPECT_NE(world().get("/healthz").find("200 OK"), std::string::npos);
    world().server.disk().fail_next_sync(world().newest_segment(bad));
    ReceiptSeen failed = world().produce(bad, make_batch(bad, {"b"}));
    EXPECT_EQ(failed.said.code, ErrorCode::storage_error);
    EXPECT_EQ(failed.said.outcome, Outcome::unknown) << "it may be on the disk";
    ReceiptSeen refused = world().produce(bad, make_batch(bad, {"c"}));
    EXPECT_EQ(refused.said.code, ErrorCode::storage_error);
    EXPECT_EQ(refused.said.outcome, Outcome::not_written);
    EXPECT_TRUE(refused.said.mentions("restart the broker")) << refused.said;
    EXPECT_TRUE(world().produce(good, make_batch(good, {"b"})).said.ok());
    EXPECT_EQ(world().read_all(good), numbered({"a", "b"}));
    EXPECT_EQ(world().read_all(bad), numbered({"a"})) << "what was durable can be read";
    std::string health = world().get("/healthz");
    EXPECT_NE(health.find("503"), std::string::npos);
    EXPECT_NE(health.find("1 partitions are not available"), std::string::npos) << health;
    rpc::CallResult described = world().call(rpc::Method::describe_topic, describe_topic_request("t"));
    const auto& partitions = *described.as<wire::DescribeTopicResponse>().partitions();
    EXPECT_EQ(partitions.Get(0)->state()->str(), "failed");
    EXPECT_NE(partitions.Get(0)->state_detail()->str().find("io_error"), std::string::npos);
    EXPECT_EQ(partitions.Get(1)->state()->str(), "online");
}

TEST_P(Faults, AllWhoWaitForAFailedSyncAreToldThatNothingIsKnown) {
    options.disk.sync = {1s, 0ns};
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"a"}));
    std::vector<Pending> waiting;
    world().server.disk().fail_next_sync(world().newest_segment(partition));
    for (int count = 0; count < 5; ++count)
        waiting.push_back(world().begin_produce(partition, make_batch(partition, {"b"})));
    for (const Pending& one : waiting) {
        ReceiptSeen receipt = world().receipt_of(one);
        EXPECT_EQ(receipt.said.code, ErrorCode::storage_error);
        EXPECT_EQ(receipt.said.outcome, Outcome::unknown);
    }
}

TEST_P(Faults, AWriteErrorEndsThePartitionUntilTheBrokerIsRestarted) {
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"a"}));
    world().server.disk().fail_next_write(world().newest_segment(partition));
    EXPECT_EQ(world().produce(partition, make_batch(partition, {"b"})).said.outcome, Outcome::unknown);
    EXPECT_EQ(world().produce(partition, make_batch(partition, {"c"})).said.code, ErrorCode::storage_error);
    world().stop();
    world().start();
    EXPECT_FALSE(world().broker->started_clean()) << "a stop with a failed log proves nothing";
    ReceiptSeen receipt = world().produce(partition, make_batch(partition, {"d"}));
    EXPECT_TRUE(receipt.said.ok()) << receipt.said;
    std::vector<Seen> seen = world().read_all(partition);
    EXPECT_EQ(seen.front(), (Seen{0, "a"}));
    EXPECT_EQ(seen.back().value, "d");
}

TEST_P(Faults, AReaderThatWaitsIsToldWhenThePartitionFails) {
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"a"}));
    Pending poll = world().begin_fetch({{partition, 1}}, {.wait_ms = 5000, .visibility = Visibility::durable});
    world().server.disk().fail_next_sync(world().newest_segment(partition));
    world().produce(partition, make_batch(partition, {"b"}));
    Fetched fetched = read_fetch(world().wait_for(poll), {{partition, 1}}).partitions.at(0);
    EXPECT_TRUE(fetched.records.empty());
    EXPECT_EQ(fetched.durable, 1);
}

TEST_P(Faults, AFullDiskRefusesRecordsAndNothingElse) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"segment.bytes", "1MiB"}}});
    world().produce(partition, make_batch(partition, {"a"}));
    simulation::SimulatedDisk& disk = world().server.disk();
    disk.set_capacity(disk.used_bytes() + (1 << 19));  // less than the reserve
    world().produce(partition, make_batch(partition, {"b"}));
    world().simulation.run_for(3s);
    ReceiptSeen refused = world().produce(partition, make_batch(partition, {"c"}));
    EXPECT_EQ(refused.said.code, ErrorCode::storage_full);
    EXPECT_EQ(refused.said.outcome, Outcome::not_written);
    EXPECT_TRUE(refused.said.mentions("free space")) << refused.said;
    EXPECT_EQ(world().read_all(partition), numbered({"a", "b"}));
    EXPECT_TRUE(world().create_topic("other").ok()) << "the reserve is for this";
    EXPECT_NE(world().get("/healthz").find("records are refused"), std::string::npos);
    EXPECT_NE(world().get("/metrics").find("ironbark_disk_full 1"), std::string::npos);
    disk.set_capacity(uint64_t{1} << 40);
    world().simulation.run_for(3s);
    EXPECT_TRUE(world().produce(partition, make_batch(partition, {"c"})).said.ok());
    EXPECT_NE(world().get("/healthz").find("200 OK"), std::string::npos);
    EXPECT_EQ(world().read_all(partition), numbered({"a", "b", "c"}));
}

TEST_P(Faults, DeletingATopicFreesAFullDisk) {
    PartitionIdentity big = world().make_topic("big", {.settings = {{"segment.bytes", "1MiB"}}});
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"segment.bytes", "1MiB"}}});
    for (int count = 0; count < 8; ++count) world().produce(big, make_batch(big, {std::string(900'000, 'x')}));
    world().produce(partition, make_batch(partition, {"a"}));
    simulation::SimulatedDisk& disk = world().server.disk();
    disk.set_capacity(disk.used_bytes() + (1 << 19));
    world().produce(partition, make_batch(partition, {"b"}));
    world().simulation.run_for(3s);
    EXPECT_EQ(world().produce(partition, make_batch(partition, {"c"})).said.code, ErrorCode::storage_full);
    EXPECT_TRUE(world().delete_topic("big").ok());
    world().simulation.run_for(3s);
    EXPECT_TRUE(world().produce(partition, make_batch(partition, {"c"})).said.ok());
}

TEST_P(Faults, WhatWasAcceptedBeforeTheDiskWasFullIsWrittenWhenThereIsRoom) {
    config.reserve_bytes = 0;
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"segment.bytes", "1MiB"}}});
    world().produce(partition, make_batch(partition, {"a"}));
    simulation::SimulatedDisk& disk = world().server.disk();
    disk.set_capacity(disk.used_bytes());
    std::vector<Pending> waiting;
    for (int count = 0; count < 3; ++count) {
        waiting.push_back(world().begin_produce(partition, make_batch(partition, {std::string(100'000, 'x')}),
                                                AckLevel::leader_durable, 60'000));
    }
    world().simulation.run_for(10s);
    disk.set_capacity(uint64_t{1} << 40);
    size_t written = 1;
    for (const Pending& one : waiting) {
        ReceiptSeen receipt = world().receipt_of(one);
        if (receipt.said.ok()) ++written;
        EXPECT_TRUE(receipt.said.ok() || receipt.said.code == ErrorCode::storage_full) << receipt.said;
    }
    EXPECT_EQ(world().read_all(partition).size(), written);
}

TEST_P(Faults, AProduceThatFindsNoMemoryInTimeIsNotWritten) {
    config.unwritten_bytes = 64 << 10;
    options.disk.write = {10s, 0ns};
    PartitionIdentity partition = world().make_topic("t");
    std::vector<Pending> fillers;
    for (int count = 0; count < 4; ++count) {
        fillers.push_back(world().begin_produce(partition, make_batch(partition, {std::string(60'000, 'x')}),
                                                AckLevel::leader_durable, 600'000));
    }
    world().simulation.run_for(100ms);
    Pending late = world().begin_produce(partition, make_batch(partition, {"late"}), AckLevel::leader_durable, 1000);
    ReceiptSeen receipt = world().receipt_of(late);
    EXPECT_EQ(receipt.said.code, ErrorCode::request_timed_out);
    EXPECT_EQ(receipt.said.outcome, Outcome::not_written);
    for (const Pending& one : fillers) EXPECT_TRUE(world().receipt_of(one).said.ok());
    EXPECT_EQ(world().read_all(partition).size(), 4u);
}

TEST_P(Faults, AFailedControllerLogIsSaidAndRecordsGoOn) {
    PartitionIdentity partition = world().make_topic("t");
    world().server.disk().fail_next_sync("/data/controller/log");
    Said said = world().create_topic("other");
    EXPECT_EQ(said.code, ErrorCode::storage_error);
    EXPECT_EQ(said.outcome, Outcome::unknown) << "it may be there after a restart";
    EXPECT_TRUE(world().produce(partition, make_batch(partition, {"a"})).said.ok());
    EXPECT_EQ(world().create_topic("third").code, ErrorCode::storage_error);
    EXPECT_NE(world().get("/healthz").find("controller"), std::string::npos);
    world().stop();
    world().start();
    EXPECT_TRUE(world().create_topic("third").ok());
    EXPECT_EQ(world().read_all(partition), numbered({"a"}));
}

TEST_P(Faults, AFailedMarksJournalIsSaidAndRecordsGoOn) {
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"a"}));
    world().simulation.run_for(5s);
    for (size_t shard = 0; shard < GetParam(); ++shard) {
        world().server.disk().fail_next_sync("/data/marks-" + std::to_string(shard));
    }
    world().produce(partition, make_batch(partition, {"b"}));
    world().simulation.run_for(5s);
    EXPECT_TRUE(world().produce(partition, make_batch(partition, {"c"})).said.ok());
    EXPECT_NE(world().get("/healthz").find("marks journal"), std::string::npos);
    world().kill();
    world().start();
    EXPECT_EQ(world().read_all(partition), numbered({"a", "b", "c"}));
    EXPECT_NE(world().get("/healthz").find("200 OK"), std::string::npos);
}

TEST_P(Faults, ADamagedLogIsRefusedAtStartAndTheOthersAreServed) {
    PartitionIdentity bad = world().make_topic("t", {.partitions = 2});
    PartitionIdentity good = world().partition("t", 1);
    for (const PartitionIdentity& partition : {bad, good}) {
        for (int count = 0; count < 4; ++count) world().produce(partition, make_batch(partition, {"a"}));
    }
    world().simulation.run_for(5s);
    world().kill();
    std::string segment = world().newest_segment(bad);
    world().server.disk().rot(segment, 100);  // its head
    world().start();
    ReceiptSeen refused = world().produce(bad, make_batch(bad, {"b"}));
    EXPECT_EQ(refused.said.code, ErrorCode::storage_error);
    EXPECT_EQ(refused.said.outcome, Outcome::not_written);
    EXPECT_TRUE(refused.said.mentions(segment.substr(segment.find("partitions")))) << refused.said;
    Fetched fetched = world().fetch(bad, 0);
    EXPECT_EQ(fetched.said.code, ErrorCode::storage_error);
    EXPECT_FALSE(fetched.said.hint.empty());
    EXPECT_EQ(world().list(bad, OffsetPlace::end).said.code, ErrorCode::storage_error);
    EXPECT_EQ(world().delete_before(bad, 1).said.code, ErrorCode::storage_error);
    EXPECT_EQ(world().read_all(good).size(), 4u);
    EXPECT_TRUE(world().produce(good, make_batch(good, {"b"})).said.ok());
    EXPECT_NE(world().get("/healthz").find("503"), std::string::npos);
    world().stop();
    EXPECT_TRUE(world().server.disk().exists(segment)) << "nothing was removed";
}

TEST_P(Faults, AMissingSegmentIsRefusedAtStart) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"segment.bytes", "64KiB"}}});
    for (int count = 0; count < 10; ++count) {
        world().produce(partition, make_batch(partition, {std::string(20'000, 'x')}));
    }
    world().simulation.run_for(5s);
    world().kill();
    world().server.disk().remove(world().newest_segment(partition));
    world().start();
    EXPECT_EQ(world().produce(partition, make_batch(partition, {"b"})).said.code, ErrorCode::storage_error);
    EXPECT_EQ(world().fetch(partition, 0).said.code, ErrorCode::storage_error);
}

TEST_P(Faults, MetadataFromAnOlderCopyServesWhatItKnows) {
    PartitionIdentity partition = world().make_topic("t");
    world().produce(partition, make_batch(partition, {"a"}));
    world().stop();
    std::vector<uint8_t> old = world().server.disk().read("/data/controller/log");
    for (int round = 0; round < 3; ++round) {  // three epochs on
        world().start();
        world().produce(partition, make_batch(partition, {"b"}));
        world().stop();
    }
    world().server.disk().replace("/data/controller/log", old);
    world().start();
    ReceiptSeen receipt = world().produce(partition, make_batch(partition, {"c"}));
    EXPECT_TRUE(receipt.said.ok()) << receipt.said;
    EXPECT_GE(receipt.epoch, 3);
    EXPECT_EQ(world().read_all(partition), numbered({"a", "b", "b", "b", "c"}));
    world().kill();
    world().start();
    EXPECT_EQ(world().read_all(partition), numbered({"a", "b", "b", "b", "c"}));
}

TEST_P(Faults, ADirectoryOfALostTopicIsLeftAlone) {
    world().make_topic("t");
    world().stop();
    std::vector<uint8_t> old = world().server.disk().read("/data/controller/log");
    world().start();
    PartitionIdentity later = world().make_topic("later");
    world().produce(later, make_batch(later, {"precious"}));
    world().stop();
    world().server.disk().replace("/data/controller/log", old);
    world().start();
    EXPECT_TRUE(world().topic_id("later").is_zero());
    EXPECT_FALSE(world().files_of(later).empty());
}

}  // namespace
}  // namespace ironbark::broker
