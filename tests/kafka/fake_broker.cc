#include "tests/kafka/fake_broker.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace ironbark::kafka {
namespace {

constexpr int16_t no_error = 0;
constexpr int16_t unsupported_version = 35;

struct Supported {
    int16_t api;
    int16_t version_min;
    int16_t version_max;
};
// librdkafka infers features from these ranges: record batches v2, lz4 (from FindCoordinator), zstd (from Fetch 10) and
// idempotence, although nobody fetches here.
constexpr Supported supported[] = {
    {api_produce, 0, 7},          {api_fetch, 0, 10},   {api_metadata, 0, 2},
    {api_find_coordinator, 0, 0}, {api_versions, 0, 0}, {api_init_producer_id, 0, 0},
};

}  // namespace

FakeBroker::FakeBroker() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    ASSERT(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    ASSERT(::listen(listener_, SOMAXCONN) == 0);
    ASSERT(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_connections(); });
}

FakeBroker::~FakeBroker() {
    {
        std::lock_guard lock(mutex_);
        is_stopped_ = true;
        for (Connection& connection : connections_) connection.stream.stop();
    }
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (Connection& connection : connections_) connection.thread.join();
    ::close(listener_);
}

std::vector<std::vector<uint8_t>> FakeBroker::take_batches() {
    std::lock_guard lock(mutex_);
    return std::exchange(batches_, {});
}

void FakeBroker::accept_connections() {
    while (true) {
        int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket < 0) return;
        std::lock_guard lock(mutex_);
        Connection& connection = connections_.emplace_back(socket);
        if (is_stopped_) connection.stream.stop();
        connection.thread = std::thread([this, stream = &connection.stream] { serve(stream); });
    }
}

void FakeBroker::serve(Stream* stream) {
    while (std::optional<std::vector<uint8_t>> message = stream->receive()) {
        WireReader request(*message);
        auto api = request.number<int16_t>();
        auto version = request.number<int16_t>();
        auto correlation_id = request.number<int32_t>();
        request.text();  // client id
        WireWriter answer;
        answer.number(correlation_id);
        switch (api) {
            case api_versions:
                answer_versions(version, &answer);
                break;
            case api_metadata:
                answer_metadata(&request, &answer);
                break;
            case api_produce:
                answer_produce(&request, &answer);
                break;
            case api_init_producer_id:
                answer.number(int32_t{0}).number(no_error).number(producer_id).number(producer_epoch);
                break;
            default:
                return;  // ends the connection: nobody asks anything else
        }
        stream->send(answer.bytes());
    }
}

// Whatever version was asked in: the oldest form of the answer, which names that version as an error (KIP-511).
void FakeBroker::answer_versions(int16_t version, WireWriter* answer) {
    answer->number(version == 0 ? no_error : unsupported_version).array(std::size(supported));
    for (const Supported& range : supported) {
        answer->number(range.api).number(range.version_min).number(range.version_max);
    }
}

void FakeBroker::answer_metadata(WireReader* request, WireWriter* answer) {
    constexpr int32_t self = 1;
    answer->array(1).number(self).text("127.0.0.1").number(int32_t{port_}).null_text();
    answer->null_text().number(self);  // cluster id, controller
    auto topics_count = request->number<int32_t>();
    answer->array(topics_count < 0 ? 0 : static_cast<size_t>(topics_count));
    for (int32_t index = 0; index < topics_count; ++index) {
        answer->number(no_error).text(*request->text()).number(int8_t{0});
        answer->array(1).number(no_error).number(int32_t{0}).number(self);
        answer->array(1).number(self).array(1).number(self);
    }
}

// Version 7, or version 3 and later, which differ in the answer's last field only. One topic, one partition.
void FakeBroker::answer_produce(WireReader* request, WireWriter* answer) {
    request->text();       // transactional id
    request->take(2 + 4);  // acks, time-out
    ASSERT(request->number<int32_t>() == 1);
    std::string topic = *request->text();
    ASSERT(request->number<int32_t>() == 1);
    auto partition = request->number<int32_t>();
    Bytes batch = request->blob();
    {
        std::lock_guard lock(mutex_);
        batches_.emplace_back(batch.begin(), batch.end());
    }
    answer->array(1).text(topic).array(1).number(partition).number(no_error);
    answer->number(int64_t{0}).number(int64_t{-1}).number(int64_t{0}).number(int32_t{0});
}

}  // namespace ironbark::kafka
