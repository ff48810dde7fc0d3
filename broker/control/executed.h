#pragma once
// What became of a command to the controllers, for whoever asked for it: apart from the controller, because those who
// ask stand on nothing of it.

#include <cstdint>
#include <string>

#include "runtime/base/error.h"

namespace ironbark::broker {

struct Executed {
    Outcome outcome = Outcome::unknown;
    Error error{ErrorCode::none};
    std::string hint;      // if the error's own text does not say it
    int64_t version = -1;  // of the metadata that shows the effect, if there is one

    bool ok() const { return error.code == ErrorCode::none; }
};

}  // namespace ironbark::broker
