#include "runtime/io/file_calls.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

namespace ironbark {

TEST(FileSync, FailsForEverAfterTheFirstFailure) {
    int pipe_fds[2];
    ASSERT_EQ(pipe(pipe_fds), 0);
    Descriptor reader(pipe_fds[0]);
    Descriptor writer(pipe_fds[1]);
    std::FILE* file = std::tmpfile();
    FileSync sync;
    EXPECT_TRUE(sync.sync(fileno(file)).ok());
    Result<void> first = sync.sync(writer.get());  // a pipe cannot be synced
    ASSERT_FALSE(first.ok());
    EXPECT_EQ(first.error().system_errno, EINVAL);
    Result<void> second = sync.sync(fileno(file));  // this one can, but the promise is broken
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().system_errno, EINVAL);
    EXPECT_FALSE(sync.note(0).ok());
    std::fclose(file);
}

TEST(FileSync, RemembersAFailureItWasToldOf) {
    FileSync sync;
    EXPECT_TRUE(sync.note(0).ok());
    EXPECT_FALSE(sync.note(EIO).ok());
    EXPECT_FALSE(sync.note(0).ok());
}

TEST(IoVectors, SkipEmptySlicesAndWhatHasBeenDone) {
    BufferPool pool;
    std::vector<BufferSlice> slices;
    for (size_t size : {size_t{10}, size_t{0}, size_t{20}}) slices.emplace_back(pool.take(size), 0, size);
    std::vector<iovec> all = io_vectors(slices);
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[1].iov_len, 20u);
    std::vector<iovec> rest = io_vectors(slices, 0, 10);
    ASSERT_EQ(rest.size(), 1u);
    std::vector<iovec> part = io_vectors(slices, 2, 5);
    ASSERT_EQ(part.size(), 1u);
    EXPECT_EQ(part[0].iov_base, slices[2].data() + 5);
    EXPECT_EQ(part[0].iov_len, 15u);
}

TEST(IoVectors, AreNoMoreThanTheKernelTakes) {
    BufferPool pool;
    BufferSlice slice(pool.take(1), 0, 1);
    std::vector<BufferSlice> slices(io_vectors_max + 5, slice);
    EXPECT_EQ(io_vectors(slices).size(), io_vectors_max);
}

TEST(OpenFile, RefusesWhatIsNotAFile) {
    Result<OpenedFile> file = open_file(::testing::TempDir(), OpenMode::read, false);
    ASSERT_FALSE(file.ok());
    EXPECT_EQ(file.error().code, ErrorCode::unsupported);
}

}  // namespace ironbark
