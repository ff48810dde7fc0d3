#pragma once
// Where an offline command runs: the posix world with a disk that only reads. What is written elsewhere (an export) is
// written through `writing`.

#include <memory>

#include "runtime/io/posix_world.h"
#include "tools/offline/read_only_disk.h"

namespace ironbark::tools {

class OfflineWorld {
  public:
    OfflineWorld() : posix_(make_posix_world()), disk_(posix_->world().disk) {}

    World reading() {
        const World& all = posix_->world();
        return {all.executor, disk_, all.network, all.random, all.buffers};
    }
    World& writing() { return posix_->world(); }

    // Runs `task` to its end.
    template <typename T>
    T run(Task<T> task) {
        std::optional<T> result;
        posix_->executor().run_until_done(store(std::move(task), &result));
        return std::move(*result);
    }

  private:
    template <typename T>
    static Task<void> store(Task<T> task, std::optional<T>* result) {
        result->emplace(co_await std::move(task));
    }

    std::unique_ptr<ThreadWorld> posix_;
    ReadOnlyDisk disk_;
};

}  // namespace ironbark::tools
