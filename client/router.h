#pragma once
// Who leads what, and the way there: cached metadata, a channel for each broker's address. Asks anew when told that the
// cache is wrong, and when it is old. Belongs to one executor; `run` beside the users, `close` before destruction.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client/failures.h"
#include "client/topic_view.h"
#include "ironbark/settings.h"
#include "runtime/rpc/channel.h"
#include "wire/client_generated.h"

namespace ironbark::client {

struct RouterOptions {
    std::vector<Address> bootstrap;
    std::string client_id;
    Duration request_time_max;
    Duration pause;      // between attempts, doubled
    Duration pause_max;  // up to this
    Duration metadata_age_max;

    static RouterOptions of(const Settings& settings);  // REQUIRES: settings.check()
};

// What a leader has not answered for so long is asked about: a process that has died ends its connections, but a
// machine or a path that has does not.
constexpr Duration doubt_time = std::chrono::seconds(1);
constexpr Duration doubt_pause = std::chrono::milliseconds(100);  // before it is asked about again

// Whether a request does no harm when it is done twice.
enum class Repeatable : bool { no, yes };

class Router {
  public:
    Router(World& world, RouterOptions options);
    Router(const Router&) = delete;
    Router& operator=(const Router&) = delete;

    // Keeps the cache fresh until `close`.
    Task<void> run();
    Task<void> close();
    bool is_closed() const { return closed_; }
    // Called after the cache has changed.
    void on_change(std::function<void()> listener) { changed_ = std::move(listener); }

    // The topic as it is cached; nullptr if it is not. Good until the next suspension.
    const TopicView* find(const std::string& name) const;
    // Why the topic was not found the last time it was asked for; nullptr if it was, or was not answered after `since`.
    const Failure* why_missing(const std::string& name, Instant since = {}) const;
    // Suspends until the topic is cached, with as many partitions as are wanted, or answers said that it does not exist
    // (an error) or has no more (it comes as it is), or the deadline.
    Task<Expected<TopicView>> load(std::string name, int64_t partitions_wanted, Instant deadline);
    // Asks about these topics (all topics if there are none), and learns from the answer. Repeated until the deadline.
    Task<rpc::CallResult> refresh(std::vector<std::string> names, Instant deadline);
    // Asks about the brokers only.
    Task<rpc::CallResult> refresh_brokers(Instant deadline);
    // Lets `run` refresh the topic as soon as there is news of it.
    void want(const std::string& name);
    // What a broker said about who leads; older news are ignored.
    void learn_leader(const std::string& name, int32_t partition, Leader leader);

    // The broker has not answered for `doubt_time`, about a partition of this topic that it leads, or led in this
    // epoch. If it does no more, the connection is dropped, so that what is in flight is repeated elsewhere; else the
    // topic is wanted, and others are asked for it first. False: dropped.
    bool doubt(int32_t broker, const std::string& name, int32_t partition, int32_t epoch);
    // It has answered.
    void trust(int32_t broker);
    // The channel to a broker; nullptr if its address is not known.
    rpc::Channel* channel(int32_t broker);
    // Asks any broker; the next one if it was certainly not done (or is repeatable), until the deadline. `preferred`
    // is asked first, if it is known. No broker is waited for longer than `attempt_max`.
    Task<rpc::CallResult> call_any(rpc::Method method,
                                   rpc::Metadata metadata,
                                   Repeatable repeatable,
                                   Instant deadline,
                                   int32_t preferred = -1,
                                   Duration attempt_max = Duration::max());
    int32_t controller() const { return controller_; }
    Duration pause_after(uint64_t attempts) const;

  private:
    struct Peer {
        Peer(World& world, const Address& address, const RouterOptions& options);
        rpc::Introduction introduction;
        rpc::Channel channel;
        Instant answered{};      // when it did last
        Instant silent_until{};  // it has let a call pass by: until then others are asked first
    };
    Task<rpc::CallResult> ask_metadata(rpc::Metadata request, Instant deadline, Duration attempt_max = Duration::max());
    Task<rpc::CallResult> refresh_when_newer(std::vector<std::string> names, int64_t newer_than, Instant deadline);
    int64_t oldest_version(const std::vector<std::string>& names) const;
    Peer& peer(const Address& address);
    std::vector<Address> candidates(int32_t preferred);
    void learn(const wire::MetadataResponse& answer);
    void learn_topic(const wire::TopicMetadata& topic, int64_t version);
    void want_everything();

    World& world_;
    RouterOptions options_;
    std::map<std::string, std::unique_ptr<Peer>> peers_;  // by address; kept until the end, there are few
    std::map<int32_t, Address> brokers_;
    std::map<int32_t, Address> met_;  // and those that are not named any more: requests may be in flight there
    int32_t controller_ = -1;
    Uuid cluster_;
    std::map<std::string, TopicView> topics_;
    struct Missing {
        Failure why;
        Instant answered;
    };
    std::map<std::string, Missing> missing_;
    std::set<std::string> wanted_;
    Event wake_;     // pulsed when a topic is wanted
    Event closing_;  // ends pauses
    Instant refreshed_;
    size_t turn_ = 0;  // which candidate is next
    std::set<int32_t> doubted_;
    std::map<std::string, Instant> doubts_next_;  // when topics may be asked for again because of that
    std::function<void()> changed_;
    bool closed_ = false;
};

}  // namespace ironbark::client
