#include "tools/line_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ironbark::tools {
namespace {

constexpr size_t read_buffer_size = size_t{1} << 20;  // one system call per many lines

}  // namespace

LineReader::LineReader(int descriptor, size_t line_size_max)
    : descriptor_(descriptor), line_size_max_(line_size_max), buffer_(read_buffer_size) {}

std::optional<Line> LineReader::next() {
    while (true) {
        const char* from = buffer_.data() + scanned_;
        const void* newline = end_ > scanned_ ? std::memchr(from, '\n', end_ - scanned_) : nullptr;
        if (newline != nullptr) {
            auto size = static_cast<size_t>(static_cast<const char*>(newline) - (buffer_.data() + begin_));
            return take(size, size + 1);
        }
        scanned_ = end_;
        if (end_ - begin_ > line_size_max_) {
            skipping_ = true;
            begin_ = end_;
        }
        if (!fill()) return last_line();
    }
}

std::optional<Line> LineReader::take(size_t size, size_t with_newline) {
    Line line{{buffer_.data() + begin_, size}, skipping_ || size > line_size_max_};
    if (line.is_too_long) line.text = {};
    skipping_ = false;
    begin_ += with_newline;
    scanned_ = begin_;
    return line;
}

// What stands behind the last newline is a line, if there is anything.
std::optional<Line> LineReader::last_line() {
    if (failure_ != 0 || (begin_ == end_ && !skipping_)) return std::nullopt;
    return take(end_ - begin_, end_ - begin_);
}

bool LineReader::fill() {
    if (at_end_ || failure_ != 0) return false;
    if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        scanned_ -= begin_;
        begin_ = 0;
    }
    if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
    while (true) {
        ssize_t count = read(descriptor_, buffer_.data() + end_, buffer_.size() - end_);
        if (count > 0) {
            end_ += static_cast<size_t>(count);
            return true;
        }
        if (count < 0 && errno == EINTR && (interrupted_ == nullptr || *interrupted_ == 0)) continue;
        at_end_ = true;
        if (count < 0 && errno != EINTR) failure_ = errno;
        return false;
    }
}

}  // namespace ironbark::tools
