#include "client/partition_calls.h"

#include <algorithm>
#include <map>
#include <set>

#include "runtime/task/scope.h"

namespace ironbark::client {
namespace {

struct Asked {
    rpc::Channel* channel = nullptr;
    std::vector<size_t> places;
    std::vector<PartitionReference> references;
};

OffsetAnswer failed_call(Failure failure) {
    OffsetAnswer answer;
    answer.failure = std::move(failure);
    return answer;
}

Task<void> ask(const PartitionCall* call, const Asked* asked, std::vector<OffsetAnswer>* answers, Instant deadline) {
    rpc::Metadata metadata = call->encode(asked->places, asked->references);
    rpc::CallResult result = co_await asked->channel->call(call->method, std::move(metadata), {}, deadline);
    std::vector<OffsetAnswer> received = call->decode(result, asked->places.size());
    for (size_t index = 0; index < received.size(); ++index) {
        (*answers)[asked->places[index]] = std::move(received[index]);
    }
}

bool may_repeat(const OffsetAnswer& answer, Repeatable repeatable) {
    if (!answer.failure) return false;
    if (answer.failure->outcome == Outcome::unknown && repeatable == Repeatable::no) return false;
    return answer.failure->is_retriable();
}

// Loads the topics of these partitions. What is not there is answered at once.
Task<void> load_topics(Router* router,
                       const std::vector<TopicPartition>* partitions,
                       std::vector<OffsetAnswer>* answers,
                       std::set<size_t>* open,
                       Instant deadline) {
    struct Wanted {
        int64_t partitions = 0;
        std::optional<Failure> failure;
    };
    std::map<std::string, Wanted> topics;
    for (const TopicPartition& partition : *partitions) {
        Wanted& wanted = topics[partition.topic];
        wanted.partitions = std::max(wanted.partitions, int64_t{partition.partition} + 1);
    }
    for (auto& [name, wanted] : topics) {
        Expected<TopicView> loaded = co_await router->load(name, wanted.partitions, deadline);
        if (!loaded.ok()) wanted.failure = loaded.error();
    }
    for (size_t place = 0; place < partitions->size(); ++place) {
        const TopicPartition& partition = (*partitions)[place];
        std::optional<Failure> failure = topics[partition.topic].failure;
        const TopicView* topic = router->find(partition.topic);
        if (!failure &&
            (topic == nullptr || partition.partition < 0 || partition.partition >= topic->partition_count())) {
            failure = not_done(ErrorCode::unknown_topic_or_partition, "the topic has no such partition");
        }
        if (failure) {
            (*answers)[place] = failed_call(*failure);
        } else {
            open->insert(place);
        }
    }
}

// Who is to be asked about what, by broker. Without a leader: not yet.
std::map<int32_t, Asked> group(Router* router,
                               const std::vector<TopicPartition>& partitions,
                               const std::set<size_t>& open,
                               std::vector<OffsetAnswer>* answers) {
    std::map<int32_t, Asked> groups;
    for (size_t place : open) {
        const TopicPartition& partition = partitions[place];
        const TopicView* topic = router->find(partition.topic);
        Leader leader;
        if (topic != nullptr && partition.partition < topic->partition_count()) {
            leader = topic->leaders[static_cast<size_t>(partition.partition)];
        }
        rpc::Channel* channel = router->channel(leader.broker);
        if (channel == nullptr) {
            (*answers)[place] =
                failed_call(not_done(ErrorCode::not_leader_or_follower, "the partition has no leader now"));
            continue;
        }
        Asked& asked = groups[leader.broker];
        asked.channel = channel;
        asked.places.push_back(place);
        asked.references.push_back({topic->id, partition.partition, leader.epoch});
    }
    return groups;
}

}  // namespace

Task<std::vector<OffsetAnswer>> call_leaders(
    World* world, Router* router, std::vector<TopicPartition> partitions, const PartitionCall* call, Instant deadline) {
    std::vector<OffsetAnswer> answers(partitions.size());
    std::set<size_t> open;
    co_await load_topics(router, &partitions, &answers, &open, deadline);
    for (uint64_t round = 0; !open.empty(); ++round) {
        std::map<int32_t, Asked> groups = group(router, partitions, open, &answers);
        {
            Scope scope(world->executor);
            for (auto& [broker, asked] : groups) scope.spawn(ask(call, &asked, &answers, deadline));
            co_await scope.join();
        }
        std::vector<std::string> stale;
        for (auto place = open.begin(); place != open.end();) {
            bool is_open = may_repeat(answers[*place], call->repeatable);
            if (is_open) stale.push_back(partitions[*place].topic);
            place = is_open ? std::next(place) : open.erase(place);
        }
        Instant again = world->executor.now() + router->pause_after(round);
        if (open.empty() || router->is_closed() || again >= deadline) break;
        co_await sleep_until(world->executor, again);
        co_await router->refresh(std::move(stale), deadline);
    }
    co_return answers;
}

Task<std::vector<OffsetAnswer>> list_offsets(
    World* world, Router* router, std::vector<OffsetQuery> queries, Visibility visibility, Instant deadline) {
    std::vector<TopicPartition> partitions;
    for (const OffsetQuery& query : queries) partitions.push_back(query.partition);
    PartitionCall call;
    call.method = rpc::Method::list_offsets;
    call.repeatable = Repeatable::yes;
    call.encode = [&queries, visibility](const std::vector<size_t>& places,
                                         const std::vector<PartitionReference>& references) {
        std::vector<OffsetRequest> requests;
        for (size_t index = 0; index < places.size(); ++index) {
            const OffsetQuery& query = queries[places[index]];
            requests.push_back({references[index], query.place, query.timestamp});
        }
        return encode_list_offsets(requests, visibility);
    };
    call.decode = decode_list_offsets;
    co_return co_await call_leaders(world, router, std::move(partitions), &call, deadline);
}

}  // namespace ironbark::client
