#pragma once
// Small states and commands for the tests of the metadata.

#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "broker/controller/metadata.h"
#include "tests/broker/printing.h"
#include "tests/simulation/random_stream.h"

namespace ironbark::broker {

inline BrokerIds ids(std::initializer_list<int32_t> numbers) {
    BrokerIds brokers;
    for (int32_t number : numbers) brokers.push_back(BrokerId(number));
    return brokers;
}

inline Uuid uuid(uint64_t number) {
    return Uuid::from_words(number, number);
}

inline TopicRecord topic(const std::string& name, uint64_t id, int32_t min_in_sync = 1) {
    TopicRecord record;
    record.id = uuid(id);
    record.name = name;
    record.min_in_sync = min_in_sync;
    record.created = Timestamp(1000);
    return record;
}

// A start after an unclean stop, on the directory that the broker always has.
inline RegisterBroker start(int32_t id, int64_t incarnation, int64_t stopped_cleanly = -1) {
    RegisterBroker broker;
    broker.id = BrokerId(id);
    broker.directory = uuid(900 + static_cast<uint64_t>(id));
    broker.incarnation = Incarnation(incarnation);
    broker.host = "host-" + std::to_string(id);
    broker.port = 9400;
    broker.peer_host = "peer-" + std::to_string(id);
    broker.peer_port = 9500;
    broker.replica_port = 9600;
    broker.rack = "rack";
    broker.version = "1.0";
    broker.stopped_cleanly = Incarnation(stopped_cleanly);
    broker.time = Timestamp(2000 + incarnation % 1000);
    return broker;
}

inline RegisterBroker start_on_other_disk(int32_t id, int64_t incarnation) {
    RegisterBroker broker = start(id, incarnation);
    broker.directory = uuid(7000 + static_cast<uint64_t>(incarnation));
    return broker;
}

inline Command end(int32_t id, int64_t incarnation, EndReason reason = EndReason::process_gone) {
    return end_broker(BrokerId(id), Incarnation(incarnation), reason, Timestamp(3000));
}

// So many partitions, each with these replicas.
inline Assignment on(size_t partitions, std::initializer_list<int32_t> replicas) {
    return Assignment(partitions, ids(replicas));
}

// The state after these commands, all of which must be good.
inline Metadata after(const std::vector<Command>& commands, Metadata state = {}) {
    for (const Command& command : commands) {
        Result<void> applied = state.apply(command);
        EXPECT_TRUE(applied.ok()) << (applied.ok() ? "" : name(applied.error().code));
    }
    return state;
}

// Brokers 1 to `count`, incarnation 1 each.
inline Metadata cluster_of(int32_t count) {
    Metadata state;
    for (int32_t id = 1; id <= count; ++id) EXPECT_TRUE(state.apply(register_broker(start(id, 1))).ok());
    return state;
}

inline const PartitionRecord& partition(const Metadata& state, uint64_t topic_id = 1) {
    return state.find(uuid(topic_id))->partitions[0];
}

inline Metadata restored(const Metadata& state) {
    Metadata again;
    for (const Command& command : state.snapshot()) EXPECT_TRUE(again.apply(command).ok());
    return again;
}

// Applies a command that must be refused, and that must change nothing.
inline ErrorCode refusal(const Metadata& state, const Command& command) {
    Metadata changed = state;
    Result<void> applied = changed.apply(command);
    EXPECT_TRUE(changed == state);
    return applied.ok() ? ErrorCode::none : applied.error().code;
}

// Of a batch of one.
inline ErrorCode verdict(Metadata& state, const Command& command) {
    Verdicts verdicts;
    EXPECT_TRUE(state.apply(command, &verdicts).ok());
    EXPECT_EQ(verdicts.size(), 1u);
    return verdicts.empty() || verdicts[0].ok() ? ErrorCode::none : verdicts[0].error().code;
}

// A command of some kind, good or bad, about a state: brokers 1 to 4, topics t0 to t7.
class RandomCommands {
  public:
    explicit RandomCommands(uint64_t seed) : random_(seed, "metadata") {}
    static constexpr uint64_t kinds = 21;
    Command next(const Metadata& state) { return of_kind(state, random_.below(kinds)); }
    Command of_kind(const Metadata& state, uint64_t kind);

  private:
    int32_t number(uint64_t bound) { return static_cast<int32_t>(random_.below(bound)); }
    bool often() { return random_.below(8) != 0; }
    BrokerId some_broker() { return BrokerId(1 + number(5)); }
    Incarnation incarnation_of(const Metadata& state, BrokerId id);
    BrokerIds some_of(const BrokerIds& brokers);
    Assignment assignment(size_t partitions);
    std::shared_ptr<const TopicRecord> some_topic(const Metadata& state);
    Command registration(const Metadata& state);
    Command creation();
    Command addition(const Metadata& state);
    Command appointments(const Metadata& state);
    Command changes(const Metadata& state);
    Command moves(const Metadata& state);
    Command handovers(const Metadata& state);
    Command replica_moves(const Metadata& state);

    simulation::RandomStream random_;
    uint64_t ids_ = 0;
};

}  // namespace ironbark::broker
