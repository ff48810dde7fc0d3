#pragma once
// What one seed decides before the run begins: how many voters, their settings, and which faults there are. Every class
// of fault is on in half of the seeds, at a rate of its own; one seed in eight has none. A stream of random numbers for
// each purpose, so that one draw more in one shifts no other.

#include <cstdint>
#include <string>

namespace ironbark::consensus::simulation {

// SplitMix64: integers only, equal on every compiler.
class Random {
  public:
    Random(uint64_t seed, uint64_t stream) : state_(seed * 0x9e3779b97f4a7c15 + stream * 0xd1342543de82ef95) { next(); }

    uint64_t next() {
        state_ += 0x9e3779b97f4a7c15;
        uint64_t value = state_;
        value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
        value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
        return value ^ (value >> 31);
    }
    uint64_t below(uint64_t end) { return next() % end; }
    int64_t between(int64_t least, int64_t most) {
        return least + static_cast<int64_t>(below(static_cast<uint64_t>(most - least + 1)));
    }
    bool chance(uint64_t in_thousand) { return below(1000) < in_thousand; }
    // Mostly short, sometimes long: a geometric number of halvings of 16 times the mean.
    int64_t waiting(int64_t mean) {
        int64_t most = 16 * mean;
        while (most > mean / 4 && chance(600)) most /= 2;
        return between(0, most / 2);
    }

  private:
    uint64_t state_;
};

struct Plan {
    explicit Plan(uint64_t seed);
    std::string to_string() const;

    uint64_t seed;
    int voters;
    int64_t faults_end_us;  // then everything heals, and has to be well within `healing_us`
    int64_t healing_us = 10'000'000;

    // Chances in a thousand for each message.
    uint64_t lost = 0;
    uint64_t repeated = 0;
    uint64_t held_up = 0;      // for a tenth of a second and more: overtaken by everything
    bool is_in_order = false;  // links as TCP has them
    int64_t delay_us = 200;
    int64_t write_us = 300;
    uint64_t stalled_writes = 0;  // chance of a write that takes up to two seconds

    // Weights of what happens to voters, one about every `mishap_us`; 0: never.
    int64_t mishap_us = 150'000;
    uint64_t crashes = 0;
    uint64_t power_cuts = 0;  // all at once
    uint64_t disk_failures = 0;
    uint64_t short_reigns = 0;  // chance that a leader dies within moments of its election
    uint64_t pauses = 0;
    uint64_t partitions = 0;
    uint64_t one_way_cuts = 0;
    uint64_t transfers = 0;
    uint64_t replacements = 0;
    uint64_t strangers = 0;  // messages of no voter, of another cluster, and nonsense
    uint64_t seen_dead = 0;  // chance that a peer's death is seen soon
    uint64_t late_news = 0;  // chance that it is told much later, when the peer may be back

    int64_t propose_us = 8'000;
    int64_t read_us = 30'000;
    uint64_t snapshot_entries = 0;  // made after so many; 0: none
    uint64_t trail_entries = 0;
    uint64_t message_entries = 0;  // entries in a message, and messages on the way; 0: the usual limits
    bool do_clocks_differ = false;
};

}  // namespace ironbark::consensus::simulation
