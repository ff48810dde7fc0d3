#pragma once
// Who votes: 1, 3 or 5 voters, fixed in number. A voter is a number and the UUID of its data directory, so a wiped disk
// is another voter, which has promised nothing. One voter at a time is replaced, by two entries of the log:
//
//   1. the joint membership: the new voters, and the one that leaves. From the moment a voter has this entry in its log
//      (committed or not), whatever it decides takes a majority of the old voters AND a majority of the new ones.
//   2. the settled membership, appended once the first is committed: a majority of the new voters decides.
//
// Why two: a replacement removes and adds at once, and {1, 3'} and {2, 3} are majorities that share nobody. Any two
// majorities that can decide at the same time do share one: old and joint in an old voter, joint and settled in a new
// one; old and settled never decide together, because the first entry was committed by a majority of the old, whose
// members elect nobody without it (Ongaro's thesis, 4.3). A truncated entry takes its membership back with it.

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "runtime/base/assert.h"
#include "runtime/base/ids.h"

namespace ironbark::consensus {

using VoterId = Id<struct VoterIdTag, int32_t>;

struct Voter {
    VoterId id{-1};
    Uuid directory;
    friend auto operator<=>(const Voter&, const Voter&) = default;
};

constexpr size_t voters_max = 5;

struct Membership {
    Uuid cluster;
    std::vector<Voter> voters;     // in order of their ids
    std::optional<Voter> leaving;  // being replaced by the voter of the same id

    // 1, 3 or 5 voters in order, ids and directories not twice, and a leaving one that has a successor.
    bool is_valid() const;
    bool contains(const Voter& voter) const;  // the leaving one included
    // Those that voted before the voter that leaves was named: the voters themselves if none is.
    std::vector<Voter> voters_before() const;
    // Everybody who takes part in a decision: the voters, then the leaving one.
    std::vector<Voter> everybody() const;
    // With this voter in place of the one with its id. Nothing if that is not possible: unknown id, same directory,
    // directory of another voter, or a replacement under way.
    std::optional<Membership> replacing(const Voter& incoming) const;
    Membership settled() const { return {cluster, voters, std::nullopt}; }

    friend bool operator==(const Membership&, const Membership&) = default;
};

namespace detail {

template <typename ValueOf>
auto majority_of(const std::vector<Voter>& voters, const std::optional<Voter>& leaving, ValueOf value_of) {
    std::array<decltype(value_of(voters.front())), voters_max> values{};
    ASSERT(!voters.empty() && voters.size() <= voters_max);
    for (size_t at = 0; at < voters.size(); ++at) {
        bool is_successor = leaving && leaving->id == voters[at].id;
        values[at] = value_of(is_successor ? *leaving : voters[at]);
    }
    std::sort(values.begin(), values.begin() + static_cast<ptrdiff_t>(voters.size()));
    return values[(voters.size() - 1) / 2];
}

}  // namespace detail

// The largest value that a majority has reached: of the voters, and while one is being replaced of the old ones too.
// For a question of yes or no the value is a bool.
template <typename ValueOf>
auto majority_value(const Membership& membership, ValueOf value_of) {
    auto value = detail::majority_of(membership.voters, std::nullopt, value_of);
    if (!membership.leaving) return value;
    return std::min(value, detail::majority_of(membership.voters, membership.leaving, value_of));
}

}  // namespace ironbark::consensus
