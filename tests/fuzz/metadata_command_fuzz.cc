// A metadata command of any bytes is refused and changes nothing, or leads to a state that can be told, told again, and
// gone on with. The first byte chooses a command, one of each kind, which the rest alters (two bytes of position, one
// of value, over and over); 0: the rest is the command.
#include <algorithm>

#include "broker/controller/metadata.h"
#include "runtime/base/assert.h"

namespace ironbark::broker {
namespace {

const Uuid topic_id = Uuid::from_words(1, 1);

RegisterBroker start(int32_t id, int64_t incarnation) {
    RegisterBroker broker;
    broker.id = BrokerId(id);
    broker.directory = Uuid::from_words(9, static_cast<uint64_t>(id));
    broker.incarnation = Incarnation(incarnation);
    broker.host = "host";
    return broker;
}

InSyncChange change(int32_t partition, BrokerIds in_sync, int32_t partition_epoch) {
    InSyncChange one{topic_id, PartitionIndex(partition), BrokerId(1), Epoch(0), partition_epoch, {}, {}};
    for (BrokerId member : in_sync) one.joining.push_back({member, Incarnation(1)});
    one.in_sync = std::move(in_sync);
    return one;
}

// Three brokers; a topic on them of which partition 0 is led by 1 alone with holders, and 1 by nobody.
Metadata base_state() {
    Metadata state;
    for (int32_t id = 1; id <= 3; ++id) ASSERT(state.apply(register_broker(start(id, 1))).ok());
    TopicRecord topic;
    topic.id = topic_id;
    topic.name = "t";
    topic.min_in_sync = 2;
    const BrokerIds replicas{BrokerId(1), BrokerId(2), BrokerId(3)};
    const BrokerIds others{BrokerId(2), BrokerId(3), BrokerId(1)};
    ASSERT(state.apply(create_topic(topic, {replicas, others, replicas})).ok());
    ASSERT(state.apply(change_in_sync({change(0, {BrokerId(1)}, 0)})).ok());
    ASSERT(state.apply(end_broker(BrokerId(2), Incarnation(1), EndReason::silent, Timestamp(1))).ok());
    return state;
}

// One that the base state takes, of each kind.
std::vector<Command> all_commands(const Metadata& base) {
    TopicRecord topic;
    topic.id = Uuid::from_words(2, 2);
    topic.name = "u";
    const Assignment assignment{{BrokerId(1), BrokerId(3)}};
    const Assignment more{{BrokerId(1), BrokerId(3), BrokerId(2)}};
    Appointment leader{topic_id, PartitionIndex(1), 1, BrokerId(1), Incarnation(1), {BrokerId(1)}, true};
    std::vector<Command> commands{
        register_broker(start(2, 2)),
        end_broker(BrokerId(1), Incarnation(1), EndReason::process_gone, Timestamp(2)),
        create_topic(topic, assignment),
        delete_topic(topic_id, Timestamp(2)),
        alter_topic(topic_id, {{"key", "value"}}, {"other"}, Timestamp(2)),
        add_partitions(topic_id, 4, more, Timestamp(2)),
        allocate_producer_ids(0, 1000),
        appoint_leaders({leader}, Timestamp(2)),
        change_in_sync({change(0, {BrokerId(1), BrokerId(3)}, 1)}),
        controller_active(BrokerId(1), 3, std::chrono::seconds(1), Timestamp(2)),
        set_feature_level(1, Timestamp(2)),
    };
    for (Command& part : base.snapshot()) commands.push_back(std::move(part));
    // A kind that this target has forgotten would never be tried.
    for (wire::CommandBody kind : wire::EnumValuesCommandBody()) {
        ASSERT(kind == wire::CommandBody::NONE ||
               std::any_of(commands.begin(), commands.end(), [kind](const Command& command) {
                   return wire::GetMetadataCommand(command.data())->body_type() == kind;
               }));
    }
    for (const Command& command : commands) {
        Metadata state = base;
        Verdicts verdicts;
        ASSERT(state.apply(command, &verdicts).ok());
        for (const Result<void>& verdict : verdicts) ASSERT(verdict.ok());
    }
    return commands;
}

void check(const Metadata& base, const std::vector<Command>& commands, const Command& command) {
    Metadata state = base;
    if (!state.apply(command).ok()) {
        ASSERT(state == base);
        return;
    }
    Metadata told;
    for (const Command& part : state.snapshot()) ASSERT(told.apply(part).ok());
    ASSERT(told == state);
    for (const Command& next : commands) ASSERT(told.apply(next).ok() == state.apply(next).ok());
    ASSERT(told == state);
    for (const ClusterEvent& event : state.events()) ASSERT(!text(event).empty());
}

}  // namespace
}  // namespace ironbark::broker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ironbark::broker;
    static const Metadata base = base_state();
    static const std::vector<Command> commands = all_commands(base);
    if (size == 0) return 0;
    if (data[0] == 0) {
        check(base, commands, Command(data + 1, data + size));
        return 0;
    }
    Command command = commands[(data[0] - 1u) % commands.size()];
    for (size_t index = 1; index + 2 < size; index += 3) {
        command[(data[index] + 256u * data[index + 1]) % command.size()] = data[index + 2];
    }
    check(base, commands, command);
    return 0;
}
