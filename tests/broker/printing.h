#pragma once
// Codes by their names in failure messages.

#include <ostream>

#include "runtime/base/error.h"

namespace ironbark {

inline void PrintTo(ErrorCode code, std::ostream* out) {
    *out << name(code);
}
inline void PrintTo(Outcome outcome, std::ostream* out) {
    *out << name(outcome);
}

}  // namespace ironbark
