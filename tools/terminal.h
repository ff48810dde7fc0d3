#pragma once
// What the tool has to do with the person in front of it: progress, time that passes, and Ctrl-C.

#include <chrono>
#include <cstdint>
#include <string>

namespace ironbark::tools {

bool is_terminal(int descriptor);

class Stopwatch {
  public:
    Stopwatch() : begin_(std::chrono::steady_clock::now()) {}
    double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    }

  private:
    std::chrono::steady_clock::time_point begin_;
};

// One line on standard error that is written over; nothing at all if that is no terminal.
class Progress {
  public:
    Progress();
    ~Progress() { clear(); }
    // Whether it is time for another line: a few times a second.
    bool is_due();
    void show(const std::string& text);
    void clear();

  private:
    bool enabled_;
    bool shown_ = false;
    double next_ = 0.5;  // nothing is shown of what takes no time
    Stopwatch watch_;
};

// From now on Ctrl-C and SIGTERM, so many of them, end what the command does instead of the process; the next one ends
// the process.
void catch_interrupts(int count = 1);
// 0 until a signal came, then its number. For loops, and for who waits in a system call.
extern volatile int interrupted;
// How many came.
extern volatile int interrupts;

}  // namespace ironbark::tools
