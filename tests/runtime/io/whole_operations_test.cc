// write_fully, read_fully, read_file and replace_file on a disk that does less than it is asked.
#include <gtest/gtest.h>

#include <string>

#include "runtime/io/world.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark {
namespace {

using simulation::Crash;
using simulation::Node;
using simulation::one_in;
using simulation::Options;
using simulation::Simulation;
using simulation::View;

constexpr uint64_t seeds = 100;

Options short_operations() {
    Options options;
    options.disk.short_read = one_in(2);
    options.disk.short_write = one_in(2);
    return options;
}

std::string letters(size_t count) {
    std::string text(count, ' ');
    for (size_t index = 0; index < count; ++index) text[index] = static_cast<char>('a' + index * 7 / 5 % 26);
    return text;
}

std::string text_of(Node& node, const std::string& path, View view) {
    std::vector<uint8_t> bytes = node.disk().read(path, view);
    return std::string(as_text(bytes));
}

// Writes `text` as slices of several sizes.
Task<Result<void>> write(World& world, std::string text, bool direct, size_t slice_size, Sync sync) {
    CO_TRY(std::unique_ptr<File> file, co_await world.disk.open("file", OpenMode::open_or_create, direct));
    std::vector<BufferSlice> slices;
    for (size_t begin = 0; begin < text.size(); begin += slice_size) {
        slices.push_back(world.buffers.copy_of(as_bytes(std::string_view(text).substr(begin, slice_size))));
    }
    Result<void> written = co_await write_fully(*file, 0, std::move(slices), sync);
    co_await file->close();
    co_return written;
}

Task<Result<std::string>> read(World& world, size_t size, bool direct) {
    CO_TRY(std::unique_ptr<File> file, co_await world.disk.open("file", OpenMode::read, direct));
    BufferSlice into(world.buffers.take(size), 0, size);
    Result<size_t> count = co_await read_fully(*file, 0, into);
    co_await file->close();
    if (!count.ok()) co_return count.error();
    co_return std::string(as_text(into.bytes().first(*count)));
}

TEST(WriteFully, GoesOnAfterShortWrites) {
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        bool direct = seed % 2 == 0;
        std::string text = letters(direct ? 65'536 : 50'000);
        Simulation simulation(seed, short_operations());
        Node& node = simulation.node("n1");
        ASSERT_TRUE(node.run(write(node.boot(), text, direct, direct ? 8192 : 777, Sync::no)).ok());
        EXPECT_TRUE(text_of(node, "file", View::visible) == text);
    }
}

TEST(WriteFully, SyncsAllOfAWriteThatWasCutShort) {
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        std::string text = letters(65'536);
        Simulation simulation(seed, short_operations());
        Node& node = simulation.node("n1");
        ASSERT_TRUE(node.run(write(node.boot(), text, true, 8192, Sync::data)).ok());
        ASSERT_TRUE(node.run(node.world().disk.sync_directory(".")).ok());
        node.lose_power();
        EXPECT_TRUE(text_of(node, "file", View::durable) == text);
    }
}

