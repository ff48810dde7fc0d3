// What is said of the controllers: who answers, how many more may fail, and what to do.
#include "tools/quorum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace ironbark::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

VoterInfo voter(int32_t id, int64_t heard_ms, uint64_t match = 100) {
    VoterInfo info;
    info.id = id;
    info.directory = "directory-" + std::to_string(id);
    info.host = "127.0.0.1";
    info.port = static_cast<uint16_t>(9400 + id);
    info.match = match;
    info.last_heard_ms = heard_ms;
    return info;
}

ClusterInfo cluster_of(int32_t active, std::vector<VoterInfo> voters) {
    ClusterInfo cluster;
    cluster.controller = active;
    cluster.committed = 100;
    cluster.voters = std::move(voters);
    return cluster;
}

std::string majority_of(const ClusterInfo& cluster, const std::vector<int32_t>& answering = {}) {
    return majority_text(quorum_of(cluster, answering));
}

TEST(Quorum, SaysHowManyMoreMayFail) {
    EXPECT_EQ(majority_of(cluster_of(1, {voter(1, 0), voter(2, 20), voter(3, 30)})),
              "3 of 3 voters answer; one more may fail");
    EXPECT_EQ(majority_of(cluster_of(1, {voter(1, 0), voter(2, 20), voter(3, 60'000)})),
              "2 of 3 voters answer; no more may fail");
    EXPECT_EQ(majority_of(cluster_of(1, {})), "the voters are not known");
    EXPECT_EQ(majority_of(cluster_of(2, {voter(1, 1), voter(2, 0), voter(3, 1), voter(4, 1), voter(5, 1)})),
              "5 of 5 voters answer; two more may fail");
    EXPECT_EQ(majority_of(cluster_of(1, {voter(1, 0)})), "1 of 1 voter answers; no more may fail");
}

TEST(Quorum, WithoutAMajorityNamesWhomToStart) {
    ClusterInfo cluster = cluster_of(-1, {voter(1, -1), voter(2, -1), voter(3, -1)});
    EXPECT_EQ(majority_of(cluster, {1}),
              "1 of 3 voters answers: no majority, changes wait; start one of voter 2 (127.0.0.1:9402), voter 3 "
              "(127.0.0.1:9403)");
    EXPECT_THAT(majority_of(cluster_of(-1, {voter(7, -1)})), HasSubstr("changes wait; start voter 7 (127.0.0.1:9407)"));
    EXPECT_THAT(advice(quorum_of(cluster, {1}), cluster), ElementsAre(HasSubstr("no controller is active: leaders")));
    EXPECT_EQ(majority_of(cluster, {1, 3}), "2 of 3 voters answer; no more may fail");
    EXPECT_THAT(advice(quorum_of(cluster, {1, 3}), cluster), ElementsAre(HasSubstr("although a majority answers")));
    cluster.quorum_failure = Failure{ErrorCode::timed_out, Outcome::not_written, "nobody answers"};
    EXPECT_THAT(advice(quorum_of(cluster, {1, 3}), cluster).front(), HasSubstr("nobody answers"));
}

TEST(Quorum, SaysWhoIsSilentAndWhoIsBehind) {
    ClusterInfo cluster = cluster_of(1, {voter(1, 0), voter(2, 61'000), voter(3, -1)});
    std::vector<std::string> lines = advice(quorum_of(cluster, {}), cluster);
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_THAT(lines[0], HasSubstr("voter 2 (127.0.0.1:9402) was not heard of: not for 1 min"));
    EXPECT_THAT(lines[0], HasSubstr("controller replace-voter 2 --yes"));
    EXPECT_THAT(lines[1], HasSubstr("not since the active controller was elected"));
    cluster = cluster_of(1, {voter(1, 0), voter(2, 10, 99)});
    EXPECT_THAT(advice(quorum_of(cluster, {}), cluster), IsEmpty());
    EXPECT_EQ(quorum_of(cluster, {}).voters[1].behind, 1u);
    cluster.committed = 5'099;
    EXPECT_THAT(advice(quorum_of(cluster, {}), cluster).back(), HasSubstr("lacks 5000 entries of the log"));
}

TEST(Quorum, CountsOneOfTwoThatHaveTheSameId) {
    VoterInfo old = voter(3, -1, 0);
    old.is_leaving = true;
    ClusterInfo cluster = cluster_of(1, {voter(1, 0), voter(2, 10), voter(3, 10, 5), old});
    const QuorumStatus quorum = quorum_of(cluster, {});
    EXPECT_EQ(majority_text(quorum), "3 of 3 voters answer; one more may fail");
    EXPECT_STREQ(name(quorum.voters[0].role), "active");
    EXPECT_STREQ(name(quorum.voters[1].role), "voter");
    EXPECT_STREQ(name(quorum.voters[2].role), "joining");
    EXPECT_STREQ(name(quorum.voters[3].role), "leaving");
    EXPECT_THAT(advice(quorum, cluster), IsEmpty());
    const nlohmann::ordered_json value = to_json(quorum, cluster);
    EXPECT_EQ(value["voters"][2]["behind"], 95);
    EXPECT_TRUE(value["voters"][3]["behind"].is_null()) << "nobody knows it of one that does not answer";
    EXPECT_EQ(value["majority"], 2);
    EXPECT_FALSE(value.contains("error"));
}

}  // namespace
}  // namespace ironbark::tools
