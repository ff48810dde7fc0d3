#include "bench/machine/comparison.h"

#include <algorithm>

namespace ironbark::bench {

namespace {

// values[way][figure][round]
using Values = std::vector<std::vector<std::vector<double>>>;

Values measure(const Figures& figures, const std::vector<Way>& ways, int rounds) {
    Values values(ways.size(), std::vector<std::vector<double>>(figures.names.size()));
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t way = 0; way < ways.size(); ++way) {
            const std::vector<double> run = ways[way].run();
            for (std::size_t i = 0; i < run.size(); ++i) values[way][i].push_back(run[i]);
        }
    }
    return values;
}

std::vector<double> ratios(const std::vector<double>& over, const std::vector<double>& under) {
    std::vector<double> result;
    for (std::size_t i = 0; i < over.size(); ++i) {
        result.push_back(under[i] > 0 ? over[i] / under[i] : 0);
    }
    return result;
}

}  // namespace

std::string summary(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::string median = figure(values[values.size() / 2]);
    if (values.front() == values.back()) return median;
    return median + " (" + figure(values.front()) + "-" + figure(values.back()) + ")";
}

Table comparison_table(const std::string& subject, const Figures& figures) {
    std::vector<std::string> header{subject, "way"};
    header.insert(header.end(), figures.names.begin(), figures.names.end());
    header.push_back("ratio of " + figures.names[figures.compared]);
    return Table(2, std::move(header));
}

void compare(Table& table,
             const std::string& subject,
             const Figures& figures,
             const std::vector<Way>& ways,
             int rounds) {
    const Values values = measure(figures, ways, rounds);
    for (std::size_t way = 0; way < ways.size(); ++way) {
        std::vector<std::string> row{way == 0 ? subject : "", ways[way].name};
        for (const auto& figure_values : values[way]) row.push_back(summary(figure_values));
        row.push_back(summary(ratios(values[way][figures.compared], values[0][figures.compared])));
        table.add(std::move(row));
    }
}

}  // namespace ironbark::bench
