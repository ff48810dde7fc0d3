#include "ironbark/types.h"

#include "ironbark/admin.h"
#include "ironbark/consumer.h"

namespace ironbark {

const char* name(Acks acks) {
    switch (acks) {
        case Acks::topic: return "topic";
        case Acks::none: return "none";
        case Acks::leader: return "leader";
        case Acks::leader_durable: return "leader_durable";
        case Acks::isr: return "isr";
        case Acks::isr_durable: return "isr_durable";
    }
    return "unknown";
}

const char* name(Visibility visibility) {
    switch (visibility) {
        case Visibility::topic: return "topic";
        case Visibility::durable: return "durable";
        case Visibility::replicated: return "replicated";
    }
    return "unknown";
}

const char* name(Gap::Reason reason) {
    switch (reason) {
        case Gap::Reason::deleted: return "deleted";
        case Gap::Reason::truncated: return "truncated";
        case Gap::Reason::compacted: return "compacted";
        case Gap::Reason::missing: return "missing";
    }
    return "unknown";
}

const char* name(SettingSource source) {
    switch (source) {
        case SettingSource::default_value: return "default";
        case SettingSource::cluster: return "cluster";
        case SettingSource::topic: return "topic";
        case SettingSource::broker: return "broker";
    }
    return "unknown";
}

}  // namespace ironbark
