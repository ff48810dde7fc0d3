#pragma once
// Three daemons of ours on loopback, each a broker and a controller, and what the benchmark of the controllers asks of
// them. They end with it. Failures end the benchmark (std::runtime_error).

#include <memory>
#include <string>
#include <vector>

#include "bench/load/daemon.h"
#include "bench/load/measurement.h"
#include "ironbark/admin.h"

namespace ironbark::bench {

class Cluster {
  public:
    static constexpr size_t size = 3;

    // Starts them and waits until all are ready.
    Cluster(Bench& bench, const std::string& io);
    // Stops them and removes what they have written.
    void finish();

    Daemon& daemon(size_t index) { return *daemons_[index]; }
    // Which of them has the active controller. Waits until one has, until all brokers live, and until all voters have
    // the whole log.
    size_t wait_until_whole();
    // The addresses of all, for clients.
    std::string bootstrap() const;
    // One of the others.
    static size_t another(size_t index) { return (index + 1) % size; }
    // Asks this daemon first, and stays with it while it answers.
    Settings settings_of(size_t index, int spin_us = 0) const;
    Admin admin_of(size_t index, int spin_us = 0) const;

  private:
    Bench& bench_;
    std::vector<std::unique_ptr<Daemon>> daemons_;
};

// A topic with one partition and one replica, one setting of which goes to and fro: the least that the metadata can be
// changed by.
class Change {
  public:
    static constexpr const char* topic = "changed";

    static void create_topic(Admin& admin);
    Expected<void> make(Admin& admin, Admin::Timeout timeout = Admin::default_timeout);

  private:
    bool is_odd_ = false;
};

// When a daemon said last that its controller is active, by the clock on the wall (ms since 1970); -1: never.
int64_t last_active_ms(const Daemon& daemon);
int64_t ready_ms(const Daemon& daemon);
int64_t wall_ms();

}  // namespace ironbark::bench
