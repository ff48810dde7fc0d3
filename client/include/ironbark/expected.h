#pragma once
// What a call of the client library gives back: a value, or a Failure that says what went wrong, what became of the
// data, and what to do. A subset of std::expected, which C++20 lacks. Nothing in this library throws.

#include <string>
#include <utility>
#include <variant>

#include "runtime/base/error.h"

namespace ironbark {

struct Failure {
    ErrorCode code = ErrorCode::unknown_server_error;
    // Of a call that changes something: whether it was done. After `unknown` it may have been, or may still be.
    Outcome outcome = Outcome::not_written;
    std::string hint;  // what is wrong and what to do, for people

    // Whether the same call may succeed later without anybody changing it. With `unknown` it may also do it twice.
    bool is_retriable() const { return ironbark::is_retriable(code); }
    std::string to_string() const;  // "timed_out (unknown): the broker did not answer ..."
};

// Ends the program: somebody took the value of a failed call, or the failure of one that succeeded.
[[noreturn]] void wrong_access(const Failure* failure);

template <typename T>
class [[nodiscard]] Expected {
  public:
    Expected(T value) : state_(std::in_place_index<1>, std::move(value)) {}
    Expected(Failure failure) : state_(std::in_place_index<0>, std::move(failure)) {}

    bool ok() const { return state_.index() == 1; }
    explicit operator bool() const { return ok(); }

    // REQUIRES: ok()
    T& value() & { return *checked(std::get_if<1>(&state_)); }
    const T& value() const& { return *checked(std::get_if<1>(&state_)); }
    T&& value() && { return std::move(*checked(std::get_if<1>(&state_))); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    // REQUIRES: !ok()
    const Failure& error() const {
        const Failure* failure = std::get_if<0>(&state_);
        if (failure == nullptr) wrong_access(nullptr);
        return *failure;
    }

  private:
    template <typename Value>
    Value* checked(Value* value) const {
        if (value == nullptr) wrong_access(std::get_if<0>(&state_));
        return value;
    }
    std::variant<Failure, T> state_;
};

template <>
class [[nodiscard]] Expected<void> {
  public:
    Expected() = default;
    Expected(Failure failure) : failed_(true), failure_(std::move(failure)) {}

    bool ok() const { return !failed_; }
    explicit operator bool() const { return ok(); }
    // REQUIRES: !ok()
    const Failure& error() const {
        if (!failed_) wrong_access(nullptr);
        return failure_;
    }

  private:
    bool failed_ = false;
    Failure failure_;
};

}  // namespace ironbark
