#include "tests/simulation/simulated_file.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "runtime/base/checksum.h"
#include "tests/simulation/completion.h"

namespace ironbark::simulation {
namespace {

constexpr Error file_closed(ErrorCode::closed, "the file was closed");
constexpr Error read_only(ErrorCode::io_error, "the file was opened for reading", EBADF);
constexpr uint64_t end_of_everything = ~uint64_t{0};

uint64_t hash_of_content(const std::vector<BufferSlice>& slices) {
    std::vector<uint8_t> bytes;
    for (const BufferSlice& slice : slices) bytes.insert(bytes.end(), slice.bytes().begin(), slice.bytes().end());
    return xxh3(bytes, 0);
}

}  // namespace

SimulatedFile::SimulatedFile(SimulatedDisk& disk, Executor& executor, InodeId inode, OpenMode mode, bool is_direct)
    : disk_(disk),
      executor_(executor),
      inode_(inode),
      is_writable_(mode != OpenMode::read),
      is_direct_(is_direct),
      idle_(executor) {}

SimulatedFile::~SimulatedFile() {
    if (!is_closed_ && !executor_.has_crashed()) disk_.fail("a file was destroyed before it was closed");
}

void SimulatedFile::submit(DiskOperation operation) {
    ++in_flight_;
    operation.inode = inode_;
    if (!executor_.has_crashed()) disk_.submit(std::move(operation));
}

void SimulatedFile::operation_ended() {
    if (--in_flight_ == 0) idle_.pulse();
}

void SimulatedFile::check_aligned(const char* what, uint64_t value) const {
    if (!is_direct_ || value % io_alignment == 0) return;
    disk_.fail(std::string("direct I/O with a ") + what + " that is not a multiple of 4096: " + std::to_string(value));
}

void SimulatedFile::check_aligned(const BufferSlice& slice) const {
    check_aligned("size", slice.size);
    if (is_direct_ && reinterpret_cast<uintptr_t>(slice.data()) % io_alignment != 0) {
        disk_.fail("direct I/O with memory that is not aligned to 4096");
    }
}

Task<Result<size_t>> SimulatedFile::read(uint64_t position, BufferSlice into) {
    if (is_closed_) co_return file_closed;
    check_aligned("position", position);
    check_aligned(into);
    Completion<Result<size_t>> done(executor_);
    DiskOperation operation;
    operation.latency = disk_.options().read;
    operation.is_change = false;
    operation.begin = position;
    operation.end = position + into.size;
    operation.complete = [&] { done.complete(disk_.finish_read(inode_, position, into, is_direct_)); };
    submit(std::move(operation));
    Result<size_t> result = co_await done;
    operation_ended();
    co_return result;
}

Task<Result<size_t>> SimulatedFile::write(uint64_t position, std::vector<BufferSlice> slices, Sync sync) {
    if (is_closed_) co_return file_closed;
    if (!is_writable_) co_return read_only;
    check_aligned("position", position);
    for (const BufferSlice& slice : slices) check_aligned(slice);
    Completion<Result<size_t>> done(executor_);
    uint64_t length = total_size(slices);
    uint64_t hash = hash_of_content(slices);
    auto request = std::make_shared<WriteRequest>(inode_, position, std::move(slices), sync, is_direct_, hash);
    DiskOperation operation;
    operation.latency = disk_.options().write;
    if (sync == Sync::data) {
        operation.latency.least += disk_.options().sync.least;
        operation.latency.mean += disk_.options().sync.mean;
    }
    operation.begin = position;
    operation.end = position + length;
    operation.complete = [&disk = disk_, &done, request] { done.complete(disk.finish_write(*request)); };
    operation.interrupt = [&disk = disk_, request] { disk.interrupt_write(*request); };
    submit(std::move(operation));
    Result<size_t> result = co_await done;
    operation_ended();
    co_return result;
}

Task<Result<void>> SimulatedFile::sync() {
    if (is_closed_) co_return file_closed;
    Completion<Result<void>> done(executor_);
    Sequence covered = disk_.image().sequence();
    DiskOperation operation;
    operation.latency = disk_.options().sync;
    operation.complete = [&] { done.complete(disk_.finish_sync(inode_, covered)); };
    submit(std::move(operation));
    Result<void> result = co_await done;
    operation_ended();
    co_return result;
}

template <typename Effect>
Task<Result<void>> SimulatedFile::resize(uint64_t cut_from, Effect effect) {
    if (is_closed_) co_return file_closed;
    if (!is_writable_) co_return read_only;
    Completion<Result<void>> done(executor_);
    DiskOperation operation;
    operation.latency = disk_.options().directory;
    operation.begin = cut_from;
    operation.end = end_of_everything;
    operation.complete = [&] { done.complete(effect()); };
    operation.interrupt = [&] {
        if (disk_.coin()) static_cast<void>(effect());
    };
    submit(std::move(operation));
    Result<void> result = co_await done;
    operation_ended();
    co_return result;
}

Task<Result<void>> SimulatedFile::allocate(uint64_t position, uint64_t length) {
    auto effect = [this, end = position + length] { return disk_.finish_allocate(inode_, end); };
    co_return co_await resize(end_of_everything, std::move(effect));
}

Task<Result<void>> SimulatedFile::truncate(uint64_t size) {
    auto effect = [this, size] { return disk_.finish_resize(inode_, size); };
    co_return co_await resize(size, std::move(effect));
}

Task<Result<uint64_t>> SimulatedFile::size() {
    if (is_closed_) co_return file_closed;
    Completion<Result<uint64_t>> done(executor_);
    DiskOperation operation;
    operation.latency = disk_.options().directory;
    operation.is_change = false;
    operation.complete = [&] { done.complete(disk_.image().file(inode_).size(View::visible)); };
    submit(std::move(operation));
    Result<uint64_t> result = co_await done;
    operation_ended();
    co_return result;
}

Task<void> SimulatedFile::close() {
    if (is_closed_) co_return;
    is_closed_ = true;
    while (in_flight_ != 0) co_await idle_.wait();
    if (!executor_.has_crashed()) disk_.image().closed(inode_);
}

}  // namespace ironbark::simulation
