#pragma once
// The daemon of one node of a local cluster, as a process: found by its pid file, or started. What is signalled is that
// process, never another one that has got its number.

#include <chrono>
#include <optional>
#include <string>

#include "tools/local_cluster/layout.h"
#include "tools/local_cluster/process_identity.h"

namespace ironbark::tools::local_cluster {

class NodeProcess {
  public:
    // The one that the pid file names, if it runs.
    static std::optional<NodeProcess> find(const NodePlace& place);
    // Starts the daemon in the background: in a session of its own, its output behind what is in the log file, without
    // IRONBARK_ variables, so that the configuration file decides alone. The pid file is there before the daemon runs.
    static Expected<NodeProcess> start(const std::string& program, const NodePlace& place);
    NodeProcess(NodeProcess&& other) noexcept;
    NodeProcess& operator=(NodeProcess&& other) noexcept;
    ~NodeProcess();  // leaves it alone

    const NodePlace& place() const { return place_; }
    pid_t pid() const { return identity_.pid; }
    void signal(int number);
    // Waits for its end; false if it takes longer. Comes back early, with false, when interrupted.
    bool wait(std::chrono::milliseconds limit);
    bool is_running() { return !wait(std::chrono::milliseconds(0)); }
    // What it has said since its start, if `start` made it.
    std::string said() const;

  private:
    NodeProcess(NodePlace place, ProcessIdentity identity, int descriptor, size_t log_begin);

    NodePlace place_;
    ProcessIdentity identity_;
    int descriptor_;  // of the process
    size_t log_begin_;
};

}  // namespace ironbark::tools::local_cluster
