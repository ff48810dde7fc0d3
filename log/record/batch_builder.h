#pragma once
// Builds one batch in its frame: records are encoded straight to where they will be sent from, behind 125 bytes kept
// for the two headers. Order of use:
//
//     append ...        while `fits` says so
//     compress          optional, once: no append afterwards
//     seal              headers and checksums; again with other ids, when the producer's epoch was raised
//     reset             for the next batch; keeps the memory
//
// One thread at a time. The bytes that seal returns belong to the builder: valid until the next seal, reset or its end.

#include <optional>
#include <span>

#include "log/record/codec.h"
#include "log/record/frame.h"
#include "log/record/record.h"

namespace ironbark::record {

// A record that is to be written. Borrows everything.
struct NewRecord {
    Timestamp timestamp;
    std::optional<Bytes> key{};
    std::optional<Bytes> value{};  // none: a tombstone
    std::span<const RecordHeader> headers{};
};

// Who sends the batch, and as which of its records; all -1 without idempotence.
struct ProducerSequence {
    ProducerId id{-1};
    ProducerEpoch epoch{-1};
    int32_t base_sequence = -1;
};

class BatchBuilder {
  public:
    BatchBuilder() { reset(); }

    // Appends and returns the record's place in the batch, from 0. Errors leave the batch as it was:
    // message_too_large (the batch would be larger, or have more records, than any may), invalid_record (more than
    // record_headers_max headers), invalid_timestamp (before 1970). REQUIRES: neither compressed nor sealed.
    Result<int32_t> append(const NewRecord& record);

    // Whether the batch has at most `size_max` bytes (without the frame header) after this record, uncompressed, and is
    // not full. A record that does not fit into an empty batch needs a larger limit, not another batch.
    bool fits(const NewRecord& record, size_t size_max) const;

    int32_t records_count() const { return records_count_; }
    bool is_empty() const { return records_count_ == 0; }
    size_t batch_size() const { return frame_.size() - frame_header_size; }  // as it is now, headers included

    // Compresses the records, if that makes them smaller. REQUIRES: not empty, lz4 or zstd, not yet called or sealed.
    void compress(Codec codec, Compressor* compressor);

    // The complete, unstamped frame for the partition with this seed. REQUIRES: not empty.
    MutableBytes seal(uint64_t seed, const ProducerSequence& producer);
    // What it holds for the frame, used or not.
    size_t memory_size() const { return frame_.capacity(); }

    void reset();

  private:
    struct RecordSize {
        int64_t timestamp_delta = 0;
        size_t body = 0;   // what the record's length field says
        size_t total = 0;  // with that field
    };
    RecordSize size_of(const NewRecord& record) const;
    uint8_t* encode(uint8_t* at, const NewRecord& record, const RecordSize& size) const;

    ByteBuffer frame_;          // both headers' room, then the records
    uint32_t records_crc_ = 0;  // grows with them, while they are in the cache of whoever appends
    int32_t records_count_ = 0;
    Timestamp base_timestamp_;
    Timestamp max_timestamp_;
    Codec codec_ = Codec::none;
    bool is_closed_ = false;
};

}  // namespace ironbark::record
