#include "runtime/base/error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace ironbark {
namespace {

TEST(Error, HasANameForEachCode) {
    EXPECT_STREQ(name(ErrorCode::none), "none");
    EXPECT_STREQ(name(ErrorCode::not_leader_or_follower), "not_leader_or_follower");
    EXPECT_STREQ(name(ErrorCode::address_in_use), "address_in_use");
    EXPECT_STREQ(name(static_cast<ErrorCode>(9999)), "unknown_error");
}

TEST(Error, KeepsTheNumbersOfKafka) {
    EXPECT_EQ(static_cast<int>(ErrorCode::corrupt_message), 2);
    EXPECT_EQ(static_cast<int>(ErrorCode::not_leader_or_follower), 6);
    EXPECT_EQ(static_cast<int>(ErrorCode::out_of_order_sequence), 45);
    EXPECT_EQ(static_cast<int>(ErrorCode::fenced_leader_epoch), 74);
    EXPECT_EQ(static_cast<int>(ErrorCode::unknown_topic_id), 100);
}

TEST(Error, TellsWhatMaySucceedLater) {
    EXPECT_TRUE(is_retriable(ErrorCode::not_leader_or_follower));
    EXPECT_TRUE(is_retriable(ErrorCode::storage_full));
    EXPECT_FALSE(is_retriable(ErrorCode::corrupt_message));
    EXPECT_FALSE(is_retriable(ErrorCode::invalid_config));
}

TEST(Error, TranslatesErrnos) {
    Error error = error_from_errno(ENOSPC, "no room");
    EXPECT_EQ(error.code, ErrorCode::storage_full);
    EXPECT_EQ(error.system_errno, ENOSPC);
    EXPECT_STREQ(error.text, "no room");
    EXPECT_EQ(error_from_errno(ENOENT).code, ErrorCode::not_found);
    EXPECT_EQ(error_from_errno(ECONNRESET).code, ErrorCode::connection_closed);
    EXPECT_EQ(error_from_errno(EIO).code, ErrorCode::io_error);
}

TEST(Error, IsDescribedByTheSystemElseByItsTextElseByItsCode) {
    EXPECT_EQ(describe(error_from_errno(ENOSPC, "no room")), "No space left on device");
    EXPECT_EQ(describe(Error(ErrorCode::timed_out, "too late")), "too late");
    EXPECT_EQ(describe(Error(ErrorCode::timed_out)), name(ErrorCode::timed_out));
}

TEST(Error, ComparesByCode) {
    EXPECT_EQ(Error(ErrorCode::timed_out, "one"), Error(ErrorCode::timed_out, "other"));
    EXPECT_FALSE(Error(ErrorCode::timed_out) == Error(ErrorCode::cancelled));
}

TEST(Outcome, HasNames) {
    EXPECT_STREQ(name(Outcome::written), "written");
    EXPECT_STREQ(name(Outcome::not_written), "not_written");
    EXPECT_STREQ(name(Outcome::unknown), "unknown");
}

}  // namespace
}  // namespace ironbark
