#pragma once
// What the programs of one run share, outside of their world: the phase, the topics that are known to exist, the
// checker. Everything runs on one thread.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/cluster/atlas.h"
#include "tests/simulation/cluster/history.h"
#include "tests/simulation/cluster/plan.h"

namespace ironbark::simulation {

enum class Phase : uint8_t {
    chaos,     // faults happen; clients work, and take what comes
    recovery,  // no faults any more: producers go on until each partition has taken a record of theirs, and end
    settled,   // nothing is written any more: consumers go on until they have everything, and end
};

// Whose log the file is part of; none of files elsewhere, and of graveyards.
inline std::optional<PartitionIdentity> partition_of_file(const std::string& path) {
    const std::string directory = "/partitions/";
    const size_t found = path.find(directory);
    if (found == std::string::npos || path.find("graveyard") != std::string::npos) return std::nullopt;
    const size_t begin = found + directory.size();
    return PartitionIdentity::parse(path.substr(begin, path.find('/', begin) - begin));
}

struct KnownTopic {
    std::string name;
    Uuid id;
    int32_t partitions = 0;  // at least
};

struct Stage {
    Stage(Simulation& the_simulation, const Plan& the_plan, bool is_loud)
        : simulation(the_simulation),
          plan(the_plan),
          excuses(the_simulation, the_plan.nodes > 1, !the_plan.has_disk_errors()),
          history(the_simulation,
                  &excuses,
                  &atlas,
                  the_plan.is_disk_prompt() ? flush_interval_max + 5s : Duration::max(),
                  is_loud) {}

    const KnownTopic* topic(const std::string& name) const {
        for (const KnownTopic& topic : topics) {
            if (topic.name == name) return &topic;
        }
        return nullptr;
    }
    // Partitions that are to work in the end.
    std::vector<TopicPartition> good_partitions() {
        std::vector<TopicPartition> good;
        for (const KnownTopic& topic : topics) {
            for (int32_t index = 0; index < topic.partitions; ++index) {
                if (!history.is_damaged({topic.id, PartitionIndex(index)})) good.push_back({topic.name, index});
            }
        }
        return good;
    }

    Simulation& simulation;
    const Plan& plan;
    Excuses excuses;
    Atlas atlas;
    History history;
    Phase phase = Phase::chaos;
    std::vector<uint64_t> mishaps;     // that befell, by number
    std::set<int32_t> lost_voters;     // whose directory is another one now: somebody has to say so
    std::vector<KnownTopic> topics;    // created, and nobody has asked to delete them
    std::vector<std::string> deleted;  // deleted for certain, and not made again
};

}  // namespace ironbark::simulation
