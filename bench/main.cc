// ironbark-bench: the command line, and nothing else. The one file that sees CLI11.

#include <CLI/CLI.hpp>
#include <filesystem>

#include "bench/load/cluster_run.h"
#include "bench/load/controller.h"
#include "bench/load/node.h"
#include "bench/load/replication.h"
#include "bench/machine/child_process.h"
#include "bench/machine/report.h"
#include "bench/machine/study.h"
#include "runtime/base/text.h"

namespace {

using namespace ironbark::bench;

// Everything a run writes lies in a directory of its own, which goes with it, unless somebody should look into it.
class ScratchDirectory {
  public:
    explicit ScratchDirectory(const std::filesystem::path& parent)
        : path_(parent / ("ironbark-bench-" + std::to_string(::getpid()))) {
        std::filesystem::create_directories(path_);
    }
    ~ScratchDirectory() {
        std::error_code ignored;
        if (!is_kept_) std::filesystem::remove_all(path_, ignored);
    }
    std::string path() const { return path_.string(); }
    void keep() { is_kept_ = true; }

  private:
    std::filesystem::path path_;
    bool is_kept_ = false;
};

void add_machine(CLI::App& app, std::string& directory) {
    auto* command = app.add_subcommand("machine", "measure the limits of this machine");
    auto settings = std::make_shared<MachineSettings>();
    command->add_option("--dir", directory, "where to write; on the disk to be measured");
    command->add_option("--json", settings->json_path, "write the figures there, too");
    command->add_option("--seconds", settings->seconds, "duration of each probe")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_flag("--skeleton", settings->skeleton, "receive, hash and write, on one thread");
    command->callback([&directory, settings] {
        const ScratchDirectory scratch(directory);
        settings->directory = scratch.path();
        report_machine(*settings);
    });
}

void add_study(CLI::App& app, std::string& directory) {
    auto* command = app.add_subcommand("study", "repeat a measurement that a decision rests on");
    auto settings = std::make_shared<StudySettings>();
    auto name = std::make_shared<std::string>();
    std::vector<std::string> names;
    std::string help;
    for (const Study& study : studies()) {
        names.push_back(study.name);
        help += "\n  " + study.name + ": " + study.question;
    }
    command->add_option("NAME", *name, "one of:" + help)->required()->check(CLI::IsMember(names));
    command->add_option("--dir", directory, "where to write; on the disk to be measured");
    command->add_option("--rounds", settings->rounds, "how often each way is measured, in turn")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_option("--seconds", settings->seconds, "duration of one way in one round")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    auto busy = std::make_shared<bool>(false);
    command->add_flag("--busy", *busy, "with a process spinning on every core");
    command->callback([&directory, settings, name, busy] {
        const ScratchDirectory scratch(directory);
        const auto spinners = *busy ? spin_on_every_core() : std::vector<ChildProcess>{};
        settings->directory = scratch.path();
        for (const Study& study : studies()) {
            if (study.name == *name) study.run(*settings);
        }
    });
}

// The daemon that was built beside this program.
std::string neighbouring_daemon() {
    return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "ironbarkd").string();
}

void add_node(CLI::App& app, std::string& directory, const std::string& command_line) {
    auto* command = app.add_subcommand("node", "measure one node against the limits of this machine");
    auto settings = std::make_shared<NodeSettings>();
    settings->daemon = neighbouring_daemon();
    auto io = std::make_shared<std::string>("both");
    command->add_option("--daemon", settings->daemon, "the ironbarkd to measure")->capture_default_str();
    command->add_option("--dir", directory, "where to write; on the disk to be measured");
    command->add_option("--io", *io, "io_uring, posix or both")
        ->check(CLI::IsMember({"io_uring", "posix", "both"}))
        ->capture_default_str();
    std::string names;
    for (const std::string& name : node_points()) names += (names.empty() ? "" : ", ") + name;
    command->add_option("--point", settings->points, "only these: " + names + "; else all but restart")
        ->check(CLI::IsMember(node_points()));
    command->add_option("--rounds", settings->rounds, "how often each point is measured")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command
        ->add_option("--seconds", settings->seconds,
                     "of a round of latencies; a tenth of it of a probe beside throughput")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_option("--megabytes", settings->megabytes, "written and read where throughput is measured")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_option("--restart-megabytes", settings->restart_megabytes, "size of the log of the point restart")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_flag("--busy", settings->is_busy_allowed, "measure although other programs are busy, too");
    command->add_option("--daemon-flag", settings->flags, "further flag of the daemon; repeat it for its value");
    command->add_option("--json", settings->json_path, "write the figures there, too");
    command->callback([&directory, &command_line, settings, io] {
        const ScratchDirectory scratch(directory);
        settings->directory = scratch.path();
        settings->ios = *io == "both" ? std::vector<std::string>{"io_uring", "posix"} : std::vector<std::string>{*io};
        settings->command_line = command_line;
        run_node(*settings);
    });
}

