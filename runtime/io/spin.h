#pragma once
// How long a loop that has run dry polls before it blocks. Waking a thread that sleeps costs tens of microseconds where
// its processor has gone to sleep with it, polling costs that processor; so a loop polls only while that pays: while
// most waits are short, so that polling for `max` bridges them. One long wait among short ones ends nothing: work that
// goes round between threads and disks has both. One of ten times `max` does: the work is over. An idle loop therefore
// costs nothing, nor does one that wakes for a few messages now and then. After the halt polling of KVM
// (Documentation/virt/kvm/halt-polling.rst in Linux), which goes by the last wait alone. Pure.

#include <algorithm>

#include "runtime/base/time.h"

namespace ironbark {

class Spin {
  public:
    explicit Spin(Duration max) : max_(max) {}

    // How long the next wait polls: `max` or not at all.
    Duration window() const { return balance_ >= balance_wanted ? max_ : Duration::zero(); }
    // What a wait has taken, polled and blocked together.
    void note(Duration waited) {
        if (waited <= max_) {
            balance_ = std::min(balance_ + 1, balance_max);
        } else {
            balance_ = waited < idle_factor * max_ ? std::max(balance_ - 1, 0) : 0;
        }
    }

  private:
    static constexpr int idle_factor = 10;
    static constexpr int balance_wanted = 4;
    static constexpr int balance_max = 8;

    Duration max_;
    int balance_ = 0;  // short waits less long ones, since the last idle one
};

}  // namespace ironbark
