#include "log/segment_pool.h"

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
    while (!files_.empty()) {
        Entry entry = std::move(files_.back());
        files_.pop_back();
        std::string path = directory_ + "/" + entry.name;
        if (entry.size == 0) {
            Result<uint64_t> found = co_await size_of(path);
            entry.size = found.ok() ? *found : 0;
        }
        if (entry.size == size) co_return Taken{path, size};
        // Of another size (segment.bytes was changed), or gone: no use to anybody.
        (void)co_await world_.disk.remove(path);
    }
    co_return std::nullopt;
}

Task<Result<void>> SegmentPool::put(std::string path, uint64_t size) {
    if (files_.size() >= files_max_) co_return co_await world_.disk.remove(path);
    std::string name = world_.random.uuid().to_string();
    CO_TRY_VOID(co_await world_.disk.rename(path, directory_ + "/" + name));
    files_.push_back({name, size});
    co_return Result<void>();
}

}  // namespace ironbark::log
