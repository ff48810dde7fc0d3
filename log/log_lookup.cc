// Finding records by time, and the indexes that it needs.

#include <algorithm>

#include "log/log.h"
#include "log/timestamps.h"

namespace ironbark::log {

// Shows the frames that hold records of [from, end), in order, until `visit` has seen enough.
Task<Result<void>> Log::visit_frames(Offset from, Offset end, FrameVisitor visit) {
    while (from < end) {
        CO_TRY(ReadFrames frames, co_await read(from, end, read_size));
        if (frames.next == from) co_return Result<void>();
        for (const BufferSlice& slice : frames.slices) {
            for (Bytes rest = slice.bytes(); !rest.empty();) {
                CO_TRY(record::FrameView frame, record::parse_header(rest, seed_));
                rest = rest.subspan(frame.header.length);
                if (!visit(frame)) co_return Result<void>();
            }
        }
        from = frames.next;
    }
    co_return Result<void>();
}

// The segment that holds the offset, with an index of everything in it.
Task<Result<Segment*>> Log::indexed_segment(Offset offset) {
    while (true) {
        while (!no_cut_.is_set()) co_await no_cut_.wait();
        if (closing_) co_return ErrorCode::closed;
        Segment* segment = segment_holding(offset);
        if (segment == nullptr || offset < log_start_ || offset >= log_end_) co_return ErrorCode::offset_out_of_range;
        if (segment->index.is_complete_to(segment->end)) co_return segment;
        const Offset base = segment->head.base;
        CO_TRY_VOID(co_await ensure_index(base));
        segment = segment_at(base);
        bool is_short = segment != nullptr && !segment->index.is_complete_to(segment->end);
        if (failure_ && is_short) co_return ErrorCode::storage_error;  // its end is not to be had any more
    }
}

Task<Result<std::optional<TimestampOffset>>> Log::find_timestamp(Timestamp time) {
    InFlight::Mark operation(operations_);
    std::optional<TimestampOffset> found;
    for (Offset at = log_start_; at < log_end_ && !found;) {
        at = std::max(at, log_start_);
        CO_TRY(const Segment* segment, co_await indexed_segment(at));
        const Offset end = segment->end;
        if (segment->index.max_timestamp() >= time) {
            at = std::max(at, segment->index.offset_before(time, segment->head.base));
            FrameVisitor visit = [&](const record::FrameView& frame) {
                if (frame.batch.max_timestamp >= time) found = first_record_at(frame, time, log_start_);
                return !found;
            };
            CO_TRY_VOID(co_await visit_frames(at, end, std::move(visit)));
        }
        at = end;
    }
    co_return found;
}

Task<Result<std::optional<TimestampOffset>>> Log::find_max_timestamp(Offset limit) {
    InFlight::Mark operation(operations_);
    std::optional<TimestampOffset> highest;
    auto consider = [&](const record::FrameView& frame) {
        if (highest && frame.batch.max_timestamp <= highest->timestamp) return true;
        std::optional<TimestampOffset> best = latest_record(frame, log_start_);
        if (best && (!highest || best->timestamp > highest->timestamp)) highest = best;
        return true;
    };
    for (Offset at = log_start_; at < std::min(log_end_, limit);) {
        at = std::max(at, log_start_);
        CO_TRY(const Segment* segment, co_await indexed_segment(at));
        const Offset end = std::min(segment->end, limit);
        const Offset holder = segment->index.offset_of_max_timestamp();
        bool is_higher = !highest || segment->index.max_timestamp() > highest->timestamp;
        // Of a segment whose beginning is deleted, or whose end is not asked for, the index may name another record.
        if (is_higher && (segment->head.base < log_start_ || holder >= limit)) {
            CO_TRY_VOID(co_await visit_frames(at, end, consider));
        } else if (is_higher && holder >= at) {
            FrameVisitor first_only = [&](const record::FrameView& frame) { return consider(frame) && false; };
            CO_TRY_VOID(co_await visit_frames(holder, end, std::move(first_only)));
        }
        at = end;
    }
    co_return highest;
}

uint64_t Log::chain_after(const Segment& segment) const {
    auto next = std::find_if(segments_.begin(), segments_.end(),
                             [&](const auto& candidate) { return candidate->head.base > segment.head.base; });
    return next == segments_.end() ? chain_ : (*next)->head.chain_before;
}

// Loads the index of a segment, or makes it anew from the frames.
Task<Result<void>> Log::ensure_index(Offset segment_base) {
    InFlight::Mark disk_read(disk_reads_);
    CO_TRY(bool loaded, co_await load_index(segment_base));
    if (!loaded) CO_TRY_VOID(co_await rebuild_index(segment_base));
    co_return Result<void>();
}

// False: there is none that is of these frames, all of them.
Task<Result<bool>> Log::load_index(Offset segment_base) {
    Result<std::vector<uint8_t>> bytes =
        co_await read_file(context_->world, path_of(segment_base, index_suffix), index_file_size_max);
    Segment* segment = segment_at(segment_base);
    if (segment == nullptr) co_return ErrorCode::offset_out_of_range;
    if (!bytes.ok()) co_return false;
    Result<SegmentIndex> index = SegmentIndex::decode(*bytes, identity_, segment_base);
    if (!index.ok() || !segment->sealed) co_return false;
    if (index->covered_until() != segment->end || index->chain() != chain_after(*segment)) co_return false;
    segment->index = *std::move(index);
    co_return true;
}

Task<Result<void>> Log::rebuild_index(Offset segment_base) {
    Segment* segment = segment_at(segment_base);
    if (segment == nullptr) co_return ErrorCode::offset_out_of_range;
    SegmentIndex rebuilt;
    rebuilt.start_at(segment_base, segment->head.chain_before);
    if (segment->allocated > 0) {
        CO_TRY(std::shared_ptr<File> file, co_await open_segment(segment));
        segment = segment_at(segment_base);
        if (segment == nullptr) co_return ErrorCode::offset_out_of_range;
        WindowReader reader(*file, context_->world.buffers, segment->written_position, read_size);
        ScanPlace from{segment_base, block_size, segment->head.chain_before, segment->head.epoch_before};
        ScanVisitor visit = [&rebuilt](const record::FrameView& frame, uint64_t position) {
            rebuilt.add(frame, position);
        };
        const Offset limit = std::min(segment->end, stored_end());
        CO_TRY(ScanResult scanned, co_await scan_segment(&reader, seed_, from, limit, epoch_starts_, std::move(visit)));
        if (scanned.place.offset < limit) {
            co_return damaged_at(segment_base, scanned.place.offset, scanned.place.position, "the log breaks off");
        }
        segment = segment_at(segment_base);
        if (segment == nullptr) co_return ErrorCode::offset_out_of_range;
    }
    // What is in memory only, or was appended meanwhile.
    for (const Chunk& chunk : tail_.chunks()) {
        if (chunk.segment_base != segment_base) continue;
        for (const TailFrame& entry : chunk.frames) {
            Bytes bytes(chunk.buffer->data() + entry.begin, entry.size);
            CO_TRY(record::FrameView frame, record::parse_header(bytes, seed_));
            rebuilt.add(frame, chunk.position + entry.begin);
        }
    }
    segment->index = std::move(rebuilt);
    co_return Result<void>();
}

}  // namespace ironbark::log
