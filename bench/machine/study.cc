#include "bench/machine/study.h"

namespace ironbark::bench {

const std::vector<Study>& studies() {
    static const std::vector<Study> list{
        {"pad-or-rewrite",
         "where a synced round starts that follows a synced round",
         study_pad_or_rewrite},
        {"partitions-or-journal",
         "synced writes into each partition's file, or into one journal for all",
         study_partitions_or_journal},
        {"size-and-depth",
         "how large writes should be, and how many at once",
         study_size_and_depth},
        {"sync-forms", "how a write is made durable", study_sync_forms},
        {"segment-reuse", "what state a segment's blocks should be in", study_segment_reuse},
        {"checksums", "what two checksums cost at ingest", study_checksums},
    };
    return list;
}

}  // namespace ironbark::bench
