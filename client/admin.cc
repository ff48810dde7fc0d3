#include "ironbark/admin.h"

#include <algorithm>
#include <atomic>

#include "client/admin_requests.h"
#include "client/io_thread.h"
#include "client/partition_calls.h"
#include "client/topic_description.h"

namespace ironbark {

using client::Repeatable;
using rpc::Method;

struct Admin::Implementation {
    explicit Implementation(const Settings& settings)
        : thread(settings), router(thread.world(), client::RouterOptions::of(settings)) {
        thread.spawn([this] { return router.run(); });
    }
    ~Implementation() {
        thread.run([this] { return router.close(); });
        thread.stop();
    }

    // Asks the broker whose controller is active, if it is known, else any.
    rpc::CallResult call(Method method, rpc::Metadata metadata, Repeatable repeatable, Timeout timeout) {
        Instant deadline = thread.deadline(timeout);
        return thread.run(
            [&] { return router.call_any(method, std::move(metadata), repeatable, deadline, router.controller()); });
    }

    client::IoThread thread;
    client::Router router;
    std::atomic<bool> follows = false;  // the cluster's events: its brokers were asked for
};

Admin::Admin(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
Admin::Admin(Admin&&) noexcept = default;
Admin& Admin::operator=(Admin&&) noexcept = default;
Admin::~Admin() = default;

Expected<Admin> Admin::create(const Settings& settings) {
    if (Expected<void> checked = settings.check(); !checked.ok()) return checked.error();
    return Admin(std::make_unique<Implementation>(settings));
}

Expected<CreatedTopic> Admin::create_topic(const TopicSpecification& topic, Timeout timeout) {
    return client::decode_create_topic(implementation_->call(
        Method::create_topic, client::encode_create_topic(topic, timeout), Repeatable::no, timeout));
}

Expected<void> Admin::delete_topic(const std::string& topic, Timeout timeout) {
    return client::decode_delete_topic(implementation_->call(
        Method::delete_topic, client::encode_delete_topic(topic, timeout), Repeatable::no, timeout));
}

Expected<void> Admin::alter_topic(const std::string& topic, const TopicChanges& changes, Timeout timeout) {
    return client::decode_alter_topic(implementation_->call(
        Method::alter_topic, client::encode_alter_topic(topic, changes, timeout), Repeatable::no, timeout));
}

Expected<int32_t> Admin::add_partitions(const std::string& topic,
                                        int32_t partitions,
                                        bool validate_only,
                                        Timeout timeout) {
    rpc::Metadata request = client::encode_add_partitions(topic, partitions, validate_only, timeout);
    return client::decode_add_partitions(
        implementation_->call(Method::add_partitions, std::move(request), Repeatable::no, timeout));
}

Expected<TopicDescription> Admin::describe_topic(const std::string& topic, Timeout timeout) {
    Implementation& self = *implementation_;
    Instant deadline = self.thread.deadline(timeout);
    return self.thread.run([&] { return client::describe_topic(&self.thread.world(), &self.router, topic, deadline); });
}

Expected<std::vector<TopicSummary>> Admin::list_topics(Timeout timeout) {
    return client::decode_topics(
        implementation_->call(Method::metadata, client::encode_metadata(false), Repeatable::yes, timeout));
}

Expected<std::vector<TopicOptionInfo>> Admin::topic_options(Timeout timeout) {
    return client::decode_topic_options(
        implementation_->call(Method::topic_options, client::encode_topic_options(), Repeatable::yes, timeout));
}

Expected<ClusterInfo> Admin::describe_cluster(Timeout timeout) {
    return client::decode_describe_cluster(
        implementation_->call(Method::describe_cluster, client::encode_describe_cluster(), Repeatable::yes, timeout));
}

Expected<std::vector<ClusterEvent>> Admin::cluster_events(int64_t after, Timeout max_wait, Timeout timeout) {
    Implementation& self = *implementation_;
    Instant deadline = self.thread.deadline(timeout);
    max_wait = std::min(max_wait, timeout);
    // Who follows the events goes on with another broker when the one that it was told of first is gone.
    if (!self.follows.exchange(true)) {
        (void)self.thread.run([&] { return self.router.refresh_brokers(deadline); });
    }
    return client::decode_cluster_events(self.thread.run([&] {
        return self.router.call_any(Method::cluster_events, client::encode_cluster_events(after, max_wait),
                                    Repeatable::yes, deadline, self.router.controller());
    }));
}

Expected<ReplacedVoter> Admin::replace_voter(int32_t voter, Timeout timeout) {
    return client::decode_replace_voter(implementation_->call(
        Method::replace_voter, client::encode_replace_voter(voter, timeout), Repeatable::no, timeout));
}

Expected<std::vector<MovedLeader>> Admin::move_leaders(const std::vector<LeaderMove>& moves, Timeout timeout) {
    return client::decode_move_leaders(
        moves, implementation_->call(Method::move_leaders, client::encode_move_leaders(moves, timeout), Repeatable::yes,
                                     timeout));
}

Expected<std::vector<PlannedReplicas>> Admin::move_replicas(const std::vector<ReplicaMove>& moves, Timeout timeout) {
    return client::decode_move_replicas(
        moves, implementation_->call(Method::move_replicas, client::encode_move_replicas(moves, timeout),
                                     Repeatable::yes, timeout));
}

Expected<ElectedLeader> Admin::elect_leader(const TopicPartition& partition,
                                            bool unclean,
                                            bool validate_only,
                                            Timeout timeout) {
    rpc::Metadata request = client::encode_elect_leader(partition, unclean, validate_only, timeout);
    return client::decode_elect_leader(implementation_->call(
        Method::elect_leader, std::move(request), validate_only ? Repeatable::yes : Repeatable::no, timeout));
}

Expected<void> Admin::set_failover(bool is_manual, Timeout timeout) {
    return client::decode_set_failover(implementation_->call(
        Method::set_failover, client::encode_set_failover(is_manual, timeout), Repeatable::yes, timeout));
}

Expected<std::vector<FoundOffset>> Admin::list_offsets(const std::vector<OffsetQuery>& queries,
                                                       Visibility visibility,
                                                       Timeout timeout) {
    Implementation& self = *implementation_;
    Instant deadline = self.thread.deadline(timeout);
    std::vector<client::OffsetAnswer> answers = self.thread.run(
        [&] { return client::list_offsets(&self.thread.world(), &self.router, queries, visibility, deadline); });
    std::vector<FoundOffset> found;
    for (size_t index = 0; index < queries.size(); ++index) {
        client::OffsetAnswer& answer = answers[index];
        found.push_back({queries[index].partition, std::move(answer.failure), answer.offset, answer.timestamp,
                         answer.leader_epoch});
    }
    return found;
}

Expected<std::vector<DeletedRecords>> Admin::delete_records(const std::vector<DeleteRecords>& partitions,
                                                            Timeout timeout) {
    Implementation& self = *implementation_;
    client::PartitionCall call;
    call.method = Method::delete_records;
    // Below a given offset it may be done twice; up to a watermark, which moves, it may not.
    call.repeatable = Repeatable::yes;
    std::vector<TopicPartition> names;
    for (const DeleteRecords& partition : partitions) {
        names.push_back(partition.partition);
        if (partition.before < 0) call.repeatable = Repeatable::no;
    }
    call.encode = [&](const std::vector<size_t>& places, const std::vector<client::PartitionReference>& references) {
        std::vector<client::DeleteRequest> requests;
        for (size_t index = 0; index < places.size(); ++index) {
            requests.push_back({references[index], partitions[places[index]].before});
        }
        return client::encode_delete_records(requests, timeout);
    };
    call.decode = client::decode_delete_records;
    Instant deadline = self.thread.deadline(timeout);
    std::vector<client::OffsetAnswer> answers = self.thread.run(
        [&] { return client::call_leaders(&self.thread.world(), &self.router, names, &call, deadline); });
    std::vector<DeletedRecords> deleted;
    for (size_t index = 0; index < names.size(); ++index) {
        deleted.push_back({names[index], std::move(answers[index].failure), answers[index].offset});
    }
    return deleted;
}

namespace {

// Asks one broker, whose address is looked up first if it is not known.
Task<rpc::CallResult> call_broker(client::Router* router, int32_t broker, Method method, Instant deadline) {
    if (router->channel(broker) == nullptr) {
        rpc::CallResult result = co_await router->refresh_brokers(deadline);
        if (!result.ok()) co_return result;
    }
    rpc::Channel* channel = router->channel(broker);
    if (channel == nullptr) {
        co_return rpc::never_sent(Error(ErrorCode::not_found, "the cluster has no broker of this number now"));
    }
    rpc::Metadata metadata = client::encode_describe_node();
    co_return co_await channel->call(method, std::move(metadata), {}, deadline);
}

}  // namespace

Expected<NodeDescription> Admin::describe_node(int32_t broker, Timeout timeout) {
    Implementation& self = *implementation_;
    if (broker < 0) {
        return client::decode_describe_node(
            self.call(Method::describe_node, client::encode_describe_node(), Repeatable::yes, timeout));
    }
    Instant deadline = self.thread.deadline(timeout);
    return client::decode_describe_node(
        self.thread.run([&] { return call_broker(&self.router, broker, Method::describe_node, deadline); }));
}

}  // namespace ironbark
