#pragma once
// Walks the records of one batch, as views:
//
//     CO_TRY(RecordReader reader, RecordReader::open(frame.batch, frame.record_bytes(), &decompressor, &scratch));
//     Record record;
//     while (true) {
//         CO_TRY(bool more, reader.next(&record));
//         if (!more) break;
//         ...
//     }
//
// Safe with any bytes. Whether they are the bytes that were written is for the checksums (parse_frame) to say, before.
// The views live in the batch's bytes, or in `scratch` if the batch is compressed: valid until either goes or changes.

#include "log/record/codec.h"
#include "log/record/record.h"

namespace ironbark::record {

class RecordReader {
  public:
    // Decompresses, if the batch is compressed: into `scratch`, at most `size_max` bytes. `decompressor` and `scratch`
    // are borrowed; the first is free again afterwards. Errors: corrupt_message (an impossible header), and those of
    // Decompressor::decompress, among them unsupported_compression.
    static Result<RecordReader> open(const BatchHeader& batch,
                                     Bytes records,
                                     Decompressor* decompressor,
                                     ByteBuffer* scratch,
                                     size_t size_max = decompressed_size_max);

    // The next record, or false behind the last one. Offsets ascend, within the batch's range; there are as many
    // records as the batch says, and nothing behind them. Error: invalid_record, again at every further call.
    Result<bool> next(Record* record);

  private:
    RecordReader(const BatchHeader& batch, Bytes records) : batch_(batch), rest_(records), next_(batch.base_offset) {}

    BatchHeader batch_;
    Bytes rest_;
    Offset next_;
    int32_t read_count_ = 0;
};

}  // namespace ironbark::record
