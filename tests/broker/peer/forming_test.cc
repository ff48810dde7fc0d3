// How clusters begin, also where daemons come late, die in between, are wiped or do not fit together.
#include "broker/peer/forming.h"

#include <algorithm>
#include <gtest/gtest.h>

#include "runtime/rpc/convert.h"
#include "tests/broker/peer/peer_fixture.h"
#include "wire/controller_generated.h"

namespace ironbark::peer {
namespace {

using consensus::Membership;
using consensus::Voter;
using simulation::Crash;

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

struct FormingTest : VoterTest {
    using VoterTest::VoterTest;
    // The machines are there, and their ports refuse.
    void make_machines(int32_t count) {
        for (int32_t id = 1; id <= count; ++id) node(id);
    }
    bool is_blank(int32_t id) { return status(id).cluster.is_zero(); }
    std::string notice(int32_t id) { return daemon(id).last_notice(); }
};

// ---- decisions -----------------------------------------------------------------------------------------------------

VoterState blank(int32_t id, std::vector<int32_t> configured = {1, 2, 3}) {
    return {{VoterId(id), Uuid::from_words(static_cast<uint64_t>(id), 5)}, {}, std::move(configured), false};
}

VoterReport report(VoterState state) {
    return {{state.voter.id, {"h" + std::to_string(state.voter.id.value), 9}}, state, {}};
}

VoterReport silent(int32_t id) {
    return {{VoterId(id), {"h" + std::to_string(id), 9}}, std::nullopt, "connection refused"};
}

VoterReport formed(int32_t id, Uuid cluster) {
    VoterState state = blank(id);
    state.cluster = cluster;
    return report(state);
}

std::vector<Voter> three_voters() {
    return {blank(1).voter, blank(2).voter, blank(3).voter};
}

TEST(FormingDecision, TheLowestIdFormsOfThreeBlankVotersAndNobodyElse) {
    FormingDecision decision = decide(blank(1), {report(blank(2)), report(blank(3))});
    ASSERT_TRUE(decision.form);
    EXPECT_TRUE(decision.form->is_valid());
    EXPECT_EQ(decision.form->voters, three_voters());
    EXPECT_EQ(decision.form->cluster, cluster_of(three_voters()));
    EXPECT_EQ(decision.notice, "");
    for (int32_t id : {2, 3}) {
        FormingDecision other = decide(blank(id), {report(blank(1)), report(blank(5 - id))});
        EXPECT_FALSE(other.form);
        EXPECT_EQ(other.notice, "");
    }
}

TEST(FormingDecision, SaysWhomItMissesAndWhy) {
    FormingDecision decision = decide(blank(1), {silent(2), silent(3)});
    EXPECT_FALSE(decision.form);
    EXPECT_EQ(decision.notice, "waiting for voters 2 (h2:9: connection refused) and 3 (h3:9: connection refused)");
    EXPECT_EQ(decide(blank(1), {report(blank(2)), silent(3)}).notice, "waiting for voter 3 (h3:9: connection refused)");
}

TEST(FormingDecision, WaitsForAVoterWhoseStorageFailed) {
    VoterState stopped = blank(2);
    stopped.is_stopped = true;
    FormingDecision decision = decide(blank(1), {report(stopped), report(blank(3))});
    EXPECT_FALSE(decision.form);
    EXPECT_TRUE(contains(decision.notice, "its storage has failed"));
}

TEST(FormingDecision, SaysBothListsWhereTheyDiffer) {
    FormingDecision decision = decide(blank(1), {report(blank(2, {2, 3, 4})), report(blank(3))});
    EXPECT_FALSE(decision.form);
    EXPECT_EQ(decision.notice, "waiting for voter 2 (h2:9: its controller.voters are 2, 3, 4, here they are 1, 2, 3)");
}

TEST(FormingDecision, OneThatIsNotBlankKeepsTheOthersFromForming) {
    const Uuid other = Uuid::from_words(8, 8);
    FormingDecision decision = decide(blank(1), {formed(2, other), report(blank(3))});
    EXPECT_FALSE(decision.form);
    EXPECT_EQ(decision.notice, "waiting for voter 2 (h2:9: it has the log of another cluster, " + other.to_string() +
                                   ": an old data directory?)");
    // While somebody is missing nobody knows which cluster it would be.
    EXPECT_TRUE(contains(decide(blank(1), {formed(2, other), silent(3)}).notice, "it belongs to cluster"));
}

TEST(FormingDecision, GoesOnWithWhatWasBegun) {
    FormingDecision decision = decide(blank(1), {formed(2, cluster_of(three_voters())), report(blank(3))});
    ASSERT_TRUE(decision.form);
    EXPECT_EQ(decision.form->cluster, cluster_of(three_voters()));
    EXPECT_EQ(decide(blank(3), {report(blank(1)), formed(2, cluster_of(three_voters()))}).notice, "");
}

TEST(FormingDecision, AnEmptyDiskAmongTheOthersIsToldTheWayOut) {
    const Uuid cluster = Uuid::from_words(8, 8);
    FormingDecision decision = decide(blank(1), {formed(2, cluster), formed(3, cluster)});
    EXPECT_FALSE(decision.form);
    EXPECT_TRUE(contains(decision.notice, "ironbark controller replace-voter 1")) << decision.notice;
    EXPECT_TRUE(contains(decision.notice, "voters 2 and 3 belong to cluster " + cluster.to_string()));
}

TEST(FormingDecision, ACopiedDirectoryIsFoundOut) {
    VoterState copy = blank(3);
    copy.voter.directory = blank(2).voter.directory;
    FormingDecision decision = decide(blank(1), {report(blank(2)), report(copy)});
    EXPECT_FALSE(decision.form);
    EXPECT_TRUE(contains(decision.notice, "copy"));
}

TEST(FormingDecision, AnotherVoterAtAnAddressIsSaid) {
    VoterReport swapped = report(blank(3));
    swapped.voter.id = VoterId(2);
    EXPECT_TRUE(contains(decide(blank(1), {swapped, report(blank(3))}).notice, "another voter answers there"));
}

TEST(FormingDecision, TheClusterIsThatOfTheseDirectories) {
    std::vector<Voter> voters = three_voters();
    const Uuid cluster = cluster_of(voters);
    EXPECT_EQ(cluster_of(voters), cluster);
    voters[1].directory.bytes[15] ^= 1;
    EXPECT_NE(cluster_of(voters), cluster);
    voters = three_voters();
    voters[2].id = VoterId(4);
    EXPECT_NE(cluster_of(voters), cluster);
}

// ---- whole clusters ------------------------------------------------------------------------------------------------

TEST(Forming, AVoterAloneFormsAtOnceAndRemembers) {
    FormingTest test;
    test.start(DaemonSettings{1, {1}});
    EXPECT_EQ(test.leader(100ms), 1);
    EXPECT_EQ(test.simulation.network().connections(), 0u);
    EXPECT_TRUE(test.write("one"));
    const Uuid cluster = test.status(1).cluster;
    test.crash(1, Crash::power_loss);
    test.start(1);
    EXPECT_TRUE(test.agree_on(1));
    EXPECT_EQ(test.status(1).cluster, cluster);
    EXPECT_TRUE(test.daemon(1).notices.empty());
    test.stop();
}

TEST(Forming, WaitsForTheLastWhoeverItIs) {
    std::vector<int32_t> order{1, 2, 3};
    do {
        FormingTest test;
        test.make_machines(3);
        for (int32_t id : {order[0], order[1]}) {
            test.start(DaemonSettings{id, {1, 2, 3}});
            test.simulation.run_for(20s);
            EXPECT_TRUE(test.is_blank(order[0]));
        }
        EXPECT_EQ(test.notice(order[0]), "waiting for voter " + std::to_string(order[2]) + " (n" +
                                             std::to_string(order[2]) + ":9500: nobody listens at this address)");
        EXPECT_LE(test.daemon(order[0]).notices.size(), 4u) << "said sparingly";
        test.start(DaemonSettings{order[2], {1, 2, 3}});
        EXPECT_TRUE(test.form_within(4s));
        EXPECT_TRUE(test.write("one"));
        EXPECT_TRUE(test.agree_on(1));
        test.simulation.run_for(2s);  // whoever is in the middle of asking waits for its answers
        for (int32_t id : order) {
            EXPECT_EQ(test.notice(id), "") << "nothing keeps it waiting";
        }
        test.stop();
    } while (std::next_permutation(order.begin(), order.end()));
}

// The coordinator dies when so many others were told; those who were may lose power at that moment, too.
struct Prefix {
    int32_t told;
    Crash others;
};

// Until voter `told` + 1 belongs to a cluster, and the next one does not.
void play_prefix(FormingTest& test, const Prefix& prefix) {
    test.start_all(3);
    auto is_reached = [&] {
        if (prefix.told == 0) return test.daemon(1).links.is_connected(VoterId(3));
        return !test.is_blank(prefix.told + 1);
    };
    ASSERT_TRUE(test.simulation.run_until(is_reached, 10s));
    EXPECT_TRUE(test.is_blank(1));
    for (int32_t id = 2; id <= 3; ++id) EXPECT_EQ(test.is_blank(id), id > prefix.told + 1);
    test.crash(1);
    for (int32_t id = 2; id <= 3; ++id) {
        if (prefix.others == Crash::none) continue;
        test.crash(id, prefix.others);
        test.start(id);
    }
}

std::vector<Prefix> all_prefixes() {
    std::vector<Prefix> list;
    for (int32_t told : {0, 1, 2}) {
        for (Crash others : {Crash::none, Crash::kill, Crash::power_loss}) list.push_back({told, others});
    }
    return list;
}

TEST(Forming, GoesOnWhereverTheCoordinatorDied) {
    for (const Prefix& prefix : all_prefixes()) {
        for (uint64_t seed = 1; seed <= 5; ++seed) {
            FormingTest test(seed);
            play_prefix(test, prefix);
            test.start(1);
            EXPECT_TRUE(test.form_within(20s)) << prefix.told << " told, seed " << seed;
            EXPECT_TRUE(test.write("one"));
            EXPECT_TRUE(test.agree_on(1));
            test.stop();
        }
    }
}

// A voter that was not told is blank, and joins by the leader's append.
TEST(Forming, WhoWasToldNeedsTheCoordinatorNoMore) {
    for (int32_t told : {1, 2}) {
        FormingTest test;
        play_prefix(test, {told, Crash::none});
        EXPECT_TRUE(test.write("one")) << told << " told";
        EXPECT_TRUE(test.agree_on(1));
        EXPECT_FALSE(test.is_blank(3));
        // The coordinator comes as a blank voter, too, and finds itself in the membership.
        test.start(1);
        EXPECT_TRUE(test.agree_on(1));
        EXPECT_EQ(test.status(1).cluster, test.status(2).cluster);
        EXPECT_TRUE(test.daemon(1).notices.empty()) << test.notice(1);
        test.stop();
    }
}

TEST(Forming, WaitsForTheCoordinatorAsLongAsNobodyWasTold) {
    FormingTest test;
    play_prefix(test, {0, Crash::none});
    test.simulation.run_for(30s);
    EXPECT_TRUE(test.is_blank(2));
    EXPECT_TRUE(test.is_blank(3));
    test.start(1);
    EXPECT_TRUE(test.form_within(5s));
    test.stop();
}

TEST(Forming, ACoordinatorThatLosesItsDiskInBetweenIsLeftOut) {
    FormingTest test;
    play_prefix(test, {1, Crash::none});
    test.wipe(1);
    test.start(1);
    test.simulation.run_for(10s);
    EXPECT_TRUE(test.is_blank(1));
    EXPECT_EQ(test.status(2).cluster, test.status(3).cluster);
    EXPECT_TRUE(contains(test.notice(1), "ironbark controller replace-voter 1")) << test.notice(1);
    test.stop();
}

TEST(Forming, AWipedVoterWaitsUntilItIsAdmitted) {
    FormingTest test;
    test.start_all(3);
    ASSERT_TRUE(test.form_within(5s));
    EXPECT_TRUE(test.write("one"));
    test.wipe(2);
    test.start(2);
    test.simulation.run_for(10s);
    EXPECT_TRUE(test.is_blank(2));
    EXPECT_TRUE(test.daemon(2).commands.empty());
    EXPECT_TRUE(contains(test.notice(2), "ironbark controller replace-voter 2")) << test.notice(2);
    const int32_t leader = test.leader();
    Voter incoming{VoterId(2), test.daemon(2).store->voter_directory()};
    consensus::ProposalResult result = test.node(leader).run(
        test.daemon(leader).driver->replace_voter(test.status(leader).term, incoming, test.simulation.now() + 5s));
    EXPECT_EQ(result.outcome, Outcome::written);
    EXPECT_TRUE(test.agree_on(1));
    EXPECT_EQ(test.notice(2), "");
    EXPECT_TRUE(test.write("two"));
    EXPECT_TRUE(test.agree_on(2));
    test.stop();
}

TEST(Forming, DifferentListsOfVotersFormNothing) {
    FormingTest test;
    test.start(DaemonSettings{1, {1, 2, 3}});
    test.start(DaemonSettings{2, {2, 3, 4}});
    test.start(DaemonSettings{3, {1, 2, 3}});
    test.start(DaemonSettings{4, {2, 3, 4}});
    test.simulation.run_for(20s);
    for (int32_t id : {1, 2, 3, 4}) EXPECT_TRUE(test.is_blank(id));
    EXPECT_TRUE(contains(test.notice(1), "its controller.voters are 2, 3, 4, here they are 1, 2, 3"));
    EXPECT_TRUE(contains(test.notice(2), "its controller.voters are 1, 2, 3, here they are 2, 3, 4"));
    test.stop();
}

TEST(Forming, AnOldDataDirectoryIsNamed) {
    FormingTest test;
    test.start(DaemonSettings{3, {3}});
    EXPECT_EQ(test.leader(1s), 3);
    const Uuid old = test.status(3).cluster;
    test.crash(3);
    test.start(DaemonSettings{3, {1, 2, 3}});
    test.start(DaemonSettings{1, {1, 2, 3}});
    test.start(DaemonSettings{2, {1, 2, 3}});
    test.simulation.run_for(20s);
    EXPECT_TRUE(test.is_blank(1));
    EXPECT_TRUE(test.is_blank(2));
    EXPECT_TRUE(contains(test.notice(1), "3 (n3:9500: it has the log of another cluster, " + old.to_string()))
        << test.notice(1);
    test.wipe(3);
    test.start(3);
    EXPECT_TRUE(test.form_within(5s));
    test.stop();
}

TEST(Forming, WhoHasAnotherSecretIsMissedForThatReason) {
    FormingTest test;
    test.start(DaemonSettings{1, {1, 2, 3}});
    test.start(DaemonSettings{2, {1, 2, 3}, "another secret"});
    test.start(DaemonSettings{3, {1, 2, 3}});
    test.simulation.run_for(10s);
    EXPECT_TRUE(contains(test.notice(1), "waiting for voter 2 (n2:9500: the other daemon has another cluster.secret"))
        << test.notice(1);
    test.stop();
}

// ---- requests to form ----------------------------------------------------------------------------------------------

// Three voters of which the last is not there yet, so that nothing forms by itself.
struct FormRequestTest : FormingTest {
    FormRequestTest() {
        for (int32_t id : {1, 2}) start(DaemonSettings{id, {1, 2, 3}});
        EXPECT_TRUE(simulation.run_until([this] { return daemon(1).links.is_connected(VoterId(2)); }, 5s));
    }
    Voter voter(int32_t id) { return {VoterId(id), daemon(id).store->voter_directory()}; }
    Membership membership() {
        Membership three;
        three.voters = {voter(1), voter(2), {VoterId(3), Uuid::from_words(3, 3)}};
        three.cluster = cluster_of(three.voters);
        return three;
    }
    // The code in the answer.
    ErrorCode form(int32_t from, int32_t to, const Membership& membership) {
        flatbuffers::FlatBufferBuilder builder;
        std::vector<flatbuffers::Offset<wire::Voter>> voters;
        for (const Voter& one : membership.voters) {
            wire::Uuid directory = rpc::to_wire(one.directory);
            voters.push_back(wire::CreateVoter(builder, one.id.value, &directory));
        }
        auto list = builder.CreateVector(voters);
        wire::Uuid cluster = rpc::to_wire(membership.cluster);
        auto written = wire::CreateMembership(builder, &cluster, list);
        rpc::Metadata request = rpc::finish(builder, wire::CreateFormClusterRequest(builder, written));
        rpc::CallResult result = node(from).run(daemon(from).links.call(VoterId(to), rpc::Method::form_cluster,
                                                                        std::move(request), {}, simulation.now() + 1s));
        if (!result.ok()) return result.error.code;
        const auto* error = result.as<wire::FormClusterResponse>().error();
        return error == nullptr ? ErrorCode::none : static_cast<ErrorCode>(error->code());
    }
};

TEST(FormRequest, IsTakenFromTheCoordinatorAloneAndAsOftenAsItComes) {
    FormRequestTest test;
    EXPECT_EQ(test.form(2, 1, test.membership()), ErrorCode::permission_denied);
    EXPECT_TRUE(test.is_blank(1));
    EXPECT_EQ(test.form(1, 2, test.membership()), ErrorCode::none);
    EXPECT_EQ(test.form(1, 2, test.membership()), ErrorCode::none);
    EXPECT_EQ(test.status(2).cluster, test.membership().cluster);
    EXPECT_EQ(test.status(2).last, consensus::LogIndex(1));
    Membership other = test.membership();
    other.voters[2].directory = Uuid::from_words(4, 4);
    other.cluster = cluster_of(other.voters);
    EXPECT_EQ(test.form(1, 2, other), ErrorCode::foreign_data);
    EXPECT_EQ(test.status(2).cluster, test.membership().cluster);
    test.stop();
}

TEST(FormRequest, IsRefusedWhereItDoesNotFitTheConfiguration) {
    FormRequestTest test;
    auto refused = [&](auto change) {
        Membership membership = test.membership();
        change(membership);
        return test.form(1, 2, membership) == ErrorCode::invalid_request;
    };
    auto with_its_cluster = [&](auto change) {
        return refused([&](Membership& membership) {
            change(membership);
            membership.cluster = cluster_of(membership.voters);
        });
    };
    EXPECT_TRUE(refused([](Membership& one) { one.cluster = Uuid::from_words(1, 1); }));
    EXPECT_TRUE(refused([](Membership& one) { one.cluster = {}; }));
    EXPECT_TRUE(with_its_cluster([](Membership& one) { one.voters[1].directory = Uuid::from_words(1, 1); }));
    EXPECT_TRUE(with_its_cluster([](Membership& one) { one.voters[2].id = VoterId(4); }));
    EXPECT_TRUE(with_its_cluster([](Membership& one) { one.voters.pop_back(); }));
    EXPECT_TRUE(with_its_cluster([](Membership& one) { one.voters.clear(); }));
    EXPECT_TRUE(with_its_cluster([](Membership& one) { one.voters[2] = one.voters[0]; }));
    EXPECT_TRUE(with_its_cluster([](Membership& one) { std::swap(one.voters[0], one.voters[2]); }));
    EXPECT_TRUE(with_its_cluster([](Membership& one) { one.voters.resize(9, one.voters[0]); }));
    EXPECT_TRUE(test.is_blank(2));
    test.stop();
}

}  // namespace
}  // namespace ironbark::peer
