#include "log/record/batch.h"

#include <limits>

#include "runtime/base/assert.h"
#include "runtime/base/checksum.h"

namespace ironbark::record {

BatchHeader decode_batch_header(Bytes batch) {
    ASSERT(batch.size() >= batch_header_size);
    const uint8_t* at = batch.data();
    BatchHeader header;
    header.base_offset = Offset(load_be<int64_t>(at));
    header.batch_length = load_be<int32_t>(at + 8);
    header.partition_leader_epoch = Epoch(load_be<int32_t>(at + 12));
    header.magic = load_be<int8_t>(at + 16);
    header.crc = load_be<uint32_t>(at + 17);
    header.attributes = load_be<int16_t>(at + 21);
    header.last_offset_delta = load_be<int32_t>(at + 23);
    header.base_timestamp = Timestamp(load_be<int64_t>(at + 27));
    header.max_timestamp = Timestamp(load_be<int64_t>(at + 35));
    header.producer_id = ProducerId(load_be<int64_t>(at + 43));
    header.producer_epoch = ProducerEpoch(load_be<int16_t>(at + 51));
    header.base_sequence = load_be<int32_t>(at + 53);
    header.records_count = load_be<int32_t>(at + 57);
    return header;
}

void encode_batch_header(const BatchHeader& header, MutableBytes batch) {
    ASSERT(batch.size() >= batch_header_size);
    uint8_t* at = batch.data();
    store_be(at, header.base_offset.value);
    store_be(at + 8, header.batch_length);
    store_be(at + 12, header.partition_leader_epoch.value);
    store_be(at + 16, header.magic);
    store_be(at + 17, header.crc);
    store_be(at + 21, header.attributes);
    store_be(at + 23, header.last_offset_delta);
    store_be(at + 27, header.base_timestamp.milliseconds);
    store_be(at + 35, header.max_timestamp.milliseconds);
    store_be(at + 43, header.producer_id.value);
    store_be(at + 51, header.producer_epoch.value);
    store_be(at + 53, header.base_sequence);
    store_be(at + 57, header.records_count);
}

const char* batch_header_fault(const BatchHeader& header) {
    constexpr auto length_min = static_cast<int32_t>(batch_header_size - batch_length_uncounted);
    constexpr auto length_max = static_cast<int32_t>(batch_size_max - batch_length_uncounted);
    if (header.magic != 2) return "the batch is not of format 2, the only one that is supported";
    if (header.batch_length < length_min) return "the batch is shorter than its own header";
    if (header.batch_length > length_max) return "the batch claims to be larger than any batch may be";
    if (header.last_offset_delta < 0) return "the batch has a negative last offset";
    if (header.records_count < 0) return "the batch has a negative number of records";
    if (header.records_count > int64_t{header.last_offset_delta} + 1) return "the batch has more records than offsets";
    if (header.base_offset.value < 0) return "the batch has a negative base offset";
    if (header.base_offset.value > std::numeric_limits<int64_t>::max() - header.last_offset_delta - 1) {
        return "the batch's offsets do not fit into 63 bits";
    }
    return nullptr;
}

uint32_t batch_crc(Bytes batch) {
    ASSERT(batch.size() >= batch_header_size);
    return crc32c(batch.subspan(batch_crc_begin));
}

void store_batch_crc(MutableBytes batch) {
    store_be(batch.data() + 17, batch_crc(batch));
}

void store_batch_crc(MutableBytes batch, uint32_t records_crc) {
    Bytes header = Bytes(batch).subspan(batch_crc_begin, batch_header_size - batch_crc_begin);
    store_be(batch.data() + 17, crc32c_of_both(crc32c(header), records_crc, batch.size() - batch_header_size));
}

void store_batch_position(MutableBytes batch, Offset base_offset, Epoch leader_epoch) {
    ASSERT(batch.size() >= batch_header_size);
    store_be(batch.data(), base_offset.value);
    store_be(batch.data() + 12, leader_epoch.value);
}

}  // namespace ironbark::record
