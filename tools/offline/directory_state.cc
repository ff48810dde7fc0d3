#include "tools/offline/directory_state.h"

#include <cstring>
#include <fmt/format.h>

#include "log/journal.h"
#include "tools/offline/places.h"

namespace ironbark::tools {
namespace {

constexpr const char* marks_prefix = "marks-";
constexpr const char* controller_name = "controller";

std::string reason_of(const Error& error) {
    if (error.system_errno != 0) return std::strerror(error.system_errno);
    return *error.text != '\0' ? error.text : name(error.code);
}

bool is_marks_journal(const std::string& name) {
    return name.starts_with(marks_prefix) &&
           name.find_first_not_of("0123456789", std::strlen(marks_prefix)) == std::string::npos;
}

// The records of a journal, if it can be read; what is wrong with it goes into the report.
Task<std::optional<log::JournalContents>> read_journal(World* world,
                                                       std::string path,
                                                       Uuid owner,
                                                       log::Copies copies,
                                                       VerifyReport* report) {
    Result<log::JournalContents> contents = co_await log::Journal::read(*world, path, owner, copies);
    if (!contents.ok()) {
        report->problem(path, std::nullopt, reason_of(contents.error()));
        co_return std::nullopt;
    }
    if (contents->head_damaged) report->problem(path, 0, "its first block is damaged; the entries are good");
    if (contents->commits_lost > 0) {
        report->problem(path, std::nullopt,
                        fmt::format("{} entries between good ones are damaged", contents->commits_lost));
    }
    if (contents->copies_damaged > 0) {
        report->problem(path, std::nullopt,
                        fmt::format("{} entries are damaged; their copies are good", contents->copies_damaged));
    }
    if (contents->ends_damaged) {
        report->problem(path, contents->end,
                        "the last entry is damaged, and not by a crash: it may have been confirmed");
    } else if (contents->ends_torn) {
        report->note(path, contents->end,
                     "the last entry was torn by a crash, or is being written; it was never confirmed");
    }
    co_return std::move(contents).value();
}

// With damage, only what the good entries say: what was removed in between cannot be told.
void take_good_entries(const log::JournalContents& contents, DirectoryState* state) {
    state->marks_complete = false;
    for (const log::JournalRecord& record : contents.records) {
        std::optional<log::PartitionMarks> marks = log::decode_marks(record);
        if (marks) state->marks[marks->identity] = *marks;
    }
}

Task<void> read_marks(World* world, std::string path, DirectoryState* state, VerifyReport* report) {
    std::optional<log::JournalContents> contents =
        co_await read_journal(world, path, state->identity->directory, log::Copies::one, report);
    if (!contents) {
        state->marks_complete = false;
        co_return;
    }
    auto marks = log::Marks::replay(*world, contents->records);
    if (!marks) report->problem(path, std::nullopt, "an entry is of a newer version");
    if (!marks || contents->commits_lost > 0) co_return take_good_entries(*contents, state);
    state->marks.merge(*marks);
}

}  // namespace

Task<DirectoryState> read_directory_state(World* world, std::string path, VerifyReport* report) {
    DirectoryState state;
    std::string problem;
    Result<log::DirectoryIdentity> identity = co_await log::DataDirectory::read_identity(world, path, &problem);
    if (!identity.ok()) {
        report->problem(path + "/identity", std::nullopt, problem.empty() ? reason_of(identity.error()) : problem);
        state.marks_complete = false;
        co_return state;
    }
    state.identity = *identity;
    Result<std::vector<std::string>> names = co_await world->disk.list(path);
    if (!names.ok()) {
        report->problem(path, std::nullopt, reason_of(names.error()));
        co_return state;
    }
    bool has_marks = false;
    for (const std::string& name : *names) {
        const std::string file = path + "/" + name;
        if (is_marks_journal(name)) {
            has_marks = true;
            co_await read_marks(world, file, &state, report);
        }
        if (name != controller_name) continue;
        const std::string journal = file + "/log";
        (void)co_await read_journal(world, journal, state.identity->directory, log::Copies::two_behind, report);
    }
    if (!has_marks) report->problem(path, std::nullopt, "there is no marks journal");
    co_return state;
}

}  // namespace ironbark::tools
