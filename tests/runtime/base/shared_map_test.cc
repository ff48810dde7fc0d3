#include "runtime/base/shared_map.h"

#include <gtest/gtest.h>
#include <map>
#include <random>
#include <string>

namespace ironbark {
namespace {

using Map = SharedMap<std::string, int>;

std::map<std::string, int> all_of(const Map& map) {
    std::map<std::string, int> all;
    std::string last;
    for (const auto& [key, value] : map) {
        EXPECT_LT(last, key) << "not in order";
        last = key;
        all.emplace(key, value);
    }
    return all;
}

TEST(SharedMap, IsWhatAMapWouldBe) {
    std::mt19937_64 random(1);
    Map map;
    std::map<std::string, int> expected;
    for (int step = 0; step < 20'000; ++step) {
        // It grows first, and then shrinks.
        const std::string key = "k" + std::to_string(random() % 700);
        if (random() % 20 < (step < 10'000 ? 5u : 15u)) {
            ASSERT_EQ(map.erase(key), expected.erase(key) == 1);
        } else {
            map.put(key, step);
            expected[key] = step;
        }
        ASSERT_EQ(map.size(), expected.size());
        const std::string other = "k" + std::to_string(random() % 700);
        const auto there = expected.find(other);
        const int* found = map.find(other);
        ASSERT_EQ(found != nullptr, there != expected.end());
        if (found != nullptr) {
            ASSERT_EQ(*found, there->second);
        }
        if (step % 500 == 0) {
            ASSERT_EQ(all_of(map), expected);
        }
    }
    for (const auto& [key, value] : all_of(map)) EXPECT_TRUE(map.erase(key));
    EXPECT_TRUE(map.empty());
    EXPECT_EQ(map.begin(), map.end());
    EXPECT_EQ(map.find("k1"), nullptr);
}

TEST(SharedMap, ACopyStaysAsItWas) {
    Map map;
    for (int number = 0; number < 100; ++number) map.put(std::to_string(number), number);
    const Map copy = map;
    const std::map<std::string, int> before = all_of(copy);
    for (int number = 0; number < 100; number += 2) map.erase(std::to_string(number));
    for (int number = 100; number < 300; ++number) map.put(std::to_string(number), number);
    map.put("1", -1);
    EXPECT_EQ(all_of(copy), before);
    EXPECT_EQ(*copy.find("1"), 1);
    EXPECT_EQ(*map.find("1"), -1);
}

TEST(SharedMap, ACopyHasTheSameElements) {
    Map map;
    for (int number = 0; number < 200; ++number) map.put(std::to_string(1000 + number), number);
    const Map copy = map;
    map.put("1000", 5);
    EXPECT_EQ(copy.find("1199"), map.find("1199")) << "not copies of them";
}

}  // namespace
}  // namespace ironbark
