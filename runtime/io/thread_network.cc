#include "runtime/io/thread_network.h"

namespace ironbark {

namespace {

// The deadline of the first of `attempts` that share the time until `deadline`.
Instant part_of_time(Instant now, Instant deadline, size_t attempts) {
    if (deadline == never || deadline <= now) return deadline;
    return now + (deadline - now) / static_cast<int64_t>(attempts);
}

}  // namespace

Result<std::unique_ptr<Listener>> ThreadNetwork::start_listener(Descriptor fd) {
    TRY(Address local_address, local_address_of(fd.get()));
    return make_listener(std::move(fd), std::move(local_address));
}

Task<Result<std::unique_ptr<Listener>>> ThreadNetwork::listen(Address address) {
    CO_TRY(std::vector<SocketAddress> addresses, co_await names_.find(std::move(address), never));
    CO_TRY(Descriptor fd, make_listening_socket(addresses.front(), socket_flags_));
    co_return start_listener(std::move(fd));
}

Result<std::unique_ptr<Listener>> ThreadNetwork::share(const Listener& listener) {
    const ThreadListener* other = dynamic_cast<const ThreadListener*>(&listener);
    ASSERT(other != nullptr);
    TRY(Descriptor fd, duplicate(other->fd()));
    return start_listener(std::move(fd));
}

Task<Result<std::unique_ptr<Socket>>> ThreadNetwork::connect(Address address, Instant deadline) {
    CO_TRY(std::vector<SocketAddress> addresses, co_await names_.find(std::move(address), deadline));
    Error last(ErrorCode::not_found, "the host name has no address");
    for (size_t index = 0; index < addresses.size(); ++index) {
        CO_TRY(Descriptor fd, make_socket(addresses[index].family()));
        Instant attempt_deadline = part_of_time(executor_.now(), deadline, addresses.size() - index);
        Result<std::unique_ptr<Socket>> socket =
            co_await connect_with(std::move(fd), addresses[index], attempt_deadline);
        if (socket.ok()) co_return std::move(socket);
        last = socket.error();
    }
    co_return last;
}

Task<Result<std::unique_ptr<Socket>>> ThreadNetwork::connect_with(Descriptor fd,
                                                                  SocketAddress address,
                                                                  Instant deadline) {
    const int number = fd.get();
    Result<std::unique_ptr<Socket>> socket = co_await connect_to(std::move(fd), address, deadline);
    if (!socket.ok() || !is_connected_to_itself(number)) co_return std::move(socket);
    // A listener that comes later is to find the port free.
    abort_on_close(number);
    (*socket)->close();
    co_return connect_error(ECONNREFUSED);
}

}  // namespace ironbark
