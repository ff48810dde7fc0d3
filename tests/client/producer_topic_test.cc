#include "client/producer_topic.h"

#include <gtest/gtest.h>
#include <set>

#include "client/murmur2.h"

namespace ironbark::client {
namespace {

TEST(ProducerTopic, AKeyGoesWhereKafkaPutsIt) {
    ProducerTopic topic("t", Uuid::from_words(1, 2), Partitioner::murmur2, 7);
    topic.grow(12);
    for (const char* key : {"a", "b", "some longer key"}) {
        EXPECT_EQ(topic.choose(as_bytes(std::string_view(key))), partition_of_key(as_bytes(key), 12));
    }
    EXPECT_FALSE(topic.is_sticky(as_bytes(std::string_view("a"))));
    EXPECT_TRUE(topic.is_sticky(std::nullopt));
}

TEST(ProducerTopic, WithoutAKeyOnePartitionIsFilledUntilItMovesOn) {
    ProducerTopic topic("t", Uuid::from_words(1, 2), Partitioner::murmur2, 7);
    topic.grow(4);
    int32_t first = topic.choose(std::nullopt);
    EXPECT_EQ(topic.choose(std::nullopt), first);
    topic.move_on(first);
    int32_t second = topic.choose(std::nullopt);
    EXPECT_NE(second, first);
    topic.move_on(first);  // by somebody who is late
    EXPECT_EQ(topic.choose(std::nullopt), second);
}

TEST(ProducerTopic, MovingOnReachesEveryPartition) {
    ProducerTopic topic("t", Uuid::from_words(1, 2), Partitioner::murmur2, 7);
    topic.grow(8);
    std::map<int32_t, int> visits;
    for (int count = 0; count < 8000; ++count) {
        int32_t now = topic.choose(std::nullopt);
        ++visits[now];
        topic.move_on(now);
    }
    for (int32_t partition = 0; partition < 8; ++partition) {
        EXPECT_GT(visits[partition], 700);
        EXPECT_LT(visits[partition], 1300);
    }
}

TEST(ProducerTopic, RoundRobinTakesTurnsWhateverTheKey) {
    ProducerTopic topic("t", Uuid::from_words(1, 2), Partitioner::round_robin, 7);
    topic.grow(3);
    std::vector<int32_t> chosen;
    for (int count = 0; count < 6; ++count) chosen.push_back(topic.choose(as_bytes(std::string_view("same"))));
    EXPECT_EQ(chosen, (std::vector<int32_t>{0, 1, 2, 0, 1, 2}));
}

TEST(ProducerTopic, StickyIgnoresTheKey) {
    ProducerTopic topic("t", Uuid::from_words(1, 2), Partitioner::sticky, 7);
    topic.grow(16);
    EXPECT_EQ(topic.choose(as_bytes(std::string_view("a"))), topic.choose(as_bytes(std::string_view("b"))));
}

TEST(ProducerTopic, PartitionsStayWhereTheyAreWhenItGrows) {
    ProducerTopic topic("t", Uuid::from_words(1, 2), Partitioner::murmur2, 7);
    topic.grow(2);
    PartitionQueue* first = topic.partition(0);
    EXPECT_EQ(topic.partition(2), nullptr);
    topic.grow(5);
    EXPECT_EQ(topic.partition(0), first);
    EXPECT_EQ(topic.partition_count(), 5);
    ASSERT_NE(topic.partition(4), nullptr);
    EXPECT_EQ(topic.partition(4)->identity.partition.value, 4);
    EXPECT_EQ(topic.partition(-1), nullptr);
}

TEST(ProducerTopic, ATopicWithoutPartitionsHasNoPlaceForARecord) {
    ProducerTopic topic("t", Uuid::from_words(1, 2), Partitioner::murmur2, 7);
    EXPECT_EQ(topic.choose(std::nullopt), -1);
}

}  // namespace
}  // namespace ironbark::client
