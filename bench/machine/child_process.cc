#include "bench/machine/child_process.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "bench/machine/system.h"

namespace ironbark::bench {

ChildProcess::ChildProcess(const std::function<void()>& body)
    : id_(static_cast<pid_t>(check(::fork(), "fork"))) {
    if (id_ != 0) return;
    // No process of ours may outlive an interrupted measurement.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    body();
    ::_exit(0);
}

ChildProcess::~ChildProcess() {
    if (id_ <= 0) return;
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept : id_(std::exchange(other.id_, 0)) {}

std::vector<ChildProcess> spin_on_every_core() {
    const int count = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
    std::vector<ChildProcess> spinners;
    spinners.reserve(static_cast<std::size_t>(count));
    for (int core = 0; core < count; ++core) {
        spinners.emplace_back([core] {
            cpu_set_t cores;
            CPU_ZERO(&cores);
            CPU_SET(static_cast<std::size_t>(core), &cores);
            ::sched_setaffinity(0, sizeof cores, &cores);
            for (volatile unsigned turns = 0;;) turns = turns + 1;
        });
    }
    return spinners;
}

}  // namespace ironbark::bench
