#include "bench/machine/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

namespace ironbark::bench {

Table::Table(std::size_t text_columns, std::vector<std::string> header)
    : text_columns_(text_columns) {
    rows_.push_back(std::move(header));
}

void Table::add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

void Table::add_blank_line() { rows_.emplace_back(); }

void Table::print() const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string space(widths[i] - row[i].size(), ' ');
            if (i > 0) line += "  ";
            line += i < text_columns_ ? row[i] + space : space + row[i];
        }
        line.erase(line.find_last_not_of(' ') + 1);
        std::printf("%s\n", line.c_str());
    }
}

std::string figure(double value) {
    int decimals = 0;
    if (value > 0 && value < 100) {
        decimals = std::clamp(2 - static_cast<int>(std::floor(std::log10(value))), 0, 4);
    }
    char text[32];
    std::snprintf(text, sizeof text, "%.*f", decimals, value);
    return text;
}

}  // namespace ironbark::bench
