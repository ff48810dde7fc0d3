#include "tools/offline/frame_walk.h"

#include <gtest/gtest.h>

#include "tests/tools/offline_file.h"
#include "tools/offline/frame_records.h"

namespace ironbark::tools {
namespace {

struct SeenPiece {
    Piece::Kind kind;
    uint64_t position;
    uint64_t size;
    bool is_damaged;
    friend bool operator==(const SeenPiece&, const SeenPiece&) = default;
};

Task<Result<void>> walk_file(World* world, std::string path, std::vector<SeenPiece>* seen) {
    CO_TRY(std::unique_ptr<File> file, co_await world->disk.open(std::move(path), OpenMode::read, false));
    Result<uint64_t> size = co_await file->size();
    log::WindowReader reader(*file, world->buffers, *size, log::block_size);
    PieceVisitor visitor = [seen](const Piece& piece) {
        seen->push_back({piece.kind, piece.position, piece.size, piece.fault != nullptr});
        return true;
    };
    Result<void> walked = co_await walk_pieces(&reader, record::sample_partition.seed(), 0, std::move(visitor));
    co_await file->close();
    co_return walked;
}

std::vector<SeenPiece> walk(const Bytestring& bytes) {
    processes::TemporaryDirectory directory;
    const std::string path = directory / "frames";
    write_bytes(path, bytes);
    OfflineWorld offline;
    World world = offline.reading();
    std::vector<SeenPiece> seen;
    EXPECT_TRUE(offline.run(walk_file(&world, path, &seen)).ok());
    return seen;
}

using Kind = Piece::Kind;
const uint64_t sample_frame_size = record::sample_frame().size();

TEST(FrameWalk, SeesFramesPadsAndZeros) {
    Bytestring bytes;
    append_frame(bytes, 2, append_frame(bytes, 0, 0));
    append_pad(bytes);
    bytes.resize(3 * log::block_size);
    EXPECT_EQ(walk(bytes), (std::vector<SeenPiece>{{Kind::frame, 0, sample_frame_size, false},
                                                   {Kind::frame, sample_frame_size, sample_frame_size, false},
                                                   {Kind::pad, 2 * sample_frame_size,
                                                    log::block_size - 2 * sample_frame_size, false},
                                                   {Kind::zeros, log::block_size, 2 * log::block_size, false}}));
}

TEST(FrameWalk, FindsTheNextFrameBehindADamagedHeader) {
    Bytestring bytes;
    append_frame(bytes, 2, append_frame(bytes, 0, 0));
    bytes[20] ^= 1;
    EXPECT_EQ(walk(bytes), (std::vector<SeenPiece>{{Kind::unreadable, 0, sample_frame_size, true},
                                                   {Kind::frame, sample_frame_size, sample_frame_size, false}}));
}

TEST(FrameWalk, SaysWhichPayloadIsDamaged) {
    Bytestring bytes;
    append_frame(bytes, 2, append_frame(bytes, 0, 0));
    bytes[sample_frame_size - 1] ^= 1;
    EXPECT_EQ(walk(bytes),
              (std::vector<SeenPiece>{{Kind::frame, 0, sample_frame_size, true},
                                      {Kind::frame, sample_frame_size, sample_frame_size, false}}));
}

TEST(FrameWalk, SeesAFrameThatTheFileCutsOff) {
    Bytestring bytes;
    append_frame(bytes, 0, 0);
    bytes.pop_back();
    EXPECT_EQ(walk(bytes), (std::vector<SeenPiece>{{Kind::unreadable, 0, sample_frame_size - 1, true}}));
}

TEST(FrameWalk, FindsAFrameAtEveryDistanceFromABorderOfItsWindow) {
    for (size_t shift = 0; shift < 2 * sample_frame_size; ++shift) {
        Bytestring bytes(log::read_size - sample_frame_size - shift / 2, 0xff);
        const uint64_t begin = bytes.size();
        append_frame(bytes, 0, 0);
        EXPECT_EQ(walk(bytes),
                  (std::vector<SeenPiece>{{Kind::unreadable, 0, begin, true},
                                          {Kind::frame, begin, sample_frame_size, false}}));
    }
}

TEST(FrameWalk, OfNothingSeesNothing) {
    EXPECT_TRUE(walk({}).empty());
}

TEST(FrameRecords, AreThoseOfTheBatch) {
    Bytestring bytes;
    append_frame(bytes, 41, 0);
    Result<record::FrameView> frame = record::parse_frame(bytes, record::sample_partition.seed());
    std::vector<std::string> seen;
    FrameRecords records;
    auto visit = [&](const ConsumerRecord& record) {
        seen.push_back(std::to_string(record.offset) + " " + std::string(record.key.value_or("-")) + " " +
                       std::string(record.value.value_or("-")) + " " + std::to_string(record.headers.size()));
    };
    ASSERT_TRUE(records.visit(*frame, "topic", 7, visit).ok());
    EXPECT_EQ(seen, (std::vector<std::string>{"41 k hello 0", "42 - world 1"}));
}

}  // namespace
}  // namespace ironbark::tools
