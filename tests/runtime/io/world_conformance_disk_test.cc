#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/magic.h>

#include "runtime/task/scope.h"
#include "tests/runtime/io/world_conformance.h"

namespace ironbark::testing {

class DiskConformance : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(Worlds, DiskConformance, ::testing::ValuesIn(all_disk_worlds()), world_name);
class LockConformance : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(Worlds, LockConformance, ::testing::ValuesIn(all_worlds()), world_name);

namespace {

// The largest file that this process may write, for the time of a test.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t size) {
        previous_handler_ = signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &previous_);
        rlimit limit{size, previous_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        setrlimit(RLIMIT_FSIZE, &previous_);
        signal(SIGXFSZ, previous_handler_);
    }

  private:
    rlimit previous_;
    void (*previous_handler_)(int);
};

// Writes, reads back, and looks beyond the end, in whole blocks as both modes take them.
Task<void> write_and_read_back(World* world, std::string path, bool direct, Sync sync) {
    HAVE(auto file, co_await world->disk.open(path, OpenMode::create, direct));
    BufferSlice written = pattern(*world, 4 * io_alignment, 1);
    EXPECT_OK(co_await write_fully(*file, 2 * io_alignment, one(written), sync));
    HAVE(uint64_t size, co_await file->size());
    EXPECT_EQ(size, 6 * io_alignment);

    BufferSlice read = empty_slice(*world, 8 * io_alignment);
    HAVE(size_t count, co_await read_fully(*file, 0, read));
    EXPECT_EQ(count, 6 * io_alignment);
    EXPECT_TRUE(equal(read.part(2 * io_alignment, 4 * io_alignment), written));
    for (size_t index = 0; index < 2 * io_alignment; ++index) EXPECT_EQ(read.data()[index], 0);
    HAVE(size_t beyond, co_await file->read(16 * io_alignment, read));
    EXPECT_EQ(beyond, 0u);
    co_await file->close();
}

Task<void> write_block(File* file, World* world, uint64_t index, Sync sync) {
    EXPECT_OK(co_await write_fully(*file, index * io_alignment, one(pattern(*world, io_alignment, index)), sync));
}

// A child process that holds the lock file until it is killed.
pid_t hold_lock_in_another_process(const std::string& path) {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(path.c_str(), O_RDWR | O_CREAT, 0644);
        char byte = flock(fd, LOCK_EX) == 0 ? 'y' : 'n';
        if (write(ready[1], &byte, 1) == 1) pause();
        _exit(1);
    }
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    EXPECT_EQ(byte, 'y');
    close(ready[0]);
    close(ready[1]);
    return child;
}

void kill_and_reap(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
}

}  // namespace

TEST_P(DiskConformance, ReadsBackWhatItWrote) {
    play(write_and_read_back(world(), path("plain"), false, Sync::no));
    play(write_and_read_back(world(), path("plain-synced"), false, Sync::data));
    play(write_and_read_back(world(), path("direct"), true, Sync::no));
    play(write_and_read_back(world(), path("direct-synced"), true, Sync::data));
}

