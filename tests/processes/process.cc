#include "tests/processes/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace ironbark::processes {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

int milliseconds_until(Clock::time_point deadline) {
    auto left = std::chrono::duration_cast<Milliseconds>(deadline - Clock::now()).count();
    return left < 0 ? 0 : static_cast<int>(std::min<int64_t>(left, 1'000'000));
}

std::vector<std::string> with(const Environment& changes) {
    std::vector<std::string> variables;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        std::string variable = *entry;
        if (!changes.contains(variable.substr(0, variable.find('=')))) variables.push_back(std::move(variable));
    }
    for (const auto& [name, value] : changes) variables.push_back(name + "=" + value);
    return variables;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> array;
    for (std::string& text : texts) array.push_back(text.data());
    array.push_back(nullptr);
    return array;
}

// In the child: only what is safe between fork and exec.
[[noreturn]] void become(char** arguments, char** variables, const int (&descriptors)[3], int report) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(SIGPIPE, SIG_DFL);
    bool ready = true;
    for (int target = 0; target < 3; ++target) ready = ready && dup2(descriptors[target], target) >= 0;
    if (ready) execvpe(arguments[0], arguments, variables);
    int reason = errno;
    (void)!write(report, &reason, sizeof(reason));
    _exit(127);
}

struct Pipe {
    Pipe() {
        if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
    }
    ~Pipe() {
        close_end(0);
        close_end(1);
    }
    void close_end(int index) {
        if (ends[index] >= 0) close(ends[index]);
        ends[index] = -1;
    }
    int ends[2];
};

}  // namespace

Process::Process(const std::vector<std::string>& command, StandardStreams streams, const Environment& environment) {
    std::vector<std::string> arguments = command;
    std::vector<std::string> variables = with(environment);
    std::vector<char*> argument_pointers = pointers(arguments);
    std::vector<char*> variable_pointers = pointers(variables);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) fail("/dev/null");
    auto or_null = [null](int descriptor) { return descriptor < 0 ? null : descriptor; };
    const int descriptors[3] = {or_null(streams.input), or_null(streams.output), or_null(streams.errors)};
    Pipe report;
    pid_ = fork();
    if (pid_ == 0) become(argument_pointers.data(), variable_pointers.data(), descriptors, report.ends[1]);
    close(null);
    if (pid_ < 0) fail("fork");
    report.close_end(1);
    int reason = 0;
    if (read(report.ends[0], &reason, sizeof(reason)) == static_cast<ssize_t>(sizeof(reason))) {
        waitpid(pid_, nullptr, 0);
        errno = reason;
        fail(command.front());
    }
    exit_descriptor_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    if (exit_descriptor_ < 0) fail("pidfd_open");
}

