#include "tools/table.h"

#include <gtest/gtest.h>

namespace ironbark::tools {
namespace {

TEST(Table, PutsNumbersToTheRightAndTextToTheLeft) {
    Table table({"NAME", "COUNT", "SIZE"});
    table.add({"a", "5", "1.5 MiB"});
    table.add({"longer", "12345", "7 B"});
    EXPECT_EQ(table.to_string(),
              "NAME    COUNT     SIZE\n"
              "a           5  1.5 MiB\n"
              "longer  12345      7 B\n");
}

TEST(Table, ShowsWhatIsNotKnown) {
    Table table({"A", "B"});
    table.add({"", "x"});
    EXPECT_EQ(table.to_string(), "A  B\n-  x\n");
}

TEST(Table, WithoutRowsIsItsTitles) { EXPECT_EQ(Table({"A", "B"}).to_string(), "A  B\n"); }

}  // namespace
}  // namespace ironbark::tools
