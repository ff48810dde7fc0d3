#include "tools/terminal.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>

namespace ironbark::tools {
namespace {

constexpr double progress_interval = 0.2;

void on_interrupt(int number) { interrupted = number; }

}  // namespace

volatile int interrupted = 0;

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

void catch_interrupts() {
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    // No SA_RESTART: a read that waits for input has to come back. Once only: the second one is final.
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

}  // namespace ironbark::tools
