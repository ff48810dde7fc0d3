#include "broker/voter/message_codec.h"

#include "runtime/base/checksum.h"
#include "runtime/rpc/convert.h"
#include "wire/controller_generated.h"

namespace ironbark::consensus {
namespace {

using flatbuffers::FlatBufferBuilder;
template <typename Table>
using At = flatbuffers::Offset<Table>;

constexpr Error broken(ErrorCode::corrupt_data, "the message's structure is broken");
constexpr Error altered(ErrorCode::corrupt_data, "the message's payload is not what was sent");

constexpr Error refused(const char* text) {
    return {ErrorCode::invalid_request, text};
}

// ---- to the wire ---------------------------------------------------------------------------------------------------

At<wire::Voter> write(FlatBufferBuilder& builder, const Voter& voter) {
    wire::Uuid directory = rpc::to_wire(voter.directory);
    return wire::CreateVoter(builder, voter.id.value, &directory);
}

At<wire::Membership> write(FlatBufferBuilder& builder, const Membership& membership) {
    std::vector<At<wire::Voter>> voters;
    for (const Voter& voter : membership.voters) voters.push_back(write(builder, voter));
    auto list = builder.CreateVector(voters);
    At<wire::Voter> leaving = membership.leaving ? write(builder, *membership.leaving) : 0;
    wire::Uuid cluster = rpc::to_wire(membership.cluster);
    return wire::CreateMembership(builder, &cluster, list, leaving);
}

At<wire::Entry> write(FlatBufferBuilder& builder, const Entry& entry) {
    At<wire::Membership> membership = entry.membership ? write(builder, *entry.membership) : 0;
    Bytes command = entry.command ? Bytes(*entry.command) : Bytes();
    return wire::CreateEntry(builder, entry.term.value, static_cast<wire::EntryKind>(entry.kind),
                             static_cast<uint32_t>(command.size()), xxh3(command, 0), membership);
}

At<wire::SnapshotName> write(FlatBufferBuilder& builder, const Snapshot& snapshot, bool with_membership) {
    bool has_membership = with_membership && snapshot.membership != nullptr;
    At<wire::Membership> membership = has_membership ? write(builder, *snapshot.membership) : 0;
    return wire::CreateSnapshotName(builder, snapshot.last_index.value, snapshot.last_term.value, membership,
                                    snapshot.membership_index.value, snapshot.size_bytes, snapshot.checksum);
}

At<wire::VoteRequest> write(FlatBufferBuilder& builder, const VoteRequest& body) {
    return wire::CreateVoteRequest(builder, body.is_pre_vote, body.is_transfer, body.last_index.value,
                                   body.last_term.value);
}

At<wire::VoteResponse> write(FlatBufferBuilder& builder, const VoteResponse& body) {
    return wire::CreateVoteResponse(builder, body.is_pre_vote, body.is_granted, body.campaign_term.value,
                                    static_cast<uint64_t>(body.silence_ms));
}

At<wire::AppendRequest> write(FlatBufferBuilder& builder, const AppendRequest& body) {
    std::vector<At<wire::Entry>> entries;
    for (const Entry& entry : body.entries) entries.push_back(write(builder, entry));
    auto list = builder.CreateVector(entries);
    return wire::CreateAppendRequest(builder, body.previous_index.value, body.previous_term.value, list,
                                     body.commit.value, body.round);
}

At<wire::AppendResponse> write(FlatBufferBuilder& builder, const AppendResponse& body) {
    return wire::CreateAppendResponse(builder, body.round, body.is_match, body.match.value, body.rejected.value,
                                      body.hint_index.value, body.hint_term.value);
}

At<wire::SnapshotChunk> write(FlatBufferBuilder& builder, const SnapshotChunk& body) {
    Bytes part = body.bytes ? Bytes(*body.bytes) : Bytes();
    return wire::CreateSnapshotChunk(builder, write(builder, body.snapshot, true), body.position, xxh3(part, 0));
}

At<wire::SnapshotResponse> write(FlatBufferBuilder& builder, const SnapshotResponse& body) {
    return wire::CreateSnapshotResponse(builder, write(builder, body.snapshot, false), body.next_position);
}

At<wire::TimeoutNow> write(FlatBufferBuilder& builder, const TimeoutNow&) {
    return wire::CreateTimeoutNow(builder);
}

template <typename Table>
wire::QuorumMessageBody kind_of(At<Table>) {
    return wire::QuorumMessageBodyTraits<Table>::enum_value;
}

std::vector<Payload> payload_of(const MessageBody& body) {
    std::vector<Payload> payload;
    if (const auto* request = std::get_if<AppendRequest>(&body)) {
        for (const Entry& entry : request->entries) {
            if (entry.command) payload.push_back(entry.command);
        }
    } else if (const auto* chunk = std::get_if<SnapshotChunk>(&body)) {
        if (chunk->bytes) payload.push_back(chunk->bytes);
    }
    return payload;
}

// ---- from the wire -------------------------------------------------------------------------------------------------

Payload copy(Bytes bytes) {
    return std::make_shared<const std::vector<uint8_t>>(bytes.begin(), bytes.end());
}

Voter read(const wire::Voter* from) {
    if (from == nullptr) return {};
    return {VoterId(from->id()), rpc::from_wire(from->directory())};
}

// Null where there is none.
Result<std::shared_ptr<const Membership>> read(const wire::Membership* from) {
    if (from == nullptr) return std::shared_ptr<const Membership>();
    Membership membership;
    membership.cluster = rpc::from_wire(from->cluster());
    if (from->voters() != nullptr) {
        if (from->voters()->size() > voters_max) return refused("a membership of more voters than there may be");
        for (const wire::Voter* voter : *from->voters()) membership.voters.push_back(read(voter));
    }
    if (from->leaving() != nullptr) membership.leaving = read(from->leaving());
    return std::make_shared<const Membership>(std::move(membership));
}

Result<Snapshot> read(const wire::SnapshotName* from) {
    if (from == nullptr) return refused("a part of a snapshot without a name");
    Snapshot snapshot;
    snapshot.last_index = LogIndex(from->last_index());
    snapshot.last_term = Term(from->last_term());
    TRY(snapshot.membership, read(from->membership()));
    snapshot.membership_index = LogIndex(from->membership_index());
    snapshot.size_bytes = from->size_bytes();
    snapshot.checksum = from->checksum();
    return snapshot;
}

// Takes a command's share from the front of `payload`.
Result<Entry> read(const wire::Entry& from, LogIndex index, Bytes* payload) {
    if (from.kind() > wire::EntryKind::MAX) return refused("an entry of a kind that this version does not know");
    Entry entry;
    entry.index = index;
    entry.term = Term(from.term());
    entry.kind = static_cast<EntryKind>(from.kind());
    TRY(entry.membership, read(from.membership()));
    if (entry.kind != EntryKind::command) {
        if (from.command_size() != 0) return refused("an entry that is no command, and has one");
        return entry;
    }
    if (from.command_size() > payload->size()) return refused("commands that exceed the payload");
    Bytes command = payload->first(from.command_size());
    if (xxh3(command, 0) != from.command_checksum()) return altered;
    entry.command = copy(command);
    *payload = payload->subspan(command.size());
    return entry;
}

Result<MessageBody> read_body(const wire::VoteRequest& from, Bytes*) {
    return MessageBody(
        VoteRequest{from.is_pre_vote(), from.is_transfer(), LogIndex(from.last_index()), Term(from.last_term())});
}

Result<MessageBody> read_body(const wire::VoteResponse& from, Bytes*) {
    return MessageBody(VoteResponse{from.is_pre_vote(), from.is_granted(), Term(from.campaign_term()),
                                    static_cast<int64_t>(from.silence_ms())});
}

Result<MessageBody> read_body(const wire::AppendRequest& from, Bytes* payload) {
    // Whether the numbers can be indexes is the core's question; that they can be counted on is ours.
    if (from.previous_index() > index_max.value) return refused("a log index that nothing can have");
    AppendRequest body;
    body.previous_index = LogIndex(from.previous_index());
    body.previous_term = Term(from.previous_term());
    body.commit = LogIndex(from.commit());
    body.round = from.round();
    if (from.entries() == nullptr) return MessageBody(std::move(body));
    LogIndex index = body.previous_index;
    for (const wire::Entry* one : *from.entries()) {
        index = index + 1;
        TRY(Entry entry, read(*one, index, payload));
        body.entries.push_back(std::move(entry));
    }
    return MessageBody(std::move(body));
}

Result<MessageBody> read_body(const wire::AppendResponse& from, Bytes*) {
    return MessageBody(AppendResponse{from.round(), from.is_match(), LogIndex(from.match()), LogIndex(from.rejected()),
                                      LogIndex(from.hint_index()), Term(from.hint_term())});
}

Result<MessageBody> read_body(const wire::SnapshotChunk& from, Bytes* payload) {
    TRY(Snapshot snapshot, read(from.snapshot()));
    if (xxh3(*payload, 0) != from.checksum()) return altered;
    SnapshotChunk chunk{std::move(snapshot), from.position(), copy(*payload)};
    *payload = {};
    return MessageBody(std::move(chunk));
}

Result<MessageBody> read_body(const wire::SnapshotResponse& from, Bytes*) {
    TRY(Snapshot snapshot, read(from.snapshot()));
    return MessageBody(SnapshotResponse{std::move(snapshot), from.next_position()});
}

Result<MessageBody> read_body(const wire::TimeoutNow&, Bytes*) {
    return MessageBody(TimeoutNow{});
}

Result<MessageBody> read_body(const wire::QuorumMessage& from, Bytes* payload) {
    using Kind = wire::QuorumMessageBody;
    switch (from.body_type()) {
        case Kind::NONE: break;
        case Kind::VoteRequest: return read_body(*from.body_as_VoteRequest(), payload);
        case Kind::VoteResponse: return read_body(*from.body_as_VoteResponse(), payload);
        case Kind::AppendRequest: return read_body(*from.body_as_AppendRequest(), payload);
        case Kind::AppendResponse: return read_body(*from.body_as_AppendResponse(), payload);
        case Kind::SnapshotChunk: return read_body(*from.body_as_SnapshotChunk(), payload);
        case Kind::SnapshotResponse: return read_body(*from.body_as_SnapshotResponse(), payload);
        case Kind::TimeoutNow: return read_body(*from.body_as_TimeoutNow(), payload);
    }
    return refused("a message of a kind that this version does not know");
}

}  // namespace

EncodedMessage encode(const Message& message) {
    FlatBufferBuilder builder;
    auto [kind, body] = std::visit(
        [&](const auto& one) {
            auto written = write(builder, one);
            return std::pair(kind_of(written), written.Union());
        },
        message.body);
    EncodedMessage encoded;
    encoded.payload = payload_of(message.body);
    At<wire::Voter> from = write(builder, message.from);
    At<wire::Voter> to = write(builder, message.to);
    wire::Uuid cluster = rpc::to_wire(message.cluster);
    encoded.metadata = rpc::finish(builder, wire::CreateQuorumMessage(builder, &cluster, from, to, message.term.value,
                                                                      message.membership_index.value, kind, body));
    return encoded;
}

Result<Message> decode(Bytes metadata, Bytes payload) {
    constexpr uint32_t tables_max = 4096;
    ASSERT(reinterpret_cast<uintptr_t>(metadata.data()) % rpc::metadata_alignment == 0);
    if (metadata.empty() || metadata.size() > message_metadata_size_max) return broken;
    flatbuffers::Verifier verifier(metadata.data(), metadata.size(), rpc::metadata_depth_max, tables_max);
    if (!verifier.VerifyBuffer<wire::QuorumMessage>(nullptr)) return broken;
    const auto& from = *flatbuffers::GetRoot<wire::QuorumMessage>(metadata.data());
    Message message;
    message.cluster = rpc::from_wire(from.cluster());
    message.from = read(from.from());
    message.to = read(from.to());
    message.term = Term(from.term());
    message.membership_index = LogIndex(from.membership_index());
    if (from.body() == nullptr) return refused("a message without a body");
    TRY(message.body, read_body(from, &payload));
    if (!payload.empty()) return refused("a payload that is longer than what is in it");
    return message;
}

}  // namespace ironbark::consensus
