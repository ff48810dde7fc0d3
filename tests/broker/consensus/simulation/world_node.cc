#include "tests/broker/consensus/simulation/world_node.h"

#include <algorithm>
#include <cstring>

namespace ironbark::consensus::simulation {
namespace {

uint64_t scramble(uint64_t left, uint64_t right) {
    return (left ^ right) * 0x9e3779b97f4a7c15 + (left >> 31);
}

// The state after an entry: its index and the chain up to it; and some bytes more, to be sent in parts.
Payload encode_state(LogIndex index, uint64_t chain, uint64_t padding) {
    std::vector<uint8_t> bytes(16 + padding, static_cast<uint8_t>(index.value));
    store_le(bytes.data(), index.value);
    store_le(bytes.data() + 8, chain);
    return std::make_shared<const std::vector<uint8_t>>(std::move(bytes));
}

}  // namespace

World::Node& World::add_node(const Voter& self) {
    nodes_.push_back(std::make_unique<Node>());
    Node& node = *nodes_.back();
    node.self = self;
    node.number = static_cast<uint32_t>(nodes_.size() - 1);
    for (auto& row : cut_until_us_) row.resize(nodes_.size());
    for (auto& row : link_us_) row.resize(nodes_.size());
    cut_until_us_.emplace_back(nodes_.size());
    link_us_.emplace_back(nodes_.size());
    return node;
}

int64_t World::clock_ms(const Node& node) const {
    return node.clock_offset_ms + now_us_ * node.clock_rate / 1'000'000;
}

void World::start(Node& node) {
    Settings settings;
    settings.self = node.self;
    Limits& limits = settings.limits;
    limits.trail_entries = plan_.trail_entries;
    if (plan_.message_entries != 0) {
        limits.command_size_max = 64;
        limits.append_bytes_max = 300;
        limits.append_entries_max = plan_.message_entries;
        limits.window_messages_max = plan_.message_entries;
        limits.window_bytes_max = 1000;
        limits.snapshot_chunk_size = 10;
        limits.proposals_max = 20;
        limits.reads_max = 3;
        limits.held_messages_max = 4;
    }
    if (plan_.do_clocks_differ) {  // a monotonic clock may begin anywhere, and is some thousandths wrong
        node.clock_offset_ms = cores_.between(-1'000'000, 1'000'000);
        node.clock_rate = cores_.between(950, 1050);
    }
    ++counts_.restarts;
    auto core = Core::restore(settings, node.disk.durable(), {clock_ms(node), cores_.next()});
    if (!core.ok()) return checker_.fail(std::string("restart: ") + core.error().text);
    node.core.emplace(std::move(core).value());
    node.status = node.core->status();
    node.mirror = checker_.started(node.self, node.disk.durable(), node.status.last);
    node.applied = LogIndex();
    if (node.disk.durable().snapshot) restore_state(node);
    trace(&node, "starts");
    step(node, TimerExpired{});
}

void World::crash(Node& node, bool is_for_good) {
    trace(&node, is_for_good ? "is lost" : "dies");
    // Drawn one after the other: in which order arguments are computed is the compiler's choice.
    const uint64_t term_writes = disks_.below(node.disk.term_writes() + 1);
    const uint64_t log_writes = disks_.below(node.disk.log_writes() + 1);
    node.disk.crash(term_writes, log_writes, disks_.below(4));
    node.core.reset();
    ++node.life;
    node.is_gone = node.is_gone || is_for_good;
    node.paused_until_us = 0;
    node.timer_ms = -1;
    node.heard_from.reset();
    node.is_writing_term = node.is_writing_log = node.is_writing_snapshot = false;
    if (node.own_snapshot && disks_.chance(500)) {
        auto& [snapshot, bytes] = *node.own_snapshot;
        const auto& known = node.disk.durable().snapshot;
        if (!known || known->last_index < snapshot.last_index) node.disk.keep_snapshot(snapshot, bytes);
    }
    node.own_snapshot.reset();
    for (auto& other : nodes_) {
        if (mishaps_.chance(plan_.seen_dead)) {
            schedule(mishaps_.between(5'000, 50'000), Kind::death_news, other->number, 0, node.number);
        }
        if (mishaps_.chance(plan_.late_news)) {
            schedule(mishaps_.between(50'000, 3'000'000), Kind::death_news, other->number, 0, node.number);
        }
    }
}

void World::step(Node& node, Event event) {
    ++counts_.steps;
    counts_.hash = scramble(counts_.hash, scramble(static_cast<uint64_t>(now_us_), event.index() * 16 + node.number));
    const LogIndex commit_before = node.status.commit;
    const auto* received = std::get_if<MessageReceived>(&event);
    bool is_of_leader = received && (received->message.is<AppendRequest>() || received->message.is<SnapshotChunk>());
    const Voter sender = is_of_leader ? received->message.from : Voter();
    const Term sender_term = is_of_leader ? received->message.term : Term();
    const auto* died = std::get_if<PeerProcessDied>(&event);
    if (died && node.heard_from == died->peer) node.heard_from.reset();
    Actions actions = node.core->step({clock_ms(node), cores_.next()}, std::move(event));
    Status status = node.core->status();
    if (status.term < node.status.term) checker_.fail("monotony: a term goes back");
    if (status.commit < commit_before) checker_.fail("monotony: a commit goes back");
    node.status = std::move(status);
    note_leader(node, sender, sender_term);
    // The log first: what a message or a client is told may speak of it.
    for (const Action& action : actions) perform_on_log(node, action);
    check(node);
    for (const Action& action : actions) perform(node, action);
    schedule_writes(node);
    if (node.core->timer_ms() != node.timer_ms) {
        node.timer_ms = node.core->timer_ms();
        int64_t in_us = (node.timer_ms - clock_ms(node)) * 1'000'000 / node.clock_rate + 1000;
        if (node.status.role != Role::stopped)
            schedule(in_us, Kind::timer, node.number, node.life, ++node.timer_number);
    }
    bool is_due = plan_.snapshot_entries != 0 && node.applied - node.status.snapshot >= plan_.snapshot_entries;
    if (is_due && !node.own_snapshot && !node.status.is_installing && !node.core->is_sending_snapshot()) {
        begin_snapshot(node);
    }
}

void World::perform_on_log(Node& node, const Action& action) {
    if (const auto* append = std::get_if<AppendEntries>(&action)) {
        checker_.appended(node.mirror, append->entries);
    } else if (const auto* cut = std::get_if<TruncateSuffix>(&action)) {
        ++counts_.truncations;
        checker_.truncated(node.mirror, cut->from, node.status.term);
    } else if (const auto* reset = std::get_if<ResetLog>(&action)) {
        checker_.reset(node.mirror, reset->base);
    }
    node.disk.take(action);
}

// A word of a leader was taken, if the voter follows that one now.
void World::note_leader(Node& node, const Voter& leader, Term term) const {
    if (term == Term() || node.status.term != term || node.status.leader != leader) return;
    node.heard_ms = clock_ms(node);
    node.heard_from = leader;
}

// No disturbance: who hears from a leader, or leads, encourages nobody.
void World::check_pre_vote(const Node& node, const Message& message) {
    const auto* answer = std::get_if<VoteResponse>(&message.body);
    if (!answer || !answer->is_pre_vote || !answer->is_granted) return;
    bool is_led = node.heard_from && clock_ms(node) - node.heard_ms < Settings().election_timeout_ms;
    if (is_led || node.status.role == Role::leader) checker_.fail("disturbance: a pre-vote beside a living leader");
}

// What must hold of this voter now.
void World::check(Node& node) {
    if (node.mirror.last() != node.status.last) checker_.fail("log matching: the log is not what its writes made it");
    const LogIndex known = checker_.ledger_end();
    const bool has_risen = node.status.commit > known;
    checker_.committed(node.status.commit, node.status.term, node.mirror);
    if (node.status.role != Role::leader || checker_.is_broken()) return;
    checker_.leads(node.self, node.status.term, node.mirror);
    if (!has_risen) return;
    if (node.mirror.log[node.status.commit.value].term != node.status.term) {
        checker_.fail("leader completeness: an entry of an earlier term is committed by counting");
    }
    checker_.committed_by_leader(*node.status.membership, [this, &node](const Voter& voter) {
        Node* other = find(voter);
        return other && checker_.disk_holds(other->disk, node.status.commit);
    });
}

void World::perform(Node& node, const Action& action) {
    if (checker_.is_broken()) return;
    if (const auto* sent = std::get_if<SendMessage>(&action)) {
        check_pre_vote(node, sent->message);
        send(node, sent->message);
    } else if (const auto* part = std::get_if<SendSnapshotChunk>(&action)) {
        ++counts_.snapshots_sent;
        Message message = part->message;
        auto& chunk = std::get<SnapshotChunk>(message.body);
        auto begin = node.disk.snapshot_bytes()->begin() + static_cast<ptrdiff_t>(chunk.position);
        chunk.bytes = std::make_shared<const std::vector<uint8_t>>(begin, begin + static_cast<ptrdiff_t>(part->size));
        send(node, std::move(message));
    } else if (const auto* apply = std::get_if<ApplyEntries>(&action)) {
        checker_.applied(node.applied, apply->entries);
        node.applied = apply->entries.back().index;
    } else if (const auto* proposal = std::get_if<ProposalResolved>(&action)) {
        if (proposal->id != replacement_id) {
            checker_.resolved(proposal->id.value, proposal->outcome, proposal->index);
        }
    } else if (const auto* read = std::get_if<ReadResolved>(&action)) {
        if (read->code == ErrorCode::none) {
            ++counts_.reads;
            checker_.read_ends(reads_[read->id.value], node.applied, node.core->status().term);
        }
        reads_.erase(read->id.value);
    } else if (const auto* role = std::get_if<RoleChanged>(&action)) {
        trace(&node, std::string("is ") + name(role->role) + (role->is_ready ? ", ready" : ""));
        if (role->role == Role::leader) checker_.elected(role->term, now_us_, role->silence_ms);
        if (role->role == Role::leader && !role->is_ready && mishaps_.chance(plan_.short_reigns)) {
            schedule(mishaps_.between(0, 8 * plan_.delay_us), Kind::death, node.number, node.life);
        }
    } else if (const auto* ended = std::get_if<TransferEnded>(&action)) {
        counts_.transfers += ended->is_done ? 1 : 0;
    } else if (const auto* report = std::get_if<Report>(&action)) {
        ++counts_.reports;
        trace(&node, report->text);
        bool is_alarm =
            report->kind == ReportKind::contradicts_commit || report->kind == ReportKind::impossible_progress;
        if (is_alarm || report->kind == ReportKind::two_leaders)
            checker_.fail(std::string("a core reports: ") + report->text);
    } else if (std::holds_alternative<FailStop>(action)) {
        trace(&node, "stops");
    }
}

void World::schedule_writes(Node& node) {
    auto begin = [&](bool has_write, bool& is_writing, Kind kind) {
        if (!has_write || is_writing) return;
        is_writing = true;
        int64_t in_us = plan_.write_us / 2 + disks_.between(0, plan_.write_us);
        if (disks_.chance(plan_.stalled_writes) && !has_healed_) in_us += disks_.between(0, 2'000'000);
        schedule(in_us, kind, node.number, node.life);
    };
    begin(node.disk.has_term_write(), node.is_writing_term, Kind::term_write);
    begin(node.disk.has_log_write(), node.is_writing_log, Kind::log_write);
    begin(node.disk.has_snapshot_write(), node.is_writing_snapshot, Kind::snapshot_write);
}

// One write, or some at once, of which only the last is told: both are what a disk may do. In the end it catches up,
// also where clients propose faster than single writes go.
void World::complete(Node& node, Kind kind) {
    if (kind == Kind::snapshot_write) {
        node.is_writing_snapshot = false;
        Event event = node.disk.complete_snapshot_write();
        if (std::holds_alternative<SnapshotInstalled>(event)) restore_state(node);
        return step(node, std::move(event));
    }
    const bool is_term = kind == Kind::term_write;
    auto next = [&] { return is_term ? node.disk.complete_term_write() : node.disk.complete_log_write(); };
    auto has_more = [&] { return is_term ? node.disk.has_term_write() : node.disk.has_log_write(); };
    (is_term ? node.is_writing_term : node.is_writing_log) = false;
    Event event = next();
    while (has_more() && (has_healed_ || disks_.chance(300))) event = next();
    if (is_term) checker_.persisted(node.self, node.disk.durable());
    step(node, std::move(event));
}

void World::begin_snapshot(Node& node) {
    Snapshot snapshot = node.core->describe(node.applied);
    Payload bytes = encode_state(node.applied, checker_.state_at(node.applied), disks_.below(60));
    snapshot.size_bytes = bytes->size();
    snapshot.checksum = MemoryDisk::checksum(*bytes);
    node.own_snapshot.emplace(std::move(snapshot), std::move(bytes));
    schedule(plan_.write_us * disks_.between(1, 50), Kind::own_snapshot, node.number, node.life);
}

void World::end_snapshot(Node& node) {
    auto [snapshot, bytes] = *std::exchange(node.own_snapshot, std::nullopt);
    const auto& known = node.disk.durable().snapshot;
    bool is_overtaken = node.status.is_installing || (known && known->last_index >= snapshot.last_index);
    if (is_overtaken) return;
    node.disk.keep_snapshot(snapshot, bytes);
    step(node, SnapshotMade{snapshot});
}

void World::restore_state(Node& node) {
    const Snapshot& snapshot = *node.disk.durable().snapshot;
    const uint8_t* bytes = node.disk.snapshot_bytes()->data();
    LogIndex index(load_le<uint64_t>(bytes));
    bool is_right = index == snapshot.last_index && index <= checker_.ledger_end() &&
                    load_le<uint64_t>(bytes + 8) == checker_.state_at(index);
    if (!is_right) checker_.fail("state machine safety: a snapshot is not the state at its index");
    if (index < node.applied) checker_.fail("state machine safety: a snapshot takes the state back");
    node.applied = index;
}

}  // namespace ironbark::consensus::simulation
