#pragma once
// The record batch: Kafka's RecordBatch v2, byte for byte. 61 bytes of header, big-endian, then the records: one after
// the other, or all of them in one compressed blob. It is the unit of everything and is never split.
//
//      0  i64  base offset                 21  i16  attributes: codec 0..2, append time 3, transactional 4,
//      8  i32  length after this field               control 5, delete horizon 6
//     12  i32  partition leader epoch      23  i32  last offset delta      51  i16  producer epoch
//     16  i8   magic, 2                    27  i64  base timestamp         53  i32  base sequence
//     17  u32  CRC-32C of what follows     35  i64  max timestamp          57  i32  number of records
//                                          43  i64  producer id            61       records
//
// The CRC does not cover the first 21 bytes, so that a leader can write offset and epoch without touching it.

#include <cstdint>

#include "runtime/base/bytes.h"
#include "runtime/base/ids.h"

namespace ironbark::record {

constexpr size_t batch_header_size = 61;
constexpr size_t batch_crc_begin = 21;         // the first byte that CRC-32C (and the frame's payload checksum) covers
constexpr size_t batch_length_uncounted = 12;  // base offset and the length itself

// No batch is larger, whatever a topic allows: a request carries at most 16 MiB, and a length is 32 bits on the wire.
constexpr size_t batch_size_max = size_t{16} << 20;
// Keeps what one batch makes a consumer allocate, and how long it occupies a shard, in proportion to its size.
constexpr int32_t batch_records_max = 65536;
constexpr int32_t record_headers_max = 64;
// What a batch may grow to when it is decompressed. There is no limit of the ratio: a batch of equal records honestly
// shrinks a thousandfold. Memory is taken as bytes come out, never as the header announces them.
constexpr size_t decompressed_size_max = size_t{64} << 20;

constexpr int16_t attributes_codec_mask = 7;
constexpr int16_t attribute_append_time = 8;
constexpr int16_t attribute_transactional = 16;
constexpr int16_t attribute_control = 32;
constexpr int16_t attribute_delete_horizon = 64;

enum class Codec : uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };  // Kafka's numbers

// The batch's own header, decoded. Field names are Kafka's.
struct BatchHeader {
    Offset base_offset;
    int32_t batch_length = 0;
    Epoch partition_leader_epoch{-1};
    int8_t magic = 2;
    uint32_t crc = 0;
    int16_t attributes = 0;
    int32_t last_offset_delta = 0;
    Timestamp base_timestamp;
    Timestamp max_timestamp;
    ProducerId producer_id{-1};
    ProducerEpoch producer_epoch{-1};
    int32_t base_sequence = -1;
    int32_t records_count = 0;

    Codec codec() const { return static_cast<Codec>(attributes & attributes_codec_mask); }  // 5 to 7 mean nothing
    bool is_control() const { return (attributes & attribute_control) != 0; }
    bool is_idempotent() const { return producer_id.value >= 0; }
};

// Reads the fields and checks nothing. REQUIRES: batch.size() >= batch_header_size
BatchHeader decode_batch_header(Bytes batch);
// Writes the fields, the CRC as it stands in `header`. REQUIRES: batch.size() >= batch_header_size
void encode_batch_header(const BatchHeader& header, MutableBytes batch);

// What is wrong with a header by itself (magic, length, counts, range of offsets), as a static text; nullptr if nothing
// is. A batch without records, and one with fewer records than offsets, may be the work of compaction: no fault here.
const char* batch_header_fault(const BatchHeader& header);

// The CRC that belongs into a complete batch. REQUIRES: batch.size() >= batch_header_size
uint32_t batch_crc(Bytes batch);
void store_batch_crc(MutableBytes batch);
// The same for a batch whose records, all that stands behind the header, have `records_crc`.
void store_batch_crc(MutableBytes batch, uint32_t records_crc);

// Offset and epoch, which no checksum of the batch covers. REQUIRES: batch.size() >= batch_header_size
void store_batch_position(MutableBytes batch, Offset base_offset, Epoch leader_epoch);

}  // namespace ironbark::record
