#include "tests/processes/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <stdexcept>

namespace ironbark::processes {
namespace {

// What stands between `before` and the next comma or space of the line that says that the daemon is ready.
std::string word_after(const std::string& text, const std::string& before) {
    size_t begin = text.find(before);
    if (begin == std::string::npos) return {};
    begin += before.size();
    return text.substr(begin, text.find_first_of(", \n", begin) - begin);
}

constexpr const char* ready_words = "ready: clients on ";

}  // namespace

Daemon::Daemon(DaemonOptions options) : options_(std::move(options)) { start(); }

Daemon::~Daemon() {
    process_.reset();
    end_reader();
}

void Daemon::start() {
    end_reader();
    said_.clear();
    ended_ = false;
    std::vector<std::string> command = {IRONBARKD_PROGRAM,
                                        "--data-dir",
                                        options_.data_directory,
                                        "--listen",
                                        "127.0.0.1:" + std::to_string(port_),
                                        "--metrics",
                                        options_.metrics};
    command.insert(command.end(), options_.flags.begin(), options_.flags.end());
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
    process_ = std::make_unique<Process>(command, StandardStreams{-1, -1, ends[1]});
    close(ends[1]);
    reader_ = std::thread(&Daemon::read_errors, this, ends[0]);
    wait_until_ready();
}

void Daemon::read_errors(int descriptor) {
    char bytes[4096];
    ssize_t count = 0;
    while ((count = read(descriptor, bytes, sizeof(bytes))) > 0) {
        std::lock_guard lock(mutex_);
        said_.append(bytes, static_cast<size_t>(count));
        changed_.notify_all();
    }
    close(descriptor);
    std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
}

void Daemon::wait_until_ready() {
    std::unique_lock lock(mutex_);
    auto is_ready = [this] {
        size_t line = said_.find(ready_words);
        return ended_ || (line != std::string::npos && said_.find('\n', line) != std::string::npos);
    };
    bool in_time = changed_.wait_for(lock, options_.patience, is_ready);
    const std::string address = word_after(said_, ready_words);
    metrics_address_ = word_after(said_, "metrics on ");
    lock.unlock();
    if (!in_time) give_up("ironbarkd does not get ready");
    if (address.empty()) give_up("ironbarkd has ended");
    port_ = static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

void Daemon::end_reader() {
    if (reader_.joinable()) reader_.join();
}

void Daemon::give_up(const std::string& what) {
    process_.reset();
    end_reader();
    throw std::runtime_error(what + "; it said:\n" + said_);
}

std::string Daemon::said() {
    std::lock_guard lock(mutex_);
    return said_;
}

void Daemon::kill() {
    process_->signal(SIGKILL);
    if (!process_->wait(options_.patience)) give_up("ironbarkd cannot be killed");
    end_reader();
}

int Daemon::stop() {
    process_->signal(SIGTERM);
    std::optional<int> code = process_->wait(options_.patience);
    if (!code) give_up("ironbarkd does not stop");
    end_reader();
    return *code;
}

void Daemon::pause() { process_->signal(SIGSTOP); }

void Daemon::resume() { process_->signal(SIGCONT); }

}  // namespace ironbark::processes
