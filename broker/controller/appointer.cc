#include "broker/controller/appointer.h"

#include <algorithm>
#include <fmt/format.h>
#include <tuple>

#include "broker/controller/tiers.h"

namespace ironbark::broker {
namespace {

constexpr int64_t flap_window_ms = 5 * 60 * 1000;
constexpr int flaps_max = 3;

// "broker 1, 2 or 3"
std::string listed(const BrokerIds& brokers) {
    std::string text = "broker ";
    for (size_t index = 0; index < brokers.size(); ++index) {
        const bool is_last = index > 0 && index + 1 == brokers.size();
        text += fmt::format("{}{}", index == 0 ? "" : is_last ? " or " : ", ", brokers[index].value);
    }
    return text;
}

// What is acknowledged, and perhaps not on who is to lead.
std::string loss_by(const Appointer::Proposal& proposal, const TopicRecord& topic, const PartitionRecord& partition) {
    const Appointment& appointment = proposal.appointment;
    const int64_t end = proposal.report.log_end.value;
    switch (tier_of(partition, appointment.leader, topic.has_durable_floor)) {
        case Tier::clean:
            if (topic.has_durable_floor || contains(appointment.in_sync, partition.last_leader)) return {};
            return fmt::format("records from offset {} on that only broker {} had acknowledged", end,
                               partition.last_leader.value);
        case Tier::durable:
            if (topic.has_durable_floor) return {};
            return fmt::format("records from offset {} on that were not acknowledged as isr_durable", end);
        case Tier::none: break;
    }
    BrokerIds others = partition.replicas;
    std::erase(others, appointment.leader);
    return others.empty() ? fmt::format("any record from offset {} on", end)
                          : fmt::format("any record from offset {} on that {} has", end, listed(others));
}

}  // namespace

void Appointer::take(BrokerId broker, Incarnation incarnation, const std::vector<ReplicaReport>& reports, Instant now) {
    std::map<PartitionIdentity, Heard> before;
    for (auto place = heard_.begin(); place != heard_.end();) {
        auto node = place->second.extract(broker);
        if (!node.empty()) before.emplace(place->first, node.mapped());
        place = place->second.empty() ? heard_.erase(place) : std::next(place);
    }
    for (const ReplicaReport& report : reports) {
        Heard heard{incarnation, report, now};
        auto known = before.find(report.identity);
        const bool is_again = known != before.end() && known->second.incarnation == incarnation &&
                              known->second.report.leader_epoch == report.leader_epoch;
        if (is_again) heard.since = known->second.since;
        heard_[report.identity][broker] = heard;
    }
}

bool Appointer::is_current(const Metadata& metadata,
                           const PartitionRecord& partition,
                           BrokerId id,
                           const Heard& heard) {
    const BrokerRecord* broker = metadata.find(id);
    return broker != nullptr && broker->is_alive && broker->incarnation == heard.incarnation &&
           partition.leader.value == -1 && heard.report.leader_epoch == partition.leader_epoch;
}

Appointer::Decision Appointer::decide(const Metadata& metadata, Instant now) {
    Decision decision;
    if (heard_.empty()) return decision;
    const BrokerIds flapping = flapping_brokers(metadata);
    for (auto place = heard_.begin(); place != heard_.end();) {
        const auto topic = metadata.find(place->first.topic);
        const PartitionRecord* partition = metadata.find(place->first);
        std::erase_if(place->second, [&](const auto& each) {
            return partition == nullptr || !is_current(metadata, *partition, each.first, each.second);
        });
        if (place->second.empty()) {
            place = heard_.erase(place);
            continue;
        }
        if (decision.appointments.size() < batch_partitions) {
            judge({place->first, *topic, *partition, metadata, flapping}, place->second, now, decision);
        }
        ++place;
    }
    return decision;
}

Appointer::Choice Appointer::choose(const Question& question, const BrokerIds& candidates, const Replies& replies) {
    Choice choice;
    Appointment& appointment = choice.appointment;
    auto rank = [&question](BrokerId id, const Heard& one) {
        return std::tuple(one.report.last_epoch, one.report.log_end, !contains(question.flapping, id));
    };
    for (BrokerId candidate : candidates) {
        if (question.metadata.is_alive(candidate)) ++choice.living;
        auto reply = replies.find(candidate);
        if (reply == replies.end()) continue;
        const Heard& heard = reply->second;
        choice.first = std::min(choice.first, heard.since);
        appointment.in_sync.push_back(candidate);
        if (choice.best != nullptr && rank(candidate, heard) <= rank(appointment.leader, *choice.best)) continue;
        choice.best = &heard;
        appointment.leader = candidate;
        appointment.incarnation = heard.incarnation;
    }
    appointment.topic = question.identity.topic;
    appointment.partition = question.identity.partition;
    appointment.partition_epoch = question.partition.partition_epoch;
    return choice;
}

void Appointer::judge(const Question& question, const Replies& replies, Instant now, Decision& decision) const {
    const BrokerIds candidates = electable(question.partition, question.topic.has_durable_floor);
    Choice choice = choose(question, candidates, replies);
    if (choice.best == nullptr) return;
    if (choice.appointment.in_sync.size() < choice.living && now < choice.first + wait_) {
        decision.next = std::min(decision.next, choice.first + wait_);
        return;
    }
    decision.appointments.push_back(std::move(choice.appointment));
}

std::optional<Appointer::Proposal> Appointer::propose(const Metadata& metadata,
                                                      const PartitionIdentity& identity,
                                                      bool unclean) const {
    const auto topic = metadata.find(identity.topic);
    const PartitionRecord* partition = metadata.find(identity);
    auto heard = heard_.find(identity);
    if (partition == nullptr || heard == heard_.end()) return std::nullopt;
    Replies replies = heard->second;
    std::erase_if(replies,
                  [&](const auto& each) { return !is_current(metadata, *partition, each.first, each.second); });
    const BrokerIds flapping = flapping_brokers(metadata);
    const Question question{identity, *topic, *partition, metadata, flapping};
    Choice choice = choose(question, electable(*partition, topic->has_durable_floor), replies);
    if (choice.best == nullptr && unclean) {
        choice = choose(question, partition->replicas, replies);
        choice.appointment.unclean = true;
        choice.appointment.in_sync = {choice.appointment.leader};
    }
    if (choice.best == nullptr) return std::nullopt;
    Proposal proposal{std::move(choice.appointment), choice.best->report, {}};
    proposal.loss = loss_by(proposal, *topic, *partition);
    return proposal;
}

BrokerIds flapping_brokers(const Metadata& metadata) {
    BrokerIds flapping;
    if (metadata.events().empty()) return flapping;
    const int64_t from = metadata.events().back().time.milliseconds - flap_window_ms;
    std::map<BrokerId, int> ends;
    for (const ClusterEvent& event : metadata.events()) {
        const bool has_failed = event.kind == EventKind::broker_ended &&
                                (event.cause == EventCause::process_gone || event.cause == EventCause::silent);
        if (has_failed && event.time.milliseconds >= from) ++ends[event.broker];
    }
    for (const auto& [broker, count] : ends) {
        if (count >= flaps_max) flapping.push_back(broker);
    }
    return flapping;
}

std::string why_nobody_leads(const Metadata& metadata, const TopicRecord& topic, const PartitionRecord& partition) {
    BrokerIds here;
    BrokerIds gone;
    for (BrokerId candidate : electable(partition, topic.has_durable_floor)) {
        (metadata.is_alive(candidate) ? here : gone).push_back(candidate);
    }
    if (!here.empty() && metadata.is_failover_manual()) {
        return "nobody leads: failover is manual, and `ironbark leader elect` says who would";
    }
    if (!here.empty()) return fmt::format("nobody leads: {} may, and is to say what it has", listed(here));
    if (!gone.empty()) {
        return fmt::format("nobody leads: waits for {}, which may have acknowledged records that the others lack",
                           listed(gone));
    }
    return "nobody leads: no replica is known to have what was acknowledged; one can be appointed by `ironbark leader "
           "elect --unclean`";
}

}  // namespace ironbark::broker
