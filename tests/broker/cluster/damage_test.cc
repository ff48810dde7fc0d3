// Replicas whose disk has lost what it had: they are found out, serve nothing of it, and are taken over anew from a
// replica that is whole. (The names in brackets are those of research/reliability.md.)

#include <gtest/gtest.h>
#include <memory>

#include "log/log.h"
#include "tests/broker/cluster/replicated.h"

namespace ironbark::broker {
namespace {

constexpr int records = 40;

std::string segment_of(const Replicated& topic) {
    return "data/partitions/" + topic.identity().to_string() + "/" + log::segment_file_name(Offset(0), log::log_suffix);
}

std::vector<std::string> fill(Replicated& topic, const std::string& name) {
    std::vector<std::string> values;
    for (int number = 0; number < records; ++number) {
        values.push_back(name + " " + std::to_string(number) + std::string(1000, '.'));
        EXPECT_TRUE(topic.produce(topic.wait_leader(), values.back()).said.ok());
    }
    return values;
}

bool is_in_graveyard(ClusterWorld& cluster, int32_t id) {
    for (const std::string& file : cluster.node(id).disk().files()) {
        if (file.find("/graveyard/") != std::string::npos && file.ends_with(".segment")) return true;
    }
    return false;
}

// A record that was promised to be on disk is not what it was.
void damage(ClusterWorld& cluster, int32_t id, const Replicated& topic) {
    simulation::SimulatedDisk& disk = cluster.node(id).disk();
    for (uint64_t position = 3 * 4096; position < 5 * 4096; position += 512) disk.rot(segment_of(topic), position);
    disk.evict();
}

void start_damaged(ClusterWorld& cluster, int32_t id, const Replicated& topic) {
    cluster.kill(id);
    damage(cluster, id, topic);
    cluster.start(id);
    cluster.wait_ready(id);
}

TEST(Damage, AFollowerThatStartsWithADamagedLogTakesItOverAnew) {  // [J04]
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster);
    std::vector<std::string> values = fill(topic, "before");
    const int32_t damaged = topic.other_than(topic.leader());
    start_damaged(cluster, damaged, topic);
    ASSERT_TRUE(topic.wait_in_sync(3, 30s)) << topic.tell();
    EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 5s));
    EXPECT_EQ(topic.log_of(damaged), values);
    EXPECT_TRUE(is_in_graveyard(cluster, damaged)) << "what it had is kept";
    EXPECT_TRUE(cluster.has_event(1, "replica_damaged"));
}

TEST(Damage, ATruncatedLogIsFoundOut) {  // [J05]
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster);
    std::vector<std::string> values = fill(topic, "before");
    const int32_t damaged = topic.other_than(topic.leader());
    cluster.simulation().run_for(5s);  // the marks know what is promised
    cluster.kill(damaged);
    cluster.node(damaged).disk().truncate(segment_of(topic), 3 * 4096);
    cluster.node(damaged).disk().evict();
    cluster.start(damaged);
    cluster.wait_ready(damaged);
    ASSERT_TRUE(topic.wait_in_sync(3, 30s)) << topic.tell();
    EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 5s));
    EXPECT_EQ(topic.log_of(damaged), values);
}

TEST(Damage, ALeaderThatMeetsItHandsOverAndIsMended) {  // [J04]
    ClusterWorld cluster(3, 3);
    for (int32_t id : {1, 2, 3}) cluster.config(id).tail_bytes = 64 << 10;  // nearly everything is read from disk
    cluster.start_all();
    Replicated topic(cluster);
    std::vector<std::string> values = fill(topic, "a");
    for (int round = 0; round < 3; ++round) {
        for (const std::string& value : fill(topic, std::to_string(round))) values.push_back(value);
    }
    const int32_t first = topic.wait_leader();
    damage(cluster, first, topic);
    // A reader meets it, and is told to try again; nothing of it is served.
    const std::vector<FetchPart> parts{{topic.identity(), 0}};
    rpc::CallResult result = cluster.call(first, rpc::Method::fetch, fetch_request(parts, {}));
    const FetchAnswer answer = read_fetch(result, parts);
    ASSERT_TRUE(answer.said.ok());
    cluster.simulation().run_for(100ms);
    std::vector<std::string> seen;
    for (const Seen& each : answer.partitions.front().records) seen.push_back(each.value);
    EXPECT_LE(seen.size(), values.size());
    EXPECT_TRUE(std::equal(seen.begin(), seen.end(), values.begin())) << "what it serves is right";
    // Reading on meets the damage.
    for (int64_t next = static_cast<int64_t>(seen.size()); topic.leader() == first && next < 40; ++next) {
        const std::vector<FetchPart> from{{topic.identity(), next}};
        (void)cluster.call(first, rpc::Method::fetch, fetch_request(from, {}));
    }
    const int32_t second = topic.wait_leader(10s, first);
    EXPECT_NE(second, first);
    EXPECT_EQ(topic.read(second), values);
    const auto is_emptied = [&] { return is_in_graveyard(cluster, first); };
    ASSERT_TRUE(cluster.simulation().run_until(is_emptied, 30s)) << topic.tell();
    ASSERT_TRUE(topic.wait_in_sync(3, 30s)) << topic.tell();
    EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 5s));
    EXPECT_EQ(topic.log_of(first), values);
}

