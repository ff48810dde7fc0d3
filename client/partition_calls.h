#pragma once
// Requests about partitions, each to be answered by the partition's leader: grouped by broker, sent beside each other,
// repeated where the leader has changed.

#include <functional>
#include <string>
#include <vector>

#include "client/admin_requests.h"
#include "client/router.h"

namespace ironbark::client {

// What is done with one partition after the other, in requests to their leaders.
struct PartitionCall {
    rpc::Method method;
    Repeatable repeatable;
    // Makes the request for the partitions at these places of the list.
    std::function<rpc::Metadata(const std::vector<size_t>&, const std::vector<PartitionReference>&)> encode;
    std::function<std::vector<OffsetAnswer>(const rpc::CallResult&, size_t)> decode;
};

// Suspends until each partition has its answer, at the deadline at the latest. Answers are in the order of
// `partitions`. `call` and `router` outlive it.
Task<std::vector<OffsetAnswer>> call_leaders(
    World* world, Router* router, std::vector<TopicPartition> partitions, const PartitionCall* call, Instant deadline);

// Where in the logs the queries' places are.
Task<std::vector<OffsetAnswer>> list_offsets(
    World* world, Router* router, std::vector<OffsetQuery> queries, Visibility visibility, Instant deadline);

}  // namespace ironbark::client
