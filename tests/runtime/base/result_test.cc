#include "runtime/base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace ironbark {
namespace {

Result<int> half(int number) {
    if (number % 2 != 0) return Error(ErrorCode::invalid_request, "odd");
    return number / 2;
}

Result<int> quarter(int number) {
    TRY(int first, half(number));
    TRY(int second, half(first));
    return second;
}

Result<void> check_quarter(int number) {
    TRY_VOID(quarter(number));
    return {};
}

TEST(Result, HoldsAValueOrAnError) {
    EXPECT_TRUE(half(4).ok());
    EXPECT_EQ(*half(4), 2);
    EXPECT_FALSE(half(3).ok());
    EXPECT_EQ(half(3).error().code, ErrorCode::invalid_request);
    EXPECT_STREQ(half(3).error().text, "odd");
}

TEST(Result, PassesTheFirstErrorOn) {
    EXPECT_EQ(*quarter(8), 2);
    EXPECT_EQ(quarter(6).error().code, ErrorCode::invalid_request);
    EXPECT_TRUE(check_quarter(8).ok());
    EXPECT_FALSE(check_quarter(7).ok());
}

TEST(Result, MovesWhatCannotBeCopied) {
    Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
    std::unique_ptr<int> taken = std::move(result).value();
    EXPECT_EQ(*taken, 5);
}

TEST(ResultDeathTest, IsLookedAtBeforeItIsUsed) {
    EXPECT_DEATH(static_cast<void>(*half(3)), "invariant broken: ok\\(\\)");
    EXPECT_DEATH(static_cast<void>(half(4).error()), "invariant broken: !ok\\(\\)");
}

}  // namespace
}  // namespace ironbark
