#include "bench/load/cluster.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <thread>
#include <time.h>
#include <unistd.h>

#include "bench/load/must.h"

namespace ironbark::bench {

namespace {

constexpr double whole_seconds_max = 60;
constexpr auto whole_look_pause = std::chrono::milliseconds(20);
constexpr const char* active_marker = " controller: active in term ";
constexpr const char* ready_marker = " ready: clients on ";

// Ports that nobody has now, for addresses that must be known before the daemons run.
std::array<uint16_t, Cluster::size> free_ports() {
    std::array<uint16_t, Cluster::size> ports{};
    std::array<int, Cluster::size> sockets{};
    for (size_t index = 0; index < Cluster::size; ++index) {
        sockets[index] = static_cast<int>(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t address_size = sizeof address;
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        check(::bind(sockets[index], generic, address_size), "bind");
        check(::getsockname(sockets[index], generic, &address_size), "getsockname");
        ports[index] = ntohs(address.sin_port);
    }
    for (const int socket : sockets) ::close(socket);
    return ports;
}

std::string voters_text(const std::array<uint16_t, Cluster::size>& ports) {
    std::string text;
    for (size_t index = 0; index < ports.size(); ++index) {
        text += (text.empty() ? "" : ",") + std::to_string(index + 1) + "@127.0.0.1:" + std::to_string(ports[index]);
    }
    return text;
}

// The time at the beginning of the last line with the marker: 2026-01-31T12:00:00.123, local.
int64_t time_of_last(const std::string& said, const char* marker) {
    const size_t at = said.rfind(marker);
    if (at == std::string::npos) return -1;
    const size_t line = said.rfind('\n', at);
    const std::string text = said.substr(line == std::string::npos ? 0 : line + 1, 23);
    tm time{};
    const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
    if (rest == nullptr || *rest != '.') throw std::runtime_error("a daemon said something without a time: " + text);
    time.tm_isdst = -1;
    return int64_t{::mktime(&time)} * 1000 + std::strtol(rest + 1, nullptr, 10);
}

bool is_whole(const ClusterInfo& info) {
    if (info.controller < 0 || info.quorum_failure || info.voters.size() != Cluster::size) return false;
    const bool do_all_live =
        std::all_of(info.brokers.begin(), info.brokers.end(), [](const BrokerInfo& broker) { return broker.is_alive; });
    const bool have_all_the_log = std::all_of(info.voters.begin(), info.voters.end(),
                                              [&](const VoterInfo& voter) { return voter.match >= info.committed; });
    return info.brokers.size() == Cluster::size && do_all_live && have_all_the_log;
}

}  // namespace

Cluster::Cluster(Bench& bench, const std::string& io) : bench_(bench) {
    const std::string voters = voters_text(free_ports());
    for (size_t index = 0; index < size; ++index) {
        daemons_.push_back(bench.make_daemon(io, {"--broker-id", std::to_string(index + 1), "--controller-voters",
                                                  voters, "--cluster-secret", "a secret of the benchmark"}));
        daemons_.back()->launch();
    }
    for (auto& daemon : daemons_) daemon->wait_until_ready();
}

void Cluster::finish() {
    for (auto& daemon : daemons_) bench_.finish(*daemon);
}

size_t Cluster::wait_until_whole() {
    const Nanoseconds give_up = now() + from_seconds(whole_seconds_max);
    Admin admin = admin_of(0);
    while (now() < give_up) {
        const Expected<ClusterInfo> info = admin.describe_cluster();
        if (info && is_whole(*info)) return static_cast<size_t>(info->controller - 1);
        std::this_thread::sleep_for(whole_look_pause);
    }
    throw std::runtime_error("the cluster did not get whole");
}

std::string Cluster::bootstrap() const {
    std::string list;
    for (const auto& daemon : daemons_) list += (list.empty() ? "" : ",") + daemon->address();
    return list;
}

Settings Cluster::settings_of(size_t index, int spin_us) const {
    Settings settings = Bench::client_settings(*daemons_[index], Acks::leader);
    settings.spin_us = spin_us;
    settings.retry_backoff = std::chrono::milliseconds(1);
    return settings;
}

Admin Cluster::admin_of(size_t index, int spin_us) const {
    return must(Admin::create(settings_of(index, spin_us)), "the administrator");
}

void Change::create_topic(Admin& admin) {
    TopicSpecification specification;
    specification.name = topic;
    specification.partitions = 1;
    specification.replicas = 1;
    must(admin.create_topic(specification), "creating the topic");
}

Expected<void> Change::make(Admin& admin, Admin::Timeout timeout) {
    is_odd_ = !is_odd_;
    TopicChanges changes;
    changes.set["retention.ms"] = is_odd_ ? "3600000" : "7200000";
    return admin.alter_topic(topic, changes, timeout);
}

int64_t last_active_ms(const Daemon& daemon) {
    return time_of_last(daemon.said(), active_marker);
}

int64_t ready_ms(const Daemon& daemon) {
    return time_of_last(daemon.said(), ready_marker);
}

int64_t wall_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

}  // namespace ironbark::bench
