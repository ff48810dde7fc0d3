#include <gtest/gtest.h>

#include "tools/command.h"

namespace ironbark::tools {
namespace {

using Values = std::map<std::string, std::string>;

TEST(Assignments, AreKeysAndValues) {
    EXPECT_EQ(*parse_assignments({}), Values{});
    EXPECT_EQ(*parse_assignments({"a=1", "b=", "c=x=y"}), (Values{{"a", "1"}, {"b", ""}, {"c", "x=y"}}));
}

TEST(Assignments, RefuseWhatIsNone) {
    for (const char* text : {"", "a", "=1"}) EXPECT_FALSE(parse_assignments({text}).ok()) << text;
}

TEST(Assignments, RefuseAKeyThatComesTwice) { EXPECT_FALSE(parse_assignments({"a=1", "a=2"}).ok()); }

TEST(Assignments, NameTheNearestSetting) {
    Settings settings;
    Expected<void> applied = apply_assignments(settings, {"lingr.ms=5"});
    ASSERT_FALSE(applied.ok());
    EXPECT_NE(applied.error().hint.find("linger.ms"), std::string::npos) << applied.error().hint;
}

TEST(Assignments, SetWhatTheyName) {
    Settings settings;
    ASSERT_TRUE(apply_assignments(settings, {"linger.ms=20ms", "batch.size=64KiB"}).ok());
    EXPECT_EQ(settings.linger, std::chrono::milliseconds(20));
    EXPECT_EQ(settings.batch_size, size_t{64} << 10);
}

}  // namespace
}  // namespace ironbark::tools
