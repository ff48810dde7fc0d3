#include "runtime/io/descriptor.h"

#include <unistd.h>

namespace ironbark {

void Descriptor::close() {
    // No retry: Linux has released the descriptor even when it reports EINTR.
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Error system_error(int number, const char* static_text) {
    switch (number) {
        case EMFILE: return {ErrorCode::overloaded, "out of file descriptors: raise the limit (ulimit -n)", number};
        case ENFILE: return {ErrorCode::overloaded, "the machine is out of file descriptors: raise fs.file-max", number};
        case ENOMEM:
        case ENOBUFS: return {ErrorCode::overloaded, "the kernel is out of memory for this", number};
        default: return error_from_errno(number, static_text);
    }
}

}  // namespace ironbark
