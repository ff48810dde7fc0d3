// The closed loop with one journal: each turn collects the waiting rounds of all partitions into
// one synced write, then hands the records to the write-behind. The journal is a ring of two
// halves; a half is used again only when a checkpoint has made its records durable elsewhere.
#pragma once

#include "bench/machine/closed_loop.h"

namespace ironbark::bench {

LoopResult run_with_journal(const ClosedLoop& loop,
                            PartitionFiles& files,
                            std::size_t active,
                            const DirectFile& journal,
                            SyncForm form);

}  // namespace ironbark::bench
