#include "client/topic_description.h"

#include <algorithm>
#include <map>
#include <vector>

#include "runtime/task/scope.h"

namespace ironbark::client {
namespace {

// What is asked for is in memory: who takes longer is reported, and the others are not waited for in vain.
constexpr Duration answer_time_max = 3s;

// Whether another broker, its leader, knows more of it.
bool is_led_elsewhere(const PartitionDescription& partition) {
    return partition.state == "elsewhere" || partition.state == "following";
}

// By leader, the places of the partitions that the first answer does not describe.
using Missing = std::map<int32_t, std::vector<size_t>>;

Missing missing_from(const TopicDescription& topic) {
    Missing missing;
    for (size_t place = 0; place < topic.partitions.size(); ++place) {
        const PartitionDescription& partition = topic.partitions[place];
        const bool is_asked_for = is_led_elsewhere(partition) && partition.leader >= 0 && !partition.failure;
        if (is_asked_for) missing[partition.leader].push_back(place);
    }
    return missing;
}

void merge(TopicDescription* topic, const std::vector<size_t>& places, const Expected<TopicDescription>& answer) {
    for (size_t place : places) {
        PartitionDescription& partition = topic->partitions[place];
        if (!answer.ok()) {
            partition.failure = answer.error();
            continue;
        }
        auto found = std::find_if(answer->partitions.begin(), answer->partitions.end(),
                                  [&](const auto& each) { return each.partition == partition.partition; });
        if (found == answer->partitions.end() || is_led_elsewhere(*found)) {
            partition.failure = not_done(ErrorCode::not_leader_or_follower,
                                         "the broker that leads it has not opened it yet, or not any more: ask again");
        } else {
            partition = *found;
        }
    }
}

Task<void> ask(rpc::Channel* channel, TopicDescription* topic, const std::vector<size_t>* places, Instant deadline) {
    // By its id: another topic of that name would not do.
    rpc::Metadata metadata = encode_describe_topic(topic->id);
    rpc::CallResult result = co_await channel->call(rpc::Method::describe_topic, std::move(metadata), {}, deadline);
    merge(topic, *places, decode_describe_topic(result));
}

}  // namespace

Task<Expected<TopicDescription>> describe_topic(World* world, Router* router, std::string topic, Instant deadline) {
    rpc::Metadata metadata = encode_describe_topic(topic);
    rpc::CallResult result = co_await router->call_any(rpc::Method::describe_topic, std::move(metadata),
                                                       Repeatable::yes, deadline, router->controller());
    Expected<TopicDescription> described = decode_describe_topic(result);
    if (!described.ok()) co_return described;
    const Missing missing = missing_from(*described);
    bool knows_all = true;
    for (const auto& [leader, places] : missing) knows_all = knows_all && router->channel(leader) != nullptr;
    // If nobody answers, nobody's address is known, and each partition says so.
    if (!knows_all) co_await router->refresh_brokers(deadline);
    const Instant answers_until = std::min(deadline, world->executor.now() + answer_time_max);
    Scope scope(world->executor);
    for (const auto& [leader, places] : missing) {
        rpc::Channel* channel = router->channel(leader);
        if (channel != nullptr) {
            scope.spawn(ask(channel, &*described, &places, answers_until));
        } else {
            merge(&*described, places, not_done(ErrorCode::not_found, "the address of its leader is not known"));
        }
    }
    co_await scope.join();
    co_return described;
}

}  // namespace ironbark::client
