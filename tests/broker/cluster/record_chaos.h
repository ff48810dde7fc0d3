#pragma once
// One life of a replicated topic, from one seed: brokers are killed, lose their power, are stopped, paused and cut off
// while producers write at every level and readers read; at the end the world is well, and what was promised is there.
//
// What must hold, and ends the program if it does not:
//   a record that was acknowledged as isr_durable is at its offset at the end (C1)
//   an offset that a reader was shown holds the same record for ever (C2)
//   no record of an idempotent producer is there twice, and each producer's are in its order (C3)
//   nothing that was refused as not written is there (C4)
//   when the world is well again, planned moves of replicas end, nobody else keeps the partition, and all replicas are
//   soon in sync, and equal frame by frame (C5)

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/broker/cluster/replicated.h"

namespace ironbark::broker {

struct RecordChaosCounts {
    uint64_t kills = 0;
    uint64_t power_losses = 0;
    uint64_t stops = 0;
    uint64_t pauses = 0;
    uint64_t cuts = 0;
    uint64_t moves = 0;  // that were asked for
    uint64_t moved = 0;
    uint64_t replica_moves = 0;  // that were planned
    uint64_t replicas_moved = 0;
    uint64_t rotten = 0;  // pages of a log
    uint64_t mended = 0;  // logs that were found damaged, and replaced
    uint64_t epochs = 0;
    uint64_t acknowledged = 0;
    uint64_t acknowledged_durable = 0;
    uint64_t duplicates = 0;
    uint64_t refused = 0;
    uint64_t unknown = 0;
    uint64_t shown = 0;
    uint64_t lost_at_weaker_levels = 0;
    void add(const RecordChaosCounts& other);
};

class RecordChaos {
  public:
    explicit RecordChaos(uint64_t seed);
    RecordChaosCounts run();

  private:
    struct Sender {
        int64_t producer = -1;
        AckLevel level = AckLevel::isr_durable;
        int32_t sequence = 0;
        std::string value;  // of the batch that is being sent
        bool may_be_there = false;
        int32_t gap_from = -1;  // the last answer has said that what was acknowledged from there on is lost
        ClusterWorld::Pending answer;
    };
    struct Acknowledged {
        std::string value;
        AckLevel level;
        int64_t offset;
    };
    struct Reader {
        int64_t next = 0;
        ClusterWorld::Pending answer;
        std::vector<FetchPart> asked;
    };

    void mishap();
    void cut_or_heal();
    void end_one(int32_t id);
    void move_leader();
    void move_replicas();
    void settle_replicas();
    bool wait_whole();
    void rot();
    void settle();
    void send(Sender& sender);
    void take_answer(Sender& sender);
    void next_record(Sender& sender);
    void begin_anew(Sender& sender);
    void finish(Sender& sender);
    void read(Reader& reader);
    void take_fetched(Reader& reader);
    void show(const Seen& seen);
    void recover();
    void check();
    int32_t some_node() { return static_cast<int32_t>(random_.between(1, nodes_)); }
    int32_t likely_leader();
    void note(const std::string& what);
    [[noreturn]] void fail(const std::string& what);

    simulation::RandomStream random_;
    size_t nodes_;
    ClusterWorld world_;
    std::optional<Replicated> topic_;
    std::vector<Sender> senders_;
    std::vector<Reader> readers_;
    std::vector<ClusterWorld::Pending> moves_;
    std::vector<ClusterWorld::Pending> replica_moves_;
    int32_t rotting_ = -1;  // whose disk rots: one at most, for the promise is that one disk may be lost
    int64_t producers_made_ = 0;
    uint64_t values_made_ = 0;
    std::vector<Acknowledged> acknowledged_;
    std::vector<std::string> refused_;
    std::map<int64_t, std::string> shown_;
    std::deque<std::string> story_;  // the last things that happened, for whoever reads a failure
    RecordChaosCounts counts_;
};

}  // namespace ironbark::broker
