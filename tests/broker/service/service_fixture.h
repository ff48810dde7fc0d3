#pragma once
// Tests that run with one shard and with three: `TEST_P(Produce, ...)` after `SERVICE_TESTS(Produce)`.

#include <gtest/gtest.h>
#include <vector>

#include "tests/broker/service/broker_world.h"

namespace ironbark::broker {

struct ServiceTest : testing::TestWithParam<size_t> {
    // The configuration may be changed before the world is made.
    BrokerWorld& world() {
        if (!made_) made_ = std::make_unique<BrokerWorld>(GetParam(), config, options);
        return *made_;
    }
    Config config = small_config();
    Options options;

  private:
    std::unique_ptr<BrokerWorld> made_;
};

#define SERVICE_TESTS(name)       \
    struct name : ServiceTest {}; \
    INSTANTIATE_TEST_SUITE_P(Shards, name, testing::Values(1, 3), testing::PrintToStringParamName())

inline std::vector<Seen> numbered(std::vector<std::string> values, int64_t first = 0) {
    std::vector<Seen> seen;
    for (std::string& value : values) seen.push_back({first++, std::move(value)});
    return seen;
}

}  // namespace ironbark::broker
