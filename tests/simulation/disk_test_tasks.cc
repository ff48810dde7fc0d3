#include "tests/simulation/disk_test_tasks.h"

namespace ironbark::simulation {

Task<void> make_file(World& world, std::string path) {
    std::string directory = directory_of(path);
    ASSERT((co_await world.disk.make_directory(directory)).ok());
    Result<std::unique_ptr<File>> file = co_await world.disk.open(path, OpenMode::open_or_create, false);
    ASSERT(file.ok());
    co_await (*file)->close();
    ASSERT((co_await world.disk.sync_directory(directory)).ok());
    ASSERT((co_await world.disk.sync_directory(".")).ok());
}

Task<Result<void>> write_text(World& world, std::string path, uint64_t position, std::string text, Sync sync) {
    CO_TRY(std::unique_ptr<File> file, co_await world.disk.open(path, OpenMode::read_write, false));
    std::vector<BufferSlice> slices;
    slices.push_back(world.buffers.copy_of(as_bytes(text)));
    Result<void> written = co_await write_fully(*file, position, std::move(slices), sync);
    co_await file->close();
    co_return written;
}

Task<Result<void>> sync_file(World& world, std::string path) {
    CO_TRY(std::unique_ptr<File> file, co_await world.disk.open(path, OpenMode::read_write, false));
    Result<void> synced = co_await file->sync();
    co_await file->close();
    co_return synced;
}

Task<Result<std::string>> read_text(World& world, std::string path, uint64_t position, size_t size) {
    CO_TRY(std::unique_ptr<File> file, co_await world.disk.open(path, OpenMode::read, false));
    BufferSlice into(world.buffers.take(size), 0, size);
    Result<size_t> count = co_await read_fully(*file, position, into);
    co_await file->close();
    if (!count.ok()) co_return count.error();
    co_return std::string(as_text(into.bytes().first(*count)));
}

std::string text_of(Node& node, const std::string& path, View view) {
    std::vector<uint8_t> bytes = node.disk().read(path, view);
    return std::string(as_text(bytes));
}

}  // namespace ironbark::simulation
