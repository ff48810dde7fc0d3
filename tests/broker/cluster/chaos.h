#pragma once
// One life of a whole cluster, from one seed: daemons are killed, lose their power, are stopped, paused and cut off
// from each other while clients change the metadata; at the end the world is well, and everybody agrees.
//
// What must hold, and ends the program if it does not:
//   one active controller in a term (C7); incarnations of a broker that only grow (C7)
//   two brokers that show the same version of the metadata show the same metadata, and nobody's version goes back (C13)
//   what was acknowledged is there at the end, and what was refused is not
//   a daemon always stops when it is told to; when the world is well again, all are ready and alive soon

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/broker/cluster/cluster_world.h"

namespace ironbark::broker {

struct ChaosCounts {
    uint64_t kills = 0;
    uint64_t power_losses = 0;
    uint64_t stops = 0;
    uint64_t pauses = 0;
    uint64_t cuts = 0;
    uint64_t terms = 0;
    uint64_t acknowledged = 0;
    uint64_t refused = 0;
    uint64_t unknown = 0;
    void add(const ChaosCounts& other);
};

class Chaos {
  public:
    explicit Chaos(uint64_t seed);
    ChaosCounts run();

  private:
    enum class Fate : uint8_t { pending, acknowledged, refused, unknown };
    struct Change {
        std::string topic;
        bool is_creation = true;
        ClusterWorld::Pending answer;
        Fate fate = Fate::pending;
    };

    void mishap();
    void end_one(int32_t id);
    void end_in_order(int32_t id);
    void cut_or_heal();
    void begin_change();
    void settle();
    void observe();
    void observe_controllers();
    void look_at_answers();
    void recover();
    void check_topics();
    [[noreturn]] void fail(const std::string& what) { world_.simulation().fail(what); }

    int32_t some_node() { return static_cast<int32_t>(random_.between(1, nodes_)); }

    simulation::RandomStream random_;
    size_t voters_;
    size_t nodes_;
    ClusterWorld world_;
    std::vector<Change> changes_;
    size_t names_ = 0;
    std::map<int64_t, MetadataSnapshot> seen_;  // by version, of whoever showed it first
    std::map<int32_t, int64_t> shown_;          // the version that each process showed last
    std::map<BrokerId, Incarnation> incarnations_;
    std::map<uint64_t, int32_t> active_in_;  // by term
    ChaosCounts counts_;
};

}  // namespace ironbark::broker
