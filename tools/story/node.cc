#include "tools/story/node.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

namespace ironbark::story {
namespace {

constexpr auto ready_time_max = std::chrono::seconds(60);
constexpr auto ready_poll = std::chrono::milliseconds(2);

std::string read_all(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

NodeProcess::~NodeProcess() { end(SIGKILL); }

void NodeProcess::start() {
    log_file_ = fmt::format("{}/ironbarkd-{}.log", directory_, ++starts_);
    std::string listen = fmt::format("127.0.0.1:{}", port_);
    std::string data = directory_ + "/data";
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("fork failed");
    if (pid_ == 0) {
        int log = open(log_file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        dup2(log, STDERR_FILENO);
        execl(program_.c_str(), program_.c_str(), "--data-dir", data.c_str(), "--listen", listen.c_str(), "--metrics",
              "127.0.0.1:0", static_cast<char*>(nullptr));
        _exit(127);
    }
    wait_until_ready();
}

void NodeProcess::wait_until_ready() {
    constexpr std::string_view marker = "ready: clients on 127.0.0.1:";
    auto give_up = std::chrono::steady_clock::now() + ready_time_max;
    while (true) {
        std::string said = read_all(log_file_);
        size_t at = said.find(marker);
        if (at != std::string::npos && said.find('\n', at) != std::string::npos) {
            const char* digits = said.data() + at + marker.size();
            std::from_chars(digits, said.data() + said.size(), port_);
            return;
        }
        int status = 0;
        if (waitpid(pid_, &status, WNOHANG) == pid_) {
            pid_ = -1;
            throw std::runtime_error(fmt::format("{} ended instead of starting. It said:\n{}", program_, said));
        }
        if (std::chrono::steady_clock::now() > give_up) {
            throw std::runtime_error(fmt::format("{} did not get ready. It said:\n{}", program_, said));
        }
        std::this_thread::sleep_for(ready_poll);
    }
}

void NodeProcess::end(int signal) {
    if (pid_ < 0) return;
    ::kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

void NodeProcess::kill() { end(SIGKILL); }
void NodeProcess::stop() { end(SIGTERM); }

}  // namespace ironbark::story
