#include "broker/config.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <toml++/toml.h>

#include "runtime/base/text.h"

namespace ironbark::broker {
namespace {

constexpr ConfigKey keys[] = {
    {"data.dir", "./ironbark-data", "directory that holds everything; made if it is missing"},
    {"listen", "127.0.0.1:9400", "HOST:PORT for clients; listen.address in a file that has listen.insecure, too"},
    {"advertise", "", "HOST:PORT that clients are told to connect to; default: the listen address"},
    {"listen.insecure", "false", "allow a listen address other than loopback: there is no authentication yet"},
    {"metrics", "127.0.0.1:9401", "HOST:PORT of /metrics and /healthz, or off"},
    {"broker.id", "1", "number of this daemon in its cluster"},
    {"rack", "", "where this broker stands, for placement"},
    {"roles", "",
     "broker, controller or broker,controller; default: broker, and controller if controller.voters names it"},
    {"controller.voters", "",
     "ID@HOST:PORT,... of the 1, 3 or 5 daemons that are controllers; default: this one alone"},
    {"cluster.listen", "", "HOST:PORT for other daemons; default: this daemon's address in controller.voters"},
    {"cluster.advertise", "", "HOST:PORT that other daemons are told to connect to; default: cluster.listen"},
    {"cluster.replica_port", "0", "port for followers, on the host of cluster.listen; 0: any that is free"},
    {"cluster.secret", "", "what all daemons of the cluster know, and nobody else; at least 16 characters"},
    {"cluster.secret_file", "", "a file with the secret, instead of cluster.secret"},
    {"session.timeout", "1500ms",
     "a broker that is silent for so long is given up; what the active controller is set to counts"},
    {"election.timeout", "300ms", "a controller that hears nothing of the active one for so long may become it"},
    {"appointment.wait", "30ms",
     "how long an appointment of a leader waits for more replicas to say what they have; 0: the first one leads"},
    {"replica.lag.time.max", "2s", "a follower that was not caught up for so long leaves the in-sync set"},
    {"shards", "0", "threads that own partitions; 0: half of the cores, at least one"},
    {"io", "auto", "auto, io_uring or posix"},
    {"spin", "200us", "how long a thread polls before it sleeps, while most waits are so short; 0: never"},
    {"reserve", "256MiB", "free disk space below which records are refused"},
    {"memory.tail", "64MiB", "per shard: recent records kept in memory for readers"},
    {"memory.unwritten", "64MiB", "per shard: records accepted and not yet written; more wait"},
    {"memory.requests", "128MiB", "per shard: requests being received and served; more wait"},
    {"pool.files", "4", "per shard: segment files kept for reuse"},
    {"retention.interval", "5min", "time between two looks at what may be removed"},
    {"connections.max", "4096", "per shard: client connections; each needs 16 KiB of memory.requests"},
    {"default.partitions", "1", "partitions of a topic that is created without a number"},
    {"log.level", "info", "trace, debug, info, warning or error: what is reported on standard error"},
};

const ConfigKey* find_key(std::string_view name) {
    for (const ConfigKey& key : keys) {
        if (name == key.name) return &key;
    }
    return nullptr;
}

std::string unknown_key(std::string_view name) {
    std::vector<std::string_view> names;
    for (const ConfigKey& key : keys) names.push_back(key.name);
    std::string_view near = nearest(name, names);
    return fmt::format("unknown key '{}'{}", name, near.empty() ? "" : fmt::format("; the nearest is '{}'", near));
}

Result<void> flatten(const toml::table& table, const std::string& prefix, ConfigValues& values, std::string* problem) {
    for (const auto& [key, node] : table) {
        std::string name = prefix + std::string(key.str());
        if (const toml::table* inner = node.as_table()) {
            TRY_VOID(flatten(*inner, name + ".", values, problem));
            continue;
        }
        std::string text;
        if (auto string = node.value_exact<std::string>()) {
            text = *string;
        } else if (auto integer = node.value_exact<int64_t>()) {
            text = std::to_string(*integer);
        } else if (auto boolean = node.value_exact<bool>()) {
            text = *boolean ? "true" : "false";
        } else {
            *problem =
                fmt::format("line {}: {} is neither a string, a number nor a boolean", node.source().begin.line, name);
            return ErrorCode::invalid_config;
        }
        // In a file, `listen` cannot be a value and have `listen.insecure` below it.
        if (name.ends_with(".address")) name.resize(name.size() - std::strlen(".address"));
        if (find_key(name) == nullptr) {
            *problem = fmt::format("line {}: {}", node.source().begin.line, unknown_key(name));
            return ErrorCode::invalid_config;
        }
        values[name] = text;
    }
    return {};
}

// Reads values one after the other and remembers the first that is wrong.
class Reader {
  public:
    Reader(const ConfigValues& values, std::string* problem) : values_(values), problem_(*problem) {}

