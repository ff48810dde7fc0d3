#include "bench/load/schedule.h"

#include <utility>

namespace ironbark::bench {

Schedule::Schedule(const std::vector<std::string>& ios, int rounds, int repeats_max) : repeats_max_(repeats_max) {
    for (int round = 0; round < rounds; ++round) {
        for (const std::string& io : ios) turns_.push_back({round, io});
    }
}

std::optional<Turn> Schedule::next() {
    if (turns_.empty()) return std::nullopt;
    Turn turn = std::move(turns_.front());
    turns_.pop_front();
    return turn;
}

bool Schedule::finish(const Turn& turn, bool was_disturbed) {
    if (!was_disturbed) return true;
    if (repeats_ < repeats_max_) {
        ++repeats_;
        turns_.push_back(turn);
        return false;
    }
    ++disturbed_;
    return true;
}

}  // namespace ironbark::bench
