#include "runtime/io/posix_world.h"

#include "runtime/io/io_threads.h"
#include "runtime/io/posix_disk.h"
#include "runtime/io/posix_executor.h"
#include "runtime/io/posix_network.h"
#include "runtime/io/random.h"

namespace ironbark {

namespace {

class PosixWorld final : public ThreadWorld {
  public:
    explicit PosixWorld(const PosixSettings& settings)
        : buffers_(settings.buffer_stock_bytes_max),
          executor_(settings.spin),
          threads_(executor_, settings.io_threads_max, settings.io_queue_max),
          disk_(executor_, threads_),
          network_(executor_),
          world_{executor_, disk_, network_, random_, buffers_} {}

    const char* name() const override { return "posix"; }
    ThreadExecutor& executor() override { return executor_; }
    World& world() override { return world_; }

  private:
    BufferPool buffers_;
    PosixExecutor executor_;
    IoThreads threads_;
    PosixDisk disk_;
    PosixNetwork network_;
    SystemRandom random_;
    World world_;
};

}  // namespace

std::unique_ptr<ThreadWorld> make_posix_world(const PosixSettings& settings) {
    return std::make_unique<PosixWorld>(settings);
}

}  // namespace ironbark
