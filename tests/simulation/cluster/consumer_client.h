#pragma once
// A program that consumes: some partitions at a time, from some place on, at the tail or cold, again and again; in the
// end everything up to the end of the partitions that it has.

#include <string>

#include "tests/simulation/cluster/reader.h"

namespace ironbark::simulation {

class ConsumerClient {
  public:
    ConsumerClient(World& world, Stage& stage, const ConsumerPlan& plan, std::string name, uint64_t life);
    bool is_done() const { return is_done_; }

  private:
    Task<void> run();
    Task<void> read_some();
    Task<void> read_to_the_end();
    void begin();
    Start draw_start(const KnownTopic& topic, int32_t partition);
    bool has_everything() const;

    World& world_;
    Stage& stage_;
    const ConsumerPlan& plan_;
    const std::string name_;
    RandomStream random_;
    Reader reader_;
    std::vector<TopicPartition> assigned_;
    bool is_done_ = false;
    Scope running_;
};

// Reads all of one partition, from its start to its end, when nothing is written any more. It is read as it stands in
// memory; what is durable follows within the flush interval.
Task<std::vector<FinalRecord>> read_whole(World* world, Reader* reader, TopicPartition partition, int64_t* log_start);

}  // namespace ironbark::simulation
