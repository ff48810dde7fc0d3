#include "broker/control/liveness.h"

#include <gtest/gtest.h>

namespace ironbark::broker {
namespace {

constexpr Duration timeout = std::chrono::milliseconds(1500);

Instant at(int64_t milliseconds) {
    return Instant(std::chrono::milliseconds(milliseconds));
}

void start(Metadata& metadata, int32_t id, int64_t incarnation) {
    RegisterBroker registration;
    registration.id = BrokerId(id);
    registration.directory = Uuid::from_words(static_cast<uint64_t>(id), 1);
    registration.incarnation = Incarnation(incarnation);
    ASSERT_TRUE(metadata.apply(register_broker(registration)).ok());
}

TEST(Liveness, GivesUpWhoIsSilentForASessionTimeout) {
    Metadata metadata;
    Liveness liveness;
    liveness.begin(at(0), timeout, metadata);
    EXPECT_EQ(liveness.next_due(timeout, metadata), never);
    start(metadata, 1, 1);
    start(metadata, 2, 1);
    EXPECT_TRUE(liveness.silent(at(100), timeout, metadata).empty());
    liveness.heard(BrokerId(1), Incarnation(1), at(1000));
    EXPECT_EQ(liveness.next_due(timeout, metadata), at(1600));
    EXPECT_TRUE(liveness.silent(at(1599), timeout, metadata).empty());
    const auto silent = liveness.silent(at(1600), timeout, metadata);
    ASSERT_EQ(silent.size(), 1u);
    EXPECT_EQ(silent.front().broker, BrokerId(2));
}

TEST(Liveness, ARegistrationMayTakeAsLongAsItLikes) {
    Metadata metadata;
    Liveness liveness;
    liveness.begin(at(0), timeout, metadata);
    start(metadata, 1, 1);  // asked for long ago, and committed now
    EXPECT_TRUE(liveness.silent(at(60'000), timeout, metadata).empty());
    start(metadata, 1, 2);
    EXPECT_TRUE(liveness.silent(at(120'000), timeout, metadata).empty())
        << "nothing that was heard before is of this one";
    EXPECT_EQ(liveness.silent(at(121'500), timeout, metadata).size(), 1u);
}

TEST(Liveness, WhoJudgesAnewGivesEverybodyAWholeSession) {
    Metadata metadata;
    Liveness liveness;
    start(metadata, 1, 1);
    EXPECT_TRUE(liveness.silent(at(0), timeout, metadata).empty());
    liveness.begin(at(10'000), timeout, metadata);
    EXPECT_TRUE(liveness.silent(at(11'499), timeout, metadata).empty());
    EXPECT_EQ(liveness.silent(at(11'500), timeout, metadata).size(), 1u);
}

TEST(Liveness, WhoHadRegisteredBeforeHasTheGraceAndNoMore) {
    Metadata metadata;
    Liveness liveness;
    start(metadata, 1, 1);
    liveness.begin(at(10'000), 4 * timeout / 5, metadata);
    EXPECT_TRUE(liveness.silent(at(11'199), timeout, metadata).empty());
    start(metadata, 2, 1);
    EXPECT_EQ(liveness.next_due(timeout, metadata), at(11'200));
    EXPECT_EQ(liveness.silent(at(11'200), timeout, metadata).size(), 1u) << "not the one that has just registered";
}

TEST(Liveness, LeasesOfALongerSessionAreWaitedForWhenAShorterOneIsInForce) {
    Metadata metadata;
    Liveness liveness;
    start(metadata, 1, 1);
    liveness.begin(at(0), 4 * timeout, metadata);
    EXPECT_TRUE(liveness.silent(at(0), timeout, metadata).empty());
    liveness.heard(BrokerId(1), Incarnation(1), at(500));
    EXPECT_TRUE(liveness.silent(at(5'999), timeout, metadata).empty());
    EXPECT_EQ(liveness.next_due(timeout, metadata), at(6'000));
    EXPECT_EQ(liveness.silent(at(6'000), timeout, metadata).size(), 1u);
    liveness.heard(BrokerId(1), Incarnation(1), at(6'000));
    EXPECT_EQ(liveness.next_due(timeout, metadata), at(7'500));
}

}  // namespace
}  // namespace ironbark::broker
