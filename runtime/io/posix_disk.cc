#include "runtime/io/posix_disk.h"

#include <utility>

namespace ironbark {

PosixFile::PosixFile(Executor& executor, IoThreads& threads, OpenedFile file)
    : threads_(threads),
      descriptor_(std::move(file.descriptor)),
      is_direct_(file.is_direct),
      in_flight_(executor) {}

PosixFile::~PosixFile() { ASSERT(in_flight_.count() == 0); }

template <typename Value, typename Call>
Task<Result<Value>> PosixFile::run(Call call) {
    if (closing_) co_return Error(ErrorCode::closed, "the file was closed");
    InFlight::Mark mark(in_flight_);
    co_return co_await threads_.run(std::move(call));
}

Task<Result<size_t>> PosixFile::read(uint64_t position, BufferSlice into) {
    check_alignment(is_direct_, position, into);
    auto call = [&] { return read_file_once(descriptor_.get(), position, into); };
    co_return co_await run<size_t>(std::move(call));
}

Task<Result<size_t>> PosixFile::write(uint64_t position, std::vector<BufferSlice> slices, Sync sync) {
    for (const BufferSlice& slice : slices) check_alignment(is_direct_, position, slice);
    auto call = [&] { return write_and_sync(position, slices, sync); };
    co_return co_await run<size_t>(std::move(call));
}

Result<size_t> PosixFile::write_and_sync(uint64_t position, const std::vector<BufferSlice>& slices, Sync sync) {
    TRY(size_t count, write_file_once(descriptor_.get(), position, slices));
    if (sync == Sync::data && count == total_size(slices)) TRY_VOID(sync_.sync(descriptor_.get()));
    return count;
}

Task<Result<void>> PosixFile::sync() {
    auto call = [&] { return sync_.sync(descriptor_.get()); };
    co_return co_await run<void>(std::move(call));
}

Task<Result<void>> PosixFile::allocate(uint64_t position, uint64_t length) {
    auto call = [&] { return allocate_file(descriptor_.get(), position, length); };
    co_return co_await run<void>(std::move(call));
}

Task<Result<void>> PosixFile::truncate(uint64_t size) {
    auto call = [&] { return truncate_file(descriptor_.get(), size); };
    co_return co_await run<void>(std::move(call));
}

Task<Result<uint64_t>> PosixFile::size() {
    auto call = [&] { return file_size(descriptor_.get()); };
    co_return co_await run<uint64_t>(std::move(call));
}

Task<void> PosixFile::close() {
    closing_ = true;
    co_await in_flight_.drained();
    if (!descriptor_.is_open()) co_return;
    // Closing the last descriptor of a removed file frees its blocks, which takes time.
    auto call = [descriptor = std::move(descriptor_)]() mutable {
        descriptor.close();
        return true;
    };
    co_await threads_.run(std::move(call));
}

Task<Result<std::unique_ptr<File>>> PosixDisk::open(std::string path, OpenMode mode, bool direct) {
    auto call = [&] { return open_file(path, mode, direct); };
    CO_TRY(OpenedFile file, co_await threads_.run(std::move(call)));
    co_return std::unique_ptr<File>(new PosixFile(executor_, threads_, std::move(file)));
}

}  // namespace ironbark
