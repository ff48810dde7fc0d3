#include "tests/kafka/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ironbark::kafka {

Stream::~Stream() {
    ::close(socket_);
}

int Stream::connect_to(uint16_t port) {
    int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(socket >= 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    return socket;
}

void Stream::send(Bytes message) {
    WireWriter writer;
    writer.blob(message);
    for (Bytes rest = writer.bytes(); !rest.empty();) {
        ssize_t sent = ::send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;  // the peer is gone: the next receive says so
        rest = rest.subspan(static_cast<size_t>(sent));
    }
}

std::optional<std::vector<uint8_t>> Stream::receive() {
    uint8_t length[4];
    if (!receive_exactly(length)) return std::nullopt;
    std::vector<uint8_t> message(load_be<uint32_t>(length));
    if (!receive_exactly(message)) return std::nullopt;
    return message;
}

void Stream::stop() {
    ::shutdown(socket_, SHUT_RDWR);
}

bool Stream::receive_exactly(MutableBytes into) {
    while (!into.empty()) {
        ssize_t received = ::recv(socket_, into.data(), into.size(), 0);
        if (received <= 0) return false;
        into = into.subspan(static_cast<size_t>(received));
    }
    return true;
}

}  // namespace ironbark::kafka
