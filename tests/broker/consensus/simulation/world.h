#pragma once
// Cores, their disks, the network between them and their clients, in virtual time, on one thread, from one seed. No
// files, no sockets, no coroutines: a run of seconds takes milliseconds. The checker looks at every step; a run ends at
// the first broken promise, or when everything has healed and caught up.

#include <memory>
#include <queue>

#include "tests/broker/consensus/simulation/checker.h"
#include "tests/broker/consensus/simulation/plan.h"

namespace ironbark::consensus::simulation {

struct Counts {  // every member is a count
    uint64_t seeds = 0, steps = 0, messages = 0, elections = 0, entries = 0, written = 0, reads = 0, restarts = 0;
    uint64_t snapshots_sent = 0, truncations = 0, replacements = 0, transfers = 0, reports = 0;
    uint64_t virtual_ms = 0;
    uint64_t hash = 0;  // of everything that happened: the same in every build
};

class World {
  public:
    World(uint64_t seed, bool is_traced);
    ~World();

    // Runs to the end. What was broken; empty if nothing was.
    std::string run();
    const Counts& counts() const { return counts_; }

  private:
    struct Node;
    enum class Kind : uint8_t {
        message,
        timer,
        term_write,
        log_write,
        snapshot_write,
        own_snapshot,
        start,
        death,
        death_news,
        propose,
        read,
        mishap,
        heal
    };
    struct Occurrence {
        int64_t at_us;
        uint64_t order;
        Kind kind;
        uint32_t node = 0;
        uint64_t life = 0;  // of the node; what belongs to an earlier one is lost. 0: any
        uint64_t what = 0;  // a message's slot, a timer's number, a node
        bool operator<(const Occurrence& other) const {
            return at_us != other.at_us ? at_us > other.at_us : order > other.order;
        }
    };

    // world.cc: time, and what happens in it.
    void schedule(int64_t in_us, Kind kind, uint32_t node = 0, uint64_t life = 0, uint64_t what = 0);
    void happen(const Occurrence& occurrence);
    void happen_to(Node& node, const Occurrence& occurrence);
    bool has_recovered();
    void check_progress();

    // world_node.cc: processes and their drivers.
    Node& add_node(const Voter& self);
    void start(Node& node);
    void crash(Node& node, bool is_for_good);
    void step(Node& node, Event event);
    void perform(Node& node, const Action& action);
    void perform_on_log(Node& node, const Action& action);
    void check(Node& node);
    void note_leader(Node& node, const Voter& leader, Term term) const;
    void check_pre_vote(const Node& node, const Message& message);
    void schedule_writes(Node& node);
    void complete(Node& node, Kind kind);
    void begin_snapshot(Node& node);
    void end_snapshot(Node& node);
    void restore_state(Node& node);
    int64_t clock_ms(const Node& node) const;

    // world_network.cc
    void send(Node& from, Message message);
    void deliver(Node& node, uint64_t slot);
    Node* find(const Voter& voter);
    bool is_cut(uint32_t from, uint32_t to) const;
    void cut(bool is_one_way);
    void send_nonsense();

    // world_chaos.cc: clients and mishaps.
    Node* some_leader();
    void propose();
    void read();
    void mishap();
    void begin_replacement();
    void push_replacement();
    bool is_replacing() const { return incoming_.has_value(); }
    void heal();

    void trace(const Node* node, const std::string& text) const;

    const Plan plan_;
    const bool is_traced_;
    bool has_healed_ = false;
    int64_t now_us_ = 0;
    uint64_t order_ = 0;
    std::priority_queue<Occurrence> queue_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<Message> messages_;
    std::vector<uint64_t> free_messages_;
    std::vector<std::vector<int64_t>> cut_until_us_;
    std::vector<std::vector<int64_t>> link_us_;  // when the last message on it arrives
    Random network_, disks_, cores_, clients_, mishaps_;
    Checker checker_;
    Counts counts_;
    uint64_t next_command_ = 1;
    uint64_t next_read_ = 1;
    std::unordered_map<uint64_t, Checker::Read> reads_;
    std::optional<Voter> incoming_;  // being admitted
    LogIndex healed_end_;
    uint64_t written_when_healed_ = 0;
};

}  // namespace ironbark::consensus::simulation
