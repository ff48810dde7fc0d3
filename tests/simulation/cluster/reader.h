#pragma once
// The reading half of the client library as a program drives it, with a check of everything that it hands out: no
// record is passed over unless a gap says so, none comes twice, marks do not go back.

#include <map>
#include <string>
#include <vector>

#include "client/consumer_engine.h"
#include "client/records_builder.h"
#include "tests/simulation/cluster/stage.h"

namespace ironbark::simulation {

class Reader {
  public:
    Reader(World& world, Stage& stage, const Settings& settings, std::string who);

    client::Router& router() { return router_; }

    void assign(const std::vector<Assignment>& assignments);
    void seek(const TopicPartition& partition, Start start);
    void pause(const TopicPartition& partition, bool is_paused);
    // What came, already checked. Partitions whose reading has ended with an error are in `ended`.
    struct Polled {
        std::vector<std::pair<TopicPartition, FinalRecord>> records;
        std::vector<TopicPartition> ended;
    };
    Task<Polled> poll(Duration patience);
    // Where it reads next; -1: not known yet.
    int64_t position(const TopicPartition& partition) const;
    Marks marks(const TopicPartition& partition) const { return engine_.marks(partition); }
    Task<void> close();

  private:
    // What should come next of a partition.
    struct Expected {
        Start start;
        int64_t next = -1;  // -1: whatever the start turns out to be
        bool has_read = false;
        PartitionIdentity identity;
        bool has_identity = false;
        Marks marks;
        // A start beyond the end of the log was a wrong one, and nobody has lost anything.
        bool may_go_back_to(int64_t offset) const {
            return !has_read && start.kind == Start::Kind::offset && offset < next;
        }
    };
    Task<Records> next_records(Duration patience);
    void take(const Records& records, Polled* polled);
    void take_record(const ConsumerRecord& record, std::vector<Gap>* gaps, Polled* polled);
    bool take_gap(const TopicPartition& name, Expected& expected, int64_t limit, std::vector<Gap>* gaps);
    void take_error(const PartitionError& error, Polled* polled);
    void look_at_marks();
    Expected* expected_of(const TopicPartition& name);

    World& world_;
    Stage& stage_;
    const Settings settings_;
    const std::string who_;
    client::Router router_;
    client::ConsumerEngine engine_;
    RecordsBuilder builder_;
    uint64_t generations_ = 0;
    std::map<TopicPartition, Expected> expected_;
    Scope running_;
};

}  // namespace ironbark::simulation
