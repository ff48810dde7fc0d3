// What the daemon is told, by file, environment and flag, and what it says to what it does not understand.
#include "broker/config.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <set>

#include "broker/command_line.h"

namespace ironbark::broker {
namespace {

struct ConfigTest : testing::Test {
    ~ConfigTest() override { std::filesystem::remove(path); }

    std::string file(const std::string& text) {
        std::ofstream(path) << text;
        return path;
    }
    // What comes of a file, an environment and flags; `problem` says why nothing does.
    std::optional<Config> load(const std::string& text,
                               std::vector<const char*> environment = {},
                               std::vector<const char*> flags = {}) {
        problem.clear();
        std::string name = text.empty() ? "" : file(text);
        if (!name.empty()) flags.insert(flags.begin(), {"--config", name.c_str()});
        flags.insert(flags.begin(), "ironbarkd");
        environment.push_back(nullptr);
        CommandLine line;
        std::optional<Answer> answer = parse_command_line(static_cast<int>(flags.size()), flags.data(), line);
        if (answer) problem = answer->text;
        if (answer) return std::nullopt;
        Result<ConfigValues> values = gather_config(line, environment.data(), &problem);
        Result<Config> config = values.ok() ? make_config(*values, &problem) : Result<Config>(values.error());
        EXPECT_EQ(config.ok(), problem.empty()) << problem;
        if (!config.ok()) return std::nullopt;
        return *config;
    }
    bool says(const std::string& text) const { return problem.find(text) != std::string::npos; }

