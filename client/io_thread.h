#pragma once
// The thread of a client object: a posix world, and its loop. Application threads hand it tasks and wait for them; all
// clocks and deadlines are those of its world.

#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include "ironbark/settings.h"
#include "runtime/io/posix_world.h"
#include "runtime/task/scope.h"

namespace ironbark::client {

class IoThread {
  public:
    explicit IoThread(const Settings& settings);
    IoThread(const IoThread&) = delete;
    IoThread& operator=(const IoThread&) = delete;
    ~IoThread();  // stop()

    World& world() { return world_->world(); }
    // Whether the caller is this thread: then it must not wait for it.
    bool is_here() const { return std::this_thread::get_id() == thread_.get_id(); }
    // `timeout` from now on; far beyond what anybody waits for, it is cut off.
    Instant deadline(std::chrono::milliseconds timeout);

    // Runs the task that `make()` returns, on this thread, and waits for its result. REQUIRES: !is_here(), not stopped
    template <typename Make>
    auto run(Make make) {
        using Result = decltype(std::declval<decltype(make().operator co_await())>().await_resume());
        std::promise<Result> promise;
        world_->executor().post_remote([this, &make, &promise] { scope_.spawn(fulfil(make(), &promise)); });
        return promise.get_future().get();
    }
    // Starts the task and does not wait. It ends before `stop` returns: whoever spawns it sees to that.
    template <typename Make>
    void spawn(Make make) {
        world_->executor().post_remote([this, make] { scope_.spawn(make()); });
    }
    // Joins everything that was started, then ends the thread. Idempotent.
    void stop();

  private:
    template <typename T>
    static Task<void> fulfil(Task<T> task, std::promise<T>* promise) {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(task);
            promise->set_value();
        } else {
            promise->set_value(co_await std::move(task));
        }
    }
    Task<void> main();

    std::unique_ptr<ThreadWorld> world_;
    Scope scope_;
    Event stopping_;
    std::thread thread_;
};

}  // namespace ironbark::client
