#include "tests/simulation/trace.h"

#include <array>
#include <string>

#include "runtime/base/bytes.h"
#include "runtime/base/checksum.h"

namespace ironbark::simulation {

const char* name(TraceKind kind) {
    switch (kind) {
        case TraceKind::resumed: return "resumed";
        case TraceKind::message: return "message";
        case TraceKind::script: return "script";
        case TraceKind::node_started: return "node-started";
        case TraceKind::node_ended: return "node-ended";
        case TraceKind::disk_open: return "disk-open";
        case TraceKind::disk_read: return "disk-read";
        case TraceKind::disk_write: return "disk-write";
        case TraceKind::disk_sync: return "disk-sync";
        case TraceKind::disk_resize: return "disk-resize";
        case TraceKind::disk_directory: return "disk-directory";
        case TraceKind::disk_fault: return "disk-fault";
        case TraceKind::connected: return "connected";
        case TraceKind::refused: return "refused";
        case TraceKind::sent: return "sent";
        case TraceKind::arrived: return "arrived";
        case TraceKind::stream_ended: return "stream-ended";
        case TraceKind::link_changed: return "link-changed";
        case TraceKind::told: return "told";
    }
    return "";
}

void Trace::add(Instant at, TraceKind kind, uint64_t node, uint64_t first, uint64_t second) {
    std::array<uint8_t, 36> packed;
    store_le(packed.data(), at.time_since_epoch().count());
    store_le(packed.data() + 8, static_cast<uint32_t>(kind));
    store_le(packed.data() + 12, node);
    store_le(packed.data() + 20, first);
    store_le(packed.data() + 28, second);
    hash_ = xxh3(packed, hash_);
    tail_.push_back(Entry{at, kind, node, first, second});
    if (tail_.size() > tail_max) tail_.pop_front();
}

std::string Trace::tail() const {
    std::string text;
    for (const Entry& entry : tail_) {
        text += "  " + std::to_string(entry.at.time_since_epoch().count()) + " node " + std::to_string(entry.node);
        text += std::string(" ") + name(entry.kind);
        text += " " + std::to_string(entry.first) + " " + std::to_string(entry.second) + "\n";
    }
    return text;
}

}  // namespace ironbark::simulation
