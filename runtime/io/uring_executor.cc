#include "runtime/io/uring_executor.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "runtime/base/assert.h"

namespace ironbark {

namespace {

// kernel.io_uring_disabled: 0 allowed, 1 for a group and administrators, 2 for nobody. Absent before Linux 6.6.
int read_disabled_setting() {
    int value = 0;
    std::ifstream("/proc/sys/kernel/io_uring_disabled") >> value;
    return value;
}

Error explain_permission(int number) {
    switch (read_disabled_setting()) {
        case 2:
            return {ErrorCode::permission_denied,
                    "io_uring is switched off on this machine; allow it with: sysctl kernel.io_uring_disabled=0",
                    number};
        case 1:
            return {ErrorCode::permission_denied,
                    "io_uring is for one group only; allow it with: sysctl kernel.io_uring_disabled=0, or join the "
                    "group of kernel.io_uring_group",
                    number};
        default:
            return {ErrorCode::permission_denied,
                    "a sandbox forbids io_uring, as Docker's default profile does; allow io_uring_setup, "
                    "io_uring_enter and io_uring_register (docker run --security-opt seccomp=PROFILE)",
                    number};
    }
}

Error explain_set_up(int number) {
    switch (number) {
        case EPERM:
        case EACCES: return explain_permission(number);
        case ENOSYS:
            return {ErrorCode::unsupported, "there is no io_uring: Linux 6.1 is needed, or a sandbox hides it", number};
        case EINVAL:
            return {ErrorCode::unsupported, "the io_uring of this kernel is too old: Linux 6.1 is needed", number};
        case ENOMEM:
            return {ErrorCode::overloaded, "no memory for io_uring: raise the limit of locked memory (ulimit -l)",
                    number};
        default: return system_error(number, "io_uring cannot be set up");
    }
}

// io_uring_enable_rings, which the shared library of liburing 2.3 forgot to export.
void enable(int ring_fd) {
    long result = syscall(__NR_io_uring_register, ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    ASSERT(result == 0);
}

}  // namespace

__kernel_timespec to_kernel_timespec(Duration duration) {
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
    return {seconds.count(), (duration - seconds).count()};
}

Result<std::unique_ptr<UringExecutor>> UringExecutor::make(const UringSettings& settings) {
    std::unique_ptr<UringExecutor> executor(new UringExecutor(settings));
    TRY_VOID(executor->set_up());
    return executor;
}

Result<void> UringExecutor::set_up() {
    io_uring_params params{};
    // R_DISABLED: the thread that enables the ring is the one that owns it. TASKRUN_FLAG: the kernel shows in shared
    // memory that there is something to ask for, so that a busy or spinning loop need not ask.
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                   IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    params.cq_entries = settings_.completion_entries;
    int result = io_uring_queue_init_params(settings_.submission_entries, &ring_, &params);
    if (result != 0) return explain_set_up(-result);
    is_set_up_ = true;
    // A sandbox may forbid the three calls one by one. A ring that is not enabled answers EBADFD.
    result = io_uring_get_events(&ring_);
    if (result != -EBADFD && result < 0) return explain_set_up(-result);
    std::unique_ptr<io_uring_probe, void (*)(io_uring_probe*)> probe(io_uring_get_probe_ring(&ring_),
                                                                     io_uring_free_probe);
    if (probe == nullptr) return explain_set_up(EPERM);
    return {};
}

UringExecutor::~UringExecutor() {
    if (is_set_up_) io_uring_queue_exit(&ring_);
}

void UringExecutor::begin() {
    if (!is_enabled_) {
        enable(ring_.ring_fd);
        is_enabled_ = true;
        unsigned workers[2] = {settings_.kernel_workers_max, settings_.kernel_workers_max};
        io_uring_register_iowq_max_workers(&ring_, workers);  // a wish: without it the kernel's own limit holds
        mailbell_.listen();
    }
    // Saves the kernel a look-up per system call. Belongs to the thread, so it is undone at the end of the run.
    io_uring_register_ring_fd(&ring_);
}

void UringExecutor::end() {
    flush();
    io_uring_unregister_ring_fd(&ring_);
}

void UringExecutor::Mailbell::listen() {
    executor_.prepare(this, [this](io_uring_sqe* entry) {
        io_uring_prep_poll_multishot(entry, executor_.wakeup_.get(), POLLIN);
    });
}

void UringExecutor::Mailbell::complete(int32_t, uint32_t flags) {
    if ((flags & IORING_CQE_F_MORE) == 0) listen();
}

io_uring_sqe* UringExecutor::next_entry() {
    reserve(1);
    return io_uring_get_sqe(&ring_);
}

void UringExecutor::reserve(unsigned count) {
    ASSERT(is_enabled_);
    while (io_uring_sq_space_left(&ring_) < count) submit();
}

// While the kernel holds completions back because the queue is full, it takes no submissions.
void UringExecutor::submit() {
    count_submission();
    int result = io_uring_submit_and_get_events(&ring_);
    ASSERT(result >= 0 || result == -EBUSY || result == -EAGAIN || result == -EINTR);
    take_completions();
}

void UringExecutor::count_submission() {
    unsigned count = io_uring_sq_ready(&ring_);
    if (count == 0) ++counters_.waits;
    if (count != 0) ++counters_.submits;
    counters_.sqes += count;
}

// Whether a system call could tell us more than the shared memory does.
bool UringExecutor::has_news() const {
    unsigned flags = io_uring_smp_load_acquire(ring_.sq.kflags);
    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

void UringExecutor::poll(Instant deadline) {
    Duration left = deadline == Instant{} ? Duration::zero() : deadline - now();
    if (left <= Duration::zero()) {
        if (io_uring_sq_ready(&ring_) != 0 || has_news()) return submit();
        return take_completions();
    }
    count_submission();
    int result;
    if (deadline == never) {
        result = io_uring_submit_and_wait(&ring_, 1);
    } else {
        __kernel_timespec timeout = to_kernel_timespec(left);
        io_uring_cqe* first = nullptr;
        result = io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
    }
    ASSERT(result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY || result == -EAGAIN);
    take_completions();
}

void UringExecutor::take_completions() {
    if (io_uring_cq_has_overflow(&ring_)) ++counters_.overflows;
    // A completion that the kernel lost for want of memory would leave its coroutine, and what it holds, for ever.
    ASSERT(*ring_.cq.koverflow == 0);
    while (io_uring_cq_ready(&ring_) != 0) {
        io_uring_cqe* entry = nullptr;
        io_uring_peek_cqe(&ring_, &entry);
        auto* completion = static_cast<UringCompletion*>(io_uring_cqe_get_data(entry));
        int32_t result = entry->res;
        uint32_t flags = entry->flags;
        // Given back first: a completion that prepares an operation may come back here to make room.
        io_uring_cqe_seen(&ring_, entry);
        if (completion != nullptr) completion->complete(result, flags);
    }
    released_.clear();
}

void UringExecutor::release(UringCompletion* completion) {
    auto place = std::find_if(kept_.begin(), kept_.end(), [&](auto& kept) { return kept.get() == completion; });
    ASSERT(place != kept_.end());
    released_.push_back(std::move(*place));  // it is still inside `complete`
    kept_.erase(place);
}

void UringOperation::complete(int32_t result, uint32_t) {
    result_ = result;
    if (--wait_.pending_ == 0 && wait_.coroutine_) wait_.executor_.post(wait_.coroutine_);
}

}  // namespace ironbark
