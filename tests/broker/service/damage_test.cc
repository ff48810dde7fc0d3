// A bit that has flipped anywhere in the files of a broker that has stopped, and each file missing: the broker says
// what is wrong, serves everything else, and never serves records that are not what was written, or silently fewer.

#include <map>

#include "tests/broker/service/broker_world.h"
#include "tests/broker/service/service_fixture.h"

namespace ironbark::broker {
namespace {

class DamageTest : public testing::Test {
  protected:
    void SetUp() override {
        TopicShape shape{.partitions = 2, .settings = {{"segment.bytes", "64KiB"}}};
        world.make_topic("t", shape);
        for (int32_t index = 0; index < 2; ++index) {
            PartitionIdentity partition = world.partition("t", index);
            for (int number = 0; number < 7; ++number) {
                std::string value = std::to_string(number) + std::string(20'000, 'x');
                ReceiptSeen receipt = world.produce(partition, make_batch(partition, 7 + index, number, {value}));
                ASSERT_TRUE(receipt.said.ok());
                expected[partition].push_back({receipt.base, value});
            }
        }
        world.stop();
        for (const std::string& path : world.server.disk().files()) good[path] = world.server.disk().read(path);
    }
    // All files as they were at the stop.
    void restore() {
        for (const std::string& path : world.server.disk().files()) {
            if (!good.contains(path)) world.server.disk().remove(path);
        }
        for (const auto& [path, bytes] : good) world.server.disk().replace(path, bytes);
    }
    // Starts, looks at everything, stops, and puts all files back.
    void look(const std::string& what) {
        SCOPED_TRACE(what);
        std::string said = world.try_start();
        if (said.empty()) {
            size_t failed = 0;
            for (const auto& [partition, records] : expected) failed += check(partition, records) ? 0 : 1;
            if (failed == expected.size()) ++all_failed;
            if (failed > 0) ++refused_partitions;
            world.stop();
        } else {
            ++refused_starts;
            EXPECT_EQ(said.find("(nothing said)"), std::string::npos) << said;
            EXPECT_NE(said.find("/data"), std::string::npos) << said;
        }
        restore();
    }
    // Whether everything can be read; if not, there is an error that says why.
    bool check(const PartitionIdentity& partition, const std::vector<Seen>& records) {
        std::vector<Seen> seen;
        while (true) {
            Fetched fetched = world.fetch(partition, static_cast<int64_t>(seen.size()));
            if (!fetched.said.ok()) {
                EXPECT_FALSE(fetched.said.hint.empty());
                EXPECT_EQ(fetched.said.code, ErrorCode::storage_error) << fetched.said;
                return false;
            }
            if (fetched.records.empty()) break;
            seen.insert(seen.end(), fetched.records.begin(), fetched.records.end());
        }
        EXPECT_EQ(seen, records);
        return true;
    }

    BrokerWorld world{2};
    std::map<PartitionIdentity, std::vector<Seen>> expected;
    std::map<std::string, std::vector<uint8_t>> good;
    size_t refused_starts = 0;
    size_t refused_partitions = 0;
    size_t all_failed = 0;
};

TEST_F(DamageTest, OfOneBitAnywhereIsSaidOrDoesNoHarm) {
    simulation::RandomStream random = world.simulation.stream("damage");
    for (const auto& [path, bytes] : good) {
        if (bytes.empty()) continue;
        std::vector<uint64_t> places{0, 20, bytes.size() / 2, bytes.size() - 1};
        for (int count = 0; count < 12; ++count) places.push_back(random.below(bytes.size()));
        for (uint64_t place : places) {
            if (place >= bytes.size()) continue;
            world.server.disk().rot(path, place, static_cast<uint32_t>(random.below(8)));
            look(path + " at byte " + std::to_string(place));
            if (HasFailure()) return;
        }
    }
    EXPECT_GT(refused_starts, 0u);
    EXPECT_GT(refused_partitions, 10u);
    EXPECT_EQ(all_failed, 0u) << "damage of one partition is no business of the other";
}

TEST_F(DamageTest, OfAMissingFileIsSaidOrDoesNoHarm) {
    for (const auto& [path, bytes] : good) {
        world.server.disk().remove(path);
        look(path + " missing");
        if (HasFailure()) return;
    }
    EXPECT_GT(refused_starts, 0u);
    EXPECT_GT(refused_partitions, 0u);
    EXPECT_EQ(all_failed, 0u);
}

}  // namespace
}  // namespace ironbark::broker
