#include "tests/simulation/event_queue.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "runtime/base/assert.h"

namespace ironbark::simulation {

bool EventQueue::later(const Event& left, const Event& right) {
    return std::tie(left.at, left.tie, left.number) > std::tie(right.at, right.tie, right.number);
}

void EventQueue::push(Instant at, std::function<void()> action) {
    uint64_t number = pushed_++;
    uint64_t tie = 0;
    if (tie_ == Tie::last_in_first_out) tie = ~number;
    if (tie_ == Tie::random) tie = random_.next();
    events_.push_back(Event{at, tie, number, std::move(action)});
    std::push_heap(events_.begin(), events_.end(), later);
}

std::function<void()> EventQueue::pop() {
    ASSERT(!events_.empty());
    std::pop_heap(events_.begin(), events_.end(), later);
    std::function<void()> action = std::move(events_.back().action);
    events_.pop_back();
    return action;
}

}  // namespace ironbark::simulation
