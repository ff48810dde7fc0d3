// A plain aligned table: text to the left, figures to the right, two blanks between.
#pragma once

#include <string>
#include <vector>

namespace ironbark::bench {

class Table {
  public:
    // The first `text_columns` are aligned to the left.
    Table(std::size_t text_columns, std::vector<std::string> header);
    void add(std::vector<std::string> row);
    void add_blank_line();
    void print() const;

  private:
    std::size_t text_columns_;
    std::vector<std::vector<std::string>> rows_;
};

// Three significant digits, without an exponent: 0.0123, 1.23, 12.3, 123, 12345.
std::string figure(double value);

}  // namespace ironbark::bench
