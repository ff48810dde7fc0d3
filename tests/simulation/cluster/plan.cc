#include "tests/simulation/cluster/plan.h"

#include "tests/simulation/cluster/draws.h"

namespace ironbark::simulation {
namespace {

using std::chrono::milliseconds;

// On by a coin, then at a rate somewhere between the two: rare faults let a run go far, frequent ones meet each other.
void maybe(RandomStream& random, Chance& chance, uint64_t rarest, uint64_t most_frequent) {
    uint64_t rate = random.between(most_frequent, rarest);
    if (coin(random)) chance = one_in(rate);
}

Options draw_world(RandomStream& random) {
    Options options;
    DiskOptions& disk = options.disk;
    maybe(random, disk.stall, 5000, 300);
    maybe(random, disk.short_read, 200, 10);
    maybe(random, disk.short_write, 200, 10);
    bool has_errors = random.chance(one_in(3));
    if (has_errors) maybe(random, disk.write_error, 5000, 300);
    if (has_errors) maybe(random, disk.sync_error, 5000, 300);
    if (random.chance(one_in(4))) maybe(random, disk.full, 2000, 50);
    disk.torn_pages = coin(random);
    disk.direct_io = !random.chance(one_in(4));
    NetworkOptions& network = options.network;
    network.split = coin(random);
    maybe(random, network.reset, 3000, 100);
    maybe(random, network.blackhole, 10'000, 500);
    maybe(random, network.delay, 2000, 50);
    return options;
}

broker::Config draw_config(RandomStream& random) {
    broker::Config config;
    config.data_dir = "/data";
    config.listen = {"0.0.0.0", client_port};
    config.advertise = {"broker", client_port};
    config.metrics_enabled = false;
    config.reserve_bytes = 1 << 20;
    config.tail_bytes = one_of<int64_t>(random, {64 << 10, 1 << 20, 16 << 20});
    config.unwritten_bytes = one_of<int64_t>(random, {256 << 10, 4 << 20});
    config.pool_files = static_cast<int64_t>(random.below(5));
    config.retention_interval = between(random, 2s, 10s);
    config.connections_max = 64;
    return config;
}

Settings client_settings(RandomStream& random) {
    Settings settings;
    settings.bootstrap_servers = "broker:" + std::to_string(client_port);
    settings.request_timeout = milliseconds(random.between(500, 5000));
    settings.retry_backoff = milliseconds(random.between(5, 100));
    settings.retry_backoff_max = milliseconds(random.between(100, 1000));
    settings.metadata_max_age = milliseconds(random.between(2000, 60'000));
    return settings;
}

ProducerPlan draw_producer(RandomStream& random) {
    ProducerPlan plan;
    Settings& settings = plan.settings;
    settings = client_settings(random);
    settings.acks = one_of(random, {Acks::topic, Acks::none, Acks::leader, Acks::leader_durable, Acks::isr,
                                    Acks::isr_durable, Acks::leader_durable, Acks::leader});
    settings.enable_idempotence = !random.chance(one_in(4));
    settings.linger = milliseconds(one_of(random, {0, 0, 1, 5, 30}));
    settings.batch_size = one_of<size_t>(random, {1 << 10, 8 << 10, 64 << 10});
    settings.max_request_size = 256 << 10;
    settings.buffer_memory = one_of<size_t>(random, {1 << 20, 8 << 20});
    settings.max_block = milliseconds(random.between(100, 10'000));
    settings.delivery_timeout = milliseconds(random.between(1000, 30'000));
    settings.max_in_flight = static_cast<int>(random.between(1, 5));
    settings.compression = one_of(random, {Compression::none, Compression::none, Compression::lz4, Compression::zstd});
    settings.partitioner = one_of(random, {Partitioner::murmur2, Partitioner::sticky, Partitioner::round_robin});
    plan.pause_mean = between(random, 1ms, 300ms);
    plan.burst_max = one_of<uint64_t>(random, {1, 5, 40});
    plan.size_max = one_of<size_t>(random, {50, 500, 4000, 20'000});
    plan.chooses_by_key = coin(random);
    return plan;
}

ConsumerPlan draw_consumer(RandomStream& random) {
    ConsumerPlan plan;
    Settings& settings = plan.settings;
    settings = client_settings(random);
    settings.visibility = one_of(random, {Visibility::durable, Visibility::durable, Visibility::replicated});
    settings.fetch_max_wait = milliseconds(one_of(random, {0, 10, 100, 500, 2000}));
    if (settings.fetch_max_wait.count() == 0) settings.fetch_max_wait = milliseconds(10);
    settings.fetch_min_bytes = one_of<size_t>(random, {1, 1, 2000, 100'000});
    settings.fetch_max_bytes = one_of<size_t>(random, {2 << 10, 64 << 10, 1 << 20});
    settings.max_partition_fetch_bytes = one_of<size_t>(random, {1 << 10, 32 << 10, 1 << 20});
    settings.max_poll_records = one_of<size_t>(random, {1, 10, 500});
    settings.offset_reset = one_of(random, {OffsetReset::none, OffsetReset::earliest, OffsetReset::latest});
    plan.is_tailing = coin(random);
    plan.polls_max = one_of<uint64_t>(random, {3, 30, 300});
    plan.pause_mean = between(random, 1ms, 500ms);
    return plan;
}

AdminPlan draw_admin(RandomStream& random) {
    AdminPlan plan;
    plan.pause_mean = between(random, 500ms, 5s);
    for (size_t index = 0; index < 6; ++index) {
        uint64_t weight = random.between(1, 10);
        plan.weights.push_back(coin(random) ? weight : 0);
    }
    return plan;
}

FaultPlan draw_faults(RandomStream& random, Profile profile) {
    FaultPlan plan;
    plan.pause_mean = between(random, 300ms, 6s);
    for (size_t index = 0; index < mishaps; ++index) {
        uint64_t weight = random.between(1, 10);
        bool is_on = coin(random);
        if (profile == Profile::crashes) is_on = index <= static_cast<size_t>(Mishap::die_between);
        plan.weights.push_back(is_on && profile != Profile::calm ? weight : 0);
    }
    plan.rot = one_of(random, {Rot::index, Rot::producers, Rot::log});
    uint64_t& rots = plan.weights[static_cast<size_t>(Mishap::rot)];
    if (!random.chance(one_in(3))) rots = 0;
    if (rots == 0) plan.rot = Rot::none;
    return plan;
}

}  // namespace

const char* name(Profile profile) {
    switch (profile) {
        case Profile::swarm: return "swarm";
        case Profile::calm: return "calm";
        case Profile::crashes: return "crashes";
    }
    return "";
}

const char* name(Mishap mishap) {
    switch (mishap) {
        case Mishap::kill: return "kill";
        case Mishap::lose_power: return "lose-power";
        case Mishap::stop: return "stop";
        case Mishap::die_between: return "die-between";
        case Mishap::pause: return "pause";
        case Mishap::cut: return "cut";
        case Mishap::fill_disk: return "fill-disk";
        case Mishap::kill_client: return "kill-client";
        case Mishap::rot: return "rot";
        case Mishap::skew: return "skew";
    }
    return "";
}

TopicPlan draw_topic(RandomStream& random, std::string name) {
    TopicPlan plan;
    plan.name = std::move(name);
    plan.partitions = static_cast<int32_t>(random.between(1, 4));
    auto maybe_set = [&](const char* key, std::initializer_list<const char*> values) {
        const char* value = one_of(random, values);
        if (coin(random)) plan.settings[key] = value;
    };
    maybe_set("segment.bytes", {"65536", "131072", "1048576"});
    maybe_set("flush.interval.ms", {"20", "500", "3000"});
    maybe_set("flush.bytes", {"4096", "65536"});
    maybe_set("acks.default", {"leader", "leader_durable", "isr", "isr_durable"});
    if (random.chance(one_in(4))) maybe_set("min.acks", {"leader", "leader_durable", "isr_durable"});
    if (random.chance(one_in(4))) maybe_set("retention.bytes", {"65536", "300000"});
    if (random.chance(one_in(4))) maybe_set("retention.ms", {"3000", "20000"});
    return plan;
}

Plan Plan::draw(uint64_t seed, Profile profile, size_t nodes) {
    RandomStream random(seed, "plan");
    Plan plan;
    plan.seed = seed;
    plan.profile = profile;
    plan.world = draw_world(random);
    if (profile != Profile::swarm || random.chance(one_in(8))) plan.world = Options();
    plan.config = draw_config(random);
    plan.chaos = between(random, 3s, 30s);
    uint64_t topics = random.between(1, 3);
    for (uint64_t index = 0; index < topics; ++index) {
        plan.topics.push_back(draw_topic(random, "t" + std::to_string(index)));
    }
    uint64_t producers = random.between(1, 4);
    for (uint64_t index = 0; index < producers; ++index) plan.producers.push_back(draw_producer(random));
    uint64_t consumers = random.between(1, 3);
    for (uint64_t index = 0; index < consumers; ++index) plan.consumers.push_back(draw_consumer(random));
    plan.admin = draw_admin(random);
    plan.faults = draw_faults(random, profile);
    if (nodes > 1) draw_cluster(plan, nodes);
    return plan;
}

std::string LeftOut::to_string() const {
    std::string text;
    auto list = [&](const char* option, auto begin, auto end, auto show) {
        if (begin == end) return;
        text += std::string(" ") + option + " ";
        for (auto each = begin; each != end; ++each) text += (each == begin ? "" : ",") + show(*each);
    };
    list("--without", classes.begin(), classes.end(), [](const std::string& word) { return word; });
    list("--skip", mishaps.begin(), mishaps.end(), [](uint64_t number) { return std::to_string(number); });
    if (chaos) text += " --chaos-ms " + std::to_string(*chaos / 1ms);
    return text;
}

void Plan::leave_out(const LeftOut& what) {
    left_out = what;
    for (const std::string& word : what.classes) world.turn_off(word);
    if (what.chaos) chaos = *what.chaos;
}

bool Plan::has_disk_errors() const {
    const DiskOptions& disk = world.disk;
    return disk.write_error.numerator != 0 || disk.sync_error.numerator != 0 || disk.full.numerator != 0 ||
           faults.weights[static_cast<size_t>(Mishap::fill_disk)] != 0 || faults.rot != Rot::none ||
           (nodes > 1 && (cluster.may(ClusterMishap::fill_disk) || cluster.may(ClusterMishap::fail_write)));
}

bool Plan::is_disk_prompt() const {
    bool may_pause = faults.weights[static_cast<size_t>(Mishap::pause)] != 0;
    return !has_disk_errors() && world.disk.stall.numerator == 0 && !may_pause;
}

std::string Plan::to_string() const {
    std::string text = std::string(name(profile)) + "; ";
    if (cluster.theme != Theme::any) text += std::string("about ") + name(cluster.theme) + "; ";
    text += world.to_string() + "; mishaps:";
    for (size_t index = 0; index < mishaps; ++index) {
        if (faults.weights[index] != 0) text += std::string(" ") + name(static_cast<Mishap>(index));
    }
    for (size_t index = 0; index < cluster.weights.size(); ++index) {
        if (cluster.weights[index] != 0) text += std::string(" ") + name(static_cast<ClusterMishap>(index));
    }
    text += "; " + std::to_string(topics.size()) + " topics, " + std::to_string(producers.size()) + " producers, " +
            std::to_string(consumers.size()) + " consumers, " + std::to_string(chaos / 1ms) + " ms of faults";
    return text;
}

}  // namespace ironbark::simulation
