#pragma once
// What would be lost now, by what a partition's leader knows of its replicas. Pure.

#include <cstdint>

#include "ironbark/admin.h"

namespace ironbark::tools {

// Records at the end of a partition; -1: not known, because no leader has said what its replicas have.
struct AtRisk {
    int64_t not_synced = -1;   // on no disk: a power cut takes them
    int64_t on_one_disk = -1;  // on one disk at most: its loss takes them
    bool is_known() const { return not_synced >= 0; }
};

AtRisk at_risk(const PartitionDescription& partition);

}  // namespace ironbark::tools
