#include "log/unfinished.h"

#include <cstring>
#include <vector>

#include "log/graveyard.h"
#include "log/segment.h"

namespace ironbark::log {
namespace {

// A file that was not there is as good as removed.
Task<Result<void>> remove(World* world, std::string path) {
    Result<void> removed = co_await world->disk.remove(std::move(path));
    if (!removed.ok() && removed.error().code == ErrorCode::not_found) co_return Result<void>();
    co_return removed;
}

// The rest of the block that holds the place; its beginning is written again as it was.
Task<Result<void>> clear_rest_of_block(World* world, File* file, uint64_t position) {
    const size_t keep = static_cast<size_t>(position % block_size);
    BufferSlice block(world->buffers.take(block_size), 0, block_size);
    CO_TRY_VOID(co_await read_fully(*file, position - keep, block));
    std::memset(block.data() + keep, 0, block_size - keep);
    std::vector<BufferSlice> slices;
    slices.push_back(std::move(block));
    co_return co_await write_fully(*file, position - keep, std::move(slices), Sync::no);
}

// A file that has lost even what was to stay is left as it is: what is missing is noticed when it is read.
Task<Result<void>> cut_file(World* world, File* file, uint64_t position) {
    CO_TRY(uint64_t size, co_await file->size());
    const uint64_t end = round_up(position, block_size);
    if (position < end && size >= end) CO_TRY_VOID(co_await clear_rest_of_block(world, file, position));
    if (size > end) CO_TRY_VOID(co_await file->truncate(end));
    co_return co_await file->sync();
}

}  // namespace

Task<Result<void>> finish_cut(World* world, std::string directory, Floor place) {
    CO_TRY(std::vector<std::string> names, co_await world->disk.list(directory));
    for (const std::string& name : names) {
        std::optional<Offset> log = offset_of_file_name(name, log_suffix);
        std::optional<Offset> index = offset_of_file_name(name, index_suffix);
        std::optional<Offset> snapshot = offset_of_file_name(name, producers_suffix);
        bool goes = (log && *log > place.segment_base) || (index && *index >= place.segment_base) ||
                    (snapshot && *snapshot > place.offset);
        if (goes) CO_TRY_VOID(co_await remove(world, directory + "/" + name));
    }
    std::string path = directory + "/" + segment_file_name(place.segment_base, log_suffix);
    Result<std::unique_ptr<File>> file = co_await world->disk.open(std::move(path), OpenMode::read_write, true);
    if (!file.ok() && file.error().code != ErrorCode::not_found) co_return file.error();
    if (file.ok()) {
        Result<void> cut = co_await cut_file(world, file->get(), place.position);
        co_await (*file)->close();
        CO_TRY_VOID(cut);
    }
    co_return co_await world->disk.sync_directory(directory);
}

Task<Result<void>> finish_restart(World* world, std::string directory, Floor place) {
    CO_TRY(std::vector<std::string> names, co_await world->disk.list(directory));
    CO_TRY(std::optional<Timestamp> burial, co_await newest_burial(world, directory));
    const std::string waiting = segment_file_name(place.offset, restart_suffix);
    const std::string snapshot = segment_file_name(place.offset, producers_suffix);
    for (const std::string& name : names) {
        if (std::optional<Offset> base = offset_of_file_name(name, log_suffix)) {
            if (!burial) co_return Error(ErrorCode::corrupt_data, "there is no burial for a log that starts anew");
            CO_TRY_VOID(co_await bury_segment(world, directory, *burial, *base));
            continue;
        }
        bool is_old = offset_of_file_name(name, index_suffix) || offset_of_file_name(name, producers_suffix) ||
                      offset_of_file_name(name, restart_suffix);
        if (is_old && name != waiting && name != snapshot) CO_TRY_VOID(co_await remove(world, directory + "/" + name));
    }
    Result<void> named = co_await world->disk.rename(directory + "/" + waiting, directory + "/" + snapshot);
    if (!named.ok() && named.error().code != ErrorCode::not_found) co_return named;
    if (burial) CO_TRY_VOID(co_await world->disk.sync_directory(directory + "/graveyard"));
    co_return co_await world->disk.sync_directory(directory);
}

}  // namespace ironbark::log
