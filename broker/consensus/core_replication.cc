// What a leader sends to its followers, and what it learns from their answers.
#include <algorithm>

#include "broker/consensus/core.h"
#include "runtime/base/assert.h"

namespace ironbark::consensus {

Progress* Core::find_progress(const Voter& voter) {
    for (Progress& progress : progress_) {
        if (progress.voter() == voter) return &progress;
    }
    return nullptr;
}

void Core::follow_membership() {
    std::erase_if(progress_, [this](const Progress& one) { return !membership()->contains(one.voter()); });
    for (const Voter& voter : membership()->everybody()) {
        if (voter == settings_.self || find_progress(voter)) continue;
        progress_.emplace_back(voter, log_.last() + 1, now_ms_);
    }
}

void Core::send_entries(Progress& progress) {
    while (progress.may_send(settings_.limits)) {
        LogIndex previous = progress.next() - 1;
        std::optional<Term> term = log_.term_at(previous);
        if (!term) return begin_snapshot(progress);
        std::vector<Entry> entries = log_.slice(progress.next(), settings_.limits);
        if (entries.empty() && progress.state() != Progress::State::probe) return;
        uint64_t bytes = 0;
        for (const Entry& entry : entries) bytes += entry.size();
        progress.sent(previous + entries.size(), bytes);
        send(progress.voter(), AppendRequest{previous, *term, std::move(entries), commit_, round_});
    }
}

// Asks for the last entry that was sent, so that a loss shows.
void Core::send_heartbeat(Progress& progress) {
    LogIndex previous = progress.next() - 1;
    std::optional<Term> term = log_.term_at(previous);
    if (!term && progress.state() != Progress::State::snapshot) begin_snapshot(progress);
    if (progress.state() == Progress::State::snapshot) {
        send(progress.voter(), AppendRequest{LogIndex(), Term(), {}, commit_, round_});
        if (progress.is_snapshot_stalled()) send_snapshot(progress);
        return;
    }
    send(progress.voter(), AppendRequest{previous, *term, {}, commit_, round_});
}

void Core::begin_round() {
    ++round_;
    heartbeat_due_ms_ = now_ms_ + settings_.heartbeat_interval_ms;
    for (Progress& progress : progress_) send_heartbeat(progress);
    if (transfer_) transfer_->is_sent = false;  // it may have been lost
    try_transfer();
}

uint64_t Core::confirmed_round() const {
    return majority_value(*membership(), [this](const Voter& voter) {
        return value_of_progress(voter, round_, [](const Progress& one) { return one.round(); });
    });
}

void Core::handle(const Message& message, const AppendResponse& response) {
    Progress* progress = find_progress(message.from);
    if (!progress) return;
    if (response.round > round_ || response.match > log_.last() || response.rejected > log_.last()) {
        return report(ReportKind::impossible_progress, message.from, "acknowledges what it was never sent");
    }
    progress->heard(now_ms_, response.round);
    if (response.is_match) {
        progress->matched(response.match);
    } else {
        // What it has of that term may be right as far as this log has that term, and nothing else of it.
        LogIndex shared = log_.last_up_to_term(response.hint_term);
        bool is_shared = response.hint_term != Term() && log_.term_at(shared) == response.hint_term;
        progress->refused(response.rejected, is_shared ? shared + 1 : response.hint_index);
    }
    send_entries(*progress);
    try_transfer();
}

void Core::begin_snapshot(Progress& progress) {
    ASSERT(snapshot_ && snapshot_->last_index >= log_.base());
    progress.begin_snapshot(snapshot_->last_index);
    send_snapshot(progress);
}

void Core::send_snapshot(Progress& progress) {
    const uint64_t size = snapshot_->size_bytes;
    const uint64_t part = std::min(settings_.limits.snapshot_chunk_size, size);
    // When all of it is there and nothing more is heard: the last part again, to find out how things stand.
    const uint64_t position = progress.snapshot_position() < size ? progress.snapshot_position() : size - part;
    Message message = message_to(progress.voter(), SnapshotChunk{*snapshot_, position, nullptr});
    actions_.push_back(SendSnapshotChunk{std::move(message), std::min(part, size - position)});
}

void Core::handle(const Message& message, const SnapshotResponse& response) {
    Progress* progress = find_progress(message.from);
    if (!progress) return;
    progress->heard(now_ms_, 0);
    bool is_current = progress->state() == Progress::State::snapshot && snapshot_->is_same(response.snapshot);
    if (!is_current || !progress->received(response.next_position)) return;
    if (response.next_position < snapshot_->size_bytes) send_snapshot(*progress);
}

}  // namespace ironbark::consensus
