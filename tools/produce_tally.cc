#include "tools/produce_tally.h"

#include <algorithm>

namespace ironbark::tools {

bool is_of_the_record(ErrorCode code) {
    return code == ErrorCode::message_too_large || code == ErrorCode::invalid_record ||
           code == ErrorCode::invalid_timestamp;
}

void ProduceTally::note_answer(uint64_t line, const Expected<Receipt>& answer) {
    if (!answer) {
        note_failure(line, answer.error());
        return;
    }
    const bool is_acknowledged = answer->level != Acks::none || answer->duplicate || answer->offset >= 0;
    (is_acknowledged ? written_ : unacknowledged_).fetch_add(1, std::memory_order_relaxed);
    if (newest_ == nullptr || newest_partition_ != answer->partition) {
        newest_partition_ = answer->partition;
        newest_ = &partitions_[answer->partition];
    }
    ++newest_->records;
    if (answer->offset < 0) return;
    if (newest_->first < 0 || answer->offset < newest_->first) newest_->first = answer->offset;
    newest_->last = std::max(newest_->last, answer->offset);
}

void ProduceTally::note_refusal(uint64_t line, const Failure& failure) {
    Failure refusal = failure;
    refusal.outcome = Outcome::not_written;
    note_failure(line, refusal);
}

void ProduceTally::note_failure(uint64_t line, const Failure& failure) {
    if (failure.outcome == Outcome::written) {
        written_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    (failure.outcome == Outcome::unknown ? unknown_ : not_written_).fetch_add(1, std::memory_order_relaxed);
    if (!is_of_the_record(failure.code)) stop_.store(true, std::memory_order_relaxed);
    std::lock_guard lock(mutex_);
    auto same = std::find_if(failures_.begin(), failures_.end(), [&](const FailureKind& kind) {
        return kind.failure.code == failure.code && kind.failure.outcome == failure.outcome &&
               kind.failure.hint == failure.hint;
    });
    if (same != failures_.end()) {
        ++same->records;
        same->first_line = std::min(same->first_line, line);
    } else if (failures_.size() < kinds_max) {
        failures_.push_back({line, 1, failure});
    }
    if (first_failed_line_ == 0 || line < first_failed_line_) first_failed_line_ = line;
}

void ProduceTally::note_loss(const Loss& loss) {
    std::lock_guard lock(mutex_);
    losses_.push_back(loss);
}

}  // namespace ironbark::tools
