#include "broker/controller/placement.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace ironbark::broker {
namespace {

// SplitMix64: integers only, equal everywhere.
class Dice {
  public:
    explicit Dice(uint64_t seed) : state_(seed) {}
    uint64_t next() {
        uint64_t value = (state_ += 0x9e3779b97f4a7c15);
        value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
        value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
        return value ^ (value >> 31);
    }

  private:
    uint64_t state_;
};

// What is placed now is spread first of all: a broker that has just come, with nothing, does not get all of it. What is
// there already decides among equals.
struct Load {
    uint64_t placed = 0;
    uint64_t present = 0;
    uint64_t sum() const { return placed + present; }
    friend auto operator<=>(const Load&, const Load&) = default;
};

struct Place {
    BrokerId id;
    size_t rack = 0;
    Load replicas;
    Load firsts;         // partitions in whose list it is the first
    bool taken = false;  // by the partition at hand
};

struct Rack {
    uint64_t brokers = 0;
    Load replicas;       // on its living brokers
    uint64_t taken = 0;  // by the partition at hand
};

class Plan {
  public:
    Plan(const Metadata& metadata, uint64_t seed) : dice_(seed) {
        std::map<std::string, size_t> racks;
        std::map<BrokerId, size_t> places;
        for (const auto& [id, broker] : metadata.brokers()) {
            if (!broker.is_alive || broker.is_controller_only) continue;
            const size_t rack = racks.emplace(broker.rack, racks.size()).first->second;
            places[id] = places_.size();
            places_.push_back({.id = id, .rack = rack, .replicas = {}, .firsts = {}});
        }
        racks_.resize(racks.size());
        for (const Place& place : places_) ++racks_[place.rack].brokers;
        for (const auto& [name, topic] : metadata.topics()) {
            for (const PartitionRecord& partition : topic->partitions) count(partition.replicas, places);
        }
    }

    size_t brokers() const { return places_.size(); }

    void choose(int32_t replicas) {
        std::vector<Place*> chosen;
        for (int32_t index = 0; index < replicas; ++index) chosen.push_back(&take());
        for (Place* place : chosen) place->taken = false;
        for (Rack& rack : racks_) rack.taken = 0;
        auto fewest_firsts = [](const Place* one, const Place* other) { return one->firsts < other->firsts; };
        std::iter_swap(chosen.begin(), std::min_element(chosen.begin(), chosen.end(), fewest_firsts));
        ++chosen.front()->firsts.placed;
        chosen_.push_back(std::move(chosen));
    }

    // The first places, which each partition has given to the broker with the fewest until then, evened out.
    void even_out() {
        for (size_t rounds = 0; rounds < chosen_.size() && shift(); ++rounds) {
        }
    }

    Assignment take_assignment() const {
        Assignment assignment;
        for (const std::vector<Place*>& list : chosen_) {
            BrokerIds& ids = assignment.emplace_back();
            for (const Place* place : list) ids.push_back(place->id);
        }
        return assignment;
    }

  private:
    void count(const BrokerIds& replicas, const std::map<BrokerId, size_t>& places) {
        for (size_t index = 0; index < replicas.size(); ++index) {
            auto found = places.find(replicas[index]);
            if (found == places.end()) continue;
            Place& place = places_[found->second];
            ++place.replicas.present;
            ++racks_[place.rack].replicas.present;
            if (index == 0) ++place.firsts.present;
        }
    }

