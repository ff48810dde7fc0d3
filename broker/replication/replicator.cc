#include "broker/replication/replicator.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "broker/replication/follower_session.h"
#include "broker/shard.h"

namespace ironbark::broker {
namespace {

constexpr Duration contact_time = 3s;
constexpr Duration session_retry_pause = 50ms;  // after a session that was lost, or a leader that was not reached
constexpr Duration silence_time_max = 7s;

rpc::ChannelOptions channel_options() {
    rpc::ChannelOptions options;
    options.connect_time_max = 1s;
    options.limits.silence_time_max = silence_time_max;
    return options;
}

}  // namespace

// The way to one incarnation of a leader.
class Replicator::Link {
  public:
    Link(Replicator& owner, Way way, Peer peer)
        : owner_(owner),
          shard_(owner.shard_),
          leader_(way.first),
          lane_(way.second),
          peer_(std::move(peer)),
          greeter_(shard_.world(), &owner.settings_.self, owner.settings_.secret, way.first.value),
          lost_(shard_.executor()),
          scope_(shard_.executor()) {}
    // What sessions have under way goes before their channel, which `run` has.
    ~Link() { sessions_.clear(); }

    void start() { scope_.spawn(run()); }
    void stop() {
        is_over_ = true;
        lost_.set();
    }
    Task<void> join() { co_await scope_.join(); }
    const Peer& peer() const { return peer_; }

    void follow(const PartitionIdentity& identity, Epoch epoch) {
        wishes_[identity] = epoch;
        if (FollowerSession* session = session_of(identity)) session->follow(identity, epoch);
    }
    void leave(const PartitionIdentity& identity) {
        wishes_.erase(identity);
        if (FollowerSession* session = session_of(identity)) session->leave(identity);
    }
    bool is_idle() const { return wishes_.empty(); }
    std::string problem_of(const PartitionIdentity& identity) const {
        FollowerSession* session = session_of(identity);
        return session == nullptr ? problem_ : session->problem_of(identity);
    }

  private:
    FollowerSession* session_of(const PartitionIdentity& identity) const {
        if (sessions_.empty()) return nullptr;
        return sessions_[log::shard_of(identity, sessions_.size())].get();
    }

    // A channel and its sessions live and end together: whatever was under way on one is of no use on the next.
    Task<void> run() {
        while (!is_over_) {
            lost_.reset();
            rpc::Channel channel(shard_.world(), peer_.address, greeter_, channel_options());
            const uint64_t number = ++owner_.sessions_made_;
            const int32_t shards = co_await contact(&channel, number);
            if (shards > 0 && !is_over_) {
                begin(channel, number, shards);
                co_await lost_.wait();
                if (!is_over_) ++owner_.counters_.sessions_lost;
            }
            for (auto& session : sessions_) session->end();
            co_await channel.close();
            for (auto& session : sessions_) co_await session->join();
            sessions_.clear();
            if (is_over_) break;
            lost_.reset();
            (void)co_await lost_.wait(shard_.executor().now() + session_retry_pause);
        }
    }

    // How many shards the leader has; 0: it was not reached.
    Task<int32_t> contact(rpc::Channel* channel, uint64_t number) {
        flatbuffers::FlatBufferBuilder builder;
        rpc::Metadata message = rpc::finish(
            builder, wire::CreateReplicateRequest(builder, 0, owner_.incarnation_.value,
                                                  static_cast<int32_t>(shard_.index()), number, 0, 0, 0, 0, 0, lane_));
        const Instant deadline = shard_.executor().now() + contact_time;
        rpc::CallResult result = co_await channel->call(rpc::Method::replicate, std::move(message), {}, deadline);
        if (!result.ok()) {
            note(fmt::format("broker {} at {} is not reached: {}", leader_.value, peer_.address.to_string(),
                             result.hint.empty() ? describe(result.error) : result.hint));
            co_return 0;
        }
        note({});
        co_return result.as<wire::ReplicateResponse>().shards();
    }

    void begin(rpc::Channel& channel, uint64_t number, int32_t shards) {
        for (int32_t shard = 0; shard < shards; ++shard) {
            const FollowerSession::Identity identity{owner_.incarnation_, shard, lane_, number};
            sessions_.push_back(std::make_unique<FollowerSession>(shard_, channel, identity, &lost_, &owner_));
        }
        for (auto& session : sessions_) session->start();
        for (const auto& [identity, epoch] : wishes_) session_of(identity)->follow(identity, epoch);
    }

    // Said once, until it changes; that a leader is not there that nobody follows any more is no news.
    void note(std::string problem) {
        if (is_over_ || is_idle()) problem.clear();
        if (problem != problem_ && !problem.empty()) spdlog::info("replication: {}", problem);
        problem_ = std::move(problem);
    }

