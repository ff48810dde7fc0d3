#include "tests/broker/service/batches.h"

#include "log/record/record_reader.h"

namespace ironbark::broker {

Text make_batch(const PartitionIdentity& partition, const BatchShape& shape) {
    record::BatchBuilder builder;
    for (const std::string& value : shape.values) {
        record::NewRecord next;
        next.timestamp = shape.time;
        next.value = as_bytes(value);
        Result<int32_t> appended = builder.append(next);
        ASSERT(appended.ok());
    }
    record::Compressor compressor;
    if (shape.codec != record::Codec::none) builder.compress(shape.codec, &compressor);
    Bytes frame = builder.seal(partition.seed(), shape.producer);
    return {frame.begin(), frame.end()};
}

Text make_batch(const PartitionIdentity& partition,
                int64_t producer,
                int32_t sequence,
                std::vector<std::string> values,
                int16_t epoch) {
    BatchShape shape;
    shape.values = std::move(values);
    shape.producer = {ProducerId(producer), ProducerEpoch(epoch), sequence};
    return make_batch(partition, shape);
}

Text operator+(Text left, const Text& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

std::ostream& operator<<(std::ostream& out, const Seen& seen) {
    return out << seen.offset << ":" << seen.value;
}

namespace {

Result<void> read_records(const record::FrameView& frame, SeenFrame* seen) {
    record::Decompressor decompressor;
    record::ByteBuffer scratch;
    record::BatchHeader batch = frame.batch;
    TRY(record::RecordReader reader, record::RecordReader::open(batch, frame.record_bytes(), &decompressor, &scratch));
    while (true) {
        record::Record entry;
        TRY(bool more, reader.next(&entry));
        if (!more) return {};
        seen->records.push_back({entry.offset.value, std::string(as_text(entry.value.value_or(Bytes())))});
    }
}

}  // namespace

Result<std::vector<SeenFrame>> read_frames(Bytes bytes, const PartitionIdentity& partition) {
    std::vector<SeenFrame> frames;
    while (!bytes.empty()) {
        TRY(record::FrameView frame, record::parse_frame(bytes, partition.seed()));
        if (!frame.is_stamped()) return Error(ErrorCode::corrupt_data, "a frame without an offset");
        bool is_next = frames.empty() || frame.header.chain == frames.back().header.checksum;
        if (!is_next) return Error(ErrorCode::corrupt_data, "a frame that does not follow the one before");
        SeenFrame seen{frame.header, frame.batch, {}};
        TRY_VOID(read_records(frame, &seen));
        frames.push_back(std::move(seen));
        bytes = bytes.subspan(frame.header.length);
    }
    return frames;
}

}  // namespace ironbark::broker
