#include "runtime/io/socket_calls.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cstring>
#include <memory>

namespace ironbark {

namespace {

void set_option(int fd, int level, int option, int value) {
    // Refused only for a socket that has failed already, which its next operation reports.
    setsockopt(fd, level, option, &value, sizeof(value));
}

Address to_address(const sockaddr_storage& storage) {
    char text[INET6_ADDRSTRLEN] = "";
    if (storage.ss_family == AF_INET6) {
        const sockaddr_in6& ipv6 = reinterpret_cast<const sockaddr_in6&>(storage);
        inet_ntop(AF_INET6, &ipv6.sin6_addr, text, sizeof(text));
        return {text, ntohs(ipv6.sin6_port)};
    }
    const sockaddr_in& ipv4 = reinterpret_cast<const sockaddr_in&>(storage);
    inet_ntop(AF_INET, &ipv4.sin_addr, text, sizeof(text));
    return {text, ntohs(ipv4.sin_port)};
}

Error resolve_error(int result, int number) {
    switch (result) {
        case EAI_SYSTEM: return system_error(number, "the name service failed");
        case EAI_AGAIN: return {ErrorCode::timed_out, "the name service does not answer now: try again"};
        case EAI_MEMORY: return {ErrorCode::overloaded, "out of memory while resolving a name"};
        default: return {ErrorCode::not_found, "the host name is not known: check its spelling and the name service"};
    }
}

}  // namespace

Result<std::vector<SocketAddress>> resolve(const Address& address) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | (is_numeric(address.host) ? AI_NUMERICHOST : 0);
    addrinfo* found = nullptr;
    int result = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
    if (result != 0) return resolve_error(result, errno);
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
    std::vector<SocketAddress> addresses;
    for (addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
        SocketAddress socket_address;
        std::memcpy(&socket_address.storage, entry->ai_addr, entry->ai_addrlen);
        socket_address.size = entry->ai_addrlen;
        addresses.push_back(socket_address);
    }
    return addresses;
}

bool is_numeric(const std::string& host) {
    in6_addr scratch;
    return inet_pton(AF_INET, host.c_str(), &scratch) == 1 || inet_pton(AF_INET6, host.c_str(), &scratch) == 1;
}

Result<Descriptor> make_socket(int family, int flags) {
    Descriptor fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    if (!fd.is_open()) return system_error(errno, "cannot make a socket");
    set_no_delay(fd.get());
    return fd;
}

Result<Descriptor> make_listening_socket(const SocketAddress& address, int flags) {
    TRY(Descriptor fd, make_socket(address.family(), flags));
    // A restart must not wait for old connections to expire. REUSEPORT would let a second daemon share the port.
    set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (address.family() == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(fd.get(), address.get(), address.size) != 0 || listen(fd.get(), listen_backlog) != 0) {
        return system_error(errno, errno == EADDRINUSE
                                       ? "another process listens on this port: stop it, or choose another port"
                                       : "cannot listen on this address: is it one of this machine?");
    }
    return fd;
}

Result<Descriptor> duplicate(int fd) {
    Descriptor copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!copy.is_open()) return system_error(errno, "cannot share the listening socket");
    return copy;
}

void set_no_delay(int fd) { set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); }

Result<Address> local_address_of(int fd) {
    SocketAddress address;
    address.size = sizeof(address.storage);
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) {
        return system_error(errno, "cannot ask for the address of the socket");
    }
    return to_address(address.storage);
}

std::string peer_of(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof(storage);
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "unknown";
    return to_address(storage).to_string();
}

bool is_connected_to_itself(int fd) {
    sockaddr_storage here{};
    sockaddr_storage there{};
    socklen_t here_size = sizeof(here);
    socklen_t there_size = sizeof(there);
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&here), &here_size) != 0) return false;
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&there), &there_size) != 0) return false;
    return to_address(here) == to_address(there);
}

void abort_on_close(int fd) {
    linger at_once{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

Error connect_error(int number) {
    return system_error(number, number == ECONNREFUSED ? "nobody listens there: is the process running?"
                                                       : "cannot connect: check the address and the network");
}
Error receive_error(int number) { return system_error(number, "the connection was lost while receiving"); }
Error send_error(int number) { return system_error(number, "the connection was lost while sending"); }
Error accept_error(int number) { return system_error(number, "a connection was lost before it was accepted"); }

void SendProgress::advance(size_t count) {
    ASSERT(count <= left);
    left -= count;
    skip += count;
    while (slice < slices.size() && skip >= slices[slice].size) skip -= slices[slice++].size;
}

}  // namespace ironbark
