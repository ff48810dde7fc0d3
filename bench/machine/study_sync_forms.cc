// One 4 KiB write at a time into a reused file, made durable in different ways, while the machine
// is otherwise idle and while a process spins on every core: completions that need a kernel worker
// must then wait for that process.

#include <cstdio>

#include "bench/machine/aligned_buffer.h"
#include "bench/machine/child_process.h"
#include "bench/machine/comparison.h"
#include "bench/machine/direct_file.h"
#include "bench/machine/noise.h"
#include "bench/machine/samples.h"
#include "bench/machine/study.h"
#include "bench/machine/synced_write.h"

namespace ironbark::bench {

namespace {

std::vector<double> write_for(SyncedWrite& form, Cursor& cursor, double seconds) {
    const AlignedBuffer block(block_size);
    Samples samples;
    for (const Nanoseconds end = now() + from_seconds(seconds); now() < end;) {
        const Nanoseconds start = now();
        form.write(block.data(), block.size(), cursor.advance(block.size()));
        samples.add(now() - start);
    }
    const Latency latency = samples.latency();
    return {latency.p50_us, latency.p99_us};
}

std::vector<Way> ways(const DirectFile& file, Cursor& cursor, double seconds, bool busy) {
    std::vector<Way> result;
    for (const SyncedWriteForm& form : synced_write_forms()) {
        result.push_back({form.name, [&file, &cursor, &form, seconds, busy] {
                              const auto writer = form.make(file);
                              const auto spinners = busy ? spin_on_every_core()
                                                         : std::vector<ChildProcess>{};
                              return write_for(*writer, cursor, seconds);
                          }});
    }
    return result;
}

}  // namespace

void study_sync_forms(const StudySettings& settings) {
    const DirectFile file(settings.directory + "/sync-forms", 256 << 20, Blocks::written);
    Cursor cursor(file.size());
    const Figures figures{.names = {"p50 us", "p99 us"}};
    Table table = comparison_table("cores", figures);
    const Noise noise;
    for (const bool busy : {false, true}) {
        compare(table,
                busy ? "all spinning" : "idle",
                figures,
                ways(file, cursor, settings.seconds, busy),
                settings.rounds);
    }
    table.print();
    std::printf("\n%s\n", noise.report().c_str());
}

}  // namespace ironbark::bench
