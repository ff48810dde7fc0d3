// Three voters over loopback and on real disks, in every world that this machine has.
#include <gtest/gtest.h>

#include "tests/broker/peer/peer_fixture.h"
#include "tests/runtime/io/world_conformance.h"

namespace ironbark::peer {
namespace {

using PeerWorldTest = testing::WorldTest;
using Daemons = std::map<int32_t, std::unique_ptr<VoterDaemon>>;

constexpr Duration patience = 30s;

// Ports that are free, and will be for the moment that it takes.
Task<std::map<int32_t, Address>> find_addresses(World* world) {
    std::map<int32_t, Address> addresses;
    std::vector<std::unique_ptr<Listener>> listeners;
    for (int32_t id : {1, 2, 3}) {
        Address any{"127.0.0.1", 0};
        Result<std::unique_ptr<Listener>> listener = co_await world->network.listen(std::move(any));
        ASSERT(listener.ok());
        addresses[id] = listener.value()->local_address();
        listeners.push_back(std::move(listener).value());
    }
    for (auto& listener : listeners) listener->close();
    co_return addresses;
}

Task<bool> write(World* world, Daemons* daemons, std::string command) {
    const Instant deadline = world->executor.now() + patience;
    while (world->executor.now() < deadline) {
        for (auto& [id, daemon] : *daemons) {
            consensus::Status status = daemon->driver->status();
            if (status.role != consensus::Role::leader) continue;
            auto bytes = std::make_shared<const std::vector<uint8_t>>(command.begin(), command.end());
            consensus::ProposalResult result = co_await daemon->driver->propose(status.term, bytes, deadline);
            if (result.outcome == Outcome::written) co_return true;
        }
        co_await sleep_for(world->executor, 5ms);
    }
    co_return false;
}

Task<bool> agree_on(World* world, Daemons* daemons, size_t count) {
    const Instant deadline = world->executor.now() + patience;
    while (world->executor.now() < deadline) {
        bool is_agreed = true;
        for (auto& [id, daemon] : *daemons) is_agreed = is_agreed && daemon->commands.size() == count;
        if (is_agreed) co_return true;
        co_await sleep_for(world->executor, 5ms);
    }
    co_return false;
}

Task<void> form_write_and_lose_a_leader(World* world, std::string directory) {
    std::map<int32_t, Address> addresses = co_await find_addresses(world);
    Daemons daemons;
    for (int32_t id : {1, 2, 3}) {
        DaemonSettings settings;
        settings.id = id;
        settings.voters = {1, 2, 3};
        settings.directory = directory + "/" + node_name(id);
        settings.addresses = addresses;
        daemons[id] = std::make_unique<VoterDaemon>(*world, settings);
        bool is_started = co_await daemons[id]->start();
        EXPECT_TRUE(is_started);
    }
    for (int number = 0; number < 20; ++number) {
        bool is_written = co_await write(world, &daemons, "command " + std::to_string(number));
        EXPECT_TRUE(is_written);
    }
    bool is_agreed = co_await agree_on(world, &daemons, 20);
    EXPECT_TRUE(is_agreed);
    int32_t leader = 1;
    for (auto& [id, daemon] : daemons) {
        if (daemon->driver->status().role == consensus::Role::leader) leader = id;
    }
    co_await daemons[leader]->stop();
    daemons.erase(leader);
    bool is_written = co_await write(world, &daemons, "after");
    EXPECT_TRUE(is_written);
    is_agreed = co_await agree_on(world, &daemons, 21);
    EXPECT_TRUE(is_agreed);
    for (auto& [id, daemon] : daemons) {
        bool is_seen = daemon->deaths.size() == 1 && daemon->deaths[0].id == leader;
        EXPECT_TRUE(is_seen) << id;
    }
    for (auto& [id, daemon] : daemons) co_await daemon->stop();
}

TEST_P(PeerWorldTest, AQuorumFormsWritesAndLosesItsLeader) {
    play(form_write_and_lose_a_leader(world(), directory()));
}

INSTANTIATE_TEST_SUITE_P(Peer, PeerWorldTest, ::testing::ValuesIn(testing::all_worlds()), testing::world_name);

}  // namespace
}  // namespace ironbark::peer
