#pragma once
// Offsets and their like by their numbers, and codes by their names, in failure messages.

#include <ostream>

#include "log/scan.h"

namespace ironbark {

inline void PrintTo(ErrorCode code, std::ostream* out) { *out << name(code); }
inline void PrintTo(Offset offset, std::ostream* out) { *out << offset.value; }
inline void PrintTo(Timestamp time, std::ostream* out) { *out << time.milliseconds; }
template <typename Tag, typename Number>
void PrintTo(Id<Tag, Number> id, std::ostream* out) {
    *out << +id.value;
}

}  // namespace ironbark

namespace ironbark::log {

inline void PrintTo(ScanEnd end, std::ostream* out) { *out << name(end); }
inline void PrintTo(const EpochStart& entry, std::ostream* out) {
    *out << "epoch " << entry.epoch.value << " at " << entry.start.value;
}

}  // namespace ironbark::log
