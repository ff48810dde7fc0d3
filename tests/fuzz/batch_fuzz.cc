// Batches of any bytes, compressed ones too: walking them ends, and yields no more than the batch says. The records
// that were read build a batch again that reads the same. The first byte chooses the codec.
#include <string>
#include <vector>

#include "log/record/batch_builder.h"
#include "log/record/record_reader.h"
#include "runtime/base/assert.h"

namespace ironbark::record {
namespace {

constexpr size_t size_max = size_t{1} << 20;
constexpr uint64_t seed = 42;

struct Copy {
    Timestamp timestamp;
    std::optional<std::string> key;
    std::optional<std::string> value;
    std::vector<std::pair<std::string, std::optional<std::string>>> headers;

    friend bool operator==(const Copy&, const Copy&) = default;
};

std::optional<std::string> copy_of(const std::optional<Bytes>& bytes) {
    return bytes ? std::optional<std::string>(as_text(*bytes)) : std::nullopt;
}
std::optional<Bytes> view_of(const std::optional<std::string>& text) {
    return text ? std::optional<Bytes>(as_bytes(*text)) : std::nullopt;
}

// The records up to the first that is refused.
std::vector<Copy> read(const BatchHeader& header, Bytes records) {
    Decompressor decompressor;
    ByteBuffer scratch;
    std::vector<Copy> copies;
    Result<RecordReader> reader = RecordReader::open(header, records, &decompressor, &scratch, size_max);
    ASSERT(scratch.size() <= size_max && scratch.capacity() <= size_max);
    if (!reader.ok()) return copies;
    Record record;
    for (Result<bool> more = reader->next(&record); more.ok() && *more; more = reader->next(&record)) {
        ASSERT(record.offset >= header.base_offset && record.offset <= header.base_offset + header.last_offset_delta);
        Copy& copy = copies.emplace_back(record.timestamp, copy_of(record.key), copy_of(record.value));
        for (const RecordHeader& each : record.headers) copy.headers.emplace_back(each.key, copy_of(each.value));
        ASSERT(copy.headers.size() == static_cast<size_t>(record.headers.size()));
    }
    ASSERT(copies.size() <= static_cast<size_t>(header.records_count));
    return copies;
}

bool append(BatchBuilder* builder, const Copy& copy) {
    std::vector<RecordHeader> headers;
    for (const auto& [key, value] : copy.headers) headers.push_back({key, view_of(value)});
    return builder->append({copy.timestamp, view_of(copy.key), view_of(copy.value), headers}).ok();
}

void check_rebuilt(const std::vector<Copy>& copies, Codec codec) {
    BatchBuilder builder;
    Compressor compressor;
    std::vector<Copy> taken;
    for (const Copy& copy : copies) {
        if (append(&builder, copy)) taken.push_back(copy);
    }
    if (taken.empty()) return;
    if (codec == Codec::lz4 || codec == Codec::zstd) builder.compress(codec, &compressor);
    Bytes bytes = builder.seal(seed, {});
    Result<FrameView> frame = check_produced(bytes, seed, batch_size_max, Timestamp(INT64_MAX));
    ASSERT(frame.ok());
    ASSERT(read(frame->batch, frame->record_bytes()) == taken);
}

void check(Bytes bytes) {
    if (bytes.size() < 1 + batch_header_size) return;
    BatchHeader header = decode_batch_header(bytes.subspan(1));
    Bytes records = bytes.subspan(1 + batch_header_size);
    header.magic = 2;
    header.batch_length = static_cast<int32_t>(bytes.size() - 1 - batch_length_uncounted);
    header.attributes = static_cast<int16_t>((header.attributes & ~attributes_codec_mask) | (bytes[0] & 7));
    check_rebuilt(read(header, records), header.codec());
}

}  // namespace
}  // namespace ironbark::record

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ironbark::record::check({data, size});
    return 0;
}
