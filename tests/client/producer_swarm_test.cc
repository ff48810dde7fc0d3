// Networks and brokers that misbehave at random, and what every outcome promises: `written` is in the log once, where
// the receipt says; `not_written` is not; `unknown` is there at most once; and nothing is out of order, but that
// without idempotence what is unknown may arrive late.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/client/engine_test.h"

namespace ironbark::client {
namespace {

using std::chrono::milliseconds;

constexpr int records_per_run = 150;
constexpr uint64_t seeds = 150;

simulation::Options bad_network() {
    simulation::Options options;
    options.network.split = true;
    options.network.reset = simulation::one_in(60);
    options.network.blackhole = simulation::one_in(400);
    options.network.delay = simulation::one_in(100);
    return options;
}

ProduceScript draw(simulation::RandomStream& random) {
    ProduceScript script;
    switch (random.below(8)) {
        case 0: script.error = ErrorCode::not_enough_replicas; break;
        case 1: script.error = ErrorCode::policy_violation; break;
        case 2: script.error = ErrorCode::storage_full; break;
        case 3:
        case 4:
            script.error = ErrorCode::request_timed_out;
            script.outcome = Outcome::unknown;
            break;
        case 5: script.delay = milliseconds(random.below(3000)); break;
        default: break;
    }
    bool is_certain = script.error != ErrorCode::none && script.outcome == Outcome::not_written;
    script.is_appended = !is_certain && (script.error == ErrorCode::none || random.below(2) == 0);
    return script;
}

struct Totals {
    size_t written = 0;
    size_t not_written = 0;
    size_t unknown = 0;
    size_t duplicates = 0;
};

void check(const ProducerTest& test, const std::vector<std::string>& log, bool is_idempotent, Totals& totals) {
    std::vector<size_t> places;  // of what is in the log, in the order of sending
    for (const auto& result : test.program.results) {
        auto copies = std::count(log.begin(), log.end(), result.value);
        if (result.receipt) {
            ++totals.written;
            totals.duplicates += result.receipt->duplicate ? 1 : 0;
            ASSERT_EQ(copies, 1) << result.value;
            if (result.receipt->offset >= 0) {
                EXPECT_EQ(log[static_cast<size_t>(result.receipt->offset)], result.value);
            }
        } else if (result.failure.outcome == Outcome::not_written) {
            ++totals.not_written;
            EXPECT_EQ(copies, 0) << result.value << ": " << result.failure.to_string();
        } else {
            ++totals.unknown;
            EXPECT_LE(copies, 1) << result.value << ": " << result.failure.to_string();
        }
        auto place = std::find(log.begin(), log.end(), result.value);
        bool has_its_place = is_idempotent || result.receipt;
        if (has_its_place && place != log.end()) places.push_back(static_cast<size_t>(place - log.begin()));
    }
    EXPECT_TRUE(std::is_sorted(places.begin(), places.end()));
}

void run(uint64_t seed, bool is_idempotent, Totals& totals) {
    Settings settings = test_settings();
    settings.enable_idempotence = is_idempotent;
    settings.linger = milliseconds(1);
    settings.batch_size = 1024;
    settings.retry_backoff = milliseconds(10);
    settings.retry_backoff_max = milliseconds(100);
    settings.request_timeout = milliseconds(700);
    settings.delivery_timeout = milliseconds(4000);
    ProducerTest test(settings, seed, bad_network());
    simulation::RandomStream random = test.simulation.stream("workload");
    size_t accepted = 0;
    std::vector<std::string> sent;
    for (int number = 0; number < records_per_run; ++number) {
        std::string value = "record " + std::to_string(number) + " ";
        value += std::string(random.below(300), 'x');
        if (random.below(12) == 0) test.broker().script(draw(random));
        Expected<void> result = test.send(value);
        if (result.ok()) {
            ++accepted;
            sent.push_back(value);
        }
        test.simulation.run_for(std::chrono::microseconds(random.below(random.below(20) == 0 ? 500'000 : 3000)));
    }
    ASSERT_TRUE(test.wait_for(accepted)) << "not everything was resolved";
    // What is still under way to the broker may arrive: it must change nothing that was said.
    test.simulation.run_for(std::chrono::seconds(20));
    ASSERT_EQ(test.program.results.size(), accepted);
    for (size_t index = 0; index < accepted; ++index) EXPECT_EQ(test.program.results[index].value, sent[index]);
    check(test, test.written(), is_idempotent, totals);
    EXPECT_TRUE(test.close().ok());
}

TEST(ProducerSwarm, OutcomesAreTrueWithIdempotence) {
    Totals totals;
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        run(seed, true, totals);
        if (HasFailure()) return;
    }
    // The runs are of use only if they meet all of it.
    EXPECT_GT(totals.written, seeds * records_per_run / 2);
    EXPECT_GT(totals.not_written, seeds);
    EXPECT_GT(totals.unknown, 0u);
    EXPECT_GT(totals.duplicates, seeds);
}

TEST(ProducerSwarm, OutcomesAreTrueWithoutIdempotence) {
    Totals totals;
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        run(seed, false, totals);
        if (HasFailure()) return;
    }
    EXPECT_GT(totals.written, seeds * records_per_run / 2);
    EXPECT_GT(totals.not_written, seeds);
    EXPECT_GT(totals.unknown, seeds);
    EXPECT_EQ(totals.duplicates, 0u);
}

}  // namespace
}  // namespace ironbark::client
