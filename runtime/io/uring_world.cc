#include "runtime/io/uring_world.h"

#include "runtime/io/io_threads.h"
#include "runtime/io/random.h"
#include "runtime/io/uring_disk.h"
#include "runtime/io/uring_executor.h"
#include "runtime/io/uring_network.h"

namespace ironbark {

namespace {

class UringWorldParts final : public UringWorld {
  public:
    UringWorldParts(std::unique_ptr<UringExecutor> executor, const UringSettings& settings)
        : buffers_(settings.buffer_stock_bytes_max),
          executor_(std::move(executor)),
          threads_(*executor_, settings.io_threads_max, settings.io_queue_max),
          flush_threads_(*executor_, settings.flush_threads_max, settings.io_queue_max),
          disk_(*executor_, threads_, flush_threads_, settings.sync_form),
          network_(*executor_),
          world_{*executor_, disk_, network_, random_, buffers_} {}

    const char* name() const override { return "io_uring"; }
    ThreadExecutor& executor() override { return *executor_; }
    World& world() override { return world_; }
    const UringCounters& counters() const override { return executor_->counters(); }

  private:
    BufferPool buffers_;
    std::unique_ptr<UringExecutor> executor_;
    IoThreads threads_;
    IoThreads flush_threads_;
    UringDisk disk_;
    UringNetwork network_;
    SystemRandom random_;
    World world_;
};

}  // namespace

Result<std::unique_ptr<UringWorld>> make_uring_world(const UringSettings& settings) {
    TRY(std::unique_ptr<UringExecutor> executor, UringExecutor::make(settings));
    return std::unique_ptr<UringWorld>(new UringWorldParts(std::move(executor), settings));
}

Result<void> uring_available() {
    TRY_VOID(UringExecutor::make(UringSettings{}));
    return {};
}

}  // namespace ironbark
