#include <array>

#include "bench/machine/aligned_buffer.h"
#include "bench/machine/child_process.h"
#include "bench/machine/loopback.h"
#include "bench/machine/probes.h"
#include "bench/machine/system.h"

namespace ironbark::bench {

PingResult probe_ping(double seconds) {
    LoopbackPair sockets;
    std::array<std::byte, 64> message{};
    const ChildProcess echo([&] {
        while (receive_all(sockets.far(), message.data(), message.size()) &&
               send_all(sockets.far(), message.data(), message.size())) {
        }
    });
    Samples samples;
    for (const Nanoseconds end = now() + from_seconds(seconds); now() < end;) {
        const Nanoseconds start = now();
        send_all(sockets.near(), message.data(), message.size());
        receive_all(sockets.near(), message.data(), message.size());
        samples.add(now() - start);
    }
    return {samples.latency()};
}

BandwidthResult probe_loopback(double seconds) {
    LoopbackPair sockets;
    const AlignedBuffer piece(1 << 20);
    const ChildProcess sender([&] {
        while (send_all(sockets.far(), piece.data(), piece.size())) {
        }
    });
    std::uint64_t bytes = 0;
    const Nanoseconds start = now();
    for (const Nanoseconds end = start + from_seconds(seconds); now() < end;) {
        receive_all(sockets.near(), piece.data(), piece.size());
        bytes += piece.size();
    }
    return {to_megabytes_per_second(bytes, now() - start)};
}

}  // namespace ironbark::bench
