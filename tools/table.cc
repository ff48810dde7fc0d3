#include "tools/table.h"

#include <algorithm>

namespace ironbark::tools {
namespace {

bool starts_as_number(const std::string& text) {
    return text == "-" || (!text.empty() && ((text[0] >= '0' && text[0] <= '9') || (text[0] == '-' && text.size() > 1)));
}

// A number, maybe with a unit behind it.
bool is_quantity(const std::string& text) {
    return starts_as_number(text) && std::count(text.begin(), text.end(), ' ') <= 1 &&
           text.find_first_of(":/,T") == std::string::npos;
}

}  // namespace

std::string Table::to_string() const {
    const size_t columns = rows_.front().size();
    std::vector<std::vector<std::string>> rows = rows_;
    std::vector<size_t> widths(columns);
    std::vector<bool> to_the_right(columns, rows.size() > 1);
    for (size_t row = 0; row < rows.size(); ++row) {
        for (size_t column = 0; column < columns; ++column) {
            std::string& text = rows[row][column];
            if (text.empty()) text.push_back('-');
            widths[column] = std::max(widths[column], text.size());
            if (row > 0 && !is_quantity(text)) to_the_right[column] = false;
        }
    }
    std::string out;
    for (const std::vector<std::string>& row : rows) {
        for (size_t column = 0; column < columns; ++column) {
            const size_t padding = widths[column] - row[column].size();
            const bool is_last = column + 1 == columns;
            if (to_the_right[column]) out.append(padding, ' ');
            out.append(row[column]);
            if (!to_the_right[column] && !is_last) out.append(padding, ' ');
            out.append(is_last ? "\n" : "  ");
        }
    }
    return out;
}

}  // namespace ironbark::tools
