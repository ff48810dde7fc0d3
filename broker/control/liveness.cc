#include "broker/control/liveness.h"

#include <algorithm>

namespace ironbark::broker {

void Liveness::begin(Instant now, Duration grace, const Metadata& metadata) {
    grace_end_ = now + grace;
    std::erase_if(heard_, [&](const auto& each) { return metadata.brokers().count(each.first) == 0; });
    for (const auto& [id, broker] : metadata.brokers()) {
        Heard& heard = heard_[id];
        if (heard.incarnation != broker.incarnation) heard = {broker.incarnation, Instant()};
    }
}

Instant Liveness::due_of(const BrokerRecord& broker, Duration session_timeout) const {
    auto found = heard_.find(broker.id);
    if (found == heard_.end()) return grace_end_;
    return std::max(found->second.at + session_timeout, grace_end_);
}

std::vector<Liveness::Silent> Liveness::silent(Instant now, Duration session_timeout, const Metadata& metadata) {
    std::vector<Silent> silent;
    for (const auto& [id, broker] : metadata.brokers()) {
        Heard& heard = heard_[id];
        if (heard.incarnation != broker.incarnation) heard = {broker.incarnation, now};
        if (broker.is_alive && due_of(broker, session_timeout) <= now) silent.push_back({id, broker.incarnation});
    }
    return silent;
}

Instant Liveness::next_due(Duration session_timeout, const Metadata& metadata) const {
    Instant next = never;
    for (const auto& [id, broker] : metadata.brokers()) {
        if (broker.is_alive) next = std::min(next, due_of(broker, session_timeout));
    }
    return next;
}

}  // namespace ironbark::broker
