// What a simulated disk keeps when its process dies, and when the power goes.
#include <gtest/gtest.h>

#include <set>

#include "tests/simulation/disk_test_tasks.h"

namespace ironbark::simulation {
namespace {

constexpr uint64_t seeds = 100;

// A node with the file data/log.
struct DiskTest {
    explicit DiskTest(uint64_t seed, Options options = {}) : simulation(seed, options), node(simulation.node("n1")) {
        node.run(make_file(node.boot(), "data/log"));
    }
    void write(uint64_t position, std::string text, Sync sync = Sync::no) {
        ASSERT_TRUE(node.run(write_text(node.world(), "data/log", position, std::move(text), sync)).ok());
    }
    void sync() { ASSERT_TRUE(node.run(sync_file(node.world(), "data/log")).ok()); }
    std::string text() { return text_of(node, "data/log"); }

    Simulation simulation;
    Node& node;
};

std::string page_of(char letter) { return std::string(page_size, letter); }

TEST(PowerLoss, KeepsWhatASyncCovered) {
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskTest test(seed);
        test.write(0, "synced");
        test.sync();
        test.node.lose_power();
        EXPECT_EQ(test.text(), "synced");
    }
}

TEST(PowerLoss, KeepsASyncedWrite) {
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskTest test(seed);
        test.write(0, "synced", Sync::data);
        test.node.lose_power();
        EXPECT_EQ(test.text(), "synced");
    }
}

TEST(PowerLoss, KeepsOrDropsEachUnsyncedPageAsAWhole) {
    std::set<std::string> outcomes;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskTest test(seed);
        test.write(0, page_of('a') + page_of('a'), Sync::data);
        test.write(0, page_of('b') + page_of('b'));
        test.node.lose_power();
        std::string text = test.text();
        ASSERT_EQ(text.size(), 2 * page_size);
        for (uint64_t page = 0; page < 2; ++page) {
            std::string bytes = text.substr(page * page_size, page_size);
            EXPECT_TRUE(bytes == page_of('a') || bytes == page_of('b'));
        }
        outcomes.insert({text.front(), text.back()});
    }
    EXPECT_EQ(outcomes, (std::set<std::string>{"aa", "ab", "ba", "bb"}));
}

TEST(ProcessCrash, KeepsCompletedWrites) {
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        DiskTest test(seed);
        test.write(0, "written");
        test.node.kill();
        EXPECT_EQ(test.text(), "written");
    }
}

}  // namespace
}  // namespace ironbark::simulation
