// Where the pieces of a local cluster are, what their files say, and which process is whose.
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <set>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <toml++/toml.h>
#include <unistd.h>

#include "tools/local_cluster/directory.h"
#include "tools/local_cluster/files.h"
#include "tools/local_cluster/layout.h"
#include "tools/local_cluster/node_process.h"
#include "tools/local_cluster/process_identity.h"
#include "tools/local_cluster/program.h"
#include "tools/local_cluster/stop.h"

namespace ironbark::tools::local_cluster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

// A new directory that goes with its owner.
struct Directory {
    Directory() {
        path = (std::filesystem::temp_directory_path() / "ironbark-local-XXXXXX").string();
        if (mkdtemp(path.data()) == nullptr) std::abort();
    }
    ~Directory() { std::filesystem::remove_all(path); }
    std::string path;
};

TEST(LocalClusterLayout, GivesEachNodeThreePortsAndADirectory) {
    const Layout layout{"/tmp/three", 3, 9400};
    const std::vector<NodePlace> places = places_of(layout);
    ASSERT_EQ(places.size(), 3u);
    EXPECT_EQ(places[0].clients, "127.0.0.1:9400");
    EXPECT_EQ(places[2].clients, "127.0.0.1:9420");
    EXPECT_EQ(places[2].metrics, "127.0.0.1:9421");
    EXPECT_EQ(places[2].others, "127.0.0.1:9422");
    EXPECT_EQ(places[1].directory, "/tmp/three/node-2");
    EXPECT_EQ(places[1].data_directory(), "/tmp/three/node-2/data");
    EXPECT_EQ(layout.bootstrap(), "127.0.0.1:9400,127.0.0.1:9410,127.0.0.1:9420");
}

TEST(LocalClusterLayout, GivesNoPortTwiceAndNoneThatDoesNotExist) {
    std::set<std::string> addresses;
    const Layout layout{"/d", 5, port_base_max};
    ASSERT_TRUE(check(layout).ok());
    for (const NodePlace& place : places_of(layout)) addresses.insert({place.clients, place.metrics, place.others});
    EXPECT_EQ(addresses.size(), 15u);
    for (const std::string& address : addresses) EXPECT_LE(std::stoi(address.substr(address.find(':') + 1)), 65535);
}

TEST(LocalClusterLayout, RefusesWhatIsNoCluster) {
    EXPECT_THAT(check({"/d", 2, 9400}).error().hint, HasSubstr("1, 3 or 5"));
    EXPECT_FALSE(check({"/d", 7, 9400}).ok());
    EXPECT_THAT(check({"/d", 3, 80}).error().hint, HasSubstr("--port-base 80"));
    EXPECT_FALSE(check({"/d", 3, port_base_max + 1}).ok());
    for (int32_t nodes : {1, 3, 5}) EXPECT_TRUE(check({"/d", nodes, 9400}).ok());
}

std::string text_at(const toml::table& table, const char* path) {
    return table.at_path(path).value_or(std::string());
}

TEST(LocalClusterConfig, IsTomlThatNamesAllVoters) {
    const Layout layout{"/tmp/a \"three\"\\", 3, 9400};
    const toml::table table = toml::parse(config_text(layout, NodePlace(layout, 2)));
    EXPECT_EQ(table.at_path("broker.id").value_or(0), 2);
    EXPECT_EQ(text_at(table, "listen"), "127.0.0.1:9410");
    EXPECT_EQ(text_at(table, "metrics"), "127.0.0.1:9411");
    EXPECT_EQ(text_at(table, "controller.voters"), "1@127.0.0.1:9402,2@127.0.0.1:9412,3@127.0.0.1:9422");
    EXPECT_EQ(text_at(table, "cluster.secret_file"), "/tmp/a \"three\"\\/secret");
    EXPECT_EQ(text_at(table, "data.dir"), "/tmp/a \"three\"\\/node-2/data");
    EXPECT_EQ(text_at(table, "memory.requests"), "64MiB");
    EXPECT_EQ(table.at_path("shards").value_or(0), 1);
}

TEST(LocalClusterConfig, OfOneNodeNamesNoVotersAndNoSecret) {
    const Layout layout{"/tmp/one", 1, 9400};
    const toml::table table = toml::parse(config_text(layout, NodePlace(layout, 1)));
    EXPECT_FALSE(table.contains("controller"));
    EXPECT_FALSE(table.contains("cluster"));
    EXPECT_EQ(text_at(table, "listen"), "127.0.0.1:9400");
}

