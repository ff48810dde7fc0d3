// ironbark cluster start.

#include <algorithm>
#include <arpa/inet.h>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/local_cluster/commands.h"
#include "tools/local_cluster/directory.h"
#include "tools/local_cluster/files.h"
#include "tools/local_cluster/node_process.h"
#include "tools/local_cluster/program.h"
#include "tools/local_cluster/stop.h"
#include "tools/table.h"
#include "tools/terminal.h"
#include "tools/words.h"

namespace ironbark::tools::local_cluster {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;

constexpr milliseconds ready_interval{20};
constexpr milliseconds stop_patience{10'000};
constexpr size_t said_lines_max = 20;  // of what a daemon said that did not get ready

struct StartOptions {
    Wish wish;
    int32_t node = 0;  // only this one; 0: all
    std::string program;
    std::string timeout = "60s";
};

Failure failure_of(ErrorCode code, std::string hint) {
    return {code, Outcome::not_written, std::move(hint)};
}

// What a node that is wanted is: it ran, or was started.
struct Node {
    NodeProcess process;
    bool was_started = false;
};

bool is_port_free(int32_t port) {
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return true;  // the daemon will say what is wrong
    const int on = 1;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    const bool is_free = bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    close(descriptor);
    return is_free;
}

// Of a cluster that is not made yet: afterwards its ports are what its files say.
Expected<void> check_ports(const Layout& layout) {
    for (const NodePlace& place : places_of(layout)) {
        const int32_t first = layout.port_base + ports_per_node * (place.number - 1);
        const int32_t used = layout.nodes > 1 ? 3 : 2;
        for (int32_t port = first; port < first + used; ++port) {
            if (is_port_free(port)) continue;
            return failure_of(
                ErrorCode::address_in_use,
                fmt::format("port {}, of node {}, is taken by another program; --port-base chooses others", port,
                            place.number));
        }
    }
    return {};
}

// Starts the nodes that are wanted and do not run. Those that were started are in `nodes` after a failure, too.
Expected<void> start_nodes(const std::string& program, const Layout& layout, int32_t only, std::vector<Node>& nodes) {
    std::vector<NodePlace> missing;
    for (const NodePlace& place : places_of(layout)) {
        if (only != 0 && place.number != only) continue;
        if (std::optional<NodeProcess> running = NodeProcess::find(place)) {
            nodes.push_back({std::move(*running), false});
        } else {
            missing.push_back(place);
        }
    }
    for (const NodePlace& place : missing) {
        Expected<NodeProcess> process = NodeProcess::start(program, place);
        if (!process) return process.error();
        nodes.push_back({std::move(*process), true});
    }
    std::sort(nodes.begin(), nodes.end(),
              [](const Node& one, const Node& two) { return one.process.place().number < two.process.place().number; });
    return {};
}

Failure not_ready(const NodeProcess& process, ErrorCode code, const char* what) {
    const std::string said = last_lines(process.said(), said_lines_max);
    return failure_of(code, fmt::format("node {} {}. It said:\n{}\n(all of it: {})\n", process.place().number, what,
                                        said.empty() ? "(nothing)" : said, process.place().log_file()));
}

// Waits until every daemon that was started says that it is ready.
Expected<void> wait_until_ready(std::vector<Node>& nodes, milliseconds patience) {
    const Stopwatch watch;
    Progress progress;
    for (Node& node : nodes) {
        if (!node.was_started) continue;
        while (true) {
            const bool has_ended = node.process.wait(ready_interval);
            if (!ready_line(node.process.said()).empty() && !has_ended) break;
            // If one ends while another is waited for, that is why the other does not get ready.
            for (Node& other : nodes) {
                if (other.process.is_running()) continue;
                return not_ready(other.process, ErrorCode::closed, "ended instead of getting ready");
            }
            if (interrupted != 0) return failure_of(ErrorCode::cancelled, "interrupted");
            if (watch.seconds() * 1000 > static_cast<double>(patience.count())) {
                return not_ready(node.process, ErrorCode::timed_out, "did not get ready in time");
            }
            if (progress.is_due()) {
                progress.show(fmt::format("waiting for node {} to get ready", node.process.place().number));
            }
        }
    }
    return {};
}

// Stops what was started, and says so.
Failure after_stopping(Failure failure, std::vector<Node>& nodes) {
    std::vector<NodeProcess> started;
    for (Node& node : nodes) {
        if (node.was_started) started.push_back(std::move(node.process));
    }
    if (started.empty()) return failure;
    (void)stop_all(started, stop_patience);
    failure.hint += failure.hint.ends_with('\n') ? "" : "; ";
    failure.hint += "what was started now was stopped again";
    return failure;
}

Json to_json(const Layout& layout, const std::vector<Node>& nodes) {
    Json list = Json::array();
    for (const Node& node : nodes) {
        const NodePlace& place = node.process.place();
        list.push_back({{"node", place.number},
                        {"pid", node.process.pid()},
                        {"state", node.was_started ? "started" : "running"},
                        {"clients", place.clients},
                        {"metrics", place.metrics},
                        {"directory", place.directory},
                        {"config", place.config_file()},
                        {"log", place.log_file()}});
    }
    return {{"directory", layout.directory}, {"bootstrap", layout.bootstrap()}, {"nodes", std::move(list)}};
}

std::string text_of(const Layout& layout, const std::vector<Node>& nodes) {
    Table table({"NODE", "PID", "STATE", "CLIENTS", "METRICS", "LOG"});
    for (const Node& node : nodes) {
        const NodePlace& place = node.process.place();
        table.add({std::to_string(place.number), std::to_string(node.process.pid()),
                   node.was_started ? "started" : "ran already", place.clients, place.metrics, place.log_file()});
    }
    std::string out = table.to_string();
    out += fmt::format("\nexport IRONBARK_BOOTSTRAP={}\n\nnext:\n", layout.bootstrap());
    out += fmt::format(
        "  ironbark topic create orders --partitions 3\n"
        "  seq 100000 | ironbark produce orders\n"
        "  ironbark cluster status\n"
        "  kill -9 {}            # node {}; then: ironbark broker list, ironbark cluster events\n"
        "  ironbark cluster start --dir {}   # brings it back\n"
        "  ironbark cluster stop --dir {}\n",
        nodes.back().process.pid(), nodes.back().process.place().number, layout.directory, layout.directory);
    return out;
}

Expected<Layout> prepare(const StartOptions& options) {
    const Layout wanted = options.wish.layout();
    std::error_code error;
    if (options.node != 0) {
        Expected<Layout> layout = open_cluster(wanted.directory);
        if (!layout) return layout.error();
        if (options.node > layout->nodes) {
            return failure_of(ErrorCode::not_found,
                              fmt::format("the cluster in {} has {}", wanted.directory,
                                          count_text(static_cast<uint64_t>(layout->nodes), "node")));
        }
    } else if (std::filesystem::is_empty(wanted.directory, error)) {
        if (Expected<void> free = check_ports(wanted); !free) return free.error();
    }
    return make_or_open(options.wish);
}

int run_start(Session& session, const StartOptions& options, const std::string& program, milliseconds patience) {
    const std::string what = "cannot start the cluster";
    const std::string& directory = options.wish.directory;
    std::error_code error;
    if (options.node == 0) std::filesystem::create_directories(directory, error);
    Expected<DirectoryLock> lock = DirectoryLock::take(directory);
    if (!lock) return session.fail(what, lock.error());
    Expected<Layout> layout = prepare(options);
    if (!layout) return session.fail(what, layout.error());
    catch_interrupts();
    std::vector<Node> nodes;
    Expected<void> result = start_nodes(program, *layout, options.node, nodes);
    if (result.ok()) result = wait_until_ready(nodes, patience);
    if (!result) {
        return session.fail(what, after_stopping(result.error(), nodes));
    }
    if (session.json) {
        session.print_json(to_json(*layout, nodes));
    } else {
        session.print(text_of(*layout, nodes));
    }
    return exit_done;
}

int start(Session& session, StartOptions options) {
    options.wish.directory = absolute(options.wish.directory);
    Expected<milliseconds> patience = parse_patience(options.timeout);
    if (!patience) return session.usage(patience.error());
    if (Expected<void> checked = check(options.wish.layout()); !checked) return session.usage(checked.error());
    Expected<std::string> program = find_daemon(options.program);
    if (!program) return session.fail("cannot start the cluster", program.error());
    return run_start(session, options, *program, *patience);
}

}  // namespace

void add_start(Command noun, Session& session) {
    auto options = std::make_shared<StartOptions>();
    Command command = add_offline_command(
        noun, session,
        {"start",
         "start a cluster of real daemons on this machine, in the background; again on its directory, start those that "
         "do not run. Node N listens for clients on the first port + 10 * (N - 1), for metrics on the next, for other "
         "nodes on the one after that. Its configuration, log and data are in DIR/node-N",
         "ironbark cluster start --nodes 3 --dir /tmp/three\n  ironbark cluster start --dir /tmp/three --node 2"},
        [&session, options] { return start(session, *options); });
    command.add_option("--dir", options->wish.directory, "a new or empty directory, or one that this command made")
        .required()
        .type_name("DIR");
    command.add_option("--nodes", options->wish.nodes, "1, 3 or 5 [3, or as many as there are]").number_from(1);
    command.add_option("--port-base", options->wish.port_base, "the first port [9400]").number_from(1);
    command.add_option("--node", options->node, "start only this node, of a cluster that is there").number_from(1);
    command.add_option("--program", options->program, "ironbarkd [beside this program, else as PATH has it]")
        .type_name("PATH");
    command.add_option("--timeout", options->timeout, "how long the daemons may take to get ready [60s]")
        .type_name("DURATION");
}

}  // namespace ironbark::tools::local_cluster

namespace ironbark::tools {

void add_local_cluster(Command noun, Session& session) {
    local_cluster::add_start(noun, session);
    local_cluster::add_stop(noun, session);
}

}  // namespace ironbark::tools
