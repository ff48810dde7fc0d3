#include "tools/terminal.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>

namespace ironbark::tools {
namespace {

constexpr double progress_interval = 0.2;

volatile int interrupts_left = 0;

void on_interrupt(int number) {
    interrupted = number;
    interrupts = interrupts + 1;
    interrupts_left = interrupts_left - 1;
    if (interrupts_left > 0) return;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

}  // namespace

volatile int interrupted = 0;
volatile int interrupts = 0;

bool is_terminal(int descriptor) { return isatty(descriptor) == 1; }

Progress::Progress() : enabled_(is_terminal(STDERR_FILENO)) {}

bool Progress::is_due() {
    if (!enabled_ || watch_.seconds() < next_) return false;
    next_ = watch_.seconds() + progress_interval;
    return true;
}

void Progress::show(const std::string& text) {
    if (!enabled_) return;
    fmt::print(stderr, "\r\033[K{}", text);
    std::fflush(stderr);
    shown_ = true;
}

void Progress::clear() {
    if (shown_) fmt::print(stderr, "\r\033[K");
    shown_ = false;
}

void catch_interrupts(int count) {
    interrupts_left = count;
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    // No SA_RESTART: a read that waits for input has to come back. One signal at a time: they are counted.
    action.sa_flags = 0;
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

}  // namespace ironbark::tools
