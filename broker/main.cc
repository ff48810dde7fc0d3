// ironbarkd: reads what it is told, starts a thread per shard, runs the broker in them until a signal comes.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <future>
#include <signal.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include "broker/broker.h"
#include "broker/command_line.h"
#include "broker/io_choice.h"

namespace {

using namespace ironbark;
using namespace ironbark::broker;

void start_diagnostics(const Config& config) {
    auto logger = spdlog::stderr_color_mt("ironbarkd");
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
    logger->set_level(spdlog::level::from_str(config.log_level));
    spdlog::set_default_logger(logger);
}

// Every log and connection is a file.
void raise_file_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

// sd_notify(3), which is one datagram.
void notify_systemd(const char* state) {
    const char* path = std::getenv("NOTIFY_SOCKET");
    if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (std::strlen(path) >= sizeof(address.sun_path)) return;
    std::strcpy(address.sun_path, path);
    if (path[0] == '@') address.sun_path[0] = '\0';
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return;
    auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
    (void)sendto(descriptor, state, std::strlen(state), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), size);
    close(descriptor);
}

struct Started {
    bool ok = false;
    std::string problem;  // why not
    std::string ready;    // what to say of a broker that serves; it changes from now on, on its own thread
};

std::string describe(const Broker& broker) {
    const Config& config = broker.facts().config;
    std::string metrics = config.metrics_enabled ? broker.metrics_address().to_string() : "off";
    return fmt::format("ready: clients on {}, metrics on {}, {} partitions, data in {}, incarnation {} after {} stop",
                       broker.client_address().to_string(), metrics, broker.partition_count(), config.data_dir,
                       broker.facts().identity.incarnation.value, broker.started_clean() ? "a clean" : "an unclean");
}

Task<void> start_broker(Broker* broker, std::promise<Started>* promise) {
    Started started;
    Result<void> result = co_await broker->start(&started.problem);
    started.ok = result.ok();
    if (started.ok) started.ready = describe(*broker);
    if (!result.ok() && started.problem.empty()) started.problem = name(result.error().code);
    promise->set_value(std::move(started));
}

// Waits for the start to end, or for a signal, which ends it unless it was over but for the last steps: then it
// succeeds, and `was_interrupted` says that it is to be stopped at once.
Started wait_for_start(std::future<Started> future, const sigset_t& signals, Broker& broker, bool* was_interrupted) {
    constexpr timespec look_interval{0, 20'000'000};
    while (future.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
        if (sigtimedwait(&signals, nullptr, &look_interval) <= 0) continue;
        *was_interrupted = true;
        broker.interrupt();
    }
    return future.get();
}

Task<void> stop_broker(Broker* broker, std::promise<void>* promise) {
    co_await broker->stop();
    promise->set_value();
}

int serve(const Config& config, IoChoice choice) {
    // Signals are for the main thread, which waits for them.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    signal(SIGPIPE, SIG_IGN);

    std::vector<World*> worlds;
    for (const auto& world : choice.worlds) worlds.push_back(&world->world());
    auto broker = std::make_unique<Broker>(worlds, config, choice.name, choice.reason);
    for (size_t shard = 0; shard < choice.io_counters.size(); ++shard)
        broker->watch_io(shard, choice.io_counters[shard]);
    auto scope = std::make_unique<Scope>(worlds.front()->executor);
    std::vector<std::thread> threads;
    for (const auto& world : choice.worlds) threads.emplace_back([&world] { world->executor().run(); });

    std::promise<Started> start_promise;
    worlds.front()->executor.post_remote([&] { scope->spawn(start_broker(broker.get(), &start_promise)); });
    bool was_interrupted = false;
    Started started = wait_for_start(start_promise.get_future(), signals, *broker, &was_interrupted);
    if (started.ok && was_interrupted) {
        spdlog::info("stopping: a signal came during the start");
    } else if (started.ok) {
        spdlog::info(started.ready);
        notify_systemd("READY=1");
        int received = 0;
        sigwait(&signals, &received);
        spdlog::info("stopping ({})", received == SIGTERM ? "SIGTERM" : "SIGINT");
        notify_systemd("STOPPING=1");
    } else {
        fmt::print(stderr, "ironbarkd: {}\n", started.problem);
    }
    std::promise<void> stop_promise;
    worlds.front()->executor.post_remote([&] { scope->spawn(stop_broker(broker.get(), &stop_promise)); });
    stop_promise.get_future().wait();
    for (const auto& world : choice.worlds) world->executor().stop();
    for (std::thread& thread : threads) thread.join();
    if (started.ok) spdlog::info("stopped");
    scope.reset();
    broker.reset();
    return started.ok ? 0 : exit_refused;
}

}  // namespace

int main(int argc, char** argv) {
    CommandLine line;
    if (std::optional<Answer> answer = parse_command_line(argc, argv, line)) {
        fmt::print(answer->exit_code == 0 ? stdout : stderr, "{}", answer->text);
        return answer->exit_code;
    }
    std::string problem;
    Result<ConfigValues> values = gather_config(line, environ, &problem);
    Result<Config> config = values.ok() ? make_config(*values, &problem) : Result<Config>(values.error());
    if (!config.ok()) {
        fmt::print(stderr, "ironbarkd: {}\n", problem);
        return exit_usage;
    }
    if (line.check_config) {
        fmt::print("{}", config_text(*values));
        return 0;
    }
    size_t shards = config->shards != 0 ? config->shards : std::max(1u, std::thread::hardware_concurrency() / 2);
    start_diagnostics(*config);
    raise_file_limit();
    Result<IoChoice> choice = choose_io(*config, shards, &problem);
    if (!choice.ok()) {
        fmt::print(stderr, "ironbarkd: {}\n", problem);
        return exit_refused;
    }
    spdlog::info("ironbarkd {}: {} ({}), {} shard{}", version_text(), choice->name, choice->reason, shards,
                 shards == 1 ? "" : "s");
    return serve(*config, std::move(choice).value());
}
