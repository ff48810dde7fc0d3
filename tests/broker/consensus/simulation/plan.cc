#include "tests/broker/consensus/simulation/plan.h"

namespace ironbark::consensus::simulation {

Plan::Plan(uint64_t root) : seed(root) {
    Random random(root, 1);
    const int counts[] = {1, 3, 3, 3, 3, 5, 5, 5};
    voters = counts[random.below(8)];
    faults_end_us = random.between(2'000'000, 6'000'000);
    bool is_calm = random.below(8) == 0;
    // Draws in any case, so that a class can be switched off without a change of the others.
    auto sometimes = [&](uint64_t most) {
        bool is_on = random.below(2) == 0;
        uint64_t rate = 1 + random.below(most);
        return is_on && !is_calm ? rate : 0;
    };
    lost = sometimes(150);
    repeated = sometimes(150);
    held_up = sometimes(30);
    is_in_order = random.below(3) == 0;
    delay_us = random.between(50, 3'000);
    write_us = random.between(50, 5'000);
    stalled_writes = sometimes(20);
    mishap_us = random.between(60'000, 400'000);
    crashes = sometimes(100);
    power_cuts = sometimes(20);
    disk_failures = sometimes(40);
    short_reigns = sometimes(400);
    pauses = sometimes(50);
    partitions = sometimes(60);
    one_way_cuts = sometimes(60);
    transfers = sometimes(60);
    replacements = sometimes(60);
    strangers = sometimes(30);
    seen_dead = sometimes(1000);
    late_news = sometimes(1000);
    propose_us = random.between(2'000, 40'000);
    read_us = random.between(5'000, 100'000);
    snapshot_entries = random.below(3) == 0 ? 0 : static_cast<uint64_t>(random.between(3, 60));
    trail_entries = random.below(2) == 0 ? 0 : random.below(20);
    message_entries = random.below(2) == 0 ? 0 : 1 + random.below(4);
    do_clocks_differ = random.below(2) == 0;
}

std::string Plan::to_string() const {
    std::string text = std::to_string(voters) + " voters, faults for " + std::to_string(faults_end_us / 1000) + " ms;";
    auto add = [&text](const char* what, auto value) {
        if (value != 0) text += std::string(" ") + what + " " + std::to_string(value);
    };
    add("lost", lost);
    add("repeated", repeated);
    add("held up", held_up);
    add("in order", is_in_order);
    add("delay us", delay_us);
    add("write us", write_us);
    add("stalled writes", stalled_writes);
    add("mishap us", mishap_us);
    add("crashes", crashes);
    add("power cuts", power_cuts);
    add("disk failures", disk_failures);
    add("short reigns", short_reigns);
    add("pauses", pauses);
    add("partitions", partitions);
    add("one-way cuts", one_way_cuts);
    add("transfers", transfers);
    add("replacements", replacements);
    add("strangers", strangers);
    add("seen dead", seen_dead);
    add("late news", late_news);
    add("propose us", propose_us);
    add("read us", read_us);
    add("snapshot entries", snapshot_entries);
    add("trail entries", trail_entries);
    add("entries in a message", message_entries);
    add("different clocks", do_clocks_differ);
    return text;
}

}  // namespace ironbark::consensus::simulation
