#pragma once
// A program run as a child process. It dies with the thread that started it, so that no failed test leaves one behind:
// start children from a thread that outlives them.

#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ironbark::processes {

using Milliseconds = std::chrono::milliseconds;

// File descriptors that become the child's standard ones; -1: /dev/null. Borrowed.
struct StandardStreams {
    int input = -1;
    int output = -1;
    int errors = -1;
};

using Environment = std::map<std::string, std::string>;  // on top of this process's own

class Process {
  public:
    // Throws std::runtime_error if there is no such program.
    Process(const std::vector<std::string>& command, StandardStreams streams, const Environment& environment = {});
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();  // SIGKILL, if it still runs

    pid_t pid() const { return pid_; }
    bool is_running();
    void signal(int number);
    // Waits until it has ended: its exit code, or 128 + the signal that ended it. Empty if it takes longer.
    std::optional<int> wait(Milliseconds limit);

  private:
    pid_t pid_ = -1;
    int exit_descriptor_ = -1;  // readable when it has ended
    std::optional<int> exit_code_;
};

struct Finished {
    int exit_code = -1;  // -1: it was killed because its time was up
    std::string output;
    std::string errors;
};

struct Run {
    std::vector<std::string> command;
    std::string input{};  // its standard input, then the end
    Environment environment{};
    Milliseconds limit{120'000};
};

// Runs a program to its end and returns what it wrote.
Finished run(const Run& run);

// A program that is talked to while it runs. What it writes to its standard error has to fit into a pipe (64 KiB) until
// `finish`.
class Conversation {
  public:
    // `run.input` is what it is told first; its limit holds for the whole conversation.
    explicit Conversation(const Run& run);
    ~Conversation();

    void say(std::string_view text);
    // Reads what it writes to its standard output until `text` is there; false if it ends before, or its time is up.
    bool hears(std::string_view text);
    void signal(int number);
    // Ends its input, reads everything, and waits for its end.
    Finished finish();

  private:
    struct Pipes;
    std::unique_ptr<Pipes> pipes_;
    std::unique_ptr<Process> process_;
    std::chrono::steady_clock::time_point deadline_;
    Finished finished_;
};

}  // namespace ironbark::processes
