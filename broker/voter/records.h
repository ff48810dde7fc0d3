#pragma once
// The records of a voter's journal, in the order in which they were asked for: who the voter is (the first, and only
// once), its term and vote, entries, and what takes entries away. docs/FORMAT.md has the bytes.
//
// `decode` gives a record that is possible by itself, or corrupt_data, or unsupported_version for a kind that is not
// known; whether it fits what came before is StoredLog's affair.

#include <optional>
#include <variant>
#include <vector>

#include "broker/consensus/types.h"
#include "runtime/base/encoding.h"
#include "runtime/base/result.h"

namespace ironbark::consensus {

struct StoredVoter {
    Uuid directory;
};
struct StoredTerm {
    Uuid cluster;
    Term term;
    std::optional<Voter> vote;
    friend bool operator==(const StoredTerm&, const StoredTerm&) = default;
};
struct StoredTruncation {
    LogIndex from;  // this entry and all behind it
};
struct StoredReset {
    LogIndex base;  // all entries; the next is the one behind it
};
using StoredRecord = std::variant<StoredVoter, StoredTerm, Entry, StoredTruncation, StoredReset>;

std::vector<uint8_t> encode(const StoredRecord& record);
// What `encode` gives, and its length, take in the journal.
uint64_t encoded_size(const StoredRecord& record);
Result<StoredRecord> decode(Bytes record);

// Part of an entry, and of a snapshot's head.
void encode_membership(Encoder& encoder, const Membership& membership);
// Fails the decoder if the membership is not valid.
std::shared_ptr<const Membership> decode_membership(Decoder& decoder);

}  // namespace ironbark::consensus
