#pragma once
// A place in a coroutine's frame where the simulated world leaves an answer. Completed once, by an event; the coroutine
// goes on at its executor's next turn. If the process dies first, it is never completed and vanishes with the frame.

#include <coroutine>
#include <optional>
#include <utility>

#include "runtime/base/assert.h"
#include "runtime/task/executor.h"

namespace ironbark::simulation {

template <typename T>
class Completion {
  public:
    explicit Completion(Executor& executor) : executor_(executor) {}
    Completion(const Completion&) = delete;
    Completion& operator=(const Completion&) = delete;

    void complete(T value) {
        ASSERT(!value_.has_value());
        value_.emplace(std::move(value));
        if (waiting_) executor_.post(waiting_);
    }

    bool await_ready() const noexcept { return value_.has_value(); }
    void await_suspend(std::coroutine_handle<> waiting) noexcept { waiting_ = waiting; }
    T await_resume() { return std::move(*value_); }

  private:
    Executor& executor_;
    std::optional<T> value_;
    std::coroutine_handle<> waiting_;
};

}  // namespace ironbark::simulation
