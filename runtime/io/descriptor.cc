#include "runtime/io/descriptor.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "runtime/base/assert.h"

namespace ironbark {

void Descriptor::close() {
    // No retry: Linux has released the descriptor even when it reports EINTR.
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

WakeupDescriptor::WakeupDescriptor() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { ASSERT(fd_.is_open()); }

void WakeupDescriptor::notify() {
    uint64_t one = 1;  // the sum is full after 2^64 notifications
    ssize_t written = retry_interrupted([&] { return write(fd_.get(), &one, sizeof(one)); });
    ASSERT(written == sizeof(one));
}

Error system_error(int number, const char* static_text) {
    switch (number) {
        case EMFILE: return {ErrorCode::overloaded, "out of file descriptors: raise the limit (ulimit -n)", number};
        case ENFILE: return {ErrorCode::overloaded, "the machine is out of descriptors: raise fs.file-max", number};
        case ENOMEM:
        case ENOBUFS: return {ErrorCode::overloaded, "the kernel is out of memory for this", number};
        default: return error_from_errno(number, static_text);
    }
}

}  // namespace ironbark
