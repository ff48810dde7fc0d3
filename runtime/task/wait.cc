#include "runtime/task/wait.h"

#include "runtime/base/assert.h"

namespace ironbark {

Waiter::~Waiter() {
    if (list_ != nullptr && coroutine_) list_->remove(*this);
}

void Waiter::await_suspend(std::coroutine_handle<> coroutine) {
    coroutine_ = coroutine;
    list_->push_back(*this);
    if (deadline_ != never) executor_.arm(timer_, deadline_);
}

void Waiter::expire(Timer& timer) {
    Waiter& waiter = *static_cast<Deadline&>(timer).waiter;
    ASSERT(waiter.list_ != nullptr);
    waiter.list_->wake(waiter, Wake::timed_out);
}

void Waiter::resume_with(Wake wake) {
    wake_ = wake;
    executor_.disarm(timer_);
    executor_.post(coroutine_);
}

WaitList::~WaitList() {
    while (!empty()) remove(*first_);
}

void WaitList::push_back(Waiter& waiter) {
    waiter.previous_ = last_;
    waiter.next_ = nullptr;
    (last_ == nullptr ? first_ : last_->next_) = &waiter;
    last_ = &waiter;
}

void WaitList::remove(Waiter& waiter) {
    (waiter.previous_ == nullptr ? first_ : waiter.previous_->next_) = waiter.next_;
    (waiter.next_ == nullptr ? last_ : waiter.next_->previous_) = waiter.previous_;
    waiter.list_ = nullptr;
}

void WaitList::wake(Waiter& waiter, Wake wake) {
    ASSERT(waiter.list_ == this);
    remove(waiter);
    waiter.resume_with(wake);
}

void WaitList::wake_one(Wake wake) {
    ASSERT(!empty());
    this->wake(*first_, wake);
}

void WaitList::wake_all(Wake wake) {
    while (!empty()) wake_one(wake);
}

}  // namespace ironbark
