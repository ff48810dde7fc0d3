#include "log/scan.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>
#include <utility>

namespace ironbark::log {
namespace {

using record::FrameView;

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

Offset believed(const FrameView& pad, const std::vector<EpochStart>& starts) {
    return std::min(pad.header.base_offset, epoch_limit(starts, pad.header.leader_epoch));
}

// The ends of the rounds that were passed and not yet promised by a later pad.
class RoundEnds {
  public:
    void passed(const ScanPlace& place) { ends_.push_back(place); }
    // Everything up to `offset` was durable.
    void promised(Offset offset, ScanResult* result) {
        result->promised = std::max(result->promised, offset);
        while (!ends_.empty() && ends_.front().offset <= offset) {
            result->proven = ends_.front();
            ends_.pop_front();
        }
    }

  private:
    std::deque<ScanPlace> ends_;
};

ScanEnd judge(const Result<FrameView>& frame, Bytes bytes, const ScanPlace& place, bool was_expected) {
    size_t rest = std::min<size_t>(bytes.size(), block_size - place.position % block_size);
    if (is_zero(bytes.first(rest))) return ScanEnd::clean;
    return frame.ok() && !was_expected ? ScanEnd::left_over : ScanEnd::torn;
}

// The whole frame at the place, if it is the next one of the log and undamaged.
Task<Result<std::optional<FrameView>>> next_frame(WindowReader* reader,
                                                  uint64_t seed,
                                                  const ScanPlace* place,
                                                  const std::vector<EpochStart>* starts) {
    CO_TRY(Bytes bytes, co_await reader->at(place->position, record::frame_prefix_size));
    Result<FrameView> frame = record::parse_header(bytes, seed);
    if (!frame.ok() || frame->header.is_pad() || !is_expected(*frame, *place, *starts)) {
        co_return std::optional<FrameView>();
    }
    const size_t length = frame->header.length;
    CO_TRY(bytes, co_await reader->at(place->position, length));
    if (bytes.size() < length) co_return std::optional<FrameView>();
    frame->bytes = bytes.first(length);
    if (!record::verify_payload(*frame)) co_return std::optional<FrameView>();
    co_return std::optional<FrameView>(*frame);
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
    auto next = std::partition_point(starts.begin(), starts.end(),
                                     [epoch](const EpochStart& entry) { return entry.epoch <= epoch; });
    return next == starts.end() ? Offset(INT64_MAX) : next->start;
}

bool is_own_pad(const FrameView& frame, uint64_t position, Epoch epoch) {
    return frame.header.is_pad() && (position + frame.header.length) % block_size == 0 &&
           frame.header.leader_epoch >= epoch;
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

void WindowReader::adopt(BufferSlice bytes, uint64_t begin) {
    ASSERT(begin % block_size == 0 && bytes.begin == 0);
    buffer_ = std::move(bytes.buffer);
    begin_ = begin;
    end_ = std::min(size_, begin + bytes.size);
}

BufferSlice WindowReader::slice(uint64_t position, size_t size) const {
    ASSERT(holds(position, size));
    return {buffer_, static_cast<size_t>(position - begin_), size};
}

bool WindowReader::was_unreadable(uint64_t begin, uint64_t end) const {
    auto found = unreadable_.lower_bound(round_down(begin, block_size));
    return found != unreadable_.end() && *found < end;
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
        if (!read.ok()) unreadable_.insert(from + at);
        std::memset(block.data() + good, 0, block.size - good);
    }
}

Task<Result<ScanResult>> scan_segment(WindowReader* reader,
                                      uint64_t seed,
                                      ScanPlace from,
                                      Offset limit,
                                      std::vector<EpochStart> epoch_starts,
                                      ScanVisitor visit) {
    ScanResult result;
    result.place = from;
    result.proven = from;
    ScanPlace& place = result.place;
    RoundEnds round_ends;
    while (true) {
        std::optional<FrameView> next;
        if (place.offset < limit) {
            CO_TRY(next, co_await next_frame(reader, seed, &place, &epoch_starts));
        }
        if (next) {
            if (visit) visit(*next, place.position);
            advance(place, *next);
            ++result.frames;
            continue;
        }
        CO_TRY(Bytes bytes, co_await reader->at(place.position, record::frame_prefix_size));
        Result<FrameView> frame = record::parse_header(bytes, seed);
        if (frame.ok() && is_own_pad(*frame, place.position, place.epoch)) {
            round_ends.promised(believed(*frame, epoch_starts), &result);
            place.position += frame->header.length;
            round_ends.passed(place);
            continue;
        }
        if (place.offset >= limit) break;
        // After a recovery the log goes on at the next block, so that no block with promised bytes is written again.
        ScanPlace gap = place;
        gap.position = round_up(place.position, block_size);
        if (gap.position != place.position) {
            CO_TRY(next, co_await next_frame(reader, seed, &gap, &epoch_starts));
            if (next) {
                place.position = gap.position;
                continue;
            }
            CO_TRY(bytes, co_await reader->at(place.position, record::frame_prefix_size));
        }
        result.end = judge(frame, bytes, place, frame.ok() && is_expected(*frame, place, epoch_starts));
        break;
    }
    co_return std::move(result);
}

Task<Result<Beyond>> look_beyond(
    WindowReader* reader, uint64_t seed, ScanPlace end, std::vector<EpochStart> epoch_starts, uint64_t bytes) {
    Beyond beyond;
    const uint64_t stop = std::min(reader->size(), end.position + bytes);
    ScanPlace place = end;
    while (place.position < stop && beyond.promised <= end.offset) {
        CO_TRY(Bytes there, co_await reader->at(place.position, record::frame_prefix_size));
        Result<FrameView> frame = record::parse_header(there, seed);
        if (frame.ok() && is_own_pad(*frame, place.position, place.epoch)) {
            beyond.promised = std::max(beyond.promised, believed(*frame, epoch_starts));
            place.position += frame->header.length;
            continue;
        }
        bool is_stray = frame.ok() && !frame->header.is_pad() && frame->header.base_offset >= end.offset &&
                        frame->header.leader_epoch >= end.epoch &&
                        frame->header.base_offset < epoch_limit(epoch_starts, frame->header.leader_epoch);
        if (is_stray) {
            const size_t length = frame->header.length;
            CO_TRY(there, co_await reader->at(place.position, length));
            frame->bytes = there.first(std::min(length, there.size()));
            is_stray = there.size() >= length && record::verify_payload(*frame);
        }
        if (is_stray) {
            place.position += frame->header.length;
            beyond.stray_end = place.position;
            beyond.stray_records += static_cast<uint64_t>(frame->batch.last_offset_delta) + 1;
            continue;
        }
        // Rounds start on block boundaries.
        place.position = round_up(place.position + 1, block_size);
    }
    co_return beyond;
}

}  // namespace ironbark::log
