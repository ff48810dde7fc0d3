#include "runtime/io/uring_world.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>

#include "runtime/task/scope.h"

namespace ironbark {

namespace {

// Makes a system call fail with `number` for the rest of the process, as a container's profile does.
void forbid(int call, int number) {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(number)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(1);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) _exit(1);
}

// What uring_available says in a process that may not make `call`.
void expect_refusal(int call, int number, ErrorCode code, const char* text) {
    pid_t child = fork();
    if (child == 0) {
        forbid(call, number);
        Result<void> available = uring_available();
        bool is_right = !available.ok() && available.error().code == code &&
                        std::string(available.error().text).find(text) != std::string::npos;
        _exit(is_right ? 42 : 2);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 42);
}

class UringWorldTest : public ::testing::Test {
  protected:
    void SetUp() override {
        Result<void> available = uring_available();
        if (!available.ok()) GTEST_SKIP() << available.error().text;
        ASSERT_NE(mkdtemp(directory_.data()), nullptr);
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    std::unique_ptr<UringWorld> make(const UringSettings& settings) {
        Result<std::unique_ptr<UringWorld>> made = make_uring_world(settings);
        return std::move(made).value();
    }
    std::string path(const std::string& name) const { return directory_ + "/" + name; }

  private:
    std::string directory_ = ::testing::TempDir() + "ironbark-uring-XXXXXX";
};

Task<void> write_block(World* world, File* file, uint64_t index, Sync sync) {
    BufferSlice block(world->buffers.take(io_alignment), 0, io_alignment);
    std::memset(block.data(), static_cast<int>(index % 251), block.size);
    std::vector<BufferSlice> slices(1, block);
    EXPECT_TRUE((co_await write_fully(*file, index * io_alignment, std::move(slices), sync)).ok());
}

Task<void> read_block(World* world, File* file, uint64_t index) {
    BufferSlice block(world->buffers.take(io_alignment), 0, io_alignment);
    Result<size_t> count = co_await read_fully(*file, index * io_alignment, block);
    EXPECT_TRUE(count.ok() && *count == io_alignment);
    EXPECT_EQ(block.data()[0], index % 251);
    EXPECT_EQ(block.data()[io_alignment - 1], index % 251);
}

// Writes `count` blocks at once, and then reads them at once.
Task<void> write_and_read(World* world, std::string path, uint64_t count, Sync sync) {
    Result<std::unique_ptr<File>> file = co_await world->disk.open(path, OpenMode::create, true);
    EXPECT_TRUE(file.ok());
    Scope scope(world->executor);
    for (uint64_t index = 0; index < count; ++index) scope.spawn(write_block(world, file->get(), index, sync));
    co_await scope.join();
    for (uint64_t index = 0; index < count; ++index) scope.spawn(read_block(world, file->get(), index));
    co_await scope.join();
    co_await (*file)->close();
}

}  // namespace

TEST(UringAvailable, SaysThatASandboxForbidsIt) {
    for (int call : {__NR_io_uring_setup, __NR_io_uring_enter, __NR_io_uring_register}) {
        expect_refusal(call, EPERM, ErrorCode::permission_denied, "seccomp");
    }
}

TEST(UringAvailable, SaysThatTheKernelHasNone) {
    expect_refusal(__NR_io_uring_setup, ENOSYS, ErrorCode::unsupported, "6.1");
    expect_refusal(__NR_io_uring_setup, EINVAL, ErrorCode::unsupported, "6.1");
}

TEST(UringAvailable, SaysThatLockedMemoryIsShort) {
    expect_refusal(__NR_io_uring_setup, ENOMEM, ErrorCode::overloaded, "ulimit -l");
}

TEST_F(UringWorldTest, SubmitsTheOperationsOfATurnTogether) {
    auto world = make({});
    world->executor().run_until_done(write_and_read(&world->world(), path("file"), 100, Sync::no));
    const UringCounters& counters = world->counters();
    EXPECT_GE(counters.sqes, 200u);
    EXPECT_LE(counters.submits, 200u / 4);
    EXPECT_EQ(counters.syncs, 0u);
    EXPECT_EQ(counters.overflows, 0u);
    EXPECT_EQ(counters.short_writes, 0u);
}

TEST_F(UringWorldTest, LosesNothingWhenItsQueuesAreFarTooSmall) {
    UringSettings settings;
    settings.submission_entries = 4;
    settings.completion_entries = 8;
    for (SyncForm form : {SyncForm::flush_thread, SyncForm::linked, SyncForm::dsync, SyncForm::write_then_sync}) {
        settings.sync_form = form;
        auto world = make(settings);
        std::string name = "file-" + std::to_string(static_cast<int>(form));
        world->executor().run_until_done(write_and_read(&world->world(), path(name), 300, Sync::data));
        EXPECT_EQ(world->counters().syncs, 300u);
    }
}

TEST_F(UringWorldTest, WorksWhileItSpins) {
    UringSettings settings;
    settings.spin = 1ms;
    auto world = make(settings);
    world->executor().run_until_done(write_and_read(&world->world(), path("file"), 50, Sync::data));
}

TEST_F(UringWorldTest, CountsShortReads) {
    auto world = make({});
    struct Story {
        static Task<void> run(World* world, std::string path) {
            std::vector<uint8_t> text(100, 'x');
            EXPECT_TRUE((co_await replace_file(*world, path, text)).ok());
            Result<std::unique_ptr<File>> file = co_await world->disk.open(path, OpenMode::read, false);
            EXPECT_TRUE(file.ok());
            BufferSlice into(world->buffers.take(200), 0, 200);
            Result<size_t> count = co_await (*file)->read(0, into);
            EXPECT_TRUE(count.ok() && *count == 100);
            co_await (*file)->close();
        }
    };
    world->executor().run_until_done(Story::run(&world->world(), path("small")));
    EXPECT_EQ(world->counters().short_reads, 1u);
}

}  // namespace ironbark
