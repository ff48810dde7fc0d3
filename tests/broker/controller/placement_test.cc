#include "broker/controller/placement.h"
#include "broker/controller/tiers.h"

#include <algorithm>
#include <set>

#include "tests/broker/controller/metadata_samples.h"

namespace ironbark::broker {
namespace {

// Brokers 1, 2, ...: the rack of each.
Metadata racks(const std::vector<std::string>& names) {
    Metadata state;
    for (size_t index = 0; index < names.size(); ++index) {
        RegisterBroker broker = start(static_cast<int32_t>(index) + 1, 1);
        broker.rack = names[index];
        EXPECT_TRUE(state.apply(register_broker(broker)).ok());
    }
    return state;
}

std::vector<std::string> equal_racks(size_t count, size_t brokers) {
    std::vector<std::string> names;
    for (size_t index = 0; index < count * brokers; ++index) names.push_back("r" + std::to_string(index % count));
    return names;
}

struct Load {
    std::map<BrokerId, int> replicas;
    std::map<BrokerId, int> firsts;
};

void add(const Assignment& assignment, Load* load) {
    for (const BrokerIds& list : assignment) {
        for (BrokerId broker : list) ++load->replicas[broker];
        ++load->firsts[list.front()];
    }
}

// The difference between the brokers that have most and least.
int spread(const Metadata& state, const std::map<BrokerId, int>& counts) {
    int least = INT32_MAX;
    int most = 0;
    for (const auto& [id, broker] : state.brokers()) {
        if (!broker.is_alive) continue;
        auto found = counts.find(id);
        const int count = found == counts.end() ? 0 : found->second;
        least = std::min(least, count);
        most = std::max(most, count);
    }
    return most - least;
}

void expect_valid(const Metadata& state, const Assignment& assignment) {
    std::map<std::string, size_t> rack_sizes;
    for (const auto& [id, broker] : state.brokers()) rack_sizes[broker.rack] += broker.is_alive ? 1 : 0;
    std::erase_if(rack_sizes, [](const auto& rack) { return rack.second == 0; });
    for (const BrokerIds& list : assignment) {
        std::set<BrokerId> distinct(list.begin(), list.end());
        ASSERT_EQ(distinct.size(), list.size());
        std::map<std::string, size_t> used;
        for (BrokerId broker : list) {
            ASSERT_TRUE(state.is_alive(broker));
            ++used[state.find(broker)->rack];
        }
        ASSERT_EQ(used.size(), std::min(list.size(), rack_sizes.size())) << "a rack twice, and another not at all";
    }
}

TEST(Placement, NeedsAsManyBrokersAsReplicas) {
    Metadata state = after({end(3, 1)}, cluster_of(3));
    EXPECT_EQ(place(state, 1, 4, 1).error().code, ErrorCode::invalid_replication_factor);
    EXPECT_EQ(place(state, 1, 0, 1).error().code, ErrorCode::invalid_replication_factor);
    EXPECT_EQ(place(state, 0, 1, 1).error().code, ErrorCode::invalid_partitions);
    EXPECT_EQ(place(state, topic_partitions_max + 1, 1, 1).error().code, ErrorCode::invalid_partitions);
    EXPECT_EQ(place({}, 1, 1, 1).error().code, ErrorCode::invalid_replication_factor);
    EXPECT_TRUE(place(state, 1, 2, 1).ok());
}

TEST(Placement, ABrokerThatIsAwayGetsTheLastPlaceIfItIsNeeded) {
    Metadata state = after({end(2, 1)}, cluster_of(3));
    Result<Assignment> assignment = place(state, 20, 3, 1);
    ASSERT_TRUE(assignment.ok());
    for (const BrokerIds& list : *assignment) {
        ASSERT_EQ(list.size(), 3u);
        EXPECT_EQ(list.back(), BrokerId(2));
    }
    assignment = place(state, 20, 2, 1);
    ASSERT_TRUE(assignment.ok());
    for (const BrokerIds& list : *assignment) EXPECT_FALSE(contains(list, BrokerId(2)));
}

TEST(Placement, AControllerOnlyKeepsNothing) {
    Metadata state = cluster_of(3);
    RegisterBroker controller = start(4, 1);
    controller.is_controller_only = true;
    ASSERT_TRUE(state.apply(register_broker(controller)).ok());
    EXPECT_EQ(brokers_with_partitions(state), 3u);
    EXPECT_FALSE(place(state, 1, 4, 1).ok());
    const Result<Assignment> assignment = place(state, 20, 3, 1);
    ASSERT_TRUE(assignment.ok());
    for (const BrokerIds& list : *assignment) EXPECT_FALSE(contains(list, BrokerId(4)));
    EXPECT_FALSE(state.apply(create_topic(topic("t", 1, 1), on(1, {1, 4}))).ok());
    EXPECT_TRUE(restored(state) == state);
    ASSERT_TRUE(state.apply(end(3, 1)).ok());
    const Result<Assignment> with_one_away = place(state, 5, 3, 1);
    ASSERT_TRUE(with_one_away.ok());
    for (const BrokerIds& list : *with_one_away) EXPECT_EQ(list.back(), BrokerId(3));
}

TEST(Placement, SpreadsEvenlyOverEqualRacks) {
    for (size_t rack_count : {1u, 2u, 3u, 5u}) {
        for (size_t brokers : {1u, 2u, 4u}) {
            Metadata state = racks(equal_racks(rack_count, brokers));
            for (int32_t replicas = 1; replicas <= std::min<int32_t>(5, static_cast<int32_t>(rack_count * brokers));
                 ++replicas) {
                for (int32_t partitions : {1, 7, 100}) {
                    for (uint64_t seed = 1; seed <= 5; ++seed) {
                        Assignment assignment = *place(state, partitions, replicas, seed);
                        ASSERT_EQ(assignment.size(), static_cast<size_t>(partitions));
                        expect_valid(state, assignment);
                        Load load;
                        add(assignment, &load);
                        EXPECT_LE(spread(state, load.replicas), 1)
                            << rack_count << "x" << brokers << ", " << partitions << "x" << replicas;
                        EXPECT_LE(spread(state, load.firsts), 1)
                            << rack_count << "x" << brokers << ", " << partitions << "x" << replicas;
                    }
                }
            }
        }
    }
}

TEST(Placement, KeepsTheRackRuleWhateverTheRacks) {
    for (uint64_t seed = 1; seed <= 100; ++seed) {
        simulation::RandomStream random(seed, "racks");
        std::vector<std::string> names;
        for (uint64_t count = 1 + random.below(12); count > 0; --count) {
            names.push_back("r" + std::to_string(random.below(4)));
        }
        Metadata state = racks(names);
        if (names.size() > 3) {
            ASSERT_TRUE(state.apply(end(2, 1)).ok());
        }
        const auto most = static_cast<int32_t>(names.size() > 3 ? names.size() - 1 : names.size());
        for (int32_t replicas = 1; replicas <= most; ++replicas) {
            expect_valid(state, *place(state, 20, replicas, seed));
        }
    }
}

// Else a broker that has just come, with nothing, would get all of the next topic, and take it along when it fails.
TEST(Placement, SpreadsEachTopicWhateverIsThere) {
    Metadata state = after({create_topic(topic("t", 1), on(30, {1, 2, 3}))}, cluster_of(4));
    for (int32_t replicas = 1; replicas <= 4; ++replicas) {
        Load load;
        add(*place(state, 8, replicas, 1), &load);
        EXPECT_LE(spread(state, load.replicas), 1) << replicas;
        EXPECT_LE(spread(state, load.firsts), 1) << replicas;
    }
}

TEST(Placement, CountsWhatIsThereAmongEquals) {
    Metadata state = after({create_topic(topic("t", 1), on(30, {1, 2}))}, cluster_of(4));
    Load load;
    add(*place(state, 6, 1, 1), &load);
    EXPECT_EQ(load.replicas[BrokerId(3)], 2);
    EXPECT_EQ(load.replicas[BrokerId(4)], 2);
}

TEST(Placement, IsTheSameForTheSameStateAndSeed) {
    Metadata state = racks(equal_racks(3, 3));
    EXPECT_EQ(*place(state, 50, 3, 7), *place(restored(state), 50, 3, 7));
    EXPECT_NE(*place(state, 50, 3, 7), *place(state, 50, 3, 8));
}

TEST(Placement, SpreadsWhatABrokerLeadsOverAllOthers) {
    Metadata state = racks(equal_racks(10, 1));
    std::map<BrokerId, std::set<BrokerId>> seconds;
    const Assignment assignment = *place(state, 500, 3, 1);
    for (const BrokerIds& list : assignment) seconds[list[0]].insert(list[1]);
    for (const auto& [leader, others] : seconds) EXPECT_GE(others.size(), 8u);
}

TEST(Placement, PlacesTheLargestTopic) {
    Metadata state = racks(equal_racks(5, 2));
    Assignment assignment = *place(state, topic_partitions_max, 5, 1);
    expect_valid(state, assignment);
    Load load;
    add(assignment, &load);
    EXPECT_LE(spread(state, load.replicas), 1);
    EXPECT_LE(spread(state, load.firsts), 1);
    EXPECT_TRUE(state.apply(create_topic(topic("t", 1, 3), assignment)).ok());
}

}  // namespace
}  // namespace ironbark::broker
