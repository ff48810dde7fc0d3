#include "runtime/task/executor.h"

#include <utility>

#include "runtime/base/assert.h"

namespace ironbark {

Timer::~Timer() {
    if (executor_ != nullptr) executor_->disarm(*this);
}

Executor::~Executor() {
    for (Timer* timer : timers_) timer->executor_ = nullptr;
}

void Executor::post(std::coroutine_handle<> coroutine) {
    if (!crashed_) ready_.push_back(coroutine);
}

void Executor::crash() {
    crashed_ = true;
    ready_.clear();
}

size_t Executor::run_ready(size_t limit) {
    size_t count = std::min(limit, ready_.size());
    for (size_t index = 0; index < count && !ready_.empty(); ++index) run_ready_at(0);
    return count;
}

void Executor::run_ready_at(size_t index) {
    ASSERT(index < ready_.size());
    std::coroutine_handle<> coroutine = ready_[index];
    ready_.erase(ready_.begin() + static_cast<std::ptrdiff_t>(index));
    coroutine.resume();
}

bool Executor::earlier(const Timer* left, const Timer* right) {
    return left->at_ != right->at_ ? left->at_ < right->at_ : left->order_ < right->order_;
}

void Executor::arm(Timer& timer, Instant at) {
    ASSERT(timer.executor_ == nullptr);
    timer.executor_ = this;
    timer.at_ = at;
    timer.order_ = timers_armed_++;
    timer.heap_index_ = timers_.size();
    timers_.push_back(&timer);
    sift_up(timer.heap_index_);
}

void Executor::disarm(Timer& timer) {
    if (timer.executor_ == nullptr) return;
    ASSERT(timer.executor_ == this);
    size_t index = timer.heap_index_;
    ASSERT(timers_[index] == &timer);
    timer.executor_ = nullptr;
    Timer* last = timers_.back();
    timers_.pop_back();
    if (last == &timer) return;
    timers_[index] = last;
    last->heap_index_ = index;
    sift_up(index);
    sift_down(last->heap_index_);
}

void Executor::sift_up(size_t index) {
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (!earlier(timers_[index], timers_[parent])) return;
        std::swap(timers_[index], timers_[parent]);
        timers_[index]->heap_index_ = index;
        timers_[parent]->heap_index_ = parent;
        index = parent;
    }
}

void Executor::sift_down(size_t index) {
    while (true) {
        size_t least = index;
        for (size_t child = 2 * index + 1; child <= 2 * index + 2 && child < timers_.size(); ++child) {
            if (earlier(timers_[child], timers_[least])) least = child;
        }
        if (least == index) return;
        std::swap(timers_[index], timers_[least]);
        timers_[index]->heap_index_ = index;
        timers_[least]->heap_index_ = least;
        index = least;
    }
}

void Executor::fire_timers(Instant until) {
    while (!timers_.empty() && timers_.front()->at_ <= until) {
        Timer* timer = timers_.front();
        disarm(*timer);
        timer->fire_(*timer);
    }
}

Instant Executor::next_timer() const { return timers_.empty() ? never : timers_.front()->at_; }

}  // namespace ironbark
