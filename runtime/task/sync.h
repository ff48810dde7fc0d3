#pragma once
// What coroutines of one executor coordinate with. Waiters are woken in the order in which they came. Each type can be
// closed by its owner: everyone who waits, now or later, gets `Wake::closed`.

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "runtime/base/assert.h"
#include "runtime/task/task.h"
#include "runtime/task/wait.h"

namespace ironbark {

// A flag to wait for. `set` wakes everyone and stays set until `reset`.
class Event {
  public:
    explicit Event(Executor& executor) : executor_(executor) {}

    bool is_set() const { return set_; }
    void set() {
        set_ = true;
        waiters_.wake_all();
    }
    void reset() { set_ = false; }
    // Wakes everyone who waits now, without setting the flag.
    void pulse() { waiters_.wake_all(); }
    void close() {
        closed_ = true;
        waiters_.wake_all(Wake::closed);
    }
    bool is_closed() const { return closed_; }

    // Suspends unless set or closed; resumed by set, pulse, close or the deadline.
    Task<Wake> wait(Instant deadline = never) {
        if (closed_) co_return Wake::closed;
        if (set_) co_return Wake::signalled;
        Waiter waiter(executor_, waiters_, deadline);
        co_return co_await waiter;
    }

  private:
    Executor& executor_;
    WaitList waiters_;
    bool set_ = false;
    bool closed_ = false;
};

class Semaphore;

// What was taken from a Semaphore; given back by the destructor.
class [[nodiscard]] Units {
  public:
    Units() = default;
    Units(Semaphore& semaphore, int64_t count) : semaphore_(&semaphore), count_(count) {}
    Units(Units&& other) noexcept
        : semaphore_(std::exchange(other.semaphore_, nullptr)), count_(std::exchange(other.count_, 0)) {}
    Units& operator=(Units&& other) noexcept {
        std::swap(semaphore_, other.semaphore_);
        std::swap(count_, other.count_);
        return *this;
    }
    ~Units() { give_back(); }
    void give_back();
    int64_t count() const { return count_; }

  private:
    Semaphore* semaphore_ = nullptr;
    int64_t count_ = 0;
};

// A counted budget. Fair: a large request is not passed by later small ones. A request above the capacity is granted
// when everything is free, so that it does not wait for ever.
class Semaphore {
  public:
    Semaphore(Executor& executor, int64_t capacity)
        : executor_(executor), capacity_(capacity), available_(capacity) {}

    int64_t capacity() const { return capacity_; }
    int64_t used() const { return capacity_ - available_; }
    bool has_waiters() const { return !waiters_.empty(); }

    // Suspends until `count` units are free; resumed by whoever gives them back. Empty if closed or too late.
    Task<std::optional<Units>> take(int64_t count, Instant deadline = never) {
        count = std::min(count, capacity_);
        if (closed_) co_return std::nullopt;
        if (!waiters_.empty() || available_ < count) {
            Waiter waiter(executor_, waiters_, deadline, count);
            Wake wake = co_await waiter;
            if (wake == Wake::timed_out) grant();  // who stood behind the expired waiter may fit
            if (wake != Wake::signalled) co_return std::nullopt;
            // `grant` has already taken the units for us.
            co_return Units(*this, count);
        }
        available_ -= count;
        co_return Units(*this, count);
    }
    std::optional<Units> try_take(int64_t count) {
        count = std::min(count, capacity_);
        if (closed_ || !waiters_.empty() || available_ < count) return std::nullopt;
        available_ -= count;
        return Units(*this, count);
    }
    void close() {
        closed_ = true;
        waiters_.wake_all(Wake::closed);
    }

  private:
    friend class Units;
    void grant() {
        while (!waiters_.empty() && available_ >= waiters_.front()->key()) {
            available_ -= waiters_.front()->key();
            waiters_.wake_one();
        }
    }
    void put(int64_t count) {
        available_ += count;
        ASSERT(available_ <= capacity_);
        grant();
    }

    Executor& executor_;
    int64_t capacity_;
    int64_t available_;
    bool closed_ = false;
    WaitList waiters_;
};

inline void Units::give_back() {
    if (semaphore_ != nullptr) std::exchange(semaphore_, nullptr)->put(std::exchange(count_, 0));
}

// Mutual exclusion among coroutines: `auto held = co_await mutex.lock();` (empty if closed).
class Mutex {
  public:
    explicit Mutex(Executor& executor) : semaphore_(executor, 1) {}
    Task<std::optional<Units>> lock(Instant deadline = never) { return semaphore_.take(1, deadline); }
    bool is_locked() const { return semaphore_.used() != 0; }
    void close() { semaphore_.close(); }

