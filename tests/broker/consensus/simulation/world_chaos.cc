#include <algorithm>

#include "tests/broker/consensus/simulation/world_node.h"

namespace ironbark::consensus::simulation {

// Any that takes itself for the leader, also one that has been deposed: clients cannot know.
World::Node* World::some_leader() {
    Node* found = nullptr;
    uint64_t seen = 0;
    for (auto& node : nodes_) {
        if (!node->core || node->status.role != Role::leader || node->paused_until_us > now_us_) continue;
        if (clients_.below(++seen) == 0) found = node.get();
    }
    return found;
}

void World::propose() {
    schedule(clients_.between(1, 2 * plan_.propose_us), Kind::propose);
    Node* node = some_leader();
    if (!node) return;
    for (uint64_t count = clients_.chance(100) ? 10 : 1; count > 0; --count) {
        const uint64_t command = next_command_++;
        Term expected = node->status.term;
        if (clients_.chance(20)) expected = Term(expected.value - 1);
        checker_.proposed(command, expected);
        std::vector<uint8_t> bytes(8 + clients_.below(40));
        store_le(bytes.data(), command);
        step(*node,
             Propose{ProposalId(command), expected, std::make_shared<const std::vector<uint8_t>>(std::move(bytes))});
    }
    push_replacement();
}

void World::read() {
    schedule(clients_.between(1, 2 * plan_.read_us), Kind::read);
    Node* node = some_leader();
    if (!node) return;
    const uint64_t id = next_read_++;
    reads_[id] = checker_.read_begins(now_us_);
    step(*node, ReadBarrier{ReadId(id)});
}

void World::mishap() {
    if (has_healed_) return;
    schedule(mishaps_.between(1, 2 * plan_.mishap_us), Kind::mishap);
    Node& node = *nodes_[mishaps_.below(nodes_.size())];
    const uint64_t weights[] = {plan_.crashes,      plan_.power_cuts,    plan_.pauses,
                                plan_.partitions,   plan_.one_way_cuts,  plan_.transfers,
                                plan_.replacements, plan_.disk_failures, plan_.strangers};
    uint64_t sum = 0;
    for (uint64_t weight : weights) sum += weight;
    if (sum == 0) return;
    uint64_t draw = mishaps_.below(sum);
    size_t which = 0;
    while (draw >= weights[which]) draw -= weights[which++];
    switch (which) {
        case 0:
            if (!node.core) return;
            crash(node, false);
            return schedule(mishaps_.waiting(150'000), Kind::start, node.number);
        case 1:
            for (auto& one : nodes_) {
                if (!one->core) continue;
                crash(*one, false);
                schedule(mishaps_.waiting(50'000), Kind::start, one->number);
            }
            return;
        case 2:
            trace(&node, "is paused");
            node.paused_until_us = now_us_ + mishaps_.between(10'000, 2'000'000);
            return;
        case 3: return cut(false);
        case 4: return cut(true);
        case 5: {
            std::optional<VoterId> to;
            if (mishaps_.below(2) == 0) to = node.self.id;
            if (Node* leader = some_leader()) step(*leader, TransferLeadership{to});
            return;
        }
        case 6: return begin_replacement();
        case 7:
            if (!node.core) return;
            step(node, StorageFailed{});
            return schedule(mishaps_.between(0, 500'000), Kind::death, node.number, node.life);
        default: return send_nonsense();
    }
}

// A voter gets an empty disk, under another directory. The old one is lost, or dies, or just goes on: it has a vote
// until the log says otherwise, and counts for nothing after that.
void World::begin_replacement() {
    if (is_replacing() || plan_.voters == 1 || nodes_.size() >= 12) return;
    Node* leader = some_leader();
    if (!leader || leader->status.membership->leaving) return;
    const std::vector<Voter> voters = leader->status.membership->voters;
    const Voter& old = voters[mishaps_.below(voters.size())];
    Node* replaced = find(old);
    if (!replaced || old == leader->self) return;
    // A voter whose disk is lost before the replacement is decided is one of the few that may be lost.
    const uint64_t fate = mishaps_.below(3);
    if (fate == 0 && replaced->core) crash(*replaced, true);
    if (fate == 1 && replaced->core) {
        crash(*replaced, false);
        schedule(mishaps_.between(100'000, 3'000'000), Kind::start, replaced->number);
    }
    incoming_ = {old.id, Uuid::from_words(static_cast<uint64_t>(old.id.value), nodes_.size() + 1)};
    trace(replaced, "is being replaced");
    ++counts_.replacements;
    start(add_node(*incoming_));
    push_replacement();
}

// Until some leader has settled it, it is asked for again.
void World::push_replacement() {
    if (!incoming_) return;
    Node* leader = some_leader();
    if (!leader) return;
    const Membership& membership = *leader->status.membership;
    bool is_settled = !membership.leaving && leader->status.membership_index <= leader->status.commit;
    if (membership.contains(*incoming_)) {
        if (is_settled) incoming_.reset();
        return;
    }
    if (incoming_->id == leader->self.id) {
        step(*leader, TransferLeadership{std::nullopt});
    } else {
        step(*leader, ReplaceVoter{replacement_id, leader->status.term, *incoming_});
    }
}

void World::heal() {
    trace(nullptr, "everything heals");
    has_healed_ = true;
    for (auto& row : cut_until_us_) std::fill(row.begin(), row.end(), 0);
    for (auto& row : link_us_) std::fill(row.begin(), row.end(), 0);
    for (auto& node : nodes_) {
        node->paused_until_us = std::min(node->paused_until_us, now_us_);
        if (node->core && node->status.role == Role::stopped) crash(*node, false);
        if (!node->core && !node->is_gone) start(*node);
    }
    healed_end_ = checker_.ledger_end();
    written_when_healed_ = checker_.written();
}

}  // namespace ironbark::consensus::simulation
