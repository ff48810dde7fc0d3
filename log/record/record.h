#pragma once
// One record, as views into the bytes of its batch (or into what they were decompressed to): valid as long as those.
//
// A record is a length, attributes (unused, ignored), the differences of its timestamp and offset to the batch's, key,
// value, and headers; all numbers are varints, -1 is the length of a key or value that is not there.

#include <cstdint>
#include <optional>
#include <string_view>

#include "log/record/batch.h"
#include "log/record/varint.h"
#include "runtime/base/result.h"

namespace ironbark::record {

struct RecordHeader {
    std::string_view key;
    std::optional<Bytes> value;
};

// The headers of a record in their order; keys may repeat. Made only of bytes that were verified, so a walk ends well:
//     for (RecordHeader header : record.headers) ...
class RecordHeaders {
  public:
    class Iterator {
      public:
        Iterator(Bytes encoded, int32_t left) : cursor_(encoded), left_(left) { read(); }
        const RecordHeader& operator*() const { return header_; }
        const RecordHeader* operator->() const { return &header_; }
        Iterator& operator++() {
            --left_;
            read();
            return *this;
        }
        friend bool operator==(const Iterator& left, const Iterator& right) { return left.left_ == right.left_; }

      private:
        void read();

        Cursor cursor_;
        int32_t left_;
        RecordHeader header_;
    };

    RecordHeaders() = default;
    RecordHeaders(Bytes encoded, int32_t count) : encoded_(encoded), count_(count) {}
    int32_t size() const { return count_; }
    bool empty() const { return count_ == 0; }
    Iterator begin() const { return {encoded_, count_}; }
    Iterator end() const { return {{}, 0}; }

  private:
    Bytes encoded_;
    int32_t count_ = 0;
};

struct Record {
    Offset offset;
    Timestamp timestamp;
    std::optional<Bytes> key;
    std::optional<Bytes> value;  // none: a tombstone
    RecordHeaders headers;
};

// Decodes the record at the start of `from` and returns how many bytes it takes. Reads no further, whatever the bytes.
// Verifies what stands in the record itself, and that its offset lies within the batch. Error: invalid_record.
Result<size_t> decode_record(Bytes from, const BatchHeader& batch, Record* record);

}  // namespace ironbark::record
