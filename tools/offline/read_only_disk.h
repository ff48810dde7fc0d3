#pragma once
// A disk that cannot be changed: everything is opened for reading, and whatever would alter something is refused. The
// offline commands look at data directories through it, also beside a running daemon; what they use of log/ cannot
// repair by accident.

#include "runtime/io/world.h"

namespace ironbark::tools {

class ReadOnlyDisk final : public Disk {
  public:
    explicit ReadOnlyDisk(Disk& disk) : disk_(disk) {}

    // In any mode the file must exist.
    Task<Result<std::unique_ptr<File>>> open(std::string path, OpenMode mode, bool direct) override;
    Task<Result<void>> rename(std::string from, std::string to) override;
    Task<Result<void>> remove(std::string path) override;
    Task<Result<void>> remove_directory(std::string path) override;
    Task<Result<void>> make_directory(std::string path) override;
    Task<Result<void>> sync_directory(std::string path) override;
    Task<Result<std::vector<std::string>>> list(std::string path) override;
    Task<Result<DiskSpace>> space(std::string path) override;
    Task<Result<std::unique_ptr<DirectoryLock>>> lock(std::string path) override;

  private:
    Disk& disk_;
};

}  // namespace ironbark::tools
