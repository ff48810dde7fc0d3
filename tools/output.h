#pragma once
// Standard output, in large pieces. When whoever reads it goes away (`| head`), the rest is dropped and nobody is told:
// that is how a pipe ends. Any other error is remembered for the exit code.

#include <string>
#include <string_view>

namespace ironbark::tools {

class Output {
  public:
    explicit Output(int descriptor) : descriptor_(descriptor) {}
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;
    ~Output() { flush(); }

    void write(std::string_view bytes) {
        buffer_.append(bytes);
        flush_if_full();
    }
    // What the caller appends to is written by the next `flush_if_full` or `flush`.
    std::string& buffer() { return buffer_; }
    void flush_if_full() {
        if (buffer_.size() >= flush_size) flush();
    }
    void flush();

    // Nobody reads any more: there is no use in going on.
    bool is_closed() const { return closed_; }
    // The errno of a write that failed for another reason; 0 if none did.
    int failure() const { return failure_; }

  private:
    static constexpr size_t flush_size = size_t{256} << 10;  // a pipe holds 64 KiB: larger pieces gain nothing

    int descriptor_;
    std::string buffer_;
    bool closed_ = false;
    int failure_ = 0;
};

}  // namespace ironbark::tools
