#include "tests/simulation/event_queue.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace ironbark::simulation {
namespace {

Instant at(int64_t nanoseconds) { return Instant(Duration(nanoseconds)); }

struct Letters {
    explicit Letters(Tie tie, uint64_t seed = 1) : queue(tie, RandomStream(seed, "ties")) {}
    void push(int64_t nanoseconds, char letter) {
        queue.push(at(nanoseconds), [this, letter] { text.push_back(letter); });
    }
    // The letters in the order in which their events come.
    std::string run() {
        while (!queue.empty()) queue.pop()();
        return text;
    }
    EventQueue queue;
    std::string text;
};

TEST(EventQueue, OrdersByTime) {
    Letters letters(Tie::random);
    letters.push(30, 'c');
    letters.push(10, 'a');
    letters.push(20, 'b');
    EXPECT_EQ(letters.queue.next_at(), at(10));
    EXPECT_EQ(letters.run(), "abc");
    EXPECT_EQ(letters.queue.next_at(), never);
}

TEST(EventQueue, BreaksTiesByItsRule) {
    Letters first(Tie::first_in_first_out);
    Letters last(Tie::last_in_first_out);
    for (char letter : std::string("abcd")) {
        first.push(10, letter);
        last.push(10, letter);
    }
    EXPECT_EQ(first.run(), "abcd");
    EXPECT_EQ(last.run(), "dcba");
}

TEST(EventQueue, BreaksTiesAtRandomPerSeed) {
    std::set<std::string> orders;
    for (uint64_t seed = 0; seed < 20; ++seed) {
        Letters letters(Tie::random, seed);
        for (char letter : std::string("abc")) letters.push(10, letter);
        orders.insert(letters.run());
    }
    EXPECT_GT(orders.size(), 3u);
}

}  // namespace
}  // namespace ironbark::simulation
