#pragma once
// What every real world promises, as sentences: the suites of world_conformance_*_test.cc run in each of them, on real
// files in a temporary directory and over loopback. A story is a coroutine that plays in the world under test.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "runtime/io/posix_world.h"
#include "runtime/io/uring_world.h"

namespace ironbark::testing {

enum class WorldKind { posix, uring, uring_linked, uring_dsync, uring_write_then_sync };

inline std::unique_ptr<ThreadWorld> make_uring(SyncForm form) {
    UringSettings settings;
    settings.sync_form = form;
    Result<std::unique_ptr<UringWorld>> world = make_uring_world(settings);
    return std::move(world).value();
}

inline std::unique_ptr<ThreadWorld> make_world(WorldKind kind) {
    switch (kind) {
        case WorldKind::posix: return make_posix_world();
        case WorldKind::uring: return make_uring(SyncForm::flush_thread);
        case WorldKind::uring_linked: return make_uring(SyncForm::linked);
        case WorldKind::uring_dsync: return make_uring(SyncForm::dsync);
        case WorldKind::uring_write_then_sync: return make_uring(SyncForm::write_then_sync);
    }
    UNREACHABLE();
}

// Those that this machine allows; uring_world_test tells when io_uring is not among them.
inline std::vector<WorldKind> all_worlds() {
    if (!uring_available().ok()) return {WorldKind::posix};
    return {WorldKind::posix, WorldKind::uring};
}

// The same, with every form of a synced write.
inline std::vector<WorldKind> all_disk_worlds() {
    std::vector<WorldKind> worlds = all_worlds();
    if (worlds.size() == 1) return worlds;
    for (WorldKind kind : {WorldKind::uring_linked, WorldKind::uring_dsync, WorldKind::uring_write_then_sync}) {
        worlds.push_back(kind);
    }
    return worlds;
}

inline std::string world_name(const ::testing::TestParamInfo<WorldKind>& info) {
    switch (info.param) {
        case WorldKind::posix: return "Posix";
        case WorldKind::uring: return "IoUring";
        case WorldKind::uring_linked: return "IoUringLinked";
        case WorldKind::uring_dsync: return "IoUringDsync";
        case WorldKind::uring_write_then_sync: return "IoUringWriteThenSync";
    }
    UNREACHABLE();
}

class WorldTest : public ::testing::TestWithParam<WorldKind> {
  protected:
    WorldTest() : directory_(::testing::TempDir() + "ironbark-world-XXXXXX") {
        if (mkdtemp(directory_.data()) == nullptr) std::abort();
    }
    ~WorldTest() override { std::filesystem::remove_all(directory_); }

    ThreadWorld& thread_world() { return *thread_world_; }
    World* world() { return &thread_world_->world(); }
    ThreadExecutor& executor() { return thread_world_->executor(); }
    std::string path(const std::string& name) const { return directory_ + "/" + name; }
    const std::string& directory() const { return directory_; }
    void play(Task<void> story) { executor().run_until_done(std::move(story)); }

  private:
    std::string directory_;
    std::unique_ptr<ThreadWorld> thread_world_ = make_world(GetParam());
};

// A slice of `size` bytes that differ from place to place and from `seed` to `seed`.
inline BufferSlice pattern(World& world, size_t size, uint64_t seed) {
    BufferSlice slice(world.buffers.take(size), 0, size);
    uint64_t state = seed * 2654435761u + 1;
    for (size_t index = 0; index < size; ++index) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        slice.data()[index] = static_cast<uint8_t>(state >> 56);
    }
    return slice;
}

inline BufferSlice empty_slice(World& world, size_t size) {
    BufferSlice slice(world.buffers.take(size), 0, size);
    std::memset(slice.data(), 0xee, size);
    return slice;
}

inline bool equal(const BufferSlice& left, const BufferSlice& right) {
    return left.size == right.size && std::memcmp(left.data(), right.data(), left.size) == 0;
}

inline std::vector<BufferSlice> one(BufferSlice slice) {
    std::vector<BufferSlice> slices;
    slices.push_back(std::move(slice));
    return slices;
}

// The name of what came out: an error's, or "none".
template <typename T>
const char* outcome(const Result<T>& result) {
    return name(result.ok() ? ErrorCode::none : result.error().code);
}

}  // namespace ironbark::testing

// In a story: takes the value of a Result, or fails the test and ends the story.
#define HAVE(declaration, expression)                                                         \
    auto IRONBARK_JOIN(have_, __LINE__) = (expression);                                       \
    if (!IRONBARK_JOIN(have_, __LINE__).ok()) {                                               \
        ADD_FAILURE() << #expression << ": " << ::ironbark::name(IRONBARK_JOIN(have_, __LINE__).error().code) << " " \
                      << IRONBARK_JOIN(have_, __LINE__).error().system_errno;                 \
        co_return;                                                                            \
    }                                                                                         \
    declaration = std::move(IRONBARK_JOIN(have_, __LINE__)).value()

#define EXPECT_OK(expression) EXPECT_STREQ(::ironbark::testing::outcome(expression), "none")
#define EXPECT_ERROR(wanted, expression) \
    EXPECT_STREQ(::ironbark::testing::outcome(expression), ::ironbark::name(ErrorCode::wanted))
