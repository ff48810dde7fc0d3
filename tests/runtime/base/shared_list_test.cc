#include "runtime/base/shared_list.h"

#include <deque>
#include <gtest/gtest.h>
#include <random>
#include <string>

namespace ironbark {
namespace {

std::vector<std::string> all_of(const SharedList<std::string>& list) {
    return {list.begin(), list.end()};
}

TEST(SharedList, IsWhatADequeWouldBe) {
    std::mt19937_64 random(1);
    SharedList<std::string> list;
    std::deque<std::string> expected;
    for (int step = 0; step < 5000; ++step) {
        if (!expected.empty() && random() % 5 < 2) {
            list.pop_front();
            expected.pop_front();
        } else {
            list.push_back(std::to_string(step));
            expected.push_back(std::to_string(step));
        }
        ASSERT_EQ(list.size(), expected.size());
        if (expected.empty()) continue;
        ASSERT_EQ(list.front(), expected.front());
        ASSERT_EQ(list.back(), expected.back());
        const size_t index = random() % expected.size();
        ASSERT_EQ(list[index], expected[index]);
    }
    EXPECT_EQ(all_of(list), std::vector<std::string>(expected.begin(), expected.end()));
}

TEST(SharedList, ACopyStaysAsItWas) {
    SharedList<std::string> list;
    for (int number = 0; number < 100; ++number) list.push_back(std::to_string(number));
    const SharedList<std::string> copy = list;
    const std::vector<std::string> before = all_of(copy);
    EXPECT_EQ(list, copy);
    for (int number = 0; number < 100; ++number) {
        list.push_back("later");
        list.pop_front();
    }
    EXPECT_EQ(all_of(copy), before);
    EXPECT_EQ(list.front(), "later");
    EXPECT_FALSE(list == copy);
}

TEST(SharedList, ACopyHasTheSameElements) {
    SharedList<std::string> list;
    for (int number = 0; number < 100; ++number) list.push_back(std::to_string(number));
    const SharedList<std::string> copy = list;
    list.push_back("later");
    EXPECT_EQ(&copy[0], &list[0]) << "not copies of them";
}

}  // namespace
}  // namespace ironbark