TEST(WriteFully, PassesTheErrorOn) {
    Simulation simulation(1);
    Node& node = simulation.node("n1");
    ASSERT_TRUE(node.run(write(node.boot(), letters(8192), true, 4096, Sync::no)).ok());
    node.disk().set_capacity(12'288);
    Result<void> written = node.run(write(node.world(), letters(65'536), true, 4096, Sync::data));
    EXPECT_EQ(written.error().code, ErrorCode::storage_full);
    node.disk().fail_next_sync("file");
    written = node.run(write(node.world(), letters(4096), true, 4096, Sync::data));
    EXPECT_EQ(written.error().code, ErrorCode::io_error);
}

TEST(ReadFully, GoesOnAfterShortReads) {
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        bool direct = seed % 2 == 0;
        Simulation simulation(seed, short_operations());
        Node& node = simulation.node("n1");
        node.boot();
        std::string text = letters(65'536);
        node.disk().replace("file", as_bytes(text));
        Result<std::string> read_back = node.run(read(node.world(), 32'768, direct));
        EXPECT_TRUE(*read_back == text.substr(0, 32'768)) << "seed " << seed;
    }
}

TEST(ReadFully, StopsAtTheEndOfTheFileWhereverThatIs) {
    for (size_t size : {size_t{0}, size_t{1}, size_t{4096}, size_t{5000}, size_t{8191}, size_t{8192}}) {
        for (uint64_t seed = 0; seed < seeds; ++seed) {
            bool direct = seed % 2 == 0;
            Simulation simulation(seed, short_operations());
            Node& node = simulation.node("n1");
            node.boot();
            std::string text = letters(size);
            node.disk().replace("file", as_bytes(text));
            Result<std::string> read_back = node.run(read(node.world(), 65'536, direct));
            EXPECT_TRUE(*read_back == text) << "seed " << seed << " size " << size;
        }
    }
}

TEST(ReadFile, ReadsAllOrRefuses) {
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        Simulation simulation(seed, short_operations());
        Node& node = simulation.node("n1");
        World& world = node.boot();
        std::string text = letters(5000);
        node.disk().replace("file", as_bytes(text));
        Result<std::vector<uint8_t>> bytes = node.run(read_file(world, "file", 5000));
        EXPECT_TRUE(as_text(*bytes) == text);
        EXPECT_EQ(node.run(read_file(world, "file", 4999)).error().code, ErrorCode::corrupt_data);
        EXPECT_EQ(node.run(read_file(world, "nothing", 5000)).error().code, ErrorCode::not_found);
    }
}

Task<Result<void>> replace(World& world, std::string text) {
    std::vector<uint8_t> bytes(text.begin(), text.end());
    co_return co_await replace_file(world, "file", std::move(bytes));
}

TEST(ReplaceFile, IsDurableWhenItReturns) {
    for (uint64_t seed = 0; seed < seeds; ++seed) {
        Simulation simulation(seed, short_operations());
        Node& node = simulation.node("n1");
        World& world = node.boot();
        ASSERT_TRUE(node.run(replace(world, "")).ok());
        ASSERT_TRUE(node.run(replace(world, letters(10'000))).ok());
        node.lose_power();
        EXPECT_TRUE(text_of(node, "file", View::durable) == letters(10'000));
        EXPECT_EQ(node.disk().files(), (std::vector<std::string>{"file"}));
    }
}

TEST(ReplaceFile, LeavesTheOldOrTheNewAtEveryCrash) {
    for (Crash how : {Crash::kill, Crash::power_loss}) {
        for (uint64_t step = 1; step <= 12; ++step) {
            for (uint64_t seed = 0; seed < 20; ++seed) {
                Simulation simulation(seed, short_operations());
                Node& node = simulation.node("n1");
                node.boot();
                node.disk().replace("file", as_bytes(std::string_view("old")));
                node.disk().stop_after(step, how);
                bool has_ended = node.try_run(replace(node.world(), letters(10'000))).has_value();
                node.disk().stop_never();
                if (has_ended) node.lose_power();
                std::string text = text_of(node, "file", View::visible);
                EXPECT_TRUE(text == letters(10'000) || (text == "old" && !has_ended)) << text.size();
                node.restart();  // what was left behind does not disturb the next one
                ASSERT_TRUE(node.run(replace(node.world(), "newer")).ok());
                EXPECT_EQ(text_of(node, "file", View::durable), "newer");
            }
        }
    }
}

TEST(ReplaceFile, KeepsTheOldFileWhenTheDiskIsFull) {
    Simulation simulation(1);
    Node& node = simulation.node("n1");
    World& world = node.boot();
    node.disk().replace("file", as_bytes(std::string_view("old")));
    node.disk().set_capacity(8192);
    EXPECT_EQ(node.run(replace(world, letters(10'000))).error().code, ErrorCode::storage_full);
    EXPECT_EQ(text_of(node, "file", View::visible), "old");
    node.disk().set_capacity(1 << 20);
    EXPECT_TRUE(node.run(replace(world, letters(10'000))).ok());
}

}  // namespace
}  // namespace ironbark
