#include "bench/machine/aligned_buffer.h"
#include "bench/machine/probes.h"
#include "bench/machine/system.h"
#include "bench/machine/write_ring.h"

namespace ironbark::bench {

namespace {

constexpr std::size_t disk_piece_size = 1 << 20;
constexpr std::size_t disk_pieces_in_flight = 8;

// Keeps `pieces_in_flight` operations going; start(piece, tag) queues one.
template <typename Start>
BandwidthResult stream(WriteRing& ring, double seconds, Start start) {
    const AlignedBuffer memory(disk_piece_size * disk_pieces_in_flight);
    const Nanoseconds begin = now();
    const Nanoseconds end = begin + from_seconds(seconds);
    for (std::size_t i = 0; i < disk_pieces_in_flight; ++i) start(memory.data() + i * disk_piece_size, i);
    std::uint64_t bytes = 0;
    for (std::size_t in_flight = disk_pieces_in_flight; in_flight > 0;) {
        const WriteRing::Tag tag = ring.wait();
        bytes += disk_piece_size;
        if (now() < end) {
            start(memory.data() + tag * disk_piece_size, tag);
        } else {
            --in_flight;
        }
    }
    return {to_megabytes_per_second(bytes, now() - begin)};
}

}  // namespace

ProbeFile::ProbeFile(const std::string& directory)
    : file_(directory + "/probe", size, Blocks::written), cursor_(size) {}

SyncedWriteResult probe_synced_write(ProbeFile& file, std::size_t size, double seconds) {
    const AlignedBuffer piece(size);
    Samples samples;
    const Nanoseconds begin = now();
    const Nanoseconds end = begin + from_seconds(seconds);
    for (Nanoseconds start = begin; start < end; start = now()) {
        file.file().write_synced(piece.data(), size, file.cursor().advance(size));
        samples.add(now() - start);
    }
    const Nanoseconds took = now() - begin;
    return {.latency = samples.latency(),
            .writes_per_second = static_cast<double>(samples.count()) / to_seconds(took),
            .megabytes_per_second = to_megabytes_per_second(samples.count() * size, took)};
}

BandwidthResult probe_disk_write(ProbeFile& file, double seconds) {
    WriteRing ring(2 * disk_pieces_in_flight);
    return stream(ring, seconds, [&](std::byte* piece, WriteRing::Tag tag) {
        ring.write(file.file().descriptor(),
                   piece,
                   disk_piece_size,
                   file.cursor().advance(disk_piece_size),
                   SyncForm::none,
                   tag);
    });
}

BandwidthResult probe_disk_read(ProbeFile& file, double seconds) {
    WriteRing ring(2 * disk_pieces_in_flight);
    return stream(ring, seconds, [&](std::byte* piece, WriteRing::Tag tag) {
        ring.read(
            file.file().descriptor(), piece, disk_piece_size, file.cursor().advance(disk_piece_size), tag);
    });
}

}  // namespace ironbark::bench
