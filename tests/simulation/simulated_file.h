#pragma once
// An open file of a simulated process; see disk_door.h for what it checks.

#include <memory>
#include <vector>

#include "runtime/io/world.h"
#include "runtime/task/sync.h"
#include "tests/simulation/simulated_disk.h"

namespace ironbark::simulation {

class SimulatedFile final : public File {
  public:
    SimulatedFile(SimulatedDisk& disk, Executor& executor, InodeId inode, OpenMode mode, bool is_direct);
    ~SimulatedFile() override;

    bool is_direct() const override { return is_direct_; }
    Task<Result<size_t>> read(uint64_t position, BufferSlice into) override;
    Task<Result<size_t>> write(uint64_t position, std::vector<BufferSlice> slices, Sync sync) override;
    Task<Result<void>> sync() override;
    Task<Result<void>> allocate(uint64_t position, uint64_t length) override;
    Task<Result<void>> truncate(uint64_t size) override;
    Task<Result<uint64_t>> size() override;
    Task<void> close() override;

  private:
    void submit(DiskOperation operation);
    void check_aligned(const char* what, uint64_t value) const;
    void check_aligned(const BufferSlice& slice) const;
    // `effect()` changes the size; bytes go away from `cut_from` on.
    template <typename Effect>
    Task<Result<void>> resize(uint64_t cut_from, Effect effect);
    // Every operation passes through here when it is over, unless the process died.
    void operation_ended();

    SimulatedDisk& disk_;
    Executor& executor_;
    InodeId inode_;
    bool is_writable_;
    bool is_direct_;
    bool is_closed_ = false;
    size_t in_flight_ = 0;
    Event idle_;
};

}  // namespace ironbark::simulation
