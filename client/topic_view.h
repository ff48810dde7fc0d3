#pragma once
// What a client believes about a topic: as the last metadata said, corrected by what brokers answered since.

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/ids.h"

namespace ironbark::client {

struct Leader {
    int32_t broker = -1;  // -1: none that is known
    int32_t epoch = -1;
};

struct TopicView {
    Uuid id;
    std::string name;
    std::vector<Leader> leaders;  // of its partitions
    int64_t version = -1;         // of the metadata that said so

    int32_t partition_count() const { return static_cast<int32_t>(leaders.size()); }
};

}  // namespace ironbark::client
