#include "runtime/io/posix_disk.h"

#include <utility>

namespace ironbark {

Task<Result<size_t>> PosixFile::read(uint64_t position, BufferSlice into) {
    check_alignment(is_direct(), position, into);
    auto call = [&] { return read_file_once(fd(), position, into); };
    co_return co_await run<size_t>(&threads_, std::move(call));
}

Task<Result<size_t>> PosixFile::write(uint64_t position, std::vector<BufferSlice> slices, Sync sync) {
    for (const BufferSlice& slice : slices) check_alignment(is_direct(), position, slice);
    auto call = [&] {
        if (sync == Sync::no) return write_file_once(fd(), position, slices);
        return write_file_synced(file_, sync_, position, slices);
    };
    co_return co_await run<size_t>(&threads_, std::move(call));
}

Task<Result<void>> PosixFile::sync() {
    auto call = [&] { return sync_.sync(fd()); };
    co_return co_await run<void>(&threads_, std::move(call));
}

Task<Result<std::unique_ptr<File>>> PosixDisk::open(std::string path, OpenMode mode, bool direct) {
    auto call = [&] { return open_file(path, mode, direct); };
    CO_TRY(OpenedFile file, co_await threads_.run(std::move(call)));
    co_return std::unique_ptr<File>(new PosixFile(executor_, threads_, std::move(file)));
}

}  // namespace ironbark
