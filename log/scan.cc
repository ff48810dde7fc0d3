#include "log/scan.h"

#include <algorithm>
#include <cstring>

namespace ironbark::log {
namespace {

using record::FrameView;

bool is_zero(Bytes bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

bool is_expected(const FrameView& frame, const ScanPlace& place, const std::vector<EpochStart>& starts) {
    return frame.header.base_offset == place.offset &&
           (frame.header.chain == place.chain || (frame.header.flags & record::flag_chain_restarts) != 0) &&
           frame.header.leader_epoch >= place.epoch &&
           frame.header.base_offset < epoch_limit(starts, frame.header.leader_epoch);
}

void advance(ScanPlace& place, const FrameView& frame) {
    place.offset = frame.next_offset();
    place.position += frame.header.length;
    place.chain = frame.header.checksum;
    place.epoch = frame.header.leader_epoch;
}

// Looks for good frames and pads of this log beyond the place where it ended.
Task<Result<void>> search_beyond(WindowReader* reader, uint64_t seed, const std::vector<EpochStart>* starts,
                                 ScanResult* result) {
    uint8_t magic[sizeof(uint32_t)];
    store_le(magic, record::frame_magic);
    const uint64_t begin = result->place.position;
    const uint64_t end = std::min(reader->size(), begin + unsynced_bytes_max);
    for (uint64_t window = begin; window < end;) {
        CO_TRY(Bytes bytes, co_await reader->at(window, std::min<uint64_t>(read_size, end - window)));
        if (bytes.size() < record::frame_header_size) break;
        size_t reach = std::min<size_t>(bytes.size(), read_size);
        const uint8_t* at = bytes.data();
        const uint8_t* stop = bytes.data() + reach;
        while ((at = static_cast<const uint8_t*>(memmem(at, static_cast<size_t>(stop - at), magic, sizeof(magic))))) {
            size_t found = static_cast<size_t>(at - bytes.data());
            at += sizeof(magic);
            if (found < sizeof(uint64_t)) continue;
            size_t frame_begin = found - sizeof(uint64_t);
            Result<FrameView> frame = record::parse_header(bytes.subspan(frame_begin), seed);
            if (!frame.ok() || frame->header.leader_epoch < result->place.epoch) continue;
            Offset limit = epoch_limit(*starts, frame->header.leader_epoch);
            if (frame->header.is_pad()) {
                result->promised = std::max(result->promised, std::min(frame->header.base_offset, limit));
            } else if (frame->header.base_offset >= result->place.offset && frame->header.base_offset < limit) {
                result->stray_end = std::max(result->stray_end, window + frame_begin + frame->header.length);
                result->stray_records += static_cast<uint64_t>(frame->batch.last_offset_delta) + 1;
            }
        }
        if (reach == bytes.size() && window + reach >= reader->size()) break;
        // Windows overlap so that a header on their border is seen whole by one of them.
        window += reach > record::frame_prefix_size ? reach - record::frame_prefix_size : reach;
        if (reach <= record::frame_prefix_size) break;
    }
    co_return Result<void>();
}

}  // namespace

const char* name(ScanEnd end) {
    switch (end) {
        case ScanEnd::clean: return "clean";
        case ScanEnd::left_over: return "left over";
        case ScanEnd::torn: return "torn";
        case ScanEnd::damaged: return "damaged";
    }
    return "damaged";
}

Offset epoch_limit(const std::vector<EpochStart>& starts, Epoch epoch) {
    for (const EpochStart& entry : starts) {
        if (entry.epoch > epoch) return entry.start;
    }
    return Offset(INT64_MAX);
}

Task<Result<Bytes>> WindowReader::at(uint64_t position, size_t wanted) {
    uint64_t wanted_end = std::min(size_, position + wanted);
    if (position >= size_) co_return Bytes();
    if (position < begin_ || wanted_end > end_) {
        uint64_t from = round_down(position, block_size);
        uint64_t until = round_up(std::min(size_, std::max(wanted_end, from + window_)), block_size);
        size_t length = static_cast<size_t>(until - from);
        buffer_ = buffers_.take(length);
        begin_ = from;
        co_await fill(from, BufferSlice(buffer_, 0, length));
        end_ = std::min(until, size_);
    }
    co_return Bytes(buffer_->data() + (position - begin_), static_cast<size_t>(end_ - position));
}

BufferSlice WindowReader::slice(uint64_t position, size_t size) const {
    ASSERT(holds(position, size));
    return {buffer_, static_cast<size_t>(position - begin_), size};
}

Task<void> WindowReader::fill(uint64_t from, BufferSlice into) {
    Result<size_t> count = co_await read_fully(file_, from, into);
    if (count.ok()) {
        std::memset(into.data() + *count, 0, into.size - *count);
        co_return;
    }
    for (size_t at = 0; at < into.size; at += block_size) {
        BufferSlice block = into.part(at, block_size);
        Result<size_t> read = co_await read_fully(file_, from + at, block);
        size_t good = read.ok() ? *read : 0;
        if (!read.ok()) ++unreadable_blocks_;
        std::memset(block.data() + good, 0, block.size - good);
    }
}

Task<Result<ScanResult>> scan_segment(WindowReader* reader, uint64_t seed, ScanPlace from, Offset limit,
                                      std::vector<EpochStart> epoch_starts, ScanVisitor visit) {
    ScanResult result;
    result.place = from;
    ScanPlace& place = result.place;
    ScanEnd verdict = ScanEnd::clean;
    while (place.offset < limit) {
        CO_TRY(Bytes bytes, co_await reader->at(place.position, record::frame_prefix_size));
        if (bytes.size() < record::frame_header_size) {
            verdict = ScanEnd::clean;
            break;
        }
        Result<FrameView> frame = record::parse_header(bytes, seed);
        if (frame.ok() && frame->header.is_pad() && (place.position + frame->header.length) % block_size == 0) {
            place.position += frame->header.length;
            continue;
        }
        bool expected = frame.ok() && !frame->header.is_pad() && is_expected(*frame, place, epoch_starts);
        if (expected) {
            CO_TRY(Bytes whole, co_await reader->at(place.position, frame->header.length));
            if (whole.size() >= frame->header.length) {
                frame->bytes = whole.first(frame->header.length);
                if (record::verify_payload(*frame)) {
                    if (visit) visit(*frame, place.position);
                    advance(place, *frame);
                    ++result.frames;
                    continue;
                }
            }
        }
        // After a recovery the log goes on at the next block, so that no block with promised bytes is written again.
        if (uint64_t next = round_up(place.position, block_size); next != place.position) {
            CO_TRY(Bytes later, co_await reader->at(next, record::frame_prefix_size));
            Result<FrameView> after = record::parse_header(later, seed);
            if (after.ok() && !after->header.is_pad() && is_expected(*after, place, epoch_starts)) {
                place.position = next;
                continue;
            }
            CO_TRY(bytes, co_await reader->at(place.position, record::frame_prefix_size));
        }
        size_t rest = std::min<size_t>(bytes.size(), block_size - place.position % block_size);
        verdict = is_zero(bytes.first(rest))                          ? ScanEnd::clean
                  : frame.ok() && !expected && !frame->header.is_pad() ? ScanEnd::left_over
                                                                       : ScanEnd::torn;
        break;
    }
    if (place.offset < limit) {
        CO_TRY_VOID(co_await search_beyond(reader, seed, &epoch_starts, &result));
        if (result.promised > place.offset) verdict = ScanEnd::damaged;
    }
    result.end = verdict;
    co_return std::move(result);
}

}  // namespace ironbark::log
