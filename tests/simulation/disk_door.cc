#include "tests/simulation/disk_door.h"

#include <cerrno>
#include <utility>

#include "runtime/base/checksum.h"
#include "tests/simulation/completion.h"
#include "tests/simulation/simulated_file.h"

namespace ironbark::simulation {
namespace {

class Lock final : public DirectoryLock {
  public:
    Lock(SimulatedDisk& disk, Executor& executor, InodeId inode) : disk_(disk), executor_(executor), inode_(inode) {}
    ~Lock() override {
        if (!executor_.has_crashed()) disk_.unlock(inode_);
    }

  private:
    SimulatedDisk& disk_;
    Executor& executor_;
    InodeId inode_;
};

}  // namespace

Task<Result<std::unique_ptr<File>>> DiskDoor::open(std::string path, OpenMode mode, bool direct) {
    Completion<Result<InodeId>> opened(executor_);
    DiskOperation operation;
    operation.latency = disk_.options().directory;
    bool may_create = mode == OpenMode::create || mode == OpenMode::open_or_create;
    operation.is_change = may_create && !disk_.exists(path);
    operation.complete = [&] { opened.complete(disk_.finish_open(path, mode)); };
    if (operation.is_change) operation.interrupt = [&] { disk_.interrupt_open(path); };
    if (!executor_.has_crashed()) disk_.submit(std::move(operation));
    CO_TRY(InodeId inode, co_await opened);
    bool is_direct = direct && disk_.options().direct_io;
    co_return std::unique_ptr<File>(std::make_unique<SimulatedFile>(disk_, executor_, inode, mode, is_direct));
}

template <typename Effect>
Task<Result<void>> DiskDoor::change(std::string path, bool is_change, Effect effect) {
    Completion<Result<void>> done(executor_);
    DiskOperation operation;
    operation.latency = disk_.options().directory;
    operation.is_change = is_change;
    operation.complete = [&] {
        Result<void> result = effect(disk_.image());
        disk_.record(TraceKind::disk_directory, xxh3(as_bytes(path), 0),
                     static_cast<uint64_t>(result.ok() ? 0 : static_cast<int64_t>(result.error().code)));
        done.complete(result);
    };
    operation.interrupt = [&] {
        if (disk_.coin()) static_cast<void>(effect(disk_.image()));
    };
    if (!executor_.has_crashed()) disk_.submit(std::move(operation));
    co_return co_await done;
}

Task<Result<void>> DiskDoor::rename(std::string from, std::string to) {
    auto effect = [from, to](DiskImage& image) { return image.rename(from, to); };
    co_return co_await change(from, true, std::move(effect));
}

Task<Result<void>> DiskDoor::remove(std::string path) {
    auto effect = [path](DiskImage& image) { return image.remove(path); };
    co_return co_await change(path, disk_.exists(path), std::move(effect));
}

Task<Result<void>> DiskDoor::remove_directory(std::string path) {
    auto effect = [path](DiskImage& image) { return image.remove_directory(path); };
    co_return co_await change(path, disk_.exists(path), std::move(effect));
}

Task<Result<void>> DiskDoor::make_directory(std::string path) {
    auto effect = [this, path](DiskImage& image) -> Result<void> {
        if (!image.find(path).ok() && !disk_.has_room(0, 1)) {
            return error_from_errno(ENOSPC, "no space left on the device");
        }
        return image.make_directory(path);
    };
    co_return co_await change(path, !disk_.exists(path), std::move(effect));
}

Task<Result<void>> DiskDoor::sync_directory(std::string path) {
    CO_TRY(InodeId directory, disk_.image().find_directory(path));
    Sequence covered = disk_.image().sequence();
    Completion<Result<void>> done(executor_);
    DiskOperation operation;
    operation.latency = disk_.options().sync;
    operation.complete = [&] { done.complete(disk_.finish_sync_directory(directory, covered)); };
    if (!executor_.has_crashed()) disk_.submit(std::move(operation));
    co_return co_await done;
}

Task<Result<std::vector<std::string>>> DiskDoor::list(std::string path) {
    Completion<Result<std::vector<std::string>>> done(executor_);
    DiskOperation operation;
    operation.latency = disk_.options().directory;
    operation.is_change = false;
    operation.complete = [&] { done.complete(disk_.image().list(path)); };
    if (!executor_.has_crashed()) disk_.submit(std::move(operation));
    co_return co_await done;
}

Task<Result<DiskSpace>> DiskDoor::space(std::string path) {
    Completion<Result<DiskSpace>> done(executor_);
    DiskOperation operation;
    operation.latency = disk_.options().directory;
    operation.is_change = false;
    operation.complete = [&] { done.complete(disk_.space(path)); };
    if (!executor_.has_crashed()) disk_.submit(std::move(operation));
    co_return co_await done;
}

Task<Result<std::unique_ptr<DirectoryLock>>> DiskDoor::lock(std::string path) {
    Completion<Result<InodeId>> opened(executor_);
    DiskOperation operation;
    operation.latency = disk_.options().directory;
    operation.is_change = !disk_.exists(path);
    operation.complete = [&] { opened.complete(disk_.finish_lock(path)); };
    if (!executor_.has_crashed()) disk_.submit(std::move(operation));
    CO_TRY(InodeId inode, co_await opened);
    co_return std::unique_ptr<DirectoryLock>(std::make_unique<Lock>(disk_, executor_, inode));
}

}  // namespace ironbark::simulation
