#include "bench/machine/loopback.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "bench/machine/system.h"

namespace ironbark::bench {

namespace {

int tcp_socket() {
    const int socket =
        static_cast<int>(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    const int on = 1;
    check(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
    return socket;
}

}  // namespace

LoopbackPair::LoopbackPair() : near_(tcp_socket()) {
    const int listener = tcp_socket();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    check(::bind(listener, generic, size), "bind");
    check(::listen(listener, 1), "listen");
    check(::getsockname(listener, generic, &size), "getsockname");
    check(::connect(near_, generic, size), "connect");
    far_ = static_cast<int>(check(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), "accept"));
    const int on = 1;
    check(::setsockopt(far_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
    ::close(listener);
}

LoopbackPair::~LoopbackPair() {
    ::close(near_);
    ::close(far_);
}

bool send_all(int socket, const void* data, std::size_t size) {
    const auto* bytes = static_cast<const char*>(data);
    while (size > 0) {
        const ssize_t sent = ::send(socket, bytes, size, MSG_NOSIGNAL);
        if (sent == -1 && (errno == EPIPE || errno == ECONNRESET)) return false;
        check(sent, "send");
        bytes += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

bool receive_all(int socket, void* data, std::size_t size) {
    auto* bytes = static_cast<char*>(data);
    while (size > 0) {
        const ssize_t received = ::recv(socket, bytes, size, MSG_WAITALL);
        if (received == 0 || (received == -1 && errno == ECONNRESET)) return false;
        check(received, "recv");
        bytes += received;
        size -= static_cast<std::size_t>(received);
    }
    return true;
}

}  // namespace ironbark::bench
