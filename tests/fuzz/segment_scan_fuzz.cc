// A segment of any bytes behind its head, scanned as it is or with checksums and chain put right, or nothing behind
// them would be reached. Whatever is accepted follows on from what came before, a second scan finds the same, and one
// from the end finds nothing. The first byte: 1 puts checksums right, 2 the chain, 4 makes an epoch begin at offset 8.
#include "log/scan.h"
#include "runtime/base/checksum.h"
#include "tests/fuzz/machine.h"

namespace ironbark::log {
namespace {

constexpr uint64_t seed = 42;
constexpr size_t size_max = 64 * block_size;
constexpr const char* path = "data/segment";

size_t believable_length(Bytes bytes) {
    if (load_le<uint32_t>(bytes.data() + 8) != record::frame_magic) return 0;
    size_t length = load_le<uint32_t>(bytes.data() + 12);
    bool is_pad = (load_le<uint32_t>(bytes.data() + 44) & record::flag_pad) != 0;
    size_t least = is_pad ? record::frame_header_size : record::frame_prefix_size;
    return length < least || length > bytes.size() ? 0 : length;
}

void put_right(MutableBytes bytes, bool with_chain) {
    uint64_t chain = 0;
    for (size_t at = 0; at + record::frame_prefix_size <= bytes.size();) {
        MutableBytes frame = bytes.subspan(at);
        size_t length = believable_length(frame);
        if (length == 0) {
            at = round_up(at + 1, block_size);
            continue;
        }
        frame = frame.first(length);
        bool is_pad = (load_le<uint32_t>(frame.data() + 44) & record::flag_pad) != 0;
        if (!is_pad) {
            store_le(frame.data() + 16, xxh3(frame.subspan(64 + record::batch_crc_begin), 0));
            if (with_chain) store_le(frame.data() + 24, chain);
        }
        store_le(frame.data(), xxh3(frame.subspan(8, (is_pad ? 64 : 125) - 8), seed));
        if (!is_pad) chain = load_le<uint64_t>(frame.data());
        at += length;
    }
}

struct Seen {
    ScanResult result;
    Beyond beyond;
    uint64_t frames = 0;
};

Task<Seen> scan(World* world, ScanPlace from, size_t window, std::vector<EpochStart> starts) {
    Result<std::unique_ptr<File>> file = co_await world->disk.open(path, OpenMode::read, true);
    ASSERT(file.ok());
    Result<uint64_t> size = co_await (*file)->size();
    ASSERT(size.ok());
    WindowReader reader(**file, world->buffers, *size, window);
    Seen seen;
    ScanPlace next = from;
    ScanVisitor visit = [&](const record::FrameView& frame, uint64_t position) {
        ASSERT(record::parse_frame(frame.bytes, seed).ok());
        ASSERT(frame.header.base_offset == next.offset && frame.header.leader_epoch >= next.epoch);
        ASSERT(position >= next.position && position + frame.header.length <= reader.size());
        next = {frame.next_offset(), position + frame.header.length, 0, frame.header.leader_epoch};
        ++seen.frames;
    };
    Result<ScanResult> result = co_await scan_segment(&reader, seed, from, Offset(INT64_MAX), starts, std::move(visit));
    ASSERT(result.ok() && result->end != ScanEnd::damaged);
    ASSERT(result->frames == seen.frames && result->place.offset == next.offset);
    ASSERT(result->place.position >= next.position && result->proven.position <= result->place.position);
    Result<Beyond> beyond = co_await look_beyond(&reader, seed, result->place, std::move(starts), unsynced_bytes_max);
    ASSERT(beyond.ok());
    seen.result = *result;
    seen.beyond = *beyond;
    co_await (*file)->close();
    co_return seen;
}

bool is_same(const ScanPlace& left, const ScanPlace& right) {
    return left.offset == right.offset && left.position == right.position && left.chain == right.chain &&
           left.epoch == right.epoch;
}

void check(Bytes input) {
    if (input.empty() || input.size() > size_max) return;
    std::vector<uint8_t> file(block_size);
    file.insert(file.end(), input.begin() + 1, input.end());
    file.resize(round_up(file.size(), block_size));
    if ((input[0] & 1) != 0) put_right(MutableBytes(file).subspan(block_size), (input[0] & 2) != 0);
    std::vector<EpochStart> starts;
    if ((input[0] & 4) != 0) starts = {{Epoch(0), Offset(0)}, {Epoch(1), Offset(8)}};
    machine().disk().replace(path, file);
    World* world = &machine().world();
    Seen seen = machine().run(scan(world, {}, read_size, starts));
    Seen again = machine().run(scan(world, {}, block_size, starts));
    ASSERT(is_same(seen.result.place, again.result.place) && seen.result.end == again.result.end);
    ASSERT(seen.result.promised == again.result.promised && seen.beyond.promised == again.beyond.promised);
    ASSERT(seen.beyond.stray_records == again.beyond.stray_records);
    Seen nothing = machine().run(scan(world, seen.result.place, read_size, starts));
    ASSERT(nothing.frames == 0 && is_same(nothing.result.place, seen.result.place));
}

}  // namespace
}  // namespace ironbark::log

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ironbark::log::check({data, size});
    return 0;
}
