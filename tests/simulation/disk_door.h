#pragma once
// The Disk and File that a program of the simulated world sees, bound to one executor. Checks the rules of world.h
// that a real system leaves unchecked: alignment in direct mode, ranges in flight that overlap, buffers that change
// while they are written, files that are destroyed open.

#include <memory>
#include <string>
#include <vector>

#include "runtime/io/world.h"
#include "tests/simulation/simulated_disk.h"

namespace ironbark::simulation {

class DiskDoor final : public Disk {
  public:
    DiskDoor(SimulatedDisk& disk, Executor& executor) : disk_(disk), executor_(executor) {}

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
    // Runs `effect(DiskImage&)`, which returns Result<void>, as a change of names.
    template <typename Effect>
    Task<Result<void>> change(std::string path, bool is_change, Effect effect);

    SimulatedDisk& disk_;
    Executor& executor_;
};

}  // namespace ironbark::simulation
