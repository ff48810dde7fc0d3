#pragma once
// What `ironbark log verify` found.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ironbark::tools {

struct Finding {
    bool is_problem = true;  // otherwise a note: nothing is wrong, but somebody may wonder
    std::string file;
    std::optional<uint64_t> position;
    std::string what;
};

struct VerifiedPartition {
    std::string partition;
    uint64_t segments = 0;
    uint64_t frames = 0;
    uint64_t records = 0;
    uint64_t bytes = 0;  // of frames
    int64_t log_start = 0;
    int64_t log_end = 0;
    size_t problems = 0;
};

struct VerifyReport {
    std::vector<Finding> findings;
    std::vector<VerifiedPartition> partitions;
    size_t problem_count = 0;

    void problem(const std::string& file, std::optional<uint64_t> position, const std::string& what) {
        findings.push_back({true, file, position, without_file(file, what)});
        ++problem_count;
    }
    void note(const std::string& file, std::optional<uint64_t> position, const std::string& what) {
        findings.push_back({false, file, position, without_file(file, what)});
    }

  private:
    // Texts from elsewhere may name the file again.
    static std::string without_file(const std::string& file, const std::string& what) {
        return what.starts_with(file + ": ") ? what.substr(file.size() + 2) : what;
    }
};

}  // namespace ironbark::tools
