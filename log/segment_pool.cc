#include "log/segment_pool.h"

#include <algorithm>
#include <utility>

namespace ironbark::log {

void SegmentPool::adopt(std::vector<std::string> names) {
    for (std::string& name : names) files_.push_back({std::move(name), 0});
}

Task<Result<uint64_t>> SegmentPool::size_of(std::string path) {
    CO_TRY(std::unique_ptr<File> file, co_await world_.disk.open(std::move(path), OpenMode::read, false));
    Result<uint64_t> size = co_await file->size();
    co_await file->close();
    co_return size;
}

Task<std::optional<SegmentPool::Taken>> SegmentPool::take(uint64_t size) {
    while (true) {
        auto found = std::find_if(files_.rbegin(), files_.rend(),
                                  [size](const Entry& entry) { return entry.size == size || entry.size == 0; });
        if (found == files_.rend()) co_return std::nullopt;
        Entry entry = *found;
        files_.erase(std::next(found).base());
        std::string path = directory_ + "/" + entry.name;
        if (entry.size == size) co_return Taken{path, size};
        // From an earlier run: now its size is looked up.
        Result<uint64_t> known = co_await size_of(path);
        if (known.ok() && *known > 0) {
            files_.push_back({entry.name, *known});
        } else {
            (void)co_await world_.disk.remove(path);
        }
    }
}

Task<Result<void>> SegmentPool::put(std::string path, uint64_t size) {
    if (files_max_ == 0) co_return co_await world_.disk.remove(path);
    std::string name = world_.random.uuid().to_string();
    CO_TRY_VOID(co_await world_.disk.rename(path, directory_ + "/" + name));
    // Before it is written again: a power loss must not give it its old name with new contents.
    CO_TRY_VOID(co_await world_.disk.sync_directory(directory_));
    files_.push_back({name, size});
    // The oldest go: they are of a size that nobody asks for, or one too many.
    while (files_.size() > files_max_) {
        Entry oldest = files_.front();
        files_.erase(files_.begin());
        (void)co_await world_.disk.remove(directory_ + "/" + oldest.name);
    }
    co_return Result<void>();
}

}  // namespace ironbark::log
