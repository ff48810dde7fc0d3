#pragma once
// `Result<T>`: a value or an `Error`, a subset of std::expected (which C++20 lacks). Errors are values and are looked
// at: the type is [[nodiscard]]. The macros are statements, because g++ 12 crashes on `co_return` inside a statement
// expression:
//
//     TRY(auto size, file_size(path));        returns the error from a plain function
//     CO_TRY(auto file, co_await open(path)); returns it from a coroutine
//     TRY_VOID(check(batch));                 for Result<void>

#include <optional>
#include <utility>
#include <variant>

#include "runtime/base/assert.h"
#include "runtime/base/error.h"

namespace ironbark {

template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<1>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<0>, error) {}
    Result(ErrorCode code) : state_(std::in_place_index<0>, Error(code)) {}

    bool ok() const { return state_.index() == 1; }
    explicit operator bool() const { return ok(); }

    // REQUIRES: ok()
    T& value() & {
        ASSERT(ok());
        return *std::get_if<1>(&state_);
    }
    const T& value() const& {
        ASSERT(ok());
        return *std::get_if<1>(&state_);
    }
    T&& value() && {
        ASSERT(ok());
        return std::move(*std::get_if<1>(&state_));
    }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    // REQUIRES: !ok()
    const Error& error() const {
        ASSERT(!ok());
        return *std::get_if<0>(&state_);
    }

  private:
    std::variant<Error, T> state_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(error) {}
    Result(ErrorCode code) : error_(Error(code)) {}

    bool ok() const { return !error_.has_value(); }
    explicit operator bool() const { return ok(); }
    const Error& error() const {
        ASSERT(!ok());
        return *error_;
    }

  private:
    std::optional<Error> error_;
};

}  // namespace ironbark

#define IRONBARK_JOIN_(a, b) a##b
#define IRONBARK_JOIN(a, b) IRONBARK_JOIN_(a, b)
#define IRONBARK_TRY_(leave, temporary, declaration, expression) \
    auto temporary = (expression);                               \
    if (!temporary.ok()) [[unlikely]]                            \
        leave temporary.error();                                 \
    declaration = std::move(temporary).value()
#define IRONBARK_TRY_VOID_(leave, temporary, expression)          \
    if (auto temporary = (expression); !temporary.ok()) [[unlikely]] \
    leave temporary.error()

#define TRY(declaration, expression) \
    IRONBARK_TRY_(return, IRONBARK_JOIN(try_, __LINE__), declaration, expression)
#define CO_TRY(declaration, expression) \
    IRONBARK_TRY_(co_return, IRONBARK_JOIN(try_, __LINE__), declaration, expression)
#define TRY_VOID(expression) \
    IRONBARK_TRY_VOID_(return, IRONBARK_JOIN(try_, __LINE__), expression)
#define CO_TRY_VOID(expression) \
    IRONBARK_TRY_VOID_(co_return, IRONBARK_JOIN(try_, __LINE__), expression)
