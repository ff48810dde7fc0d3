#pragma once
// A daemon of ours, as a child process on a port of its own.

#include <chrono>
#include <cstdint>
#include <string>
#include <sys/types.h>

namespace ironbark::story {

class NodeProcess {
  public:
    NodeProcess(std::string program, std::string directory)
        : program_(std::move(program)), directory_(std::move(directory)) {}
    NodeProcess(const NodeProcess&) = delete;
    NodeProcess& operator=(const NodeProcess&) = delete;
    ~NodeProcess();

    // Starts the daemon and waits until it says that it is ready; the first time on a free port, then on the same one.
    // Throws std::runtime_error with what it said, if it does not get ready.
    void start();
    void kill();  // SIGKILL, and waits until it is gone
    void stop();  // SIGTERM, the same

    std::string bootstrap() const { return "127.0.0.1:" + std::to_string(port_); }
    pid_t pid() const { return pid_; }
    const std::string& log_file() const { return log_file_; }

  private:
    void wait_until_ready();
    void end(int signal);

    std::string program_;
    std::string directory_;
    std::string log_file_;
    pid_t pid_ = -1;
    uint16_t port_ = 0;
    size_t starts_ = 0;
};

}  // namespace ironbark::story
