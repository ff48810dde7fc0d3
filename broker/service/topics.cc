// Metadata and topics: reads come from the shard's snapshot, changes go to the active controller.

#include <algorithm>
#include <fmt/format.h>

#include "broker/control/control.h"
#include "broker/controller/appointer.h"
#include "broker/controller/metadata_wire.h"
#include "broker/controller/placement.h"
#include "broker/controller/tiers.h"
#include "broker/service/service.h"
#include "runtime/rpc/respond.h"

namespace ironbark::broker {
namespace {

constexpr int32_t command_timeout_max_ms = 300'000;
constexpr Duration placement_pause = 200ms;
constexpr int32_t metadata_wait_max_ms = 60'000;
// Of a topic that is created without these numbers, as far as there are brokers.
constexpr size_t replicas_wanted = 3;
constexpr int32_t min_in_sync_wanted = 2;
constexpr Duration taken_time_max = 2s;  // until the metadata shows who has taken a name
constexpr Duration update_time_max = 60s;  // until the shards have taken over a committed command
constexpr Duration repeat_pause = 20ms;  // before a command is repeated of which nobody knows what became

using rpc::respond;

rpc::Response refuse(const Error& error) {
    return rpc::error_response(error, Outcome::not_written);
}

Result<std::map<std::string, std::string>> checked_settings(const SettingsVector* settings, std::string* problem) {
    std::map<std::string, std::string> checked;
    for (size_t index = 0; settings != nullptr && index < settings->size(); ++index) {
        const wire::Setting& setting = *settings->Get(static_cast<flatbuffers::uoffset_t>(index));
        std::string key(rpc::from_wire(setting.key()));
        TRY(checked[key], check_setting(key, std::string(rpc::from_wire(setting.value())), problem));
    }
    return checked;
}

flatbuffers::Offset<wire::TopicMetadata> describe(flatbuffers::FlatBufferBuilder& builder, const TopicRecord& topic) {
    std::vector<flatbuffers::Offset<wire::PartitionMetadata>> partitions;
    for (size_t index = 0; index < topic.partitions.size(); ++index) {
        const PartitionRecord& partition = topic.partitions[index];
        auto replicas = builder.CreateVector(numbers_of(partition.replicas));
        auto in_sync = builder.CreateVector(numbers_of(partition.in_sync));
        auto moving_to = builder.CreateVector(numbers_of(partition.moving_to));
        auto added = builder.CreateVector(numbers_of(partition.added));
        partitions.push_back(wire::CreatePartitionMetadata(builder, static_cast<int32_t>(index), 0,
                                                           partition.leader.value, partition.leader_epoch.value,
                                                           replicas, in_sync, moving_to, added, partition.throttle));
    }
    wire::Uuid id = rpc::to_wire(topic.id);
    auto name = builder.CreateString(topic.name);
    auto list = builder.CreateVector(partitions);
    return wire::CreateTopicMetadata(builder, 0, &id, name, topic.settings_version, list);
}

flatbuffers::Offset<wire::TopicMetadata> describe_unknown(flatbuffers::FlatBufferBuilder& builder,
                                                          std::string_view name,
                                                          const Uuid& id) {
    auto error = error_info(builder, ErrorCode::unknown_topic_or_partition, Outcome::not_written,
                            name.empty() ? "no topic has this id" : fmt::format("there is no topic '{}'", name));
    wire::Uuid wire_id = rpc::to_wire(id);
    auto text = builder.CreateString(name);
    return wire::CreateTopicMetadata(builder, error, &wire_id, text);
}

bool has_settings(const TopicRecord& topic,
                  const std::map<std::string, std::string>& set,
                  const std::vector<std::string>& reset) {
    for (const auto& [key, value] : set) {
        auto found = topic.settings.find(key);
        if (found == topic.settings.end() || found->second != value) return false;
    }
    return std::none_of(reset.begin(), reset.end(),
                        [&](const std::string& key) { return topic.settings.contains(key) && !set.contains(key); });
}

Task<bool> wait_on(Shard* shard, int64_t version, Instant deadline) {
    co_await shard->wait_for_update(version, deadline);
    co_return true;
}

// The broker whose controller is active, or was when this metadata was made.
int32_t controller_of(const Metadata& metadata) {
    const BrokerRecord* found = metadata.find(metadata.active_controller());
    return found != nullptr && found->is_alive ? found->id.value : -1;
}

}  // namespace

std::shared_ptr<const TopicRecord> ClientService::find_topic(const flatbuffers::String* name,
                                                             const wire::Uuid* id) const {
    std::shared_ptr<const TopicRecord> topic;
    Uuid wanted = rpc::from_wire(id);
    if (!wanted.is_zero()) topic = shard_.metadata()->find(wanted);
    std::string_view text = rpc::from_wire(name);
    if (text.empty()) return topic;
    if (wanted.is_zero()) return shard_.metadata()->find(std::string(text));
    return topic != nullptr && topic->name == text ? topic : nullptr;
}

Task<ClientService::Execution> ClientService::execute(Command command, int32_t timeout_ms) {
    struct Attempts {
        static Task<Execution> run(Control* control, Command command, Instant deadline) {
            Execution execution;
            while (true) {
                execution.executed = co_await control->session().commit(command, deadline);
                const bool is_known = execution.executed.outcome != Outcome::unknown;
                if (is_known || control->executor().now() >= deadline) co_return execution;
                execution.was_repeated = true;
                co_await sleep_for(control->executor(), repeat_pause);
            }
        }
    };
    Control* control = facts_.control;
    const Instant deadline =
        shard_.executor().now() + std::chrono::milliseconds(std::clamp(timeout_ms, 0, command_timeout_max_ms));
    auto make = [control, command = std::move(command), deadline] { return Attempts::run(control, command, deadline); };
    Execution execution =
        co_await run_on<Execution>(shard_.executor(), control->executor(), control->scope(), std::move(make));
    if (execution.was_repeated && !execution.executed.ok()) execution.executed.outcome = Outcome::unknown;
    if (execution.executed.ok()) co_await wait_for_update(execution.executed.version, deadline);
    co_return execution;
}

// What is committed is done; that this broker shows it is a courtesy, and takes a moment only. The control thread has
// told the shards of the metadata, or is about to: here that costs no further trip there and back.
Task<void> ClientService::wait_for_update(int64_t version, Instant deadline) {
    deadline = std::min(deadline, shard_.executor().now() + update_time_max);
    std::vector<Task<bool>> waits;
    for (Shard* shard : facts_.shards) {
        auto make = [shard, version, deadline] { return wait_on(shard, version, deadline); };
        waits.push_back(run_on<bool>(shard_.executor(), shard->executor(), shard->scope(), std::move(make)));
    }
    co_await all(shard_.executor(), std::move(waits));
}

Task<rpc::Response> ClientService::metadata(rpc::Request request) {
    const auto& message = request.as<wire::MetadataRequest>();
    const int32_t wait_ms = message.newer_than() < 0 ? 0 : std::clamp(message.max_wait_ms(), 0, metadata_wait_max_ms);
    const Instant deadline = request.received + std::chrono::milliseconds(wait_ms);
    while (shard_.metadata()->version() <= message.newer_than() && shard_.executor().now() < deadline) {
        const Wake wake = co_await shard_.wait_for_metadata(deadline);
        if (wake == Wake::closed) break;
    }
    const MetadataSnapshot metadata = shard_.metadata();
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::BrokerMetadata>> brokers;
    for (const auto& [id, broker] : metadata->brokers()) {
        if (!broker.is_alive) continue;
        brokers.push_back(
            wire::CreateBrokerMetadataDirect(builder, id.value, broker.host.c_str(), broker.port, broker.rack.c_str()));
    }
    std::vector<flatbuffers::Offset<wire::TopicMetadata>> topics;
    bool names_given = message.topic_names() != nullptr && message.topic_names()->size() > 0;
    bool ids_given = message.topic_ids() != nullptr && message.topic_ids()->size() > 0;
    if (!message.brokers_only() && !names_given && !ids_given) {
        for (const auto& [name, topic] : metadata->topics()) topics.push_back(describe(builder, *topic));
    }
    if (names_given) {
        for (const flatbuffers::String* name : *message.topic_names()) {
            auto topic = metadata->find(std::string(rpc::from_wire(name)));
            topics.push_back(topic != nullptr ? describe(builder, *topic)
                                              : describe_unknown(builder, rpc::from_wire(name), {}));
        }
    }
    if (ids_given) {
        for (const wire::Uuid* id : *message.topic_ids()) {
            auto topic = metadata->find(rpc::from_wire(id));
            topics.push_back(topic != nullptr ? describe(builder, *topic)
                                              : describe_unknown(builder, {}, rpc::from_wire(id)));
        }
    }
    wire::Uuid cluster = rpc::to_wire(facts_.identity.cluster);
    co_return respond(builder, wire::CreateMetadataResponseDirect(builder, 0, &cluster, metadata->version(), &brokers,
                                                                  &topics, controller_of(*metadata)));
}

// A broker may have gone without this one knowing yet: then the partitions are placed anew, by what is known then.
Task<ClientService::Execution> ClientService::place_and_create(TopicRecord topic,
                                                               int32_t partitions,
                                                               int32_t replicas,
                                                               int32_t timeout_ms) {
    const Instant deadline =
        shard_.executor().now() + std::chrono::milliseconds(std::clamp(timeout_ms, 0, command_timeout_max_ms));
    bool was_repeated = false;
    while (true) {
        const MetadataSnapshot known = shard_.metadata();
        Result<Assignment> assignment = place(*known, partitions, replicas, shard_.world().random.next());
        if (!assignment.ok()) {
            const Outcome outcome = was_repeated ? Outcome::unknown : Outcome::not_written;
            co_return Execution{{outcome, assignment.error(), {}, -1}, was_repeated};
        }
        Command command = broker::create_topic(topic, *assignment);
        Execution done = co_await execute(std::move(command), timeout_ms);
        // An attempt with the placement before may be the one that was carried out.
        was_repeated = was_repeated || done.was_repeated;
        done.was_repeated = was_repeated;
        if (was_repeated && !done.executed.ok()) done.executed.outcome = Outcome::unknown;
        const bool is_outdated = done.executed.error.code == ErrorCode::not_enough_replicas;
        if (!is_outdated || shard_.is_stopping() || shard_.executor().now() >= deadline) co_return done;
        const Instant look = std::min(deadline, shard_.executor().now() + placement_pause);
        if (shard_.metadata() == known) (void)co_await shard_.wait_for_metadata(look);
    }
}

Task<rpc::Response> ClientService::create_topic(rpc::Request request) {
    const auto& message = request.as<wire::CreateTopicRequest>();
    std::string problem;
    Result<std::map<std::string, std::string>> settings = checked_settings(message.settings(), &problem);
    if (!settings.ok()) co_return refuse(settings.error().code, problem);
    TopicRecord topic;
    topic.id = shard_.world().random.uuid();
    topic.name = std::string(rpc::from_wire(message.name()));
    topic.settings = *std::move(settings);
    topic.created = Timestamp(shard_.executor().wall_milliseconds());
    const int32_t partitions = message.partitions() == -1 ? facts_.config.default_partitions : message.partitions();
    const size_t broker_count = brokers_with_partitions(*shard_.metadata());
    const auto replicas_default = static_cast<int32_t>(std::min(broker_count, replicas_wanted));
    const int32_t replicas = message.replicas() == -1 ? replicas_default : message.replicas();
    topic.min_in_sync = message.min_in_sync() == -1 ? std::min(replicas, min_in_sync_wanted) : message.min_in_sync();
    if (replicas < 1 || static_cast<size_t>(replicas) > broker_count) {
        co_return refuse(ErrorCode::invalid_replication_factor,
                         fmt::format("{} replicas need as many brokers; this cluster has {} that keep partitions",
                                     replicas, broker_count));
    }
    if (topic.min_in_sync < 1 || topic.min_in_sync > replicas) {
        co_return refuse(ErrorCode::invalid_config,
                         fmt::format("min-in-sync is {}, and there are {} replicas: it is from 1 to {}",
                                     topic.min_in_sync, replicas, replicas));
    }
    int64_t version = shard_.metadata()->version();
    if (message.validate_only()) {
        Metadata trial = *shard_.metadata();
        Result<Assignment> assignment = place(trial, partitions, replicas, shard_.world().random.next());
        if (!assignment.ok()) co_return refuse(assignment.error());
        const Command command = broker::create_topic(topic, *assignment);
        if (Result<void> valid = trial.apply(command); !valid.ok()) co_return refuse(valid.error());
    } else {
        Execution done = co_await place_and_create(topic, partitions, replicas, message.timeout_ms());
        // If an attempt before was carried out, its topic is in the way of the last one: the metadata soon shows whose
        // the name is.
        const bool is_taken = done.was_repeated && done.executed.error.code == ErrorCode::topic_already_exists;
        const Instant until = shard_.executor().now() + taken_time_max;
        while (is_taken && shard_.metadata()->find(topic.name) == nullptr && shard_.executor().now() < until) {
            const Wake wake = co_await shard_.wait_for_metadata(until);
            if (wake == Wake::closed) break;
        }
        const bool is_there = done.was_repeated && shard_.metadata()->find(topic.id) != nullptr;
        if (!done.executed.ok() && !is_there) co_return refuse(done.executed);
        version = done.executed.ok() ? done.executed.version : shard_.metadata()->version();
    }
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid id = rpc::to_wire(topic.id);
    co_return respond(
        builder, wire::CreateCreateTopicResponse(builder, 0, &id, partitions, replicas, topic.min_in_sync, version));
}

Task<rpc::Response> ClientService::delete_topic(rpc::Request request) {
    const auto& message = request.as<wire::DeleteTopicRequest>();
    auto topic = find_topic(message.name(), message.topic());
    if (topic == nullptr) co_return refuse({ErrorCode::unknown_topic_or_partition, "there is no such topic"});
    Command command = broker::delete_topic(topic->id, now());
    Execution done = co_await execute(std::move(command), message.timeout_ms());
    const bool is_gone = done.was_repeated && done.executed.error.code == ErrorCode::unknown_topic_id;
    if (!done.executed.ok() && !is_gone) co_return refuse(done.executed);
    const int64_t version = is_gone ? shard_.metadata()->version() : done.executed.version;
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid id = rpc::to_wire(topic->id);
    co_return respond(builder, wire::CreateDeleteTopicResponse(builder, 0, &id, version));
}

// A repeated command must not undo what somebody else has altered since: each attempt names the settings that it
// alters.
Task<ClientService::Execution> ClientService::change_settings(Uuid id, SettingsChange change, int32_t timeout_ms) {
    const Instant deadline =
        shard_.executor().now() + std::chrono::milliseconds(std::clamp(timeout_ms, 0, command_timeout_max_ms));
    while (true) {
        const auto known = shard_.metadata()->find(id);
        if (known == nullptr) {
            const Error gone(ErrorCode::unknown_topic_or_partition, "the topic was deleted");
            co_return Execution{{Outcome::not_written, gone, {}, -1}, false};
        }
        Command command = broker::alter_topic(id, change.set, change.reset, now(), known->settings_version);
        Execution done = co_await execute(std::move(command), timeout_ms);
        if (done.executed.error.code != ErrorCode::already_exists) co_return done;
        // Who was faster shows soon. It may have been an attempt of ours of which nobody knew.
        auto newer = shard_.metadata()->find(id);
        while (newer == known && shard_.executor().now() < deadline) {
            const Wake wake = co_await shard_.wait_for_metadata(deadline);
            if (wake == Wake::closed) break;
            newer = shard_.metadata()->find(id);
        }
        const bool is_as_wanted = newer != nullptr && has_settings(*newer, change.set, change.reset);
        if (is_as_wanted) {
            co_return Execution{{Outcome::written, ErrorCode::none, {}, shard_.metadata()->version()}, false};
        }
        if (done.was_repeated || newer == known) co_return done;
    }
}

Task<rpc::Response> ClientService::alter_topic(rpc::Request request) {
    const auto& message = request.as<wire::AlterTopicRequest>();
    auto topic = find_topic(message.name(), message.topic());
    if (topic == nullptr) co_return refuse({ErrorCode::unknown_topic_or_partition, "there is no such topic"});
    std::string problem;
    Result<std::map<std::string, std::string>> set = checked_settings(message.set(), &problem);
    if (!set.ok()) co_return refuse(set.error().code, problem);
    std::vector<std::string> reset;
    for (size_t index = 0; message.reset() != nullptr && index < message.reset()->size(); ++index) {
        reset.emplace_back(rpc::from_wire(message.reset()->Get(static_cast<flatbuffers::uoffset_t>(index))));
        // A key that nobody knows is a slip, whether it is to be set or not.
        bool known = false;
        for (const TopicSettingInfo& info : topic_setting_table()) known = known || reset.back() == info.key;
        if (!known) {
            (void)check_setting(reset.back(), "", &problem);
            co_return refuse(ErrorCode::invalid_config, problem);
        }
    }
    int64_t version = shard_.metadata()->version();
    int64_t settings_version = topic->settings_version;
    if (!message.validate_only()) {
        SettingsChange change{*std::move(set), std::move(reset)};
        Execution done = co_await change_settings(topic->id, std::move(change), message.timeout_ms());
        if (!done.executed.ok()) co_return refuse(done.executed);
        version = done.executed.version;
        if (auto changed = shard_.metadata()->find(topic->id)) settings_version = changed->settings_version;
    }
    flatbuffers::FlatBufferBuilder builder;
    co_return respond(builder, wire::CreateAlterTopicResponse(builder, 0, settings_version, version));
}

Task<rpc::Response> ClientService::add_partitions(rpc::Request request) {
    const auto& message = request.as<wire::AddPartitionsRequest>();
    auto topic = find_topic(message.name(), message.topic());
    if (topic == nullptr) co_return refuse({ErrorCode::unknown_topic_or_partition, "there is no such topic"});
    const auto known = static_cast<int32_t>(topic->partitions.size());
    const auto replicas = static_cast<int32_t>(replicas_to_be(topic->partitions.front()).size());
    const int32_t more = std::clamp(message.partitions() - known, 0, topic_partitions_max);
    Result<Assignment> assignment = Assignment();  // for none: the refusal is the metadata's
    if (more > 0) assignment = place(*shard_.metadata(), more, replicas, shard_.world().random.next());
    if (!assignment.ok()) co_return refuse(assignment.error());
    Command command = broker::add_partitions(topic->id, message.partitions(), *assignment, now());
    int64_t version = shard_.metadata()->version();
    if (message.validate_only()) {
        Metadata trial = *shard_.metadata();
        if (Result<void> valid = trial.apply(command); !valid.ok()) co_return refuse(valid.error());
    } else {
        Execution done = co_await execute(std::move(command), message.timeout_ms());
        const auto changed = shard_.metadata()->find(topic->id);
        const bool is_there = done.was_repeated && changed != nullptr &&
                              changed->partitions.size() == static_cast<size_t>(message.partitions());
        if (!done.executed.ok() && !is_there) co_return refuse(done.executed);
        version = shard_.metadata()->version();
    }
    flatbuffers::FlatBufferBuilder builder;
    co_return respond(builder, wire::CreateAddPartitionsResponse(builder, 0, message.partitions(), version));
}

Task<rpc::Response> ClientService::topic_options(rpc::Request) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::TopicOption>> options;
    for (const TopicSettingInfo& info : topic_setting_table()) {
        options.push_back(wire::CreateTopicOptionDirect(builder, info.key, type_name(info.type), info.default_value,
                                                        range_text(info).c_str(), info.description));
    }
    co_return respond(builder, wire::CreateTopicOptionsResponseDirect(builder, 0, &options));
}

