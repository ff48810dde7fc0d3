#include "tools/record_format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ironbark::tools {
namespace {

using std::string_view_literals::operator""sv;

struct RecordSample {
    Header headers[2] = {{"trace", "7"}, {"empty", std::nullopt}};
    ConsumerRecord record;

    RecordSample() {
        record.topic = "orders";
        record.partition = 3;
        record.leader_epoch = 5;
        record.offset = 42;
        record.timestamp = 1714979289123;
        record.key = "k\0y"sv;
        record.value = "value";
        record.headers = headers;
    }
    std::string formatted(std::string_view format) const {
        Expected<RecordFormat> parsed = RecordFormat::parse(format);
        std::string out;
        parsed->append(record, &out);
        return out;
    }
};

TEST(RecordFormat, ReplacesEveryVerb) {
    RecordSample sample;
    EXPECT_EQ(sample.formatted("%t/%p@%o %T %e"), "orders/3@42 1714979289123 5");
    EXPECT_EQ(sample.formatted("%k=%v"), "k\0y=value"sv);
    EXPECT_EQ(sample.formatted("%K %V"), "3 5");
    EXPECT_EQ(sample.formatted("%h"), "trace=7,empty=");
}

TEST(RecordFormat, KeepsTextAndReplacesEscapes) {
    RecordSample sample;
    EXPECT_EQ(sample.formatted("%v\\n"), "value\n");
    EXPECT_EQ(sample.formatted("a\\tb\\x00c"), "a\tb\0c"sv);
    EXPECT_EQ(sample.formatted("100%%"), "100%");
    EXPECT_EQ(sample.formatted(""), "");
}

TEST(RecordFormat, PrintsNothingForWhatIsNotThere) {
    RecordSample sample;
    sample.record.key.reset();
    sample.record.value.reset();
    sample.record.headers = {};
    EXPECT_EQ(sample.formatted("[%k][%v][%h] %K %V"), "[][][] -1 -1");
}

TEST(RecordFormat, TellsAnEmptyValueFromNone) {
    RecordSample sample;
    sample.record.value = "";
    EXPECT_EQ(sample.formatted("%V"), "0");
}

TEST(RecordFormat, RefusesUnknownVerbsAndEscapes) {
    for (const char* text : {"%", "%q", "%v%", "\\q", "%v\\"}) EXPECT_FALSE(RecordFormat::parse(text).ok()) << text;
}

TEST(RecordJson, HoldsEverything) {
    RecordSample sample;
    nlohmann::json json = to_json(sample.record);
    EXPECT_EQ(json["topic"], "orders");
    EXPECT_EQ(json["partition"], 3);
    EXPECT_EQ(json["offset"], 42);
    EXPECT_EQ(json["timestamp"], 1714979289123);
    EXPECT_EQ(json["leader_epoch"], 5);
    EXPECT_EQ(json["key"], "k\0y"sv);
    EXPECT_EQ(json["value"], "value");
    EXPECT_EQ(json["headers"][0]["key"], "trace");
    EXPECT_EQ(json["headers"][0]["value"], "7");
    EXPECT_TRUE(json["headers"][1]["value"].is_null());
}

TEST(RecordJson, EscapesWhatJsonNeedsEscaped) {
    RecordSample sample;
    sample.record.value = "quote \" backslash \\ newline \n bell \a \xc3\xa9";
    EXPECT_EQ(to_json(sample.record)["value"], *sample.record.value);
}

TEST(RecordJson, PutsBytesThatAreNoTextIntoBase64) {
    RecordSample sample;
    sample.record.key.reset();
    sample.record.value = "\xff\xfe\xfd";
    nlohmann::json json = to_json(sample.record);
    EXPECT_TRUE(json["key"].is_null());
    EXPECT_FALSE(json.contains("value"));
    EXPECT_EQ(json["value_base64"], "//79");
}

}  // namespace
}  // namespace ironbark::tools