TEST(Damage, ACrashAtAnyStepOfTheMendingIsMendedToo) {
    for (uint64_t step = 1; step <= 12; ++step) {
        ClusterWorld cluster(3, 3, step);
        cluster.start_all();
        Replicated topic(cluster);
        std::vector<std::string> values = fill(topic, "before");
        const int32_t damaged = topic.other_than(topic.leader());
        start_damaged(cluster, damaged, topic);
        cluster.node(damaged).disk().stop_after(step, simulation::Crash::power_loss);
        cluster.simulation().run_for(3s);
        cluster.node(damaged).disk().stop_never();
        if (!cluster.is_running(damaged)) cluster.start(damaged);
        cluster.wait_ready(damaged);
        ASSERT_TRUE(topic.wait_in_sync(3, 30s)) << step << ": " << topic.tell();
        EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 5s)) << step;
        EXPECT_EQ(topic.log_of(damaged), values) << step;
    }
}

// Nobody is in sync with it, and others may lead: it gives the leadership up, and does not wait until it hears that it
// is over; somebody else may lead by then.
TEST(Damage, ALeaderThatGivesUpStopsBeforeItSaysSo) {
    uint64_t seed = 1;
    auto cluster = std::make_unique<ClusterWorld>(4, 3, seed);
    for (; seed < 20; cluster = std::make_unique<ClusterWorld>(4, 3, ++seed)) {
        for (int32_t id : {1, 2, 3, 4}) cluster->config(id).tail_bytes = 0;
        cluster->start_all();
        if (cluster->active() == 1) break;
    }
    cluster->place_topic("t", 1, {BrokerId(4), BrokerId(2), BrokerId(3)}, 2);
    Replicated topic = Replicated::existing(*cluster, "t");
    ASSERT_TRUE(topic.wait_in_sync(3));
    ASSERT_EQ(topic.wait_leader(), 4);
    std::vector<std::string> values = fill(topic, "a");
    // They get what it sends, and it does not hear of it.
    for (int32_t id : {2, 3}) cluster->simulation().network().cut(cluster->node(id), cluster->node(4));
    values.push_back("by the leader alone");
    ASSERT_TRUE(topic.produce(4, values.back(), AckLevel::leader).said.ok());
    ASSERT_TRUE(cluster->simulation().run_until([&] { return topic.record().in_sync == BrokerIds{BrokerId(4)}; }, 20s));
    damage(*cluster, 4, topic);
    std::vector<ClusterWorld::Pending> reads;
    for (int64_t next = 0; next < records; ++next) {
        reads.push_back(cluster->begin(4, rpc::Method::fetch, fetch_request({{topic.identity(), next}}, {})));
    }
    ASSERT_TRUE(cluster->simulation().run_until([&] { return !topic.replica(4)->leads(); }, 10s));
    ASSERT_EQ(topic.leader(), 4) << "it is on its way";
    // News of something else, which still say that it leads, come in between.
    cluster->simulation().network().cut(cluster->node(4), cluster->node(1));
    const Uuid id = topic.identity().topic;
    ASSERT_TRUE(cluster->execute(1, alter_topic(id, {{"retention.ms", "1000000"}}, {}, Timestamp(1))).ok());
    EXPECT_FALSE(cluster->simulation().run_until([&] { return topic.replica(4)->leads(); }, 300ms));
    EXPECT_EQ(cluster->metadata(4)->find(id)->settings.at("retention.ms"), "1000000");
    cluster->simulation().network().heal(cluster->node(4), cluster->node(1));
    ASSERT_TRUE(cluster->simulation().run_until([&] { return topic.record().leader.value != 4; }, 10s));
    EXPECT_FALSE(topic.replica(4)->leads());
    cluster->simulation().network().heal_all();
    ASSERT_TRUE(topic.wait_in_sync(3, 60s)) << topic.tell();
    EXPECT_TRUE(topic.wait_equal({2, 3, 4}, 10s));
    EXPECT_EQ(topic.read(topic.wait_leader()), values);
}

// Every replica is damaged, one after the other: what one has lost the others have.
TEST(Damage, OneReplicaAfterTheOther) {  // [J30]
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster);
    std::vector<std::string> values = fill(topic, "before");
    for (int32_t id : {1, 2, 3}) {
        start_damaged(cluster, id, topic);
        ASSERT_TRUE(topic.wait_in_sync(3, 30s)) << id << ": " << topic.tell();
    }
    EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 5s));
    EXPECT_EQ(topic.read(topic.wait_leader()), values);
}

TEST(Damage, TheOnlyReplicaThatMayLeadIsLeftForAPersonToDecide) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    cluster.place_topic("t", 1, {BrokerId(1), BrokerId(2)}, 1);
    Replicated topic = Replicated::existing(cluster, "t");
    ASSERT_TRUE(topic.wait_in_sync(2));
    cluster.kill(topic.leader() == 1 ? 2 : 1);
    ASSERT_TRUE(topic.wait_in_sync(1, 10s));
    const std::vector<std::string> values = fill(topic, "alone");
    const int32_t last = topic.wait_leader();
    cluster.kill(last);
    damage(cluster, last, topic);
    for (int32_t id : {1, 2}) {
        cluster.start(id);
        cluster.wait_ready(id);
    }
    cluster.simulation().run_for(20s);
    EXPECT_EQ(topic.leader(), -1) << topic.tell();
    EXPECT_FALSE(is_in_graveyard(cluster, last)) << "what is left of it is all that there is";
}

}  // namespace
}  // namespace ironbark::broker