// A command that measures three daemons on this machine, at the points of a list.
struct ThreeDaemons {
    const char* name;
    const char* help;
    std::vector<std::string> points;
    void (*run)(const NodeSettings& settings);
};

std::shared_ptr<NodeSettings> add_three_daemons(CLI::App& app,
                                                const ThreeDaemons& about,
                                                std::string& directory,
                                                const std::string& command_line) {
    auto* command = app.add_subcommand(about.name, about.help);
    auto settings = std::make_shared<NodeSettings>();
    settings->daemon = neighbouring_daemon();
    settings->ios = {"io_uring"};
    settings->rounds = 3;
    command->add_option("--daemon", settings->daemon, "the ironbarkd to measure")->capture_default_str();
    command->add_option("--dir", directory, "where to write; on the disk to be measured");
    command->add_option("--io", settings->ios.front(), "of the shards: io_uring or posix; controllers have posix")
        ->check(CLI::IsMember({"io_uring", "posix"}))
        ->capture_default_str();
    std::string names;
    for (const std::string& name : about.points) names += (names.empty() ? "" : ", ") + name;
    command->add_option("--point", settings->points, "only these: " + names)->check(CLI::IsMember(about.points));
    command->add_option("--rounds", settings->rounds, "how often each point is measured")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_option("--seconds", settings->seconds, "of a round of latencies")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_flag("--busy", settings->is_busy_allowed, "measure although other programs are busy, too");
    command->add_option("--daemon-flag", settings->flags, "further flag of the daemons; repeat it for its value");
    command->add_option("--json", settings->json_path, "write the figures there, too");
    command->callback([&directory, &command_line, settings, run = about.run] {
        const ScratchDirectory scratch(directory);
        settings->directory = scratch.path();
        settings->command_line = command_line;
        run(*settings);
    });
    return settings;
}

