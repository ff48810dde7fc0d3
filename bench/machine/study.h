// The measurements that the on-disk format was decided by, kept so that they can be repeated on
// another machine: each prints one or more tables for the decision record (docs/adr) it belongs to.
//
// A study writes into files of its own under `directory` and removes them. It blocks its thread
// for rounds x ways x seconds and uses both cores of a small machine.
#pragma once

#include <string>
#include <vector>

namespace ironbark::bench {

struct StudySettings {
    std::string directory = ".";
    int rounds = 5;
    double seconds = 0.5;  // of one way in one round
};

void study_pad_or_rewrite(const StudySettings& settings);         // ADR 0001
void study_partitions_or_journal(const StudySettings& settings);  // ADR 0002
void study_size_and_depth(const StudySettings& settings);         // ADR 0003
void study_sync_forms(const StudySettings& settings);             // ADR 0004
void study_segment_reuse(const StudySettings& settings);          // ADR 0005
void study_checksums(const StudySettings& settings);              // ADR 0006

struct Study {
    std::string name;
    std::string question;
    void (*run)(const StudySettings&);
};

const std::vector<Study>& studies();

}  // namespace ironbark::bench