    // Takes a first place from a broker and gives one to another that has at least two less: along a chain of brokers,
    // each of which leads a partition that the one before holds. False if there is no such chain.
    bool shift() {
        struct Step {
            Place* to;
            std::vector<Place*>* list;  // in which the reached broker hands its first place over to that one
            Place* poorest;             // where the chain begins
        };
        std::vector<Place*> reached;
        for (Place& place : places_) reached.push_back(&place);
        auto poorer = [](const Place* one, const Place* other) {
            return std::pair(one->firsts, one->id) < std::pair(other->firsts, other->id);
        };
        std::sort(reached.begin(), reached.end(), poorer);
        if (reached.back()->firsts.placed < reached.front()->firsts.placed + 2) return false;
        const uint64_t most = reached.back()->firsts.placed;
        std::erase_if(reached, [most](const Place* place) { return place->firsts.placed + 2 > most; });
        std::map<const Place*, Step> steps;
        for (Place* place : reached) steps[place] = {nullptr, nullptr, place};
        for (size_t index = 0; index < reached.size(); ++index) {
            Place* to = reached[index];
            Place* poorest = steps.at(to).poorest;
            if (to->firsts.placed >= poorest->firsts.placed + 2) {
                ++poorest->firsts.placed;
                --to->firsts.placed;
                for (Step step = steps.at(to); step.to != nullptr; step = steps.at(step.to)) {
                    std::iter_swap(step.list->begin(), std::find(step.list->begin(), step.list->end(), step.to));
                }
                return true;
            }
            for (std::vector<Place*>& list : chosen_) {
                if (steps.contains(list.front()) || std::find(list.begin(), list.end(), to) == list.end()) continue;
                steps[list.front()] = {to, &list, poorest};
                reached.push_back(list.front());
            }
        }
        return false;
    }

    // First the rack, by what the partition has there and by its replicas per broker; then the broker in it. Among
    // equals chance decides, so that the partitions of one broker have their other replicas on all the others.
    Place& take() {
        constexpr uint64_t scale = uint64_t{1} << 20;  // of an average, which is of less than 2^40 replicas
        using Rank = std::tuple<uint64_t, uint64_t, uint64_t, uint64_t>;
        std::vector<Rank> ranks;
        for (const Rack& rack : racks_) {
            bool has_room = rack.taken < rack.brokers;
            const uint64_t placed = rack.replicas.placed * scale / rack.brokers;
            const uint64_t load = rack.replicas.sum() * scale / rack.brokers;
            ranks.push_back({has_room ? rack.taken : UINT64_MAX, placed, load, dice_.next()});
        }
        const auto rack = static_cast<size_t>(std::min_element(ranks.begin(), ranks.end()) - ranks.begin());
        Place* best = nullptr;
        std::tuple<Load, uint64_t> best_rank;
        for (Place& place : places_) {
            if (place.rack != rack || place.taken) continue;
            std::tuple<Load, uint64_t> rank{place.replicas, dice_.next()};
            if (best != nullptr && best_rank <= rank) continue;
            best = &place;
            best_rank = rank;
        }
        ASSERT(best != nullptr);
        best->taken = true;
        ++best->replicas.placed;
        ++racks_[rack].replicas.placed;
        ++racks_[rack].taken;
        return *best;
    }

    Dice dice_;
    std::vector<Place> places_;
    std::vector<Rack> racks_;
    std::vector<std::vector<Place*>> chosen_;  // of each partition
};

}  // namespace

size_t brokers_with_partitions(const Metadata& metadata) {
    const auto& brokers = metadata.brokers();
    return static_cast<size_t>(std::count_if(brokers.begin(), brokers.end(),
                                             [](const auto& each) { return !each.second.is_controller_only; }));
}

Result<Assignment> place(const Metadata& metadata, int32_t partitions, int32_t replicas, uint64_t seed) {
    if (partitions < 1 || partitions > topic_partitions_max) {
        return Error(ErrorCode::invalid_partitions, "a topic has 1 to 10000 partitions");
    }
    Plan plan(metadata, seed);
    const size_t known = brokers_with_partitions(metadata);
    if (replicas < 1 || static_cast<size_t>(replicas) > std::min(known, partition_replicas_max) ||
        plan.brokers() == 0) {
        return Error(ErrorCode::invalid_replication_factor,
                     "a partition has at most as many replicas as there are brokers, and at least one that lives");
    }
    const int32_t living = std::min(replicas, static_cast<int32_t>(plan.brokers()));
    for (int32_t index = 0; index < partitions; ++index) plan.choose(living);
    plan.even_out();
    Assignment assignment = plan.take_assignment();
    BrokerIds away;
    for (const auto& [id, broker] : metadata.brokers()) {
        if (!broker.is_alive && !broker.is_controller_only) away.push_back(id);
    }
    size_t turn = 0;
    for (BrokerIds& list : assignment) {
        for (int32_t missing = replicas - living; missing > 0; --missing) list.push_back(away[turn++ % away.size()]);
    }
    return assignment;
}

}  // namespace ironbark::broker
