// How large a write should be and how many should be in flight, into a reused file, synced and not.

#include <cstdio>

#include "bench/machine/aligned_buffer.h"
#include "bench/machine/comparison.h"
#include "bench/machine/direct_file.h"
#include "bench/machine/noise.h"
#include "bench/machine/study.h"
#include "bench/machine/system.h"
#include "bench/machine/write_ring.h"

namespace ironbark::bench {

namespace {

double write_for(const DirectFile& file,
                 std::size_t size,
                 std::size_t depth,
                 SyncForm form,
                 double seconds) {
    const AlignedBuffer memory(size * depth);
    Cursor cursor(file.size());
    WriteRing ring(64, depth);
    const auto start = [&](WriteRing::Tag tag) {
        const std::byte* piece = memory.data() + tag * size;
        ring.write(file.descriptor(), piece, size, cursor.advance(size), form, tag);
    };
    const Nanoseconds begin = now();
    const Nanoseconds end = begin + from_seconds(seconds);
    for (std::size_t i = 0; i < depth; ++i) start(i);
    std::uint64_t bytes = 0;
    for (std::size_t in_flight = depth; in_flight > 0;) {
        const WriteRing::Tag tag = ring.wait();
        bytes += size;
        if (now() < end) {
            start(tag);
        } else {
            --in_flight;
        }
    }
    return to_megabytes_per_second(bytes, now() - begin);
}

std::string size_name(std::size_t size) {
    return size < (1 << 20) ? std::to_string(size >> 10) + " KiB"
                            : std::to_string(size >> 20) + " MiB";
}

struct SizeAndForm {
    std::string name;
    SyncForm form;
};

}  // namespace

void study_size_and_depth(const StudySettings& settings) {
    const DirectFile file(settings.directory + "/size-and-depth", 512 << 20, Blocks::written);
    const Figures figures{.names = {"1 in flight", "2", "4", "8"}, .compared = 0};
    const std::vector<SizeAndForm> forms{{"unsynced", SyncForm::none},
                                         {"RWF_DSYNC", SyncForm::dsync},
                                         {"linked fdatasync", SyncForm::linked_fdatasync},
                                         {"flush threads", SyncForm::flush_thread}};
    Table table = comparison_table("size", figures);
    const Noise noise;
    for (std::size_t size = 4 << 10; size <= 4 << 20; size *= 4) {
        std::vector<Way> ways;
        for (const auto& [name, form] : forms) {
            ways.push_back({name, [&, form] {
                                std::vector<double> result;
                                for (const std::size_t depth : {1U, 2U, 4U, 8U}) {
                                    result.push_back(
                                        write_for(file, size, depth, form, settings.seconds / 4));
                                }
                                return result;
                            }});
        }
        compare(table, size_name(size), figures, ways, settings.rounds);
    }
    std::printf("MB/s\n\n");
    table.print();
    std::printf("\n%s\n", noise.report().c_str());
}

}  // namespace ironbark::bench
