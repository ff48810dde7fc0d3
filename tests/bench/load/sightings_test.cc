#include "bench/load/sightings.h"

#include <gtest/gtest.h>

namespace ironbark::bench {
namespace {

// One partition, of which the values "a", "b", "c" were seen at offsets 0, 1 and 2.
struct SightingsTest : testing::Test {
    Sightings sightings{1};

    SightingsTest() {
        sightings.take(0, 0, "a");
        sightings.take(0, 1, "b");
        sightings.take(0, 2, "c");
    }
};

TEST_F(SightingsTest, FindsNothingWhereAllIsStillThere) {
    sightings.compare(0, 0, "a");
    sightings.compare(0, 1, "b");
    sightings.compare(0, 2, "c");
    sightings.compare(0, 3, "written later");
    const SightingsFound found = sightings.finish();
    EXPECT_EQ(found.seen, 3u);
    EXPECT_EQ(found.repeated, 0u);
    EXPECT_EQ(found.taken_back, 0u);
    EXPECT_EQ(sightings.next(0), 3);
}

TEST_F(SightingsTest, CountsWhatIsNotThereAtTheEnd) {
    sightings.compare(0, 0, "a");
    EXPECT_EQ(sightings.finish().taken_back, 2u);
}

TEST_F(SightingsTest, CountsWhatIsNotThereInTheMiddle) {
    sightings.compare(0, 0, "a");
    sightings.compare(0, 2, "c");
    EXPECT_EQ(sightings.finish().taken_back, 1u);
}

TEST_F(SightingsTest, CountsAnOffsetThatHoldsSomethingElse) {
    sightings.compare(0, 0, "a");
    sightings.compare(0, 1, "x");
    sightings.compare(0, 2, "c");
    EXPECT_EQ(sightings.finish().taken_back, 1u);
}

TEST_F(SightingsTest, CountsARecordThatIsGivenAgain) {
    sightings.take(0, 2, "c");
    EXPECT_EQ(sightings.finish().repeated, 1u);
}

TEST_F(SightingsTest, CountsWhatTheReaderWasToldToBeGoneAndGoesOnThere) {
    sightings.cut(0, 1);
    EXPECT_EQ(sightings.next(0), 1);
    sightings.take(0, 1, "x");
    sightings.compare(0, 0, "a");
    sightings.compare(0, 1, "x");
    const SightingsFound found = sightings.finish();
    EXPECT_EQ(found.taken_back, 2u);
    EXPECT_EQ(found.repeated, 0u);
}

}  // namespace
}  // namespace ironbark::bench
