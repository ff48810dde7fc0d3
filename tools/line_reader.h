#pragma once
// Lines from a file descriptor, as views into one buffer: no allocation per line. A line ends with a newline, which is
// not part of it, or with the end of the input; every other byte is data, zero included. Whatever has arrived is
// returned before more is waited for, so that slow writers are served at once.

#include <optional>
#include <string_view>
#include <vector>

namespace ironbark::tools {

struct Line {
    std::string_view text;  // good until the next call
    bool is_too_long = false;  // its bytes were skipped
};

class LineReader {
  public:
    // Lines of more than `line_size_max` bytes are skipped, so that no input takes all memory.
    LineReader(int descriptor, size_t line_size_max);

    // Waits for the next line; empty at the end of the input, after the flag was found set, or after a failure.
    std::optional<Line> next();
    // A signal handler sets it; looked at whenever a wait is interrupted.
    void watch(const volatile int* flag) { interrupted_ = flag; }
    int failure() const { return failure_; }  // errno; 0: none

  private:
    bool fill();
    std::optional<Line> take(size_t size, size_t with_newline);
    std::optional<Line> last_line();

    int descriptor_;
    size_t line_size_max_;
    std::vector<char> buffer_;
    size_t begin_ = 0;    // of what has not been returned
    size_t scanned_ = 0;  // there is no newline in [begin_, scanned_)
    size_t end_ = 0;
    bool at_end_ = false;
    bool skipping_ = false;  // inside a line that is too long
    const volatile int* interrupted_ = nullptr;
    int failure_ = 0;
};

}  // namespace ironbark::tools
