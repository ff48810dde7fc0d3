// What this broker is and how it fares.

#include <algorithm>

#include "broker/service/service.h"
#include "broker/shard_status.h"

namespace ironbark::broker {

Task<rpc::Response> ClientService::describe_node(rpc::Request) {
    std::vector<Task<ShardStatus>> calls;
    for (Shard* shard : facts_.shards) {
        auto make = [shard] { return look_at_shard(shard); };
        calls.push_back(run_on<ShardStatus>(shard_.executor(), shard->executor(), shard->scope(), std::move(make)));
    }
    std::vector<ShardStatus> shards = co_await all(shard_.executor(), std::move(calls));
    ShardStatus sum = merge(shards);
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid cluster = rpc::to_wire(facts_.identity.cluster);
    wire::Uuid directory_id = rpc::to_wire(facts_.directory);
    std::vector<flatbuffers::Offset<wire::DataDirectory>> directories;
    const char* state = !sum.marks_writable ? "failed" : sum.storage_full ? "full" : "online";
    directories.push_back(wire::CreateDataDirectoryDirect(builder, facts_.config.data_dir.c_str(), &directory_id,
                                                          sum.space.free_bytes, sum.space.total_bytes, state, "",
                                                          facts_.direct_io));
    std::vector<flatbuffers::Offset<wire::MemoryPool>> memory;
    for (const PoolStatus& pool : sum.pools) {
        memory.push_back(wire::CreateMemoryPoolDirect(builder, pool.name.c_str(), pool.used_bytes, pool.limit_bytes));
    }
    std::vector<flatbuffers::Offset<wire::ReplicaProblem>> problems;
    for (const ReplicaProblem& each : sum.problems) {
        wire::Uuid topic = rpc::to_wire(each.identity.topic);
        problems.push_back(wire::CreateReplicaProblemDirect(builder, each.topic.c_str(), &topic,
                                                            each.identity.partition.value, each.text.c_str()));
    }
    auto age = std::chrono::duration_cast<std::chrono::milliseconds>(sum.unsynced_age).count();
    co_return [&] {
        rpc::Response response;
        auto root = wire::CreateDescribeNodeResponseDirect(
            builder, 0, facts_.identity.broker.value, &cluster, facts_.version.c_str(), identity().incarnation.value,
            facts_.started.milliseconds, facts_.io_world.c_str(), facts_.io_reason.c_str(),
            static_cast<int32_t>(facts_.shards.size()), &directories, static_cast<int32_t>(sum.partitions), &memory,
            sum.unsynced_bytes, age, nullptr, &problems, static_cast<int32_t>(sum.problem_count));
        response.metadata = rpc::finish(builder, root);
        return response;
    }();
}

}  // namespace ironbark::broker