    std::string text(const char* name) {
        auto found = values_.find(name);
        return found != values_.end() ? found->second : std::string(find_key(name)->default_value);
    }
    int64_t number(const char* name, int64_t minimum, int64_t maximum) {
        std::string value = text(name);
        int64_t parsed = 0;
        auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
        bool good = error == std::errc{} && end == value.data() + value.size();
        return in_range(name, value, good, parsed, minimum, maximum);
    }
    int64_t bytes(const char* name, int64_t minimum, int64_t maximum) {
        std::string value = text(name);
        Result<int64_t> parsed = parse_bytes(value);
        return in_range(name, value, parsed.ok(), parsed.ok() ? *parsed : 0, minimum, maximum);
    }
    Duration duration(const char* name, Duration minimum, Duration maximum) {
        std::string value = text(name);
        Result<Duration> parsed = parse_duration(value);
        if (parsed.ok() && *parsed >= minimum && *parsed <= maximum) return *parsed;
        auto milliseconds = [](Duration duration) { return static_cast<double>(duration.count()) / 1e6; };
        wrong(name, value, fmt::format("a duration from {} to {} ms", milliseconds(minimum), milliseconds(maximum)));
        return minimum;
    }
    bool boolean(const char* name) {
        std::string value = text(name);
        if (value != "true" && value != "false") wrong(name, value, "true or false");
        return value == "true";
    }
    Address address(const char* name) {
        std::string value = text(name);
        Result<Address> parsed = Address::parse(value);
        if (parsed.ok()) return *parsed;
        wrong(name, value, "HOST:PORT, for example 127.0.0.1:9400 or [::1]:9400");
        return {};
    }
    std::string one_of(const char* name, std::initializer_list<const char*> choices) {
        std::string value = text(name);
        std::string list;
        for (const char* choice : choices) {
            if (value == choice) return value;
            list += (list.empty() ? "" : ", ") + std::string(choice);
        }
        wrong(name, value, "one of " + list);
        return value;
    }
    void wrong(const char* name, const std::string& value, const std::string& expected) {
        if (problem_.empty()) problem_ = fmt::format("{} = '{}': expected {}", name, value, expected);
    }

  private:
    int64_t in_range(
        const char* name, const std::string& value, bool good, int64_t parsed, int64_t minimum, int64_t maximum) {
        if (!good || parsed < minimum || parsed > maximum) {
            wrong(name, value, fmt::format("a value from {} to {}", minimum, maximum));
            return minimum;
        }
        return parsed;
    }

    const ConfigValues& values_;
    std::string& problem_;
};

constexpr size_t secret_size_min = 16;
constexpr size_t secret_size_max = 4096;

std::vector<VoterAddress> read_voters(Reader& reader) {
    const std::string text = reader.text("controller.voters");
    std::vector<VoterAddress> voters;
    auto wrong = [&] {
        reader.wrong("controller.voters", text,
                     "1, 3 or 5 of ID@HOST:PORT with different ids and addresses, for example "
                     "1@10.0.0.1:9500,2@10.0.0.2:9500,3@10.0.0.3:9500");
        return std::vector<VoterAddress>();
    };
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find(',', at), text.size());
        const std::string_view each = std::string_view(text).substr(at, end - at);
        at = end + 1;
        VoterAddress voter;
        auto [id_end, error] = std::from_chars(each.data(), each.data() + each.size(), voter.id);
        const auto id_size = static_cast<size_t>(id_end - each.data());
        if (error != std::errc{} || voter.id < 0 || id_size >= each.size() || each[id_size] != '@') return wrong();
        Result<Address> address = Address::parse(each.substr(id_size + 1));
        if (!address.ok() || address->port == 0) return wrong();
        voter.address = *std::move(address);
        for (const VoterAddress& other : voters) {
            if (other.id == voter.id || other.address == voter.address) return wrong();
        }
        voters.push_back(std::move(voter));
    }
    if (!voters.empty() && voters.size() != 1 && voters.size() != 3 && voters.size() != 5) return wrong();
    std::sort(voters.begin(), voters.end(), [](const auto& left, const auto& right) { return left.id < right.id; });
    return voters;
}

