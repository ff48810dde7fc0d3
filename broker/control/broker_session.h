#pragma once
// A broker's standing with the active controller: registers it, tells that it lives, keeps its lease, and follows the
// metadata. Belongs to the control thread's executor, so that no work of a shard delays a heartbeat.
//
// The metadata here never goes back: what is older than the newest that was applied is dropped, whichever controller
// sends it. When the controller has given this incarnation up, the session registers another one by itself, as clean:
// the process has forgotten nothing.

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "broker/control/controller.h"
#include "broker/control/controller_client.h"
#include "broker/controller/reports.h"
#include "broker/metrics.h"
#include "wire/controller_generated.h"

namespace ironbark::broker {

struct SessionSettings {
    BrokerId broker{-1};
    Duration session_timeout{};
    RegisterBroker registration;  // without incarnation, what stopped cleanly, and time
    std::vector<Executor*> shards;
};

class BrokerSession {
  public:
    BrokerSession(World& world, ControllerClient& controllers, SessionSettings settings);
    ~BrokerSession();

    // Tries until it is registered and knows the metadata that shows it, or `stop`; from then on the session goes on by
    // itself. storage_error: the disk of the only controller has failed. `stopped_cleanly`: the incarnation that the
    // marks of the data directory say stopped cleanly, or -1.
    Task<Result<void>> begin(Incarnation stopped_cleanly);
    // What the shards hold of partitions that nobody leads in this metadata, which they have taken over. Before
    // `publish_to`; asked for as long as this broker has a replica of one, and told to the active controller.
    using Gather = std::function<Task<std::vector<ReplicaReport>>(MetadataSnapshot)>;
    void report_with(Gather gather) { gather_ = std::move(gather); }
    // From now on `publish` is awaited with newer metadata, one at a time, in order; what is not the newest any more
    // may be left out. Suspends until the first one was published.
    Task<void> publish_to(std::function<Task<void>(MetadataSnapshot)> publish);
    // Tells the controller that this broker has stopped in order: its files are closed. Gives up at the deadline.
    Task<void> leave(Instant deadline);
    // Nothing is begun any more. What is asked of controllers ends with them and with their links; `join` waits for it.
    void stop();
    Task<void> join() { co_await scope_.join(); }

    // Has a command executed by the active controller. Suspends until it is committed.
    Task<Executed> commit(Command command, Instant deadline);
    // The same, and until its effect is in `current`, or was published if somebody is published to.
    Task<Executed> execute(Command command, Instant deadline);

    // Suspends until `current` is as new as the active controller's metadata was when this was asked. False: it is not,
    // at the deadline.
    Task<bool> catch_up(Instant deadline);

    const MetadataSnapshot& current() const { return current_; }
    BrokerId broker() const { return settings_.broker; }
    Incarnation incarnation() const { return incarnation_; }  // -1: not registered
    Uuid cluster() const { return cluster_; }
    // Told of the lease that there is, and of every one from now on: until when it is, and which metadata whoever
    // relies on it must have applied; version -1: there is none any more.
    using LeaseTo = std::function<void(Instant end, int64_t version)>;
    void lease_to(LeaseTo lease_to);
    // Until when this broker has its lease, by the monotonic clock. Any thread.
    Instant lease_end() const { return lease_end_.load(std::memory_order_acquire); }
    bool has_lease() const { return now() < lease_end(); }
    // Of the heartbeats that were answered, there and back.
    const DurationHistogram& heartbeat_times() const { return heartbeat_times_; }
    // Why this broker is not registered, or cannot be heard; empty: all is well.
    const std::string& problem() const { return problem_; }
    Task<Wake> wait_for_change(Instant deadline) { return changed_.wait(deadline); }

  private:
    Task<bool> enroll();
    void note_enrolled();
    Task<void> keep();
    Task<void> heartbeats();
    Task<void> follow();
    Task<bool> follow_once();
    Task<void> publish_newer();
    Task<void> publish(MetadataSnapshot metadata);
    Task<void> report();
    Task<void> send_reports(MetadataSnapshot metadata);
    bool has_replica_without_leader(const Metadata& metadata) const;
    Result<void> take(const rpc::CallResult& answer);
    Result<void> take_commands(const wire::FollowMetadataResponse& answer, Bytes payload, Metadata* into);
    Task<void> wait_until_seen(int64_t version, Instant deadline);
    void apply_lease();
    void look_at_shards();
    void note(std::string text);
    Instant now() const { return world_.executor.now(); }
    Duration interval() const;

    // A shard's answers to the control thread: one that owes one for long hangs.
    struct ShardPulse {
        std::atomic<uint64_t> turns{0};
        uint64_t asked = 0;
        Instant since{};  // of the oldest question without an answer
        bool is_reported = false;
    };

    World& world_;
    ControllerClient& controllers_;
    SessionSettings settings_;
    std::vector<std::unique_ptr<ShardPulse>> pulses_;

    MetadataSnapshot current_;
    std::optional<Metadata> incoming_;  // a snapshot in parts
    int64_t incoming_version_ = -1;
    uint32_t incoming_parts_ = 0;
    bool wants_snapshot_ = false;
    MetadataSnapshot published_;  // null: none yet
    std::function<Task<void>(MetadataSnapshot)> publish_;
    Gather gather_;
    LeaseTo lease_to_;

    std::optional<Error> failure_;  // for good
    Incarnation incarnation_{-1};
    Incarnation stopped_cleanly_{-1};
    Uuid cluster_;
    int64_t registered_version_ = -1;  // that shows the registration; -1: there is none
    bool is_enrolled_ = false;         // and the metadata here shows it
    bool is_over_ = false;             // the controller has given this incarnation up
    bool has_left_ = false;
    std::atomic<Instant> lease_end_{Instant()};
    struct Dated {
        Instant time{};
        int64_t version = -1;
    };
    Dated granted_;          // the end of a lease, which counts once the metadata is that new
    Dated heard_;            // when the last heartbeat that was answered was sent, and how new the controller was
    DurationHistogram heartbeat_times_;
    Instant wanted_beat_{};  // a heartbeat is wanted that is sent at this time or later
    std::string problem_;
    Event changed_;
    Event beat_;  // set: a heartbeat is due at once
    bool is_stopping_ = false;
    Scope scope_;
};

}  // namespace ironbark::broker
