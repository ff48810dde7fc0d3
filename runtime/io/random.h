#pragma once
// Random numbers of the real worlds: xoshiro256** (Blackman and Vigna, 2018), seeded by the kernel. For identities,
// jitter and sampling; not for secrets.

#include <array>

#include "runtime/io/world.h"

namespace ironbark {

class SystemRandom final : public Random {
  public:
    SystemRandom();
    uint64_t next() override;

  private:
    std::array<uint64_t, 4> state_;
};

}  // namespace ironbark
