#include "client/send_window.h"

#include <algorithm>

namespace ironbark::client {
namespace {

using State = SendWindow::State;

bool is_resolved(const SendWindow::Entry& entry) {
    return entry.state == State::written || entry.state == State::failed;
}

bool is_numbered(const SendWindow::Entry& entry) {
    return entry.sequence.id.value >= 0;
}

// Whether the broker expected another sequence number. Of a producer without any batch yet it expects 0, and says so in
// its own way.
bool is_unexpected(ErrorCode code) {
    return code == ErrorCode::out_of_order_sequence || code == ErrorCode::unknown_producer_id;
}

// The sequence number `count` records after `sequence`: they wrap from 2^31-1 to 0.
int32_t sequence_after(int32_t sequence, int32_t count) {
    return static_cast<int32_t>((int64_t{sequence} + count) & 0x7fffffff);
}

// How many records stand between two sequence numbers, on the circle.
int32_t records_between(int32_t from, int32_t to) {
    return static_cast<int32_t>((static_cast<uint32_t>(to) - static_cast<uint32_t>(from)) & 0x7fffffff);
}

// Whether a sequence number that is expected instead of this one lies before it.
bool is_gap(int32_t expected, int32_t sequence) {
    int32_t records = records_between(expected, sequence);
    return expected >= 0 && records > 0 && records < 0x40000000;
}

bool is_isr_level(Acks level) {
    return level == Acks::isr || level == Acks::isr_durable;
}

// Whether nothing that the level is to survive can take the record. In the memory of one broker alone, being in that of
// every in-sync replica promises nothing.
bool is_promised(const Written& receipt) {
    return receipt.level == Acks::isr_durable || (receipt.level == Acks::isr && receipt.replicas.size() > 1);
}

}  // namespace

SendWindow::SendWindow(bool is_idempotent, size_t unresolved_max)
    : is_idempotent_(is_idempotent), unresolved_max_(unresolved_max) {}

bool SendWindow::has_room() const {
    if (is_blocked() || entries_.size() >= unresolved_max_) return false;
    if (is_idempotent_ && !identity_.is_known()) return false;
    // While something waits to be repeated, what comes after it would wait here too, and grow no more.
    return std::none_of(entries_.begin(), entries_.end(), [](const std::unique_ptr<Entry>& entry) {
        bool is_to_be_repeated = entry->state == State::waiting && entry->attempts > 0;
        return is_to_be_repeated || (entry->state == State::failed && is_numbered(*entry));
    });
}

SendWindow::Entry& SendWindow::admit(std::unique_ptr<PendingBatch> batch, Instant deadline) {
    ASSERT(has_room());
    auto entry = std::make_unique<Entry>();
    entry->batch = std::move(batch);
    entry->deadline = deadline;
    entry->sequence = next_sequence_of(*entry);
    entries_.push_back(std::move(entry));
    return *entries_.back();
}

record::ProducerSequence SendWindow::next_sequence_of(const Entry& entry) {
    if (!is_idempotent_) return {};
    record::ProducerSequence sequence{identity_.id, identity_.epoch, next_sequence_};
    next_sequence_ = sequence_after(next_sequence_, entry.records());
    return sequence;
}

SendWindow::Entry* SendWindow::next_to_send(Instant now) {
    if (is_blocked()) return nullptr;
    for (const std::unique_ptr<Entry>& entry : entries_) {
        // What follows a failed batch would be out of order; it is renumbered first.
        if (entry->state == State::failed && is_numbered(*entry)) return nullptr;
        if (entry->state != State::waiting) continue;
        if (entry->not_before > now) return nullptr;
        if (entry->waits_for_others && !is_first_unresolved(*entry)) return nullptr;
        return entry.get();
    }
    return nullptr;
}

bool SendWindow::is_first_unresolved(const Entry& entry) const {
    for (const std::unique_ptr<Entry>& other : entries_) {
        if (other.get() == &entry) return true;
        if (!is_resolved(*other)) return false;
    }
    UNREACHABLE();
}

void SendWindow::begin_attempt(Entry& entry) {
    ASSERT(entry.state == State::waiting && entry.is_sealed);
    entry.state = State::in_flight;
    entry.was_first = is_first_unresolved(entry);
    entry.waits_for_others = false;
    ++entry.attempts;
    ++in_flight_;
}

void SendWindow::succeeded(Entry& entry, Written receipt) {
    ASSERT(entry.state == State::in_flight);
    --in_flight_;
    entry.state = State::written;
    entry.receipt = std::move(receipt);
    if (entry.gap_from >= 0 && entry.receipt.gap_from >= 0) {
        LostRange lost = acknowledged_.lose(records_between(entry.receipt.gap_from, entry.sequence.base_sequence));
        lost.is_final = is_isr_level(entry.receipt.level);
        report(lost);
    }
    for (const std::unique_ptr<Entry>& other : entries_) {
        if (other.get() == &entry) break;
        if (other->state == State::failed) fail(*other, other->failure);
    }
    settle();
}

void SendWindow::refused(Entry& entry, Refusal refusal, Instant repeat_at) {
    ASSERT(entry.state == State::in_flight);
    --in_flight_;
    ErrorCode code = refusal.failure.code;
    Outcome outcome = refusal.failure.outcome;
    bool is_about_sequence = is_idempotent_ && outcome == Outcome::not_written;
    if (outcome == Outcome::unknown) entry.may_be_written = true;
    entry.failure = refusal.failure;
    if (outcome == Outcome::written) {
        // An earlier attempt was; where, nobody remembers.
        entry.state = State::written;
        entry.receipt.duplicate = true;
    } else if (is_about_sequence && is_unexpected(code) && !entry.was_first) {
        // Something before it has not arrived yet.
        entry.waits_for_others = true;
        repeat(entry, Instant{});
    } else if (is_about_sequence && is_unexpected(code)) {
        // Everything before it had been resolved when it was sent: the broker has lost some of it, or has forgotten us.
        refused_as_unexpected(entry, std::move(refusal), repeat_at);
    } else if (is_about_sequence && code == ErrorCode::invalid_producer_epoch) {
        must_change_id_ = true;
        raise_epoch(entry, repeat_at);
    } else if (refusal.may_be_repeated && (is_idempotent_ || !entry.may_be_written)) {
        repeat(entry, repeat_at);
    } else {
        fail(entry, std::move(refusal.failure));
    }
    settle();
}

void SendWindow::refused_as_unexpected(Entry& entry, Refusal refusal, Instant repeat_at) {
    const int32_t sequence = entry.sequence.base_sequence;
    if (is_gap(refusal.expected, sequence)) return found_gap(entry, refusal.expected, repeat_at);
    if (refusal.expected == sequence) {
        // What was missing is there: another broker has it.
        entry.gap_from = -1;
        return repeat(entry, repeat_at);
    }
    bool is_out_of_order = refusal.failure.code == ErrorCode::out_of_order_sequence;
    if (is_out_of_order && refusal.expected < 0) loss_ = acknowledged_.lose_unknown();
    // State is forgotten when it is old, or when it is too much. What was acknowledged may still be there.
    if (!is_out_of_order && !refusal.may_have_expired && !acknowledged_.is_empty()) {
        LostRange lost = acknowledged_.lose(sequence);
        lost.is_fatal = false;
        report(lost);
    }
    if (is_out_of_order || !refusal.may_have_expired) doubt_written(refusal.failure);
    raise_epoch(entry, repeat_at);
}

// What was acknowledged behind it before the broker forgot us, and is not handed out: it may be lost with the rest.
void SendWindow::doubt_written(const Failure& why) {
    for (const std::unique_ptr<Entry>& entry : entries_) {
        if (entry->state != State::written) continue;
        Failure failure = why;
        failure.outcome = Outcome::unknown;
        failure.hint = "it was acknowledged, and may be lost since: " + failure.hint;
        end_as_failed(*entry, std::move(failure));
    }
}

void SendWindow::found_gap(Entry& entry, int32_t expected, Instant repeat_at) {
    Acknowledged all = acknowledged_;
    LostRange lost = all.lose(records_between(expected, entry.sequence.base_sequence));
    if (!lost.is_fatal) {
        repeat(entry, expected == entry.gap_from ? repeat_at : Instant{});
        entry.gap_from = expected;
        return;
    }
    acknowledged_ = std::move(all);
    loss_ = lost;
    Failure failure = not_done(ErrorCode::out_of_order_sequence,
                               std::string("records before it that were acknowledged at level ") + name(lost.level) +
                                   " are not in the log any more: a promise is broken. This producer writes nothing "
                                   "more to the partition; look into the brokers before another one does");
    doubt_written(failure);
    end_as_failed(entry, std::move(failure));
}

void SendWindow::report(LostRange lost) {
    if (lost.records != 0) loss_ = lost;
}

void SendWindow::raise_epoch(Entry& entry, Instant repeat_at) {
    must_raise_epoch_ = true;
    repeat(entry, repeat_at);
}

void SendWindow::repeat(Entry& entry, Instant at) {
    entry.state = State::waiting;
    entry.not_before = at;
}

// Unless what stands behind it proves that it was written.
void SendWindow::fail(Entry& entry, Failure failure) {
    const Entry* proof = acknowledged_behind(entry);
    if (proof == nullptr) return end_as_failed(entry, std::move(failure));
    entry.state = State::written;
    entry.receipt = Written();
    entry.receipt.level = proof->receipt.level;
    entry.receipt.replicas = proof->receipt.replicas;
    entry.receipt.duplicate = true;
}

const SendWindow::Entry* SendWindow::acknowledged_behind(const Entry& entry) const {
    const Entry* found = nullptr;
    if (!is_numbered(entry)) return found;
    for (size_t index = entries_.size(); index > 0 && entries_[index - 1].get() != &entry; --index) {
        const Entry& other = *entries_[index - 1];
        const bool is_answered = other.receipt.level != Acks::none || other.receipt.duplicate;
        if (other.state == State::written && is_numbered(other) && is_answered) found = &other;
    }
    return found;
}

void SendWindow::end_as_failed(Entry& entry, Failure failure) {
    if (failure.outcome == Outcome::unknown) entry.may_be_written = true;
    // "Not written" is passed on only if no earlier attempt may have done it.
    if (entry.may_be_written) failure.outcome = Outcome::unknown;
    entry.state = State::failed;
    entry.failure = std::move(failure);
}

void SendWindow::expire(Instant now) {
    for (const std::unique_ptr<Entry>& entry : entries_) {
        if (entry->state != State::waiting || entry->deadline > now) continue;
        std::string hint = "not acknowledged within 'delivery.timeout.ms'";
        if (entry->attempts > 0) hint += "; the last attempt: " + entry->failure.to_string();
        fail(*entry, not_done(ErrorCode::timed_out, std::move(hint)));
    }
    settle();
}

void SendWindow::give_up(const Failure& reason) {
    for (const std::unique_ptr<Entry>& entry : entries_) {
        if (entry->state == State::waiting) fail(*entry, reason);
    }
    settle();
}

void SendWindow::hasten() {
    for (const std::unique_ptr<Entry>& entry : entries_) entry->not_before = {};
}

Instant SendWindow::next_time(Instant now) const {
    Instant next = never;
    bool is_first_waiting = true;
    for (const std::unique_ptr<Entry>& entry : entries_) {
        if (entry->state != State::waiting) continue;
        next = std::min(next, entry->deadline);
        // A pause that is over ends nothing more: the batch waits for its turn on the connection, or for a leader.
        if (is_first_waiting && !is_blocked() && entry->not_before > now) next = std::min(next, entry->not_before);
        is_first_waiting = false;
    }
    return next;
}

std::unique_ptr<SendWindow::Entry> SendWindow::pop_resolved() {
    if (entries_.empty() || !is_resolved(*entries_.front())) return nullptr;
    std::unique_ptr<Entry> entry = std::move(entries_.front());
    entries_.pop_front();
    if (entry->state == State::written && is_numbered(*entry)) {
        const Written& receipt = entry->receipt;
        acknowledged_.note(entry->records(), receipt.base_offset, receipt.level, is_promised(receipt));
    }
    if (entry->state == State::failed && is_numbered(*entry)) {
        if (entry->failure.outcome != Outcome::not_written) {
            must_raise_epoch_ = true;
        } else if (!has_hole_) {
            has_hole_ = true;
            hole_ = entry->sequence.base_sequence;
        }
    }
    settle();
    return entry;
}

// Closes a hole, as soon as nothing is in flight that knows the old numbers.
void SendWindow::settle() {
    if (!has_hole_ || must_raise_epoch_ || in_flight_ > 0) return;
    for (const std::unique_ptr<Entry>& entry : entries_) {
        if (entry->may_be_written || entry->state == State::written) must_raise_epoch_ = true;
    }
    if (must_raise_epoch_) return;
    has_hole_ = false;
    renumber(hole_);
}

void SendWindow::renumber(int32_t sequence) {
    next_sequence_ = sequence;
    for (const std::unique_ptr<Entry>& entry : entries_) {
        bool is_passed_over = is_resolved(*entry);
        entry->sequence = is_passed_over ? record::ProducerSequence{} : next_sequence_of(*entry);
        entry->is_sealed = false;
        entry->waits_for_others = false;
        entry->gap_from = -1;
    }
}

bool SendWindow::needs_identity() const {
    if (!is_idempotent_) return false;
    return !identity_.is_known() || (must_raise_epoch_ && in_flight_ == 0);
}

void SendWindow::set_identity(const ProducerIdentity& identity) {
    ASSERT(needs_identity() && identity.is_known() && !(identity == identity_));
    for (const std::unique_ptr<Entry>& entry : entries_) {
        if (entry->state != State::waiting || !entry->may_be_written) continue;
        Failure failure = entry->failure;
        failure.outcome = Outcome::unknown;
        failure.hint =
            "it may have been written, and cannot be repeated safely: the producer began a new epoch; " + failure.hint;
        fail(*entry, std::move(failure));
    }
    identity_ = identity;
    has_hole_ = must_raise_epoch_ = must_change_id_ = false;
    acknowledged_.clear();
    renumber(0);
}

}  // namespace ironbark::client
