#include "broker/voter/records.h"

#include "runtime/base/assert.h"

namespace ironbark::consensus {
namespace {

enum class Kind : uint8_t { voter = 1, term = 2, no_op = 3, command = 4, membership = 5, truncation = 6, reset = 7 };

Encoder begin(Kind kind) {
    Encoder encoder;
    encoder.number(static_cast<uint8_t>(kind));
    return encoder;
}

void encode_voter(Encoder& encoder, const Voter& voter) {
    encoder.number(voter.id.value);
    encoder.uuid(voter.directory);
}

void encode_optional(Encoder& encoder, const std::optional<Voter>& voter) {
    encoder.number(static_cast<uint8_t>(voter.has_value()));
    if (voter) encode_voter(encoder, *voter);
}

Voter decode_voter(Decoder& decoder) {
    Voter voter;
    voter.id = VoterId(decoder.number<int32_t>());
    voter.directory = decoder.uuid();
    if (voter.id.value < 0 || voter.directory.is_zero()) decoder.fail();
    return voter;
}

std::optional<Voter> decode_optional(Decoder& decoder) {
    const uint8_t count = decoder.number<uint8_t>();
    if (count > 1) decoder.fail();
    if (count != 1) return std::nullopt;
    return decode_voter(decoder);
}

Encoder encode_body(const StoredVoter& voter) {
    Encoder encoder = begin(Kind::voter);
    encoder.uuid(voter.directory);
    return encoder;
}

Encoder encode_body(const StoredTerm& term) {
    Encoder encoder = begin(Kind::term);
    encoder.uuid(term.cluster);
    encoder.number(term.term.value);
    encode_optional(encoder, term.vote);
    return encoder;
}

Kind kind_of(const Entry& entry) {
    switch (entry.kind) {
        case EntryKind::no_op: return Kind::no_op;
        case EntryKind::command: return Kind::command;
        case EntryKind::membership: return Kind::membership;
    }
    UNREACHABLE();
}

Encoder encode_body(const Entry& entry) {
    Encoder encoder = begin(kind_of(entry));
    encoder.number(entry.index.value);
    encoder.number(entry.term.value);
    if (entry.kind == EntryKind::command) encoder.raw(*entry.command);
    if (entry.kind == EntryKind::membership) encode_membership(encoder, *entry.membership);
    return encoder;
}

Encoder encode_body(const StoredTruncation& truncation) {
    Encoder encoder = begin(Kind::truncation);
    encoder.number(truncation.from.value);
    return encoder;
}

Encoder encode_body(const StoredReset& reset) {
    Encoder encoder = begin(Kind::reset);
    encoder.number(reset.base.value);
    return encoder;
}

LogIndex decode_index(Decoder& decoder) {
    LogIndex index(decoder.number<uint64_t>());
    if (index < forming_index || index > index_max) decoder.fail();
    return index;
}

StoredVoter decode_stored_voter(Decoder& decoder) {
    StoredVoter voter{decoder.uuid()};
    if (voter.directory.is_zero()) decoder.fail();
    return voter;
}

StoredTerm decode_term(Decoder& decoder) {
    StoredTerm term;
    term.cluster = decoder.uuid();
    term.term = Term(decoder.number<uint64_t>());
    term.vote = decode_optional(decoder);
    if (term.cluster.is_zero() || term.term < forming_term || term.term > term_max) decoder.fail();
    return term;
}

Entry decode_entry(Decoder& decoder, Kind kind) {
    Entry entry;
    entry.index = decode_index(decoder);
    entry.term = Term(decoder.number<uint64_t>());
    if (entry.term < forming_term || entry.term > term_max) decoder.fail();
    if (kind == Kind::command) {
        Bytes command = decoder.raw(decoder.left());
        entry.kind = EntryKind::command;
        entry.command = std::make_shared<const std::vector<uint8_t>>(command.begin(), command.end());
    }
    if (kind == Kind::membership) {
        entry.kind = EntryKind::membership;
        entry.membership = decode_membership(decoder);
    }
    return entry;
}

std::optional<StoredRecord> decode_body(Decoder& decoder, Kind kind) {
    switch (kind) {
        case Kind::voter: return decode_stored_voter(decoder);
        case Kind::term: return decode_term(decoder);
        case Kind::no_op:
        case Kind::command:
        case Kind::membership: return decode_entry(decoder, kind);
        case Kind::truncation: return StoredTruncation{decode_index(decoder)};
        case Kind::reset: return StoredReset{decode_index(decoder)};
    }
    return std::nullopt;
}

}  // namespace

void encode_membership(Encoder& encoder, const Membership& membership) {
    encoder.uuid(membership.cluster);
    encoder.number(static_cast<uint8_t>(membership.voters.size()));
    for (const Voter& voter : membership.voters) encode_voter(encoder, voter);
    encode_optional(encoder, membership.leaving);
}

std::shared_ptr<const Membership> decode_membership(Decoder& decoder) {
    auto membership = std::make_shared<Membership>();
    membership->cluster = decoder.uuid();
    const size_t count = decoder.number<uint8_t>();
    if (count > voters_max) decoder.fail();
    for (size_t index = 0; index < count && decoder.ok(); ++index) membership->voters.push_back(decode_voter(decoder));
    membership->leaving = decode_optional(decoder);
    if (!decoder.ok() || !membership->is_valid()) decoder.fail();
    return membership;
}

std::vector<uint8_t> encode(const StoredRecord& record) {
    return std::visit([](const auto& body) { return encode_body(body).take(); }, record);
}

uint64_t encoded_size(const StoredRecord& record) {
    const auto* entry = std::get_if<Entry>(&record);
    constexpr uint64_t overhead = sizeof(uint32_t) + 1 + 2 * sizeof(uint64_t);
    if (entry != nullptr && entry->kind == EntryKind::command) return overhead + entry->command->size();
    return sizeof(uint32_t) + encode(record).size();
}

Result<StoredRecord> decode(Bytes record) {
    static constexpr Error impossible(ErrorCode::corrupt_data, "an entry of it says what cannot be");
    Decoder decoder(record);
    const auto kind = static_cast<Kind>(decoder.number<uint8_t>());
    if (!decoder.ok()) return impossible;
    std::optional<StoredRecord> decoded = decode_body(decoder, kind);
    if (!decoded) return Error(ErrorCode::unsupported_version, "it was written by a newer version");
    if (!decoder.ok() || !decoder.at_end()) return impossible;
    return *std::move(decoded);
}

}  // namespace ironbark::consensus
