#include "tests/processes/daemon.h"

#include <gtest/gtest.h>

#include "tests/processes/temporary_directory.h"

namespace ironbark::processes {
namespace {

TEST(Process, GivesBackWhatItWroteAndItsExitCode) {
    Finished finished = run({.command = {"sh", "-c", "cat; echo problem >&2; exit 3"}, .input = "one\ntwo"});
    EXPECT_EQ(finished.exit_code, 3);
    EXPECT_EQ(finished.output, "one\ntwo");
    EXPECT_EQ(finished.errors, "problem\n");
}

TEST(Process, TakesMoreThanAPipeHoldsInBothDirections) {
    std::string input(10'000'000, 'x');
    Finished finished = run({.command = {"cat"}, .input = input});
    EXPECT_EQ(finished.exit_code, 0);
    EXPECT_TRUE(finished.output == input);
}

TEST(Process, IsKilledWhenItsTimeIsUp) {
    Finished finished = run({.command = {"cat", "/dev/zero"}, .limit = Milliseconds(50)});
    EXPECT_EQ(finished.exit_code, -1);
}

TEST(Process, ThatDoesNotReadItsInputIsNoProblem) {
    Finished finished = run({.command = {"true"}, .input = std::string(1'000'000, 'x')});
    EXPECT_EQ(finished.exit_code, 0);
}

TEST(Process, WithoutAProgramIsAnError) { EXPECT_THROW(run({.command = {"/no/such/program"}}), std::runtime_error); }

TEST(Daemon, StopsWithoutAComplaintAndStartsAgainOnItsPort) {
    TemporaryDirectory directory;
    Daemon daemon({.data_directory = directory / "data"});
    const uint16_t port = daemon.port();
    EXPECT_NE(port, 0);
    EXPECT_EQ(daemon.stop(), 0);
    daemon.start();
    EXPECT_EQ(daemon.port(), port);
    EXPECT_NE(daemon.said().find("after a clean stop"), std::string::npos);
}

TEST(Daemon, ComesBackAfterAKill) {
    TemporaryDirectory directory;
    Daemon daemon({.data_directory = directory / "data"});
    daemon.kill();
    daemon.start();
    EXPECT_NE(daemon.said().find("after an unclean stop"), std::string::npos);
}

TEST(Daemon, ThatCannotStartSaysWhy) {
    TemporaryDirectory directory;
    Daemon first({.data_directory = directory / "data"});
    try {
        Daemon second({.data_directory = directory / "data"});
        FAIL() << "two daemons on one directory";
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string(error.what()).find("in use by another ironbarkd"), std::string::npos) << error.what();
    }
}

}  // namespace
}  // namespace ironbark::processes
