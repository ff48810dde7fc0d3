#include "runtime/io/name_service.h"

#include <memory>
#include <optional>

namespace ironbark {

// Shared by the coroutine, which may give up, and the thread, which cannot be stopped.
struct NameService::Lookup {
    Lookup(Executor& executor, Address wanted) : address(std::move(wanted)), done(executor) {}

    Address address;
    std::optional<Result<std::vector<SocketAddress>>> result;
    Event done;
};

Task<Result<std::vector<SocketAddress>>> NameService::find(Address address, Instant deadline) {
    if (is_numeric(address.host)) co_return resolve(address);
    if (lookups_ >= lookups_max) co_return Error(ErrorCode::overloaded, "too many unanswered host name lookups");
    auto lookup = std::make_shared<Lookup>(executor_, std::move(address));
    ++lookups_;
    threads_.start([this, lookup] {
        lookup->result.emplace(resolve(lookup->address));
        executor_.post_remote([this, lookup] {
            --lookups_;
            lookup->done.set();
        });
    });
    Wake wake = co_await lookup->done.wait(deadline);
    if (wake == Wake::timed_out) co_return Error(ErrorCode::timed_out, "the name service did not answer in time");
    co_return std::move(*lookup->result);
}

}  // namespace ironbark
