#include "client/router.h"

#include <algorithm>
#include <utility>

#include "client/version.h"
#include "runtime/rpc/convert.h"

namespace ironbark::client {
namespace {

// One broker that does not know a topic, or not all of it, may only be behind: so many have to say so, one after the
// other.
constexpr int missing_answers = 3;
// Metadata comes from memory, and so does what is known of the cluster, after controllers were asked for it, too. Who
// takes longer to answer is passed over for the next broker. Producer ids are the controller's, too.
constexpr Duration metadata_time_max = 3s;
constexpr Duration cluster_time_max = 5s;

// Who has let a call pass by is asked last for so long.
constexpr Duration silence_time = 10s;

// `left`: the time that there is for all who are still to be asked in this round, each of whom gets a share of it.
Duration attempt_time_max(rpc::Method method, Duration otherwise, Duration left, size_t candidates) {
    const Duration share = left / static_cast<int64_t>(candidates);
    switch (method) {
        case rpc::Method::metadata: return std::min({otherwise, metadata_time_max, share});
        case rpc::Method::describe_cluster:
        case rpc::Method::allocate_producer_id: return std::min({otherwise, cluster_time_max, share});
        default: return otherwise;
    }
}

constexpr Error led_elsewhere(ErrorCode::connection_closed, "it does not answer, and another broker leads now");

// Of a question that is answered when there is news: one broker may be slower to hear it than another.
constexpr Duration news_wait = 200ms;
// Who has then said nothing may have become silent while it was waited for: it is not the one to hear of it from.
constexpr Duration news_time_max = news_wait + 200ms;
constexpr Duration news_pause = 5ms;

rpc::Metadata metadata_request(const std::vector<std::string>& names, bool brokers_only, int64_t newer_than = -1) {
    flatbuffers::FlatBufferBuilder builder;
    auto topics = builder.CreateVectorOfStrings(names);
    const auto wait_ms = newer_than < 0 ? 0 : static_cast<int32_t>(news_wait / 1ms);
    return rpc::finish(builder, wire::CreateMetadataRequest(builder, topics, 0, brokers_only, newer_than, wait_ms));
}

// FlatBuffers has no copy of a finished message.
rpc::Metadata copy_of(const rpc::Metadata& metadata) {
    auto* bytes = new uint8_t[metadata.size()];
    std::copy(metadata.data(), metadata.data() + metadata.size(), bytes);
    return {nullptr, false, bytes, metadata.size(), bytes, metadata.size()};
}

bool may_try_again(const rpc::CallResult& result, Repeatable repeatable) {
    if (result.delivery == rpc::Delivery::never_sent) return result.error.code != ErrorCode::message_too_large;
    if (result.outcome == Outcome::unknown && repeatable == Repeatable::no) return false;
    return is_retriable(result.error.code);
}

}  // namespace

RouterOptions RouterOptions::of(const Settings& settings) {
    RouterOptions options;
    std::string_view rest = settings.bootstrap_servers;
    while (!rest.empty()) {
        size_t comma = rest.find(',');
        Result<Address> address = Address::parse(rest.substr(0, comma));
        ASSERT(address.ok());
        options.bootstrap.push_back(*address);
        rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
    options.client_id = settings.client_id;
    options.request_time_max = settings.request_timeout;
    options.pause = settings.retry_backoff;
    options.pause_max = settings.retry_backoff_max;
    options.metadata_age_max = settings.metadata_max_age;
    return options;
}

Router::Peer::Peer(World& world, const Address& address, const RouterOptions& options)
    : introduction(rpc::ClientIdentity{options.client_id, library_version, {}}),
      channel(world, address, introduction, [] {
          rpc::ChannelOptions channel_options;
          // Whoever calls has a choice of brokers and pauses of its own: one failed attempt is news enough.
          channel_options.attempts_max = 1;
          return channel_options;
      }()) {}

Router::Router(World& world, RouterOptions options)
    : world_(world),
      options_(std::move(options)),
      wake_(world.executor),
      closing_(world.executor),
      refreshed_(world.executor.now()) {}

Task<void> Router::run() {
    uint64_t failures = 0;
    while (!closed_) {
        Instant old = refreshed_ + options_.metadata_age_max;
        if (wanted_.empty()) co_await wake_.wait(old);
        if (closed_) break;
        const bool is_old = world_.executor.now() >= old;
        if (is_old) want_everything();
        if (wanted_.empty()) continue;
        std::vector<std::string> names(wanted_.begin(), wanted_.end());
        wanted_.clear();
        // What is known was of no use: so the next leader is asked for before there is one.
        const int64_t newer_than = is_old ? -1 : oldest_version(names);
        const Instant deadline = world_.executor.now() + options_.request_time_max;
        rpc::CallResult result = co_await refresh_when_newer(names, newer_than, deadline);
        failures = result.ok() ? 0 : failures + 1;
        // Whoever wanted them waits for news, and does not ask again.
        if (!result.ok()) wanted_.insert(names.begin(), names.end());
        // News that come by the dozen are asked for once.
        const bool was_waited_for = result.ok() && newer_than >= 0;
        const Duration pause = was_waited_for ? std::min(news_pause, options_.pause) : pause_after(failures);
        if (!closed_) co_await closing_.wait(world_.executor.now() + pause);
    }
}

// -1 if one of them is not known at all.
int64_t Router::oldest_version(const std::vector<std::string>& names) const {
    int64_t oldest = INT64_MAX;
    for (const std::string& name : names) {
        const TopicView* topic = find(name);
        oldest = std::min(oldest, topic == nullptr ? -1 : topic->version);
    }
    return oldest;
}

Task<void> Router::close() {
    closed_ = true;
    wake_.close();
    closing_.close();
    for (auto& [address, peer] : peers_) co_await peer->channel.close();
}

void Router::want_everything() {
    refreshed_ = world_.executor.now();
    for (const auto& [name, topic] : topics_) wanted_.insert(name);
}

const TopicView* Router::find(const std::string& name) const {
    auto found = topics_.find(name);
    return found == topics_.end() ? nullptr : &found->second;
}

const Failure* Router::why_missing(const std::string& name, Instant since) const {
    auto found = missing_.find(name);
    return found == missing_.end() || found->second.answered <= since ? nullptr : &found->second.why;
}

void Router::want(const std::string& name) {
    if (wanted_.insert(name).second) wake_.pulse();
}

void Router::learn_leader(const std::string& name, int32_t partition, Leader leader) {
    auto found = topics_.find(name);
    if (found == topics_.end() || partition < 0 || partition >= found->second.partition_count()) return;
    Leader& known = found->second.leaders[static_cast<size_t>(partition)];
    if (leader.epoch < known.epoch) return;
    known = leader;
    if (brokers_.find(leader.broker) == brokers_.end()) want(name);
    if (changed_) changed_();
}

Task<Expected<TopicView>> Router::load(std::string name, int64_t partitions_wanted, Instant deadline) {
    for (int answers = 0;; ++answers) {
        const TopicView* topic = find(name);
        const bool is_enough = topic != nullptr && topic->partition_count() >= partitions_wanted;
        if (is_enough || (topic != nullptr && answers == missing_answers)) co_return *topic;
        if (answers == missing_answers) break;
        if (answers > 0) co_await closing_.wait(std::min(deadline, world_.executor.now() + options_.pause));
        std::vector<std::string> names{name};
        rpc::CallResult result = co_await refresh(std::move(names), deadline);
        if (!result.ok()) co_return failure_of(result);
    }
    const Failure* why = why_missing(name);
    co_return why != nullptr ? *why : senseless_answer("it leaves out the topic that was asked for");
}

Task<rpc::CallResult> Router::refresh(std::vector<std::string> names, Instant deadline) {
    rpc::Metadata request = metadata_request(names, false);
    co_return co_await ask_metadata(std::move(request), deadline);
}

Task<rpc::CallResult> Router::refresh_when_newer(std::vector<std::string> names, int64_t newer_than, Instant deadline) {
    rpc::Metadata request = metadata_request(names, false, newer_than);
    const Duration attempt_max = newer_than < 0 ? Duration::max() : news_time_max;
    co_return co_await ask_metadata(std::move(request), deadline, attempt_max);
}

Task<rpc::CallResult> Router::refresh_brokers(Instant deadline) {
    std::vector<std::string> none;
    rpc::Metadata request = metadata_request(none, true);
    co_return co_await ask_metadata(std::move(request), deadline);
}

Task<rpc::CallResult> Router::ask_metadata(rpc::Metadata request, Instant deadline, Duration attempt_max) {
    rpc::CallResult result =
        co_await call_any(rpc::Method::metadata, std::move(request), Repeatable::yes, deadline, -1, attempt_max);
    if (!result.ok()) co_return result;
    const auto& answer = result.as<wire::MetadataResponse>();
    if (answer.error() != nullptr) {
        Failure failure = failure_of(*answer.error());
        result.error = Error(failure.code, "the broker refused to describe the cluster");
        result.hint = failure.hint;
        co_return result;
    }
    learn(answer);
    if (changed_) changed_();
    co_return result;
}

void Router::learn(const wire::MetadataResponse& answer) {
    if (answer.brokers() != nullptr && answer.brokers()->size() > 0) {
        brokers_.clear();
        for (const wire::BrokerMetadata* broker : *answer.brokers()) {
            brokers_[broker->id()] = Address{std::string(rpc::from_wire(broker->host())), broker->port()};
            met_[broker->id()] = brokers_[broker->id()];
        }
    }
    controller_ = answer.controller();
    // Versions are of one cluster.
    const Uuid cluster = rpc::from_wire(answer.cluster_id());
    if (std::exchange(cluster_, cluster) != cluster) {
        for (auto& [name, topic] : topics_) topic.version = -1;
    }
    if (answer.topics() == nullptr) return;
    for (const wire::TopicMetadata* topic : *answer.topics()) learn_topic(*topic, answer.metadata_version());
}

void Router::learn_topic(const wire::TopicMetadata& topic, int64_t version) {
    std::string name(rpc::from_wire(topic.name()));
    // A broker that is behind does not know yet of the topic, or knows one that was deleted before.
    auto known = topics_.find(name);
    const bool is_older = known != topics_.end() && version < known->second.version;
    if (is_older && (topic.error() != nullptr || rpc::from_wire(topic.id()) != known->second.id)) return;
    if (topic.error() != nullptr) {
        Failure failure = failure_of(*topic.error());
        if (!failure.is_retriable()) topics_.erase(name);
        missing_[name] = {std::move(failure), world_.executor.now()};
        return;
    }
    missing_.erase(name);
    TopicView view;
    view.id = rpc::from_wire(topic.id());
    view.name = name;
    view.version = version;
    if (topic.partitions() != nullptr) {
        for (const wire::PartitionMetadata* partition : *topic.partitions()) {
            size_t index = static_cast<size_t>(partition->partition());
            // They come dense and in order; what does not is left out.
            if (index == view.leaders.size()) view.leaders.push_back({partition->leader(), partition->leader_epoch()});
        }
    }
    if (known != topics_.end() && known->second.id == view.id) {
        // Nor does it take back what another one knew of this one. It may know of fewer partitions, too.
        std::vector<Leader>& old = known->second.leaders;
        if (old.size() > view.leaders.size()) view.leaders.resize(old.size());
        for (size_t index = 0; index < old.size(); ++index) {
            if (old[index].epoch > view.leaders[index].epoch) view.leaders[index] = old[index];
        }
    }
    topics_[name] = std::move(view);
}

bool Router::doubt(int32_t broker, const std::string& name, int32_t partition, int32_t epoch) {
    doubted_.insert(broker);
    const TopicView* topic = find(name);
    if (topic != nullptr && partition < topic->partition_count()) {
        const Leader& leader = topic->leaders[static_cast<size_t>(partition)];
        if (leader.epoch > epoch && leader.broker >= 0 && leader.broker != broker) {
            // Whoever is given up is not named any more.
            if (auto silent = met_.find(broker); silent != met_.end()) peer(silent->second).channel.drop(led_elsewhere);
            return false;
        }
    }
    // However often the engines look: each answer wakes them.
    Instant& next = doubts_next_[name];
    const Instant now = world_.executor.now();
    if (now < next) return true;
    next = now + doubt_pause;
    want(name);
    return true;
}

void Router::trust(int32_t broker) {
    doubted_.erase(broker);
    if (auto known = met_.find(broker); known != met_.end()) peer(known->second).answered = world_.executor.now();
}

rpc::Channel* Router::channel(int32_t broker) {
    auto found = brokers_.find(broker);
    return found == brokers_.end() || closed_ ? nullptr : &peer(found->second).channel;
}

Router::Peer& Router::peer(const Address& address) {
    std::unique_ptr<Peer>& peer = peers_[address.to_string()];
    if (peer == nullptr) peer = std::make_unique<Peer>(world_, address, options_);
    return *peer;
}

// Whom to ask: the preferred one, then who is connected, then the other brokers, then who is in doubt, whoever has
// answered anything last first (leaders wait for a silent follower, and are in doubt, too); then the bootstrap
// addresses. Whoever has been silent just now comes after all of them.
std::vector<Address> Router::candidates(int32_t preferred) {
    std::vector<Address> connected;
    std::vector<Address> others;
    std::multimap<Instant, Address, std::greater<>> in_doubt;  // by when it answered last
    for (const auto& [id, address] : brokers_) {
        if (doubted_.contains(id)) {
            in_doubt.emplace(peer(address).answered, address);
        } else {
            (peer(address).channel.is_connected() ? connected : others).push_back(address);
        }
    }
    if (!connected.empty()) {
        auto first = static_cast<std::ptrdiff_t>(turn_ % connected.size());
        std::rotate(connected.begin(), connected.begin() + first, connected.end());
    }
    std::vector<Address> all;
    auto add = [&all](const Address& address) {
        if (std::find(all.begin(), all.end(), address) == all.end()) all.push_back(address);
    };
    if (auto found = brokers_.find(preferred); found != brokers_.end()) add(found->second);
    for (const Address& address : connected) add(address);
    for (const Address& address : others) add(address);
    for (const auto& [answered, address] : in_doubt) add(address);
    for (const Address& address : options_.bootstrap) add(address);
    ++turn_;
    std::vector<Address> silent;
    std::erase_if(all, [&](const Address& address) {
        const bool is_silent = world_.executor.now() < peer(address).silent_until;
        if (is_silent) silent.push_back(address);
        return is_silent;
    });
    all.insert(all.end(), silent.begin(), silent.end());
    return all;
}

Task<rpc::CallResult> Router::call_any(rpc::Method method,
                                       rpc::Metadata metadata,
                                       Repeatable repeatable,
                                       Instant deadline,
                                       int32_t preferred,
                                       Duration attempt_max) {
    rpc::CallResult result = rpc::never_sent(Error(ErrorCode::closed, "the client was closed"));
    std::optional<rpc::CallResult> reason;  // what went wrong before the time was over says more than that it is
    for (uint64_t round = 1; !closed_; ++round) {
        bool may_get_better = false;
        const std::vector<Address> all = candidates(preferred);
        for (size_t index = 0; index < all.size(); ++index) {
            Instant now = world_.executor.now();
            const Duration time_max =
                attempt_time_max(method, options_.request_time_max, deadline - now, all.size() - index);
            Instant attempt_deadline = std::min(deadline, now + std::min(attempt_max, time_max));
            Peer& asked = peer(all[index]);
            result = co_await asked.channel.call(method, copy_of(metadata), {}, attempt_deadline);
            const bool is_answered = result.delivery == rpc::Delivery::answered;
            if (is_answered) asked.answered = world_.executor.now();
            if (!is_answered && result.hint.empty()) {
                result.hint = all[index].to_string() + ": " + std::string(result.error.text);
            }
            const bool is_silent = !is_answered && result.error.code == ErrorCode::timed_out;
            asked.silent_until = is_silent ? world_.executor.now() + silence_time : Instant();
            if (result.ok() || !may_try_again(result, repeatable)) co_return result;
            bool is_too_late =
                result.delivery == rpc::Delivery::never_sent && result.error.code == ErrorCode::timed_out;
            if (is_too_late && reason) result = *reason;
            reason = result;
            may_get_better |= is_retriable(result.error.code);
            if (result.leader >= 0) preferred = result.leader;
            if (closed_ || world_.executor.now() >= deadline) co_return result;
        }
        // Wrong hosts, ports where nobody speaks our protocol: no time will help.
        if (!may_get_better) co_return result;
        Instant again = world_.executor.now() + pause_after(round);
        if (again >= deadline) co_return result;
        co_await closing_.wait(again);
    }
    co_return result;
}

Duration Router::pause_after(uint64_t attempts) const {
    uint64_t doublings = std::min<uint64_t>(attempts, 20);
    return std::min(options_.pause_max, options_.pause * (int64_t{1} << doublings));
}

}  // namespace ironbark::client