TEST_P(DiskConformance, WritesToACacheFileSystemWithoutDirectIo) {
    struct statfs system;
    if (statfs("/dev/shm", &system) != 0 || system.f_type != TMPFS_MAGIC) GTEST_SKIP() << "no tmpfs at /dev/shm";
    std::string file_path = "/dev/shm/ironbark-world-" + std::to_string(getpid());
    struct Story {
        static Task<void> run(World* world, std::string path) {
            HAVE(auto file, co_await world->disk.open(path, OpenMode::create, true));
            EXPECT_FALSE(file->is_direct());
            EXPECT_OK(co_await write_fully(*file, 0, one(pattern(*world, 1000, 1)), Sync::data));
            EXPECT_OK(co_await file->allocate(1000, 100'000));
            HAVE(uint64_t size, co_await file->size());
            EXPECT_EQ(size, 101'000u);
            co_await file->close();
            EXPECT_OK(co_await world->disk.remove(path));
        }
    };
    play(Story::run(world(), file_path));
}

TEST_P(DiskConformance, BuffersWhenNotAskedForDirectIo) {
    struct Story {
        static Task<void> run(World* world, std::string path) {
            HAVE(auto file, co_await world->disk.open(path, OpenMode::create, false));
            EXPECT_FALSE(file->is_direct());
            std::vector<BufferSlice> odd;
            for (size_t size : {size_t{1}, size_t{4097}, size_t{0}, size_t{77}}) {
                odd.push_back(pattern(*world, size, size));
            }
            EXPECT_OK(co_await write_fully(*file, 5, odd, Sync::no));
            BufferSlice read = empty_slice(*world, 5000);
            HAVE(size_t count, co_await read_fully(*file, 0, read));
            EXPECT_EQ(count, 5u + 1 + 4097 + 77);
            EXPECT_TRUE(equal(read.part(6, 4097), odd[1]));
            EXPECT_TRUE(equal(read.part(6 + 4097, 77), odd[3]));
            co_await file->close();
        }
    };
    play(Story::run(world(), path("odd")));
}

TEST_P(DiskConformance, WritesManySlicesInOrder) {
    struct Story {
        static Task<void> run(World* world, std::string path) {
            HAVE(auto file, co_await world->disk.open(path, OpenMode::create, true));
            std::vector<BufferSlice> slices;  // more than the kernel takes at once
            for (size_t index = 0; index < 1500; ++index) slices.push_back(pattern(*world, io_alignment, index));
            EXPECT_OK(co_await write_fully(*file, 0, slices, Sync::data));
            BufferSlice read = empty_slice(*world, 1500 * io_alignment);
            HAVE(size_t count, co_await read_fully(*file, 0, read));
            EXPECT_EQ(count, 1500 * io_alignment);
            for (size_t index = 0; index < 1500; ++index) {
                EXPECT_TRUE(equal(read.part(index * io_alignment, io_alignment), slices[index])) << index;
            }
            co_await file->close();
        }
    };
    play(Story::run(world(), path("many")));
}

TEST_P(DiskConformance, KeepsManyWritesInFlight) {
    struct Story {
        static Task<void> run(World* world, std::string path) {
            HAVE(auto file, co_await world->disk.open(path, OpenMode::create, true));
            EXPECT_OK(co_await file->allocate(0, 300 * io_alignment));
            {
                Scope scope(world->executor);
                for (uint64_t index = 0; index < 300; ++index) {
                    scope.spawn(write_block(file.get(), world, index, index % 3 == 0 ? Sync::data : Sync::no));
                }
                co_await scope.join();
            }
            EXPECT_OK(co_await file->sync());
            BufferSlice read = empty_slice(*world, 300 * io_alignment);
            HAVE(size_t count, co_await read_fully(*file, 0, read));
            EXPECT_EQ(count, 300 * io_alignment);
            for (uint64_t index = 0; index < 300; ++index) {
                EXPECT_TRUE(equal(read.part(index * io_alignment, io_alignment), pattern(*world, io_alignment, index)));
            }
            co_await file->close();
        }
    };
    play(Story::run(world(), path("flight")));
}

TEST_P(DiskConformance, AllocatesZeroesAndTruncates) {
    struct Story {
        static Task<void> run(World* world, std::string path) {
            HAVE(auto file, co_await world->disk.open(path, OpenMode::create, true));
            EXPECT_OK(co_await file->allocate(0, 16 * io_alignment));
            EXPECT_OK(co_await write_fully(*file, 0, one(pattern(*world, io_alignment, 1)), Sync::data));
            HAVE(uint64_t allocated, co_await file->size());
            EXPECT_EQ(allocated, 16 * io_alignment);
            BufferSlice read = empty_slice(*world, 16 * io_alignment);
            HAVE(size_t count, co_await read_fully(*file, 0, read));
            EXPECT_EQ(count, 16 * io_alignment);
            EXPECT_TRUE(equal(read.part(0, io_alignment), pattern(*world, io_alignment, 1)));
            for (size_t index = io_alignment; index < count; ++index) EXPECT_EQ(read.data()[index], 0);
            // What was cut off does not come back.
            EXPECT_OK(co_await file->truncate(0));
            EXPECT_OK(co_await file->truncate(2 * io_alignment));
            HAVE(size_t short_count, co_await read_fully(*file, 0, read));
            EXPECT_EQ(short_count, 2 * io_alignment);
            for (size_t index = 0; index < short_count; ++index) EXPECT_EQ(read.data()[index], 0);
            co_await file->close();
        }
    };
    play(Story::run(world(), path("allocated")));
}

TEST_P(DiskConformance, SaysThatAWriteWasShortAndThenWhy) {
    struct Story {
        static Task<void> run(World* world, std::string path, Sync sync) {
            HAVE(auto file, co_await world->disk.open(path, OpenMode::create, true));
            FileSizeLimit limit(2 * io_alignment);
            HAVE(size_t count, co_await file->write(0, one(pattern(*world, 4 * io_alignment, 1)), sync));
            EXPECT_EQ(count, 2 * io_alignment);
            EXPECT_ERROR(storage_full, co_await write_fully(*file, 0, one(pattern(*world, 4 * io_alignment, 1)), sync));
            EXPECT_OK(co_await write_fully(*file, 0, one(pattern(*world, 2 * io_alignment, 1)), sync));
            co_await file->close();
        }
    };
    play(Story::run(world(), path("limited"), Sync::no));
    play(Story::run(world(), path("limited-synced"), Sync::data));
}

TEST_P(DiskConformance, OpensAsAsked) {
    struct Story {
        static Task<void> run(World* world, std::string path) {
            EXPECT_ERROR(not_found, co_await world->disk.open(path, OpenMode::read, false));
            EXPECT_ERROR(not_found, co_await world->disk.open(path, OpenMode::read_write, true));
            HAVE(auto made, co_await world->disk.open(path, OpenMode::open_or_create, true));
            EXPECT_ERROR(already_exists, co_await world->disk.open(path, OpenMode::create, true));
            HAVE(auto again, co_await world->disk.open(path, OpenMode::open_or_create, false));
            HAVE(auto reader, co_await world->disk.open(path, OpenMode::read, false));
            EXPECT_FALSE((co_await reader->write(0, one(pattern(*world, 10, 1)), Sync::no)).ok());
            co_await made->close();
            co_await again->close();
            co_await reader->close();
        }
    };
    play(Story::run(world(), path("file")));
}

TEST_P(DiskConformance, RefusesOperationsAfterClose) {
    struct Story {
        static Task<void> run(World* world, std::string path) {
            HAVE(auto file, co_await world->disk.open(path, OpenMode::create, true));
            Scope scope(world->executor);
            for (uint64_t index = 0; index < 10; ++index) {
                scope.spawn(write_block(file.get(), world, index, Sync::data));
            }
            Yield yield(world->executor);
            co_await yield;  // the writes are under way: close waits for them, and they succeed
            co_await file->close();
            co_await scope.join();
            EXPECT_ERROR(closed, co_await file->read(0, empty_slice(*world, io_alignment)));
            EXPECT_ERROR(closed, co_await file->write(0, one(pattern(*world, io_alignment, 1)), Sync::no));
            EXPECT_ERROR(closed, co_await file->sync());
            EXPECT_ERROR(closed, co_await file->size());
            co_await file->close();
        }
    };
    play(Story::run(world(), path("closed")));
}

TEST_P(DiskConformance, ChangesNamesAndDirectories) {
    struct Story {
        static Task<void> run(World* world, std::string root) {
            Disk& disk = world->disk;
            EXPECT_OK(co_await disk.make_directory(root + "/d"));
            EXPECT_OK(co_await disk.make_directory(root + "/d"));
            std::vector<uint8_t> text(10, 'x');
            for (const char* name : {"/d/b", "/d/c", "/d/a"}) {
                EXPECT_OK(co_await replace_file(*world, root + name, text));
            }
            HAVE(auto names, co_await disk.list(root + "/d"));
            EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "c"}));
            EXPECT_OK(co_await disk.rename(root + "/d/a", root + "/d/b"));
            EXPECT_OK(co_await disk.sync_directory(root + "/d"));
            EXPECT_ERROR(already_exists, co_await disk.remove_directory(root + "/d"));
            EXPECT_ERROR(already_exists, co_await disk.make_directory(root + "/d/b"));
            EXPECT_OK(co_await disk.remove(root + "/d/b"));
            EXPECT_OK(co_await disk.remove(root + "/d/c"));
            EXPECT_OK(co_await disk.remove_directory(root + "/d"));
        }
    };
    play(Story::run(world(), directory()));
}

