#pragma once
// Bytes for the tests of this folder: hexadecimal in both directions, and small batches made by hand, so that the
// decoders are not tested with our own encoder alone.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "log/record/frame.h"
#include "runtime/base/bytes.h"

namespace ironbark::record {

inline std::vector<uint8_t> from_hex(std::string_view text) {
    std::vector<uint8_t> bytes;
    std::string digits;
    for (char character : text) {
        if (character == ' ' || character == '\n') continue;
        digits.push_back(character);
        if (digits.size() < 2) continue;
        bytes.push_back(static_cast<uint8_t>(std::stoi(digits, nullptr, 16)));
        digits.clear();
    }
    return bytes;
}

inline std::string to_hex(Bytes bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (uint8_t byte : bytes) {
        text.push_back(digits[byte >> 4]);
        text.push_back(digits[byte & 15]);
    }
    return text;
}

constexpr int64_t sample_time = 1'700'000'000'000;
inline const PartitionIdentity sample_partition{*Uuid::parse("0f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f"),
                                                PartitionIndex(7)};

// Two records: "k" -> "hello", and one without a key and with a header "h" -> null, three milliseconds later.
inline const std::vector<uint8_t> sample_records = from_hex(
    "18 00 00 00  02 6b  0a 68656c6c6f  00"
    "1c 00 06 02  01     0a 776f726c64  02 02 68 01");

inline BatchHeader sample_header() {
    BatchHeader header;
    header.last_offset_delta = 1;
    header.records_count = 2;
    header.base_timestamp = Timestamp(sample_time);
    header.max_timestamp = Timestamp(sample_time + 3);
    return header;
}

inline const uint64_t sample_seed = sample_partition.seed();

// A frame around a batch of this header and these record bytes; lengths and checksums are right, the rest is as given.
inline std::vector<uint8_t> make_frame(BatchHeader header, Bytes records, uint64_t seed = sample_seed) {
    std::vector<uint8_t> frame(frame_prefix_size + records.size());
    std::copy(records.begin(), records.end(), frame.begin() + frame_prefix_size);
    MutableBytes batch = MutableBytes(frame).subspan(frame_header_size);
    header.batch_length = static_cast<int32_t>(batch.size() - batch_length_uncounted);
    encode_batch_header(header, batch);
    store_batch_crc(batch);
    seal_unstamped(frame, seed);
    return frame;
}
inline std::vector<uint8_t> sample_frame() {
    return make_frame(sample_header(), sample_records);
}

constexpr Stamp sample_stamp{.base_offset = Offset(41),
                             .leader_epoch = Epoch(3),
                             .chain = 0x1122334455667788,
                             .append_time = Timestamp(sample_time + 1000),
                             .flags = 0};

}  // namespace ironbark::record
