#include <array>
#include <memory>
#include <thread>
#include <vector>

#include "bench/machine/aligned_buffer.h"
#include "bench/machine/probes.h"
#include "bench/machine/system.h"
#include "bench/machine/write_ring.h"

namespace ironbark::bench {

namespace {

constexpr std::size_t file_count = 3;
constexpr std::uint64_t reused_size = 4 << 20;

struct ReusedFile {
    explicit ReusedFile(const std::string& path) : file(path, reused_size, Blocks::written), cursor(reused_size) {}
    DirectFile file;
    Cursor cursor;
};

std::vector<std::unique_ptr<ReusedFile>> make_files(const std::string& directory) {
    std::vector<std::unique_ptr<ReusedFile>> files;
    for (std::size_t index = 0; index < file_count; ++index) {
        files.push_back(std::make_unique<ReusedFile>(directory + "/probe-" + std::to_string(index)));
    }
    return files;
}

void write_until(ReusedFile& into, std::size_t size, Nanoseconds end, std::vector<Nanoseconds>& took) {
    const AlignedBuffer piece(size);
    for (Nanoseconds start = now(); start < end; start = now()) {
        into.file.write_synced(piece.data(), size, into.cursor.advance(size));
        took.push_back(now() - start);
    }
}

}  // namespace

Latency probe_three_synced_writes(const std::string& directory, std::size_t size, double seconds) {
    const auto files = make_files(directory);
    std::array<std::vector<Nanoseconds>, file_count> took;
    std::vector<std::thread> threads;
    const Nanoseconds end = now() + from_seconds(seconds);
    for (std::size_t index = 0; index < file_count; ++index) {
        threads.emplace_back([&, index] { write_until(*files[index], size, end, took[index]); });
    }
    for (std::thread& thread : threads) thread.join();
    Samples samples;
    for (const auto& each : took) {
        for (const Nanoseconds latency : each) samples.add(latency);
    }
    return samples.latency();
}

Latency probe_slowest_of_three(const std::string& directory, std::size_t size, double seconds) {
    const auto files = make_files(directory);
    const AlignedBuffer piece(size);
    WriteRing ring(2 * file_count, file_count);
    Samples samples;
    const Nanoseconds end = now() + from_seconds(seconds);
    for (Nanoseconds start = now(); start < end; start = now()) {
        for (std::size_t index = 0; index < file_count; ++index) {
            ReusedFile& into = *files[index];
            ring.write(into.file.descriptor(), piece.data(), size, into.cursor.advance(size), SyncForm::flush_thread,
                       index);
        }
        for (std::size_t index = 0; index < file_count; ++index) ring.wait();
        samples.add(now() - start);
    }
    return samples.latency();
}

}  // namespace ironbark::bench
