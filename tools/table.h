#pragma once
// Columns of text for people: a line of titles, then rows, each column as wide as its widest entry. Columns whose
// entries are all numbers stand to the right.

#include <string>
#include <vector>

namespace ironbark::tools {

class Table {
  public:
    explicit Table(std::vector<std::string> titles) { rows_.push_back(std::move(titles)); }
    // As many entries as there are titles; an empty one prints as "-".
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    size_t row_count() const { return rows_.size() - 1; }
    std::string to_string() const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace ironbark::tools