Process::~Process() {
    if (is_running()) {
        signal(SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    if (exit_descriptor_ >= 0) close(exit_descriptor_);
}

bool Process::is_running() { return !wait(Milliseconds(0)); }

void Process::signal(int number) {
    if (!exit_code_) ::kill(pid_, number);
}

std::optional<int> Process::wait(Milliseconds limit) {
    if (exit_code_) return exit_code_;
    const Clock::time_point deadline = Clock::now() + limit;
    pollfd waiting{exit_descriptor_, POLLIN, 0};
    while (poll(&waiting, 1, milliseconds_until(deadline)) < 0) {
        if (errno != EINTR) fail("poll");
    }
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return exit_code_;
}

namespace {

// Moves bytes between this process and the child until it has closed its ends, or the time is up.
class Exchange {
  public:
    Exchange(std::string_view input, int to_child, int output, int errors) : left_(input) {
        polls_[0] = {to_child, POLLOUT, 0};
        polls_[1] = {output, POLLIN, 0};
        polls_[2] = {errors, POLLIN, 0};
        fcntl(to_child, F_SETFL, O_NONBLOCK);
    }

    // False if it took too long.
    bool run(Clock::time_point deadline, Pipe& to_child, Finished& finished) {
        while (polls_[1].fd >= 0 || polls_[2].fd >= 0) {
            if (left_.empty() && polls_[0].fd >= 0) close_input(to_child);
            int ready = poll(polls_, 3, milliseconds_until(deadline));
            if (ready < 0 && errno != EINTR) fail("poll");
            if (Clock::now() >= deadline) return false;
            if (ready <= 0) continue;
            if (polls_[0].fd >= 0 && polls_[0].revents != 0) send(to_child);
            if (polls_[1].revents != 0) receive(polls_[1], finished.output);
            if (polls_[2].revents != 0) receive(polls_[2], finished.errors);
        }
        return true;
    }

  private:
    void close_input(Pipe& to_child) {
        polls_[0].fd = -1;
        to_child.close_end(1);
    }
    void send(Pipe& to_child) {
        ssize_t count = write(polls_[0].fd, left_.data(), left_.size());
        if (count > 0) left_.remove_prefix(static_cast<size_t>(count));
        if (count < 0 && errno != EAGAIN && errno != EINTR) close_input(to_child);  // it does not want more
    }
    static void receive(pollfd& from, std::string& into) {
        char bytes[1 << 16];
        ssize_t count = read(from.fd, bytes, sizeof(bytes));
        if (count > 0) into.append(bytes, static_cast<size_t>(count));
        if (count == 0 || (count < 0 && errno != EINTR)) from.fd = -1;
    }

    std::string_view left_;
    pollfd polls_[3];
};

}  // namespace

struct Conversation::Pipes {
    Pipe input;
    Pipe output;
    Pipe errors;
};

Conversation::Conversation(const Run& run)
    : pipes_(std::make_unique<Pipes>()), deadline_(Clock::now() + run.limit) {
    ::signal(SIGPIPE, SIG_IGN);
    const StandardStreams streams{pipes_->input.ends[0], pipes_->output.ends[1], pipes_->errors.ends[1]};
    process_ = std::make_unique<Process>(run.command, streams, run.environment);
    pipes_->input.close_end(0);
    pipes_->output.close_end(1);
    pipes_->errors.close_end(1);
    say(run.input);
}

Conversation::~Conversation() = default;

void Conversation::say(std::string_view text) {
    while (!text.empty()) {
        ssize_t count = write(pipes_->input.ends[1], text.data(), text.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail("cannot write to the child");
        text.remove_prefix(static_cast<size_t>(count));
    }
}

bool Conversation::hears(std::string_view text) {
    while (finished_.output.find(text) == std::string::npos) {
        pollfd waiting{pipes_->output.ends[0], POLLIN, 0};
        if (poll(&waiting, 1, milliseconds_until(deadline_)) == 0) return false;
        char bytes[4096];
        ssize_t count = read(waiting.fd, bytes, sizeof(bytes));
        if (count == 0 || (count < 0 && errno != EINTR)) return false;
        if (count > 0) finished_.output.append(bytes, static_cast<size_t>(count));
    }
    return true;
}

void Conversation::signal(int number) { process_->signal(number); }

Finished Conversation::finish() {
    Exchange exchange({}, pipes_->input.ends[1], pipes_->output.ends[0], pipes_->errors.ends[0]);
    bool in_time = exchange.run(deadline_, pipes_->input, finished_);
    auto left = in_time ? Milliseconds(milliseconds_until(deadline_)) : Milliseconds(0);
    finished_.exit_code = process_->wait(left).value_or(-1);
    return finished_;
}

Finished run(const Run& run) {
    ::signal(SIGPIPE, SIG_IGN);
    const Clock::time_point deadline = Clock::now() + run.limit;
    Pipe input, output, errors;
    Process process(run.command, {input.ends[0], output.ends[1], errors.ends[1]}, run.environment);
    input.close_end(0);
    output.close_end(1);
    errors.close_end(1);
    Finished finished;
    Exchange exchange(run.input, input.ends[1], output.ends[0], errors.ends[0]);
    bool in_time = exchange.run(deadline, input, finished);
    input.close_end(1);
    std::optional<int> code = process.wait(in_time ? Milliseconds(milliseconds_until(deadline)) : Milliseconds(0));
    finished.exit_code = code.value_or(-1);
    return finished;
}

}  // namespace ironbark::processes
