#pragma once
// Which brokers the active controller has heard from lately. Pure: the time comes in. What to do about silence is the
// controller's business.

#include <map>
#include <vector>

#include "broker/controller/metadata.h"
#include "runtime/base/time.h"

namespace ironbark::broker {

class Liveness {
  public:
    // A controller that becomes active, or that was itself held up, has heard nothing for reasons of its own: nobody is
    // silent before `grace` has passed. Those who are registered by now are once it has.
    void begin(Instant now, Duration grace, const Metadata& metadata);
    // A heartbeat of this incarnation.
    void heard(BrokerId broker, Incarnation incarnation, Instant now) { heard_[broker] = {incarnation, now}; }

    struct Silent {
        BrokerId broker{-1};
        Incarnation incarnation{-1};
    };
    // Brokers that are alive, as far as the metadata says, and silent for a session timeout. An incarnation that is
    // seen for the first time has just registered, however long that took: it has a whole session timeout from now on.
    std::vector<Silent> silent(Instant now, Duration session_timeout, const Metadata& metadata);
    // When the next one will be, if nobody is heard; `never` without brokers. After `silent`.
    Instant next_due(Duration session_timeout, const Metadata& metadata) const;

  private:
    Instant due_of(const BrokerRecord& broker, Duration session_timeout) const;

    Instant grace_end_{};
    struct Heard {
        Incarnation incarnation{-1};
        Instant at{};
    };
    std::map<BrokerId, Heard> heard_;
};

}  // namespace ironbark::broker
