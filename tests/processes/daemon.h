#pragma once
// A real ironbarkd on a free port of the loopback interface. It is over when its owner goes.
//
//     TemporaryDirectory directory;
//     Daemon daemon({.data_directory = directory / "data"});
//     Process client({..., "--bootstrap", daemon.bootstrap()}, ...);
//     daemon.kill();
//     daemon.start();   the same directory and, so that clients find it, the same port
//
// Everything is bounded in time: what does not get ready, or does not end, throws std::runtime_error with what the
// daemon said.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/processes/process.h"

namespace ironbark::processes {

struct DaemonOptions {
    std::string data_directory;
    std::vector<std::string> flags{};  // further ones
    std::string metrics = "off";       // as --metrics takes it
    Milliseconds patience{30'000};     // for getting ready, and for ending
};

class Daemon {
  public:
    // Starts it and waits until it is ready.
    explicit Daemon(DaemonOptions options);
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    ~Daemon();  // SIGKILL

    std::string bootstrap() const { return "127.0.0.1:" + std::to_string(port_); }
    uint16_t port() const { return port_; }
    const std::string& metrics_address() const { return metrics_address_; }
    pid_t pid() const { return process_->pid(); }
    // What it has written to its standard error since its last start.
    std::string said();

    // After kill or stop: starts it again and waits until it is ready.
    void start();
    void kill();   // SIGKILL, and waits
    int stop();    // SIGTERM, and waits: its exit code
    void pause();  // SIGSTOP
    void resume();

  private:
    void read_errors(int descriptor);
    void wait_until_ready();
    void end_reader();
    [[noreturn]] void give_up(const std::string& what);

    DaemonOptions options_;
    uint16_t port_ = 0;
    std::string metrics_address_;
    std::unique_ptr<Process> process_;
    std::thread reader_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string said_;    // under mutex_
    bool ended_ = false;  // under mutex_: it has closed its standard error
};

}  // namespace ironbark::processes
