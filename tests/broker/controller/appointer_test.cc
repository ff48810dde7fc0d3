// Who is appointed, and when: scripts of reports and of what befalls brokers. "[model]" stands for a row of the model
// check's table of rules: without the rule, what an isr level had acknowledged was lost.
#include "broker/controller/appointer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/broker/controller/metadata_samples.h"

namespace ironbark::broker {
namespace {

constexpr Duration wait = std::chrono::milliseconds(30);

Instant at(int64_t milliseconds) {
    return Instant(std::chrono::milliseconds(milliseconds));
}

// Topic t, id 1, with one partition on brokers 1 to 3, led by 1; broker 4 holds nothing.
struct Scene {
    Metadata state = after({create_topic(topic("t", 1, 2), on(1, {1, 2, 3}))}, cluster_of(4));
    Appointer appointer{wait};
    std::vector<Appointment> proposed;

    explicit Scene(const std::vector<Command>& commands = {}) { apply(commands); }
    void apply(const std::vector<Command>& commands) { state = after(commands, state); }
    const PartitionRecord& partition(size_t index = 0) const { return state.find(uuid(1))->partitions[index]; }

    ReplicaReport replica(int32_t last_epoch, int64_t log_end, int32_t index = 0) const {
        const Epoch heard = partition(static_cast<size_t>(index)).leader_epoch;
        return {{uuid(1), PartitionIndex(index)}, heard, Epoch(last_epoch), Offset(log_end), Offset(log_end)};
    }
    // Of the incarnation and the epoch that are current.
    void report(int32_t broker, int64_t when, int32_t last_epoch, int64_t log_end) {
        appointer.take(BrokerId(broker), state.find(BrokerId(broker))->incarnation, {replica(last_epoch, log_end)},
                       at(when));
    }
    // "2 leads {2,3}", and so on for every partition; "look at 40"; or "nothing".
    std::string decide(int64_t when) {
        Appointer::Decision decision = appointer.decide(state, at(when));
        proposed = decision.appointments;
        std::string said;
        for (const Appointment& each : decision.appointments) {
            std::vector<int32_t> in_sync;
            for (BrokerId member : each.in_sync) in_sync.push_back(member.value);
            said +=
                fmt::format("{}{} leads {{{}}}", said.empty() ? "" : "; ", each.leader.value, fmt::join(in_sync, ","));
        }
        if (!said.empty()) return said;
        if (decision.next == never) return "nothing";
        return fmt::format("look at {}", decision.next.time_since_epoch() / std::chrono::milliseconds(1));
    }
    // Who would lead, from which offset on, and what may be lost by it.
    std::string would(bool unclean) {
        const auto proposal = appointer.propose(state, {uuid(1), PartitionIndex(0)}, unclean);
        if (!proposal) return "nobody";
        proposed = {proposal->appointment};
        return fmt::format("{} from {}: {}", proposal->appointment.leader.value, proposal->report.log_end.value,
                           proposal->loss.empty() ? "nothing" : proposal->loss);
    }
    // Has the metadata take what was decided last; the event that tells of it.
    std::string carry_out() {
        Verdicts verdicts;
        EXPECT_TRUE(state.apply(appoint_leaders(proposed, Timestamp(5000)), &verdicts).ok());
        for (const Result<void>& verdict : verdicts) EXPECT_TRUE(verdict.ok());
        return text(state.events().back());
    }
    std::string waits_for() const { return why_nobody_leads(state, *state.find(uuid(1)), partition()); }
};

TEST(Appointer, AppointsTheMostUpToDateOnceAllThatLiveHaveReported) {
    Scene scene({end(1, 1)});
    EXPECT_EQ(scene.decide(0), "nothing");
    scene.report(2, 100, 0, 7);
    EXPECT_EQ(scene.decide(100), "look at 130");
    scene.report(3, 110, 0, 9);
    EXPECT_EQ(scene.decide(110), "3 leads {2,3}");
    EXPECT_EQ(scene.carry_out(),
              "broker 3 leads 1 partition: t-0; records that only the leader before had acknowledged may be lost");
    EXPECT_EQ(scene.partition().leader_epoch, Epoch(2));
    EXPECT_EQ(scene.decide(110), "nothing");
    EXPECT_EQ(scene.appointer.partition_count(), 0u);
}

TEST(Appointer, AHigherEpochIsWorthMoreThanALongerLog) {
    Scene scene({end(1, 1)});
    scene.report(2, 0, 3, 5);
    scene.report(3, 0, 2, 900);
    EXPECT_EQ(scene.decide(0), "2 leads {2,3}");
}

TEST(Appointer, AnEmptyLogIsWorthLeast) {
    Scene scene({end(1, 1)});
    scene.report(2, 0, -1, 0);
    scene.report(3, 0, 0, 1);
    EXPECT_EQ(scene.decide(0), "3 leads {2,3}");
}

// Who dies again and again does not take everybody along each time.
TEST(Appointer, AmongEqualsWhoFailsAgainAndAgainDoesNotLead) {
    Scene scene;
    for (int64_t life = 1; life <= 3; ++life) {
        scene.apply({end(2, life, life == 2 ? EndReason::silent : EndReason::process_gone),
                     register_broker(start(2, life + 1))});
        EXPECT_EQ(flapping_brokers(scene.state), life < 3 ? BrokerIds{} : BrokerIds{BrokerId(2)});
    }
    InSyncChange joins{uuid(1),
                       PartitionIndex(0),
                       BrokerId(1),
                       scene.partition().leader_epoch,
                       scene.partition().partition_epoch,
                       ids({1, 2, 3}),
                       {{BrokerId(2), Incarnation(4)}}};
    scene.apply({change_in_sync({joins}), end(1, 1)});
    scene.report(2, 0, 0, 5);
    scene.report(3, 0, 0, 5);
    EXPECT_EQ(scene.decide(0), "3 leads {2,3}");
    scene.report(2, 0, 0, 6);
    EXPECT_EQ(scene.decide(0), "2 leads {2,3}") << "what it has counts more";
}

TEST(Appointer, WhoIsStoppedInOrderDoesNotFail) {
    Scene scene;
    for (int64_t life = 1; life <= 5; ++life) {
        scene.apply({end(2, life, EndReason::stopped), register_broker(start(2, life + 1))});
    }
    EXPECT_EQ(flapping_brokers(scene.state), BrokerIds{});
}

TEST(Appointer, AmongEqualsTheFirstOfTheReplicasLeads) {
    Scene scene;
    scene.apply({create_topic(topic("u", 2, 2), on(1, {3, 1, 2})), end(3, 1)});
    for (int32_t broker : {1, 2}) {
        ReplicaReport equal{{uuid(2), PartitionIndex(0)}, Epoch(1), Epoch(0), Offset(5), Offset(5)};
        scene.appointer.take(BrokerId(broker), Incarnation(1), {equal}, at(0));
    }
    EXPECT_EQ(scene.decide(0), "1 leads {1,2}");
    Scene other({end(1, 1)});
    other.report(3, 0, 0, 5);
    other.report(2, 0, 0, 5);
    EXPECT_EQ(other.decide(0), "2 leads {2,3}");
}

// [model] "at least min-in-sync reports": with two replicas, or after shrinking, it would wait for ever.
TEST(Appointer, OneReportIsEnoughAfterTheWait) {
    Scene scene({end(1, 1)});
    scene.report(3, 100, 0, 7);
    EXPECT_EQ(scene.decide(129), "look at 130");
    EXPECT_EQ(scene.decide(130), "3 leads {3}");
    scene.carry_out();
    EXPECT_EQ(scene.partition().in_sync, ids({3}));
    EXPECT_EQ(scene.partition().holders, ids({1, 2})) << "too few acknowledge: the silent ones miss nothing";
}

TEST(Appointer, NobodyWaitsForWhoIsNotThere) {
    Scene scene({end(1, 1), end(2, 1)});
    scene.report(3, 100, 0, 7);
    EXPECT_EQ(scene.decide(100), "3 leads {3}");
}

TEST(Appointer, TheWaitBeginsWithTheFirstReportHoweverOftenItIsRepeated) {
    Scene scene({end(1, 1)});
    scene.report(2, 100, 0, 7);
    scene.report(2, 125, 0, 7);
    EXPECT_EQ(scene.decide(125), "look at 130");
    EXPECT_EQ(scene.decide(130), "2 leads {2}");
}

TEST(Appointer, APartitionThatIsLedIsLeftAlone) {
    Scene scene;
    scene.report(1, 0, 0, 7);
    scene.report(2, 0, 0, 7);
    scene.report(3, 0, 0, 7);
    EXPECT_EQ(scene.decide(1000), "nothing");
}

TEST(Appointer, AReportOfAnEarlierEpochCountsForNothing) {
    Scene scene({end(1, 1)});
    ReplicaReport early = scene.replica(0, 900);
    scene.report(2, 0, 0, 7);
    scene.report(3, 0, 0, 7);
    ASSERT_EQ(scene.decide(0), "2 leads {2,3}");
    scene.carry_out();
    scene.apply({end(2, 1)});
    scene.appointer.take(BrokerId(3), Incarnation(1), {early}, at(10));
    EXPECT_EQ(scene.decide(1000), "nothing") << "it may have taken more from broker 2 since";
    scene.report(3, 1010, 2, 4);
    EXPECT_EQ(scene.decide(1010), "3 leads {3}");
}

TEST(Appointer, AReportOfAnEarlierIncarnationCountsForNothing) {
    Scene scene({end(1, 1)});
    scene.report(2, 0, 0, 900);
    scene.apply({register_broker(start(2, 2, 1))});
    EXPECT_EQ(scene.decide(1000), "nothing");
    scene.report(3, 1000, 0, 7);
    EXPECT_EQ(scene.decide(1000), "look at 1030") << "it lives, and may say more";
    scene.report(2, 1010, 0, 8);
    EXPECT_EQ(scene.decide(1010), "2 leads {2,3}");
    EXPECT_EQ(scene.proposed[0].incarnation, Incarnation(2));
}

TEST(Appointer, WhoDiedAfterItsReportIsNotAppointed) {
    Scene scene({end(1, 1)});
    scene.report(2, 0, 0, 900);
    scene.report(3, 0, 0, 7);
    scene.apply({end(2, 1)});
    EXPECT_EQ(scene.decide(0), "3 leads {3}");
}

TEST(Appointer, AReportThatIsTakenBackCountsForNothing) {
    Scene scene({end(1, 1)});
    scene.report(2, 0, 0, 900);
    scene.report(3, 0, 0, 7);
    scene.appointer.take(BrokerId(2), Incarnation(1), {}, at(5));  // its log has failed
    EXPECT_EQ(scene.decide(5), "look at 30");
    EXPECT_EQ(scene.decide(30), "3 leads {3}");
}

TEST(Appointer, WhoIsNoReplicaCountsForNothing) {
    Scene scene({end(1, 1)});
    scene.report(4, 0, 9, 900);
    EXPECT_EQ(scene.decide(1000), "nothing");
}

// [model] Unclean start: recovery sees no damage, and records of an isr level are missing.
TEST(Appointer, WhoLostItsMemoryDoesNotLeadHoweverLongItsLogIs) {
    Scene scene({register_broker(start(3, 2)), end(1, 1)});
    scene.report(3, 0, 0, 900);
    EXPECT_EQ(scene.decide(1000), "nothing");
    EXPECT_EQ(scene.waits_for(), "nobody leads: broker 2 may, and is to say what it has");
    scene.report(2, 1000, 0, 7);
    EXPECT_EQ(scene.decide(1000), "2 leads {2}");
    scene.carry_out();
    EXPECT_EQ(scene.partition().in_sync, ids({2}));
    EXPECT_EQ(scene.partition().durable, ids({1, 2}));
}

// [model] Silence opens nothing: C was suspected, A was suspected, B crashed and is back. One crash.
TEST(Appointer, SilenceOfACleanMemberDoesNotOpenTheDurableTier) {
    Scene scene({end(3, 1), end(1, 1), register_broker(start(2, 2))});
    ASSERT_EQ(scene.partition().durable, ids({1, 2, 3}));
    scene.report(2, 0, 0, 7);
    EXPECT_EQ(scene.decide(1'000'000), "nothing");
    EXPECT_EQ(scene.waits_for(),
              "nobody leads: waits for broker 1 or 3, which may have acknowledged records that the others lack");
    scene.apply({register_broker(start(3, 2, 1))});
    scene.report(3, 1'000'000, 0, 7);
    EXPECT_EQ(scene.decide(1'000'000), "3 leads {3}") << "it was only silent";
}

// [model] No durable tier, or the last in-sync set instead of it: never led again.
TEST(Appointer, AfterAPowerLossTheBestOfTheDurableTierLeads) {
    Scene scene({end(1, 1), end(2, 1), end(3, 1), register_broker(start(1, 2)), register_broker(start(2, 2))});
    scene.report(1, 0, 0, 5);
    scene.report(2, 0, 0, 7);
    EXPECT_EQ(scene.decide(1000), "nothing");
    EXPECT_EQ(scene.waits_for(),
              "nobody leads: waits for broker 3, which may have acknowledged records that the others lack");
    scene.apply({register_broker(start(3, 2))});
    EXPECT_EQ(scene.decide(1000), "2 leads {1,2}") << "the wait began long ago";
    EXPECT_EQ(scene.carry_out(),
              "broker 2 leads 1 partition: t-0, from disk: records that were not acknowledged as isr_durable may be "
              "lost");
}

TEST(Appointer, InTheDurableTierTooAllThatLiveAreWaitedForAMoment) {
    Scene scene({end(1, 1), end(2, 1), end(3, 1), register_broker(start(1, 2)), register_broker(start(2, 2)),
                 register_broker(start(3, 2))});
    scene.report(1, 100, 0, 5);
    EXPECT_EQ(scene.decide(100), "look at 130");
    scene.report(3, 110, 0, 5);
    scene.report(2, 120, 0, 4);
    EXPECT_EQ(scene.decide(120), "1 leads {1,2,3}");
}

// [model] A wiped disk is recognised: it must not lead, empty.
TEST(Appointer, AWipedDiskDoesNotLead) {
    Scene scene({end(1, 1), end(2, 1), end(3, 1), register_broker(start_on_other_disk(1, 2)),
                 register_broker(start(2, 2)), register_broker(start_on_other_disk(3, 2))});
    scene.report(1, 0, -1, 0);
    scene.report(3, 0, 9, 900);
    EXPECT_EQ(scene.decide(1000), "nothing");
    EXPECT_EQ(scene.waits_for(), "nobody leads: broker 2 may, and is to say what it has");
    scene.report(2, 1000, 0, 5);
    EXPECT_EQ(scene.decide(1000), "2 leads {2}") << "one undamaged member is enough";
}

TEST(Appointer, WithoutAnyDiskItIsForPeople) {
    Scene scene({end(1, 1), end(2, 1), end(3, 1), register_broker(start_on_other_disk(1, 2)),
                 register_broker(start_on_other_disk(2, 2)), register_broker(start_on_other_disk(3, 2))});
    scene.report(1, 0, -1, 0);
    EXPECT_EQ(scene.decide(1000), "nothing");
    EXPECT_EQ(scene.waits_for(),
              "nobody leads: no replica is known to have what was acknowledged; one can be appointed by "
              "`ironbark leader elect --unclean`");
    EXPECT_EQ(scene.would(false), "nobody");
    EXPECT_EQ(scene.would(true), "1 from 0: any record from offset 0 on that broker 2 or 3 has");
}

TEST(Appointer, ProposesWhoMayLeadByRightAndSaysWhatMayBeLost) {
    Scene scene({end(1, 1)});
    EXPECT_EQ(scene.would(false), "nobody") << "nobody has reported";
    scene.report(2, 100, 0, 7);
    EXPECT_EQ(scene.would(false), "2 from 7: records from offset 7 on that only broker 1 had acknowledged");
    scene.report(3, 100, 0, 9);
    EXPECT_EQ(scene.would(true), "3 from 9: records from offset 9 on that only broker 1 had acknowledged")
        << "what nobody needs is not used";
    EXPECT_FALSE(scene.proposed.front().unclean);
    scene.apply({register_broker(start(1, 2, 1))});
    scene.report(1, 200, 0, 12);
    EXPECT_EQ(scene.would(false), "1 from 12: nothing");
    EXPECT_EQ(scene.decide(200), "1 leads {1,2,3}");
    scene.carry_out();
    EXPECT_EQ(scene.would(true), "nobody") << "there is a leader";
}

TEST(Appointer, WhoIsInNoTierLeadsByAPersonsWordOnly) {
    Scene scene({change_in_sync({{uuid(1), PartitionIndex(0), BrokerId(1), Epoch(0), 0, ids({1, 2}), {}}}), end(1, 1),
                 end(2, 1)});
    scene.report(3, 0, 0, 4);
    EXPECT_EQ(scene.decide(1000), "nothing");
    EXPECT_EQ(scene.would(false), "nobody");
    EXPECT_EQ(scene.would(true), "3 from 4: any record from offset 4 on that broker 1 or 2 has");
    EXPECT_EQ(scene.carry_out(), "broker 3 leads 1 partition: t-0, by hand: any record may be lost");
    EXPECT_EQ(scene.partition().in_sync, ids({3}));
}

TEST(Appointer, WhatIsOnDiskOnlyMayLackWhatWasNotAcknowledgedAsDurable) {
    Scene scene({end(1, 1), end(2, 1), end(3, 1), register_broker(start(1, 2)), register_broker(start(2, 2)),
                 register_broker(start(3, 2))});
    scene.report(2, 0, 0, 5);
    EXPECT_EQ(scene.would(false), "2 from 5: records from offset 5 on that were not acknowledged as isr_durable");
}

// [model] Without holders nobody could take over from a leader that was alone in the set.
TEST(Appointer, AHolderTakesOverFromALeaderThatWasAlone) {
    InSyncChange alone{uuid(1), PartitionIndex(0), BrokerId(1), Epoch(0), 0, ids({1}), {}};
    Scene scene({change_in_sync({alone}), register_broker(start(1, 2))});
    ASSERT_EQ(scene.partition().in_sync, ids({}));
    scene.report(1, 0, 0, 900);
    scene.report(2, 0, 0, 7);
    scene.report(3, 0, 0, 7);
    EXPECT_EQ(scene.decide(0), "2 leads {2,3}");
    scene.carry_out();
    EXPECT_EQ(scene.partition().holders, ids({}));
}

// [model] A new epoch also for the same leader: else one offset would be two records in one epoch.
TEST(Appointer, TheSameLeaderIsAppointedAnewAfterItsRestart) {
    Scene scene({register_broker(start(1, 2, 1))});
    scene.report(1, 0, 0, 9);
    scene.report(2, 0, 0, 7);
    scene.report(3, 0, 0, 7);
    EXPECT_EQ(scene.decide(0), "1 leads {1,2,3}");
    EXPECT_EQ(scene.carry_out(), "broker 1 leads 1 partition: t-0") << "nothing is lost";
    EXPECT_EQ(scene.partition().leader_epoch, Epoch(2));
}

TEST(Appointer, ALeaderThatAnswersButIsNotTheBestHasLostNothingEither) {
    Scene scene({register_broker(start(1, 2, 1))});
    scene.report(1, 0, 0, 9);
    scene.report(2, 0, 1, 7);
    scene.report(3, 0, 0, 7);
    EXPECT_EQ(scene.decide(0), "2 leads {1,2,3}");
    EXPECT_EQ(scene.carry_out(), "broker 2 leads 1 partition: t-0");
}

TEST(Appointer, WhereEverythingAcknowledgedIsOnDiskTheDurableTierIsAlwaysOpen) {
    TopicRecord durable = topic("d", 2, 2);
    durable.settings["min.acks"] = "isr_durable";
    Scene scene({delete_topic(uuid(1), {}), create_topic(durable, on(1, {1, 2, 3})), end(3, 1), end(1, 1),
                 register_broker(start(2, 2))});
    auto report = [&](int64_t end) {
        return ReplicaReport{{uuid(2), PartitionIndex(0)}, Epoch(1), Epoch(0), Offset(end), Offset(end)};
    };
    scene.appointer.take(BrokerId(2), Incarnation(2), {report(7)}, at(0));
    EXPECT_EQ(scene.decide(0), "2 leads {2}");
    EXPECT_EQ(scene.carry_out(), "broker 2 leads 1 partition: d-0, from disk, where everything acknowledged is");
    EXPECT_EQ(scene.state.find(uuid(2))->partitions[0].holders, ids({1, 3}));
}

TEST(Appointer, AFloorThatWasRaisedLaterOpensNothing) {
    Scene scene({alter_topic(uuid(1), {{"min.acks", "isr_durable"}}, {}, {}), end(3, 1), end(1, 1),
                 register_broker(start(2, 2))});
    scene.report(2, 0, 0, 7);
    EXPECT_EQ(scene.decide(1000), "nothing") << "what an isr level had acknowledged before may be in memory only";
    TopicRecord durable = topic("d", 2, 2);
    durable.settings["min.acks"] = "isr_durable";
    scene.apply({create_topic(durable, on(1, {1, 2, 4}))});
    EXPECT_TRUE(scene.state.find(uuid(2))->has_durable_floor);
    scene.apply({alter_topic(uuid(2), {{"retention.ms", "5"}}, {}, {})});
    EXPECT_TRUE(scene.state.find(uuid(2))->has_durable_floor);
    scene.apply({alter_topic(uuid(2), {}, {"min.acks"}, {})});
    EXPECT_FALSE(scene.state.find(uuid(2))->has_durable_floor);
    scene.apply({alter_topic(uuid(2), {{"min.acks", "isr_durable"}}, {}, {})});
    EXPECT_FALSE(scene.state.find(uuid(2))->has_durable_floor);
}

TEST(Appointer, AllPartitionsOfABrokerAreAppointedInFewCommands) {
    constexpr int32_t partitions = 2'500;
    Scene scene({delete_topic(uuid(1), {})});
    scene.apply({create_topic(topic("u", 2, 1), on(partitions, {1, 2, 3})), end(1, 1)});
    for (int32_t broker : {2, 3}) {
        std::vector<ReplicaReport> reports;
        for (int32_t index = 0; index < partitions; ++index) {
            reports.push_back({{uuid(2), PartitionIndex(index)}, Epoch(1), Epoch(0), Offset(index % broker), {}});
        }
        scene.appointer.take(BrokerId(broker), Incarnation(1), reports, at(0));
    }
    for (const size_t expected : {batch_partitions, batch_partitions, size_t{500}}) {
        scene.decide(0);
        EXPECT_EQ(scene.proposed.size(), expected);
        EXPECT_EQ(scene.carry_out().rfind("new leaders of " + std::to_string(expected) + " partitions: u-", 0), 0u);
    }
    EXPECT_EQ(scene.decide(0), "nothing");
}

TEST(Appointer, WhatWasDecidedForAnotherTimeIsRefusedAndDecidedAgain) {
    Scene scene({end(1, 1)});
    scene.report(2, 0, 0, 7);
    scene.report(3, 0, 0, 8);
    ASSERT_EQ(scene.decide(0), "3 leads {2,3}");
    scene.apply({register_broker(start(2, 2))});
    EXPECT_EQ(verdict(scene.state, appoint_leaders(scene.proposed, {})), ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(scene.decide(0), "3 leads {3}");
    scene.carry_out();
}

TEST(Appointer, WhoHasNoReportsAnyMoreHasNothingToSay) {
    Scene scene({end(1, 1)});
    scene.report(2, 0, 0, 7);
    scene.appointer.clear();
    EXPECT_EQ(scene.decide(1000), "nothing");
    scene.report(3, 1000, 0, 7);
    scene.apply({delete_topic(uuid(1), {})});
    EXPECT_EQ(scene.decide(1000), "nothing");
    EXPECT_EQ(scene.appointer.partition_count(), 0u);
}

// Whatever befalls the cluster, the metadata takes what is decided, and who is appointed is the best of those that
// reported and may lead.
TEST(Appointer, DecidesOnlyWhatTheMetadataAccepts) {
    uint64_t appointed = 0;
    for (uint64_t seed = 1; seed <= 40; ++seed) {
        simulation::RandomStream random(seed, "reports");
        RandomCommands commands(seed);
        Metadata state;
        Appointer appointer{wait};
        for (int64_t step = 0; step < 300; ++step) {
            (void)state.apply(commands.next(state));
            for (const auto& [id, broker] : state.brokers()) {
                if (!broker.is_alive || random.below(3) != 0) continue;
                std::vector<ReplicaReport> reports;
                for (const auto& [name, topic] : state.topics()) {
                    for (size_t index = 0; index < topic->partitions.size(); ++index) {
                        const PartitionRecord& partition = topic->partitions[index];
                        if (std::count(partition.replicas.begin(), partition.replicas.end(), id) == 0) continue;
                        reports.push_back({{topic->id, PartitionIndex(static_cast<int32_t>(index))},
                                           partition.leader_epoch,
                                           Epoch(static_cast<int32_t>(random.below(3))),
                                           Offset(static_cast<int64_t>(random.below(3))),
                                           {}});
                    }
                }
                appointer.take(id, broker.incarnation, reports, at(step * 10));
            }
            Appointer::Decision decision = appointer.decide(state, at(step * 10));
            if (decision.appointments.empty()) continue;
            Verdicts verdicts;
            ASSERT_TRUE(state.apply(appoint_leaders(decision.appointments, {}), &verdicts).ok());
            for (const Result<void>& verdict : verdicts) ASSERT_TRUE(verdict.ok()) << "seed " << seed;
            appointed += verdicts.size();
        }
    }
    EXPECT_GT(appointed, 1000u);
}

}  // namespace
}  // namespace ironbark::broker
