#pragma once
// The system calls on sockets that both real worlds share: names, addresses, options. They do not wait, except
// `resolve`, which asks the name service and belongs on an I/O thread.

#include <sys/socket.h>

#include <string>
#include <vector>

#include "runtime/io/descriptor.h"
#include "runtime/io/world.h"

namespace ironbark {

// Connections that the kernel keeps until they are accepted; it cuts this at net.core.somaxconn.
constexpr int listen_backlog = 4096;

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    int family() const { return storage.ss_family; }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Every socket address of a name, in the order to try them. Blocks; at once for numeric addresses.
Result<std::vector<SocketAddress>> resolve(const Address& address);
bool is_numeric(const std::string& host);

// A TCP socket with TCP_NODELAY. `flags`: SOCK_NONBLOCK or none.
Result<Descriptor> make_socket(int family, int flags);
Result<Descriptor> make_listening_socket(const SocketAddress& address, int flags);
// A second descriptor of the same listening socket.
Result<Descriptor> duplicate(int fd);
void set_no_delay(int fd);

Result<Address> local_address_of(int fd);
// HOST:PORT of the other side, or "unknown" if it has gone.
std::string peer_of(int fd);

// Whether both ends of a connection are one socket: who dials a port that nobody listens on may be given that very port
// as its own, and TCP lets the two openings meet.
bool is_connected_to_itself(int fd);
// Lets a close end the connection at once, and with it every use of the port.
void abort_on_close(int fd);

Error connect_error(int number);
Error receive_error(int number);
Error send_error(int number);
Error accept_error(int number);
inline Error socket_closed() { return {ErrorCode::closed, "this side closed the connection"}; }
inline Error listener_closed() { return {ErrorCode::cancelled, "the listener was closed"}; }

// How much of a send has left.
struct SendProgress {
    explicit SendProgress(const std::vector<BufferSlice>& to_send) : slices(to_send), left(total_size(to_send)) {}
    bool is_done() const { return left == 0; }
    void advance(size_t count);

    const std::vector<BufferSlice>& slices;
    size_t left;
    size_t slice = 0;  // the first that has not left completely
    size_t skip = 0;   // its bytes that have
};

}  // namespace ironbark
