#include "tests/simulation/cluster/admin_client.h"

#include <algorithm>
#include <limits>

#include "client/partition_calls.h"

namespace ironbark::simulation {
namespace {

using rpc::Method;

constexpr size_t topics_max = 5;
constexpr int32_t partitions_max = 6;
constexpr std::chrono::milliseconds request_time{10'000};
constexpr const char* who = "admin";

Settings settings_of(const Plan& plan) {
    Settings settings = plan.producers.front().settings;
    settings.request_timeout = std::chrono::milliseconds(2000);
    return settings;
}

}  // namespace

const AdminClient::Operation AdminClient::operations_[] = {
    &AdminClient::create_another, &AdminClient::delete_topic,     &AdminClient::add_partitions,
    &AdminClient::alter,          &AdminClient::delete_records,   &AdminClient::describe,
    &AdminClient::move_leader,    &AdminClient::balance_leaders,  &AdminClient::elect_leader,
    &AdminClient::set_failover,   &AdminClient::describe_cluster, &AdminClient::move_replicas,
};

AdminClient::AdminClient(World& world, Stage& stage)
    : world_(world),
      stage_(stage),
      random_(stage.plan.seed, "admin"),
      router_(world, client::RouterOptions::of(settings_of(stage.plan))),
      running_(world.executor) {
    running_.spawn(router_.run());
    running_.spawn(run());
}

Task<void> AdminClient::run() {
    for (const TopicPlan& plan : stage_.plan.topics) {
        bool is_made = false;
        while (!is_made) is_made = co_await create(plan);
    }
    is_ready_ = true;
    uint64_t sum = 0;
    for (uint64_t weight : stage_.plan.admin.weights) sum += weight;
    while (stage_.phase == Phase::chaos) {
        Duration pause = random_.duration({100ms, stage_.plan.admin.pause_mean});
        co_await sleep_for(world_.executor, pause);
        co_await replace_voters();
        if (stage_.phase != Phase::chaos) continue;
        // While nobody else does it, somebody has to.
        if (may_be_manual_ && random_.chance(one_in(2))) {
            co_await elect_leader();
            continue;
        }
        if (sum == 0) continue;
        uint64_t draw = random_.below(sum);
        size_t index = 0;
        for (; draw >= stage_.plan.admin.weights[index]; ++index) draw -= stage_.plan.admin.weights[index];
        co_await (this->*operations_[index])();
    }
    while (!stage_.lost_voters.empty()) {
        co_await replace_voters();
        co_await sleep_for(world_.executor, 100ms);
    }
    while (may_be_manual_) {
        bool is_automatic = co_await ask_failover(false);
        if (is_automatic) may_be_manual_ = false;
    }
    while (stage_.phase != Phase::settled) {
        co_await keep_automatic();
        co_await sleep_for(world_.executor, 100ms);
    }
    co_await end_retention();
    co_await check_topics();
    co_await router_.close();
    is_done_ = true;
}

Task<rpc::CallResult> AdminClient::call(Method method, rpc::Metadata metadata) {
    Instant deadline = world_.executor.now() + request_time;
    co_return co_await router_.call_any(method, std::move(metadata), client::Repeatable::no, deadline,
                                        router_.controller());
}

// Whether the topic is there now.
Task<bool> AdminClient::create(TopicPlan plan) {
    TopicSpecification specification;
    specification.name = plan.name;
    specification.partitions = plan.partitions;
    specification.replicas = plan.replicas;
    specification.min_in_sync = plan.min_in_sync;
    specification.settings = plan.settings;
    std::erase(stage_.deleted, plan.name);  // from here on nobody can say
    has_retention_[plan.name] = plan.settings.contains("retention.ms") || plan.settings.contains("retention.bytes");
    rpc::CallResult result =
        co_await call(Method::create_topic, client::encode_create_topic(specification, request_time));
    Expected<CreatedTopic> created = client::decode_create_topic(result);
    stage_.history.say(who, "creates " + plan.name + ": " + (created.ok() ? "ok" : created.error().to_string()));
    // It may be there by an earlier attempt of which nobody knew.
    if (!created.ok() && created.error().code != ErrorCode::topic_already_exists) co_return false;
    std::string id = created.ok() ? created->id : std::string();
    co_return co_await learn_topic(plan.name, std::move(id));
}

// `id`: which it must be, if that is known.
Task<bool> AdminClient::learn_topic(std::string name, std::string id) {
    std::vector<std::string> names{name};
    Instant deadline = world_.executor.now() + request_time;
    rpc::CallResult refreshed = co_await router_.refresh(std::move(names), deadline);
    const client::TopicView* view = router_.find(name);
    if (!refreshed.ok() || view == nullptr) co_return false;
    // By a broker that has not heard of the last creation or deletion yet.
    if (!id.empty() && view->id.to_string() != id) co_return false;
    // In a cluster a deletion of which nobody knows the outcome may still be carried out.
    if (stage_.plan.nodes > 1 && stage_.history.is_deleted(view->id)) co_return false;
    // One broker carries out what it is asked in that order. It has said that the name is taken, so the deletions that
    // it had heard of have come to nothing; the others were lost with their connections.
    stage_.history.topic_stands(view->id);
    ++stage_.history.counts().topics_made;
    forget(name);
    stage_.topics.push_back({name, view->id, view->partition_count()});
    note_retention(stage_.topics.back());
    co_return true;
}

void AdminClient::forget(const std::string& name) {
    std::erase_if(stage_.topics, [&](const KnownTopic& topic) { return topic.name == name; });
}

void AdminClient::note_retention(const KnownTopic& topic) {
    if (!has_retention_[topic.name]) return;
    for (int32_t index = 0; index < partitions_max; ++index) {
        stage_.history.may_delete({topic.id, PartitionIndex(index)}, std::numeric_limits<int64_t>::max());
    }
}

KnownTopic* AdminClient::draw_topic() {
    if (stage_.topics.empty()) return nullptr;
    return &stage_.topics[random_.below(stage_.topics.size())];
}

// What is placed on a disk that is lost, before anybody has noticed, is for a person to decide about.
Task<void> AdminClient::create_another() {
    if (!stage_.lost_voters.empty()) co_return;
    // A name that was used before, sometimes.
    uint64_t number = random_.chance(one_in(2)) ? random_.below(3) : ++topics_made_ + 100;
    std::string name = "t" + std::to_string(number);
    if (stage_.topics.size() >= topics_max || stage_.topic(name) != nullptr) co_return;
    TopicPlan plan = simulation::draw_topic(random_, name);
    if (stage_.plan.nodes > 1) draw_replication(random_, stage_.plan, plan);
    co_await create(std::move(plan));
}

Task<void> AdminClient::delete_topic() {
    KnownTopic* drawn = draw_topic();
    if (drawn == nullptr || stage_.topics.size() < 2) co_return;
    KnownTopic topic = *drawn;
    forget(topic.name);
    stage_.history.topic_may_go(topic.id);
    rpc::CallResult result = co_await call(Method::delete_topic, client::encode_delete_topic(topic.name, request_time));
    Expected<void> deleted = client::decode_delete_topic(result);
    stage_.history.say(who, "deletes " + topic.name + ": " + (deleted.ok() ? "ok" : deleted.error().to_string()));
    if (!deleted.ok()) co_return;
    stage_.history.topic_deleted(topic.id);
    stage_.deleted.push_back(topic.name);
    ++stage_.history.counts().topics_deleted;
}

Task<void> AdminClient::add_partitions() {
    KnownTopic* drawn = draw_topic();
    if (drawn == nullptr || drawn->partitions >= partitions_max || !stage_.lost_voters.empty()) co_return;
    std::string name = drawn->name;
    int32_t wanted = drawn->partitions + 1;
    rpc::CallResult result =
        co_await call(Method::add_partitions, client::encode_add_partitions(name, wanted, false, request_time));
    Expected<int32_t> added = client::decode_add_partitions(result);
    stage_.history.say(who, "enlarges " + name + " to " + std::to_string(wanted) + ": " +
                                (added.ok() ? "ok" : added.error().to_string()));
    if (!added.ok()) co_return;
    ++stage_.history.counts().topics_enlarged;
    for (KnownTopic& topic : stage_.topics) {
        if (topic.name == name) topic.partitions = std::max(topic.partitions, *added);
    }
}

Task<void> AdminClient::alter() {
    KnownTopic* drawn = draw_topic();
    if (drawn == nullptr) co_return;
    KnownTopic topic = *drawn;
    TopicPlan like = simulation::draw_topic(random_, topic.name);
    TopicChanges changes;
    changes.set = like.settings;
    if (random_.chance(one_in(2))) changes.reset.push_back("segment.bytes");
    changes.set.erase("segment.bytes");
    has_retention_[topic.name] |= changes.set.contains("retention.ms") || changes.set.contains("retention.bytes");
    note_retention(topic);
    rpc::CallResult result =
        co_await call(Method::alter_topic, client::encode_alter_topic(topic.name, changes, request_time));
    Expected<void> altered = client::decode_alter_topic(result);
    stage_.history.say(who, "alters " + topic.name + ": " + (altered.ok() ? "ok" : altered.error().to_string()));
    stage_.history.counts().topics_altered += altered.ok() ? 1 : 0;
}

Task<void> AdminClient::delete_records() {
    KnownTopic* drawn = draw_topic();
    if (drawn == nullptr) co_return;
    int32_t index = static_cast<int32_t>(random_.below(static_cast<uint64_t>(drawn->partitions)));
    TopicPartition name{drawn->name, index};
    PartitionIdentity identity{drawn->id, PartitionIndex(index)};
    bool is_everything = random_.chance(one_in(4));
    int64_t before = is_everything ? -1 : static_cast<int64_t>(random_.below(200));
    stage_.history.may_delete(identity, is_everything ? std::numeric_limits<int64_t>::max() : before);
    client::PartitionCall request;
    request.method = Method::delete_records;
    request.repeatable = is_everything ? client::Repeatable::no : client::Repeatable::yes;
    request.encode = [before](const std::vector<size_t>&, const std::vector<client::PartitionReference>& partitions) {
        std::vector<client::DeleteRequest> requests{{partitions.front(), before}};
        return client::encode_delete_records(requests, request_time);
    };
    request.decode = client::decode_delete_records;
    std::vector<TopicPartition> names{name};
    Instant deadline = world_.executor.now() + request_time;
    std::vector<client::OffsetAnswer> answers =
        co_await client::call_leaders(&world_, &router_, std::move(names), &request, deadline);
    const client::OffsetAnswer& answer = answers.front();
    stage_.history.say(who, "deletes records of " + name.topic + "/" + std::to_string(index) + " below " +
                                std::to_string(before) + ": " +
                                (answer.failure ? answer.failure->to_string() : std::to_string(answer.offset)));
    if (answer.failure) co_return;
    stage_.history.deleted(identity, answer.offset);
    ++stage_.history.counts().deletions;
}

Task<void> AdminClient::describe() {
    KnownTopic* drawn = draw_topic();
    if (drawn == nullptr) co_return;
    std::string name = drawn->name;
    rpc::CallResult result = co_await call(Method::describe_topic, client::encode_describe_topic(name));
    Expected<TopicDescription> described = client::decode_describe_topic(result);
    stage_.history.say(who, "describes " + name + ": " +
                                (described.ok() ? std::to_string(described->partitions.size()) + " partitions"
                                                : described.error().to_string()));
}

Task<void> AdminClient::end_retention() {
    std::vector<KnownTopic> topics = stage_.topics;
    for (const KnownTopic& topic : topics) {
        TopicChanges changes;
        changes.set = {{"retention.ms", "-1"}, {"retention.bytes", "-1"}};
        bool is_done = false;
        while (!is_done) {
            rpc::CallResult result =
                co_await call(Method::alter_topic, client::encode_alter_topic(topic.name, changes, request_time));
            is_done = client::decode_alter_topic(result).ok();
            if (!is_done) co_await sleep_for(world_.executor, 100ms);
        }
    }
}

// What was created and never deleted is there, as large as was said; what was deleted is not.
Task<void> AdminClient::check_topics() {
    Expected<std::vector<TopicSummary>> listed = client::not_done(ErrorCode::timed_out, "not asked yet");
    while (!listed.ok()) {
        rpc::CallResult result = co_await call(Method::metadata, client::encode_metadata(false));
        listed = client::decode_topics(result);
    }
    for (const KnownTopic& topic : stage_.topics) {
        auto found = std::find_if(listed->begin(), listed->end(),
                                  [&](const TopicSummary& summary) { return summary.name == topic.name; });
        if (found == listed->end()) stage_.history.fail("topic " + topic.name + " was created", "it is not there");
        bool is_whole =
            found->id == topic.id.to_string() && found->partitions.size() >= static_cast<size_t>(topic.partitions);
        if (!is_whole) {
            stage_.history.fail("topic " + topic.name + ", id " + topic.id.to_string() + ", with " +
                                    std::to_string(topic.partitions) + " partitions",
                                "id " + found->id + ", " + std::to_string(found->partitions.size()) + " partitions");
        }
    }
    for (const TopicSummary& summary : *listed) {
        bool was_deleted =
            std::find(stage_.deleted.begin(), stage_.deleted.end(), summary.name) != stage_.deleted.end();
        if (was_deleted) stage_.history.fail("topic " + summary.name + " was deleted", "it is there");
    }
}

}  // namespace ironbark::simulation
