#include "tools/local_cluster/node_process.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string_view>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "tools/local_cluster/files.h"

namespace ironbark::tools::local_cluster {
namespace {

int open_process(pid_t pid) {
    const long descriptor = syscall(SYS_pidfd_open, pid, 0);
    return static_cast<int>(descriptor);
}

struct Descriptor {
    explicit Descriptor(int its_number = -1) : number(its_number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { reset(); }
    void reset() {
        if (number >= 0) close(number);
        number = -1;
    }
    int number;
};

struct Pipe {
    // False: errno says why.
    bool open() {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) return false;
        from.number = ends[0];
        to.number = ends[1];
        return true;
    }
    Descriptor from;
    Descriptor to;
};

std::vector<std::string> environment_without_ours() {
    std::vector<std::string> variables;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        if (!std::string_view(*entry).starts_with("IRONBARK_")) variables.emplace_back(*entry);
    }
    return variables;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> array;
    for (std::string& text : texts) array.push_back(text.data());
    array.push_back(nullptr);
    return array;
}

struct Launch {
    Pipe go;      // a byte comes when the pid file is written
    Pipe report;  // errno, if the program cannot be run
    Descriptor input;
    Descriptor log;
    const char* directory = nullptr;
    char** arguments = nullptr;
    char** variables = nullptr;
};

// In the child: only what is safe between fork and exec.
[[noreturn]] void become_daemon(Launch& launch) {
    launch.go.to.reset();
    char byte = 0;
    // Whoever started this may be gone before it has written down who this is: then this goes, too.
    if (read(launch.go.from.number, &byte, 1) != 1) _exit(127);
    setsid();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    dup2(launch.input.number, STDIN_FILENO);
    dup2(launch.log.number, STDOUT_FILENO);
    dup2(launch.log.number, STDERR_FILENO);
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    if (chdir(launch.directory) == 0) execve(launch.arguments[0], launch.arguments, launch.variables);
    const int reason = errno;
    (void)!write(launch.report.to.number, &reason, sizeof(reason));
    _exit(127);
}

// Lets the child go on once the pid file is there; a failure if it does not become the daemon.
Expected<ProcessIdentity> release(Launch& launch, pid_t pid, const NodePlace& place) {
    launch.go.from.reset();
    launch.report.to.reset();
    const std::optional<ProcessIdentity> identity = identity_of(pid);
    if (!identity) return system_failure(fmt::format("cannot read /proc/{}/stat", pid));
    if (Expected<void> written = write_file(place.pid_file(), to_text(*identity)); !written) return written.error();
    if (write(launch.go.to.number, "g", 1) != 1) return system_failure("cannot start a process");
    int reason = 0;
    if (read(launch.report.from.number, &reason, sizeof(reason)) == static_cast<ssize_t>(sizeof(reason))) {
        errno = reason;
        return system_failure(fmt::format("cannot run {}", launch.arguments[0]));
    }
    return *identity;
}

}  // namespace

NodeProcess::NodeProcess(NodePlace place, ProcessIdentity identity, int descriptor, size_t log_begin)
    : place_(std::move(place)), identity_(std::move(identity)), descriptor_(descriptor), log_begin_(log_begin) {}

NodeProcess::NodeProcess(NodeProcess&& other) noexcept
    : place_(std::move(other.place_)),
      identity_(std::move(other.identity_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      log_begin_(other.log_begin_) {}

NodeProcess& NodeProcess::operator=(NodeProcess&& other) noexcept {
    std::swap(place_, other.place_);
    std::swap(identity_, other.identity_);
    std::swap(descriptor_, other.descriptor_);
    std::swap(log_begin_, other.log_begin_);
    return *this;
}

NodeProcess::~NodeProcess() {
    if (descriptor_ >= 0) close(descriptor_);
}

std::optional<NodeProcess> NodeProcess::find(const NodePlace& place) {
    std::optional<ProcessIdentity> identity = parse_identity(read_file(place.pid_file()));
    if (!identity) return std::nullopt;
    // First the handle, then the look: it is of the process that the look finds.
    const int descriptor = open_process(identity->pid);
    if (descriptor < 0) return std::nullopt;
    NodeProcess process(place, *identity, descriptor, 0);
    if (!local_cluster::is_running(*identity)) return std::nullopt;
    return process;
}

Expected<NodeProcess> NodeProcess::start(const std::string& program, const NodePlace& place) {
    std::vector<std::string> arguments = {program, "--config", place.config_file()};
    std::vector<std::string> variables = environment_without_ours();
    std::vector<char*> argument_pointers = pointers(arguments);
    std::vector<char*> variable_pointers = pointers(variables);
    Launch launch;
    launch.directory = place.directory.c_str();
    launch.arguments = argument_pointers.data();
    launch.variables = variable_pointers.data();
    launch.input.number = open("/dev/null", O_RDONLY | O_CLOEXEC);
    launch.log.number = open(place.log_file().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (launch.log.number < 0) return system_failure("cannot open " + place.log_file());
    const off_t log_begin = lseek(launch.log.number, 0, SEEK_END);
    if (!launch.go.open() || !launch.report.open()) return system_failure("cannot make a pipe");
    const pid_t pid = fork();
    if (pid < 0) return system_failure("cannot start a process");
    if (pid == 0) become_daemon(launch);
    const int descriptor = open_process(pid);
    Expected<ProcessIdentity> identity = release(launch, pid, place);
    if (!identity || descriptor < 0) {
        // Without the word to go on it ends by itself.
        launch.go.to.reset();
        if (descriptor < 0) ::kill(pid, SIGKILL);  // a child of ours, not waited for yet: its number is its own
        if (descriptor >= 0) close(descriptor);
        waitpid(pid, nullptr, 0);
        return identity ? system_failure("cannot watch the process") : identity.error();
    }
    return NodeProcess(place, *identity, descriptor, static_cast<size_t>(std::max<off_t>(log_begin, 0)));
}

void NodeProcess::signal(int number) {
    (void)syscall(SYS_pidfd_send_signal, descriptor_, number, nullptr, 0);
}

bool NodeProcess::wait(std::chrono::milliseconds limit) {
    pollfd ended{descriptor_, POLLIN, 0};
    return poll(&ended, 1, static_cast<int>(limit.count())) == 1;
}

std::string NodeProcess::said() const {
    return read_file_from(place_.log_file(), log_begin_);
}

}  // namespace ironbark::tools::local_cluster
