// The reading side of a Log: from memory, from disk, by offset and by time.

#include <algorithm>
#include <cstdio>

#include "log/log.h"
#include "log/timestamps.h"

namespace ironbark::log {
namespace {

constexpr size_t cursors_max = 32;             // sequential readers of one log that are remembered
constexpr size_t open_segments_max = 8;        // sealed segments of one log whose files stay open
constexpr size_t index_file_size_max = size_t{16} << 20;

}  // namespace

Segment* Log::segment_holding(Offset offset) {
    auto after = std::upper_bound(segments_.begin(), segments_.end(), offset,
                                  [](Offset wanted, const auto& segment) { return wanted < segment->head.base; });
    return after == segments_.begin() ? nullptr : std::prev(after)->get();
}

Task<Result<std::shared_ptr<File>>> Log::open_segment(Segment* segment) {
    if (segment->file) co_return segment->file;
    Offset base = segment->head.base;
    Result<std::unique_ptr<File>> opened =
        co_await context_->world.disk.open(path_of(base, log_suffix), OpenMode::read_write, true);
    if (!opened.ok()) co_return opened.error();
    std::shared_ptr<File> file = std::move(opened).value();
    Segment* still = segment_holding(base);
    if (still == nullptr || still->head.base != base || closing_ || still->file) {
        std::shared_ptr<File> other = still != nullptr && still->head.base == base ? still->file : nullptr;
        co_await file->close();
        if (other) co_return other;
        co_return ErrorCode::offset_out_of_range;
    }
    still->file = file;
    size_t open = 0;
    for (const auto& candidate : segments_) open += candidate->file ? 1 : 0;
    for (auto& candidate : segments_) {
        if (open <= open_segments_max) break;
        bool idle = candidate->sealed && candidate->end <= durable_end() && candidate.get() != still &&
                    candidate->file && candidate->file.use_count() == 1;
        if (!idle) continue;
        std::shared_ptr<File> idle_file = std::move(candidate->file);
        --open;
        co_await idle_file->close();
        break;  // one at a time: the list may have changed meanwhile
    }
    co_return file;
}

Task<Result<ReadFrames>> Log::read(Offset from, Offset limit, size_t bytes_max) {
    limit = std::min(limit, log_end_);
    if (from < log_start_ || from > log_end_) co_return ErrorCode::offset_out_of_range;
    ReadFrames frames;
    frames.next = from;
    if (from >= limit) co_return std::move(frames);
    if (from >= tail_.first_offset(Offset(INT64_MAX))) {
        frames.next = tail_.read(from, limit, bytes_max, frames.slices);
        for (const BufferSlice& slice : frames.slices) context_->counters.reads_memory_bytes += slice.size;
        co_return std::move(frames);
    }
    co_return co_await read_disk(from, limit, bytes_max);
}

Error Log::corrupt_read(Offset segment_base, uint64_t position, const char* what) {
    ++context_->counters.corrupt_reads;
    read_problem_ = path_of(segment_base, log_suffix) + " at byte " + std::to_string(position) + ": " + what;
    return {ErrorCode::corrupt_data, "stored bytes fail their checksum"};
}

Task<Result<ReadFrames>> Log::read_disk(Offset from, Offset limit, size_t bytes_max) {
    Segment* segment = segment_holding(from);
    if (segment == nullptr) co_return ErrorCode::offset_out_of_range;
    const Offset base = segment->head.base;
    uint64_t position = 0;
    std::optional<uint64_t> chain;
    Offset expected = base;
    auto cursor = std::find_if(cursors_.begin(), cursors_.end(), [&](const Cursor& candidate) {
        return candidate.offset == from && candidate.segment_base == base;
    });
    if (cursor != cursors_.end()) {
        position = cursor->position;
        chain = cursor->chain;
        expected = from;
        cursors_.erase(cursor);
    } else {
        if (!segment->index.is_complete_to(std::min(from, segment->end))) CO_TRY_VOID(co_await ensure_index(base));
        segment = segment_holding(from);
        if (segment == nullptr || segment->head.base != base) co_return ErrorCode::offset_out_of_range;
        position = segment->index.position_for(from, block_size);
        expected = Offset(-1);
    }
    CO_TRY(std::shared_ptr<File> file, co_await open_segment(segment));
    // Everything in the file up to here is written, and stays: cuts and removals take whole files or wait.
    segment = segment_holding(from);
    if (segment == nullptr || segment->head.base != base) co_return ErrorCode::offset_out_of_range;
    const Offset segment_end = std::min({segment->end, limit, written_end_});
    size_t window = std::clamp(round_up(bytes_max, block_size), uint64_t{64} << 10, uint64_t{4} << 20);
    WindowReader reader(*file, context_->world.buffers, segment->allocated, window);
    ReadFrames frames;
    frames.next = from;
    size_t taken = 0;
    while (frames.next < segment_end) {
        CO_TRY(Bytes bytes, co_await reader.at(position, record::frame_prefix_size));
        Result<record::FrameView> frame = record::parse_header(bytes, seed_);
        if (frame.ok() && frame->header.is_pad()) {
            position += frame->header.length;
            continue;
        }
        bool is_next = frame.ok() && (expected.value < 0 || frame->header.base_offset == expected) &&
                       (!chain || frame->header.chain == *chain);
        if (!is_next) {
            // After a recovery the log goes on at the next block.
            uint64_t next = round_up(position, block_size);
            if (next != position) {
                position = next;
                continue;
            }
            co_return corrupt_read(base, position, frame.ok() ? "not the frame that belongs here" : frame.error().text);
        }
        const size_t length = frame->header.length;
        if (taken > 0 && taken + length > bytes_max) break;
        bool wanted = frame->next_offset() > from;
        if (wanted && frame->next_offset() > segment_end) break;
        if (wanted) {
            if (taken > 0 && !reader.holds(position, length)) break;  // the next read starts there
            CO_TRY(Bytes whole, co_await reader.at(position, length));
            if (whole.size() < length) co_return corrupt_read(base, position, "the file ends inside a frame");
            frame->bytes = whole.first(length);
            if (!record::verify_payload(*frame)) co_return corrupt_read(base, position, "the payload checksum fails");
            BufferSlice slice = reader.slice(position, length);
            bool touches = !frames.slices.empty() && frames.slices.back().begin + frames.slices.back().size == slice.begin;
            if (touches) {
                frames.slices.back().size += length;
            } else {
                frames.slices.push_back(std::move(slice));
            }
            taken += length;
            frames.next = frame->next_offset();
        }
        expected = frame->next_offset();
        chain = frame->header.checksum;
        position += length;
    }
    context_->counters.reads_disk_bytes += taken;
    if (taken > 0) {
        cursors_.push_front({frames.next, base, position, *chain});
        if (cursors_.size() > cursors_max) cursors_.pop_back();
    }
    co_return std::move(frames);
}

// Loads the index of a segment, or makes it anew from the frames.
Task<Result<void>> Log::ensure_index(Offset segment_base) {
    Result<std::vector<uint8_t>> bytes =
        co_await read_file(context_->world, path_of(segment_base, index_suffix), index_file_size_max);
    if (bytes.ok()) {
        Result<SegmentIndex> index = SegmentIndex::decode(*bytes, identity_, segment_base);
        Segment* segment = segment_holding(segment_base);
        if (segment == nullptr || segment->head.base != segment_base) co_return ErrorCode::offset_out_of_range;
        if (index.ok() && segment->sealed && index->covered_until() == segment->end) {
            segment->index = *std::move(index);
            co_return Result<void>();
        }
    }
    Segment* segment = segment_holding(segment_base);
    if (segment == nullptr || segment->head.base != segment_base) co_return ErrorCode::offset_out_of_range;
    CO_TRY(std::shared_ptr<File> file, co_await open_segment(segment));
    segment = segment_holding(segment_base);
    if (segment == nullptr || segment->head.base != segment_base) co_return ErrorCode::offset_out_of_range;
    SegmentIndex rebuilt;
    rebuilt.start_at(segment_base);
    WindowReader reader(*file, context_->world.buffers, segment->allocated, read_size);
    ScanPlace from{segment_base, block_size, segment->head.chain_before, segment->head.epoch_before};
    ScanVisitor visit = [&rebuilt](const record::FrameView& frame, uint64_t position) { rebuilt.add(frame, position); };
    const Offset limit = std::min(segment->end, written_end_);
    CO_TRY(ScanResult scanned, co_await scan_segment(&reader, seed_, from, limit, epoch_starts_, std::move(visit)));
    segment = segment_holding(segment_base);
    if (segment == nullptr || segment->head.base != segment_base) co_return ErrorCode::offset_out_of_range;
    if (scanned.place.offset < limit) co_return corrupt_read(segment_base, scanned.place.position, "the log breaks off");
    // What is in memory only, or was appended meanwhile.
    for (const Chunk& chunk : tail_.chunks()) {
        if (chunk.segment_base != segment_base) continue;
        for (const TailFrame& entry : chunk.frames) {
            Bytes bytes_of_frame(chunk.buffer->data() + entry.begin, entry.size);
            CO_TRY(record::FrameView frame, record::parse_header(bytes_of_frame, seed_));
            rebuilt.add(frame, chunk.position + entry.begin);
        }
    }
    segment->index = std::move(rebuilt);
    co_return Result<void>();
}

Task<Result<std::optional<TimestampOffset>>> Log::find_timestamp(Timestamp time) {
    for (Offset at = log_start_; at < log_end_;) {
        Segment* segment = segment_holding(at);
        if (segment == nullptr) co_return ErrorCode::offset_out_of_range;
        const Offset base = segment->head.base;
        const Offset end = segment->end;
        if (!segment->index.is_complete_to(end)) CO_TRY_VOID(co_await ensure_index(base));
        segment = segment_holding(at);
        if (segment == nullptr || segment->head.base != base) co_return ErrorCode::offset_out_of_range;
        if (segment->index.max_timestamp() < time) {
            at = end;
            continue;
        }
        at = std::max(at, segment->index.offset_before(time, base));
        while (at < end) {
            CO_TRY(ReadFrames frames, co_await read(at, end, read_size));
            if (frames.next == at) break;
            for (const BufferSlice& slice : frames.slices) {
                for (Bytes rest = slice.bytes(); !rest.empty();) {
                    CO_TRY(record::FrameView frame, record::parse_header(rest, seed_));
                    frame.bytes = rest.first(frame.header.length);
                    rest = rest.subspan(frame.header.length);
                    if (frame.batch.max_timestamp < time) continue;
                    std::optional<TimestampOffset> found = first_record_at(frame, time, log_start_);
                    if (found) co_return found;
                }
            }
            at = frames.next;
        }
        at = std::max(at, end);
    }
    co_return std::optional<TimestampOffset>();
}

Task<Result<std::optional<TimestampOffset>>> Log::find_max_timestamp() {
    Timestamp highest(-1);
    for (Offset at = log_start_; at < log_end_;) {
        Segment* segment = segment_holding(at);
        if (segment == nullptr) co_return ErrorCode::offset_out_of_range;
        Offset base = segment->head.base;
        Offset end = segment->end;
        if (!segment->index.is_complete_to(end)) CO_TRY_VOID(co_await ensure_index(base));
        segment = segment_holding(at);
        if (segment == nullptr || segment->head.base != base) co_return ErrorCode::offset_out_of_range;
        highest = std::max(highest, segment->index.max_timestamp());
        at = end;
    }
    if (highest.milliseconds < 0) co_return std::optional<TimestampOffset>();
    co_return co_await find_timestamp(highest);
}

}  // namespace ironbark::log
