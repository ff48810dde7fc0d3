#include "log/record/record_reader.h"

namespace ironbark::record {

Result<RecordReader> RecordReader::open(
    const BatchHeader& batch, Bytes records, Decompressor* decompressor, ByteBuffer* scratch, size_t size_max) {
    if (const char* fault = batch_header_fault(batch)) return Error(ErrorCode::corrupt_message, fault);
    if (batch.codec() == Codec::none) return RecordReader(batch, records);
    if (batch.records_count == 0 && records.empty()) return RecordReader(batch, records);
    TRY_VOID(decompressor->decompress(batch.codec(), records, size_max, scratch));
    return RecordReader(batch, scratch->bytes());
}

Result<bool> RecordReader::next(Record* record) {
    if (read_count_ == batch_.records_count) {
        if (rest_.empty()) return false;
        return Error(ErrorCode::invalid_record, "there are bytes behind the batch's last record");
    }
    TRY(size_t size, decode_record(rest_, batch_, record));
    if (record->offset < next_) return Error(ErrorCode::invalid_record, "the records' offsets do not ascend");
    next_ = record->offset + 1;
    rest_ = rest_.subspan(size);
    ++read_count_;
    return true;
}

}  // namespace ironbark::record
