#include "runtime/io/posix_executor.h"

#include <limits.h>

#include <algorithm>

#include "runtime/base/assert.h"

namespace ironbark {

namespace {

timespec to_timespec(Duration duration) {
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
    return {static_cast<time_t>(seconds.count()), static_cast<long>((duration - seconds).count())};
}

// Rounded up: a timer that fires early would only wait again. -1: no limit.
int to_milliseconds(Instant deadline, Duration left) {
    if (deadline == never) return -1;
    auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return static_cast<int>(std::min<int64_t>(milliseconds, INT_MAX));
}

}  // namespace

Result<void> Watch::begin(int fd, uint32_t events) {
    ASSERT(fd_ == -1);
    epoll_event event{};
    event.events = events | EPOLLET;
    event.data.ptr = this;
    if (epoll_ctl(executor_.epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        return system_error(errno, "cannot watch the socket: raise fs.epoll.max_user_watches");
    }
    fd_ = fd;
    return {};
}

void Watch::end() {
    if (fd_ == -1) return;
    int result = epoll_ctl(executor_.epoll_.get(), EPOLL_CTL_DEL, fd_, nullptr);
    ASSERT(result == 0);
    fd_ = -1;
    readable.wake_all(Wake::closed);
    writable.wake_all(Wake::closed);
}

PosixExecutor::PosixExecutor(Duration spin) : ThreadExecutor(spin), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    ASSERT(epoll_.is_open());
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.ptr = nullptr;
    int result = epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wakeup_.get(), &event);
    ASSERT(result == 0);
}

void PosixExecutor::poll(Instant deadline) {
    int count = wait(deadline);
    for (int index = 0; index < count; ++index) dispatch(events_[index]);
}

int PosixExecutor::wait(Instant deadline) {
    Duration left = deadline == Instant{} ? Duration::zero() : std::max(deadline - now(), Duration::zero());
    int count = -1;
    if (has_nanosecond_wait_) {
        timespec timeout = to_timespec(left);
        count = epoll_pwait2(epoll_.get(), events_, events_per_poll, deadline == never ? nullptr : &timeout, nullptr);
        // Linux before 5.11 lacks the call, and some containers forbid what they do not know.
        if (count == -1 && (errno == ENOSYS || errno == EPERM)) has_nanosecond_wait_ = false;
    }
    if (!has_nanosecond_wait_) {
        count = epoll_wait(epoll_.get(), events_, events_per_poll, to_milliseconds(deadline, left));
    }
    ASSERT(count >= 0 || errno == EINTR);
    return count;
}

void PosixExecutor::dispatch(const epoll_event& event) {
    Watch* watch = static_cast<Watch*>(event.data.ptr);
    if (watch == nullptr) return;  // an interruption: the turn has ended
    // An error or the end of the stream is learnt by trying, in either direction.
    constexpr uint32_t both = EPOLLERR | EPOLLHUP;
    if ((event.events & (EPOLLRDHUP | both)) != 0) watch->has_ended_ = true;
    if ((event.events & (EPOLLIN | EPOLLRDHUP | both)) != 0) {
        watch->has_input_ = true;
        watch->readable.wake_all();
    }
    if ((event.events & (EPOLLOUT | both)) != 0) watch->writable.wake_all();
}

}  // namespace ironbark
