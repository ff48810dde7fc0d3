#pragma once
// How long a loop that has run dry polls before it blocks. Waking a thread that sleeps costs tens of microseconds where
// its processor has gone to sleep with it, polling costs that processor; so a loop polls only while that pays: after a
// wait that polling for `max` would have bridged, and no more after one that it would not have. The rule of KVM's halt
// polling (Documentation/virt/kvm/halt-polling.rst in Linux). An idle loop therefore costs nothing. Pure.

#include <algorithm>

#include "runtime/base/time.h"

namespace ironbark {

class Spin {
  public:
    explicit Spin(Duration max) : max_(max) {}

    // How long the next wait polls. Never more than `max`.
    Duration window() const { return window_; }
    // What a wait has taken, polled and blocked together.
    void note(Duration waited) { window_ = waited <= max_ ? max_ : Duration::zero(); }

  private:
    Duration max_;
    Duration window_{0};
};

}  // namespace ironbark