std::string read_secret(Reader& reader) {
    const std::string path = reader.text("cluster.secret_file");
    std::string secret = reader.text("cluster.secret");
    if (!path.empty() && !secret.empty()) {
        reader.wrong("cluster.secret_file", path, "nothing, because cluster.secret is set too");
    } else if (!path.empty()) {
        std::ifstream file(path);
        secret.assign(std::istreambuf_iterator<char>(file), {});
        while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
        if (!file || secret.empty())
            reader.wrong("cluster.secret_file", path, "a file that can be read and is not empty");
    }
    if (!secret.empty() && (secret.size() < secret_size_min || secret.size() > secret_size_max)) {
        reader.wrong(path.empty() ? "cluster.secret" : "cluster.secret_file", path.empty() ? "(not shown)" : path,
                     fmt::format("{} to {} characters", secret_size_min, secret_size_max));
    }
    return secret;
}

const VoterAddress* find_voter(const Config& config, int32_t id) {
    for (const VoterAddress& voter : config.voters) {
        if (voter.id == id) return &voter;
    }
    return nullptr;
}

void read_cluster(Reader& reader, Config& config) {
    config.voters = read_voters(reader);
    config.cluster_secret = read_secret(reader);
    if (!reader.text("cluster.listen").empty()) {
        config.cluster_listen = reader.address("cluster.listen");
    } else if (const VoterAddress* self = find_voter(config, config.broker_id)) {
        config.cluster_listen = self->address;
    }
    config.cluster_advertise =
        reader.text("cluster.advertise").empty() ? config.cluster_listen : reader.address("cluster.advertise");
    config.cluster_replica_port = static_cast<uint16_t>(reader.number("cluster.replica_port", 0, UINT16_MAX));
    config.replica_lag_time_max = reader.duration("replica.lag.time.max", 100ms, std::chrono::minutes(10));
    config.session_timeout = reader.duration("session.timeout", 100ms, std::chrono::minutes(10));
    config.election_timeout = reader.duration("election.timeout", 50ms, std::chrono::minutes(1));
    config.appointment_wait = reader.duration("appointment.wait", 0ms, 10s);
}

// Names are not looked up: what one means is somebody else's choice.
bool is_loopback(const std::string& host) {
    in_addr address{};
    if (inet_pton(AF_INET, host.c_str(), &address) == 1) return (ntohl(address.s_addr) >> 24) == 127;
    return host == "localhost" || host == "::1";
}

bool is_wildcard(const std::string& host) {
    return host == "0.0.0.0" || host == "::";
}

// Who is a controller is said by `controller.voters`; `roles` may say the same, and that it is nothing besides.
void read_roles(Reader& reader, Config& config) {
    const std::string roles = reader.text("roles");
    if (roles.empty()) return;
    const bool is_broker = roles != "controller";
    const bool is_controller = roles != "broker";
    if (is_broker && is_controller && roles != "broker,controller" && roles != "controller,broker") {
        reader.wrong("roles", roles, "broker, controller or broker,controller");
    } else if (is_controller && !is_voter(config)) {
        reader.wrong("roles", roles,
                     fmt::format("broker, unless controller.voters names broker.id = {}", config.broker_id));
    } else if (!is_controller && is_voter(config)) {
        reader.wrong("roles", roles, "to say controller, too, since this daemon is among controller.voters");
    } else if (!is_broker && config.voters.empty()) {
        reader.wrong("roles", roles,
                     "to say broker, too, since this daemon is alone: nobody else could keep a partition");
    }
    config.is_controller_only = !is_broker;
}

