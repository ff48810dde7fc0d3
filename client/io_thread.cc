#include "client/io_thread.h"

#include <algorithm>

namespace ironbark::client {
namespace {

// The posix world reads no files here; names are looked up by a thread of their own.
PosixSettings world_settings(const Settings& settings) {
    PosixSettings world;
    world.io_threads_max = 2;
    world.spin = std::chrono::microseconds(settings.spin_us);
    return world;
}

}  // namespace

IoThread::IoThread(const Settings& settings)
    : world_(make_posix_world(world_settings(settings))),
      scope_(world_->executor()),
      stopping_(world_->executor()),
      thread_([this] { world_->executor().run_until_done(main()); }) {}

IoThread::~IoThread() {
    stop();
}

Instant IoThread::deadline(std::chrono::milliseconds timeout) {
    constexpr std::chrono::milliseconds longest = std::chrono::hours(24 * 365);
    return world_->executor().now() + std::clamp(timeout, std::chrono::milliseconds(0), longest);
}

Task<void> IoThread::main() {
    co_await stopping_.wait();
    co_await scope_.join();
}

void IoThread::stop() {
    if (!thread_.joinable()) return;
    world_->executor().post_remote([this] { stopping_.set(); });
    thread_.join();
}

}  // namespace ironbark::client
