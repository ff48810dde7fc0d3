#pragma once
// The order in which a point is measured: rounds, and in each round every world in turn, so that neighbours in the
// order are what is compared. A turn that others disturbed comes again at the end, a bounded number of times; then it
// counts as it is. Pure.

#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace ironbark::bench {

struct Turn {
    int round = 0;
    std::string io;
};

class Schedule {
  public:
    Schedule(const std::vector<std::string>& ios, int rounds, int repeats_max);

    // The next turn; nothing when all are done.
    std::optional<Turn> next();
    // What became of it: true if its samples count, false if it comes again.
    bool finish(const Turn& turn, bool was_disturbed);
    int repeats() const { return repeats_; }
    // Turns that count although they were disturbed.
    int disturbed() const { return disturbed_; }

  private:
    std::deque<Turn> turns_;
    int repeats_max_;
    int repeats_ = 0;
    int disturbed_ = 0;
};

}  // namespace ironbark::bench