std::string cluster_contradiction(const Config& config) {
    const bool has_listener = !config.cluster_listen.host.empty();
    if (!config.voters.empty() && !has_listener) {
        return fmt::format(
            "broker.id = {} is not among controller.voters, and cluster.listen is not set. Set cluster.listen to the "
            "HOST:PORT on which other daemons reach this broker",
            config.broker_id);
    }
    if (has_listener && config.voters.empty()) {
        return "cluster.listen is set, and controller.voters is not: list the daemons that are controllers, as "
               "ID@HOST:PORT,...";
    }
    if (has_listener && config.cluster_secret.empty()) {
        return "daemons of a cluster prove to each other that they belong to it: set cluster.secret, or "
               "cluster.secret_file, to the same secret on all of them";
    }
    if (is_wildcard(config.cluster_advertise.host)) {
        return fmt::format(
            "other daemons cannot connect to '{}': it means every address of this machine. Set cluster.advertise to "
            "the "
            "HOST:PORT that they are to use",
            config.cluster_advertise.to_string());
    }
    if (has_listener && config.cluster_listen == config.listen) {
        return "listen and cluster.listen name the same port; give daemons one of their own";
    }
    return {};
}

// What is right by itself and wrong beside the rest.
std::string contradiction(const Config& config) {
    struct Listening {
        const char* key;
        const Address& address;
        bool is_used;
        const char* risk;
    };
    const Listening listening[] = {
        {"listen", config.listen, true, "anybody who reaches it can read and delete everything"},
        {"metrics", config.metrics, config.metrics_enabled, "anybody who reaches it can read how this broker fares"},
        {"cluster.listen", config.cluster_listen, !config.cluster_listen.host.empty(),
         "daemons prove that they know the secret, but what they say then can be read and changed on its way"},
    };
    for (const Listening& each : listening) {
        if (!each.is_used || config.listen_insecure || is_loopback(each.address.host)) continue;
        return fmt::format(
            "{} = '{}' is not a loopback address, and there is no encryption and no authentication of clients: {}. Set "
            "listen.insecure = true to allow it",
            each.key, each.address.to_string(), each.risk);
    }
    if (is_wildcard(config.advertise.host)) {
        return fmt::format(
            "clients cannot connect to '{}': it means every address of this machine. Set advertise to the HOST:PORT "
            "that they are to use",
            config.advertise.to_string());
    }
    if (std::string problem = cluster_contradiction(config); !problem.empty()) return problem;
    if (config.metrics_enabled && config.metrics.port != 0 && config.metrics.port == config.listen.port &&
        config.metrics.host == config.listen.host) {
        return "listen and metrics name the same port; give metrics another one, or off";
    }
    if (Result<void> fits = rpc::check(server_limits(config)); !fits.ok()) {
        return fmt::format("memory.requests ({} bytes) and connections.max ({}) do not go together: {}",
                           config.request_bytes, config.connections_max, fits.error().text);
    }
    return {};
}

std::string with_separator(const char* name, char separator) {
    std::string text = name;
    std::replace(text.begin(), text.end(), '.', separator);
    std::replace(text.begin(), text.end(), '_', separator);
    return text;
}

}  // namespace

std::span<const ConfigKey> config_keys() {
    return keys;
}

std::string flag_of(const ConfigKey& key) {
    return "--" + with_separator(key.name, '-');
}

std::string variable_of(const ConfigKey& key) {
    std::string text = "IRONBARK_" + with_separator(key.name, '_');
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
    return text;
}

Result<ConfigValues> read_config_file(const std::string& path, std::string* problem) {
    ConfigValues values;
    try {
        toml::table table = toml::parse_file(path);
        if (Result<void> read = flatten(table, "", values, problem); !read.ok()) {
            *problem = path + ", " + *problem;
            return read.error();
        }
    } catch (const toml::parse_error& error) {
        *problem = fmt::format("{}, line {}: {}", path, error.source().begin.line, error.description());
        return ErrorCode::invalid_config;
    }
    return values;
}

