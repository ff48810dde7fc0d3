#pragma once
// Concurrency that is joined. Whoever starts coroutines beside itself owns a Scope, spawns into it, and awaits `join`
// before destroying it; the destructor asserts that. Only a simulated crash destroys coroutines where they stand.

#include <coroutine>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/base/assert.h"
#include "runtime/task/sync.h"
#include "runtime/task/task.h"

namespace ironbark {

class Scope {
  public:
    explicit Scope(Executor& executor) : executor_(executor), idle_(executor) { idle_.set(); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope();

    // Queues `task`; it starts at the executor's next turn, in the order of the calls.
    void spawn(Task<void> task);
    // Suspends until every spawned task has ended, those spawned meanwhile included.
    Task<void> join() {
        while (count_ != 0) co_await idle_.wait();
    }
    size_t count() const { return count_; }

  private:
    struct Root {
        struct promise_type {
            promise_type(Scope& owner, Task<void>&) : scope(owner) {}
            Root get_return_object() {
                return {std::coroutine_handle<promise_type>::from_promise(*this)};
            }
            std::suspend_always initial_suspend() noexcept { return {}; }
            auto final_suspend() noexcept {
                struct Final {
                    bool await_ready() noexcept { return false; }
                    void await_suspend(std::coroutine_handle<promise_type> ending) noexcept {
                        ending.promise().scope.ended(ending);
                    }
                    void await_resume() noexcept {}
                };
                return Final{};
            }
            void return_void() {}
            void unhandled_exception() noexcept { std::terminate(); }

            Scope& scope;
            promise_type* previous = nullptr;
            promise_type* next = nullptr;
        };
        std::coroutine_handle<promise_type> frame;
    };
    static Root run(Scope& scope, Task<void> task);
    void ended(std::coroutine_handle<Root::promise_type> frame);

    Executor& executor_;
    Root::promise_type* first_ = nullptr;
    size_t count_ = 0;
    Event idle_;
};

// Runs the tasks beside each other and returns their results in order, when all have ended.
template <typename T>
Task<std::vector<T>> all(Executor& executor, std::vector<Task<T>> tasks) {
    std::vector<std::optional<T>> results(tasks.size());
    {
        Scope scope(executor);
        struct Runner {
            static Task<void> run(Task<T> task, std::optional<T>* result) {
                result->emplace(co_await std::move(task));
            }
        };
        for (size_t index = 0; index < tasks.size(); ++index) {
            scope.spawn(Runner::run(std::move(tasks[index]), &results[index]));
        }
        co_await scope.join();
    }
    std::vector<T> values;
    values.reserve(results.size());
    for (std::optional<T>& result : results) values.push_back(std::move(*result));
    co_return values;
}

// Runs `make()` (which returns a Task<T>) on another executor's thread, inside `there`, and resumes here with its
// result. One message out and one back. Both executors must outlive the call: scopes are joined before loops end.
template <typename T, typename Make>
Task<T> run_on(Executor& here, Executor& there, Scope& there_scope, Make make) {
    struct Call {
        std::optional<T> result;
        std::coroutine_handle<> caller;
        Executor* home;
        Make make;
        static Task<void> run(Call* call) {
            {
                Task<T> task = call->make();
                call->result.emplace(co_await std::move(task));
            }
            // From here on the caller may be gone, and with it everything that the task's parameters referred to.
            call->home->post_remote([call] { call->home->post(call->caller); });
        }
    };
    struct Awaiter {
        bool await_ready() noexcept { return false; }
        void await_suspend(std::coroutine_handle<> caller) {
            call->caller = caller;
            Call* borrowed = call;
            Scope* scope = target;
            executor->post_remote([borrowed, scope] { scope->spawn(Call::run(borrowed)); });
        }
        void await_resume() noexcept {}
        Call* call;
        Executor* executor;
        Scope* target;
    };
    if (&here == &there) {
        Task<T> task = make();
        co_return co_await std::move(task);
    }
    Call call{std::nullopt, {}, &here, std::move(make)};
    Awaiter awaiter{&call, &there, &there_scope};
    co_await awaiter;
    co_return std::move(*call.result);
}

}  // namespace ironbark
