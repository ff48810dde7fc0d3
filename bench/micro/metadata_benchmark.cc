// What the cluster's metadata costs with many partitions: a snapshot of all of it, the way back, and one change.

#include <benchmark/benchmark.h>
#include <cstring>
#include <string>
#include <vector>

#include "broker/controller/metadata.h"

namespace ironbark::broker {

namespace {

constexpr int64_t partitions_of_each = 1000;
constexpr int32_t brokers = 3;
constexpr Timestamp some_time(1'700'000'000'000);

Uuid uuid_of(uint64_t number) {
    Uuid id;
    std::memcpy(id.bytes.data(), &number, sizeof(number));
    return id;
}

void must_apply(benchmark::State& state, Metadata& metadata, const Command& command) {
    if (!metadata.apply(command).ok()) state.SkipWithError("a command was refused");
}

// Topics of 1000 partitions each, of three replicas on three brokers.
Metadata with_partitions(benchmark::State& state, int64_t partitions) {
    Metadata metadata;
    for (int32_t id = 1; id <= brokers; ++id) {
        RegisterBroker registration;
        registration.id = BrokerId(id);
        registration.directory = uuid_of(static_cast<uint64_t>(id));
        registration.incarnation = Incarnation(1);
        registration.host = "127.0.0.1";
        registration.port = static_cast<uint16_t>(9400 + id);
        registration.time = some_time;
        must_apply(state, metadata, register_broker(registration));
    }
    for (int64_t made = 0; made < partitions; made += partitions_of_each) {
        TopicRecord topic;
        topic.id = uuid_of(1000 + static_cast<uint64_t>(made));
        topic.name = "topic-" + std::to_string(made);
        topic.created = some_time;
        Assignment assignment;
        for (int32_t index = 0; index < partitions_of_each; ++index) {
            const auto place = [&](int32_t nth) { return BrokerId(1 + (index + nth) % brokers); };
            assignment.push_back({place(0), place(1), place(2)});
        }
        must_apply(state, metadata, create_topic(topic, assignment));
    }
    return metadata;
}

void metadata_snapshot(benchmark::State& state) {
    const Metadata metadata = with_partitions(state, state.range(0));
    size_t bytes = 0;
    for (auto _ : state) {
        bytes = 0;
        for (const Command& part : metadata.snapshot()) bytes += part.size();
    }
    state.counters["bytes"] = static_cast<double>(bytes);
}

void metadata_restore(benchmark::State& state) {
    const Metadata metadata = with_partitions(state, state.range(0));
    const std::vector<Command> parts = metadata.snapshot();
    for (auto _ : state) {
        Metadata restored;
        for (const Command& part : parts) must_apply(state, restored, part);
        if (restored.partition_count() != static_cast<size_t>(state.range(0))) state.SkipWithError("not all came back");
    }
}

void metadata_change(benchmark::State& state) {
    Metadata metadata = with_partitions(state, state.range(0));
    const Command change = alter_topic(uuid_of(1000), {{"retention.ms", "3600000"}}, {}, some_time);
    for (auto _ : state) must_apply(state, metadata, change);
}

BENCHMARK(metadata_snapshot)->Arg(10'000)->Arg(100'000)->ArgName("partitions")->Unit(benchmark::kMillisecond);
BENCHMARK(metadata_restore)->Arg(10'000)->Arg(100'000)->ArgName("partitions")->Unit(benchmark::kMillisecond);
BENCHMARK(metadata_change)->Arg(10'000)->ArgName("partitions")->Unit(benchmark::kMicrosecond);

}  // namespace

}  // namespace ironbark::broker
