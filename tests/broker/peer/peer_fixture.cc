#include "tests/broker/peer/peer_fixture.h"

#include <algorithm>

#include "wire/controller_generated.h"

namespace ironbark::peer {

using consensus::Role;
using consensus::Voter;

namespace {

rpc::ServerLimits server_limits() {
    rpc::ServerLimits limits;
    limits.audience = rpc::Audience::daemons;
    return limits;
}

std::vector<PeerVoter> voters_of(const DaemonSettings& settings) {
    std::vector<PeerVoter> voters;
    for (int32_t id : settings.voters) {
        auto given = settings.addresses.find(id);
        Address address{node_name(id), peer_port};
        voters.push_back({VoterId(id), given == settings.addresses.end() ? address : given->second});
    }
    return voters;
}

PeerIdentity identity_of(const DaemonSettings& settings) {
    PeerIdentity identity;
    identity.node = settings.id;
    identity.directory = Uuid::from_words(static_cast<uint64_t>(settings.id), 99);
    identity.cluster = settings.cluster;
    identity.version = "1.0";
    return identity;
}

Task<void> form(Forming* forming) {
    co_await forming->run();
}

}  // namespace

// ---- links ---------------------------------------------------------------------------------------------------------

LinkedDaemon::LinkedDaemon(World& its_world, DaemonSettings its_settings)
    : world(its_world),
      settings(std::move(its_settings)),
      identity(identity_of(settings)),
      gate(world, &identity, settings.secret),
      links(world, &identity, link_settings(this)),
      server_(world, server_limits(), *this),
      running_(world.executor) {}

LinkSettings LinkedDaemon::link_settings(LinkedDaemon* daemon) {
    LinkSettings settings;
    settings.voters = voters_of(daemon->settings);
    settings.secret = daemon->settings.secret;
    settings.on_process_died = [daemon](VoterId id) { daemon->process_died(id); };
    return settings;
}

Task<bool> LinkedDaemon::start() {
    bool is_listening = co_await listen();
    links.open();
    co_return is_listening;
}

Task<bool> LinkedDaemon::listen() {
    Address address{"0.0.0.0", peer_port};
    if (settings.addresses.count(settings.id) > 0) address = settings.addresses.at(settings.id);
    Result<std::unique_ptr<Listener>> made = co_await world.network.listen(std::move(address));
    if (!made.ok()) co_return false;
    listener_ = std::move(made).value();
    running_.spawn(server_.serve(listener_.get()));
    co_return true;
}

Task<void> LinkedDaemon::stop() {
    co_await links.close();
    server_.stop();
    co_await running_.join();
    co_await server_.join();
}

Task<rpc::Response> LinkedDaemon::handle(rpc::Session& session, rpc::Request request) {
    if (request.method == rpc::Method::peer_challenge) co_return gate.answer_challenge(session, request);
    if (request.method == rpc::Method::peer_proof) co_return gate.answer_proof(session, request);
    if (request.method == rpc::Method::quorum_message) {
        Result<Message> message = receive_message(session, request);
        if (message.ok()) receive(std::move(message).value());
        if (!message.ok()) refused.push_back(message.error());
        co_return rpc::Response();
    }
    Task<rpc::Response> task = answer(session, std::move(request));
    co_return co_await std::move(task);
}

Task<rpc::Response> LinkedDaemon::answer(rpc::Session&, rpc::Request) {
    co_return rpc::error_response(Error(ErrorCode::invalid_request, "not in this test"), Outcome::not_written);
}

// ---- voters --------------------------------------------------------------------------------------------------------

Task<bool> VoterDaemon::start() {
    bool is_open = co_await open();
    if (!is_open) co_return false;
    bool is_listening = co_await listen();
    links.open();
    running_.spawn(driver->run());
    running_.spawn(form(forming.get()));
    co_return is_listening;
}

Task<bool> VoterDaemon::open() {
    consensus::StoreSettings stored;
    stored.directory = settings.directory;
    stored.owner = identity.directory;
    stored.on_event = [this](consensus::Event event) { driver->take(std::move(event)); };
    stored.on_notice = [this](std::string text) { problems.push_back(std::move(text)); };
    std::string problem;
    Result<std::unique_ptr<consensus::Store>> opened =
        co_await consensus::Store::open(&world, std::move(stored), &problem);
    if (!opened.ok()) co_return false;
    store = std::move(opened).value();
    consensus::DriverSettings driven;
    driven.core.self.id = VoterId(settings.id);
    driven.on_role = [this](const consensus::RoleChanged&) { identity.cluster = driver->status().cluster; };
    driven.on_report = [](const consensus::Report&) {};
    driven.on_notice = [this](std::string text) { problems.push_back(std::move(text)); };
    Result<std::unique_ptr<consensus::Driver>> made =
        co_await consensus::Driver::open(&world, store.get(), this, &links, std::move(driven), &problem);
    if (!made.ok()) co_return false;
    driver = std::move(made).value();
    identity.cluster = driver->status().cluster;
    FormingSettings waits;
    waits.self = Voter{VoterId(settings.id), store->voter_directory()};
    waits.voters = voters_of(settings);
    waits.on_notice = [this](std::string text) { notices.push_back(std::move(text)); };
    forming = std::make_unique<Forming>(world, *driver, links, std::move(waits));
    co_return true;
}

Task<void> VoterDaemon::stop() {
    co_await driver->close();
    co_await LinkedDaemon::stop();
    co_await store->close();
}

void VoterDaemon::process_died(VoterId id) {
    LinkedDaemon::process_died(id);
    const auto membership = driver->status().membership;
    if (membership == nullptr) return;
    for (const Voter& voter : membership->everybody()) {
        if (voter.id == id) driver->peer_process_died(voter);
    }
}

Task<rpc::Response> VoterDaemon::answer(rpc::Session& session, rpc::Request request) {
    if (request.method == rpc::Method::voter_state) co_return forming->answer_voter_state();
    if (request.method == rpc::Method::form_cluster) co_return forming->answer_form_cluster(session, request);
    co_return rpc::error_response(Error(ErrorCode::invalid_request, "not in this test"), Outcome::not_written);
}

consensus::SnapshotRecords VoterDaemon::snapshot() const {
    consensus::SnapshotRecords records;
    for (const std::string& command : commands) records.emplace_back(command.begin(), command.end());
    return records;
}

Result<void> VoterDaemon::restore(Bytes record) {
    commands.emplace_back(as_text(record));
    return {};
}

int32_t VoterTest::leader(Duration limit) {
    int32_t found = 0;
    auto is_led = [&] {
        for (auto& [id, one] : daemons) {
            consensus::Status mine = one->driver->status();
            bool is_ready = mine.role == Role::leader && mine.applied >= mine.commit && mine.commit.value > 0;
            bool is_newest = std::all_of(daemons.begin(), daemons.end(), [&](const auto& other) {
                return other.second->driver->status().term <= mine.term;
            });
            if (is_ready && is_newest) found = id;
        }
        return found != 0;
    };
    return simulation.run_until(is_led, limit) ? found : 0;
}

bool VoterTest::write(const std::string& command, Duration limit) {
    const Instant deadline = simulation.now() + limit;
    while (simulation.now() < deadline) {
        int32_t id = leader(1s);
        if (id == 0) continue;
        auto bytes = std::make_shared<const std::vector<uint8_t>>(command.begin(), command.end());
        consensus::Term term = status(id).term;
        auto result = node(id).try_run(daemon(id).driver->propose(term, bytes, simulation.now() + 2s));
        if (!result || result->outcome == Outcome::unknown) return false;
        if (result->outcome == Outcome::written) return true;
        simulation.run_for(10ms);
    }
    return false;
}

bool VoterTest::agree_on(size_t count, Duration limit) {
    auto is_agreed = [&] {
        return std::all_of(daemons.begin(), daemons.end(), [&](const auto& one) {
            return one.second->commands.size() == count && one.second->commands == daemons.begin()->second->commands;
        });
    };
    return simulation.run_until(is_agreed, limit);
}

bool VoterTest::form_within(Duration limit) {
    auto has_formed = [&] {
        const Uuid cluster = daemons.begin()->second->driver->status().cluster;
        return !cluster.is_zero() && std::all_of(daemons.begin(), daemons.end(), [&](const auto& one) {
            const consensus::Status status = one.second->driver->status();
            return status.cluster == cluster && status.membership != nullptr;
        });
    };
    return simulation.run_until(has_formed, limit);
}

void VoterTest::wipe(int32_t id) {
    if (is_up(id)) crash(id);
    for (const std::string& path : node(id).disk().files()) node(id).disk().remove(path);
}

}  // namespace ironbark::peer
