#include "tools/offline/accept_loss.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "log/data_directory.h"
#include "log/store.h"
#include "tools/offline/offline_world.h"
#include "tools/offline/places.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

Failure refused(std::string hint) {
    return {ErrorCode::invalid_request, Outcome::not_written, std::move(hint)};
}

// The directory that the partition lies in. It must be there: opening one that is not would make it.
Task<Expected<std::string>> find_data_directory(World* world, std::string partition) {
    std::string data = directory_of(directory_of(partition));
    Result<std::vector<std::string>> names = co_await world->disk.list(data);
    if (!names.ok()) co_return disk_failure("read", data, names.error());
    if (std::find(names->begin(), names->end(), "identity") == names->end()) {
        co_return refused(fmt::format("{} does not lie in the partitions/ of a data directory", partition));
    }
    co_return data;
}

// What is promised is known only with the marks of all shards.
Task<Expected<std::unique_ptr<log::LogStore>>> open_store(World* world, log::DataDirectory* directory) {
    Result<void> gathered = co_await directory->spread_marks(world, 1);
    if (!gathered.ok()) co_return disk_failure("read the marks of", directory->path(), gathered.error());
    log::StoreOptions options;
    Result<std::unique_ptr<log::LogStore>> store = co_await log::LogStore::open(world, directory, options);
    if (!store.ok()) co_return disk_failure("open", directory->path(), store.error());
    co_return std::move(store).value();
}

Task<Expected<LossFound>> look_at(log::LogStore* store, PartitionIdentity identity, bool is_accepted) {
    LossFound found;
    log::RecoveryReport report;
    log::LogSettings settings;
    Result<log::Log*> opened = co_await store->open_log(identity, settings, &report);
    if (opened.ok()) co_return found;
    found.problem = report.problem.empty() ? std::string(name(opened.error().code)) : report.problem;
    found.lost = report.lost;
    if (!found.lost || !is_accepted) co_return found;
    // The next start is no clean one: what it finds is less than what was there at the stop.
    store->marks().set_clean_stop(std::nullopt);
    Result<void> unmarked = co_await store->marks().commit();
    if (!unmarked.ok()) co_return disk_failure("write the marks for", identity.to_string(), unmarked.error());
    log::RecoveryReport outcome;
    Result<void> done = co_await log::Log::accept_loss(&store->context(), identity, &outcome);
    if (!done.ok() && !outcome.given_up) co_return refused(outcome.problem);
    found.is_accepted = true;
    if (!done.ok()) found.remaining = outcome.problem.empty() ? std::string(name(done.error().code)) : outcome.problem;
    co_return found;
}

std::string range_text(const log::LostRange& lost) {
    if (lost.first == lost.end) return fmt::format("whatever stands from record {} on", lost.first.value);
    return fmt::format("records {} to {}", lost.first.value, lost.end.value - 1);
}

Json to_json(const LossFound& found) {
    Json value = {{"problem", found.problem}, {"accepted", found.is_accepted}};
    if (found.lost) value["first_offset"] = found.lost->first.value;
    if (found.lost) value["end_offset"] = found.lost->end.value;
    if (!found.remaining.empty()) value["remaining_problem"] = found.remaining;
    return value;
}

}  // namespace

Task<Expected<LossFound>> accept_loss(World* world, std::string directory, bool is_accepted) {
    while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
    std::optional<PartitionIdentity> identity = PartitionIdentity::parse(directory.substr(directory.rfind('/') + 1));
    if (!identity) {
        co_return refused(fmt::format(
            "{} is not the directory of a partition, which is named DATA/partitions/TOPIC-UUID-PARTITION", directory));
    }
    Expected<std::string> data = co_await find_data_directory(world, directory);
    if (!data.ok()) co_return data.error();
    std::string problem;
    Result<std::unique_ptr<log::DataDirectory>> opened = co_await log::DataDirectory::open(world, *data, &problem);
    if (!opened.ok()) co_return Failure{opened.error().code, Outcome::not_written, problem};
    Expected<std::unique_ptr<log::LogStore>> store = co_await open_store(world, opened->get());
    if (!store.ok()) co_return store.error();
    Expected<LossFound> found = co_await look_at(store->get(), *identity, is_accepted);
    co_await (*store)->stop(std::nullopt);
    co_return found;
}

int accept_loss(Session& session, const std::string& directory) {
    OfflineWorld offline;
    Expected<LossFound> found = offline.run(accept_loss(&offline.writing(), directory, false));
    if (!found.ok()) return session.fail("cannot look at the log", found.error());
    if (found->problem.empty()) {
        session.say("the log opens as it is; there is nothing to accept");
        if (session.json) session.print_json(to_json(*found));
        return exit_done;
    }
    if (!found->lost) return session.fail("losing records would not help", refused(found->problem));
    session.say(found->problem);
    const std::string range = range_text(*found->lost);
    if (!session.confirm(fmt::format("give up {}; the bytes go to {}/graveyard", range, directory)))
        return exit_refused;
    found = offline.run(accept_loss(&offline.writing(), directory, true));
    if (!found.ok()) return session.fail("nothing was given up", found.error());
    if (session.json) session.print_json(to_json(*found));
    session.say(
        fmt::format("given up: {}; `ironbark log graveyard list {}` shows where their bytes are", range, directory));
    if (found->remaining.empty()) return exit_done;
    session.say("there is more that was not given up, and the log is still refused: " + found->remaining);
    return exit_refused;
}

}  // namespace ironbark::tools
