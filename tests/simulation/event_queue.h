#pragma once
// What will happen, ordered by virtual time; events of the same instant by the tie rule of the run. The order is total,
// so it depends on nothing but the seed.

#include <cstdint>
#include <functional>
#include <vector>

#include "runtime/base/time.h"
#include "tests/simulation/options.h"
#include "tests/simulation/random_stream.h"

namespace ironbark::simulation {

class EventQueue {
  public:
    EventQueue(Tie tie, RandomStream random) : tie_(tie), random_(random) {}

    void push(Instant at, std::function<void()> action);
    bool empty() const { return events_.empty(); }
    Instant next_at() const { return events_.empty() ? never : events_.front().at; }
    // Removes the first event and returns what it does. REQUIRES: !empty()
    std::function<void()> pop();

  private:
    struct Event {
        Instant at;
        uint64_t tie;
        uint64_t number;
        std::function<void()> action;
    };
    static bool later(const Event& left, const Event& right);

    Tie tie_;
    RandomStream random_;
    uint64_t pushed_ = 0;
    std::vector<Event> events_;  // a heap
};

}  // namespace ironbark::simulation
