#pragma once
// A process that has a journal open, which dies with it; and what the tests of journals write.

#include <memory>
#include <string>
#include <vector>

#include "log/journal.h"
#include "tests/log/record/samples.h"

namespace ironbark::log {

inline constexpr const char* journal_path = "data/journal";
inline const Uuid journal_owner = record::sample_partition.topic;

using Texts = std::vector<std::string>;

inline JournalRecord as_record(const std::string& text) {
    return {text.begin(), text.end()};
}

struct JournalProgram {
    std::unique_ptr<Journal> journal;
};

}  // namespace ironbark::log
