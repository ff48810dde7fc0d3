#include "bench/machine/aligned_buffer.h"
#include "bench/machine/child_process.h"
#include "bench/machine/crc32c.h"
#include "bench/machine/loopback.h"
#include "bench/machine/probes.h"
#include "bench/machine/system.h"
#include "bench/machine/write_ring.h"
#include "bench/machine/xxh3.h"

namespace ironbark::bench {

namespace {

constexpr std::size_t skeleton_piece_size = 1 << 20;
constexpr std::size_t skeleton_pieces_in_flight = 4;

std::uint64_t hash_of(const std::byte* piece, SkeletonHash hash) {
    std::uint64_t result = 0;
    if (hash == SkeletonHash::xxh3 || hash == SkeletonHash::both) {
        result ^= xxh3_compiled_here(piece, skeleton_piece_size);
    }
    if (hash == SkeletonHash::crc32c || hash == SkeletonHash::both) {
        result ^= crc32c_three_lanes(piece, skeleton_piece_size);
    }
    return result;
}

}  // namespace

BandwidthResult probe_skeleton(ProbeFile& file, double seconds, SkeletonHash hash) {
    LoopbackPair sockets;
    const AlignedBuffer memory(skeleton_piece_size * skeleton_pieces_in_flight);
    const ChildProcess sender([&] {
        while (send_all(sockets.far(), memory.data(), skeleton_piece_size)) {
        }
    });
    WriteRing ring(2 * skeleton_pieces_in_flight);
    volatile std::uint64_t hashed = 0;  // the hash must not be optimised away
    std::uint64_t bytes = 0;
    const Nanoseconds start = now();
    const Nanoseconds end = start + from_seconds(seconds);
    std::size_t in_flight = 0;
    for (WriteRing::Tag slot = 0; now() < end; ++in_flight) {
        // The first pieces use each slot once; then a slot is free when its write is done.
        slot = in_flight < skeleton_pieces_in_flight ? in_flight : ring.wait();
        if (in_flight == skeleton_pieces_in_flight) --in_flight;
        std::byte* piece = memory.data() + slot * skeleton_piece_size;
        receive_all(sockets.near(), piece, skeleton_piece_size);
        hashed = hashed ^ hash_of(piece, hash);
        ring.write(file.file().descriptor(),
                   piece,
                   skeleton_piece_size,
                   file.cursor().advance(skeleton_piece_size),
                   SyncForm::none,
                   slot);
        ring.submit();
        bytes += skeleton_piece_size;
    }
    for (; in_flight > 0; --in_flight) ring.wait();
    return {to_megabytes_per_second(bytes, now() - start)};
}

}  // namespace ironbark::bench
