#include "tools/at_risk.h"

#include <algorithm>
#include <functional>
#include <vector>

namespace ironbark::tools {

AtRisk at_risk(const PartitionDescription& partition) {
    std::vector<int64_t> ends;
    for (const ReplicaState& replica : partition.replica_states) ends.push_back(replica.durable_end);
    if (ends.empty() || partition.log_end < 0) return {};
    // What was deleted is not there to be lost.
    for (int64_t& end : ends) end = std::clamp(end, partition.log_start, partition.log_end);
    std::sort(ends.begin(), ends.end(), std::greater<>());
    const int64_t second = ends.size() > 1 ? ends[1] : partition.log_start;
    return {partition.log_end - ends.front(), partition.log_end - second};
}

}  // namespace ironbark::tools
