#include <algorithm>
#include <gtest/gtest.h>

#include "tests/broker/consensus/group.h"

namespace ironbark::consensus::testing {
namespace {

Membership voters(int count) {
    Membership membership{cluster(), {}, std::nullopt};
    for (int id = 1; id <= count; ++id) membership.voters.push_back(voter(id));
    return membership;
}

TEST(Membership, HasOneThreeOrFiveDifferentVoters) {
    for (int count : {1, 3, 5}) EXPECT_TRUE(voters(count).is_valid()) << count;
    for (int count : {0, 2, 4, 6}) EXPECT_FALSE(voters(count).is_valid()) << count;
    Membership bad = voters(3);
    bad.voters[1] = bad.voters[0];
    EXPECT_FALSE(bad.is_valid());
    bad = voters(3);
    bad.voters[2].directory = bad.voters[0].directory;
    EXPECT_FALSE(bad.is_valid());
    bad = voters(3);
    bad.leaving = voter(4);
    EXPECT_FALSE(bad.is_valid()) << "nobody takes its place";
    bad = voters(3);
    bad.cluster = Uuid();
    EXPECT_FALSE(bad.is_valid());
    bad = voters(3);
    bad.voters[0].directory = Uuid();
    EXPECT_FALSE(bad.is_valid());
}

TEST(Membership, ReplacesOneDirectoryByAnother) {
    EXPECT_EQ(voters(3).replacing(voter(4, 1)), std::nullopt) << "no such voter";
    EXPECT_EQ(voters(3).replacing(voter(3)), std::nullopt) << "it is there";
    EXPECT_EQ(voters(3).replacing({VoterId(3), voter(2).directory}), std::nullopt) << "another's directory";
    auto joint = voters(3).replacing(voter(3, 1));
    ASSERT_TRUE(joint);
    EXPECT_TRUE(joint->is_valid());
    EXPECT_TRUE(joint->contains(voter(3)) && joint->contains(voter(3, 1)));
    EXPECT_EQ(joint->voters_before(), voters(3).voters);
    EXPECT_EQ(joint->replacing(voter(2, 1)), std::nullopt) << "one at a time";
    EXPECT_FALSE(joint->settled().contains(voter(3)));
}

// Every majority of every membership that can decide beside another shares a voter with it.
TEST(Membership, MajoritiesThatDecideTogetherShareAVoter) {
    for (int count : {1, 3, 5}) {
        Membership old = voters(count);
        Membership joint = *old.replacing(voter(count, 1));
        Membership settled = joint.settled();
        std::vector<Voter> everybody = joint.everybody();
        auto decides = [&everybody](const Membership& membership, uint32_t set) {
            return majority_value(membership, [&](const Voter& one) {
                size_t at = static_cast<size_t>(std::find(everybody.begin(), everybody.end(), one) - everybody.begin());
                return at < everybody.size() && (set >> at & 1) != 0;
            });
        };
        for (uint32_t left = 0; left < 1u << everybody.size(); ++left) {
            for (uint32_t right = 0; right < 1u << everybody.size(); ++right) {
                if ((left & right) != 0) continue;
                EXPECT_FALSE(decides(old, left) && decides(joint, right)) << left << " " << right;
                EXPECT_FALSE(decides(joint, left) && decides(joint, right)) << left << " " << right;
                EXPECT_FALSE(decides(joint, left) && decides(settled, right)) << left << " " << right;
            }
        }
    }
}

TEST(Membership, MajorityValueIsWhatMoreThanHalfHaveReached) {
    auto value = [](std::vector<int> values) {
        Membership membership = voters(static_cast<int>(values.size()));
        return majority_value(membership,
                              [&](const Voter& one) { return values[static_cast<size_t>(one.id.value - 1)]; });
    };
    EXPECT_EQ(value({7}), 7);
    EXPECT_EQ(value({1, 5, 3}), 3);
    EXPECT_EQ(value({9, 0, 0}), 0);
    EXPECT_EQ(value({4, 1, 5, 2, 3}), 3);
}

TEST(ReplaceVoter, AdmitsAWipedDiskAsAnotherVoter) {
    run(R"(
        3 voters
        elect 1
        propose 1 a
        settle
        wipe 3
        wait 100
        3 durable 0         # its directory is not a voter's
        1 told ready in 2 ; a written at 3
        replace 1 3
        1 voters oon joint
        settle
        1 voters oon
        wait 100
        1 told replacement written at 5
        3 voters oon
        2 voters oon
        3 applied a
        crash 2
        propose 1 b
        settle
        1 told b written at 6
    )");
}

TEST(ReplaceVoter, NeedsAMajorityOfTheOldAsWell) {
    run(R"(
        3 voters
        elect 1
        1 told ready in 2
        cut 2
        wipe 3
        replace 1 3         # 1 and the new 3 are two of the new three, but 1 is one of the old three
        settle
        wait 200
        1 commit 2
        1 voters oon joint
        3 durable 3
        join 2
        wait 200
        1 voters oon
        1 told replacement written at 4
    )");
}

TEST(ReplaceVoter, IsFinishedByTheNextLeader) {
    run(R"(
        3 voters
        elect 1
        wipe 3
        1 told ready in 2
        replace 1 3
        deliver 1 2
        write 2
        crash 1
        1 told nothing
        pass 700
        expire 2
        settle
        start 1
        settle
        pass 300
        expire 2
        settle
        2 is leader 3
        2 voters oon
        wait 100
        1 voters oon
        3 voters oon
    )");
}

TEST(ReplaceVoter, TheReplacedDirectoryCountsForNothing) {
    Group group;
    group.run(R"(
        3 voters
        elect 1
        wipe 3
        replace 1 3
        settle
        wait 100
        1 voters oon
        2 told nothing
    )");
    Message old = group.message(3, 2, 9, VoteRequest{false, true, LogIndex(99), Term(8)});
    old.from = voter(3);
    group.receive(2, old);
    group.run(R"(
        2 told a message of a directory that has no vote in this cluster
        2 is follower 2
    )");
}

// A voter that slept through the replacement would not know its new leader by its own log.
TEST(ReplaceVoter, AVoterThatLagsFollowsALeaderThatItDoesNotKnow) {
    run(R"(
        3 voters
        elect 1
        cut 2
        transfer 1 3
        settle
        3 is leader 3
        join 2
        wait 50
        2 follows 3
        cut 2
        wipe 1
        replace 3 1
        settle
        3 voters noo joint  # of the old, 2 is needed
        join 2
        wait 100
        3 voters noo
        transfer 3 1
        settle
        1 is leader 4
        wait 50
        2 follows 1
    )");
    // Here it really sleeps: five voters, and the three others do without it.
    run(R"(
        5 voters
        elect 1
        cut 5
        crash 4
        wipe 4
        replace 1 4
        settle
        wait 100
        1 voters ooono
        transfer 1 4
        settle
        4 is leader 3
        5 voters ooooo
        join 5
        wait 100
        5 follows 4
        5 voters ooono
    )");
}

TEST(ReplaceVoter, IsRefusedWhereItMakesNoSense) {
    Group group;
    group.run(R"(
        3 voters
        elect 1
        1 told ready in 2
        replace 1 3         # it has not lost its directory
        1 told replacement not_written invalid_request
        wipe 3
        replace 2 3
        2 told replacement not_written not_leader_or_follower
        cut 1
        replace 1 3
    )");
    group.step(1, ReplaceVoter{ProposalId(9), Term(2), voter(2, 1)});
    group.step(1, ReplaceVoter{ProposalId(9), Term(2), voter(1, 1)});
    group.run(R"(
        1 told 9 not_written overloaded ; 9 not_written invalid_request
    )");
}

TEST(ReplaceVoter, AVoterThatIsReplacedWhileItLeadsStepsDown) {
    Group group;
    group.run(R"(
        3 voters
        elect 2
        2 told ready in 2
    )");
    group.step(2, ReplaceVoter{ProposalId(9), Term(2), voter(1, 1)});
    group.run(R"(
        deliver 2 1
        write 1
        crash 2
        start 2             # what it appended is lost here, and on 1 alone
        pass 900
        expire 1            # by its own log it leaves, and it leads to finish that
        settle
        1 is follower 3
        1 voters noo
        2 voters noo
        2 commit 4
    )");
    // The leader's last word may come late, and still counts.
    group.told(2);
    group.receive(2, group.message(1, 2, 3, AppendRequest{LogIndex(5), Term(3), {}, LogIndex(5), 1}));
    group.run(R"(
        2 told nothing
        2 commit 5
        settle
        wait 1000
        1 is follower 3     # has no vote, and asks for none
        2 is leader 4
    )");
}

}  // namespace
}  // namespace ironbark::consensus::testing
