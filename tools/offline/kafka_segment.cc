#include "tools/offline/kafka_segment.h"

#include <algorithm>

#include "log/scan.h"
#include "log/segment.h"

namespace ironbark::tools {
namespace {

constexpr size_t write_buffer_size = size_t{4} << 20;  // one write

Error differs(const char* text) { return {ErrorCode::corrupt_data, text}; }

}  // namespace

Task<Result<void>> KafkaSegmentWriter::open(std::string directory, Offset first) {
    segment_ = {};
    segment_.path = directory + "/" + log::segment_file_name(first, log::log_suffix);
    segment_.first = first;
    segment_.end = first;
    position_ = 0;
    CO_TRY(file_, co_await world_.disk.open(segment_.path, OpenMode::create, false));
    co_return Result<void>();
}

Task<Result<void>> KafkaSegmentWriter::append(record::FrameView frame) {
    Bytes batch = frame.batch_bytes();
    buffer_.insert(buffer_.end(), batch.begin(), batch.end());
    ++segment_.batches;
    segment_.records += static_cast<uint64_t>(frame.batch.records_count);
    segment_.bytes += batch.size();
    segment_.end = frame.next_offset();
    if (buffer_.size() >= write_buffer_size) CO_TRY_VOID(co_await write_buffer());
    co_return Result<void>();
}

Task<Result<void>> KafkaSegmentWriter::write_buffer() {
    if (buffer_.empty()) co_return Result<void>();
    std::vector<BufferSlice> slices;
    slices.push_back(world_.buffers.copy_of(buffer_));
    CO_TRY_VOID(co_await write_fully(*file_, position_, std::move(slices), Sync::no));
    position_ += buffer_.size();
    buffer_.clear();
    co_return Result<void>();
}

Task<Result<void>> KafkaSegmentWriter::finish() {
    CO_TRY_VOID(co_await write_buffer());
    co_return co_await file_->sync();
}

Task<void> KafkaSegmentWriter::close() {
    if (file_ == nullptr) co_return;
    std::unique_ptr<File> file = std::move(file_);
    co_await file->close();
}

namespace {

Task<Result<KafkaSegment>> read_batches(log::WindowReader* reader, Offset first) {
    KafkaSegment found;
    found.first = first;
    found.end = first;
    while (found.bytes < reader->size()) {
        CO_TRY(Bytes bytes, co_await reader->at(found.bytes, record::batch_header_size));
        if (bytes.size() < record::batch_header_size) co_return differs("the file ends inside a batch header");
        const record::BatchHeader header = record::decode_batch_header(bytes);
        if (const char* fault = record::batch_header_fault(header)) co_return differs(fault);
        const size_t size = record::batch_length_uncounted + static_cast<size_t>(header.batch_length);
        CO_TRY(Bytes whole, co_await reader->at(found.bytes, size));
        if (whole.size() < size) co_return differs("the file ends inside a batch");
        if (record::batch_crc(whole.first(size)) != header.crc) co_return differs("a batch has the wrong CRC");
        if (header.base_offset < found.end) co_return differs("offsets do not ascend");
        ++found.batches;
        found.records += static_cast<uint64_t>(header.records_count);
        found.bytes += size;
        found.end = header.base_offset + header.last_offset_delta + 1;
    }
    co_return found;
}

}  // namespace

Task<Result<void>> check_kafka_segment(World* world, KafkaSegment expected) {
    CO_TRY(std::unique_ptr<File> file, co_await world->disk.open(expected.path, OpenMode::read, false));
    Result<uint64_t> size = co_await file->size();
    Result<KafkaSegment> found = differs("the file's size is not known");
    if (size.ok()) {
        log::WindowReader reader(*file, world->buffers, *size, log::read_size);
        found = co_await read_batches(&reader, expected.first);
    }
    co_await file->close();
    if (!found.ok()) co_return found.error();
    bool is_same = found->batches == expected.batches && found->records == expected.records &&
                   found->bytes == expected.bytes && found->end == expected.end;
    if (!is_same) co_return differs("it does not hold what was written");
    co_return Result<void>();
}

}  // namespace ironbark::tools
