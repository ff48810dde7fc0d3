#include "tests/broker/consensus/describe.h"

namespace ironbark::consensus::testing {

std::string text_of(const Entry& entry) {
    if (entry.kind == EntryKind::command) return std::string(entry.command->begin(), entry.command->end());
    return entry.kind == EntryKind::no_op ? "-" : entry.membership->leaving ? "joint" : "voters";
}

std::string place(LogIndex index, Term term) {
    return std::to_string(index.value) + ":" + std::to_string(term.value);
}

namespace {

std::string describe_body(const VoteRequest& one) {
    return std::string(one.is_pre_vote   ? "would you"
                       : one.is_transfer ? "vote at once"
                                         : "vote") +
           " for " + place(one.last_index, one.last_term);
}
std::string describe_body(const VoteResponse& one) {
    return std::string(one.is_pre_vote ? "would" : "vote") + (one.is_granted ? " yes" : " no");
}
std::string describe_body(const AppendRequest& one) {
    std::string text = "append behind " + place(one.previous_index, one.previous_term);
    for (const Entry& entry : one.entries) text += " " + text_of(entry);
    return text + " commit " + std::to_string(one.commit.value);
}
std::string describe_body(const AppendResponse& one) {
    if (one.is_match) return "has " + std::to_string(one.match.value);
    return "not " + std::to_string(one.rejected.value) + ", try " + place(one.hint_index, one.hint_term);
}
std::string describe_body(const SnapshotChunk& one) {
    return "snapshot " + std::to_string(one.snapshot.last_index.value) + " from " + std::to_string(one.position);
}
std::string describe_body(const SnapshotResponse& one) {
    return "snapshot " + std::to_string(one.snapshot.last_index.value) + " next " + std::to_string(one.next_position);
}
std::string describe_body(const TimeoutNow&) {
    return "be candidate now";
}

}  // namespace

std::string describe(const Message& message) {
    return std::visit([](const auto& body) { return describe_body(body); }, message.body) + " in " +
           std::to_string(message.term.value);
}

}  // namespace ironbark::consensus::testing
