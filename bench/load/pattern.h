#pragma once
// The records that a benchmark writes, and the proof that they came back: record n of a partition is one fixed block of
// noise with n in its first eight bytes, so a reader can tell for every single one whether it is the right one, whole,
// and in its place. Plain state; one object per thread.

#include <cstdint>
#include <string>
#include <string_view>

namespace ironbark::bench {

class Pattern {
  public:
    explicit Pattern(size_t record_size);

    size_t record_size() const { return bytes_.size(); }
    // The value of record `number`; good until the next call.
    std::string_view record(int64_t number);
    bool is_record(std::string_view value, int64_t number);

  private:
    std::string bytes_;
};

}  // namespace ironbark::bench
