#include "client/fetch_queue.h"

#include <gtest/gtest.h>

namespace ironbark::client {
namespace {

constexpr int32_t broker = 1;

TEST(FetchQueue, HandsOverWhatWasPushedInOrder) {
    FetchQueue queue;
    for (int64_t offset : {4, 9}) {
        Fetched news;
        news.offset = offset;
        queue.push(std::move(news));
    }
    std::deque<Fetched> taken;
    EXPECT_TRUE(queue.take(&taken));
    ASSERT_EQ(taken.size(), 2u);
    EXPECT_EQ(taken[0].offset, 4);
    EXPECT_EQ(taken[1].offset, 9);
    EXPECT_TRUE(queue.is_empty());
    EXPECT_FALSE(queue.take(&taken));
}

// A reader stood still for ever: the engine waited for the room that its own late count had taken.
TEST(FetchQueue, ReportsRoomWhenAnAnswerIsCountedAfterItsNewsWereTaken) {
    FetchQueue queue;
    std::deque<Fetched> taken;
    queue.push(Fetched());
    EXPECT_TRUE(queue.take(&taken));
    queue.count_answer(broker);
    EXPECT_EQ(queue.answers_waiting(broker), 1u);
    EXPECT_TRUE(queue.take(&taken));
    EXPECT_EQ(queue.answers_waiting(broker), 0u);
    EXPECT_FALSE(queue.take(&taken));
}

}  // namespace
}  // namespace ironbark::client
