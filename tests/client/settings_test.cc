#include "ironbark/settings.h"

#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/setting_table.h"

namespace ironbark {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

std::string hint_of(const Expected<void>& result) {
    return result.ok() ? "it was accepted" : result.error().hint;
}

TEST(Settings, DefaultsAreValid) {
    EXPECT_TRUE(Settings().check().ok());
}

TEST(Settings, EveryKeyCanBeReadAndSetToWhatItIs) {
    Settings settings;
    for (const SettingInfo& info : Settings::all()) {
        Expected<std::string> value = settings.get(info.key);
        ASSERT_TRUE(value.ok()) << info.key;
        EXPECT_EQ(*value, info.default_value) << info.key;
        EXPECT_TRUE(settings.set(info.key, *value).ok()) << info.key;
        EXPECT_FALSE(info.description.empty()) << info.key;
        EXPECT_FALSE(info.type.empty()) << info.key;
    }
}

// Whatever the key, another value than the default arrives in its member, and only there.
TEST(Settings, EveryKeySetsItsOwnMember) {
    const std::map<std::string, std::string> values{
        {"bootstrap.servers", "a:1,b:2"},
        {"client.id", "me"},
        {"request.timeout.ms", "7s"},
        {"retry.backoff.ms", "7"},
        {"retry.backoff.max.ms", "700"},
        {"metadata.max.age.ms", "7min"},
        {"spin.us", "7"},
        {"acks", "isr"},
        {"enable.idempotence", "false"},
        {"linger.ms", "7"},
        {"batch.size", "7KiB"},
        {"buffer.memory", "7MiB"},
        {"max.block.ms", "7"},
        {"max.request.size", "2MiB"},
        {"delivery.timeout.ms", "7s"},
        {"max.in.flight.requests.per.connection", "3"},
        {"compression.type", "zstd"},
        {"compression.level", "7"},
        {"partitioner", "sticky"},
        {"fetch.min.bytes", "7"},
        {"fetch.max.wait.ms", "7"},
        {"fetch.max.bytes", "7MiB"},
        {"max.partition.fetch.bytes", "7KiB"},
        {"max.poll.records", "7"},
        {"auto.offset.reset", "latest"},
        {"check.crcs", "false"},
        {"visibility", "replicated"},
    };
    ASSERT_EQ(values.size(), Settings::all().size());
    for (const auto& [key, value] : values) {
        Settings settings;
        ASSERT_TRUE(settings.set(key, value).ok()) << key;
        for (const SettingInfo& info : Settings::all()) {
            bool is_changed = *settings.get(info.key) != info.default_value;
            EXPECT_EQ(is_changed, info.key == key) << key << " changed " << info.key;
        }
    }
}

TEST(Settings, TypedMembersAndNamesAreTheSame) {
    Settings settings;
    settings.linger = milliseconds(20);
    settings.acks = Acks::leader_durable;
    EXPECT_EQ(*settings.get("linger.ms"), "20ms");
    EXPECT_EQ(*settings.get("acks"), "leader_durable");
    ASSERT_TRUE(settings.set("batch.size", "1MiB").ok());
    EXPECT_EQ(settings.batch_size, size_t{1} << 20);
    ASSERT_TRUE(settings.set("delivery.timeout.ms", "5s").ok());
    EXPECT_EQ(settings.delivery_timeout, milliseconds(5000));
    ASSERT_TRUE(settings.set("delivery.timeout.ms", "1500").ok());
    EXPECT_EQ(settings.delivery_timeout, milliseconds(1500));
}

TEST(Settings, KafkasAcksMeanWhatAKafkaListenerWouldMakeOfThem) {
    Settings settings;
    const std::pair<const char*, Acks> words[] = {
        {"0", Acks::none}, {"1", Acks::leader}, {"all", Acks::topic}, {"-1", Acks::topic}};
    for (auto [word, acks] : words) {
        ASSERT_TRUE(settings.set("acks", word).ok());
        EXPECT_EQ(settings.acks, acks);
    }
}

TEST(Settings, LibrdkafkasNamesAreUnderstood) {
    Settings settings;
    ASSERT_TRUE(settings.set("queue.buffering.max.ms", "7").ok());
    ASSERT_TRUE(settings.set("metadata.broker.list", "a:1").ok());
    EXPECT_EQ(settings.linger, milliseconds(7));
    EXPECT_EQ(settings.bootstrap_servers, "a:1");
}

TEST(Settings, AnUnknownKeyIsRefusedWithTheNearestOne) {
    Settings settings;
    EXPECT_THAT(hint_of(settings.set("liner.ms", "5")), HasSubstr("did you mean 'linger.ms'"));
    EXPECT_THAT(hint_of(settings.set("compresion.type", "lz4")), HasSubstr("did you mean 'compression.type'"));
    Expected<void> foreign = settings.set("completely.different.thing.altogether", "5");
    ASSERT_FALSE(foreign.ok());
    EXPECT_EQ(foreign.error().code, ErrorCode::invalid_config);
}

TEST(Settings, ABadValueIsRefusedWithWhatIsPossible) {
    Settings settings;
    EXPECT_THAT(hint_of(settings.set("acks", "some")), HasSubstr("isr_durable"));
    EXPECT_THAT(hint_of(settings.set("enable.idempotence", "yes")), HasSubstr("true or false"));
    EXPECT_THAT(hint_of(settings.set("linger.ms", "soon")), HasSubstr("a duration"));
    EXPECT_THAT(hint_of(settings.set("batch.size", "-1")), HasSubstr("1024 to"));
    EXPECT_THAT(hint_of(settings.set("batch.size", "lots")), HasSubstr("a number of bytes"));
    EXPECT_THAT(hint_of(settings.set("delivery.timeout.ms", "2h")), HasSubstr("1ms to 3600000ms"));
    EXPECT_THAT(hint_of(settings.set("bootstrap.servers", "localhost")), HasSubstr("HOST:PORT"));
    EXPECT_THAT(hint_of(settings.set("bootstrap.servers", "")), HasSubstr("HOST:PORT"));
    EXPECT_THAT(hint_of(settings.set("max.in.flight.requests.per.connection", "0")), HasSubstr("1 to"));
    Settings untouched;
    for (const SettingInfo& info : Settings::all()) EXPECT_EQ(*settings.get(info.key), *untouched.get(info.key));
}

TEST(Settings, ValuesThatDoNotGoTogetherAreRefused) {
    Settings large_batches;
    large_batches.batch_size = size_t{2} << 20;
    EXPECT_THAT(hint_of(large_batches.check()), HasSubstr("max.request.size"));

    Settings many_in_flight;
    many_in_flight.max_in_flight = 6;
    EXPECT_THAT(hint_of(many_in_flight.check()), HasSubstr("enable.idempotence"));
    many_in_flight.enable_idempotence = false;
    EXPECT_TRUE(many_in_flight.check().ok());

    Settings small_memory;
    small_memory.max_request_size = size_t{8} << 20;
    small_memory.buffer_memory = size_t{4} << 20;
    EXPECT_THAT(hint_of(small_memory.check()), HasSubstr("buffer.memory"));

    Settings slow;
    slow.linger = milliseconds(2000);
    slow.delivery_timeout = milliseconds(1000);
    EXPECT_THAT(hint_of(slow.check()), HasSubstr("linger.ms"));

    Settings strong;
    strong.compression = Compression::lz4;
    strong.compression_level = 15;
    EXPECT_THAT(hint_of(strong.check()), HasSubstr("lz4"));
}

TEST(Settings, TheMembersThemselvesAreChecked) {
    Settings settings;
    settings.delivery_timeout = std::chrono::hours(2);
    EXPECT_THAT(hint_of(settings.check()), HasSubstr("delivery.timeout.ms"));
}

TEST(Settings, TheBootstrapAddressComesFromTheEnvironment) {
    setenv("IRONBARK_BOOTSTRAP", "elsewhere:1234", 1);
    EXPECT_EQ(Settings().bootstrap_servers, "elsewhere:1234");
    unsetenv("IRONBARK_BOOTSTRAP");
    EXPECT_EQ(Settings().bootstrap_servers, "127.0.0.1:9400");
}

TEST(SettingsTable, NoKeyStandsTwice) {
    std::map<std::string_view, int> counts;
    for (const client::SettingRow& row : client::setting_rows()) {
        ++counts[row.key];
        if (!row.other_key.empty()) ++counts[row.other_key];
    }
    for (auto [key, count] : counts) EXPECT_EQ(count, 1) << key;
}

}  // namespace
}  // namespace ironbark
