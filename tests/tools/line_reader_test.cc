#include "tools/line_reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace ironbark::tools {
namespace {

constexpr size_t no_limit = size_t{64} << 20;

// The reading end of a pipe that is fed by a thread.
class Input {
  public:
    explicit Input(std::string bytes) {
        if (pipe(ends_) != 0) std::abort();
        writer_ = std::thread([this, bytes = std::move(bytes)] {
            std::string_view left = bytes;
            while (!left.empty()) {
                ssize_t count = write(ends_[1], left.data(), left.size());
                if (count <= 0) break;
                left.remove_prefix(static_cast<size_t>(count));
            }
            close(ends_[1]);
        });
    }
    ~Input() {
        writer_.join();
        close(ends_[0]);
    }
    int descriptor() const { return ends_[0]; }

  private:
    int ends_[2];
    std::thread writer_;
};

std::vector<std::string> lines_of(const std::string& bytes, size_t limit = no_limit) {
    Input input(bytes);
    LineReader reader(input.descriptor(), limit);
    std::vector<std::string> lines;
    while (std::optional<Line> line = reader.next()) {
        lines.push_back(line->is_too_long ? "TOO LONG" : std::string(line->text));
    }
    EXPECT_EQ(reader.failure(), 0);
    return lines;
}

using Lines = std::vector<std::string>;

TEST(LineReader, EndsLinesWithNewlines) {
    EXPECT_EQ(lines_of("one\ntwo\n"), (Lines{"one", "two"}));
    EXPECT_EQ(lines_of("one\ntwo"), (Lines{"one", "two"}));
    EXPECT_EQ(lines_of(""), Lines{});
    EXPECT_EQ(lines_of("\n"), (Lines{""}));
    EXPECT_EQ(lines_of("\n\nx"), (Lines{"", "", "x"}));
}

TEST(LineReader, TakesEveryOtherByteAsData) {
    EXPECT_EQ(lines_of(std::string("a\0b\r\n\xff\t", 7)), (Lines{std::string("a\0b\r", 4), "\xff\t"}));
}

TEST(LineReader, ReturnsLinesLongerThanItsBuffer) {
    std::string longer(5'000'000, 'x');
    EXPECT_EQ(lines_of("a\n" + longer + "\nb\n"), (Lines{"a", longer, "b"}));
    EXPECT_EQ(lines_of(longer), (Lines{longer}));
}

TEST(LineReader, SkipsLinesAboveTheLimitAndGoesOn) {
    std::string longer(5'000'000, 'x');
    EXPECT_EQ(lines_of("a\n" + longer + "\nb\n", 1'000'000), (Lines{"a", "TOO LONG", "b"}));
    EXPECT_EQ(lines_of(longer, 1'000'000), (Lines{"TOO LONG"}));
    EXPECT_EQ(lines_of("12345\n123456\n", 5), (Lines{"12345", "TOO LONG"}));
}

TEST(LineReader, ReturnsManyLinesAsTheyAre) {
    std::string bytes;
    Lines expected;
    for (int number = 0; number < 300'000; ++number) {
        expected.push_back(std::string(static_cast<size_t>(number % 40), 'y') + std::to_string(number));
        bytes += expected.back() + "\n";
    }
    EXPECT_TRUE(lines_of(bytes) == expected);
}

TEST(LineReader, ReturnsALineBeforeTheNextArrives) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    LineReader reader(ends[0], no_limit);
    ASSERT_EQ(write(ends[1], "one\ntw", 6), 6);
    EXPECT_EQ(reader.next()->text, "one");
    ASSERT_EQ(write(ends[1], "o\n", 2), 2);
    EXPECT_EQ(reader.next()->text, "two");
    close(ends[1]);
    EXPECT_FALSE(reader.next());
    close(ends[0]);
}

TEST(LineReader, SaysWhenItCannotRead) {
    LineReader reader(-1, no_limit);
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(reader.failure(), EBADF);
}

}  // namespace
}  // namespace ironbark::tools
