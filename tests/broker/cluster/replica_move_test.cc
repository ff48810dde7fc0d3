// Replicas by hand: other brokers keep a partition, while everything goes on. Nothing that was acknowledged is lost,
// whoever fails meanwhile; and who has let a partition go is not heard any more. (The names in brackets are those of
// research/reliability.md.)

#include <algorithm>
#include <gtest/gtest.h>

#include "broker/controller/tiers.h"
#include "tests/broker/cluster/replicated.h"

namespace ironbark::broker {
namespace {

const BrokerIds first_three{BrokerId(1), BrokerId(2), BrokerId(3)};

BrokerIds ids_of(const std::vector<int32_t>& numbers) {
    BrokerIds ids;
    for (int32_t number : numbers) ids.emplace_back(number);
    return ids;
}

// A topic on the first three of some brokers.
struct Moving {
    explicit Moving(size_t brokers = 4, uint64_t seed = 1) : cluster(brokers, 3, seed) {
        cluster.start_all();
        cluster.place_topic("t", 1, first_three, 2);
        topic.emplace(Replicated::existing(cluster, "t"));
        EXPECT_TRUE(topic->wait_in_sync(3));
    }

    int32_t asked() {
        for (int32_t id : {1, 2, 3}) {
            if (cluster.is_running(id)) return id;
        }
        return -1;
    }
    // Once more if the connection is of an earlier life of the broker.
    PlannedSeen plan(const std::vector<int32_t>& to) {
        while (true) {
            PlannedSeen seen = read_planned(
                cluster.call(asked(), rpc::Method::move_replicas, move_replicas_request(topic->identity(), to)));
            if (seen.said.code != ErrorCode::connection_closed) return seen;
        }
    }
    bool wait_moved(const std::vector<int32_t>& to, Duration limit = 30s) {
        return cluster.simulation().run_until(
            [&] {
                const PartitionRecord record = topic->record();
                return record.replicas == ids_of(to) && record.moving_to.empty() && record.leader.value >= 0;
            },
            limit);
    }
    bool wait_gone(int32_t id, Duration limit = 10s) {
        return cluster.simulation().run_until([&] { return topic->replica(id) == nullptr; }, limit);
    }
    void write(int count, const std::string& name, AckLevel level = AckLevel::isr_durable) {
        for (int number = 0; number < count; ++number) {
            values.push_back(name + " " + std::to_string(number));
            ASSERT_TRUE(topic->produce_somewhere(values.back(), level).said.ok());
        }
    }
    bool has_log_in_graveyard(int32_t id) {
        for (const std::string& file : cluster.node(id).disk().files()) {
            if (file.find("/graveyard/") != std::string::npos && file.ends_with(".segment")) return true;
        }
        return false;
    }

