#include "tests/broker/cluster/chaos.h"

#include <fmt/format.h>

#include "broker/control/control.h"
#include "tests/broker/cluster/mishaps.h"

namespace ironbark::broker {
namespace {

constexpr Duration agree_limit = 60s;
constexpr size_t versions_kept = 2000;

size_t voters_of(uint64_t seed) {
    constexpr size_t choices[] = {3, 3, 5, 1};
    return choices[seed % std::size(choices)];
}

}  // namespace

void ChaosCounts::add(const ChaosCounts& other) {
    kills += other.kills;
    power_losses += other.power_losses;
    stops += other.stops;
    pauses += other.pauses;
    cuts += other.cuts;
    terms += other.terms;
    acknowledged += other.acknowledged;
    refused += other.refused;
    unknown += other.unknown;
}

Chaos::Chaos(uint64_t seed)
    : random_(seed, "chaos"),
      voters_(voters_of(seed)),
      nodes_(voters_ + random_.between(0, 1)),
      world_(nodes_, voters_, seed, mishaps_of(seed)) {}

ChaosCounts Chaos::run() {
    for (size_t id = 1; id <= nodes_; ++id) world_.start(static_cast<int32_t>(id));
    world_.simulation().run_for(random_.duration({0ns, 2s}));
    for (size_t round = 0; round < chaos_rounds; ++round) {
        mishap();
        for (uint64_t changes = random_.between(0, 3); changes > 0; --changes) begin_change();
        settle();
    }
    recover();
    check_topics();
    counts_.terms = active_in_.size();
    return counts_;
}

// Time passes, and is looked at often: what is wrong for a moment only would not be seen later.
void Chaos::settle() {
    for (uint64_t looks = random_.between(1, 12); looks > 0; --looks) {
        world_.simulation().run_for(random_.duration({1ms, 80ms}));
        observe();
    }
}

void Chaos::mishap() {
    const int32_t id = some_node();
    if (!world_.is_running(id)) {
        if (random_.below(3) != 0) world_.start(id);
        return;
    }
    switch (random_.below(8)) {
        case 0:
        case 1:
        case 2: end_one(id); break;
        case 3: end_in_order(id); break;
        case 4:
            ++counts_.pauses;
            world_.node(id).is_paused() ? world_.resume(id) : world_.pause(id);
            break;
        case 5:
        case 6: cut_or_heal(); break;
        default: world_.node(id).set_wall_skew_milliseconds(static_cast<int64_t>(random_.below(7'200'000)) - 3'600'000);
    }
}

void Chaos::end_one(int32_t id) {
    world_.resume(id);
    shown_.erase(id);
    if (random_.below(3) == 0) {
        ++counts_.power_losses;
        // Sometimes of everything that stands in one room.
        const bool is_of_all = random_.below(8) == 0;
        for (size_t each = 1; each <= nodes_; ++each) {
            const auto other = static_cast<int32_t>(each);
            if (other != id && !is_of_all) continue;
            world_.resume(other);
            shown_.erase(other);
            if (world_.is_running(other)) world_.lose_power(other);
        }
        return;
    }
    ++counts_.kills;
    world_.kill(id);
}

void Chaos::end_in_order(int32_t id) {
    ++counts_.stops;
    world_.resume(id);
    shown_.erase(id);
    world_.stop(id);
}

void Chaos::cut_or_heal() {
    auto& network = world_.simulation().network();
    Node& one = world_.node(some_node());
    Node& other = world_.node(some_node());
    ++counts_.cuts;
    switch (random_.below(5)) {
        case 0: network.isolate(one); break;
        case 1: network.cut_both(one, other); break;
        case 2: network.cut(one, other); break;
        default: network.heal_all();
    }
}

// Names are used once, so that what is there at the end tells what became of each change.
void Chaos::begin_change() {
    int32_t id = some_node();
    if (!world_.is_running(id) || !world_.is_ready(id)) return;
    std::vector<std::string> there;
    for (const Change& change : changes_) {
        if (change.is_creation && change.fate == Fate::acknowledged) there.push_back(change.topic);
    }
    Change change;
    if (!there.empty() && random_.below(4) == 0) {
        change.topic = there[random_.below(there.size())];
        change.is_creation = false;
        change.answer = world_.begin(id, rpc::Method::delete_topic, delete_topic_request(change.topic, {}));
    } else {
        change.topic = "t" + std::to_string(++names_);
        const TopicShape shape{.partitions = static_cast<int32_t>(random_.between(1, 3))};
        change.answer = world_.begin(id, rpc::Method::create_topic, create_request(change.topic, shape));
    }
    changes_.push_back(std::move(change));
}

void Chaos::look_at_answers() {
    for (Change& change : changes_) {
        if (change.fate != Fate::pending || !change.answer->has_value()) continue;
        const Said said = said_by(**change.answer);
        if (said.ok()) {
            change.fate = Fate::acknowledged;
            ++counts_.acknowledged;
        } else if (said.outcome == Outcome::not_written) {
            change.fate = Fate::refused;
            ++counts_.refused;
        } else {
            change.fate = Fate::unknown;
            ++counts_.unknown;
        }
    }
}

void Chaos::observe() {
    look_at_answers();
    observe_controllers();
    for (size_t each = 1; each <= nodes_; ++each) {
        const auto id = static_cast<int32_t>(each);
        if (!world_.is_running(id)) continue;
        (void)world_.try_ready(id, Duration(0));
        if (std::string problem = world_.problem(id); !problem.empty()) fail("a daemon refuses to start: " + problem);
        if (!world_.is_ready(id)) continue;
        const MetadataSnapshot metadata = world_.metadata(id);
        const int64_t version = metadata->version();
        auto [shown, is_first] = shown_.emplace(id, version);
        if (version < shown->second) fail(fmt::format("the metadata of broker {} goes back", id));
        shown->second = version;
        auto [seen, is_new] = seen_.emplace(version, metadata);
        if (!is_new && !(*seen->second == *metadata)) {
            fail(fmt::format("broker {} shows another version {} than somebody did before", id, version));
        }
        if (is_new && version == seen_.rbegin()->first) {
            for (const auto& [broker, record] : metadata->brokers()) {
                Incarnation& last = incarnations_[broker];
                if (record.incarnation < last) fail(fmt::format("an incarnation of broker {} goes back", broker.value));
                last = record.incarnation;
            }
        }
        if (seen_.size() > versions_kept) seen_.erase(seen_.begin());
    }
}

void Chaos::observe_controllers() {
    for (size_t each = 1; each <= nodes_; ++each) {
        const auto id = static_cast<int32_t>(each);
        if (!world_.is_running(id)) continue;
        const ControlStatus status = world_.broker(id)->facts().control->status();
        if (!status.is_active_controller) continue;
        auto [known, is_new] = active_in_.emplace(status.controller_term, id);
        if (known->second != id) {
            fail(fmt::format("{} and {} are both the active controller in term {}", known->second, id, known->first));
        }
    }
}

void Chaos::recover() {
    world_.simulation().end_faults();
    world_.simulation().network().heal_all();
    for (size_t each = 1; each <= nodes_; ++each) {
        const auto id = static_cast<int32_t>(each);
        world_.resume(id);
        if (!world_.is_running(id)) world_.start(id);
    }
    for (size_t each = 1; each <= nodes_; ++each) world_.wait_ready(static_cast<int32_t>(each), ready_limit);
    auto agree = [&] {
        for (size_t each = 1; each <= nodes_; ++each) {
            const MetadataSnapshot metadata = world_.metadata(static_cast<int32_t>(each));
            if (metadata->version() != world_.metadata(1)->version()) return false;
            if (metadata->brokers().size() != nodes_) return false;
            for (const auto& [id, broker] : metadata->brokers()) {
                if (!broker.is_alive) return false;
            }
        }
        for (const Change& change : changes_) {
            if (!change.answer->has_value()) return false;
        }
        return true;
    };
    if (!world_.simulation().run_until(agree, agree_limit)) fail("the world is well, and the cluster is not");
    observe();
}

void Chaos::check_topics() {
    const MetadataSnapshot metadata = world_.metadata(1);
    std::set<std::string> may_be_gone;
    for (const Change& change : changes_) {
        if (!change.is_creation && change.fate != Fate::refused) may_be_gone.insert(change.topic);
    }
    for (const Change& change : changes_) {
        const bool is_there = metadata->find(change.topic) != nullptr;
        if (change.is_creation && change.fate == Fate::acknowledged && !is_there && !may_be_gone.count(change.topic)) {
            fail(fmt::format("topic {} was acknowledged, and is lost", change.topic));
        }
        if (change.is_creation && change.fate == Fate::refused && is_there) {
            fail(fmt::format("topic {} was refused ({}), and is there", change.topic, said_by(**change.answer).hint));
        }
        if (!change.is_creation && change.fate == Fate::acknowledged && is_there) {
            fail(fmt::format("topic {} was deleted, and is there again", change.topic));
        }
    }
}

}  // namespace ironbark::broker
