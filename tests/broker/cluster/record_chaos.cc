#include "tests/broker/cluster/record_chaos.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "tests/broker/cluster/mishaps.h"

namespace ironbark::broker {
namespace {

constexpr const char* last_value = "the last one";  // whose every attempt is a record of its own
constexpr Duration sync_limit = 120s;
constexpr Duration patience = 3s;
constexpr int32_t produce_timeout_ms = 1'000;

}  // namespace

void RecordChaosCounts::add(const RecordChaosCounts& other) {
    kills += other.kills;
    power_losses += other.power_losses;
    stops += other.stops;
    pauses += other.pauses;
    cuts += other.cuts;
    moves += other.moves;
    rotten += other.rotten;
    mended += other.mended;
    moved += other.moved;
    replica_moves += other.replica_moves;
    replicas_moved += other.replicas_moved;
    epochs += other.epochs;
    acknowledged += other.acknowledged;
    acknowledged_durable += other.acknowledged_durable;
    duplicates += other.duplicates;
    refused += other.refused;
    unknown += other.unknown;
    shown += other.shown;
    lost_at_weaker_levels += other.lost_at_weaker_levels;
}

RecordChaos::RecordChaos(uint64_t seed)
    : random_(seed, "records"), nodes_(3 + random_.between(0, 1)), world_(nodes_, 3, seed, mishaps_of(seed)) {}

RecordChaosCounts RecordChaos::run() {
    // Without memory for tails whoever is behind catches up from the leader's disk.
    const bool has_tails = random_.below(3) != 0;
    for (size_t id = 1; id <= nodes_; ++id) {
        if (!has_tails) world_.config(static_cast<int32_t>(id)).tail_bytes = 0;
    }
    for (size_t id = 1; id <= nodes_; ++id) world_.start(static_cast<int32_t>(id));
    for (size_t id = 1; id <= nodes_; ++id) world_.wait_ready(static_cast<int32_t>(id), ready_limit);
    const auto replicas = static_cast<int32_t>(random_.between(2, 3));
    const auto min_in_sync = static_cast<int32_t>(random_.between(1, 2));
    topic_.emplace(world_, TopicShape{.replicas = replicas, .min_in_sync = min_in_sync});
    if (replicas == 3 && min_in_sync == 2 && random_.below(2) == 0) {
        rotting_ = topic_->record().replicas[random_.below(3)].value;
    }
    for (AckLevel level : {AckLevel::isr_durable, AckLevel::isr_durable, AckLevel::isr, AckLevel::leader_durable}) {
        Sender& sender = senders_.emplace_back();
        sender.level = level;
        begin_anew(sender);
    }
    readers_.resize(2);
    for (size_t round = 0; round < chaos_rounds; ++round) {
        mishap();
        settle();
    }
    recover();
    check();
    return counts_;
}

void RecordChaos::settle() {
    for (uint64_t looks = random_.between(1, 12); looks > 0; --looks) {
        for (Sender& sender : senders_) {
            take_answer(sender);
            if (sender.answer == nullptr && random_.below(3) != 0) send(sender);
        }
        for (Reader& reader : readers_) read(reader);
        world_.simulation().run_for(random_.duration({1ms, 120ms}));
    }
}

void RecordChaos::note(const std::string& what) {
    constexpr size_t lines_kept = 80;
    const auto now =
        std::chrono::duration_cast<std::chrono::microseconds>(world_.simulation().now().time_since_epoch());
    story_.push_back(fmt::format("  {:>12} {}", now.count(), what));
    if (story_.size() > lines_kept) story_.pop_front();
}

void RecordChaos::fail(const std::string& what) {
    std::string text = what + "\nwhat happened before (virtual us):\n";
    for (const std::string& line : story_) text += line + "\n";
    if (topic_) text += topic_->tell();
    world_.simulation().fail(text);
}

// ---- mishaps -------------------------------------------------------------------------------------------------------

void RecordChaos::mishap() {
    const int32_t id = some_node();
    if (!world_.is_running(id)) {
        if (random_.below(4) == 0) return;
        note(fmt::format("start {}", id));
        world_.start(id);
        return;
    }
    switch (random_.below(16)) {
        case 0:
        case 1:
        case 2: end_one(id); break;
        case 3:
            ++counts_.stops;
            world_.resume(id);
            note(fmt::format("stop {}", id));
            world_.stop(id);
            note(fmt::format("{} has stopped", id));
            break;
        case 4:
        case 5:
            ++counts_.pauses;
            note(fmt::format("{} {}", world_.node(id).is_paused() ? "resume" : "pause", id));
            world_.node(id).is_paused() ? world_.resume(id) : world_.pause(id);
            break;
        case 6:
        case 7: cut_or_heal(); break;
        case 8:
        case 9: move_leader(); break;
        case 11:
        case 12: rot(); break;
        case 13:
        case 14: move_replicas(); break;
        case 10:
            note("heal");
            world_.simulation().network().heal_all();
            break;
        default: world_.node(id).set_wall_skew_milliseconds(static_cast<int64_t>(random_.below(7'200'000)) - 3'600'000);
    }
}

// Of what was promised long ago. What rots between a sync and the next mark of it cannot be told from a torn write.
void RecordChaos::rot() {
    constexpr size_t acknowledged_min = 20;
    constexpr uint64_t pages = 6;  // the first ones, behind the head
    if (rotting_ < 0 || acknowledged_.size() < acknowledged_min) return;
    const std::string segment =
        "data/partitions/" + topic_->identity().to_string() + "/" + log::segment_file_name(Offset(0), log::log_suffix);
    simulation::SimulatedDisk& disk = world_.node(rotting_).disk();
    if (!disk.exists(segment) || disk.size(segment) < (pages + 1) * log::block_size) return;
    const uint64_t page = random_.between(1, pages);
    ++counts_.rotten;
    note(fmt::format("page {} of {} rots", page, rotting_));
    for (uint64_t at = 0; at < log::block_size; at += 64) disk.rot(segment, page * log::block_size + at);
    disk.evict();
}

void RecordChaos::end_one(int32_t id) {
    world_.resume(id);
    if (random_.below(2) == 0) {
        ++counts_.kills;
        note(fmt::format("kill {}", id));
        world_.kill(id);
        return;
    }
    ++counts_.power_losses;
    const bool is_of_all = random_.below(6) == 0;
    note(is_of_all ? "power loss of all" : fmt::format("power loss {}", id));
    for (size_t each = 1; each <= nodes_; ++each) {
        const auto other = static_cast<int32_t>(each);
        if (other != id && !is_of_all) continue;
        world_.resume(other);
        if (world_.is_running(other)) world_.lose_power(other);
    }
}

// Whether it is carried out, or withdrawn, or nobody knows: nothing that was promised depends on it.
void RecordChaos::move_leader() {
    const int32_t id = some_node();
    const int32_t target = some_node();
    if (!world_.is_running(id) || !world_.is_ready(id)) return;
    ++counts_.moves;
    note(fmt::format("ask {} to move the leadership to {}", id, target));
    rpc::Metadata request = move_request(topic_->identity(), target, produce_timeout_ms);
    moves_.push_back(world_.begin(id, rpc::Method::move_leaders, std::move(request), {}, patience));
}

// To any brokers, in any order; or the planned move is taken back.
void RecordChaos::move_replicas() {
    const int32_t id = some_node();
    if (!world_.is_running(id) || !world_.is_ready(id)) return;
    std::vector<int32_t> to;
    const uint64_t size = random_.below(6) == 0 ? 0 : random_.between(1, nodes_);
    while (to.size() < size) {
        const int32_t each = some_node();
        if (std::find(to.begin(), to.end(), each) == to.end()) to.push_back(each);
    }
    note(fmt::format("ask {} to move the replicas to {}", id, fmt::join(to, ",")));
    const int64_t throttle = random_.below(2) == 0 ? 0 : int64_t{10'000};
    rpc::Metadata request = move_replicas_request(topic_->identity(), to, throttle);
    replica_moves_.push_back(world_.begin(id, rpc::Method::move_replicas, std::move(request), {}, patience));
}

void RecordChaos::cut_or_heal() {
    auto& network = world_.simulation().network();
    Node& one = world_.node(some_node());
    Node& other = world_.node(some_node());
    ++counts_.cuts;
    note(fmt::format("cut or heal {} {}", one.name(), other.name()));
    switch (random_.below(4)) {
        case 0: network.isolate(one); break;
        case 1: network.cut_both(one, other); break;
        case 2: network.cut(one, other); break;
        default: network.heal_all();
    }
}

// ---- producers -----------------------------------------------------------------------------------------------------

void RecordChaos::begin_anew(Sender& sender) {
    sender.producer = ++producers_made_;
    sender.sequence = 0;
    next_record(sender);
}

void RecordChaos::next_record(Sender& sender) {
    sender.value = fmt::format("{}:{}:{}", sender.producer, sender.sequence, ++values_made_);
    sender.may_be_there = false;
    sender.gap_from = -1;
}

int32_t RecordChaos::likely_leader() {
    const int32_t leader = random_.below(8) == 0 ? some_node() : topic_->leader();
    return leader >= 0 ? leader : some_node();
}

void RecordChaos::send(Sender& sender) {
    const int32_t id = likely_leader();
    if (!world_.is_running(id) || !world_.is_ready(id)) return;
    const Text batch = make_batch(topic_->identity(), sender.producer, sender.sequence, {sender.value});
    ProducePart part{topic_->identity(), batch};
    part.gap_from = sender.gap_from;
    rpc::Metadata request = produce_request({part}, sender.level, produce_timeout_ms);
    sender.answer = world_.begin(id, rpc::Method::produce, std::move(request), batch, patience);
}

void RecordChaos::take_answer(Sender& sender) {
    if (sender.answer == nullptr || !sender.answer->has_value()) return;
    const ProduceAnswer answer = read_produce(**sender.answer);
    sender.answer.reset();
    ReceiptSeen receipt;
    receipt.said = answer.said;
    if (!answer.receipts.empty()) receipt = answer.receipts.front();
    const Said& said = receipt.said;
    if (said.ok()) {
        ++counts_.acknowledged;
        counts_.duplicates += receipt.duplicate ? 1 : 0;
        const bool is_durable_everywhere = receipt.level == AckLevel::isr_durable;
        counts_.acknowledged_durable += is_durable_everywhere ? 1 : 0;
        if (receipt.gap_from >= 0 && sender.level == AckLevel::isr_durable) {
            fail(fmt::format("what producer {} has had acknowledged as isr_durable from sequence {} on is lost",
                             sender.producer, receipt.gap_from));
        }
        acknowledged_.push_back({sender.value, receipt.level, receipt.base});
        note(fmt::format("{} acknowledged as {} at {} in epoch {}{} by {}", sender.value,
                         wire::EnumNameAckLevel(receipt.level), receipt.base, receipt.epoch,
                         receipt.duplicate ? " (duplicate)" : "", fmt::join(receipt.replicas, ",")));
        ++sender.sequence;
        next_record(sender);
        return;
    }
    const bool has_lost = said.code == ErrorCode::out_of_order_sequence || said.code == ErrorCode::unknown_producer_id;
    // A leader that does not know that it is deposed says so, too: it is true only if somebody acknowledges it.
    if (has_lost && sender.level == AckLevel::isr_durable) {
        sender.gap_from = receipt.expected < sender.sequence ? receipt.expected : -1;
        return;
    }
    if (has_lost) {
        ++counts_.lost_at_weaker_levels;
        begin_anew(sender);
        return;
    }
    if (said.outcome == Outcome::not_written) {
        ++counts_.refused;
    } else {
        ++counts_.unknown;
        sender.may_be_there = true;
    }
    // Sometimes it is given up: what was never anything but refused must not be there.
    if (!sender.may_be_there && random_.below(4) == 0) {
        refused_.push_back(sender.value);
        next_record(sender);
    }
}

// ---- readers -------------------------------------------------------------------------------------------------------

void RecordChaos::read(Reader& reader) {
    take_fetched(reader);
    if (reader.answer != nullptr) return;
    const int32_t id = likely_leader();
    if (!world_.is_running(id) || !world_.is_ready(id)) return;
    if (random_.below(5) == 0) reader.next = 0;
    reader.asked = {{topic_->identity(), reader.next}};
    reader.answer = world_.begin(id, rpc::Method::fetch, fetch_request(reader.asked, {.wait_ms = 50}), {}, patience);
}

void RecordChaos::take_fetched(Reader& reader) {
    if (reader.answer == nullptr || !reader.answer->has_value()) return;
    const FetchAnswer answer = read_fetch(**reader.answer, reader.asked);
    reader.answer.reset();
    if (!answer.said.ok() || answer.partitions.empty() || !answer.partitions.front().said.ok()) return;
    for (const Seen& seen : answer.partitions.front().records) {
        show(seen);
        reader.next = seen.offset + 1;
    }
}

void RecordChaos::show(const Seen& seen) {
    ++counts_.shown;
    auto [known, is_new] = shown_.emplace(seen.offset, seen.value);
    if (!is_new && known->second != seen.value) {
        fail(fmt::format("offset {} was shown as {} and is now {}", seen.offset, known->second, seen.value));
    }
}

// ---- the end -------------------------------------------------------------------------------------------------------

void RecordChaos::recover() {
    world_.simulation().end_faults();
    world_.simulation().network().heal_all();
    for (size_t each = 1; each <= nodes_; ++each) {
        const auto id = static_cast<int32_t>(each);
        world_.resume(id);
        if (!world_.is_running(id)) world_.start(id);
    }
    for (size_t each = 1; each <= nodes_; ++each) world_.wait_ready(static_cast<int32_t>(each), ready_limit);
    auto is_answered = [&] {
        return std::all_of(senders_.begin(), senders_.end(),
                           [](const Sender& sender) { return sender.answer == nullptr || sender.answer->has_value(); });
    };
    if (!world_.simulation().run_until(is_answered, 60s)) fail("a produce request is never answered");
    for (Sender& sender : senders_) take_answer(sender);
    auto is_moved = [&] {
        return std::all_of(moves_.begin(), moves_.end(), [](const auto& move) { return move->has_value(); });
    };
    if (!world_.simulation().run_until(is_moved, 60s)) fail("a planned move is never answered");
    for (const auto& move : moves_) {
        if ((*move)->ok() && read_moved(**move).said.ok()) ++counts_.moved;
    }
    settle_replicas();
    const bool may_be_damaged = rotting_ >= 0 && topic_->replica(rotting_) != nullptr;
    if (may_be_damaged && !topic_->wait_mended(rotting_, sync_limit)) fail("a damaged log is not replaced");
    if (!wait_whole()) fail("a log that was replaced does not come back in sync");
    for (const std::string& event : world_.events(1)) {
        if (event.find(" logs of 1 partition emptied") != std::string::npos) ++counts_.mended;
    }
    // And everybody can go on.
    for (Sender& sender : senders_) finish(sender);
    const ReceiptSeen last = topic_->produce_somewhere(last_value);
    if (!last.said.ok()) fail("the world is well, and nothing can be written: " + last.said.hint);
}

// Nothing moves, and everybody is in sync.
bool RecordChaos::wait_whole() {
    auto is_whole = [&] {
        const PartitionRecord record = topic_->record();
        return record.moving_to.empty() && record.in_sync.size() == record.replicas.size();
    };
    return world_.simulation().run_until(is_whole, sync_limit);
}

// Whatever was planned ends, and who has let the partition go keeps nothing.
void RecordChaos::settle_replicas() {
    auto is_answered = [&] {
        return std::all_of(replica_moves_.begin(), replica_moves_.end(),
                           [](const auto& move) { return move->has_value(); });
    };
    if (!world_.simulation().run_until(is_answered, 60s)) fail("a move of replicas is never answered");
    for (const auto& move : replica_moves_) {
        if ((*move)->ok() && read_planned(**move).said.ok()) ++counts_.replica_moves;
    }
    if (!wait_whole()) fail("the world is well, and not all replicas are in sync, or where they are to be");
    auto is_alone = [&] {
        const BrokerIds replicas = topic_->record().replicas;
        for (size_t each = 1; each <= nodes_; ++each) {
            const BrokerId id(static_cast<int32_t>(each));
            const bool is_replica = std::find(replicas.begin(), replicas.end(), id) != replicas.end();
            if (!is_replica && topic_->replica(id.value) != nullptr) return false;
        }
        return true;
    };
    if (!world_.simulation().run_until(is_alone, sync_limit)) fail("who is no replica any more keeps the partition");
    for (const std::string& event : world_.events(1)) {
        if (event.find("replicas of 1 partition have moved") != std::string::npos) ++counts_.replicas_moved;
    }
}

void RecordChaos::finish(Sender& sender) {
    if (sender.level != AckLevel::isr_durable) return;
    const int32_t sequence = sender.sequence;
    const Instant deadline = world_.simulation().now() + 60s;
    while (sender.sequence == sequence) {
        if (sender.answer == nullptr) send(sender);
        world_.simulation().run_for(20ms);
        take_answer(sender);
        if (world_.simulation().now() > deadline) fail(fmt::format("producer {} cannot go on", sender.producer));
    }
}

void RecordChaos::check() {
    std::vector<int32_t> ids;
    for (BrokerId broker : topic_->record().replicas) ids.push_back(broker.value);
    if (!topic_->wait_equal(ids)) fail("the replicas are not equal");
    counts_.epochs = static_cast<uint64_t>(topic_->record().leader_epoch.value) + 1;
    const std::vector<std::string> values = topic_->log_of(ids.front());
    for (const Acknowledged& each : acknowledged_) {
        const auto at = static_cast<size_t>(each.offset);
        const bool is_there = at < values.size() && values[at] == each.value;
        if (is_there) continue;
        if (each.level == AckLevel::isr_durable) {
            fail(fmt::format("{} was acknowledged at offset {}, where {} is now", each.value, each.offset,
                             at < values.size() ? values[at] : "nothing"));
        }
        ++counts_.lost_at_weaker_levels;
    }
    for (const auto& [offset, value] : shown_) {
        const auto at = static_cast<size_t>(offset);
        if (at >= values.size() || values[at] != value) fail(fmt::format("{} was shown at {}", value, offset));
    }
    std::set<std::string> known;
    std::map<std::string, int> last_of;  // by producer
    for (const std::string& value : values) {
        const bool is_new = known.insert(value).second;
        if (!is_new && value != last_value) fail(value + " is there twice");
        const size_t colon = value.find(':');
        if (colon == std::string::npos) continue;
        const int sequence = std::stoi(value.substr(colon + 1));
        auto [last, is_first] = last_of.emplace(value.substr(0, colon), sequence);
        if (!is_first && sequence <= last->second) fail(value + " is out of its producer's order");
        last->second = sequence;
    }
    for (const std::string& value : refused_) {
        if (known.count(value) > 0) fail(value + " was refused as not written, and is there");
    }
}

}  // namespace ironbark::broker
