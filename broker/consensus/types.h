#pragma once
// The words of the controller quorum: terms, log indexes, voters, entries, snapshots. Values; what is large (commands,
// memberships) is shared and immutable, so that a copy of an entry is cheap. The core never looks into a command.

#include <compare>
#include <cstdint>
#include <memory>
#include <vector>

#include "broker/consensus/membership.h"
#include "runtime/base/ids.h"

namespace ironbark::consensus {

using Term = Id<struct TermTag, uint64_t>;  // 0: nobody was ever elected; also the controller's epoch
constexpr Term term_after(Term term) {
    return Term(term.value + 1);
}

// The place of an entry in the quorum's log, from 1, dense. 0 is the place before the first entry. Never an Offset.
struct LogIndex {
    uint64_t value = 0;

    constexpr LogIndex() = default;
    constexpr explicit LogIndex(uint64_t number) : value(number) {}
    friend constexpr auto operator<=>(const LogIndex&, const LogIndex&) = default;
    friend constexpr LogIndex operator+(LogIndex index, uint64_t count) { return LogIndex(index.value + count); }
    friend constexpr LogIndex operator-(LogIndex index, uint64_t count) { return LogIndex(index.value - count); }
    friend constexpr uint64_t operator-(LogIndex left, LogIndex right) { return left.value - right.value; }
};

// A cluster forms with this entry at this index in this term, on every voter alike, before anybody is elected.
constexpr Term forming_term{1};
constexpr LogIndex forming_index{1};
// Beyond these a number was not counted but made up, or rotted: refused, so that no sum ever wraps.
constexpr Term term_max{uint64_t{1} << 62};
constexpr LogIndex index_max{uint64_t{1} << 62};

using Payload = std::shared_ptr<const std::vector<uint8_t>>;

enum class EntryKind : uint8_t {
    no_op,       // opens a leader's term
    command,     // for the state machine
    membership,  // who votes, from this entry on
};

struct Entry {
    LogIndex index;
    Term term;
    EntryKind kind = EntryKind::no_op;
    Payload command;                               // of a command, and only then
    std::shared_ptr<const Membership> membership;  // of a membership, and only then

    // What the entry takes in a message or in memory, roughly: a limit counts with it.
    uint64_t size() const { return entry_overhead + (command ? command->size() : 0); }
    static constexpr uint64_t entry_overhead = 64;
};

// A snapshot by name: what it stands for, and which bytes it is. Two snapshots are the same only if their bytes are, so
// a transfer that one leader began may be finished by another.
struct Snapshot {
    LogIndex last_index;  // of the last entry that it stands for
    Term last_term;
    std::shared_ptr<const Membership> membership;  // as of last_index
    LogIndex membership_index;                     // of the entry that made it so
    uint64_t size_bytes = 0;
    uint64_t checksum = 0;  // of the bytes; made and verified by who stores them

    bool is_same(const Snapshot& other) const {
        return last_index == other.last_index && last_term == other.last_term && size_bytes == other.size_bytes &&
               checksum == other.checksum;
    }
};

}  // namespace ironbark::consensus
