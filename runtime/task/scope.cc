#include "runtime/task/scope.h"

namespace ironbark {

Scope::~Scope() {
    ASSERT(count_ == 0 || executor_.has_crashed());
    while (first_ != nullptr) {
        Root::promise_type* root = first_;
        first_ = root->next;
        std::coroutine_handle<Root::promise_type>::from_promise(*root).destroy();
    }
}

Scope::Root Scope::run(Scope&, Task<void> task) { co_await std::move(task); }

void Scope::spawn(Task<void> task) {
    Root root = run(*this, std::move(task));
    Root::promise_type& promise = root.frame.promise();
    promise.next = first_;
    if (first_ != nullptr) first_->previous = &promise;
    first_ = &promise;
    ++count_;
    idle_.reset();
    executor_.post(root.frame);
}

void Scope::ended(std::coroutine_handle<Root::promise_type> frame) {
    Root::promise_type& promise = frame.promise();
    (promise.previous == nullptr ? first_ : promise.previous->next) = promise.next;
    if (promise.next != nullptr) promise.next->previous = promise.previous;
    frame.destroy();
    if (--count_ == 0) idle_.set();
}

}  // namespace ironbark