TEST(LocalClusterManifest, ComesBackAsItWas) {
    const Layout layout{"/d", 5, 9500};
    Expected<Layout> read = parse_manifest(manifest_text(layout), "/d");
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->nodes, 5);
    EXPECT_EQ(read->port_base, 9500);
    EXPECT_EQ(read->directory, "/d");
    for (const char* text : {"", "{", "[]", "{\"nodes\": 3}", "{\"nodes\": 2, \"port_base\": 9400}",
                             "{\"nodes\": \"3\", \"port_base\": 9400}"}) {
        EXPECT_FALSE(parse_manifest(text, "/d").ok()) << text;
    }
}

TEST(LocalClusterDirectory, IsMadeOnceAndOpenedAsItIs) {
    Directory directory;
    Expected<Layout> made = make_or_open({directory.path, 3, 9500});
    ASSERT_TRUE(made.ok()) << made.error().to_string();
    struct stat secret{};
    ASSERT_EQ(stat(made->secret_file().c_str(), &secret), 0);
    EXPECT_EQ(secret.st_mode & 0777, 0600u);
    EXPECT_EQ(read_file(made->secret_file()).size(), 65u);
    // What people wrote into a configuration stays.
    const std::string config = NodePlace(*made, 2).config_file();
    std::ofstream(config, std::ios::app) << "spin = \"0\"\n";
    std::filesystem::remove(NodePlace(*made, 3).config_file());
    Expected<Layout> opened = make_or_open({directory.path});
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    EXPECT_EQ(opened->nodes, 3);
    EXPECT_EQ(opened->port_base, 9500);
    EXPECT_THAT(read_file(config), HasSubstr("spin"));
    EXPECT_THAT(read_file(NodePlace(*made, 3).config_file()), HasSubstr("broker.id = 3"));
    EXPECT_THAT(make_or_open({directory.path, 5}).error().hint, HasSubstr("has 3 nodes"));
    EXPECT_FALSE(make_or_open({directory.path, 3, 9400}).ok());
}

TEST(LocalClusterDirectory, IsLeftAloneIfSomethingElseIsInIt) {
    Directory directory;
    std::ofstream(directory.path + "/mine") << "x";
    Expected<Layout> made = make_or_open({directory.path, 3, 9500});
    ASSERT_FALSE(made.ok());
    EXPECT_THAT(made.error().hint, HasSubstr("is not empty"));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path), {}), 1);
    EXPECT_FALSE(make_or_open({directory.path + "/nowhere"}).ok());
}

TEST(LocalClusterDirectory, IsOfOneCommandAtATime) {
    Directory directory;
    {
        Expected<DirectoryLock> lock = DirectoryLock::take(directory.path);
        ASSERT_TRUE(lock.ok());
        EXPECT_EQ(DirectoryLock::take(directory.path).error().code, ErrorCode::locked);
    }
    EXPECT_TRUE(DirectoryLock::take(directory.path).ok());
}

TEST(LocalClusterIdentity, ComesBackAsItWas) {
    const ProcessIdentity identity{4711, 123456, "boot"};
    EXPECT_EQ(parse_identity(to_text(identity)), identity);
    for (const char* text : {"", "4711", "4711 5", "x 5 boot", "0 5 boot", "-1 5 boot", "4711 5 boot more"}) {
        EXPECT_FALSE(parse_identity(text).has_value()) << text;
    }
}

TEST(LocalClusterIdentity, IsReadBehindTheNameOfTheProgram) {
    const std::string fields = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21\n";
    std::optional<ProcessStat> stat = parse_stat("4711 (a) b (c)) S" + fields);
    ASSERT_TRUE(stat.has_value());
    EXPECT_EQ(stat->start_ticks, 987654u);
    EXPECT_TRUE(stat->is_running());
    EXPECT_FALSE(parse_stat("4711 (x) Z" + fields)->is_running());
    EXPECT_FALSE(parse_stat("").has_value());
    EXPECT_FALSE(parse_stat("4711 (x) S 1 2").has_value());
}

TEST(LocalClusterIdentity, IsOfOneProcessOnly) {
    std::optional<ProcessIdentity> self = identity_of(getpid());
    ASSERT_TRUE(self.has_value());
    EXPECT_TRUE(is_running(*self));
    // Another process that has got the number.
    ProcessIdentity other = *self;
    ++other.start_ticks;
    EXPECT_FALSE(is_running(other));
    other = *self;
    other.boot = "another boot";
    EXPECT_FALSE(is_running(other));
    // One that has ended, and whose exit code nobody has asked for.
    const pid_t child = fork();
    if (child == 0) _exit(0);
    siginfo_t info{};
    ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
    EXPECT_FALSE(identity_of(child).has_value());
    waitpid(child, nullptr, 0);
}

// A program that behaves as a daemon: a shell script in its place.
struct Script {
    Script() {
        Expected<Layout> made = make_or_open({directory.path, 1, 9500});
        if (!made) std::abort();
        layout = *made;
    }
    std::string program(const std::string& text) {
        const std::string path = directory.path + "/program";
        std::ofstream(path) << "#!/bin/sh\n" << text;
        std::filesystem::permissions(path, std::filesystem::perms::owner_all);
        return path;
    }
    NodePlace place() const { return {layout, 1}; }

