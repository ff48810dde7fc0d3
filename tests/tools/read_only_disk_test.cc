#include "tools/offline/read_only_disk.h"

#include <gtest/gtest.h>

#include "log/journal.h"
#include "log/marks.h"
#include "tests/tools/offline_file.h"

namespace ironbark::tools {
namespace {

const Uuid owner = Uuid::from_words(1, 2);

Task<Result<void>> write_and_change(World* world, std::string path) {
    CO_TRY(std::unique_ptr<File> file, co_await world->disk.open(path, OpenMode::read_write, false));
    std::vector<BufferSlice> slices;
    slices.push_back(world->buffers.copy_of(as_bytes("changed")));
    Result<size_t> written = co_await file->write(0, std::move(slices), Sync::no);
    Result<void> cut = co_await file->truncate(0);
    Result<void> grown = co_await file->allocate(0, 8192);
    Result<void> synced = co_await file->sync();
    co_await file->close();
    bool all_refused = !written.ok() && !cut.ok() && !grown.ok() && !synced.ok();
    co_return all_refused ? Result<void>() : Result<void>(ErrorCode::unknown_server_error);
}

TEST(ReadOnlyDisk, RefusesEveryChangeOfAFile) {
    processes::TemporaryDirectory directory;
    write_bytes(directory / "file", {'o', 'l', 'd'});
    OfflineWorld offline;
    World world = offline.reading();
    EXPECT_TRUE(offline.run(write_and_change(&world, directory / "file")).ok());
    EXPECT_EQ(read_text(directory / "file"), "old");
}

TEST(ReadOnlyDisk, RefusesEveryChangeOfADirectory) {
    processes::TemporaryDirectory directory;
    write_bytes(directory / "file", {'o', 'l', 'd'});
    OfflineWorld offline;
    Disk& disk = offline.reading().disk;
    EXPECT_FALSE(offline.run(disk.rename(directory / "file", directory / "other")).ok());
    EXPECT_FALSE(offline.run(disk.make_directory(directory / "new")).ok());
    EXPECT_FALSE(offline.run(disk.remove_directory(directory.path())).ok());
    EXPECT_FALSE(offline.run(disk.sync_directory(directory.path())).ok());
    EXPECT_FALSE(offline.run(disk.open(directory / "new", OpenMode::create, false)).ok());
    EXPECT_FALSE(offline.run(disk.open(directory / "new", OpenMode::open_or_create, false)).ok());
    EXPECT_FALSE(offline.run(disk.lock(directory / "lock")).ok());
    EXPECT_FALSE(offline.run(disk.remove(directory / "file")).ok());
    EXPECT_EQ(*offline.run(disk.list(directory.path())), std::vector<std::string>{"file"});
}

Task<Result<void>> write_marks(World* world, std::string path) {
    CO_TRY(std::unique_ptr<log::Marks> marks, co_await log::Marks::open(*world, std::move(path), owner));
    log::PartitionMarks values;
    values.identity = record::sample_partition;
    values.log_start = Offset(7);
    marks->set(values);
    Result<void> committed = co_await marks->commit();
    co_await marks->close();
    co_return committed;
}

TEST(ReadOnlyDisk, LetsMarksBeReadAsTheyAre) {
    processes::TemporaryDirectory directory;
    OfflineWorld offline;
    ASSERT_TRUE(offline.run(write_marks(&offline.writing(), directory / "marks-0")).ok());
    write_bytes(directory / "marks-0.new", {'x'});  // of a rewrite that a crash interrupted
    const std::string before = read_text(directory / "marks-0");
    World world = offline.reading();
    Result<log::JournalContents> contents = offline.run(log::Journal::read(world, directory / "marks-0", owner));
    ASSERT_TRUE(contents.ok());
    EXPECT_EQ((*log::Marks::replay(world, contents->records))[record::sample_partition].log_start, Offset(7));
    EXPECT_TRUE(read_text(directory / "marks-0") == before);
    EXPECT_EQ(read_text(directory / "marks-0.new"), "x");
}

}  // namespace
}  // namespace ironbark::tools
