#pragma once
// Every source of chance in a simulation is a stream of its own, made from the root seed and a name. One draw more in
// one stream shifts no other, so a fault class can be switched off and the rest of the run stays as it was.
// xoshiro256** seeded by SplitMix64: integers only, equal on every compiler and machine.

#include <array>
#include <cstdint>
#include <string_view>

#include "runtime/base/time.h"
#include "runtime/io/world.h"
#include "tests/simulation/options.h"

namespace ironbark::simulation {

class RandomStream final : public Random {
  public:
    RandomStream(uint64_t root_seed, std::string_view name);

    uint64_t next() override;
    // Always draws, also when the chance is zero: what follows does not depend on the rate.
    bool chance(Chance chance) { return below(chance.denominator) < chance.numerator; }
    uint64_t between(uint64_t least, uint64_t most) { return least + below(most - least + 1); }
    // Exponentially distributed with this mean, at most 45 times the mean.
    uint64_t exponential(uint64_t mean);
    Duration duration(Latency latency);

  private:
    std::array<uint64_t, 4> state_;
};

}  // namespace ironbark::simulation
