#include "tools/offline/verify.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/offline/directory_state.h"
#include "tools/offline/offline_world.h"
#include "tools/offline/places.h"
#include "tools/offline/verify_partition.h"
#include "tools/table.h"
#include "tools/terminal.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

// Where the data directory of a partition's directory is: DATA/partitions/PARTITION.
std::string data_directory_of(const std::string& partition) { return directory_of(directory_of(partition)); }

// A partition without files, whose records were promised all the same.
void check_missing(const LogPlaces& places, const DirectoryState& state, VerifyReport* report) {
    if (!state.marks_complete || !places.is_data_directory) return;
    for (const auto& [identity, marks] : state.marks) {
        bool is_there = std::any_of(places.partitions.begin(), places.partitions.end(),
                                    [&](const PartitionPlace& place) { return place.identity == identity; });
        bool has_records = marks.floor && marks.floor->offset > marks.log_start;
        if (is_there || !has_records) continue;
        report->problem(fmt::format("{}/partitions/{}", places.path, identity.to_string()), std::nullopt,
                        fmt::format("the directory is missing, but records {} to {} were promised", marks.log_start.value,
                                    marks.floor->offset.value - 1));
    }
}

Task<Expected<void>> verify_all(World* world, std::string directory, Progress* progress, VerifyReport* report) {
    Expected<LogPlaces> places = co_await find_places(world, directory);
    if (!places.ok()) co_return places.error();
    DirectoryState state;
    if (places->is_data_directory) {
        // The marks before the logs: what a running daemon adds meanwhile is beyond them.
        state = co_await read_directory_state(world, places->path, report);
    } else {
        VerifyReport of_the_directory;  // not asked for: only the marks are of use
        state = co_await read_directory_state(world, data_directory_of(places->path), &of_the_directory);
        if (!state.identity) {
            report->note(places->path, std::nullopt,
                         "it does not lie in a data directory: what was promised cannot be compared");
        }
    }
    for (const std::string& name : places->strangers) {
        report->note(places->path + "/partitions/" + name, std::nullopt, "not the directory of a partition");
    }
    check_missing(*places, state, report);
    for (const PartitionPlace& place : places->partitions) {
        if (progress->is_due()) {
            progress->show(fmt::format("partition {} of {}", report->partitions.size() + 1, places->partitions.size()));
        }
        auto marks = state.marks.find(place.identity);
        PartitionVerifier verifier(world, &place, marks == state.marks.end() ? nullptr : &marks->second, report);
        co_await verifier.run();
    }
    co_return Expected<void>();
}

Json to_json(const VerifyReport& report) {
    Json partitions = Json::array();
    for (const VerifiedPartition& partition : report.partitions) {
        partitions.push_back({{"partition", partition.partition},
                              {"segments", partition.segments},
                              {"frames", partition.frames},
                              {"records", partition.records},
                              {"bytes", partition.bytes},
                              {"log_start", partition.log_start},
                              {"log_end", partition.log_end},
                              {"problems", partition.problems}});
    }
    Json problems = Json::array();
    Json notes = Json::array();
    for (const Finding& finding : report.findings) {
        Json entry = {{"file", finding.file}, {"what", finding.what}};
        if (finding.position) entry["position"] = *finding.position;
        (finding.is_problem ? problems : notes).push_back(std::move(entry));
    }
    return {{"good", report.problem_count == 0},
            {"partitions", std::move(partitions)},
            {"problems", std::move(problems)},
            {"notes", std::move(notes)}};
}

std::string text_of(const VerifyReport& report) {
    Table table({"PARTITION", "SEGMENTS", "FRAMES", "RECORDS", "SIZE", "START", "END", "PROBLEMS"});
    uint64_t records = 0;
    uint64_t bytes = 0;
    for (const VerifiedPartition& partition : report.partitions) {
        records += partition.records;
        bytes += partition.bytes;
        table.add({partition.partition, std::to_string(partition.segments), std::to_string(partition.frames),
                   std::to_string(partition.records), bytes_text(partition.bytes), std::to_string(partition.log_start),
                   std::to_string(partition.log_end), std::to_string(partition.problems)});
    }
    std::string out = table.to_string();
    for (const Finding& finding : report.findings) {
        std::string place = finding.position ? fmt::format(" at byte {}", *finding.position) : "";
        out += fmt::format("{} {}{}: {}\n", finding.is_problem ? "PROBLEM" : "note", finding.file, place, finding.what);
    }
    return out + fmt::format("{} with {} ({}): {}\n", count_text(report.partitions.size(), "partition"),
                             count_text(records, "record"), bytes_text(bytes),
                             report.problem_count == 0 ? "all good" : count_text(report.problem_count, "problem"));
}

}  // namespace

int verify(Session& session, const std::string& directory) {
    OfflineWorld offline;
    World world = offline.reading();
    VerifyReport report;
    Progress progress;
    Expected<void> done = offline.run(verify_all(&world, directory, &progress, &report));
    progress.clear();
    if (!done.ok()) return session.fail("cannot verify", done.error());
    if (session.json) {
        session.print_json(to_json(report));
    } else {
        session.print(text_of(report));
    }
    return report.problem_count == 0 ? exit_done : exit_refused;
}

}  // namespace ironbark::tools
