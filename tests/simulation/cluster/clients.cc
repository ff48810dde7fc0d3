#include "tests/simulation/cluster/clients.h"

namespace ironbark::simulation {

void Clients::start_producer(Client<ProducerClient>& client) {
    std::string name = client.node->name();
    auto make = [this, &client, name, life = ++lives_](World& world) {
        return std::make_unique<ProducerClient>(world, stage_, stage_.plan.producers[client.index], name, life);
    };
    client.program = &client.node->start(make);
}

void Clients::start_consumer(Client<ConsumerClient>& client) {
    std::string name = client.node->name();
    auto make = [this, &client, name, life = ++lives_](World& world) {
        return std::make_unique<ConsumerClient>(world, stage_, stage_.plan.consumers[client.index], name, life);
    };
    client.program = &client.node->start(make);
}

void Clients::start_admin() {
    admin_.node = &stage_.simulation.node("admin");
    admin_.program = &admin_.node->start([this](World& world) { return std::make_unique<AdminClient>(world, stage_); });
}

void Clients::start_others() {
    producers_.resize(stage_.plan.producers.size());
    for (size_t index = 0; index < producers_.size(); ++index) {
        producers_[index].index = index;
        producers_[index].node = &stage_.simulation.node("producer-" + std::to_string(index));
        start_producer(producers_[index]);
    }
    consumers_.resize(stage_.plan.consumers.size());
    for (size_t index = 0; index < consumers_.size(); ++index) {
        consumers_[index].index = index;
        consumers_[index].node = &stage_.simulation.node("consumer-" + std::to_string(index));
        start_consumer(consumers_[index]);
    }
}

void Clients::kill_one(RandomStream& random) {
    ++stage_.history.counts().clients_killed;
    size_t index = random.below(producers_.size() + consumers_.size());
    if (index < producers_.size()) {
        Client<ProducerClient>& client = producers_[index];
        stage_.history.say(client.node->name(), "is killed");
        stage_.history.producer_died(client.program->life());
        client.node->kill();
        start_producer(client);
    } else {
        Client<ConsumerClient>& client = consumers_[index - producers_.size()];
        stage_.history.say(client.node->name(), "is killed");
        client.node->kill();
        start_consumer(client);
    }
}

bool Clients::have_produced() const {
    for (const Client<ProducerClient>& client : producers_) {
        if (!client.program->is_done()) return false;
    }
    return true;
}

bool Clients::have_consumed() const {
    for (const Client<ConsumerClient>& client : consumers_) {
        if (!client.program->is_done()) return false;
    }
    return admin_.program->is_done();
}

void Clients::end() {
    stage_.simulation.run_for(1ms);
    admin_.node->end();
    for (Client<ProducerClient>& client : producers_) client.node->end();
    for (Client<ConsumerClient>& client : consumers_) client.node->end();
}

namespace {

struct Auditor {
    Auditor(World& the_world, Stage& stage, const Settings& settings)
        : world(the_world), reader(the_world, stage, settings, "auditor") {}
    World& world;
    Reader reader;
};

}  // namespace

void read_everything(Stage& stage, Duration limit) {
    Settings settings = stage.plan.consumers.front().settings;
    settings.visibility = Visibility::replicated;
    settings.offset_reset = OffsetReset::none;
    Node& node = stage.simulation.node("auditor");
    Auditor& auditor = node.start([&](World& world) { return std::make_unique<Auditor>(world, stage, settings); });
    for (const TopicPartition& name : stage.good_partitions()) {
        int64_t log_start = -1;
        std::vector<FinalRecord> log = node.run(read_whole(&auditor.world, &auditor.reader, name, &log_start), limit);
        PartitionIdentity identity{stage.topic(name.topic)->id, PartitionIndex(name.partition)};
        stage.history.check_final(identity, log_start, log);
    }
    node.try_run(auditor.reader.close());
    node.end();
}

}  // namespace ironbark::simulation
