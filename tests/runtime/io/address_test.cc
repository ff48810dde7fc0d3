#include <gtest/gtest.h>

#include "runtime/io/world.h"

namespace ironbark {
namespace {

TEST(Address, ReadsNamesAndNumbers) {
    EXPECT_EQ(*Address::parse("broker-1:9400"), (Address{"broker-1", 9400}));
    EXPECT_EQ(*Address::parse("127.0.0.1:0"), (Address{"127.0.0.1", 0}));
    EXPECT_EQ(*Address::parse("[::1]:65535"), (Address{"::1", 65535}));
}

TEST(Address, IsPrintedAsItIsRead) {
    for (const char* text : {"broker-1:9400", "127.0.0.1:1", "[fe80::1]:9400"}) {
        EXPECT_EQ(Address::parse(text)->to_string(), text);
    }
}

TEST(Address, RefusesWhatIsNone) {
    for (const char* text : {"", ":", "host", "host:", ":9400", "host:65536", "host:-1", "host:94x", "::1:9400", "[]:1",
                             "[::1:9400", "[::1]9400", "host: 1"}) {
        EXPECT_FALSE(Address::parse(text).ok()) << text;
    }
}

TEST(DirectoryOf, IsWhatStandsBeforeTheName) {
    EXPECT_EQ(directory_of("data/log"), "data");
    EXPECT_EQ(directory_of("/data/x/log"), "/data/x");
    EXPECT_EQ(directory_of("log"), ".");
    EXPECT_EQ(directory_of("/log"), "/");
}

}  // namespace
}  // namespace ironbark
