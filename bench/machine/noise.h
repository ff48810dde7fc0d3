// How much of the processor others took while a measurement ran: printed under every table, so
// that a reader knows what the figures are worth.
#pragma once

#include <cstdint>
#include <string>

namespace ironbark::bench {

class Noise {
  public:
    Noise();
    // "steal 3 %, processors busy 40 %", since construction; busy counts our own work too.
    std::string report() const;

  private:
    struct Ticks {
        std::uint64_t busy = 0;
        std::uint64_t stolen = 0;
        std::uint64_t total = 0;
    };
    static Ticks read();

    Ticks start_;
};

}  // namespace ironbark::bench
