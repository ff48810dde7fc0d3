// Snapshots, replay, and bytes that nobody meant.
#include <algorithm>

#include "tests/broker/controller/metadata_samples.h"

namespace ironbark::broker {
namespace {

std::vector<ErrorCode> codes(const Verdicts& verdicts) {
    std::vector<ErrorCode> codes;
    for (const Result<void>& one : verdicts) codes.push_back(one.ok() ? ErrorCode::none : one.error().code);
    return codes;
}

// Both take the command in the same way, and are equal afterwards.
void apply_to_both(Metadata& one, Metadata& other, const Command& command) {
    Verdicts first;
    Verdicts second;
    Result<void> applied = one.apply(command, &first);
    Result<void> again = other.apply(command, &second);
    ASSERT_EQ(applied.ok(), again.ok());
    if (!applied.ok()) {
        ASSERT_EQ(applied.error().code, again.error().code);
    }
    ASSERT_EQ(codes(first), codes(second));
    ASSERT_TRUE(one == other);
}

uint64_t holders_in(const Metadata& state) {
    uint64_t holders = 0;
    for (const auto& [name, found] : state.topics()) {
        for (const PartitionRecord& partition : found->partitions) holders += partition.holders.size();
    }
    return holders;
}

TEST(MetadataBytes, ASnapshotIsWorthItsCommandsAndReplayIsTheSameEverywhere) {
    uint64_t accepted_in_batches = 0;
    uint64_t led_by_disk = 0;
    uint64_t holders = 0;
    std::vector<uint64_t> accepted_of(RandomCommands::kinds);
    std::vector<uint64_t> refused_of(RandomCommands::kinds);
    for (uint64_t seed = 1; seed <= 100; ++seed) {
        simulation::RandomStream random(seed, "kinds");
        RandomCommands commands(seed);
        Metadata state;
        std::vector<Command> accepted;
        for (int count = 0; count < 150; ++count) {
            const uint64_t kind = random.below(RandomCommands::kinds);
            Command command = commands.of_kind(state, kind);
            Metadata before = state;
            Verdicts verdicts;
            const bool is_applied = state.apply(command, &verdicts).ok();
            ++(is_applied ? accepted_of : refused_of)[kind];
            if (is_applied) {
                accepted.push_back(command);
                ASSERT_EQ(state.version(), before.version() + 1);
            } else {
                ASSERT_TRUE(state == before) << "seed " << seed;
            }
            for (const Result<void>& one : verdicts) accepted_in_batches += one.ok() ? 1 : 0;
            ASSERT_TRUE(restored(state) == state) << "seed " << seed << ", step " << count;
            holders += holders_in(state);
        }
        ASSERT_TRUE(after(accepted) == state) << "seed " << seed;
        for (const ClusterEvent& event : state.events()) led_by_disk += event.cause == EventCause::durable_tier ? 1 : 0;
        // A state goes on from a snapshot as from its history.
        Metadata from_snapshot = restored(state);
        for (int count = 0; count < 40; ++count) apply_to_both(state, from_snapshot, commands.next(state));
    }
    // The walks went everywhere.
    for (uint64_t kind = 0; kind < RandomCommands::kinds; ++kind) {
        EXPECT_GT(accepted_of[kind], 20u) << "of kind " << kind;
        EXPECT_GT(refused_of[kind], 20u) << "of kind " << kind;
    }
    EXPECT_GT(accepted_in_batches, 200u);
    EXPECT_GT(led_by_disk, 5u);
    EXPECT_GT(holders, 100u);
}

TEST(MetadataBytes, ALargeStateComesInPartsThatAJournalTakes) {
    Metadata state = cluster_of(5);
    for (uint64_t id = 1; id <= 5; ++id) {
        ASSERT_TRUE(
            state.apply(create_topic(topic("t" + std::to_string(id), id, 3), on(10'000, {1, 2, 3, 4, 5}))).ok());
    }
    ASSERT_TRUE(state.apply(create_topic(topic("small", 6), on(1, {1}))).ok());
    const std::string filler(event_name_size_max, 'x');
    for (size_t count = 0; count < events_max; ++count) {
        ASSERT_TRUE(state.apply(alter_topic(uuid(6), {{"a", filler}, {"b", filler}, {"c", filler}}, {}, {})).ok());
    }
    std::vector<Command> parts = state.snapshot();
    EXPECT_GT(parts.size(), 5u);
    for (const Command& part : parts) EXPECT_LE(part.size(), snapshot_bytes_max);
    EXPECT_TRUE(restored(state) == state);
    Metadata headless;
    EXPECT_EQ(headless.apply(parts[1]).error().code, ErrorCode::corrupt_data);
    Metadata twice = after({parts[0], parts[1]});
    EXPECT_EQ(twice.apply(parts[1]).error().code, ErrorCode::corrupt_data) << "that is there already";
    Metadata gap = after({parts[0], parts[1]});
    EXPECT_EQ(gap.apply(parts.back()).error().code, ErrorCode::corrupt_data) << "the end of a topic that is not there";
}

// One command of every kind that changes something in `base`, and parts of a snapshot.
struct EveryKind {
    Metadata base;
    std::vector<Command> commands;
};

EveryKind of_every_kind(uint64_t seed) {
    EveryKind made;
    RandomCommands random(seed);
    for (int count = 0; count < 120; ++count) (void)made.base.apply(random.next(made.base));
    for (uint64_t kind = 0; kind < RandomCommands::kinds; ++kind) {
        for (int attempt = 0; attempt < 2; ++attempt) made.commands.push_back(random.of_kind(made.base, kind));
    }
    for (const Command& part : made.base.snapshot()) made.commands.push_back(part);
    return made;
}

// Refused without a change; or a state that can be told, told again, and gone on with.
void expect_all_or_nothing(const Metadata& base, const Command& command) {
    Metadata state = base;
    Result<void> applied = state.apply(command);
    if (!applied.ok()) {
        ASSERT_TRUE(state == base);
        return;
    }
    ASSERT_TRUE(restored(state) == state);
    (void)state.apply(register_broker(start(1, INT64_MAX)));
    (void)state.apply(end(2, 1));
    for (const ClusterEvent& event : state.events()) ASSERT_FALSE(text(event).empty());
}

TEST(MetadataBytes, ACommandThatIsCutAnywhereIsRefused) {
    EveryKind made = of_every_kind(1);
    for (const Command& command : made.commands) {
        const size_t step = command.size() > 2000 ? 37 : 1;
        for (size_t size = 0; size < command.size(); size += step) {
            Command cut(command.begin(), command.begin() + static_cast<std::ptrdiff_t>(size));
            expect_all_or_nothing(made.base, cut);
        }
    }
}

TEST(MetadataBytes, AFlippedBitNeverEndsTheBrokerAndChangesAllOrNothing) {
    EveryKind made = of_every_kind(4);
    for (const Command& command : made.commands) {
        const size_t step = std::max<size_t>(1, command.size() / 300);
        for (size_t byte = 0; byte < command.size(); byte += step) {
            Command flipped = command;
            flipped[byte] = static_cast<uint8_t>(flipped[byte] ^ (1u << (byte % 8)));
            expect_all_or_nothing(made.base, flipped);
        }
    }
}

TEST(MetadataBytes, AlteredCommandsNeverEndTheBrokerAndChangeAllOrNothing) {
    simulation::RandomStream random(1, "altered-metadata");
    EveryKind made = of_every_kind(5);
    for (int round = 0; round < 5'000; ++round) {
        Command command = made.commands[random.below(made.commands.size())];
        for (uint64_t changes = 1 + random.below(4); changes > 0; --changes) {
            command[random.below(command.size())] = static_cast<uint8_t>(random.next());
        }
        expect_all_or_nothing(made.base, command);
    }
}

}  // namespace
}  // namespace ironbark::broker
