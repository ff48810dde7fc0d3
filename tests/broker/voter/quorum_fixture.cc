#include "tests/broker/voter/quorum_fixture.h"

namespace ironbark::consensus {

void Paths::carry(const Message& message) {
    if (cut_.count(message.from.id.value) > 0 || cut_.count(message.to.id.value) > 0) return;
    EncodedMessage encoded = encode(message);
    std::vector<uint8_t> metadata(encoded.metadata.data(), encoded.metadata.data() + encoded.metadata.size());
    std::vector<uint8_t> payload;
    for (const Payload& part : encoded.payload) payload.insert(payload.end(), part->begin(), part->end());
    auto delay = std::chrono::microseconds(random_.between(50, 1000));
    simulation_.after(
        delay, [this, metadata = std::move(metadata), payload = std::move(payload)] { deliver(metadata, payload); });
}

void Paths::deliver(const std::vector<uint8_t>& metadata, const std::vector<uint8_t>& payload) {
    Result<Message> message = decode(metadata, payload);
    if (!message.ok()) simulation_.fail(message.error().text);
    auto found = programs_.find(message->to.directory);
    if (found == programs_.end() || cut_.count(message->to.id.value) > 0) return;
    VoterProgram* program = found->second;
    program->world.executor.post_remote([program, message = std::move(message).value()] {
        if (program->driver) program->driver->receive(message);
    });
}

VoterProgram::VoterProgram(World& its_world, Paths& paths, int32_t id, DriverSettings settings)
    : world(its_world), paths_(paths), id_(id), settings_(std::move(settings)), running_(its_world.executor) {}

Task<bool> VoterProgram::start() {
    StoreSettings stored;
    stored.directory = "controller";
    stored.owner = Uuid::from_words(static_cast<uint64_t>(id_), 99);
    stored.on_event = [this](Event event) { driver->take(std::move(event)); };
    stored.on_notice = [this](std::string text) { notices.push_back(std::move(text)); };
    Result<std::unique_ptr<Store>> opened = co_await Store::open(&world, std::move(stored), &problem);
    if (!opened.ok()) co_return false;
    store = std::move(opened).value();
    DriverSettings settings = settings_;
    settings.core.self.id = VoterId(id_);
    settings.on_role = [](const RoleChanged&) {};
    settings.on_report = [](const Report&) {};
    settings.on_notice = [this](std::string text) { notices.push_back(std::move(text)); };
    Result<std::unique_ptr<Driver>> made =
        co_await Driver::open(&world, store.get(), this, this, std::move(settings), &problem);
    if (!made.ok()) co_return false;
    driver = std::move(made).value();
    paths_.join(store->voter_directory(), this);
    running_.spawn(driver->run());
    co_return true;
}

Task<void> VoterProgram::stop() {
    paths_.leave(this);
    if (driver) co_await driver->close();
    co_await running_.join();
    if (store) co_await store->close();
}

void VoterProgram::apply(LogIndex index, Bytes command) {
    ASSERT(applied_ < index);
    applied_ = index;
    commands.emplace_back(as_text(command));
}

SnapshotRecords VoterProgram::snapshot() const {
    SnapshotRecords records;
    for (const std::string& command : commands) records.emplace_back(command.begin(), command.end());
    return records;
}

Result<void> VoterProgram::restore(Bytes record) {
    ++restored;
    commands.emplace_back(as_text(record));
    return {};
}

QuorumTest::QuorumTest(size_t count, uint64_t seed, DriverSettings its_settings, simulation::Options options)
    : simulation(seed, options), paths(simulation), settings(std::move(its_settings)) {
    for (size_t id = 1; id <= count; ++id) {
        if (!start(static_cast<int32_t>(id))) simulation.fail("a voter does not start");
    }
    if (count > 0) form();
}

bool QuorumTest::start(int32_t id) {
    VoterProgram& program =
        node(id).start([this, id](World& world) { return std::make_unique<VoterProgram>(world, paths, id, settings); });
    voters[id] = &program;
    return node(id).run(program.start());
}

void QuorumTest::crash(int32_t id, simulation::Crash how) {
    voters.erase(id);
    node(id).crash(how);
}

void QuorumTest::form() {
    Membership membership;
    membership.cluster = Uuid::from_words(1, 2);
    for (auto& [id, program] : voters) membership.voters.push_back(program->self());
    for (auto& [id, program] : voters) program->driver->form(membership);
}

int32_t QuorumTest::leader(Duration limit) {
    int32_t found = 0;
    auto is_led = [&] {
        for (auto& [id, program] : voters) {
            Status status = program->driver->status();
            bool is_ready =
                status.role == Role::leader && status.applied >= status.commit && status.commit > LogIndex();
            bool is_newest = std::all_of(voters.begin(), voters.end(), [&](const auto& other) {
                return other.second->driver->status().term <= status.term;
            });
            if (is_ready && is_newest) found = id;
        }
        return found != 0;
    };
    return simulation.run_until(is_led, limit) ? found : 0;
}

ProposalResult QuorumTest::propose(int32_t id, const std::string& command) {
    VoterProgram& program = voter(id);
    auto bytes = std::make_shared<const std::vector<uint8_t>>(command.begin(), command.end());
    Term term = program.driver->status().term;
    auto result = node(id).try_run(program.driver->propose(term, bytes, simulation.now() + 2s));
    return result.value_or(ProposalResult{});
}

bool QuorumTest::write(const std::string& command, Duration limit) {
    const Instant deadline = simulation.now() + limit;
    while (simulation.now() < deadline) {
        int32_t id = leader(1s);
        if (id == 0) continue;
        ProposalResult result = propose(id, command);
        if (result.outcome == Outcome::written) return true;
        if (result.outcome == Outcome::unknown) return false;
        simulation.run_for(10ms);
    }
    return false;
}

bool QuorumTest::agree_on(size_t count, Duration limit) {
    auto is_agreed = [&] {
        return std::all_of(voters.begin(), voters.end(), [&](const auto& one) {
            return one.second->commands.size() == count && one.second->commands == voters.begin()->second->commands;
        });
    };
    return simulation.run_until(is_agreed, limit);
}

void QuorumTest::stop() {
    for (auto& [id, program] : voters) {
        node(id).run(program->stop());
        node(id).end();
    }
    voters.clear();
}

}  // namespace ironbark::consensus
