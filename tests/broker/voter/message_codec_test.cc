#include "broker/voter/message_codec.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <random>

#include "wire/controller_generated.h"

namespace ironbark::consensus {
namespace {

using Text = std::vector<uint8_t>;

Voter voter(int32_t id) {
    return {VoterId(id), Uuid::from_words(static_cast<uint64_t>(id), 7)};
}

std::shared_ptr<const Membership> membership(bool has_leaving = false) {
    Membership membership{Uuid::from_words(1, 2), {voter(1), voter(2), voter(3)}, std::nullopt};
    if (has_leaving) membership.leaving = Voter{VoterId(2), Uuid::from_words(2, 8)};
    return std::make_shared<const Membership>(std::move(membership));
}

Payload payload(size_t size, uint8_t byte) {
    return std::make_shared<const Text>(size, byte);
}

Snapshot snapshot(bool has_membership) {
    Snapshot name{LogIndex(40), Term(3), nullptr, LogIndex(9), 1000, 0x1234567890abcdef};
    if (has_membership) name.membership = membership();
    return name;
}

std::vector<MessageBody> bodies() {
    AppendRequest request{LogIndex(7), Term(2), {}, LogIndex(6), 11};
    request.entries.push_back({LogIndex(8), Term(2), EntryKind::command, payload(100, 'a'), nullptr});
    request.entries.push_back({LogIndex(9), Term(3), EntryKind::no_op, nullptr, nullptr});
    request.entries.push_back({LogIndex(10), Term(3), EntryKind::membership, nullptr, membership(true)});
    request.entries.push_back({LogIndex(11), Term(3), EntryKind::command, payload(0, 0), nullptr});
    request.entries.push_back({LogIndex(12), Term(3), EntryKind::command, payload(70'000, 'b'), nullptr});
    return {VoteRequest{true, false, LogIndex(5), Term(4)},
            VoteRequest{false, true, LogIndex(5), Term(4)},
            VoteResponse{true, true, Term(6), 320},
            request,
            AppendRequest{LogIndex(), Term(), {}, LogIndex(6), 12},
            AppendResponse{13, true, LogIndex(14), {}, {}, {}},
            AppendResponse{13, false, {}, LogIndex(15), LogIndex(3), Term(2)},
            SnapshotChunk{snapshot(true), 256, payload(300, 'c')},
            SnapshotResponse{snapshot(false), 556},
            TimeoutNow{}};
}

Message message(MessageBody body) {
    return {Uuid::from_words(1, 2), voter(1), voter(2), Term(5), LogIndex(9), std::move(body)};
}

Text payload_of(const EncodedMessage& encoded) {
    Text bytes;
    for (const Payload& part : encoded.payload) bytes.insert(bytes.end(), part->begin(), part->end());
    return bytes;
}

Text metadata_of(const EncodedMessage& encoded) {
    return {encoded.metadata.data(), encoded.metadata.data() + encoded.metadata.size()};
}

// ---- what equal messages are ---------------------------------------------------------------------------------------

template <typename T>
bool equal(const std::shared_ptr<const T>& left, const std::shared_ptr<const T>& right) {
    return (left == nullptr) == (right == nullptr) && (left == nullptr || *left == *right);
}

bool equal(const Snapshot& left, const Snapshot& right) {
    return left.is_same(right) && left.membership_index == right.membership_index &&
           equal(left.membership, right.membership);
}

bool equal(const Entry& left, const Entry& right) {
    return left.index == right.index && left.term == right.term && left.kind == right.kind &&
           equal(left.command, right.command) && equal(left.membership, right.membership);
}

bool equal(const VoteRequest& left, const VoteRequest& right) {
    return left.is_pre_vote == right.is_pre_vote && left.is_transfer == right.is_transfer &&
           left.last_index == right.last_index && left.last_term == right.last_term;
}

bool equal(const VoteResponse& left, const VoteResponse& right) {
    return left.is_pre_vote == right.is_pre_vote && left.is_granted == right.is_granted &&
           left.campaign_term == right.campaign_term;
}

bool equal(const AppendRequest& left, const AppendRequest& right) {
    return left.previous_index == right.previous_index && left.previous_term == right.previous_term &&
           left.commit == right.commit && left.round == right.round &&
           std::equal(left.entries.begin(), left.entries.end(), right.entries.begin(), right.entries.end(),
                      [](const Entry& one, const Entry& other) { return equal(one, other); });
}

bool equal(const AppendResponse& left, const AppendResponse& right) {
    return left.round == right.round && left.is_match == right.is_match && left.match == right.match &&
           left.rejected == right.rejected && left.hint_index == right.hint_index && left.hint_term == right.hint_term;
}

bool equal(const SnapshotChunk& left, const SnapshotChunk& right) {
    return equal(left.snapshot, right.snapshot) && left.position == right.position && equal(left.bytes, right.bytes);
}

bool equal(const SnapshotResponse& left, const SnapshotResponse& right) {
    return equal(left.snapshot, right.snapshot) && left.next_position == right.next_position;
}

bool equal(const TimeoutNow&, const TimeoutNow&) {
    return true;
}

bool equal(const Message& left, const Message& right) {
    bool is_same_body = left.body.index() == right.body.index();
    if (is_same_body) {
        is_same_body = std::visit(
            [&](const auto& body) { return equal(body, std::get<std::decay_t<decltype(body)>>(right.body)); },
            left.body);
    }
    return is_same_body && left.cluster == right.cluster && left.from == right.from && left.to == right.to &&
           left.term == right.term && left.membership_index == right.membership_index;
}

// ---- tests ---------------------------------------------------------------------------------------------------------

TEST(MessageCodec, EveryMessageComesBackAsItWas) {
    for (MessageBody& body : bodies()) {
        Message sent = message(std::move(body));
        EncodedMessage encoded = encode(sent);
        Result<Message> received = decode(metadata_of(encoded), payload_of(encoded));
        ASSERT_TRUE(received.ok()) << sent.body.index() << ": " << received.error().text;
        EXPECT_TRUE(equal(sent, *received)) << sent.body.index();
    }
}

TEST(MessageCodec, RefusesEveryTruncationOfTheMetadata) {
    for (MessageBody& body : bodies()) {
        EncodedMessage encoded = encode(message(std::move(body)));
        Text metadata = metadata_of(encoded);
        for (size_t size = 0; size < metadata.size(); ++size) {
            Text cut(metadata.begin(), metadata.begin() + static_cast<std::ptrdiff_t>(size));
            EXPECT_FALSE(decode(cut, payload_of(encoded)).ok()) << size;
        }
    }
}

TEST(MessageCodec, RefusesAPayloadThatIsShorterLongerOrAltered) {
    for (MessageBody& body : bodies()) {
        EncodedMessage encoded = encode(message(std::move(body)));
        const Text metadata = metadata_of(encoded);
        const Text payload = payload_of(encoded);
        Text longer = payload;
        longer.push_back(0);
        EXPECT_FALSE(decode(metadata, longer).ok());
        if (payload.empty()) continue;
        EXPECT_FALSE(decode(metadata, Bytes(payload).first(payload.size() - 1)).ok());
        for (size_t at = 0; at < payload.size(); at += 97) {
            Text altered = payload;
            altered[at] ^= 0x10;
            Result<Message> received = decode(metadata, altered);
            ASSERT_FALSE(received.ok());
            EXPECT_EQ(received.error().code, ErrorCode::corrupt_data);
        }
    }
}

// Metadata has the frame's checksum; behind it a peer may still say anything.
TEST(MessageCodec, SurvivesAnyMetadata) {
    std::mt19937_64 random(1);
    size_t accepted = 0;
    size_t refused = 0;
    for (const MessageBody& body : bodies()) {
        EncodedMessage encoded = encode(message(body));
        const Text payload = payload_of(encoded);
        for (int attempt = 0; attempt < 3000; ++attempt) {
            Text metadata = metadata_of(encoded);
            for (uint64_t flips = 1 + random() % 4; flips > 0; --flips) {
                metadata[random() % metadata.size()] ^= static_cast<uint8_t>(1u << random() % 8);
            }
            Result<Message> received = decode(metadata, payload);
            ++(received.ok() ? accepted : refused);
            if (received.ok()) (void)problem_of(*received, Limits{});
        }
    }
    EXPECT_GT(accepted, 1000u);
    EXPECT_GT(refused, 1000u);
}

TEST(MessageCodec, SaysWhatItDoesNotKnow) {
    flatbuffers::FlatBufferBuilder builder;
    auto body = wire::CreateTimeoutNow(builder);
    auto unknown = static_cast<wire::QuorumMessageBody>(99);
    builder.Finish(wire::CreateQuorumMessage(builder, nullptr, 0, 0, 1, 0, unknown, body.Union()));
    Result<Message> received = decode({builder.GetBufferPointer(), builder.GetSize()}, {});
    ASSERT_FALSE(received.ok());
    EXPECT_EQ(received.error().code, ErrorCode::invalid_request);
    EXPECT_STREQ(received.error().text, "a message of a kind that this version does not know");
}

}  // namespace
}  // namespace ironbark::consensus
