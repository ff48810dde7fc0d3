// Ways of doing one thing, measured on a machine that is not quiet: A B C A B C ..., because
// absolute figures move by a factor of two to five between minutes and only neighbours compare.
//
// Each way becomes a row: per figure the median over the rounds (lowest - highest), and the ratio
// of one chosen figure to the first way's figure of the same round, likewise.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "bench/machine/table.h"

namespace ironbark::bench {

// The columns of a comparison: one name per value that a way returns.
struct Figures {
    std::vector<std::string> names;
    std::size_t compared = 0;  // index of the figure whose ratio is shown
};

struct Way {
    std::string name;
    std::function<std::vector<double>()> run;  // one value per figure
};

Table comparison_table(const std::string& subject, const Figures& figures);

// Runs the ways `rounds` times in turn and adds one row for each.
void compare(Table& table,
             const std::string& subject,
             const Figures& figures,
             const std::vector<Way>& ways,
             int rounds);

// "median (lowest-highest)"
std::string summary(std::vector<double> values);

}  // namespace ironbark::bench
