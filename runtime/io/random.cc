#include "runtime/io/random.h"

#include <sys/random.h>

#include <bit>

#include "runtime/io/descriptor.h"

namespace ironbark {

SystemRandom::SystemRandom() {
    // Up to 256 bytes come whole once the kernel's generator is ready, for which the call waits.
    ssize_t count = retry_interrupted([&] { return getrandom(state_.data(), sizeof(state_), 0); });
    ASSERT(count == sizeof(state_));
}

uint64_t SystemRandom::next() {
    uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

}  // namespace ironbark