namespace {

struct PartitionFacts {
    PartitionState state = PartitionState::opening;
    std::string detail;
    Offset log_start{-1};
    Offset durable{-1};
    Offset high{-1};
    Offset log_end{-1};
    int64_t bytes = -1;
    int32_t segments = -1;
    std::vector<ReplicaSet::Replica> replicas;  // if it leads
};

auto describe(flatbuffers::FlatBufferBuilder& builder, const std::vector<ReplicaSet::Replica>& replicas) {
    std::vector<flatbuffers::Offset<wire::ReplicaDescription>> list;
    for (const ReplicaSet::Replica& each : replicas) {
        list.push_back(wire::CreateReplicaDescription(builder, each.broker.value, each.ends.appended.value,
                                                      each.ends.durable.value, each.behind / 1ms));
    }
    return builder.CreateVector(list);
}

Task<PartitionFacts> look_at(Shard* shard, PartitionIdentity identity) {
    PartitionFacts facts;
    Partition* partition = shard->find(identity);
    if (partition == nullptr) co_return facts;
    facts.state = partition->state();
    facts.detail = partition->detail();
    if (log::Log* log = partition->log()) {
        facts.log_start = partition->log_start();
        facts.durable = partition->durable_watermark();
        facts.high = partition->high_watermark();
        facts.log_end = partition->log_end();
        facts.bytes = static_cast<int64_t>(log->allocated_bytes());
        facts.segments = static_cast<int32_t>(log->segment_count());
    }
    if (const Leadership* leadership = partition->leadership()) {
        facts.replicas = leadership->replicas.replicas(shard->executor().now());
    }
    co_return facts;
}

}  // namespace

