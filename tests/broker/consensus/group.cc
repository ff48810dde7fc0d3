#include "tests/broker/consensus/group.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <sstream>

#include "tests/broker/consensus/describe.h"

namespace ironbark::consensus::testing {
namespace {

std::string number(uint64_t value) {
    return std::to_string(value);
}

std::string join(const std::vector<std::string>& parts, const char* between) {
    std::string all;
    for (const std::string& part : parts) all += (all.empty() ? "" : between) + part;
    return all.empty() ? "nothing" : all;
}

}  // namespace

Voter voter(int id, int generation) {
    return {VoterId(id), Uuid::from_words(static_cast<uint64_t>(id), static_cast<uint64_t>(generation + 1))};
}
Uuid cluster() {
    return Uuid::from_words(77, 77);
}
Settings settings_of_scripts() {
    Settings settings;
    settings.election_timeout_ms = 300;
    settings.heartbeat_interval_ms = 50;
    return settings;
}

Payload payload(const std::string& text) {
    return std::make_shared<const std::vector<uint8_t>>(text.begin(), text.end());
}

void Group::step(int id, Event event) {
    Node& one = node(id);
    Moment moment{now_ms_, static_cast<uint64_t>(20 * (id - 1))};
    for (const Action& action : one.core->step(moment, std::move(event))) perform(id, action);
}

void Group::perform(int id, const Action& action) {
    Node& one = node(id);
    if (one.disk.take(action)) return;
    auto tell = [&one](std::string text) { one.told.push_back(std::move(text)); };
    if (const auto* sent = std::get_if<SendMessage>(&action)) {
        post(id, sent->message);
    } else if (const auto* part = std::get_if<SendSnapshotChunk>(&action)) {
        Message message = part->message;
        auto& chunk = std::get<SnapshotChunk>(message.body);
        auto begin = one.disk.snapshot_bytes()->begin() + static_cast<ptrdiff_t>(chunk.position);
        chunk.bytes = std::make_shared<const std::vector<uint8_t>>(begin, begin + static_cast<ptrdiff_t>(part->size));
        post(id, message);
    } else if (const auto* apply = std::get_if<ApplyEntries>(&action)) {
        for (const Entry& entry : apply->entries) {
            if (entry.kind == EntryKind::command) one.applied.push_back(text_of(entry));
        }
    } else if (const auto* proposal = std::get_if<ProposalResolved>(&action)) {
        std::string why = proposal->code == ErrorCode::none ? " at " + number(proposal->index.value)
                                                            : std::string(" ") + name(proposal->code);
        tell(name_of(proposal->id.value) + " " + name(proposal->outcome) + why);
    } else if (const auto* read = std::get_if<ReadResolved>(&action)) {
        tell(name_of(read->id.value) + " " + (read->code == ErrorCode::none ? "readable" : name(read->code)));
    } else if (const auto* transfer = std::get_if<TransferEnded>(&action)) {
        tell(transfer->is_done ? "handed over" : "not handed over");
    } else if (const auto* role = std::get_if<RoleChanged>(&action)) {
        one.role = *role;
        if (role->is_ready) tell("ready in " + number(role->term.value));
    } else if (const auto* report = std::get_if<Report>(&action)) {
        tell(report->text);
    } else if (const auto* stop = std::get_if<FailStop>(&action)) {
        tell(stop->text);
    }
}

std::string Group::name_of(uint64_t id) const {
    auto found = names_.find(id);
    return found == names_.end() ? number(id) : found->second;
}

void Group::post(int from, const Message& message) {
    int to = message.to.id.value;
    auto found = nodes_.find(to);
    if (cut_[{from, to}] || found == nodes_.end()) return;
    links_[{from, to}].push_back(message);
}

void Group::receive(int to, Message message) {
    step(to, MessageReceived{std::move(message)});
}

Message Group::message(int from, int to, uint64_t term, MessageBody body) {
    return {cluster(), self(from), self(to), Term(term), LogIndex(1), std::move(body)};
}

std::string Group::told(int id) {
    return join(std::exchange(node(id).told, {}), " ; ");
}

void Group::restore_machine(Node& one) {
    one.applied.clear();
    if (!one.disk.durable().snapshot) return;
    std::istringstream words(std::string(one.disk.snapshot_bytes()->begin(), one.disk.snapshot_bytes()->end()));
    for (std::string word; words >> word;) one.applied.push_back(word);
}

void Group::start(int id) {
    Node& one = node(id);
    Settings mine = settings;
    mine.self = voter(id, one.generation);
    restore_machine(one);
    auto core = Core::restore(mine, one.disk.durable(), {now_ms_, static_cast<uint64_t>(20 * (id - 1))});
    if (!core.ok()) {
        one.told.push_back(core.error().text);
        one.core.reset();
        return;
    }
    one.core.emplace(std::move(core).value());
    step(id, TimerExpired{});
}

void Group::form(int count) {
    Membership membership{cluster(), {}, std::nullopt};
    for (int id = 1; id <= count; ++id) membership.voters.push_back(voter(id));
    for (int id = 1; id <= count; ++id) {
        nodes_[id] = std::make_unique<Node>();
        start(id);
        step(id, Form{membership});
    }
    settle();
}

bool Group::complete(int id, bool is_term) {
    Node& one = node(id);
    if (!one.core || (is_term ? !one.disk.has_term_write() : !one.disk.has_log_write())) return false;
    step(id, is_term ? one.disk.complete_term_write() : one.disk.complete_log_write());
    return true;
}

bool Group::settle_once() {
    bool has_moved = false;
    for (auto& [id, one] : nodes_) {
        if (one->is_stalled || !one->core) continue;
        while (complete(id, true) || complete(id, false)) has_moved = true;
        while (one->disk.has_snapshot_write()) {
            Event event = one->disk.complete_snapshot_write();
            if (std::holds_alternative<SnapshotInstalled>(event)) restore_machine(*one);
            step(id, std::move(event));
            has_moved = true;
        }
    }
    for (auto& [link, queue] : links_) {
        if (queue.empty()) continue;
        deliver(link, queue.size());
        has_moved = true;
    }
    return has_moved;
}

void Group::settle() {
    for (int times = 0; settle_once(); ++times) {
        if (times == 1000) {
            ADD_FAILURE() << "voters talk without end";
            return;
        }
    }
}

void Group::wait(int64_t milliseconds) {
    const int64_t end = now_ms_ + milliseconds;
    while (true) {
        int64_t next = end;
        for (auto& [id, one] : nodes_) {
            if (one->core) next = std::min(next, one->core->timer_ms());
        }
        now_ms_ = std::max(now_ms_, next);
        for (auto& [id, one] : nodes_) {
            if (one->core && one->core->timer_ms() <= now_ms_) step(id, TimerExpired{});
        }
        settle();
        if (now_ms_ == end) return;
    }
}

void Group::deliver(Link link, size_t count) {
    std::deque<Message>& queue = links_[link];
    for (; count > 0 && !queue.empty(); --count) {
        Message message = std::move(queue.front());
        queue.pop_front();
        if (node(link.second).core) step(link.second, MessageReceived{std::move(message)});
    }
}

void Group::make_snapshot(int id) {
    Node& one = node(id);
    Snapshot snapshot = one.core->describe(one.core->status().applied);
    Payload bytes = payload(one.applied.empty() ? " " : join(one.applied, " "));
    snapshot.size_bytes = bytes->size();
    snapshot.checksum = MemoryDisk::checksum(*bytes);
    one.disk.keep_snapshot(snapshot, bytes);
    step(id, SnapshotMade{snapshot});
}

std::string Group::on_the_way(Link link) {
    std::vector<std::string> all;
    for (const Message& message : links_[link]) all.push_back(describe(message));
    return join(all, " ; ");
}

bool Group::link_command(const Words& words) {
    const std::string& verb = words[0];
    if (verb == "cut" || verb == "join") {
        for (auto& [from, one] : nodes_) {
            for (auto& [to, other] : nodes_) {
                bool is_meant = words.size() == 2 ? std::to_string(from) == words[1] || std::to_string(to) == words[1]
                                                  : std::to_string(from) == words[1] && std::to_string(to) == words[2];
                if (!is_meant) continue;
                cut_[{from, to}] = verb == "cut";
                if (verb == "cut") links_[{from, to}].clear();
            }
        }
        return true;
    }
    if (verb != "deliver" && verb != "drop" && verb != "again" && verb != "last") return false;
    std::deque<Message>& queue = links_[{std::stoi(words[1]), std::stoi(words[2])}];
    Link link{std::stoi(words[1]), std::stoi(words[2])};
    size_t count = words.size() > 3 ? std::stoul(words[3]) : queue.size();
    if (verb == "deliver") deliver(link, count);
    if (verb == "drop") queue.erase(queue.begin(), queue.begin() + static_cast<ptrdiff_t>(count));
    if (verb == "again") receive(link.second, queue.front());
    if (verb == "last") {
        Message message = std::move(queue.back());
        queue.pop_back();
        receive(link.second, std::move(message));
    }
    return true;
}

bool Group::disk_command(const Words& words) {
    const std::string& verb = words[0];
    int id =
        std::stoi(words.back() == "all" || words.back() == "term" || words.back() == "log" ? words[1] : words.back());
    if (verb == "hold" || verb == "release") {
        node(id).is_stalled = verb == "hold";
    } else if (verb == "write") {
        EXPECT_TRUE(complete(id, words[1] == "term")) << "nothing to write";
    } else if (verb == "crash") {
        std::string kept = words.size() > 2 ? words[2] : "";
        node(id).disk.crash(kept == "all" || kept == "term" ? 100 : 0, kept == "all" || kept == "log" ? 100 : 0, 0);
        node(id).core.reset();
        for (auto& [link, queue] : links_) {
            if (link.first == id || link.second == id) queue.clear();
        }
    } else if (verb == "start") {
        start(id);
    } else if (verb == "wipe") {
        int generation = node(id).generation + 1;
        nodes_[id] = std::make_unique<Node>();
        node(id).generation = generation;
        start(id);
    } else {
        return false;
    }
    return true;
}

bool Group::request(const Words& words) {
    const std::string& verb = words[0];
    static const std::vector<std::string> verbs{"propose", "read", "replace", "transfer", "dead", "snapshot", "fail"};
    if (std::find(verbs.begin(), verbs.end(), verb) == verbs.end()) return false;
    int id = std::stoi(words[1]);
    Term term = core(id).status().term;
    auto remember = [this](const std::string& name_of_it) {
        names_[next_id_] = name_of_it;
        return next_id_++;
    };
    if (verb == "propose") {
        size_t first = words.size() > 3 && words[2] == "in" ? 4 : 2;
        if (first == 4) term = Term(std::stoul(words[3]));
        for (size_t at = first; at < words.size(); ++at) {
            step(id, Propose{ProposalId(remember(words[at])), term, payload(words[at])});
        }
    } else if (verb == "read") {
        step(id, ReadBarrier{ReadId(remember(words[2]))});
    } else if (verb == "replace") {
        step(id, ReplaceVoter{ProposalId(remember("replacement")), term, self(std::stoi(words[2]))});
    } else if (verb == "transfer") {
        std::optional<VoterId> to;
        if (words.size() > 2) to = VoterId(std::stoi(words[2]));
        step(id, TransferLeadership{to});
    } else if (verb == "dead") {
        step(id, PeerProcessDied{self(std::stoi(words[2]))});
    } else if (verb == "snapshot") {
        make_snapshot(id);
    } else {
        step(id, StorageFailed{});
    }
    return true;
}

bool Group::command(const Words& words) {
    const std::string& verb = words[0];
    if (words.size() == 2 && (words[1] == "voters" || words[1] == "voter")) {
        form(std::stoi(verb));
    } else if (verb == "expire" || verb == "elect") {
        int id = std::stoi(words[1]);
        now_ms_ = std::max(now_ms_, core(id).timer_ms());
        step(id, TimerExpired{});
        if (verb == "elect") settle();
    } else if (verb == "pass") {
        now_ms_ += std::stoi(words[1]);
    } else if (verb == "wait") {
        wait(std::stoi(words[1]));
    } else if (verb == "settle") {
        settle();
    } else {
        return link_command(words) || request(words) || disk_command(words);
    }
    return true;
}

// What is seen of what the line speaks of, in the same words.
std::optional<std::string> Group::seen(const Words& words) {
    if (words.size() < 2 || !std::isdigit(words[0][0])) return std::nullopt;
    int id = std::stoi(words[0]);
    const std::string& what = words[1];
    std::string begin = words[0] + " " + what + " ";
    if (what == "to") return begin + words[2] + " " + on_the_way({id, std::stoi(words[2])});
    if (what == "told") return begin + told(id);
    if (what == "applied") return begin + join(node(id).applied, " ");
    const auto& vote = node(id).disk.durable().vote;
    if (what == "votes") return begin + "for " + (vote ? std::to_string(vote->id.value) : "nobody");
    if (what == "stored") return begin + number(node(id).disk.durable().term.value);
    if (!node(id).core) return begin + "does not run";
    Status status = core(id).status();
    if (what == "is") return begin + name(status.role) + " " + number(status.term.value);
    if (what == "follows") return begin + (status.leader ? std::to_string(status.leader->id.value) : "nobody");
    if (what == "leads") return begin + "after " + number(node(id).role.silence_ms) + " ms";
    if (what == "commit") return begin + number(status.commit.value);
    if (what == "durable") return begin + number(status.durable.value);
    if (what == "snapshot") return begin + number(status.snapshot.value);
    if (what == "voters") {
        std::string text;
        for (const Voter& one : status.membership->voters)
            text += one.directory == voter(one.id.value).directory ? "o" : "n";
        return begin + text + (status.membership->leaving ? " joint" : "");
    }
    if (what != "log") return std::nullopt;
    std::vector<std::string> log;
    for (const Entry& entry : node(id).disk.durable().entries) log.push_back(place(entry.index, entry.term));
    return begin + join(log, " ");
}

void Group::run(const std::string& script) {
    std::istringstream lines(script);
    int line_number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++line_number;
        std::istringstream stream(line.substr(0, line.find('#')));
        Words words;
        for (std::string word; stream >> word;) words.push_back(word);
        if (words.empty()) continue;
        SCOPED_TRACE("line " + std::to_string(line_number) + ": " + join(words, " "));
        bool is_claim = words.size() > 2 && std::isdigit(words[0][0]);
        if (is_claim) {
            auto found = seen(words);
            ASSERT_TRUE(found.has_value()) << "no such sentence";
            EXPECT_EQ(*found, join(words, " "));
        } else {
            ASSERT_TRUE(command(words)) << "no such sentence";
        }
    }
}

void run(const std::string& script) {
    Group group;
    group.run(script);
}

}  // namespace ironbark::consensus::testing
