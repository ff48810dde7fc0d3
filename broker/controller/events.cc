#include "broker/controller/events.h"

#include <algorithm>
#include <fmt/format.h>

namespace ironbark::broker {
namespace {

// "a, b, c and 7 more"
std::string listed(const ClusterEvent& event, size_t first) {
    std::string text;
    size_t shown = 0;
    for (size_t index = first; index < event.names.size(); ++index, ++shown) {
        text += (shown == 0 ? "" : ", ") + event.names[index];
    }
    if (event.count > static_cast<int64_t>(shown)) {
        text += fmt::format(" and {} more", event.count - static_cast<int64_t>(shown));
    }
    return text;
}

std::string counted(int64_t count, const char* one, const char* many) {
    return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string partitions(const ClusterEvent& event) {
    return counted(event.count, "partition", "partitions");
}

std::string first_name(const ClusterEvent& event) {
    return event.names.empty() ? "?" : event.names.front();
}

const char* after(EventCause start) {
    switch (start) {
        case EventCause::first_start: return "for the first time";
        case EventCause::clean_start: return "after a clean stop";
        case EventCause::unclean_start: return "after an unclean stop";
        case EventCause::other_directory: return "with another data directory: what it held is gone";
        default: return "";
    }
}

std::string ending(const ClusterEvent& event) {
    const char* how = "";
    switch (event.cause) {
        case EventCause::process_gone: how = ": its process is gone"; break;
        case EventCause::silent: how = ": it was silent for too long"; break;
        case EventCause::stopped: how = ": it stopped"; break;
        case EventCause::replaced: how = ": it started again"; break;
        default: break;
    }
    std::string text = fmt::format("broker {}, incarnation {}, ended{}", event.broker.value, event.value, how);
    if (event.count > 0) text += fmt::format("; {} without a leader: {}", partitions(event), listed(event, 0));
    return text;
}

std::string leading(const ClusterEvent& event) {
    const std::string where = fmt::format("{}: {}", partitions(event), listed(event, 0));
    if (event.cause == EventCause::ended) return fmt::format("nobody leads {}", where);
    const char* how = "";
    switch (event.cause) {
        case EventCause::durable_tier:
            how = ", from disk: records that were not acknowledged as isr_durable may be lost";
            break;
        case EventCause::without_last_leader:
            how = "; records that only the leader before had acknowledged may be lost";
            break;
        case EventCause::durable_floor: how = ", from disk, where everything acknowledged is"; break;
        case EventCause::by_hand: how = ", by hand: any record may be lost"; break;
        case EventCause::only_replica: how = ", as the only replica"; break;
        case EventCause::moved: how = ", as planned"; break;
        default: break;
    }
    if (event.broker.value == -1) return fmt::format("new leaders of {}{}", where, how);
    return fmt::format("broker {} leads {}{}", event.broker.value, where, how);
}

std::string damage(const ClusterEvent& event) {
    const bool is_emptied = event.cause == EventCause::emptied;
    const char* what = is_emptied ? "emptied" : "are damaged";
    const char* next =
        is_emptied ? "taken over anew from their leaders" : "they count for nothing until they are emptied";
    return fmt::format("broker {}: the logs of {} {}: {}; {}", event.broker.value, partitions(event), what,
                       listed(event, 0), next);
}

}  // namespace

const char* name(EventKind kind) {
    switch (kind) {
        case EventKind::broker_registered: return "broker_registered";
        case EventKind::broker_ended: return "broker_ended";
        case EventKind::topic_created: return "topic_created";
        case EventKind::topic_deleted: return "topic_deleted";
        case EventKind::topic_altered: return "topic_altered";
        case EventKind::partitions_added: return "partitions_added";
        case EventKind::leader_changed: return "leader_changed";
        case EventKind::controller_changed: return "controller_changed";
        case EventKind::feature_level_raised: return "feature_level_raised";
        case EventKind::failover_changed: return "failover_changed";
        case EventKind::replica_damaged: return "replica_damaged";
        case EventKind::replicas_moving: return "replicas_moving";
        case EventKind::replicas_moved: return "replicas_moved";
    }
    return "unknown_event";  // of a newer version
}

const char* name(EventCause cause) {
    switch (cause) {
        case EventCause::none: return "none";
        case EventCause::process_gone: return "process_gone";
        case EventCause::silent: return "silent";
        case EventCause::stopped: return "stopped";
        case EventCause::replaced: return "replaced";
        case EventCause::first_start: return "first_start";
        case EventCause::clean_start: return "clean_start";
        case EventCause::unclean_start: return "unclean_start";
        case EventCause::other_directory: return "other_directory";
        case EventCause::clean_tier: return "clean_tier";
        case EventCause::durable_tier: return "durable_tier";
        case EventCause::by_hand: return "by_hand";
        case EventCause::only_replica: return "only_replica";
        case EventCause::ended: return "ended";
        case EventCause::without_last_leader: return "without_last_leader";
        case EventCause::durable_floor: return "durable_floor";
        case EventCause::moved: return "moved";
        case EventCause::emptied: return "emptied";
    }
    return "unknown_cause";
}

ClusterEvent event_of(EventKind kind, Timestamp time, EventCause cause, BrokerId broker, int64_t value) {
    ClusterEvent event;
    event.time = time;
    event.kind = kind;
    event.cause = cause;
    event.broker = broker;
    event.value = value;
    return event;
}

void add_name(ClusterEvent& event, const std::string& name) {
    if (event.names.size() >= event_names_max) return;
    size_t size = std::min(name.size(), event_name_size_max);
    // Not within a character.
    while (size < name.size() && size > 0 && (static_cast<uint8_t>(name[size]) & 0xc0) == 0x80) --size;
    event.names.push_back(name.substr(0, size));
}

std::string text(const ClusterEvent& event) {
    switch (event.kind) {
        case EventKind::broker_registered:
            return fmt::format("broker {} at {} registered, incarnation {}, {}", event.broker.value, first_name(event),
                               event.value, after(event.cause));
        case EventKind::broker_ended: return ending(event);
        case EventKind::topic_created:
            return fmt::format("topic {} created: {} of {}", first_name(event), partitions(event),
                               counted(event.value, "replica", "replicas"));
        case EventKind::topic_deleted: return fmt::format("topic {} deleted", first_name(event));
        case EventKind::topic_altered:
            return fmt::format("topic {} altered: {}", first_name(event),
                               event.count == 0 ? "nothing" : listed(event, 1));
        case EventKind::partitions_added:
            return fmt::format("topic {} has {} more, {} now", first_name(event), partitions(event), event.value);
        case EventKind::leader_changed: return leading(event);
        case EventKind::controller_changed:
            return fmt::format("broker {} is the active controller, in term {}", event.broker.value, event.value);
        case EventKind::feature_level_raised: return fmt::format("feature level {} from now on", event.value);
        case EventKind::failover_changed:
            return event.value == 1 ? "failover is manual: leaders that fail are replaced by hand only"
                                    : "failover is automatic";
        case EventKind::replica_damaged: return damage(event);
        case EventKind::replicas_moving:
            return fmt::format("replicas of {} are moved: {}", partitions(event), listed(event, 0));
        case EventKind::replicas_moved:
            return fmt::format("replicas of {} have moved: {}", partitions(event), listed(event, 0));
    }
    return fmt::format("an event of kind {}, which this version does not know", static_cast<int>(event.kind));
}

}  // namespace ironbark::broker
