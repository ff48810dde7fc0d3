#pragma once
// A few cores, their disks, and the messages between them, moved by hand: what a test says happens, and nothing else.
// A test is a script of small sentences, one a line; '#' begins a comment. A line that does not hold fails the test,
// with its number and what was seen instead.
//
//   3 voters                form a cluster; voter v waits 300 + 20 * (v - 1) ms for a leader, and after one in its turn
//   expire 1                time passes until voter 1's timer, and only that one, expires
//   pass 200 | wait 500     the clock goes on, and nothing happens | and everything happens: timers, messages, writes
//   settle                  every message is delivered and every write completes, until nothing is left
//   elect 1                 expire 1, settle
//   deliver 1 2 [n]         voter 2 receives what voter 1 has sent to it, or the first n
//   drop 1 2 [n], again 1 2, last 1 2   loses them; the first arrives, and stays; the newest arrives first
//   cut 3 | join 3 | cut 1 2    nothing goes to or from voter 3; it does again; nothing from 1 to 2
//   hold 2 | write 2 | write term 2 | release 2   its disk stalls; completes one write of the log; of the term; goes on
//   crash 2 [all|term|log]  the process dies; of its writes nothing but what is named is carried out
//   start 2, wipe 2         from its disk; from an empty disk with another directory
//   propose 1 a b | propose 1 in 2 a   commands, decided in the present term, or in term 2
//   read 1 r, replace 1 3, transfer 1 [2], dead 2 1 (2 sees 1 die), snapshot 1, fail 1
//   1 is leader 2, 1 follows 2, 2 log 1:1 2:2, 2 commit 2, 2 durable 2, 2 applied a b, 2 restored 5, 2 votes for 1
//   3 snapshot 7            index of its snapshot
//   1 told ...              what it told its driver since the last time, one after the other, with " ; "
//   1 to 2: ...             what is on the way, in the same manner; 1 to 2 nothing

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/broker/consensus/memory_disk.h"

namespace ironbark::consensus::testing {

Voter voter(int id, int generation = 0);
Uuid cluster();
Payload payload(const std::string& text);

// Times of the scripts: an election timeout of 300 ms, a heartbeat every 50.
Settings settings_of_scripts();

class Group {
  public:
    Settings settings = settings_of_scripts();

    void run(const std::string& script);

    Core& core(int id) { return *node(id).core; }
    Voter self(int id) { return voter(id, node(id).generation); }
    // A message by hand, as from that voter.
    void receive(int to, Message message);
    Message message(int from, int to, uint64_t term, MessageBody body);
    void step(int id, Event event);
    std::string told(int id);
    void damage_next_install(int id) { node(id).disk.is_next_install_damaged = true; }

  private:
    using Words = std::vector<std::string>;
    struct Node {
        std::optional<Core> core;
        MemoryDisk disk;
        int generation = 0;
        bool is_stalled = false;
        std::vector<std::string> applied;
        std::vector<std::string> told;
        RoleChanged role{};
    };
    using Link = std::pair<int, int>;

    Node& node(int id) { return *nodes_.at(id); }
    void perform(int id, const Action& action);
    void post(int from, const Message& message);
    void start(int id);
    void form(int count);
    void restore_machine(Node& one);
    bool complete(int id, bool is_term);
    bool settle_once();
    void settle();
    void wait(int64_t milliseconds);
    void deliver(Link link, size_t count);
    void make_snapshot(int id);
    bool command(const Words& words);
    bool disk_command(const Words& words);
    bool request(const Words& words);
    bool link_command(const Words& words);
    std::optional<std::string> seen(const Words& words);
    std::string on_the_way(Link link);
    std::string name_of(uint64_t id) const;

    int64_t now_ms_ = 1000;
    std::map<int, std::unique_ptr<Node>> nodes_;
    std::map<Link, std::deque<Message>> links_;
    std::map<Link, bool> cut_;
    std::map<uint64_t, std::string> names_;
    uint64_t next_id_ = 1000;
};

// Runs the script on a group of its own.
void run(const std::string& script);

}  // namespace ironbark::consensus::testing
