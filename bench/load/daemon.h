#pragma once
// An ironbarkd of ours: a child process with a directory and ports of its own, ended by its id, and what the system
// counts about it. Failures end the benchmark (std::runtime_error) with what the daemon said.

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace ironbark::bench {

struct DaemonCommand {
    std::string program;
    std::string directory;             // its data and its diagnostics go below
    std::string io;                    // "io_uring" or "posix"
    std::vector<std::string> flags{};  // further ones
};

// What the kernel has counted about a process since its start.
struct ProcessUse {
    double cpu_seconds = 0;
    uint64_t resident_bytes = 0;
    uint64_t written_bytes = 0;  // sent to the disk
};

class Daemon {
  public:
    explicit Daemon(DaemonCommand command) : command_(std::move(command)) {}
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    ~Daemon();

    // Starts it and waits until it is ready; the first time on a free port, then on the same one. Returns how many
    // seconds that took.
    double start();
    // The two halves of it, for daemons that need each other to get ready.
    void launch();
    void wait_until_ready();
    void stop();    // SIGTERM, and waits until it is gone; SIGKILL if that takes too long
    void kill();    // SIGKILL
    void pause();   // SIGSTOP
    void resume();  // SIGCONT

    bool is_running() const { return id_ >= 0; }
    // What it has said on standard error since its last start.
    std::string said() const;
    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    std::string data_directory() const { return command_.directory + "/data"; }
    ProcessUse use() const;
    // What the program says to --version.
    static std::string version_of(const std::string& program);

  private:
    void wait_until_gone();

    DaemonCommand command_;
    std::string trace_;  // file that takes its standard error
    pid_t id_ = -1;
    uint16_t port_ = 0;
    int starts_ = 0;
};

}  // namespace ironbark::bench
