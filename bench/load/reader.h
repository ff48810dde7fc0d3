#pragma once
// Reads a topic on a thread of its own while it is being written, from its beginning. `finish` joins; until then what
// it saw is the thread's.

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "bench/load/sightings.h"
#include "ironbark/settings.h"

namespace ironbark::bench {

class Reader {
  public:
    Reader(const Settings& settings, const std::string& topic, size_t partitions);
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader();

    // Waits until it has read up to these ends, which do not move any more; throws if that takes more than a minute, or
    // if it could not go on.
    Sightings finish(const std::vector<int64_t>& ends);

  private:
    void run(Settings settings, const std::string& topic);
    bool is_done() const;

    size_t partitions_;
    Sightings sightings_;
    std::string problem_;
    std::vector<int64_t> ends_;  // set before `is_ending_`
    std::atomic<bool> is_ending_{false};
    std::atomic<bool> is_given_up_{false};
    std::thread thread_;
};

}  // namespace ironbark::bench
