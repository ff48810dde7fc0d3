#pragma once
// A program that produces: the client library's engine, driven as its public face drives it, with records and pauses
// drawn from the seed. Tells the checker what it sends and what it is told.

#include <set>
#include <string>

#include "client/producer_engine.h"
#include "tests/simulation/cluster/content.h"
#include "tests/simulation/cluster/stage.h"

namespace ironbark::simulation {

class ProducerClient {
  public:
    // `life` is a number of its own for each start.
    ProducerClient(World& world, Stage& stage, const ProducerPlan& plan, std::string name, uint64_t life);

    // It has ended in order.
    bool is_done() const { return is_done_; }
    uint64_t life() const { return life_; }

  private:
    Task<void> run();
    Task<void> send_burst();
    Task<void> send_until_written(TopicPartition target);
    // Returns the record's number; 0: it was not accepted.
    Task<uint64_t> send(std::string topic, int32_t partition, size_t size);
    Task<Expected<void>> append(SentRecord record, Content content, client::ProducerTopic* topic, int32_t partition);
    Task<void> close();
    bool is_idempotent() const;

    World& world_;
    Stage& stage_;
    const ProducerPlan& plan_;
    const std::string name_;
    const uint64_t life_;
    RandomStream random_;
    client::Router router_;
    client::ProducerEngine engine_;
    std::set<PartitionIdentity> given_up_;  // it was told of a broken promise there, and may write nothing more
    bool is_done_ = false;
    Scope running_;
};

}  // namespace ironbark::simulation