    Replicator& owner_;
    Shard& shard_;
    BrokerId leader_;
    wire::ReplicaLane lane_;
    Peer peer_;
    peer::PeerGreeter greeter_;
    std::map<PartitionIdentity, Epoch> wishes_;
    std::vector<std::unique_ptr<FollowerSession>> sessions_;  // by the leader's shard
    std::string problem_;
    Event lost_;
    bool is_over_ = false;
    Scope scope_;
};

Replicator::Replicator(Shard& shard) : shard_(shard), scope_(shard.executor()) {}
Replicator::~Replicator() = default;

void Replicator::start(ReplicationSettings settings) {
    settings_ = std::move(settings);
    is_started_ = true;
    look_at_links();
}

void Replicator::follow(const PartitionIdentity& identity, BrokerId leader, Epoch epoch) {
    Followed& followed = followed_[identity];
    if (followed.leader == leader && followed.epoch == epoch) return;
    const Followed next{leader, epoch, wire::ReplicaLane::tail};
    if (Link* link = link_of(followed); link != nullptr && link != link_of(next)) link->leave(identity);
    begin(identity, next);
    drop_idle_lanes();
}

// Follows it by the link of its lane, which is made if it is not there.
void Replicator::begin(const PartitionIdentity& identity, const Followed& next) {
    followed_[identity] = next;
    if (Link* link = link_of(next)) {
        link->follow(identity, next.epoch);
    } else {
        look_at_link({next.leader, next.lane});
    }
}

Replicator::Link* Replicator::link_of(const Followed& followed) const {
    auto found = links_.find({followed.leader, followed.lane});
    return found == links_.end() ? nullptr : found->second.get();
}

void Replicator::change_lane(const PartitionIdentity& identity, Epoch epoch, wire::ReplicaLane from) {
    auto found = followed_.find(identity);
    if (is_stopping_ || found == followed_.end() || found->second.epoch != epoch || found->second.lane != from) return;
    Followed next = found->second;
    if (Link* link = link_of(next)) link->leave(identity);
    next.lane = from == wire::ReplicaLane::tail ? wire::ReplicaLane::catch_up : wire::ReplicaLane::tail;
    if (next.lane == wire::ReplicaLane::catch_up) ++counters_.catch_ups;
    begin(identity, next);
    drop_idle_lanes();
}

// One for who is far behind is there as long as somebody is.
void Replicator::drop_idle_lanes() {
    for (auto link = links_.begin(); link != links_.end();) {
        if (link->first.second == wire::ReplicaLane::tail || !link->second->is_idle()) {
            ++link;
            continue;
        }
        scope_.spawn(end_link(std::move(link->second)));
        link = links_.erase(link);
    }
}

void Replicator::leave(const PartitionIdentity& identity) {
    auto found = followed_.find(identity);
    if (found == followed_.end()) return;
    if (Link* link = link_of(found->second)) link->leave(identity);
    followed_.erase(found);
    drop_idle_lanes();
}

// What is known of this broker's own incarnation goes with every session.
void Replicator::take(const Metadata& metadata) {
    const BrokerRecord* self = metadata.find(shard_.self());
    const Incarnation incarnation = self == nullptr ? Incarnation(-1) : self->incarnation;
    std::map<BrokerId, Peer> peers;
    for (const auto& [id, broker] : metadata.brokers()) {
        if (broker.replica_port != 0) peers[id] = {{broker.peer_host, broker.replica_port}, broker.incarnation};
    }
    const bool is_reborn = incarnation != incarnation_;
    incarnation_ = incarnation;
    for (auto link = links_.begin(); link != links_.end();) {
        auto peer = peers.find(link->first.first);
        const bool is_other = is_reborn || peer == peers.end() || !(peer->second == link->second->peer());
        if (!is_other) {
            ++link;
            continue;
        }
        scope_.spawn(end_link(std::move(link->second)));
        link = links_.erase(link);
    }
    peers_ = std::move(peers);
    look_at_links();
}

// A link for every broker that is followed.
void Replicator::look_at_links() {
    for (const auto& [leader, peer] : peers_) {
        look_at_link({leader, wire::ReplicaLane::tail});
        look_at_link({leader, wire::ReplicaLane::catch_up});
    }
}

void Replicator::look_at_link(Way way) {
    if (!is_started_ || is_stopping_ || links_.count(way) > 0) return;
    auto peer = peers_.find(way.first);
    if (peer == peers_.end()) return;
    auto link = std::make_unique<Link>(*this, way, peer->second);
    for (const auto& [identity, followed] : followed_) {
        if (Way(followed.leader, followed.lane) == way) link->follow(identity, followed.epoch);
    }
    if (link->is_idle()) return;
    link->start();
    links_[way] = std::move(link);
}

Task<void> Replicator::end_link(std::unique_ptr<Link> link) {
    link->stop();
    co_await link->join();
}

Task<void> Replicator::stop() {
    is_stopping_ = true;
    for (auto& [way, link] : links_) scope_.spawn(end_link(std::move(link)));
    links_.clear();
    co_await scope_.join();
}

std::string Replicator::problem_of(const PartitionIdentity& identity) const {
    auto found = followed_.find(identity);
    if (found == followed_.end()) return {};
    const Link* link = link_of(found->second);
    return link == nullptr ? std::string() : link->problem_of(identity);
}

}  // namespace ironbark::broker
