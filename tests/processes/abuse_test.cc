// What does not speak our language on the port, and what else a daemon must survive: the daemon and its other clients
// go on.

#include <arpa/inet.h>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/processes/daemon.h"
#include "tests/processes/temporary_directory.h"
#include "tests/processes/tool.h"

namespace ironbark::processes {
namespace {

using testing::HasSubstr;

// A plain connection to a port of the loopback interface.
class Peer {
  public:
    explicit Peer(uint16_t port) {
        descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        timeval limit{.tv_sec = 20, .tv_usec = 0};
        ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected_ = ::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    ~Peer() { ::close(descriptor_); }

    bool connected() const { return connected_; }
    void say(std::string_view bytes) { (void)!::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
    // Says no more; listening goes on.
    void end() { ::shutdown(descriptor_, SHUT_WR); }
    // What the other side says until it closes; false: it had not closed after 20 s.
    bool is_closed(std::string* heard = nullptr) {
        char buffer[4096];
        while (true) {
            ssize_t count = ::recv(descriptor_, buffer, sizeof buffer, 0);
            if (count <= 0) return count == 0 || errno == ECONNRESET;
            if (heard != nullptr) heard->append(buffer, static_cast<size_t>(count));
        }
    }

  private:
    int descriptor_ = -1;
    bool connected_ = false;
};

class Abuse : public testing::Test {
  protected:
    void SetUp() override { ASSERT_EQ(tool.run({"topic", "create", "calm"}).exit_code, 0); }
    // Nobody else notices: a record goes in and comes back.
    void expect_well() {
        const std::string line = "record " + std::to_string(++written);
        Finished sent = tool.run({"produce", "calm", "--acks", "leader_durable"}, line + "\n");
        EXPECT_EQ(sent.exit_code, 0) << sent.errors;
        Finished read = tool.run({"consume", "calm", "--offset", "start", "--exit-at-end"});
        EXPECT_THAT(read.output, HasSubstr(line)) << read.errors;
    }
    // The daemon ends the connection by itself.
    void expect_refused(std::string_view bytes) {
        Peer peer(daemon.port());
        ASSERT_TRUE(peer.connected());
        peer.say(bytes);
        EXPECT_TRUE(peer.is_closed());
    }

    TemporaryDirectory directory;
    Daemon daemon{{.data_directory = directory / "data", .metrics = "127.0.0.1:0"}};
    Tool tool{daemon.bootstrap()};
    int written = 0;
};

TEST_F(Abuse, HttpOnThePortIsRefused) {
    expect_refused("GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: somebody\r\nAccept: */*\r\n\r\n");
    expect_well();
}

TEST_F(Abuse, TlsOnThePortIsRefused) {
    std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    expect_refused(hello + std::string(506, 'r'));
    expect_well();
}

TEST_F(Abuse, GarbageOfAnyLengthIsRefused) {
    for (size_t size : {size_t{64}, size_t{4096}, size_t{1} << 20}) {
        std::string garbage(size, '\0');
        for (size_t index = 0; index < size; ++index) garbage[index] = static_cast<char>(index * 2654435761u >> 7);
        expect_refused(garbage);
    }
    expect_refused(std::string(4096, '\xff'));
    expect_refused(std::string(4096, '\0'));
    expect_well();
}

TEST_F(Abuse, ConnectionsThatBreakOffOrSayNothingHarmNobody) {
    Peer silent(daemon.port());
    for (size_t size : {size_t{0}, size_t{1}, size_t{7}, size_t{15}}) {
        Peer peer(daemon.port());
        peer.say(std::string(size, 'x'));
        peer.end();
        EXPECT_TRUE(peer.is_closed());
    }
    expect_well();
}

TEST_F(Abuse, TheStatusPageRefusesWhatItDoesNotKnow) {
    const std::string& address = daemon.metrics_address();
    const uint16_t port = static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    const auto ask = [port](std::string_view request) {
        Peer peer(port);
        peer.say(request);
        std::string heard;
        EXPECT_TRUE(peer.is_closed(&heard));
        return heard;
    };
    EXPECT_THAT(ask("GET /healthz HTTP/1.0\r\n\r\n"), HasSubstr(" 200 "));
    EXPECT_THAT(ask("GET /metrics HTTP/1.0\r\n\r\n"), HasSubstr("ironbark_"));
    EXPECT_THAT(ask("GET /nothing HTTP/1.0\r\n\r\n"), HasSubstr(" 404 "));
    EXPECT_THAT(ask("POST /metrics HTTP/1.0\r\n\r\n"), HasSubstr(" 405 "));
    (void)ask(std::string(100'000, 'x') + "\r\n\r\n");
    expect_well();
}

TEST_F(Abuse, ADamagedPartitionIsRefusedAndTheOthersGoOn) {
    ASSERT_EQ(tool.run({"topic", "create", "hurt"}).exit_code, 0);
    for (int round = 0; round < 5; ++round) {
        ASSERT_EQ(tool.run({"produce", "hurt", "--acks", "leader_durable"}, "precious\n").exit_code, 0);
    }
    const std::string segment = [this] {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(directory / "data/partitions")) {
            if (entry.path().extension() == ".log") return entry.path().string();
        }
        return std::string();
    }();
    daemon.kill();
    // The first frame: those behind it promise that it was on disk.
    std::fstream file(segment, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(4096 + 100);
    file.put('\x55');
    file.close();
    EXPECT_EQ(tool.run({"log", "verify", directory / "data"}).exit_code, 1);
    daemon.start();
    EXPECT_THAT(daemon.said(), HasSubstr("record 0 is missing or damaged"));
    Finished refused =
        tool.run({"produce", "hurt", "--acks", "leader_durable", "--set", "delivery.timeout.ms=2s"}, "more\n");
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_THAT(refused.errors, HasSubstr("missing or damaged"));
    expect_well();
}

TEST(Daemon, TellsTheServiceManagerThatItIsReady) {
    TemporaryDirectory directory;
    const std::string path = directory / "notify";
    const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ASSERT_LT(path.size(), sizeof address.sun_path);
    path.copy(address.sun_path, path.size());
    ASSERT_EQ(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    Daemon daemon({.data_directory = directory / "data"});
    ::unsetenv("NOTIFY_SOCKET");
    char message[256];
    timeval limit{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ssize_t count = ::recv(descriptor, message, sizeof message, 0);
    ASSERT_GT(count, 0);
    EXPECT_THAT(std::string(message, static_cast<size_t>(count)), HasSubstr("READY=1"));
    EXPECT_EQ(daemon.stop(), 0);
    count = ::recv(descriptor, message, sizeof message, 0);
    ASSERT_GT(count, 0);
    EXPECT_THAT(std::string(message, static_cast<size_t>(count)), HasSubstr("STOPPING=1"));
    ::close(descriptor);
}

// A start that must fail: its exit code and what it says.
Finished start_with(std::vector<std::string> flags, Environment environment = {}) {
    std::vector<std::string> command = {IRONBARKD_PROGRAM, "--listen", "127.0.0.1:0", "--metrics", "off"};
    command.insert(command.end(), flags.begin(), flags.end());
    return run({.command = command, .environment = environment, .limit = Milliseconds(20'000)});
}

TEST(Daemon, RefusesWhatItCannotRunWith) {
    TemporaryDirectory directory;
    std::ofstream(directory / "file") << "text";
    std::filesystem::create_directory(directory / "foreign");
    std::ofstream(directory / "foreign/notes.txt") << "text";
    std::ofstream(directory / "wrong.toml") << "shards = 2\nlisten-adress = \"127.0.0.1:1\"\n";
    struct Case {
        std::vector<std::string> flags;
        std::string says;
    };
    const Case cases[] = {
        {{"--data-dir", directory / "file"}, "--data-dir"},
        {{"--data-dir", directory / "foreign"}, "is not a data directory of Ironbark"},
        {{"--data-dir", directory / "new", "--config", directory / "wrong.toml"}, "listen"},
        {{"--data-dir", directory / "new", "--config", directory / "missing.toml"}, "missing.toml"},
        {{"--data-dir", directory / "new", "--shards", "many"}, "shards"},
        {{"--data-dir", directory / "new", "--shards", "100000"}, "shards"},
        {{"--data-dir", directory / "new", "--memory-requests", "1"}, "memory.requests"},
        {{"--data-dir", directory / "new", "--listen", "0.0.0.0:0"}, "listen"},
        {{"--data-dir", directory / "new", "--listen", "nowhere"}, "listen"},
        {{"--data-dir", directory / "new", "--io", "magic"}, "io"},
    };
    for (const Case& each : cases) {
        Finished finished = start_with(each.flags);
        EXPECT_GT(finished.exit_code, 0) << each.says;
        EXPECT_THAT(finished.errors, HasSubstr(each.says));
    }
    EXPECT_FALSE(std::filesystem::exists(directory / "new"));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory / "foreign"), {}), 1);
    EXPECT_GT(start_with({"--data-dir", directory / "new"}, {{"IRONBARK_SHARDS", "none"}}).exit_code, 0);
}

}  // namespace
}  // namespace ironbark::processes
