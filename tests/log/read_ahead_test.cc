#include "log/read_ahead.h"

#include <gtest/gtest.h>

#include "log/limits.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::log {
namespace {

constexpr size_t window_size = size_t{1} << 20;
constexpr size_t windows_max = read_ahead_bytes_max / window_size;
constexpr const char* read_path = "data/segment";

class ReadAheadTest : public testing::Test {
  protected:
    ReadAheadTest() {
        world = &node.boot();
        std::vector<uint8_t> bytes(2 * window_size);
        for (size_t index = 0; index < bytes.size(); ++index)
            bytes[index] = static_cast<uint8_t>(index / window_size + 1);
        EXPECT_TRUE(node.run(world->disk.make_directory("data")).ok());
        node.disk().replace(read_path, bytes);
    }
    ~ReadAheadTest() override {
        for (auto& file : files) node.run(file->close());
    }
    std::shared_ptr<ReadAhead> make(uint64_t begin = 0, size_t size = window_size) {
        return ReadAhead::make(*world, budget, begin, size);
    }
    File* open() {
        files.push_back(node.run(world->disk.open(read_path, OpenMode::read, true)).value());
        return files.back().get();
    }
    std::shared_ptr<ReadAhead> make_filled() {
        std::shared_ptr<ReadAhead> window = make();
        if (window) node.run(window->fill(open()));
        return window;
    }

    simulation::Simulation simulation{1};
    simulation::Node& node = simulation.node("n1");
    World* world = nullptr;
    ReadAheadBudget budget;
    std::vector<std::unique_ptr<File>> files;
};

TEST_F(ReadAheadTest, HandsOverWhatItRead) {
    std::shared_ptr<ReadAhead> window = make(window_size);
    EXPECT_EQ(budget.bytes, window_size);
    node.run(window->fill(open()));
    BufferSlice bytes = node.run(window->take());
    ASSERT_EQ(bytes.size, window_size);
    EXPECT_EQ(bytes.bytes().front(), 2);
    EXPECT_EQ(bytes.bytes().back(), 2);
    EXPECT_EQ(budget.bytes, 0u) << "it is the reader's now";
}

Task<void> take_into(std::shared_ptr<ReadAhead> window, std::optional<BufferSlice>* into) {
    BufferSlice bytes = co_await window->take();
    *into = std::move(bytes);
}

TEST_F(ReadAheadTest, LetsTheReaderWaitUntilItIsFilled) {
    std::shared_ptr<ReadAhead> window = make();
    std::optional<BufferSlice> taken;
    node.spawn(take_into(window, &taken));
    simulation.run_for(1s);
    EXPECT_FALSE(taken);
    node.run(window->fill(open()));
    simulation.run_for(1ms);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->size, window_size);
}

TEST_F(ReadAheadTest, ThatIsAbandonedGivesNothing) {
    std::shared_ptr<ReadAhead> window = make();
    window->abandon();
    EXPECT_EQ(node.run(window->take()).size, 0u);
    EXPECT_EQ(budget.bytes, 0u);
}

TEST_F(ReadAheadTest, ThatCannotBeReadGivesNothing) {
    node.disk().fail_reads(read_path, 0);
    EXPECT_EQ(node.run(make_filled()->take()).size, 0u);
    EXPECT_EQ(budget.bytes, 0u);
}

TEST_F(ReadAheadTest, BeyondTheEndOfTheFileGivesNothing) {
    std::shared_ptr<ReadAhead> window = make(2 * window_size - block_size);
    node.run(window->fill(open()));
    EXPECT_EQ(node.run(window->take()).size, 0u) << "a part could be read half written";
}

TEST_F(ReadAheadTest, TakesTheMemoryOfTheWindowThatHasWaitedLongest) {
    std::vector<std::shared_ptr<ReadAhead>> windows;
    for (size_t number = 0; number < windows_max + 2; ++number) windows.push_back(make_filled());
    EXPECT_EQ(budget.bytes, read_ahead_bytes_max);
    EXPECT_EQ(node.run(windows[0]->take()).size, 0u);
    EXPECT_EQ(node.run(windows[1]->take()).size, 0u);
    EXPECT_EQ(node.run(windows[2]->take()).size, window_size);
}

TEST_F(ReadAheadTest, IsNotMadeWhenAllMemoryIsBeingFilled) {
    std::vector<std::shared_ptr<ReadAhead>> windows;
    for (size_t number = 0; number < windows_max; ++number) windows.push_back(make());
    EXPECT_EQ(make(), nullptr);
    windows.front()->abandon();
    EXPECT_NE(make(), nullptr);
}

TEST_F(ReadAheadTest, GivesItsMemoryBackWithTheReader) {
    make_filled();
    EXPECT_EQ(budget.bytes, 0u);
}

TEST_F(ReadAheadTest, DoesNotRememberWindowsThatAreGone) {
    std::shared_ptr<ReadAhead> idle = make_filled();
    for (int number = 0; number < 1000; ++number) node.run(make_filled()->take());
    EXPECT_LE(budget.windows.size(), 2u) << "one reader that waits must not make the list grow for ever";
}

}  // namespace
}  // namespace ironbark::log
