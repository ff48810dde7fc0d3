#include "runtime/io/posix_disk.h"

#include <utility>

namespace ironbark {

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

Task<Result<std::unique_ptr<File>>> PosixDisk::open(std::string path, OpenMode mode, bool direct) {
    auto call = [&] { return open_file(path, mode, direct); };
    CO_TRY(OpenedFile file, co_await threads_.run(std::move(call)));
    co_return std::unique_ptr<File>(new PosixFile(executor_, threads_, std::move(file)));
}

}  // namespace ironbark
