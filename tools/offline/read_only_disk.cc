#include "tools/offline/read_only_disk.h"

namespace ironbark::tools {
namespace {

constexpr Error only_reads(ErrorCode::permission_denied, "this command only reads");

// Opened for writing by code that recovers; here every change is refused before the operating system is asked.
class ReadOnlyFile final : public File {
  public:
    explicit ReadOnlyFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

    bool is_direct() const override { return file_->is_direct(); }
    Task<Result<size_t>> read(uint64_t position, BufferSlice into) override {
        return file_->read(position, std::move(into));
    }
    Task<Result<size_t>> write(uint64_t, std::vector<BufferSlice>, Sync) override { co_return only_reads; }
    Task<Result<void>> sync() override { co_return only_reads; }
    Task<Result<void>> allocate(uint64_t, uint64_t) override { co_return only_reads; }
    Task<Result<void>> truncate(uint64_t) override { co_return only_reads; }
    Task<Result<uint64_t>> size() override { return file_->size(); }
    Task<void> close() override { return file_->close(); }

  private:
    std::unique_ptr<File> file_;
};

}  // namespace

Task<Result<std::unique_ptr<File>>> ReadOnlyDisk::open(std::string path, OpenMode, bool direct) {
    CO_TRY(std::unique_ptr<File> file, co_await disk_.open(std::move(path), OpenMode::read, direct));
    co_return std::unique_ptr<File>(new ReadOnlyFile(std::move(file)));
}

Task<Result<void>> ReadOnlyDisk::rename(std::string, std::string) { co_return only_reads; }

Task<Result<void>> ReadOnlyDisk::remove(std::string) { co_return only_reads; }

Task<Result<void>> ReadOnlyDisk::remove_directory(std::string) { co_return only_reads; }

Task<Result<void>> ReadOnlyDisk::make_directory(std::string) { co_return only_reads; }

Task<Result<void>> ReadOnlyDisk::sync_directory(std::string) { co_return only_reads; }

Task<Result<std::vector<std::string>>> ReadOnlyDisk::list(std::string path) { return disk_.list(std::move(path)); }

Task<Result<DiskSpace>> ReadOnlyDisk::space(std::string path) { return disk_.space(std::move(path)); }

Task<Result<std::unique_ptr<DirectoryLock>>> ReadOnlyDisk::lock(std::string) { co_return only_reads; }

}  // namespace ironbark::tools
