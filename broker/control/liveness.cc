#include "broker/control/liveness.h"

#include <algorithm>

namespace ironbark::broker {

void Liveness::begin(Instant now, const Metadata& metadata) {
    begun_ = now;
    std::erase_if(heard_, [&](const auto& each) { return metadata.brokers().count(each.first) == 0; });
}

Instant Liveness::due_of(const BrokerRecord& broker) const {
    auto found = heard_.find(broker.id);
    const Instant since = found == heard_.end() ? begun_ : std::max(found->second.at, begun_);
    return since + session_timeout_;
}

std::vector<Liveness::Silent> Liveness::silent(Instant now, const Metadata& metadata) {
    std::vector<Silent> silent;
    for (const auto& [id, broker] : metadata.brokers()) {
        Heard& heard = heard_[id];
        if (heard.incarnation != broker.incarnation) heard = {broker.incarnation, now};
        if (broker.is_alive && due_of(broker) <= now) silent.push_back({id, broker.incarnation});
    }
    return silent;
}

Instant Liveness::next_due(const Metadata& metadata) const {
    Instant next = never;
    for (const auto& [id, broker] : metadata.brokers()) {
        if (broker.is_alive) next = std::min(next, due_of(broker));
    }
    return next;
}

}  // namespace ironbark::broker
