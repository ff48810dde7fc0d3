#pragma once
// What a point must reach, and what a run says about it. Pure.

#include <string>
#include <vector>

namespace ironbark::bench {

struct Target {
    enum class Kind { at_most, at_least, none };
    Kind kind = Kind::none;
    double ratio = 0;
    std::string text{};  // for people

    bool is_met(double reached) const;
    // "met", "MISSED", or nothing where there is no target.
    const char* verdict(double reached) const;
};

// The middle of the values, or the mean of the two in the middle. 0 without values.
double median(std::vector<double> values);
double mean(const std::vector<double>& values);

}  // namespace ironbark::bench
