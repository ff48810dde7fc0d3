#include "tools/output.h"

#include <unistd.h>

#include <cerrno>

namespace ironbark::tools {

void Output::flush() {
    std::string_view left = buffer_;
    while (!left.empty() && !closed_ && failure_ == 0) {
        ssize_t count = ::write(descriptor_, left.data(), left.size());
        if (count >= 0) {
            left.remove_prefix(static_cast<size_t>(count));
        } else if (errno == EPIPE) {
            closed_ = true;
        } else if (errno != EINTR) {
            failure_ = errno;
        }
    }
    buffer_.clear();
}

}  // namespace ironbark::tools