    Directory directory;
    Layout layout;
};

bool says(const NodeProcess& process, const std::string& text) {
    for (int attempt = 0; attempt < 3000; ++attempt) {
        if (process.said().find(text) != std::string::npos) return true;
        usleep(10'000);
    }
    return false;
}

TEST(LocalClusterProcess, IsStartedFoundAndStopped) {
    Script script;
    std::ofstream(script.place().log_file()) << "2026 info ready: of an earlier start\n";
    setenv("IRONBARK_LISTEN", "0.0.0.0:1", 1);
    Expected<NodeProcess> started =
        NodeProcess::start(script.program("trap 'echo stopping; exit 0' TERM\nenv\necho \"time info ready: $*\"\n"
                                          "while :; do sleep 0.01; done\n"),
                           script.place());
    unsetenv("IRONBARK_LISTEN");
    ASSERT_TRUE(started.ok()) << started.error().to_string();
    ASSERT_TRUE(says(*started, "ready: --config " + script.place().config_file() + "\n"));
    EXPECT_EQ(ready_line(started->said()), "ready: --config " + script.place().config_file());
    EXPECT_THAT(started->said(), testing::Not(HasSubstr("IRONBARK_LISTEN")));
    EXPECT_EQ(getsid(started->pid()), started->pid());
    std::optional<NodeProcess> found = NodeProcess::find(script.place());
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->pid(), started->pid());
    std::vector<NodeProcess> processes;
    processes.push_back(std::move(*found));
    EXPECT_THAT(stop_all(processes, 30'000ms), ElementsAre(Ended::stopped));
    EXPECT_TRUE(says(*started, "stopping"));
    EXPECT_FALSE(NodeProcess::find(script.place()).has_value());
    EXPECT_FALSE(std::filesystem::exists(script.place().pid_file()));
    waitpid(started->pid(), nullptr, 0);
}

TEST(LocalClusterProcess, ThatDoesNotStopIsKilled) {
    Script script;
    Expected<NodeProcess> started =
        NodeProcess::start(script.program("trap '' TERM\necho deaf\nwhile :; do sleep 0.01; done\n"), script.place());
    ASSERT_TRUE(started.ok()) << started.error().to_string();
    ASSERT_TRUE(says(*started, "deaf"));
    std::vector<NodeProcess> processes;
    processes.push_back(std::move(*started));
    EXPECT_THAT(stop_all(processes, 100ms), ElementsAre(Ended::killed));
    waitpid(processes[0].pid(), nullptr, 0);
}

TEST(LocalClusterProcess, OfAnotherStartIsNotFound) {
    Script script;
    ProcessIdentity other = *identity_of(getpid());
    ++other.start_ticks;
    ASSERT_TRUE(write_file(script.place().pid_file(), to_text(other)).ok());
    EXPECT_FALSE(NodeProcess::find(script.place()).has_value());
}

TEST(LocalClusterProcess, ThatCannotRunIsSaidAtOnce) {
    Script script;
    const std::string path = script.directory.path + "/program";
    std::ofstream(path) << "no program";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    Expected<NodeProcess> started = NodeProcess::start(path, script.place());
    ASSERT_FALSE(started.ok());
    EXPECT_THAT(started.error().hint, HasSubstr("cannot run " + path));
}

TEST(LocalClusterProgram, IsTheOneThatWasGivenOrIsLookedFor) {
    EXPECT_EQ(*find_daemon("/bin/../bin/sh"), "/bin/sh");
    EXPECT_THAT(find_daemon("/nowhere/ironbarkd").error().hint, HasSubstr("/nowhere/ironbarkd"));
    const std::string before = getenv("PATH");
    Directory directory;
    setenv("PATH", ("/nowhere-1:" + directory.path).c_str(), 1);
    Expected<std::string> missing = find_daemon("");
    ASSERT_FALSE(missing.ok());
    EXPECT_THAT(missing.error().hint, HasSubstr("in PATH (/nowhere-1:" + directory.path + ")"));
    const std::string path = directory.path + "/ironbarkd";
    std::ofstream(path) << "#!/bin/sh\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    EXPECT_EQ(*find_daemon(""), path);
    setenv("PATH", before.c_str(), 1);
}

TEST(LocalClusterWords, AreTheLastLines) {
    EXPECT_EQ(last_lines("a\nb\nc\n", 2), "b\nc");
    EXPECT_EQ(last_lines("a\nb\n", 5), "a\nb");
    EXPECT_EQ(last_lines("\n\n", 5), "");
    EXPECT_EQ(ready_line("x info ready: half of a line"), "");
}

}  // namespace
}  // namespace ironbark::tools::local_cluster
