// Every kind of file, damaged at every place. Whatever is damaged, one rule holds: a clear error to who asked for that
// partition, and all others go on; what is served is what was appended; and nothing below the durable floor is ever
// gone, except behind an error that says where, with every file as it was found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/log/log_world.h"

namespace ironbark::log {
namespace {

using testing::HasSubstr;

constexpr int64_t deleted_end = 2;    // what was before was deleted, and lies in a segment that is still there
constexpr int64_t promised_end = 13;  // everything below was durable, and the marks say so
constexpr int64_t written_end = 15;   // everything below was written, and not synced

class Damage : public testing::Test {
  protected:
    Damage() {
        Log& other = world.begin(there);
        for (int number = 0; number < 3; ++number) append(other, number);
        Log& log = world.begin();
        for (int number = 0; number < promised_end; ++number) append(log, number);
        EXPECT_TRUE(world.run(log.delete_before(Offset(deleted_end))).ok());
        world.wait_for_marks();
        for (int64_t number = promised_end; number < written_end; ++number) {
            world.append_unsynced(log, {long_value(number)});
        }
        world.kill();
        image = world.disk().snapshot();
        whole = world.files("data");
    }

    void append(Log& log, int number) {
        world.append(log, {long_value(number)}, {ProducerId(4), ProducerEpoch(0), number});
        world.make_durable(log);
    }

    std::vector<std::string> files_named(const std::string& part) {
        std::vector<std::string> paths;
        for (const auto& [path, bytes] : whole) {
            if (path.find(part) != std::string::npos) paths.push_back(path);
        }
        EXPECT_FALSE(paths.empty()) << part;
        return paths;
    }

    // Damages the disk as it was, and looks at what becomes of it.
    template <typename Change>
    void damage(const std::string& path, Change change) {
        world.disk().restore(image);
        change();
        found = world.files("data");
        if (is_started(path)) {
            check_other(path);
            check_log();
        }
        world.kill();
    }

    // The directory and the marks belong to all: without them nobody starts, and nothing is changed.
    bool is_started(const std::string& path) {
        Result<void> started = world.try_start();
        if (started.ok()) return true;
        EXPECT_THAT(path, testing::AnyOf(HasSubstr("identity"), HasSubstr("marks-0")));
        EXPECT_THAT(started.error().code, testing::AnyOf(ErrorCode::corrupt_data, ErrorCode::foreign_data,
                                                         ErrorCode::unsupported_version, ErrorCode::io_error));
        EXPECT_NE(std::string(started.error().text) + world.problem, "");
        EXPECT_TRUE(world.files("data") == found) << "refused, and changed";
        return false;
    }

    void check_other(const std::string& path) {
        if (path.find(there.to_string()) != std::string::npos) return;
        Log& other = world.open(there);
        EXPECT_EQ(world.values(other), (Values{long_value(0), long_value(1), long_value(2)}));
    }

    void check_log() {
        const LogWorld::Files before = world.files();
        Result<Log*> opened = world.try_open();
        if (!opened.ok()) {
            EXPECT_THAT(opened.error().code, testing::AnyOf(ErrorCode::corrupt_data, ErrorCode::io_error));
            EXPECT_THAT(world.report.problem, HasSubstr(LogWorld::directory()));
            EXPECT_THAT(world.report.problem, testing::MatchesRegex(".*([Rr]estore|Try again).*"));
            EXPECT_TRUE(world.files() == before) << "refused, and changed";
            ++refused;
            return;
        }
        Log& log = **opened;
        EXPECT_LE(log.log_start(), Offset(deleted_end));
        EXPECT_GE(log.log_end(), Offset(promised_end)) << "records below the floor are gone";
        EXPECT_LE(log.log_end(), Offset(written_end));
        cut += log.log_end() < Offset(written_end) ? 1 : 0;
        check_records(log);
        check_goes_on(log);
    }

    // Each record is the one that was appended, or an error that names the place.
    void check_records(Log& log) {
        for (Offset at = log.log_start(); at < log.log_end(); at = at + 1) {
            Result<ReadFrames> read = world.run(log.read(at, log.log_end(), 1));
            if (!read.ok()) {
                EXPECT_EQ(read.error().code, ErrorCode::corrupt_data);
                EXPECT_THAT(log.last_read_problem(), testing::MatchesRegex(".*\\.log at byte [0-9]+: .+"));
                ++unreadable;
                continue;
            }
            std::vector<record::FrameView> frames = frames_in(*read, here);
            ASSERT_EQ(frames.size(), 1u);
            EXPECT_EQ(values_of(frames.front()), Values{long_value(at.value)});
        }
    }

    void check_goes_on(Log& log) {
        std::optional<int32_t> last = log.producers().last_sequence(ProducerId(4), ProducerEpoch(0));
        EXPECT_EQ(last, static_cast<int32_t>(promised_end - 1)) << "a producer is forgotten";
        world.begin_epoch(log);
        Appended appended = world.append(log, {"next"});
        world.make_durable(log);
        EXPECT_EQ(world.try_values(log, appended.base).value(), Values{"next"});
    }