  private:
    Semaphore semaphore_;
};

// Counts who uses something, so that its owner can wait until nobody does before taking it away.
class Gate {
  public:
    explicit Gate(Executor& executor) : left_(executor) {}
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;
    ~Gate() { ASSERT(inside_ == 0); }

    class [[nodiscard]] Holder {
      public:
        explicit Holder(Gate& gate) : gate_(&gate) { ++gate.inside_; }
        Holder(Holder&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
        Holder& operator=(Holder&&) = delete;
        ~Holder() {
            if (gate_ != nullptr && --gate_->inside_ == 0) gate_->left_.pulse();
        }

      private:
        Gate* gate_;
    };
    Holder enter() { return Holder(*this); }
    // Suspends until nobody is inside. Whether others may still enter is the owner's business.
    Task<void> wait_until_empty() {
        while (inside_ != 0) co_await left_.wait();
    }

  private:
    uint64_t inside_ = 0;
    Event left_;
};

// A bounded queue between coroutines. When full, `try_push` refuses; the caller decides what that means.
template <typename T>
class Queue {
  public:
    Queue(Executor& executor, size_t capacity) : executor_(executor), capacity_(capacity) {}

    bool try_push(T item) {
        if (closed_ || items_.size() >= capacity_) return false;
        items_.push_back(std::move(item));
        if (!waiters_.empty()) waiters_.wake_one();
        return true;
    }
    // Suspends until there is an item; empty if closed and drained, or too late.
    Task<std::optional<T>> pop(Instant deadline = never) {
        while (items_.empty()) {
            if (closed_) co_return std::nullopt;
            Waiter waiter(executor_, waiters_, deadline);
            Wake wake = co_await waiter;
            if (wake == Wake::timed_out) co_return std::nullopt;
        }
        std::optional<T> item(std::move(items_.front()));
        items_.pop_front();
        co_return item;
    }
    void close() {
        closed_ = true;
        waiters_.wake_all(Wake::closed);
    }
    size_t size() const { return items_.size(); }

  private:
    Executor& executor_;
    size_t capacity_;
    std::deque<T> items_;
    WaitList waiters_;
    bool closed_ = false;
};

// A number that only grows, and coroutines that wait until it has reached theirs (log ends, watermarks). `close` wakes
// everyone for good; `retreat` lowers it (a cut).
class Threshold {
  public:
    Threshold(Executor& executor, int64_t value) : executor_(executor), value_(value) {}

    int64_t value() const { return value_; }
    bool has_waiters() const { return !waiters_.empty(); }
    // Says that somebody will wait for `target`.
    void want(int64_t target) { wanted_ = std::max(wanted_, target); }
    // The highest number anybody has waited for, or `value()` if that is higher.
    int64_t wanted() const { return std::max(value_, wanted_); }
    void advance(int64_t value) {
        ASSERT(value >= value_);
        value_ = value;
        Waiter* waiter = waiters_.front();
        while (waiter != nullptr) {
            Waiter* next = waiters_.after(*waiter);
            if (waiter->key() <= value_) waiters_.wake(*waiter, Wake::signalled);
            waiter = next;
        }
    }
    // Lowers the number. Whoever waits goes on waiting; see the owner for what becomes of them.
    void retreat(int64_t value) {
        ASSERT(value <= value_);
        value_ = value;
        wanted_ = value;
    }
    void close() {
        closed_ = true;
        waiters_.wake_all(Wake::closed);
    }
    // Suspends until the number is at least `target`; resumed by `advance`, `close` or the deadline.
    Task<Wake> reach(int64_t target, Instant deadline = never) {
        if (value_ >= target) co_return Wake::signalled;
        if (closed_) co_return Wake::closed;
        want(target);
        Waiter waiter(executor_, waiters_, deadline, target);
        co_return co_await waiter;
    }

  private:
    Executor& executor_;
    int64_t value_;
    int64_t wanted_ = INT64_MIN;
    bool closed_ = false;
    WaitList waiters_;
};

}  // namespace ironbark