    ClusterWorld cluster;
    std::optional<Replicated> topic;
    std::vector<std::string> values;  // acknowledged
};

TEST(ReplicaMove, ANewReplicaTakesThePlaceOfTheLeader) {
    Moving moving;
    moving.write(30, "before");
    ASSERT_EQ(moving.topic->leader(), 1);
    const PlannedSeen planned = moving.plan({4, 2, 3});
    ASSERT_TRUE(planned.said.ok()) << planned.said;
    EXPECT_EQ(planned.before, (std::vector<int32_t>{1, 2, 3}));
    EXPECT_EQ(planned.to, (std::vector<int32_t>{4, 2, 3}));
    moving.write(10, "meanwhile", AckLevel::leader);
    ASSERT_TRUE(moving.wait_moved({4, 2, 3})) << moving.topic->tell();
    EXPECT_EQ(moving.topic->leader(), 4) << "the preferred one";
    moving.write(10, "after");
    EXPECT_EQ(moving.topic->read(moving.topic->wait_leader()), moving.values);
    ASSERT_TRUE(moving.topic->wait_in_sync(3));
    EXPECT_TRUE(moving.topic->wait_equal({2, 3, 4}, 5s));
    EXPECT_TRUE(moving.wait_gone(1));
    EXPECT_TRUE(moving.has_log_in_graveyard(1)) << "what it had is kept";
    EXPECT_TRUE(moving.cluster.has_event(2, "replicas of 1 partition have moved: t-0 to brokers 4, 2, 3"));
}

TEST(ReplicaMove, AnotherNumberOfReplicasAndAnotherOrder) {
    Moving moving;
    moving.write(10, "three");
    ASSERT_TRUE(moving.plan({2, 1, 3}).said.ok());
    ASSERT_TRUE(moving.wait_moved({2, 1, 3}, 5s)) << "nobody has to copy anything";
    ASSERT_TRUE(moving.plan({2, 1, 3, 4}).said.ok());
    ASSERT_TRUE(moving.wait_moved({2, 1, 3, 4}));
    moving.write(10, "four");
    EXPECT_TRUE(moving.topic->wait_equal({1, 2, 3, 4}, 5s));
    ASSERT_TRUE(moving.plan({4, 3}).said.ok());
    ASSERT_TRUE(moving.wait_moved({4, 3}));
    moving.write(10, "two");
    EXPECT_EQ(moving.topic->read(moving.topic->wait_leader()), moving.values);
    EXPECT_TRUE(moving.wait_gone(1));
    EXPECT_TRUE(moving.wait_gone(2));
}

// Who comes again has nothing, whatever it had before.
TEST(ReplicaMove, WhoComesAgainBeginsAnew) {
    Moving moving;
    moving.write(20, "first");
    ASSERT_TRUE(moving.plan({1, 2, 4}).said.ok());
    ASSERT_TRUE(moving.wait_moved({1, 2, 4}));
    const PartitionRecord between = moving.topic->record();
    moving.write(5, "second");
    ASSERT_TRUE(moving.plan({1, 2, 3}).said.ok());
    ASSERT_TRUE(moving.wait_moved({1, 2, 3}));
    EXPECT_GT(membership_of(moving.topic->record(), BrokerId(3)), between.partition_epoch);
    moving.write(5, "third");
    ASSERT_TRUE(moving.topic->wait_in_sync(3));
    EXPECT_TRUE(moving.topic->wait_equal({1, 2, 3}, 5s));
    EXPECT_EQ(moving.topic->log_of(3), moving.values);
}

TEST(ReplicaMove, OneThatIsTakenBackLeavesEverythingAsItWas) {
    Moving moving;
    moving.write(10, "before");
    for (int32_t id : {1, 2, 3}) {
        moving.cluster.simulation().network().cut(moving.cluster.node(4), moving.cluster.node(id));
    }
    ASSERT_TRUE(moving.plan({2, 3, 4}).said.ok());
    moving.write(10, "meanwhile");
    EXPECT_EQ(moving.topic->record().replicas, ids_of({1, 2, 3, 4})) << "until the new one is in sync";
    EXPECT_EQ(moving.topic->record().added, ids_of({4}));
    const PlannedSeen back = moving.plan({});
    ASSERT_TRUE(back.said.ok()) << back.said;
    EXPECT_EQ(back.to, (std::vector<int32_t>{1, 2, 3}));
    ASSERT_TRUE(moving.wait_moved({1, 2, 3}, 5s));
    moving.cluster.simulation().network().heal_all();
    moving.write(10, "after");
    EXPECT_TRUE(moving.wait_gone(4));
    EXPECT_EQ(moving.topic->read(moving.topic->wait_leader()), moving.values);
    EXPECT_EQ(moving.plan({}).said.code, ErrorCode::invalid_request) << "there is none";
}

TEST(ReplicaMove, TheNextControllerGoesOn) {
    Moving moving;
    moving.write(10, "before");
    ASSERT_TRUE(moving.plan({4, 2, 3}).said.ok());
    moving.cluster.kill(moving.cluster.active());
    moving.write(10, "meanwhile");
    ASSERT_TRUE(moving.wait_moved({4, 2, 3})) << moving.topic->tell();
    moving.write(10, "after");
    EXPECT_EQ(moving.topic->read(moving.topic->wait_leader()), moving.values);
}

// It is down when the entry that lets it go is committed, and finds out when it starts.
TEST(ReplicaMove, WhoIsAwayLetsItGoWhenItIsBack) {
    Moving moving;
    moving.write(10, "before");
    moving.cluster.kill(3);
    ASSERT_TRUE(moving.plan({1, 2, 4}).said.ok());
    ASSERT_TRUE(moving.wait_moved({1, 2, 4})) << moving.topic->tell();
    EXPECT_FALSE(moving.has_log_in_graveyard(3));
    moving.cluster.start(3);
    moving.cluster.wait_ready(3);
    EXPECT_TRUE(moving.has_log_in_graveyard(3));
    EXPECT_EQ(moving.topic->replica(3), nullptr);
    moving.write(5, "after");
    EXPECT_EQ(moving.topic->read(moving.topic->wait_leader()), moving.values);
}

TEST(ReplicaMove, ACrashAtAnyStepOfLettingGoLeavesNothingBehind) {
    for (uint64_t step = 1; step <= 8; ++step) {
        Moving moving(4, step);
        moving.write(10, "before");
        moving.cluster.simulation().run_for(2s);
        ASSERT_TRUE(moving.plan({1, 2, 4}).said.ok());
        ASSERT_TRUE(
            moving.cluster.simulation().run_until([&] { return moving.topic->record().moving_to.empty(); }, 30s));
        moving.cluster.node(3).disk().stop_after(step, simulation::Crash::power_loss);
        moving.cluster.simulation().run_for(2s);
        moving.cluster.node(3).disk().stop_never();
        if (!moving.cluster.is_running(3)) moving.cluster.start(3);
        moving.cluster.wait_ready(3);
        EXPECT_TRUE(moving.wait_gone(3)) << step;
        EXPECT_TRUE(moving.has_log_in_graveyard(3)) << step;
        moving.write(3, "after");
        EXPECT_EQ(moving.topic->read(moving.topic->wait_leader()), moving.values) << step;
    }
}

// Brokers die, and are cut off, while their partition goes around.
TEST(ReplicaMove, WhoeverFailsMeanwhileEveryAcknowledgedRecordIsThere) {  // [J08]
    for (uint64_t seed = 1; seed <= 6; ++seed) {
        Moving moving(5, seed);
        std::vector<std::vector<int32_t>> stations{{2, 3, 4}, {3, 4, 5}, {4, 5, 1}, {5, 1, 2}, {1, 2, 3}};
        for (size_t round = 0; round < stations.size(); ++round) {
            moving.write(5, "round " + std::to_string(round));
            const PlannedSeen planned = moving.plan(stations[round]);
            ASSERT_TRUE(planned.said.ok()) << planned.said;
            const auto victim = static_cast<int32_t>(1 + (seed + round) % 5);
            moving.cluster.simulation().run_for(std::chrono::milliseconds(20 * seed * round));
            const bool is_cut = (seed + round) % 3 == 0;
            if (is_cut) {
                for (int32_t id : {1, 2, 3, 4, 5}) {
                    if (id == victim) continue;
                    moving.cluster.simulation().network().cut(moving.cluster.node(victim), moving.cluster.node(id));
                    moving.cluster.simulation().network().cut(moving.cluster.node(id), moving.cluster.node(victim));
                }
            } else {
                moving.cluster.lose_power(victim);
            }
            moving.write(5, "without " + std::to_string(victim));
            moving.cluster.simulation().run_for(3s);
            if (is_cut) {
                moving.cluster.simulation().network().heal_all();
            } else {
                moving.cluster.start(victim);
                moving.cluster.wait_ready(victim);
            }
            ASSERT_TRUE(moving.wait_moved(stations[round], 60s)) << seed << ", " << round << moving.topic->tell();
        }
        ASSERT_TRUE(moving.topic->wait_in_sync(3));
        EXPECT_TRUE(moving.topic->wait_equal({1, 2, 3}, 5s)) << seed;
        // A record whose acknowledgement was lost on the way may be there twice: each attempt is another one.
        const std::vector<std::string> found = moving.topic->read(moving.topic->wait_leader());
        for (const std::string& value : moving.values) {
            EXPECT_GE(std::count(found.begin(), found.end(), value), 1) << seed << ": " << value;
        }
    }
}

TEST(ReplicaMove, AnImpossibleOneIsRefusedWithTheReason) {
    Moving moving;
    const auto why = [&](const std::vector<int32_t>& to) {
        const PlannedSeen seen = moving.plan(to);
        EXPECT_FALSE(seen.said.ok());
        return seen.said.hint;
    };
    EXPECT_EQ(why({1}), "min-in-sync of the topic is 2: name at least as many brokers");
    EXPECT_EQ(why({1, 2, 2}), "a broker is named twice");
    EXPECT_EQ(why({1, 2, 9}), "there is no broker 9; `ironbark broker list` shows them");
    EXPECT_EQ(why({}), "no move of its replicas is planned");
    moving.cluster.kill(4);
    ASSERT_TRUE(
        moving.cluster.simulation().run_until([&] { return !moving.cluster.metadata(1)->is_alive(BrokerId(4)); }, 20s));
    EXPECT_EQ(why({1, 2, 4}), "broker 4 is not alive: start it");
    EXPECT_TRUE(moving.plan({1, 2, 3}).said.ok()) << "it is so already";
    EXPECT_EQ(moving.topic->record().replicas, first_three);
}

}  // namespace
}  // namespace ironbark::broker
