#include <algorithm>

#include "tests/broker/consensus/describe.h"
#include "tests/broker/consensus/simulation/world_node.h"

namespace ironbark::consensus::simulation {

// Whoever has this directory; else whoever was given the place of that voter last.
World::Node* World::find(const Voter& voter) {
    Node* found = nullptr;
    for (auto& node : nodes_) {
        if (node->self == voter) return node.get();
        if (node->self.id == voter.id) found = node.get();
    }
    return found;
}

bool World::is_cut(uint32_t from, uint32_t to) const {
    return cut_until_us_[from][to] > now_us_;
}

void World::send(Node& from, Message message) {
    checker_.sent(message, from.disk, from.mirror);
    Node* to = find(message.to);
    auto happens = [this](uint64_t rate) { return network_.chance(has_healed_ ? 0 : rate); };
    if (!to || is_cut(from.number, to->number) || happens(plan_.lost)) return;
    int copies = happens(plan_.repeated) ? 2 : 1;
    for (; copies > 0; --copies) {
        int64_t in_us = plan_.delay_us / 2 + network_.waiting(plan_.delay_us);
        if (happens(plan_.held_up)) in_us += network_.between(100'000, 1'000'000);
        int64_t& last_us = link_us_[from.number][to->number];
        if (plan_.is_in_order) in_us = std::max(in_us, last_us - now_us_);
        last_us = now_us_ + in_us;
        uint64_t slot = messages_.size();
        if (free_messages_.empty()) {
            messages_.push_back(message);
        } else {
            slot = free_messages_.back();
            free_messages_.pop_back();
            messages_[slot] = message;
        }
        schedule(in_us, Kind::message, to->number, 0, slot);
    }
}

void World::deliver(Node& node, uint64_t slot) {
    Message message = std::move(messages_[slot]);
    free_messages_.push_back(slot);
    if (!node.core) return;
    ++counts_.messages;
    if (is_traced_)
        trace(&node, "hears from " + std::to_string(message.from.id.value) + ": " + testing::describe(message));
    step(node, MessageReceived{std::move(message)});
}

// Some links fail for a while: around one node, or between two halves, or any of them; both ways or one.
void World::cut(bool is_one_way) {
    const int64_t until_us = now_us_ + mishaps_.between(50'000, 2'500'000);
    const uint64_t kind = mishaps_.below(3);
    const uint64_t side = mishaps_.next();
    const uint64_t one = mishaps_.below(nodes_.size());
    trace(nullptr, is_one_way ? "links fail in one direction" : "links fail");
    for (uint32_t from = 0; from < nodes_.size(); ++from) {
        for (uint32_t to = 0; to < nodes_.size(); ++to) {
            bool is_cut = false;
            if (kind == 0) is_cut = from == one || (to == one && !is_one_way);
            if (kind == 1) is_cut = (side >> from & 1) != (side >> to & 1) && (!is_one_way || (side >> from & 1) != 0);
            if (kind == 2) is_cut = mishaps_.below(2) == 0;
            if (is_cut) cut_until_us_[from][to] = until_us;
            if (is_cut && kind == 2 && !is_one_way) cut_until_us_[to][from] = until_us;
        }
    }
}

// What nobody of this cluster sends: it must change nothing.
void World::send_nonsense() {
    Node& node = *nodes_[mishaps_.below(nodes_.size())];
    Node& other = *nodes_[mishaps_.below(nodes_.size())];
    if (!node.core || &node == &other) return;
    Message message{node.status.cluster, other.self, node.self, Term(mishaps_.below(1000)), LogIndex(), {}};
    switch (mishaps_.below(5)) {
        case 0: message.cluster = other.self.directory; break;
        case 1: message.to.directory = other.self.directory; break;
        case 2: message.from.directory = Uuid::from_words(mishaps_.next(), 9); break;
        case 3: message.term = Term(UINT64_MAX - mishaps_.below(3)); break;
        default: message.body = VoteResponse{false, true, Term(message.term.value + 1)}; break;
    }
    if (std::holds_alternative<VoteRequest>(message.body)) {
        message.body = VoteRequest{false, true, LogIndex(1'000'000), message.term};
    }
    const Term before = node.status.term;
    step(node, MessageReceived{std::move(message)});
    if (node.status.term != before) checker_.fail("strangers: a message of no voter raises a term");
}

}  // namespace ironbark::consensus::simulation