    std::string path = testing::TempDir() + "ironbark_config_" +
                       testing::UnitTest::GetInstance()->current_test_info()->name() + ".toml";
    std::string problem;
};

TEST_F(ConfigTest, NothingAtAllIsACompleteNode) {
    std::optional<Config> config = load("");
    ASSERT_TRUE(config) << problem;
    EXPECT_EQ(config->data_dir, "./ironbark-data");
    EXPECT_EQ(config->listen.to_string(), "127.0.0.1:9400");
    EXPECT_EQ(config->advertise.to_string(), "127.0.0.1:9400");
    EXPECT_EQ(config->metrics.to_string(), "127.0.0.1:9401");
    EXPECT_EQ(config->shards, 0u);
    EXPECT_EQ(config->reserve_bytes, 256 << 20);
}

TEST_F(ConfigTest, AFlagWinsOverTheEnvironmentAndTheEnvironmentOverTheFile) {
    const char* text = "shards = 2\nrack = 'file'\n[data]\ndir = '/file'\n";
    std::optional<Config> config = load(text);
    ASSERT_TRUE(config) << problem;
    EXPECT_EQ(config->shards, 2u);
    EXPECT_EQ(config->rack, "file");
    EXPECT_EQ(config->data_dir, "/file");
    config = load(text, {"IRONBARK_DATA_DIR=/environment", "IRONBARK_RACK=environment"});
    ASSERT_TRUE(config) << problem;
    EXPECT_EQ(config->shards, 2u);
    EXPECT_EQ(config->rack, "environment");
    EXPECT_EQ(config->data_dir, "/environment");
    config = load(text, {"IRONBARK_DATA_DIR=/environment", "IRONBARK_RACK=environment"}, {"--data-dir", "/flag"});
    ASSERT_TRUE(config) << problem;
    EXPECT_EQ(config->shards, 2u);
    EXPECT_EQ(config->rack, "environment");
    EXPECT_EQ(config->data_dir, "/flag");
}

TEST_F(ConfigTest, TheEnvironmentNamesTheFileUnlessAFlagDoes) {
    std::string variable = "IRONBARK_CONFIG=" + file("rack = 'a'");
    EXPECT_EQ(load("", {variable.c_str()})->rack, "a");
    EXPECT_FALSE(load("", {"IRONBARK_CONFIG=/no/such/file"}));
    EXPECT_TRUE(says("/no/such/file")) << problem;
    EXPECT_EQ(load("rack = 'b'", {"IRONBARK_CONFIG=/no/such/file"})->rack, "b");
}

TEST_F(ConfigTest, VariablesOfClientsAndOfOthersAreNoBusinessOfTheDaemon) {
    EXPECT_TRUE(load("", {"IRONBARK_BOOTSTRAP=x", "PATH=/bin", "IRONBARKISH=1"})) << problem;
}

TEST_F(ConfigTest, UnknownKeysAreRefusedWithTheNearestName) {
    EXPECT_FALSE(load("shards = 1\nshard = 2"));
    EXPECT_TRUE(says("line 2: unknown key 'shard'; the nearest is 'shards'")) << problem;
    EXPECT_TRUE(says(path)) << problem;
    EXPECT_FALSE(load("[memory]\ntails = '1MiB'"));
    EXPECT_TRUE(says("unknown key 'memory.tails'; the nearest is 'memory.tail'")) << problem;
    EXPECT_FALSE(load("", {"IRONBARK_SHARD=2"}));
    EXPECT_TRUE(says("IRONBARK_SHARD is not known; the nearest is IRONBARK_SHARDS")) << problem;
    EXPECT_FALSE(load("", {}, {"--shard", "2"}));
    EXPECT_TRUE(says("unknown option --shard; the nearest is --shards")) << problem;
    EXPECT_FALSE(load("", {}, {"--data_dir=/x"}));
    EXPECT_TRUE(says("the nearest is --data-dir")) << problem;
    EXPECT_FALSE(load("", {}, {"start"}));
    EXPECT_TRUE(says("'start' is not understood")) << problem;
}

TEST_F(ConfigTest, AFileThatIsNoTomlIsRefusedWithItsLine) {
    EXPECT_FALSE(load("shards = 1\nshards 2"));
    EXPECT_TRUE(says(path + ", line 2")) << problem;
    EXPECT_FALSE(load("shards = [1, 2]"));
    EXPECT_TRUE(says("line 1: shards is neither a string, a number nor a boolean")) << problem;
}

TEST_F(ConfigTest, AFileCanAllowAnAddressBesideTheAddress) {
    std::optional<Config> config = load("advertise = 'here:9400'\n[listen]\naddress = '0.0.0.0:9400'\ninsecure = true");
    ASSERT_TRUE(config) << problem;
    EXPECT_EQ(config->listen.to_string(), "0.0.0.0:9400");
    EXPECT_TRUE(config->listen_insecure);
}

TEST_F(ConfigTest, EveryFlagHasAKeyAndEveryKeyItsDefault) {
    for (const ConfigKey& key : config_keys()) {
        std::string variable = variable_of(key) + "=" + key.default_value;
        std::optional<Config> config = load("", {variable.c_str()}, {});
        EXPECT_TRUE(config) << key.name << ": " << problem;
        EXPECT_NE(std::string(key.help), "");
    }
}

TEST_F(ConfigTest, AValueOutOfItsRangeIsRefusedWithTheRange) {
    struct Bad {
        const char* key;
        std::vector<const char*> values;
        const char* says;
    };
    const std::vector<Bad> list{
        {"data.dir", {""}, "a directory"},
        {"listen", {"9400", "", ":9400", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:-1"}, "HOST:PORT"},
        {"advertise", {"nowhere"}, "HOST:PORT"},
        {"metrics", {"on", "9401"}, "HOST:PORT"},
        {"listen.insecure", {"yes", "1"}, "true or false"},
        {"broker.id", {"-1", "2147483648", "one", "1.5"}, "from 0 to 2147483647"},
        {"controller.voters",
         {"1", "1@a:1,2@b:2", "1@a:1,2@b:2,3@a:1", "1@a:1,1@b:2,3@c:3", "1@a:0", "-1@a:1", "@a:1"},
         "1, 3 or 5 of ID@HOST:PORT"},
        {"roles", {"brokers", "broker,broker"}, "broker, controller or broker,controller"},
        {"roles", {"controller"}, "to say broker, too"},
        {"roles", {"broker"}, "to say controller, too"},
        {"cluster.listen", {"9402", ":9402"}, "HOST:PORT"},
        {"cluster.advertise", {"nowhere"}, "HOST:PORT"},
        {"cluster.secret_file", {"/no/such/file"}, "a file that can be read"},
        {"cluster.replica_port", {"-1", "65536", "any"}, "from 0 to 65535"},
        {"replica.lag.time.max", {"99ms", "11min"}, "from 100 to"},
        {"session.timeout", {"99ms", "11min"}, "from 100 to"},
        {"election.timeout", {"49ms", "2min"}, "from 50 to"},
        {"appointment.wait", {"-1ms", "11s", "soon"}, "from 0 to 10000 ms"},
        {"shards", {"-1", "257", "two", ""}, "from 0 to 256"},
        {"io", {"uring", ""}, "one of auto, io_uring, posix"},
        {"spin", {"-1us", "2s", "fast"}, "from 0 to 1000 ms"},
        {"reserve", {"-1", "2000TiB", "much"}, "from 0 to"},
        {"memory.tail", {"1023KiB", "2000TiB"}, "from 1048576"},
        {"memory.unwritten", {"19MiB", "0"}, "from 20971520"},
        {"memory.requests", {"63MiB"}, "from 67108864"},
        {"pool.files", {"-1", "10001"}, "from 0 to 10000"},
        {"retention.interval", {"99ms", "25h"}, "from 100 to"},
        {"connections.max", {"0", "1000001"}, "from 1 to 1000000"},
        {"default.partitions", {"0", "10001"}, "from 1 to 10000"},
        {"log.level", {"loud"}, "one of trace, debug, info, warning, error"},
    };
    std::set<std::string> tested;
    for (const Bad& bad : list) {
        tested.insert(bad.key);
        for (const char* value : bad.values) {
            problem.clear();
            EXPECT_FALSE(make_config({{bad.key, value}}, &problem).ok()) << bad.key << " = " << value;
            EXPECT_TRUE(says(std::string(bad.key) + " = '" + value + "'")) << problem;
            EXPECT_TRUE(says(bad.says)) << problem;
        }
    }
    for (const ConfigKey& key : config_keys()) {
        const std::string name = key.name;
        if (name == "rack" || name == "cluster.secret") continue;  // any text; and one that is not shown
        EXPECT_TRUE(tested.contains(key.name)) << key.name;
    }
}

TEST_F(ConfigTest, OnlyLoopbackIsSafeWithoutAuthentication) {
    for (const char* host : {"127.0.0.1", "127.9.8.7", "localhost", "[::1]"}) {
        std::string listen = std::string(host) + ":9400";
        EXPECT_TRUE(load("", {}, {"--listen", listen.c_str()})) << problem;
    }
    for (const char* host : {"127.evil.com", "127.0.0.1.evil.com", "10.0.0.1", "0.0.0.0", "[::]", "example.org"}) {
        std::string address = std::string(host) + ":9400";
        EXPECT_FALSE(load("", {}, {"--listen", address.c_str(), "--advertise", "here:9400"})) << host;
        EXPECT_TRUE(says("Set listen.insecure = true")) << problem;
        EXPECT_TRUE(load("", {}, {"--listen", address.c_str(), "--advertise", "here:9400", "--listen-insecure=true"}))
            << problem;
        EXPECT_FALSE(load("", {}, {"--metrics", address.c_str()})) << host;
        EXPECT_TRUE(says("metrics = ")) << problem;
    }
}

TEST_F(ConfigTest, ACompleteClusterIsReadWhicheverDaemonItIs) {
    const char* voters = "3@127.0.0.3:9402,1@127.0.0.1:9402,2@127.0.0.2:9402";
    const std::vector<const char*> flags{"--controller-voters", voters, "--cluster-secret", "sixteen letters!"};
    auto with = [&](std::vector<const char*> more) {
        more.insert(more.end(), flags.begin(), flags.end());
        return load("", {}, more);
    };
    auto voter = with({"--broker-id", "2"});
    ASSERT_TRUE(voter) << problem;
    ASSERT_EQ(voter->voters.size(), 3u);
    EXPECT_EQ(voter->voters[0].id, 1) << "in order of their ids";
    EXPECT_TRUE(is_voter(*voter));
    EXPECT_EQ(voter->cluster_listen, (Address{"127.0.0.2", 9402})) << "where the others look for it";
    EXPECT_EQ(voter->cluster_advertise, voter->cluster_listen);
    EXPECT_FALSE(with({"--broker-id", "4"})) << "nobody knows where it listens";
    EXPECT_TRUE(says("cluster.listen is not set")) << problem;
    auto broker = with({"--broker-id", "4", "--cluster-listen", "127.0.0.4:9402"});
    ASSERT_TRUE(broker) << problem;
    EXPECT_FALSE(is_voter(*broker));
    EXPECT_FALSE(with({"--broker-id", "4", "--cluster-listen", "127.0.0.4:9402", "--roles", "controller"}));
    EXPECT_TRUE(says("broker, unless controller.voters names broker.id = 4")) << problem;
    EXPECT_FALSE(with({"--broker-id", "2", "--roles", "broker"}));
    EXPECT_TRUE(says("this daemon is among controller.voters")) << problem;
    EXPECT_FALSE(with({"--broker-id", "2", "--roles", "broker,controller"})->is_controller_only);
    EXPECT_TRUE(with({"--broker-id", "2", "--roles", "controller"})->is_controller_only);
}

TEST_F(ConfigTest, AClusterThatContradictsItselfIsRefusedWithTheWayOut) {
    const char* voters = "1@127.0.0.1:9402,2@127.0.0.2:9402,3@127.0.0.3:9402";
    EXPECT_FALSE(load("", {}, {"--controller-voters", voters}));
    EXPECT_TRUE(says("set cluster.secret, or cluster.secret_file")) << problem;
    EXPECT_FALSE(load("", {}, {"--controller-voters", voters, "--cluster-secret", "short"}));
    EXPECT_TRUE(says("16 to 4096 characters")) << problem;
    EXPECT_FALSE(says("short")) << "a secret is not shown";
    EXPECT_FALSE(load("", {}, {"--cluster-listen", "127.0.0.1:9402", "--cluster-secret", "sixteen letters!"}));
    EXPECT_TRUE(says("list the daemons that are controllers")) << problem;
    EXPECT_FALSE(load("", {},
                      {"--controller-voters", voters, "--cluster-secret", "sixteen letters!", "--cluster-listen",
                       "127.0.0.1:9400"}));
    EXPECT_TRUE(says("give daemons one of their own")) << problem;
    const std::string secret = file("a secret of a file\n");
    EXPECT_TRUE(load("", {}, {"--controller-voters", voters, "--cluster-secret-file", secret.c_str()})) << problem;
}

TEST_F(ConfigTest, ClientsAreNotToldToConnectToEveryAddress) {
    for (const char* listen : {"0.0.0.0:9400", "[::]:9400"}) {
        EXPECT_FALSE(load("", {}, {"--listen", listen, "--listen-insecure=true"}));
        EXPECT_TRUE(says("Set advertise to the HOST:PORT")) << problem;
        EXPECT_FALSE(load("", {}, {"--advertise", listen}));
    }
}

TEST_F(ConfigTest, ClientsAndMetricsNeedPortsOfTheirOwn) {
    EXPECT_FALSE(load("", {}, {"--metrics", "127.0.0.1:9400"}));
    EXPECT_TRUE(says("give metrics another one, or off")) << problem;
    EXPECT_TRUE(load("", {}, {"--metrics", "127.0.0.1:0", "--listen", "127.0.0.1:0"}))
        << "ports that the system chooses";
    EXPECT_FALSE(load("", {}, {"--metrics", "off"})->metrics_enabled);
}

TEST_F(ConfigTest, ConnectionsNeedMemory) {
    EXPECT_TRUE(load("", {}, {"--connections-max", "8192"})) << problem;
    EXPECT_FALSE(load("", {}, {"--connections-max", "8193"}));
    EXPECT_TRUE(says("memory.requests (134217728 bytes) and connections.max (8193) do not go together")) << problem;
    EXPECT_TRUE(says("16 KiB for each connection")) << problem;
    EXPECT_TRUE(load("", {}, {"--connections-max", "1000000", "--memory-requests", "16GiB"})) << problem;
}

TEST_F(ConfigTest, WhatIsPrintedForACheckIsAFileThatSaysTheSame) {
    const std::string dir = "a \"quoted\" \\ directory";
    CommandLine line;
    const char* argv[] = {"ironbarkd", "--check-config", "--data-dir", dir.c_str(), "--listen-insecure", "true"};
    ASSERT_FALSE(parse_command_line(6, argv, line));
    EXPECT_TRUE(line.check_config);
    const char* environment[] = {"IRONBARK_SHARDS=3", nullptr};
    Result<ConfigValues> values = gather_config(line, environment, &problem);
    ASSERT_TRUE(values.ok()) << problem;
    Result<ConfigValues> again = read_config_file(file(config_text(*values)), &problem);
    ASSERT_TRUE(again.ok()) << problem;
    EXPECT_EQ(again->size(), config_keys().size());
    EXPECT_EQ(again->at("data.dir"), dir);
    EXPECT_EQ(again->at("shards"), "3");
    EXPECT_EQ(again->at("listen.insecure"), "true");
    EXPECT_EQ(again->at("reserve"), "256MiB");
    EXPECT_EQ(config_text(*again), config_text(*values));
}

TEST_F(ConfigTest, HelpNamesEveryKey) {
    CommandLine line;
    const char* argv[] = {"ironbarkd", "--help"};
    std::optional<Answer> help = parse_command_line(2, argv, line);
    ASSERT_TRUE(help);
    EXPECT_EQ(help->exit_code, 0);
    for (const ConfigKey& key : config_keys()) EXPECT_NE(help->text.find(flag_of(key)), std::string::npos) << key.name;
    argv[1] = "--version";
    std::optional<Answer> version = parse_command_line(2, argv, line);
    EXPECT_EQ(version->exit_code, 0);
    EXPECT_TRUE(version->text.starts_with("ironbarkd ")) << version->text;
}

}  // namespace
}  // namespace ironbark::broker
