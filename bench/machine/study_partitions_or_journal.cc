// Where the bytes of a synced round go first: into the file of each partition, with a sync for
// each, or into one journal per shard with one sync for all, to be written again into the files
// afterwards. The disk merges flushes that are asked for at once, so that both gain from
// concurrency; the question is by how much, and what the second copy costs.

#include <cstdio>

#include "bench/machine/closed_loop.h"
#include "bench/machine/comparison.h"
#include "bench/machine/journal_loop.h"
#include "bench/machine/noise.h"
#include "bench/machine/study.h"

namespace ironbark::bench {

void study_partitions_or_journal(const StudySettings& settings) {
    constexpr std::size_t partitions_max = 512;
    PartitionFiles files(settings.directory, partitions_max, 4 << 20);
    const DirectFile journal(settings.directory + "/journal", 256 << 20, Blocks::written);
    const Figures figures{.names = {"records/s", "p50 us", "p99 us", "written/given"}};
    for (const std::size_t records : {1U, 8U, 16U, 64U}) {
        const ClosedLoop loop{.records_in_flight = records, .seconds = settings.seconds};
        Table table = comparison_table("partitions", figures);
        const Noise noise;
        for (const std::size_t active : {1U, 8U, 64U, 512U}) {
            const auto each = [&](SyncForm form) {
                return run_with_synced_files(loop, files, active, form).figures();
            };
            const auto one = [&](SyncForm form) {
                return run_with_journal(loop, files, active, journal, form).figures();
            };
            compare(table,
                    std::to_string(active),
                    figures,
                    {{"files, linked fdatasync", [&] { return each(SyncForm::linked_fdatasync); }},
                     {"files, RWF_DSYNC", [&] { return each(SyncForm::dsync); }},
                     {"files, flush threads", [&] { return each(SyncForm::flush_thread); }},
                     {"files, one syncfs",
                      [&] { return run_with_one_sync(loop, files, active).figures(); }},
                     {"journal, linked fdatasync",
                      [&] { return one(SyncForm::linked_fdatasync); }},
                     {"journal, RWF_DSYNC", [&] { return one(SyncForm::dsync); }},
                     {"journal, flush thread", [&] { return one(SyncForm::flush_thread); }}},
                    settings.rounds);
        }
        std::printf("%zu record(s) of 1 KiB in flight per partition\n\n", records);
        table.print();
        std::printf("\n%s\n\n", noise.report().c_str());
        std::fflush(stdout);
    }
}

}  // namespace ironbark::bench
