#include "bench/machine/processor_use.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "bench/machine/child_process.h"

namespace ironbark::bench {
namespace {

double seconds_of(int ticks) {
    return static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

TEST(ProcessorUse, ReadsTimesBehindANameThatHoldsAnything) {
    const auto times = parse_process_times("42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 5\n");
    ASSERT_TRUE(times.has_value());
    EXPECT_EQ(times->parent, 7);
    EXPECT_FALSE(times->is_kernel_thread);
    EXPECT_DOUBLE_EQ(times->seconds, seconds_of(120));
    EXPECT_DOUBLE_EQ(times->waited_seconds, seconds_of(7));
}

TEST(ProcessorUse, KnowsThreadsOfTheKernel) {
    const auto times = parse_process_times("9 (kworker/0:1) I 2 0 0 0 -1 69238880 0 0 0 0 1 2 0 0 20 0 1 0 5\n");
    ASSERT_TRUE(times.has_value());
    EXPECT_TRUE(times->is_kernel_thread);
}

TEST(ProcessorUse, RefusesWhatIsNoProcess) {
    EXPECT_FALSE(parse_process_times("").has_value());
    EXPECT_FALSE(parse_process_times("42 (cut off) S 7 42").has_value());
}

TEST(ProcessorUse, CountsAsOthersWhatIsNeitherOursNorTheKernels) {
    const ProcessorTime before{.at = 0, .busy = 100, .kernel = 10, .own = 20};
    const ProcessorTime after{.at = from_seconds(2), .busy = 104, .kernel = 10.5, .own = 22.5};
    EXPECT_DOUBLE_EQ(cores_of_others(before, after), 0.5);
    EXPECT_EQ(cores_of_others(before, before), 0);
}

double seconds_of_children() {
    return processor_time().own - process_times(::getpid())->seconds;
}

TEST(ProcessorUse, CountsAChildAsOursWhileItRunsAndWhenItHasEnded) {
    const double before = seconds_of_children();
    double running = before;
    {
        const ChildProcess child([] {
            for (volatile bool is_spinning = true; is_spinning;) {
            }
        });
        while (running < before + seconds_of(10)) running = seconds_of_children();
    }
    EXPECT_GE(seconds_of_children(), running - seconds_of(2));  // our own share goes on between the two looks
}

}  // namespace
}  // namespace ironbark::bench
