#include "tools/story/node.h"

#include <arpa/inet.h>
#include <array>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <netinet/in.h>
#include <random>
#include <signal.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace ironbark::story {
namespace {

constexpr auto ready_time_max = std::chrono::seconds(60);
constexpr auto ready_poll = std::chrono::milliseconds(2);

std::string read_all(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

constexpr size_t cluster_size = 3;

// Ports that nobody listens on now. They are chosen together, so that none is chosen twice.
std::vector<uint16_t> free_ports(size_t count) {
    std::vector<int> sockets;
    std::vector<uint16_t> ports;
    for (size_t index = 0; index < count; ++index) {
        int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockets.push_back(socket);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        auto* any = reinterpret_cast<sockaddr*>(&address);
        if (bind(socket, any, size) != 0 || getsockname(socket, any, &size) != 0) {
            throw std::runtime_error("there is no free port on 127.0.0.1");
        }
        ports.push_back(ntohs(address.sin_port));
    }
    for (int socket : sockets) close(socket);
    return ports;
}

std::string drawn_secret() {
    std::random_device device;
    std::string secret;
    for (int word = 0; word < 4; ++word) secret += fmt::format("{:08x}", device());
    return secret;
}

}  // namespace

ClusterOfThree::ClusterOfThree(const std::string& program, const std::string& directory) {
    const std::vector<uint16_t> ports = free_ports(2 * cluster_size);
    std::string voters;
    for (size_t index = 0; index < cluster_size; ++index) {
        voters += fmt::format("{}{}@127.0.0.1:{}", index == 0 ? "" : ",", index + 1, ports[cluster_size + index]);
    }
    const std::string secret_file = directory + "/secret";
    std::ofstream(secret_file) << drawn_secret();
    std::filesystem::permissions(secret_file, std::filesystem::perms::owner_read);
    for (size_t index = 0; index < cluster_size; ++index) {
        std::vector<std::string> arguments{"--broker-id", std::to_string(index + 1), "--controller-voters",
                                           voters,        "--cluster-secret-file",   secret_file};
        nodes_.push_back(std::make_unique<NodeProcess>(program, fmt::format("{}/node-{}", directory, index + 1),
                                                       ports[index], std::move(arguments)));
    }
}

void ClusterOfThree::start() {
    for (auto& node : nodes_) node->launch();
    for (auto& node : nodes_) node->wait_until_ready();
}

void ClusterOfThree::stop() {
    for (auto& node : nodes_) node->stop();
}

std::string ClusterOfThree::bootstrap() const {
    std::string list;
    for (const auto& node : nodes_) list += (list.empty() ? "" : ",") + node->bootstrap();
    return list;
}

NodeProcess::~NodeProcess() {
    end(SIGKILL);
}

void NodeProcess::launch() {
    std::filesystem::create_directories(directory_);
    log_file_ = fmt::format("{}/ironbarkd-{}.log", directory_, ++starts_);
    std::vector<std::string> words{
        program_,    "--data-dir", directory_ + "/data", "--listen", fmt::format("127.0.0.1:{}", port_),
        "--metrics", "127.0.0.1:0"};
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    std::vector<char*> list;
    for (std::string& word : words) list.push_back(word.data());
    list.push_back(nullptr);
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("fork failed");
    if (pid_ == 0) {
        int log = open(log_file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        dup2(log, STDERR_FILENO);
        execv(program_.c_str(), list.data());
        _exit(127);
    }
}

void NodeProcess::wait_until_ready() {
    constexpr std::string_view marker = "ready: clients on ";
    auto give_up = std::chrono::steady_clock::now() + ready_time_max;
    while (true) {
        std::string said = read_all(log_file_);
        if (said.find(marker) != std::string::npos) return;
        int status = 0;
        if (waitpid(pid_, &status, WNOHANG) == pid_) {
            pid_ = -1;
            throw std::runtime_error(fmt::format("{} ended instead of starting. It said:\n{}", program_, said));
        }
        if (std::chrono::steady_clock::now() > give_up) {
            throw std::runtime_error(fmt::format("{} did not get ready. It said:\n{}", program_, said));
        }
        std::this_thread::sleep_for(ready_poll);
    }
}

void NodeProcess::end(int signal) {
    if (pid_ < 0) return;
    ::kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

void NodeProcess::kill() {
    end(SIGKILL);
}
void NodeProcess::stop() {
    end(SIGTERM);
}

}  // namespace ironbark::story
