#pragma once
// A broker's way to the active controller, wherever it is: this daemon's own voter is asked without a connection,
// others through their links. Follows hints, and goes round while nobody is active. Owned by the control thread's
// executor.

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "broker/peer/links.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/service.h"
#include "runtime/task/scope.h"

namespace ironbark::broker {

// What a call may do when nobody knows whether it was received.
enum class Repeat : uint8_t {
    never,   // it changes something
    always,  // once more does no harm
};

struct ControllerCall {
    rpc::Method method = rpc::Method::none;
    std::function<rpc::Metadata()> make;  // the request, anew for every attempt
    BufferSlice payload;
    Repeat repeat = Repeat::never;
    // For an answer, from when the active controller was found; none: until the deadline, too.
    std::optional<Duration> answer_time{};
    // A success proves that a majority has just confirmed who answered as the active controller.
    bool confirms = false;
};

class ControllerClient {
  public:
    // `own` serves calls to the voter `self`, if it is one; `links` reach the others (null: there are none).
    ControllerClient(
        World& world, int32_t self, std::vector<int32_t> voters, rpc::Handler* own, peer::PeerLinks* links);

    // Suspends until the active controller has answered or refused, or the deadline; an attempt that has begun may take
    // its answer time. Delivery and outcome are those of the last attempt; not_controller: none was active all the
    // time. What waits for one controller while another one is confirmed (`confirms`) is given up: nobody knows whether
    // the first was still active when it got the request, and a machine that has lost its power closes no connection.
    Task<rpc::CallResult> call(ControllerCall call, Instant deadline);
    // Of one voter, active or not.
    Task<rpc::CallResult> ask(int32_t voter, const ControllerCall* call, Instant deadline);
    const std::vector<int32_t>& voters() const { return voters_; }
    // While it is: what changes something does not wait for a controller to become active. For a daemon that stops.
    void set_impatient(bool is_impatient) { is_impatient_ = is_impatient; }
    // Nothing is begun any more.
    void close() { closing_.set(); }
    // To be awaited after `close`, once the links are closed and the own voter has stopped.
    Task<void> join() { co_await scope_.join(); }

  private:
    struct Attempt;
    Task<rpc::CallResult> ask_own(const ControllerCall* call);
    Task<void> run(std::shared_ptr<Attempt> attempt, Instant answer_by);
    void forget(int32_t voter, int32_t hint);
    void confirm(int32_t voter);
    int32_t choose();
    bool may_repeat(const ControllerCall& call, const rpc::CallResult& result);

    World& world_;
    int32_t self_;
    std::vector<int32_t> voters_;
    rpc::Handler* own_;
    peer::PeerLinks* links_;
    rpc::Session own_session_;
    int32_t active_ = -1;  // as far as is known
    size_t next_ = 0;      // to be asked when it is not
    bool is_impatient_ = false;
    Event closing_;
    std::vector<Attempt*> attempts_;  // that are waited for, as they began
    Scope scope_;                     // of attempts, those that were given up included
};

}  // namespace ironbark::broker