    // One bit in each byte of the fields, and in one byte of a hundred elsewhere.
    void flip_bits(const std::string& path, uint64_t step) {
        const uint64_t size = whole.at(path).size();
        for (uint64_t at = 0; at < size; at += at % block_size < 128 ? 1 : step) {
            SCOPED_TRACE(path + " at " + std::to_string(at));
            damage(path, [&] { world.disk().rot(path, at, static_cast<uint32_t>(at % 8)); });
        }
    }
    void wipe_blocks(const std::string& path, uint8_t with) {
        for (uint64_t at = 0; at < whole.at(path).size(); at += block_size) {
            SCOPED_TRACE(path + " wiped at " + std::to_string(at));
            std::vector<uint8_t> bytes = whole.at(path);
            for (uint64_t index = at; index < std::min(at + block_size, bytes.size()); ++index) bytes[index] = with;
            damage(path, [&] { world.disk().replace(path, bytes); });
        }
    }
    void make_unreadable(const std::string& path) {
        for (uint64_t at = 0; at < whole.at(path).size(); at += block_size) {
            SCOPED_TRACE(path + " unreadable at " + std::to_string(at));
            damage(path, [&] { world.disk().fail_reads(path, at); });
        }
    }
    void shorten(const std::string& path, uint64_t step) {
        for (uint64_t size = 0; size < whole.at(path).size(); size += step) {
            SCOPED_TRACE(path + " cut to " + std::to_string(size));
            damage(path, [&] { world.disk().truncate(path, size); });
        }
    }
    void remove(const std::string& path) {
        SCOPED_TRACE(path + " removed");
        damage(path, [&] { world.disk().remove(path); });
    }
    void exchange(const std::string& path, const std::vector<std::string>& others) {
        for (const std::string& other : others) {
            SCOPED_TRACE(path + " replaced by " + other);
            damage(path, [&] { world.disk().replace(path, whole.at(other)); });
        }
    }

    LogWorld world;
    simulation::DiskImage image;
    LogWorld::Files whole;
    LogWorld::Files found;
    int refused = 0;
    int cut = 0;
    int unreadable = 0;
};

TEST_F(Damage, ToASegment) {
    for (const std::string& path : files_named(here.to_string() + "/00")) {
        if (!path.ends_with(log_suffix)) continue;
        flip_bits(path, 300);
        wipe_blocks(path, 0);
        wipe_blocks(path, 0xff);
        make_unreadable(path);
        shorten(path, 1500);
        remove(path);
        exchange(path, files_named(".log"));
    }
    EXPECT_GT(refused, 100);
    EXPECT_GT(cut, 100) << "damage above the floor";
    EXPECT_GT(unreadable, 100) << "damage below the last checkpoint is found by who reads it";
}

TEST_F(Damage, ToAnIndexIsMadeGood) {
    for (const std::string& path : files_named(index_suffix)) {
        flip_bits(path, 1);
        shorten(path, 7);
        make_unreadable(path);
        remove(path);
        exchange(path, files_named(index_suffix));
    }
    EXPECT_EQ(refused + cut + unreadable, 0);
}

TEST_F(Damage, ToASnapshotCostsNothingButTime) {
    for (const std::string& path : files_named(producers_suffix)) {
        flip_bits(path, 1);
        shorten(path, 7);
        make_unreadable(path);
        remove(path);
        exchange(path, files_named(producers_suffix));
    }
    EXPECT_EQ(refused + cut + unreadable, 0);
}

TEST_F(Damage, ToTheMarksLosesNoRecord) {
    const std::string path = "data/marks-0";
    const uint64_t used = whole.at(path).size() / 64;
    for (uint64_t at = 0; at < used; at += at % block_size < 200 ? 1 : 1000) {
        SCOPED_TRACE(at);
        damage(path, [&] { world.disk().rot(path, at, static_cast<uint32_t>(at % 8)); });
    }
    shorten(path, 200'000);
    remove(path);
    damage(path, [&] { world.disk().fail_reads(path, 0); });
    damage(path, [&] { world.disk().fail_reads(path, block_size); });
    EXPECT_EQ(refused + cut + unreadable, 0);
}

TEST_F(Damage, ToTheIdentityIsRefused) {
    const std::string path = "data/identity";
    for (uint64_t at = 0; at < whole.at(path).size(); ++at) {
        SCOPED_TRACE(at);
        world.disk().restore(image);
        world.disk().rot(path, at, static_cast<uint32_t>(at % 8));
        found = world.files("data");
        EXPECT_FALSE(is_started(path));
        EXPECT_THAT(world.problem, HasSubstr("data"));
        world.kill();
    }
    shorten(path, 10);
    make_unreadable(path);
    remove(path);
}

}  // namespace
}  // namespace ironbark::log
