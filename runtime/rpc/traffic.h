#pragma once
// What went through the connections of a server or a channel.

#include <cstdint>

namespace ironbark::rpc {

struct Traffic {
    uint64_t bytes_in = 0;
    uint64_t bytes_out = 0;
};

}  // namespace ironbark::rpc
