// Snapshots: made here, or received from a leader part by part.
#include <algorithm>

#include "broker/consensus/core.h"
#include "runtime/base/assert.h"

namespace ironbark::consensus {

Snapshot Core::describe(LogIndex applied) const {
    ASSERT(applied <= applied_ && applied >= forming_index);
    std::optional<Term> term = log_.term_at(applied);
    auto is_later = [applied](const MembershipAt& one) { return one.index > applied; };
    auto found = std::find_if(memberships_.begin(), memberships_.end(), is_later);
    ASSERT(term && found != memberships_.begin());
    --found;
    return {applied, *term, found->membership, found->index, 0, 0};
}

bool Core::is_sending_snapshot() const {
    return std::any_of(progress_.begin(), progress_.end(), [this](const Progress& one) {
        bool is_heard = now_ms_ - one.heard_ms() < settings_.election_timeout_ms;
        return one.state() == Progress::State::snapshot && is_heard;
    });
}

void Core::on(SnapshotMade made) {
    bool is_newest = !snapshot_ || made.snapshot.last_index > snapshot_->last_index;
    if (is_installing() || !is_newest) return ignore("the snapshot that was made is older than the one there is");
    ASSERT(made.snapshot.last_term == describe(made.snapshot.last_index).last_term);
    ASSERT(is_well_formed(made.snapshot, settings_.limits));
    snapshot_ = std::move(made.snapshot);
    compact();
    for (Progress& progress : progress_) {
        if (progress.state() == Progress::State::snapshot) begin_snapshot(progress);
    }
}

void Core::compact() {
    // Nothing before the snapshot's end is ever cut away again, so one membership before it is enough.
    while (memberships_.size() > 1 && memberships_[1].index <= snapshot_->last_index) {
        memberships_.erase(memberships_.begin());
    }
    const uint64_t trail = settings_.limits.trail_entries;
    if (snapshot_->last_index - log_.base() <= trail) return;
    log_.compact(snapshot_->last_index - trail);
    actions_.push_back(CompactLog{log_.base()});
}

// Whether this voter has everything that the snapshot stands for: then a longer log is not given up for it.
bool Core::is_held_already(const Snapshot& snapshot) {
    std::optional<Term> term = log_.term_at(snapshot.last_index);
    if (snapshot.last_index > commit_) return term == snapshot.last_term;
    if (term && term != snapshot.last_term) {
        report(ReportKind::contradicts_commit, *leader_, "the leader's snapshot denies what is committed");
        return false;
    }
    return true;
}

void Core::handle(const Message& message, const SnapshotChunk& chunk) {
    if (!follow(message)) return;
    if (is_installing()) return acknowledge();
    const Snapshot& snapshot = chunk.snapshot;
    if (is_held_already(snapshot)) {
        proven_ = std::max(proven_, snapshot.last_index);
        take_commit(snapshot.last_index);
        return acknowledge();
    }
    if (snapshot.last_index <= commit_) return;  // reported
    if (!incoming_ || !incoming_->snapshot.is_same(snapshot)) {
        if (chunk.position != 0) return send(message.from, SnapshotResponse{snapshot, 0});
        incoming_ = {snapshot, 0, 0, false};
    }
    if (incoming_->writing > 0) return;  // answered when that is written
    if (chunk.position != incoming_->position)
        return send(message.from, SnapshotResponse{snapshot, incoming_->position});
    incoming_->writing = chunk.bytes->size();
    actions_.push_back(WriteSnapshotChunk{snapshot, chunk.position, chunk.bytes});
}

void Core::on(SnapshotChunkWritten written) {
    bool is_current = incoming_ && incoming_->writing > 0 && incoming_->snapshot.is_same(written.snapshot) &&
                      written.end_position == incoming_->position + incoming_->writing;
    if (!is_current) return;
    const Snapshot& snapshot = incoming_->snapshot;
    if (snapshot.last_index <= commit_ || log_.term_at(snapshot.last_index) == snapshot.last_term) {
        return incoming_.reset();  // entries came meanwhile, and the log has everything after all
    }
    incoming_->position = written.end_position;
    incoming_->writing = 0;
    if (incoming_->position == snapshot.size_bytes) {
        incoming_->is_installing = true;
        actions_.push_back(InstallSnapshot{snapshot});
    }
    if (role_ == Role::follower && leader_) send(*leader_, SnapshotResponse{snapshot, incoming_->position});
}

void Core::on(SnapshotInstalled installed) {
    if (!is_installing() || !incoming_->snapshot.is_same(installed.snapshot)) {
        return ignore("a snapshot was installed that nobody asked for");
    }
    snapshot_ = std::move(incoming_->snapshot);
    incoming_.reset();
    const LogIndex last = snapshot_->last_index;
    ASSERT(commit_ < last && applied_ < last);
    actions_.push_back(ResetLog{log_.reset(last, snapshot_->last_term), last});
    memberships_ = {{snapshot_->membership_index, snapshot_->membership}};
    // Every leader of this term or a later one has what is committed, and this is.
    commit_ = applied_ = proven_ = last;
    acknowledge();
}

void Core::on(SnapshotRefused refused) {
    if (!is_installing() || !incoming_->snapshot.is_same(refused.snapshot)) {
        return ignore("a snapshot was refused that nobody asked for");
    }
    incoming_.reset();
    report(ReportKind::snapshot_refused, leader_.value_or(settings_.self), "the bytes are not what their name says");
}

}  // namespace ironbark::consensus
