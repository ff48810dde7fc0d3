#include "tests/broker/consensus/simulation/world.h"

#include <cstdio>

#include "tests/broker/consensus/simulation/world_node.h"

namespace ironbark::consensus::simulation {
namespace {

Voter first_voter(int id) {
    return {VoterId(id), Uuid::from_words(static_cast<uint64_t>(id), 1)};
}

}  // namespace

World::World(uint64_t seed, bool is_traced)
    : plan_(seed),
      is_traced_(is_traced),
      network_(seed, 2),
      disks_(seed, 3),
      cores_(seed, 4),
      clients_(seed, 5),
      mishaps_(seed, 6) {
    counts_.seeds = 1;
    trace(nullptr, plan_.to_string());
    Membership membership{Uuid::from_words(7, 7), {}, std::nullopt};
    for (int id = 1; id <= plan_.voters; ++id) membership.voters.push_back(first_voter(id));
    for (const Voter& voter : membership.voters) {
        Node& node = add_node(voter);
        start(node);
        step(node, Form{membership});
    }
    schedule(plan_.propose_us, Kind::propose);
    schedule(plan_.read_us, Kind::read);
    schedule(plan_.mishap_us, Kind::mishap);
    schedule(plan_.faults_end_us, Kind::heal);
}

World::~World() = default;

void World::schedule(int64_t in_us, Kind kind, uint32_t node, uint64_t life, uint64_t what) {
    queue_.push({now_us_ + std::max<int64_t>(in_us, 0), ++order_, kind, node, life, what});
}

void World::trace(const Node* node, const std::string& text) const {
    if (!is_traced_) return;
    std::printf("%10.3f ms  ", static_cast<double>(now_us_) / 1000);
    if (node) {
        std::printf("%d%c %-13s term %-3llu commit %-4llu  ", node->self.id.value,
                    static_cast<char>('`' + node->self.directory.bytes[15]), name(node->status.role),
                    static_cast<unsigned long long>(node->status.term.value),
                    static_cast<unsigned long long>(node->status.commit.value));
    }
    std::printf("%s\n", text.c_str());
}

std::string World::run() {
    while (!checker_.is_broken() && !has_recovered()) {
        if (has_healed_ && now_us_ > plan_.faults_end_us + plan_.healing_us) {
            check_progress();
            break;
        }
        Occurrence next = queue_.top();
        queue_.pop();
        now_us_ = next.at_us;
        happen(next);
    }
    counts_.virtual_ms = static_cast<uint64_t>(now_us_ / 1000);
    counts_.elections = checker_.elections();
    counts_.entries = checker_.ledger_end().value;
    counts_.written = checker_.written();
    return checker_.is_broken() ? checker_.broken() : "";
}

void World::happen(const Occurrence& occurrence) {
    switch (occurrence.kind) {
        case Kind::propose: return propose();
        case Kind::read: return read();
        case Kind::mishap: return mishap();
        case Kind::heal: return heal();
        default: break;
    }
    Node& node = *nodes_[occurrence.node];
    bool is_of_another_life = occurrence.life != 0 && occurrence.life != node.life;
    if (is_of_another_life) return;
    if (node.paused_until_us > now_us_ && occurrence.kind != Kind::start) {
        Occurrence later = occurrence;
        later.at_us = node.paused_until_us;
        queue_.push(later);
        return;
    }
    happen_to(node, occurrence);
}

void World::happen_to(Node& node, const Occurrence& occurrence) {
    if (occurrence.kind == Kind::start) {
        if (!node.core && !node.is_gone) start(node);
        return;
    }
    if (occurrence.kind == Kind::message) return deliver(node, occurrence.what);
    if (!node.core) return;
    switch (occurrence.kind) {
        case Kind::timer:
            if (occurrence.what != node.timer_number) return;
            node.timer_ms = -1;
            return step(node, TimerExpired{});
        case Kind::death:
            if (has_healed_) return;
            crash(node, false);
            return schedule(mishaps_.waiting(150'000), Kind::start, node.number);
        case Kind::death_news: return step(node, PeerProcessDied{nodes_[occurrence.what]->self});
        case Kind::own_snapshot: return end_snapshot(node);
        default: return complete(node, occurrence.kind);
    }
}

// Everybody who has a vote runs, and has everything; and after the faults something new was written.
bool World::has_recovered() {
    if (!has_healed_ || is_replacing() || checker_.written() < written_when_healed_ + 5) return false;
    Node* leader = some_leader();
    if (!leader || leader->status.membership->leaving) return false;
    for (const Voter& voter : leader->status.membership->voters) {
        Node* node = find(voter);
        if (!node || !node->core || node->applied < healed_end_ || node->status.term != leader->status.term)
            return false;
    }
    return true;
}

void World::check_progress() {
    std::string state;
    for (auto& node : nodes_) {
        state += "; " + std::to_string(node->self.id.value) + (node->core ? std::string(" ") : std::string(" down ")) +
                 name(node->status.role) + " in " + std::to_string(node->status.term.value) + ", applied " +
                 std::to_string(node->applied.value);
    }
    checker_.fail("progress: ten seconds after the last fault not all have caught up" + state);
}

}  // namespace ironbark::consensus::simulation
