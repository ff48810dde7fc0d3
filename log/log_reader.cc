// The reading side of a Log: from memory, from disk.

#include <algorithm>

#include "log/log.h"

namespace ironbark::log {
namespace {

constexpr size_t cursors_max = 32;                    // sequential readers of one log that are remembered
constexpr size_t open_segments_max = 8;               // sealed segments of one log whose files stay open
constexpr size_t read_window_min = size_t{64} << 10;  // about an index interval: what has to be read to find a frame
constexpr size_t read_window_max = size_t{4} << 20;

size_t window_size(size_t bytes_max) {
    return std::clamp<size_t>(round_up(bytes_max, block_size), read_window_min, read_window_max);
}

}  // namespace

Segment* Log::segment_holding(Offset offset) {
    auto after = std::upper_bound(segments_.begin(), segments_.end(), offset,
                                  [](Offset wanted, const auto& segment) { return wanted < segment->head.base; });
    return after == segments_.begin() ? nullptr : std::prev(after)->get();
}

Segment* Log::segment_at(Offset base) {
    Segment* segment = segment_holding(base);
    return segment != nullptr && segment->head.base == base ? segment : nullptr;
}

Task<Result<std::shared_ptr<File>>> Log::open_segment(Segment* segment) {
    if (segment->file) co_return segment->file;
    const Offset base = segment->head.base;
    Result<std::unique_ptr<File>> opened =
        co_await context_->world.disk.open(path_of(base, log_suffix), OpenMode::read_write, true);
    // Meanwhile it may have been removed, or opened by somebody else.
    Segment* still = segment_at(base);
    if (still == nullptr || still->file || closing_) {
        if (opened.ok()) co_await (*opened)->close();
        still = segment_at(base);
        if (still != nullptr && still->file) co_return still->file;
        co_return closing_ ? ErrorCode::closed : ErrorCode::offset_out_of_range;
    }
    CO_TRY(std::shared_ptr<File> file, std::move(opened));
    still->file = file;
    co_await close_idle_file(still);
    co_return file;
}

// Closes one file that nobody uses, if too many are open.
Task<void> Log::close_idle_file(const Segment* keep) {
    size_t open = 0;
    for (const auto& segment : segments_) open += segment->file ? 1 : 0;
    if (open <= open_segments_max) co_return;
    auto idle = std::find_if(segments_.begin(), segments_.end(), [&](const auto& segment) {
        return segment.get() != keep && segment->sealed && segment->end <= durable_end() && segment->file &&
               segment->file.use_count() == 1;
    });
    if (idle == segments_.end()) co_return;
    std::shared_ptr<File> file = std::move((*idle)->file);
    co_await file->close();
}

Task<Result<ReadFrames>> Log::read(Offset from, Offset limit, size_t bytes_max) {
    InFlight::Mark operation(operations_);
    while (!no_cut_.is_set()) co_await no_cut_.wait();
    if (closing_) co_return ErrorCode::closed;
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
    is_damaged_ = true;
    read_problem_ = path_of(segment_base, log_suffix) + " at byte " + std::to_string(position) + ": " + what;
    if (context_->on_moved) context_->on_moved(*this);
    return {ErrorCode::corrupt_data, "stored bytes fail their checksum"};
}

// A record that was written and could not be synced, in a log that has failed meanwhile, was never promised.
Error Log::damaged_at(Offset segment_base, Offset expected, uint64_t position, const char* what) {
    if (expected >= stored_end()) return ErrorCode::storage_error;
    return corrupt_read(segment_base, position, what);
}

// Where to start reading in the segment at `base`: where a reader left off, at an indexed frame, or at the first.
Task<Result<Log::ReadPlace>> Log::place_for(Offset from, Offset base) {
    auto cursor = std::find_if(cursors_.begin(), cursors_.end(), [&](const Cursor& candidate) {
        return candidate.offset == from && candidate.segment_base == base;
    });
    if (cursor != cursors_.end()) {
        ReadPlace place{from, cursor->position, cursor->chain, cursor->epoch, true, std::move(cursor->ahead)};
        cursors_.erase(cursor);
        co_return place;
    }
    Segment* segment = segment_at(base);
    if (!segment->index.is_complete_to(std::min(from, segment->end))) CO_TRY_VOID(co_await ensure_index(base));
    segment = segment_at(base);
    if (segment == nullptr) co_return ErrorCode::offset_out_of_range;
    const IndexEntry* entry = segment->index.entry_before(from);
    if (entry == nullptr) co_return ReadPlace{base, block_size, segment->head.chain_before, segment->head.epoch_before};
    co_return ReadPlace{entry->offset, entry->position, std::nullopt};
}

// Starts to read the window at `position`, if it is whole in the file, or all that a sealed segment still has. What is
// written later could be read half.
std::shared_ptr<ReadAhead> Log::begin_read_ahead(const Segment& segment, uint64_t position, size_t window) {
    const uint64_t begin = round_down(position, block_size);
    uint64_t end = begin + window;
    if (segment.sealed && segment.end <= written_end_) {
        end = std::min(end, round_down(segment.written_position, block_size));
    }
    if (closing_ || !segment.file || end <= position || end > segment.written_position) return nullptr;
    std::shared_ptr<ReadAhead> ahead =
        ReadAhead::make(context_->world, context_->read_ahead, begin, static_cast<size_t>(end - begin));
    if (ahead) scope_.spawn(fill_read_ahead(segment.file, ahead));
    return ahead;
}

// Keeps the disk busy while the reader works on what it has: further windows begin at indexed frames before the place
// where its reads are going to stop, each a window behind the last.
void Log::read_on(const Segment& segment, ReadPlace& place, size_t window) {
    const ReadAheadBudget& budget = context_->read_ahead;
    uint64_t begin = place.ahead.empty() ? place.position : place.ahead.back()->begin();
    while (place.ahead.size() < read_ahead_windows_max && budget.bytes + window <= read_ahead_bytes_max / 2) {
        std::optional<uint64_t> next = segment.index.position_before(begin + window - 2 * block_size);
        if (!next || round_down(*next, block_size) <= begin) return;
        std::shared_ptr<ReadAhead> ahead = begin_read_ahead(segment, *next, window);
        if (!ahead) return;
        begin = ahead->begin();
        place.ahead.push_back(std::move(ahead));
    }
}

// The window that holds the place, of those that were read ahead; null if none does. What stands before it is dropped.
std::shared_ptr<ReadAhead> Log::take_window(ReadPlace& place) {
    std::shared_ptr<ReadAhead> window;
    while (!place.ahead.empty() && (!window || place.ahead.front()->holds(place.position))) {
        if (place.ahead.front()->holds(place.position)) window = place.ahead.front();
        place.ahead.pop_front();
    }
    return window;
}

// Gives the reader the window at its place, if it was read ahead, and has more read meanwhile.
Task<void> Log::adopt_read_ahead(WindowReader* reader, const Segment& segment, ReadPlace* place, size_t bytes_max) {
    std::shared_ptr<ReadAhead> here = take_window(*place);
    if (place->is_sequential && bytes_max >= read_window_min) read_on(segment, *place, window_size(bytes_max));
    if (!here) co_return;
    BufferSlice bytes = co_await here->take();
    if (bytes.size > 0) reader->adopt(std::move(bytes), here->begin());
}

// A cut waits for it, as for any read of the file; if the cut was first, it is too late.
Task<void> Log::fill_read_ahead(std::shared_ptr<File> file, std::shared_ptr<ReadAhead> ahead) {
    if (!no_cut_.is_set()) {
        ahead->abandon();
        co_return;
    }
    InFlight::Mark disk_read(disk_reads_);
    co_await ahead->fill(file.get());
}

Task<Result<ReadFrames>> Log::read_disk(Offset from, Offset limit, size_t bytes_max) {
    InFlight::Mark disk_read(disk_reads_);
    Segment* segment = segment_holding(from);
    if (segment == nullptr) co_return ErrorCode::offset_out_of_range;
    const Offset base = segment->head.base;
    CO_TRY(ReadPlace place, co_await place_for(from, base));
    segment = segment_at(base);
    if (segment == nullptr) co_return ErrorCode::offset_out_of_range;
    CO_TRY(std::shared_ptr<File> file, co_await open_segment(segment));
    segment = segment_at(base);
    if (segment == nullptr) co_return ErrorCode::offset_out_of_range;
    // What is in the file up to here stays: cuts wait for us, and removals for our hold on the file.
    const Offset end = std::min({segment->end, limit, stored_end()});
    if (from >= end) co_return ErrorCode::storage_error;  // it was written, and could not be synced
    const size_t window = window_size(bytes_max);
    WindowReader reader(*file, context_->world.buffers, segment->written_position, window);
    co_await adopt_read_ahead(&reader, *segment, &place, bytes_max);
    ReadFrames frames;
    frames.next = from;
    size_t taken = 0;
    std::optional<uint64_t> before_gap;
    while (frames.next < end) {
        CO_TRY(Bytes bytes, co_await reader.at(place.position, record::frame_prefix_size));
        Result<record::FrameView> frame = record::parse_header(bytes, seed_);
        if (frame.ok() && !before_gap && is_own_pad(*frame, place.position, place.epoch)) {
            place.position += frame->header.length;
            continue;
        }
        bool is_next = frame.ok() && !frame->header.is_pad() && frame->header.base_offset == place.expected &&
                       (!place.chain || frame->header.chain == *place.chain) &&
                       frame->header.base_offset < epoch_limit(epoch_starts_, frame->header.leader_epoch);
        if (!is_next) {
            // After a recovery the log goes on at the next block.
            const uint64_t next_block = round_up(place.position, block_size);
            if (before_gap || next_block == place.position) {
                co_return damaged_at(base, place.expected, before_gap.value_or(place.position),
                                     frame.ok() ? "not the frame that belongs here" : frame.error().text);
            }
            before_gap = std::exchange(place.position, next_block);
            continue;
        }
        before_gap.reset();
        const size_t length = frame->header.length;
        if (frame->next_offset() > from) {
            if (frame->next_offset() > end || (taken > 0 && taken + length > bytes_max)) break;
            if (taken > 0 && !reader.holds(place.position, length)) break;  // the next read starts there
            CO_TRY(Bytes whole, co_await reader.at(place.position, length));
            if (whole.size() < length) {
                co_return damaged_at(base, place.expected, place.position, "the file ends inside a frame");
            }
            frame->bytes = whole.first(length);
            if (!record::verify_payload(*frame)) {
                co_return damaged_at(base, place.expected, place.position, "the payload checksum does not match");
            }
            append_slice(frames.slices, reader.slice(place.position, length));
            taken += length;
            frames.next = frame->next_offset();
        }
        place.expected = frame->next_offset();
        place.position += length;
        place.chain = frame->header.checksum;
        place.epoch = frame->header.leader_epoch;
    }
    context_->counters.reads_disk_bytes += taken;
    if (taken > 0) remember_reader(base, std::move(place), window);
    co_return std::move(frames);
}

// Who has read up to the place will go on there.
void Log::remember_reader(Offset segment_base, ReadPlace place, size_t window) {
    const Segment* segment = segment_at(segment_base);
    if (segment != nullptr && place.is_sequential && place.ahead.empty()) {
        std::shared_ptr<ReadAhead> ahead = begin_read_ahead(*segment, place.position, window);
        if (ahead) place.ahead.push_back(std::move(ahead));
    }
    cursors_.push_front(
        {place.expected, segment_base, place.position, *place.chain, place.epoch, std::move(place.ahead)});
    if (cursors_.size() > cursors_max) cursors_.pop_back();
}

}  // namespace ironbark::log
