#include "runtime/io/buffer.h"

#include <gtest/gtest.h>

#include <thread>

namespace ironbark {
namespace {

TEST(BufferPool, HandsOutAlignedMemoryOfAtLeastTheSize) {
    BufferPool pool;
    for (size_t size : {size_t{0}, size_t{1}, size_t{4096}, size_t{4097}, size_t{1'000'000}}) {
        BufferRef buffer = pool.take(size);
        EXPECT_GE(buffer->size(), size);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % io_alignment, 0u);
    }
    EXPECT_EQ(pool.bytes_in_use(), 0u);
}

TEST(BufferPool, ReusesWhatWasGivenBack) {
    BufferPool pool;
    const uint8_t* memory = pool.take(5000)->data();
    EXPECT_EQ(pool.bytes_in_stock(), 8192u);
    BufferRef again = pool.take(8192);
    EXPECT_EQ(again->data(), memory);
    EXPECT_EQ(pool.bytes_in_stock(), 0u);
    EXPECT_EQ(pool.bytes_in_use(), 8192u);
}

TEST(BufferPool, KeepsABoundedStock) {
    BufferPool pool(8192);
    {
        BufferRef first = pool.take(4096);
        BufferRef second = pool.take(4096);
        BufferRef third = pool.take(4096);
    }
    EXPECT_EQ(pool.bytes_in_stock(), 8192u);
}

TEST(BufferSlice, KeepsItsBufferAlive) {
    BufferPool pool;
    BufferSlice whole = pool.copy_of(as_bytes(std::string_view("0123456789")));
    BufferSlice part = whole.part(2, 5).part(1, 3);
    EXPECT_FALSE(whole.buffer.is_unique());
    whole = BufferSlice();
    EXPECT_TRUE(part.buffer.is_unique());
    EXPECT_EQ(as_text(part.bytes()), "345");
    EXPECT_EQ(BufferSlice().bytes().size(), 0u);
}

TEST(BufferPool, LendsMemoryOfOthersUntilTheLastSliceIsGone) {
    BufferPool pool;
    std::string text = "0123456789";
    auto owner = std::make_shared<int>(1);
    MutableBytes bytes(reinterpret_cast<uint8_t*>(text.data()), text.size());
    BufferSlice slice = pool.lend(bytes, owner);
    EXPECT_EQ(slice.data(), bytes.data());
    BufferSlice part = slice.part(3, 3);
    slice = BufferSlice();
    EXPECT_EQ(as_text(part.bytes()), "345");
    EXPECT_EQ(owner.use_count(), 2);
    part = BufferSlice();
    EXPECT_EQ(owner.use_count(), 1);
    EXPECT_EQ(pool.bytes_in_use(), 0u);
    EXPECT_EQ(pool.bytes_in_stock(), 0u);
}

TEST(BufferSliceDeathTest, StaysWithinItsBuffer) {
    BufferPool pool;
    BufferSlice slice = pool.copy_of(as_bytes(std::string_view("0123456789")));
    EXPECT_DEATH(slice.part(5, 6), "invariant broken");
    EXPECT_DEATH(BufferSlice(pool.take(4096), 1, 4096), "invariant broken");
}

TEST(BufferPool, TakesBackFromAnyThread) {
    BufferPool pool;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&pool] {
            for (size_t round = 0; round < 1000; ++round) {
                BufferSlice slice(pool.take(1 + round % 10'000), 0, 1);
                BufferSlice copy = slice;
                slice = BufferSlice();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(pool.bytes_in_use(), 0u);
}

}  // namespace
}  // namespace ironbark
