// ironbark cluster stop, and how daemons are ended.

#include "tools/local_cluster/stop.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <unistd.h>

#include "tools/local_cluster/commands.h"
#include "tools/local_cluster/files.h"
#include "tools/terminal.h"
#include "tools/words.h"

namespace ironbark::tools::local_cluster {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;

// A killed process is gone as soon as its memory is: large ones take a while.
constexpr milliseconds kill_patience{30'000};
constexpr milliseconds look_interval{100};

// Until it has ended, or so much time has passed since the stopwatch was started.
bool wait_until(NodeProcess& process, const Stopwatch& watch, milliseconds limit, Progress& progress) {
    while (true) {
        if (process.wait(look_interval)) return true;
        const auto passed = milliseconds(static_cast<int64_t>(watch.seconds() * 1000));
        if (passed >= limit) return false;
        if (progress.is_due()) {
            progress.show(fmt::format("waiting for node {} (pid {}) to stop", process.place().number, process.pid()));
        }
    }
}

struct StopOptions {
    std::string directory;
    std::string timeout = "30s";
};

struct NodeEnd {
    NodePlace place;
    pid_t pid = -1;  // -1: it did not run
    std::string state;
};

std::string text_of(const Layout& layout, const std::vector<NodeEnd>& ends) {
    std::string out;
    for (const NodeEnd& end : ends) {
        out += end.pid < 0 ? fmt::format("node {} was not running\n", end.place.number)
                           : fmt::format("node {} (pid {}): {}\n", end.place.number, end.pid, end.state);
    }
    return out + fmt::format("start again: ironbark cluster start --dir {}\n", layout.directory);
}

Json to_json(const Layout& layout, const std::vector<NodeEnd>& ends) {
    Json nodes = Json::array();
    for (const NodeEnd& end : ends) {
        nodes.push_back({{"node", end.place.number}, {"pid", end.pid}, {"state", end.state}});
    }
    return {{"directory", layout.directory}, {"nodes", std::move(nodes)}};
}

int stop(Session& session, const StopOptions& options) {
    const std::string what = "cannot stop the cluster";
    Expected<milliseconds> patience = parse_patience(options.timeout);
    if (!patience) return session.usage(patience.error());
    Expected<Layout> layout = open_cluster(absolute(options.directory));
    if (!layout) return session.fail(what, layout.error());
    Expected<DirectoryLock> lock = DirectoryLock::take(layout->directory);
    if (!lock) return session.fail(what, lock.error());
    std::vector<NodeEnd> ends;
    std::vector<NodeProcess> processes;
    for (const NodePlace& place : places_of(*layout)) {
        std::optional<NodeProcess> process = NodeProcess::find(place);
        ends.push_back({place, process ? process->pid() : -1, "not running"});
        if (process) processes.push_back(std::move(*process));
    }
    const std::vector<Ended> ended = stop_all(processes, *patience);
    bool all_ended = true;
    for (size_t index = 0; index < processes.size(); ++index) {
        const auto number = static_cast<size_t>(processes[index].place().number);
        ends[number - 1].state = name(ended[index]);
        all_ended = all_ended && ended[index] != Ended::still_running;
        if (ended[index] == Ended::killed) {
            session.say(fmt::format("node {} did not stop within {} and was killed; its log says what it was doing: {}",
                                    number, duration_text(patience->count()), processes[index].place().log_file()));
        }
    }
    if (session.json) {
        session.print_json(to_json(*layout, ends));
    } else {
        session.print(text_of(*layout, ends));
    }
    return all_ended ? exit_done : exit_refused;
}

}  // namespace

const char* name(Ended ended) {
    switch (ended) {
        case Ended::stopped: return "stopped";
        case Ended::killed: return "killed";
        case Ended::still_running: return "still running";
    }
    return "";
}

std::vector<Ended> stop_all(std::vector<NodeProcess>& processes, milliseconds patience) {
    std::vector<Ended> ended(processes.size(), Ended::stopped);
    for (NodeProcess& process : processes) process.signal(SIGTERM);
    const Stopwatch watch;
    Progress progress;
    for (size_t index = 0; index < processes.size(); ++index) {
        if (wait_until(processes[index], watch, patience, progress)) continue;
        processes[index].signal(SIGKILL);
        const Stopwatch since_kill;
        const bool is_gone = wait_until(processes[index], since_kill, kill_patience, progress);
        ended[index] = is_gone ? Ended::killed : Ended::still_running;
    }
    for (size_t index = 0; index < processes.size(); ++index) {
        if (ended[index] == Ended::still_running) continue;
        std::error_code ignored;
        std::filesystem::remove(processes[index].place().pid_file(), ignored);
    }
    return ended;
}

void add_stop(Command noun, Session& session) {
    auto options = std::make_shared<StopOptions>();
    Command command = add_offline_command(
        noun, session,
        {"stop", "end the daemons that 'cluster start' made, and no others", "ironbark cluster stop --dir /tmp/three"},
        [&session, options] { return stop(session, *options); });
    command.add_option("--dir", options->directory, "the cluster's directory").required().type_name("DIR");
    command.add_option("--timeout", options->timeout, "how long they may take before they are killed [30s]")
        .type_name("DURATION");
}

}  // namespace ironbark::tools::local_cluster