void add_controller(CLI::App& app, std::string& directory, const std::string& command_line) {
    const ThreeDaemons about{"controller", "measure the controllers of three daemons on this machine",
                             controller_points(), run_controller};
    const auto settings = add_three_daemons(app, about, directory, command_line);
    app.get_subcommand(about.name)
        ->add_option("--kills", settings->kills, "of the active controller in a round; stopped a quarter as often")
        ->check(CLI::Range(4, 10'000))
        ->capture_default_str();
}

void add_replication(CLI::App& app, std::string& directory, const std::string& command_line) {
    const ThreeDaemons about{"replication", "measure three brokers on this machine that keep every record three times",
                             replication_points(), run_replication};
    const auto settings = add_three_daemons(app, about, directory, command_line);
    app.get_subcommand(about.name)
        ->add_option("--megabytes", settings->megabytes, "a quarter of it is written at each level of throughput")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
}

// An option that takes "5s", "500ms", "2min".
CLI::Option* add_duration(CLI::App* command, const std::string& option, double& seconds, const std::string& help) {
    return command->add_option_function<std::string>(
        option,
        [option, &seconds](const std::string& text) {
            const ironbark::Result<ironbark::Duration> duration = ironbark::parse_duration(text);
            if (!duration.ok() || *duration < std::chrono::milliseconds(1)) {
                throw CLI::ValidationError(option, text + " is no duration: write 5s, 500ms or 2min");
            }
            seconds = std::chrono::duration<double>(*duration).count();
        },
        help);
}

void add_cluster_options(CLI::App* command, ClusterSettings& settings) {
    command->add_option("--daemon", settings.node.daemon, "the ironbarkd to measure")->capture_default_str();
    command->add_option("--io", settings.node.ios.front(), "of the shards: io_uring or posix")
        ->check(CLI::IsMember({"io_uring", "posix"}))
        ->capture_default_str();
    command->add_option("--rate", settings.rate, "records a second, over all partitions")
        ->check(CLI::Range(1.0, 1e6))
        ->capture_default_str();
    add_duration(command, "--duration", settings.seconds, "for how long records are due, as 20s or 5min [10s]");
    command->add_option("--size", settings.record_size, "bytes of a record's value")
        ->check(CLI::Range(16, 1'000'000))
        ->capture_default_str();
    command->add_option("--partitions", settings.partitions, "of the topic, which has 3 replicas and min-in-sync 2")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    add_duration(command, "--kill-leader", settings.kill_leader_seconds,
                 "kill the leader of partition 0 (SIGKILL) so often, and start it again");
    add_duration(command, "--stop-leader", settings.stop_leader_seconds,
                 "stop it (SIGSTOP) so often, until others lead what it led");
    command
        ->add_option("--leader-place", settings.leader_place,
                     "where the leader is that is killed or stopped; it is moved there before")
        ->transform(CLI::CheckedTransformer(std::map<std::string, LeaderPlace>{
            {"anywhere", LeaderPlace::anywhere},
            {"beside-controller", LeaderPlace::beside_controller},
            {"apart-from-controller", LeaderPlace::apart_from_controller}}))
        ->default_str("anywhere");
    add_duration(command, "--stop-follower", settings.stop_follower_seconds,
                 "stop a follower of partition 0 (SIGSTOP) so often, for about half of that");
    command->add_flag("--read-meanwhile", settings.is_read_meanwhile,
                      "somebody reads while records are written: what was seen must be there in the end");
    command->add_option("--daemon-flag", settings.node.flags, "further flag of the daemons; repeat it for its value");
    command->add_option("--json", settings.node.json_path, "write the figures there, too");
}

void add_existing_cluster(CLI::App* command, ClusterSettings& settings) {
    auto* bootstrap = command->add_option("--bootstrap", settings.bootstrap,
                                          "HOST:PORT,... of a cluster that is there, instead of one that is started");
    for (const char* option :
         {"--daemon", "--daemon-flag", "--io", "--kill-leader", "--stop-leader", "--leader-place", "--stop-follower"}) {
        bootstrap->excludes(command->get_option(option));
    }
    command->add_option("--topic", settings.topic, "name of the topic, which is made")->capture_default_str();
    command->add_option_function<std::vector<std::string>>(
        "--topic-setting",
        [&settings](const std::vector<std::string>& pairs) {
            for (const std::string& pair : pairs) {
                const size_t equals = pair.find('=');
                if (equals == std::string::npos) throw CLI::ValidationError("--topic-setting", pair + " has no =");
                settings.topic_settings[pair.substr(0, equals)] = pair.substr(equals + 1);
            }
        },
        "KEY=VALUE, as segment.bytes=4MiB; repeat it for more");
}

void add_cluster(CLI::App& app, std::string& directory, const std::string& command_line) {
    auto* command =
        app.add_subcommand("cluster", "a load on three brokers that checks itself, whatever happens to them");
    auto settings = std::make_shared<ClusterSettings>();
    settings->node.daemon = neighbouring_daemon();
    settings->node.ios = {"io_uring"};
    auto nodes = std::make_shared<size_t>(Cluster::size);
    auto level = std::make_shared<std::string>(ironbark::name(settings->acks));
    command->add_option("--nodes", *nodes, "how many daemons: 3")->check(CLI::IsMember({3}))->capture_default_str();
    command->add_option("--dir", directory, "where to write; on the disk to be measured");
    command->add_option("--acks", *level, "leader, leader_durable, isr or isr_durable: the others promise nothing")
        ->check(CLI::IsMember(checked_levels()))
        ->capture_default_str();
    command->add_flag("--allow-loss", settings->is_loss_allowed,
                      "records that are missing are no failure; with leader and leader_durable only");
    add_cluster_options(command, *settings);
    add_existing_cluster(command, *settings);
    command->callback([&directory, &command_line, settings, level] {
        settings->acks = checked_levels().at(*level);
        const bool may_lose = *level == "leader" || *level == "leader_durable";
        if (settings->is_loss_allowed && !may_lose) {
            throw CLI::ValidationError("--allow-loss", *level + " promises that nothing is lost");
        }
        if (settings->rate * settings->seconds > 1e8) {
            throw CLI::ValidationError("--duration", "more than 100 million records are more than are kept in mind");
        }
        ScratchDirectory scratch(directory);
        settings->node.directory = scratch.path();
        settings->node.command_line = command_line;
        const std::string problem = run_cluster(*settings);
        if (problem.empty()) return;
        scratch.keep();
        throw std::runtime_error(problem + "; data and words of the brokers are left in " + scratch.path());
    });
}

}  // namespace

int main(int argument_count, char** arguments) {
    CLI::App app("Load generator and benchmark of Ironbark", "ironbark-bench");
    app.require_subcommand(1);
    std::string directory = ".";
    add_machine(app, directory);
    add_study(app, directory);
    std::string command_line = "ironbark-bench";
    for (int index = 1; index < argument_count; ++index) command_line += std::string(" ") + arguments[index];
    add_node(app, directory, command_line);
    add_controller(app, directory, command_line);
    add_replication(app, directory, command_line);
    add_cluster(app, directory, command_line);
    try {
        app.parse(argument_count, arguments);
    } catch (const CLI::CallForHelp& help) {
        return app.exit(help);
    } catch (const CLI::ParseError& error) {
        app.exit(error);
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ironbark-bench: %s\n", error.what());
        return 1;
    }
    return 0;
}
