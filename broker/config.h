#pragma once
// What the daemon can be told, by file, environment and flag (the later wins). One table of keys, so that help, file,
// environment and checks cannot differ. No configuration at all gives a complete single node.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/time.h"
#include "runtime/io/world.h"
#include "runtime/rpc/server.h"

namespace ironbark::broker {

// A daemon that votes in the controller quorum, by its broker.id.
struct VoterAddress {
    int32_t id = -1;
    Address address;
    friend bool operator==(const VoterAddress&, const VoterAddress&) = default;
};

struct Config {
    std::string data_dir = "./ironbark-data";
    Address listen{"127.0.0.1", 9400};
    Address advertise{"", 0};  // empty: what is listened on
    Address metrics{"127.0.0.1", 9401};
    bool metrics_enabled = true;
    bool listen_insecure = false;
    int32_t broker_id = 1;
    std::string rack;
    bool is_controller_only = false;  // it keeps no partitions
    // Of the cluster. Without voters this daemon is a cluster by itself, and listens for no others.
    std::vector<VoterAddress> voters;  // in order of their ids
    Address cluster_listen{"", 0};     // for other daemons; empty: none
    Address cluster_advertise{"", 0};  // that they are told to connect to
    uint16_t cluster_replica_port = 0;         // where followers are served, on the host of cluster_listen; 0: any
    std::string cluster_secret;
    Duration session_timeout = 1500ms;  // a broker that is silent for so long is given up
    Duration election_timeout = 300ms;  // a voter that hears nothing of a leader for so long stands for election
    Duration appointment_wait = 30ms;   // for more replicas to say what they have, before a leader is appointed
    Duration replica_lag_time_max = 2s;  // a follower that was not caught up for so long leaves the in-sync set
    size_t shards = 0;                  // 0: half of the cores, at least one
    std::string io = "auto";            // auto, io_uring, posix
    Duration spin = 200us;
    int64_t reserve_bytes = int64_t{256} << 20;
    int64_t tail_bytes = int64_t{64} << 20;       // per shard: recent records kept in memory
    int64_t unwritten_bytes = int64_t{64} << 20;  // per shard: appended and not yet written
    int64_t request_bytes = int64_t{128} << 20;   // per shard: requests being received and served
    int64_t pool_files = 4;
    Duration retention_interval = 300s;
    int32_t connections_max = 4096;
    int32_t default_partitions = 1;
    std::string log_level = "info";
};

struct ConfigKey {
    const char* name;           // as in the file and, with dashes, as a flag: `data.dir`, --data-dir, IRONBARK_DATA_DIR
    const char* default_value;  // as text
    const char* help;
};
std::span<const ConfigKey> config_keys();

using ConfigValues = std::map<std::string, std::string>;

// Reads a TOML file: keys as dotted names or tables. `problem` names file, line, key and the nearest known key.
Result<ConfigValues> read_config_file(const std::string& path, std::string* problem);
// What IRONBARK_* variables say. Unknown ones of that prefix are a problem, too.
Result<ConfigValues> read_config_environment(const char* const* environment, std::string* problem);
// Whether the daemon votes: it is among the voters, or there are none but itself.
bool is_voter(const Config& config);
// What a shard's server may use.
rpc::ServerLimits server_limits(const Config& config);
// Puts the values together and checks them, alone and against each other.
Result<Config> make_config(const ConfigValues& values, std::string* problem);

// The flag and the environment variable of a key.
std::string flag_of(const ConfigKey& key);
std::string variable_of(const ConfigKey& key);

}  // namespace ironbark::broker
