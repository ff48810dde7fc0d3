#pragma once
// What objects know about the operations that are under way on them.

#include <utility>

#include "runtime/task/sync.h"

namespace ironbark {

// Counts operations, so that whoever closes the object can wait for them.
class InFlight {
  public:
    explicit InFlight(Executor& executor) : idle_(executor) { idle_.set(); }
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;

    // One operation, from its begin to the end of this object.
    class [[nodiscard]] Mark {
      public:
        explicit Mark(InFlight& owner) : owner_(owner) { owner_.add(); }
        Mark(const Mark&) = delete;
        Mark& operator=(const Mark&) = delete;
        ~Mark() { owner_.remove(); }

      private:
        InFlight& owner_;
    };

    size_t count() const { return count_; }
    // Suspends until none is under way; resumed by the end of the last.
    Task<void> drained() {
        while (count_ != 0) co_await idle_.wait();
    }

  private:
    void add() {
        ++count_;
        idle_.reset();
    }
    void remove() {
        if (--count_ == 0) idle_.set();
    }

    size_t count_ = 0;
    Event idle_;
};

// Holds a flag during an operation of which the contract allows one at a time.
class [[nodiscard]] OneAtATime {
  public:
    explicit OneAtATime(bool& flag) : flag_(flag) {
        ASSERT(!flag_);
        flag_ = true;
    }
    OneAtATime(const OneAtATime&) = delete;
    OneAtATime& operator=(const OneAtATime&) = delete;
    ~OneAtATime() { flag_ = false; }

  private:
    bool& flag_;
};

}  // namespace ironbark
