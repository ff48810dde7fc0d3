#include "broker/topic_settings.h"

#include <gtest/gtest.h>

namespace ironbark::broker {
namespace {

using wire::AckLevel;

TEST(TopicSettings, EveryDefaultIsAValueOfItsKey) {
    for (const TopicSettingInfo& info : topic_setting_table()) {
        std::string problem;
        Result<std::string> canonical = check_setting(info.key, info.default_value, &problem);
        ASSERT_TRUE(canonical.ok()) << problem;
        EXPECT_EQ(*canonical, info.default_value) << info.key;
        EXPECT_NE(std::string(info.description), "") << info.key;
    }
}

TEST(TopicSettings, LimitsAreInclusiveAndSaidToWhoeverIsBeyondThem) {
    for (const TopicSettingInfo& info : topic_setting_table()) {
        if (info.type == SettingType::level) continue;
        std::string problem;
        EXPECT_TRUE(check_setting(info.key, std::to_string(info.minimum), &problem).ok()) << info.key;
        EXPECT_TRUE(check_setting(info.key, std::to_string(info.maximum), &problem).ok()) << info.key;
        for (int64_t value : {info.minimum - 1, info.maximum + 1}) {
            problem.clear();
            EXPECT_FALSE(check_setting(info.key, std::to_string(value), &problem).ok()) << info.key << " = " << value;
            EXPECT_NE(problem.find(info.key), std::string::npos) << problem;
            EXPECT_NE(problem.find(range_text(info)), std::string::npos) << problem;
        }
    }
}

TEST(TopicSettings, UnitsAreUnderstoodAndKeptAsNumbers) {
    std::string problem;
    EXPECT_EQ(*check_setting("segment.bytes", "1MiB", &problem), "1048576");
    EXPECT_EQ(*check_setting("retention.ms", "7d", &problem), "604800000");
    EXPECT_EQ(*check_setting("retention.ms", "-1", &problem), "-1");
    EXPECT_EQ(*check_setting("min.acks", "leader_durable", &problem), "leader_durable");
    for (const char* key : {"segment.bytes", "retention.ms", "min.acks"}) {
        for (const char* value : {"", " ", "1 MB MB", "ten", "0x10", "999999999999999999999"}) {
            EXPECT_FALSE(check_setting(key, value, &problem).ok()) << key << " = " << value;
        }
    }
}

TEST(TopicSettings, AnUnknownKeyIsRefusedWithTheNearest) {
    std::string problem;
    EXPECT_FALSE(check_setting("retention.m", "1", &problem).ok());
    EXPECT_NE(problem.find("the nearest is 'retention.ms'"), std::string::npos) << problem;
    EXPECT_FALSE(check_setting("acks.defaults", "leader", &problem).ok());
    EXPECT_NE(problem.find("the nearest is 'acks.default'"), std::string::npos) << problem;
}

TEST(TopicSettings, WhatIsNotSetHasItsDefaultAndWhatAnotherVersionAllowedToo) {
    TopicSettings settings =
        parse_settings({{"retention.bytes", "4096"}, {"segment.bytes", "1"}, {"min.acks", "some"}});
    EXPECT_EQ(settings.log.retention_bytes, 4096);
    EXPECT_EQ(settings.log.segment_bytes, 128u << 20);
    EXPECT_EQ(settings.min_acks, AckLevel::none);
    EXPECT_EQ(settings.acks_default, AckLevel::isr_durable);
    EXPECT_EQ(settings.log.flush_interval, 1s);
}

// What is asked for (the default of the topic is `leader`), under each floor.
struct Row {
    AckLevel asked;
    AckLevel none, leader, leader_durable, isr, isr_durable;
};

TEST(TopicSettings, TheFloorRaisesALevelAndNeverLowersIt) {
    using enum AckLevel;
    const Row rows[] = {
        {topic_default, leader, leader, leader_durable, isr, isr_durable},
        {none, none, leader, leader_durable, isr, isr_durable},
        {leader, leader, leader, leader_durable, isr, isr_durable},
        {leader_durable, leader_durable, leader_durable, leader_durable, isr_durable, isr_durable},
        {isr, isr, isr, isr_durable, isr, isr_durable},
        {isr_durable, isr_durable, isr_durable, isr_durable, isr_durable, isr_durable},
    };
    for (const Row& row : rows) {
        const std::pair<AckLevel, AckLevel> expected[] = {{none, row.none},
                                                          {leader, row.leader},
                                                          {leader_durable, row.leader_durable},
                                                          {isr, row.isr},
                                                          {isr_durable, row.isr_durable}};
        for (const auto& [floor, level] : expected) {
            TopicSettings settings;
            settings.acks_default = leader;
            settings.min_acks = floor;
            EXPECT_EQ(effective_level(row.asked, settings), level)
                << wire::EnumNameAckLevel(row.asked) << " under " << wire::EnumNameAckLevel(floor);
        }
    }
}

}  // namespace
}  // namespace ironbark::broker