TEST_P(DiskConformance, SaysWhatIsMissing) {
    struct Story {
        static Task<void> run(World* world, std::string missing) {
            Disk& disk = world->disk;
            EXPECT_ERROR(not_found, co_await disk.rename(missing, missing + "2"));
            EXPECT_ERROR(not_found, co_await disk.remove(missing));
            EXPECT_ERROR(not_found, co_await disk.remove_directory(missing));
            EXPECT_ERROR(not_found, co_await disk.make_directory(missing + "/deeper"));
            EXPECT_ERROR(not_found, co_await disk.sync_directory(missing));
            EXPECT_ERROR(not_found, co_await disk.list(missing));
            EXPECT_ERROR(not_found, co_await disk.space(missing));
            EXPECT_ERROR(not_found, co_await disk.lock(missing + "/lock"));
        }
    };
    play(Story::run(world(), path("missing")));
}

TEST_P(DiskConformance, ReplacesAndReadsSmallFiles) {
    struct Story {
        static Task<void> run(World* world, std::string path) {
            std::vector<uint8_t> first(10, 'a');
            std::vector<uint8_t> second(5000, 'b');
            EXPECT_OK(co_await replace_file(*world, path, first));
            EXPECT_OK(co_await replace_file(*world, path, second));
            HAVE(auto read, co_await read_file(*world, path, 5000));
            EXPECT_EQ(read, second);
            EXPECT_ERROR(corrupt_data, co_await read_file(*world, path, 4999));
        }
    };
    play(Story::run(world(), path("small")));
}

