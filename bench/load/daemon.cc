#include "bench/load/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <thread>

#include "bench/machine/processor_use.h"
#include "bench/machine/system.h"

namespace ironbark::bench {

namespace {

constexpr double start_seconds_max = 120;
constexpr double stop_seconds_max = 60;
constexpr auto poll_pause = std::chrono::milliseconds(1);
constexpr std::string_view ready_text = "ready: clients on 127.0.0.1:";

std::string read_all(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The number behind `key` in a file of "key: number" lines.
uint64_t number_in(const std::string& path, const std::string& key) {
    const std::string text = read_all(path);
    const size_t at = text.find(key);
    return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + key.size(), nullptr, 10);
}

}  // namespace

Daemon::~Daemon() {
    kill();
}

double Daemon::start() {
    const Nanoseconds begin = now();
    launch();
    wait_until_ready();
    return to_seconds(now() - begin);
}

void Daemon::launch() {
    std::filesystem::create_directories(command_.directory);
    trace_ = command_.directory + "/ironbarkd-" + std::to_string(++starts_) + ".log";
    std::vector<std::string> words{command_.program, "--data-dir", data_directory(), "--listen",
                                   "127.0.0.1:" + std::to_string(port_), "--metrics", "off", "--io", command_.io};
    words.insert(words.end(), command_.flags.begin(), command_.flags.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    id_ = static_cast<pid_t>(check(::fork(), "fork"));
    if (id_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it does not outlive a benchmark that is killed
    const int trace = ::open(trace_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ::dup2(trace, STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
}

void Daemon::wait_until_ready() {
    const Nanoseconds give_up = now() + from_seconds(start_seconds_max);
    while (true) {
        const std::string said = read_all(trace_);
        const size_t at = said.find(ready_text);
        if (at != std::string::npos && said.find('\n', at) != std::string::npos) {
            const char* digits = said.data() + at + ready_text.size();
            std::from_chars(digits, said.data() + said.size(), port_);
            return;
        }
        if (::waitpid(id_, nullptr, WNOHANG) == id_) {
            id_ = -1;
            throw std::runtime_error(command_.program + " ended instead of starting. It said:\n" + said);
        }
        if (now() > give_up) throw std::runtime_error(command_.program + " did not get ready. It said:\n" + said);
        std::this_thread::sleep_for(poll_pause);
    }
}

void Daemon::stop() {
    if (id_ < 0) return;
    ::kill(id_, SIGTERM);
    wait_until_gone();
}

void Daemon::kill() {
    if (id_ < 0) return;
    ::kill(id_, SIGKILL);
    wait_until_gone();
}

void Daemon::pause() {
    check(::kill(id_, SIGSTOP), "SIGSTOP");
}

void Daemon::resume() {
    check(::kill(id_, SIGCONT), "SIGCONT");
}

std::string Daemon::said() const {
    return read_all(trace_);
}

void Daemon::wait_until_gone() {
    const Nanoseconds give_up = now() + from_seconds(stop_seconds_max);
    while (::waitpid(id_, nullptr, WNOHANG) != id_) {
        if (now() > give_up) ::kill(id_, SIGKILL);
        std::this_thread::sleep_for(poll_pause);
    }
    id_ = -1;
}

std::string Daemon::version_of(const std::string& program) {
    const std::unique_ptr<FILE, int (*)(FILE*)> output(::popen(("'" + program + "' --version").c_str(), "r"), ::pclose);
    char line[256] = "";
    if (output == nullptr || std::fgets(line, sizeof line, output.get()) == nullptr) {
        throw std::runtime_error(program + " does not run: name the daemon to measure with --daemon");
    }
    return {line, std::strcspn(line, "\n")};
}

ProcessUse Daemon::use() const {
    const std::string process = "/proc/" + std::to_string(id_);
    return {.cpu_seconds = process_times(id_).value_or(ProcessTimes{}).seconds,
            .resident_bytes = number_in(process + "/status", "VmRSS:") * 1024,
            .written_bytes = number_in(process + "/io", "\nwrite_bytes:")};
}

}  // namespace ironbark::bench