Result<ConfigValues> read_config_environment(const char* const* environment, std::string* problem) {
    ConfigValues values;
    for (; *environment != nullptr; ++environment) {
        std::string_view entry(*environment);
        if (!entry.starts_with("IRONBARK_")) continue;
        size_t equals = entry.find('=');
        std::string_view name = entry.substr(0, equals);
        // The client's, who may share the environment.
        if (name == "IRONBARK_BOOTSTRAP" || name == "IRONBARK_CONFIG" || equals == std::string_view::npos) continue;
        auto key = std::find_if(std::begin(keys), std::end(keys),
                                [name](const ConfigKey& candidate) { return variable_of(candidate) == name; });
        if (key == std::end(keys)) {
            std::vector<std::string> variables;
            for (const ConfigKey& candidate : keys) variables.push_back(variable_of(candidate));
            std::vector<std::string_view> views(variables.begin(), variables.end());
            std::string_view near = nearest(name, views);
            *problem = fmt::format("the environment variable {} is not known{}", name,
                                   near.empty() ? "" : fmt::format("; the nearest is {}", near));
            return ErrorCode::invalid_config;
        }
        values[key->name] = std::string(entry.substr(equals + 1));
    }
    return values;
}

bool is_voter(const Config& config) {
    return config.voters.empty() || find_voter(config, config.broker_id) != nullptr;
}

rpc::ServerLimits server_limits(const Config& config) {
    rpc::ServerLimits limits;
    limits.connections_max = static_cast<size_t>(config.connections_max);
    limits.memory_bytes = static_cast<size_t>(config.request_bytes);
    return limits;
}

Result<Config> make_config(const ConfigValues& values, std::string* problem) {
    for (const auto& [name, value] : values) {
        if (find_key(name) != nullptr) continue;
        *problem = unknown_key(name);
        return ErrorCode::invalid_config;
    }
    constexpr int64_t gigabyte = int64_t{1} << 30;
    Reader reader(values, problem);
    Config config;
    config.data_dir = reader.text("data.dir");
    if (config.data_dir.empty()) reader.wrong("data.dir", "", "a directory");
    config.listen = reader.address("listen");
    config.advertise = reader.text("advertise").empty() ? config.listen : reader.address("advertise");
    config.listen_insecure = reader.boolean("listen.insecure");
    config.metrics_enabled = reader.text("metrics") != "off";
    if (config.metrics_enabled) config.metrics = reader.address("metrics");
    config.broker_id = static_cast<int32_t>(reader.number("broker.id", 0, INT32_MAX));
    config.rack = reader.text("rack");
    read_cluster(reader, config);
    read_roles(reader, config);
    config.shards = static_cast<size_t>(reader.number("shards", 0, 256));
    if (config.is_controller_only && config.shards == 0) config.shards = 1;
    config.io = reader.one_of("io", {"auto", "io_uring", "posix"});
    config.spin = reader.duration("spin", 0ms, 1s);
    config.reserve_bytes = reader.bytes("reserve", 0, 1024 * gigabyte);
    config.tail_bytes = reader.bytes("memory.tail", 1 << 20, 1024 * gigabyte);
    config.unwritten_bytes = reader.bytes("memory.unwritten", int64_t{20} << 20, 1024 * gigabyte);
    config.request_bytes = reader.bytes("memory.requests", int64_t{64} << 20, 1024 * gigabyte);
    config.pool_files = reader.number("pool.files", 0, 10'000);
    config.retention_interval = reader.duration("retention.interval", 100ms, std::chrono::hours(24));
    config.connections_max = static_cast<int32_t>(reader.number("connections.max", 1, 1'000'000));
    config.default_partitions = static_cast<int32_t>(reader.number("default.partitions", 1, 10'000));
    config.log_level = reader.one_of("log.level", {"trace", "debug", "info", "warning", "error"});
    if (problem->empty()) *problem = contradiction(config);
    if (!problem->empty()) return ErrorCode::invalid_config;
    return config;
}

}  // namespace ironbark::broker