TEST_P(DiskConformance, KnowsTheSpaceOfTheDisk) {
    struct Story {
        static Task<void> run(World* world, std::string path) {
            HAVE(DiskSpace space, co_await world->disk.space(path));
            EXPECT_GT(space.total_bytes, 0u);
            EXPECT_LE(space.free_bytes, space.total_bytes);
        }
    };
    play(Story::run(world(), directory()));
}

TEST_P(LockConformance, LocksADirectoryAgainstItself) {
    struct Story {
        static Task<void> run(World* world, std::string path) {
            {
                HAVE(auto lock, co_await world->disk.lock(path));
                EXPECT_ERROR(locked, co_await world->disk.lock(path));
            }
            EXPECT_OK(co_await world->disk.lock(path));
        }
    };
    play(Story::run(world(), path("lock")));
}

TEST_P(LockConformance, FindsALockThatAnotherProcessHolds) {
    pid_t child = hold_lock_in_another_process(path("lock"));
    struct Story {
        static Task<void> run(World* world, std::string path, pid_t child) {
            EXPECT_ERROR(locked, co_await world->disk.lock(path));
            kill_and_reap(child);
            EXPECT_OK(co_await world->disk.lock(path));
        }
    };
    play(Story::run(world(), path("lock"), child));
}

}  // namespace ironbark::testing
