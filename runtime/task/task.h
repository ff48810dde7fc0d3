#pragma once
// `Task<T>`: a lazy coroutine. It starts when it is awaited, is awaited exactly once, and its frame is owned by the
// Task; it is never detached (concurrency: task/scope.h). The awaiting coroutine continues as soon as the task has
// ended: without a suspension if it ended at once, else from inside the resumption that ended it.
//
// The awaiter resumes the child itself and reports whether it is already done, because symmetric transfer is no tail
// call in g++ 12 below -O2 and under sanitizers: long loops of tasks that end at once would overflow the stack. This
// needs one thread per executor, which we have.
//
// Parameters of coroutines are taken by value, or point to something that outlives the call. Name temporaries before a
// `co_await`: g++ 12 destroys braced aggregates inside the expression twice.

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "runtime/base/assert.h"

namespace ironbark {

template <typename T>
class Task;

namespace task_detail {

class PromiseBase {
  public:
    std::suspend_always initial_suspend() noexcept { return {}; }
    auto final_suspend() noexcept {
        struct Final {
            bool await_ready() noexcept { return false; }
            void await_suspend(std::coroutine_handle<>) noexcept {
                // A copy: resuming the parent destroys this frame.
                std::coroutine_handle<> parent = continuation;
                if (parent) parent.resume();
            }
            void await_resume() noexcept {}
            std::coroutine_handle<> continuation;
        };
        return Final{continuation_};
    }
    void unhandled_exception() noexcept { std::terminate(); }

    std::coroutine_handle<> continuation_;
};

template <typename T>
class Promise final : public PromiseBase {
  public:
    Task<T> get_return_object();
    template <typename U>
    void return_value(U&& value) {
        value_.emplace(std::forward<U>(value));
    }
    T take() { return std::move(*value_); }

  private:
    std::optional<T> value_;
};

template <>
class Promise<void> final : public PromiseBase {
  public:
    Task<void> get_return_object();
    void return_void() {}
    void take() {}
};

}  // namespace task_detail

template <typename T = void>
class [[nodiscard]] Task {
  public:
    using promise_type = task_detail::Promise<T>;

    Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
    Task& operator=(Task&& other) noexcept {
        std::swap(frame_, other.frame_);
        return *this;
    }
    ~Task() {
        if (frame_) frame_.destroy();
    }

    // Suspends until the task has ended; resumed by whoever lets it end. Must be awaited once.
    auto operator co_await() && noexcept {
        struct Awaiter {
            bool await_ready() noexcept { return false; }
            bool await_suspend(std::coroutine_handle<> parent) noexcept {
                frame.resume();
                if (frame.done()) return false;
                frame.promise().continuation_ = parent;
                return true;
            }
            T await_resume() { return frame.promise().take(); }
            std::coroutine_handle<promise_type> frame;
        };
        ASSERT(frame_ && !frame_.done());
        return Awaiter{frame_};
    }

  private:
    friend promise_type;
    explicit Task(std::coroutine_handle<promise_type> frame) : frame_(frame) {}
    std::coroutine_handle<promise_type> frame_;
};

template <typename T>
Task<T> task_detail::Promise<T>::get_return_object() {
    return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> task_detail::Promise<void>::get_return_object() {
    return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

}  // namespace ironbark