Task<rpc::Response> ClientService::describe_topic(rpc::Request request) {
    const auto& message = request.as<wire::DescribeTopicRequest>();
    auto topic = find_topic(message.name(), message.topic());
    if (topic == nullptr) co_return refuse({ErrorCode::unknown_topic_or_partition, "there is no such topic"});
    std::vector<Task<PartitionFacts>> looks;
    for (size_t index = 0; index < topic->partitions.size(); ++index) {
        PartitionIdentity identity{topic->id, PartitionIndex(static_cast<int32_t>(index))};
        Shard* shard = &shard_of(identity);
        auto make = [shard, identity] { return look_at(shard, identity); };
        looks.push_back(run_on<PartitionFacts>(shard_.executor(), shard->executor(), shard->scope(), std::move(make)));
    }
    std::vector<PartitionFacts> facts = co_await all(shard_.executor(), std::move(looks));
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::SettingDescription>> settings;
    for (const TopicSettingInfo& info : topic_setting_table()) {
        auto set = topic->settings.find(info.key);
        bool is_set = set != topic->settings.end();
        settings.push_back(wire::CreateSettingDescriptionDirect(
            builder, info.key, is_set ? set->second.c_str() : info.default_value, info.default_value,
            is_set ? wire::SettingSource::topic : wire::SettingSource::default_value));
    }
    std::vector<flatbuffers::Offset<wire::PartitionDescription>> partitions;
    for (size_t index = 0; index < topic->partitions.size(); ++index) {
        const PartitionRecord& record = topic->partitions[index];
        const PartitionFacts& fact = facts[index];
        auto replicas = builder.CreateVector(numbers_of(record.replicas));
        auto in_sync = builder.CreateVector(numbers_of(record.in_sync));
        const bool is_here =
            std::find(record.replicas.begin(), record.replicas.end(), facts_.identity.broker) != record.replicas.end();
        const bool follows = record.leader.value != -1 && record.leader != facts_.identity.broker;
        const char* state_here = follows && fact.state == PartitionState::online ? "following" : name(fact.state);
        auto state = builder.CreateString(is_here ? state_here : "elsewhere");
        std::string remark = fact.detail;
        if (remark.empty() && record.leader.value == -1) {
            remark = why_nobody_leads(*shard_.metadata(), *topic, record);
        }
        auto detail = builder.CreateString(remark);
        partitions.push_back(wire::CreatePartitionDescription(
            builder, static_cast<int32_t>(index), 0, fact.log_start.value, fact.durable.value, fact.high.value,
            fact.log_end.value, fact.bytes, fact.segments, record.leader.value, record.leader_epoch.value, replicas,
            in_sync, state, detail, describe(builder, fact.replicas)));
    }
    wire::Uuid id = rpc::to_wire(topic->id);
    co_return respond(
        builder, wire::CreateDescribeTopicResponseDirect(builder, 0, &id, topic->name.c_str(), topic->settings_version,
                                                         &settings, &partitions, topic->min_in_sync));
}

}  // namespace ironbark::broker
