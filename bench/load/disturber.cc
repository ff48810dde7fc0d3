#include "bench/load/disturber.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "bench/machine/system.h"

namespace ironbark::bench {

namespace {

using namespace std::chrono_literals;

constexpr double in_sync_seconds_max = 120;
constexpr double rest_seconds_min = 1;  // of the load, after a disturbance: else nothing is seen of it
constexpr double stop_seconds_min = 0.1;
constexpr double stop_seconds_step = 1;
constexpr Admin::Timeout ask_time{2'000};  // the broker that is asked may be the one that is stopped
constexpr auto leader_look_pause = 5ms;

void sleep_until(Nanoseconds time) {
    const Nanoseconds left = time - now();
    if (left > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(left));
}

template <typename Condition>
TopicDescription wait_until(Admin& admin, const std::string& topic, Condition condition) {
    const Nanoseconds give_up = now() + from_seconds(in_sync_seconds_max);
    while (now() < give_up) {
        const Expected<TopicDescription> found = admin.describe_topic(topic, ask_time);
        if (found && std::all_of(found->partitions.begin(), found->partitions.end(), condition)) return *found;
        std::this_thread::sleep_for(leader_look_pause);
    }
    throw std::runtime_error("the replicas of the topic did not all get in sync");
}

bool is_in_sync(const PartitionDescription& partition) {
    return !partition.failure && partition.leader >= 0 && partition.in_sync.size() == partition.replicas.size();
}

std::vector<Led> led_by(int32_t broker, const TopicDescription& topic) {
    std::vector<Led> led;
    for (const PartitionDescription& partition : topic.partitions) {
        if (partition.leader == broker)
            led.push_back({static_cast<size_t>(partition.partition), partition.leader_epoch});
    }
    return led;
}

}  // namespace

TopicDescription wait_until_in_sync(Admin& admin, const std::string& topic) {
    return wait_until(admin, topic, is_in_sync);
}

TopicDescription wait_until_in_sync(Admin& admin, const std::string& topic, Visibility visible_to_the_end) {
    return wait_until(admin, topic, [visible_to_the_end](const PartitionDescription& partition) {
        const bool is_durable = visible_to_the_end == Visibility::durable;
        const int64_t visible = is_durable ? partition.durable_watermark : partition.high_watermark;
        return is_in_sync(partition) && partition.log_end >= 0 && visible == partition.log_end;
    });
}

void Disturber::run(Nanoseconds begin, Nanoseconds end) try {
    disturb(begin, end);
} catch (const std::exception& problem) {
    trouble_ = problem.what();
}

void Disturber::disturb(Nanoseconds begin, Nanoseconds end) {
    struct Due {
        Disturbing kind;
        Nanoseconds period;
        Nanoseconds next;
    };
    std::vector<Due> dues;
    for (const auto& [kind, seconds] : {std::pair(Disturbing::kill_leader, settings_.kill_leader_seconds),
                                        std::pair(Disturbing::stop_leader, settings_.stop_leader_seconds),
                                        std::pair(Disturbing::stop_follower, settings_.stop_follower_seconds)}) {
        const Nanoseconds period = from_seconds(seconds);
        if (period > 0) dues.push_back({kind, period, begin + period});
    }
    while (!dues.empty()) {
        Due& due = *std::min_element(dues.begin(), dues.end(),
                                     [](const Due& left, const Due& right) { return left.next < right.next; });
        const Nanoseconds next = std::max(due.next, now());
        if (next + from_seconds(rest_seconds_min) > end) return;
        sleep_until(next);
        if (due.kind == Disturbing::stop_follower) {
            stop_follower();
        } else {
            disturb_leader(due.kind == Disturbing::kill_leader, end);
        }
        due.next += due.period;
    }
}

// With the leader of partition 0 where it is to be, and everything in sync.
TopicDescription Disturber::place_leader() {
    TopicDescription topic = wait_until_in_sync(admin_, settings_.topic);
    while (settings_.place != LeaderPlace::anywhere) {
        const auto active = static_cast<int32_t>(cluster_.wait_until_whole()) + 1;
        const PartitionDescription& first = topic.partitions.at(0);
        const bool is_beside = settings_.place == LeaderPlace::beside_controller;
        if ((first.leader == active) == is_beside) break;
        const auto fits = [&](int32_t broker) { return (broker == active) == is_beside; };
        const int32_t target = *std::find_if(first.replicas.begin(), first.replicas.end(), fits);
        // Refused, say because the controller has changed: it is looked at again.
        (void)admin_.move_leaders({{{settings_.topic, 0}, target}}, ask_time);
        topic = wait_until_in_sync(admin_, settings_.topic);
    }
    return topic;
}

void Disturber::disturb_leader(bool is_kill, Nanoseconds end) {
    const TopicDescription topic = place_leader();
    const int32_t leader = topic.partitions.at(0).leader;
    Daemon& daemon = cluster_.daemon(static_cast<size_t>(leader - 1));
    const Disturbing kind = is_kill ? Disturbing::kill_leader : Disturbing::stop_leader;
    disturbances_.push_back({.kind = kind, .broker = leader, .led = led_by(leader, topic)});
    Disturbance& disturbance = disturbances_.back();
    disturbance.at = now();
    is_kill ? daemon.kill() : daemon.pause();
    while (!is_led_elsewhere(disturbance) && now() < end) std::this_thread::sleep_for(leader_look_pause);
    disturbance.returned = now();
    is_kill ? daemon.launch() : daemon.resume();
    if (is_kill) daemon.wait_until_ready();
    wait_until_in_sync(admin_, settings_.topic);
    disturbance.in_sync = now();
}

bool Disturber::is_led_elsewhere(const Disturbance& disturbance) const {
    return std::all_of(disturbance.led.begin(), disturbance.led.end(),
                       [this](const Led& led) { return load_.epoch(led.partition) > led.epoch; });
}

void Disturber::stop_follower() {
    const TopicDescription topic = wait_until_in_sync(admin_, settings_.topic);
    const PartitionDescription& first = topic.partitions.at(0);
    std::vector<int32_t> followers = first.replicas;
    std::erase(followers, first.leader);
    const int32_t follower = followers.at(static_cast<size_t>(stops_) % followers.size());
    const double step = stops_ % 2 == 0 ? -stop_seconds_step : stop_seconds_step;
    const double seconds = std::max(settings_.stop_follower_seconds / 2 + step, stop_seconds_min);
    ++stops_;
    Daemon& daemon = cluster_.daemon(static_cast<size_t>(follower - 1));
    disturbances_.push_back(
        {.kind = Disturbing::stop_follower, .broker = follower, .led = led_by(follower, topic)});
    Disturbance& disturbance = disturbances_.back();
    disturbance.at = now();
    daemon.pause();
    sleep_until(disturbance.at + from_seconds(seconds));
    daemon.resume();
    disturbance.returned = now();
    wait_until_in_sync(admin_, settings_.topic);
    disturbance.in_sync = now();
}

}  // namespace ironbark::bench
