#pragma once
// Daemons of ours, as child processes on ports of their own.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

namespace ironbark::story {

class NodeProcess {
  public:
    // `arguments`: what it is told besides where its data and its log are.
    NodeProcess(std::string program, std::string directory, uint16_t port, std::vector<std::string> arguments)
        : program_(std::move(program)),
          directory_(std::move(directory)),
          arguments_(std::move(arguments)),
          port_(port) {}
    NodeProcess(const NodeProcess&) = delete;
    NodeProcess& operator=(const NodeProcess&) = delete;
    ~NodeProcess();

    void launch();
    // Until it says so. Throws std::runtime_error with what it said, if it does not get ready.
    void wait_until_ready();
    void kill();  // SIGKILL, and waits until it is gone
    void stop();  // SIGTERM, the same

    std::string bootstrap() const { return "127.0.0.1:" + std::to_string(port_); }
    pid_t pid() const { return pid_; }
    const std::string& log_file() const { return log_file_; }

  private:
    void end(int signal);

    std::string program_;
    std::string directory_;
    std::vector<std::string> arguments_;
    std::string log_file_;
    pid_t pid_ = -1;
    uint16_t port_;
    size_t starts_ = 0;
};

// Three of them that are one cluster; each is a broker and a controller.
class ClusterOfThree {
  public:
    // Data and logs go to `directory`/node-1 and so on.
    ClusterOfThree(const std::string& program, const std::string& directory);

    void start();
    void stop();
    NodeProcess& node(int32_t id) { return *nodes_.at(static_cast<size_t>(id) - 1); }
    size_t size() const { return nodes_.size(); }
    std::string bootstrap() const;

  private:
    std::vector<std::unique_ptr<NodeProcess>> nodes_;
};

}  // namespace ironbark::story
