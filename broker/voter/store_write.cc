// The journal of a voter is written by one loop, one commit at a time; so a rewrite has nothing beside it. While the
// disk is full, terms and votes pass the log: the two streams do not wait for each other.
#include <algorithm>
#include <utility>

#include "broker/voter/store.h"

namespace ironbark::consensus {

void Store::enqueue(Write write) {
    if (has_failed_ || is_closing_) return;
    for (const StoredRecord& record : write.records) {
        Result<void> applied = log_.apply(record);
        ASSERT(applied.ok());
        write.size += encoded_size(record);
    }
    queue_.push_back(std::move(write));
    work_.set();
}

Task<void> Store::write_loop() {
    while (!has_failed_) {
        writing_since_ = now();
        Result<void> done = co_await do_what_is_due();
        writing_since_ = never;
        if (!done.ok()) co_return fail(done.error());
        if (has_work()) continue;
        if (is_closing_ && journal_->owes_copy()) {
            copy_due_ = now();
            continue;
        }
        if (is_closing_) co_return;
        work_.reset();
        co_await work_.wait(next_deadline());
    }
}

Task<Result<void>> Store::do_what_is_due() {
    if (is_rewrite_due()) co_return co_await rewrite();
    std::deque<Write> batch = next_batch();
    if (!batch.empty()) co_return co_await commit(std::move(batch));
    if (journal_->owes_copy() && now() >= copy_due_) co_return co_await journal_->write_copy();
    co_return Result<void>();
}

bool Store::may_write(const Write& write) const {
    return now() >= (write.stream == Stream::term ? term_retry_ : log_retry_);
}

bool Store::is_rewrite_due() const {
    const uint64_t live = 2 * log_.bytes();  // every commit is there twice
    const uint64_t limit =
        std::max(settings_.journal_rewrite_bytes, std::min(4 * live, live + journal_garbage_bytes_max));
    return journal_->size() > limit && now() >= rewrite_retry_;
}

bool Store::has_work() const {
    bool has_writable = std::any_of(queue_.begin(), queue_.end(), [this](const Write& one) { return may_write(one); });
    return is_rewrite_due() || has_writable;
}

// Something was written: is anything left that waits for room?
void Store::note_room() {
    bool is_waiting = std::any_of(queue_.begin(), queue_.end(), [this](const Write& one) { return !may_write(one); });
    if (!is_waiting) note(&is_log_full_, false, "there is room again; the log goes on");
}

Instant Store::next_deadline() const {
    Instant deadline = never;
    if (journal_->owes_copy()) deadline = copy_due_;
    for (const Write& write : queue_) {
        deadline = std::min(deadline, write.stream == Stream::term ? term_retry_ : log_retry_);
    }
    if (rewrite_retry_ > now()) deadline = std::min(deadline, rewrite_retry_);
    return deadline;
}

// In order within each stream, of those that do not wait for room.
std::deque<Store::Write> Store::next_batch() {
    std::deque<Write> batch;
    std::deque<Write> rest;
    uint64_t size = 0;
    bool is_complete = false;
    for (Write& write : queue_) {
        is_complete = is_complete || (!batch.empty() && size + write.size > commit_bytes_max);
        bool is_taken = !is_complete && may_write(write);
        if (is_taken) size += write.size;
        (is_taken ? batch : rest).push_back(std::move(write));
    }
    queue_ = std::move(rest);
    return batch;
}

Task<Result<void>> Store::commit(std::deque<Write> batch) {
    for (const Write& write : batch) {
        for (const StoredRecord& record : write.records) journal_->append(encode(record));
    }
    bool has_log =
        std::any_of(batch.begin(), batch.end(), [](const Write& write) { return write.stream == Stream::log; });
    Result<void> committed = co_await journal_->commit(has_log ? term_reserve_bytes : 0);
    if (has_failed_) co_return Result<void>();  // elsewhere, meanwhile
    if (!committed.ok() && committed.error().code != ErrorCode::storage_full) co_return committed;
    if (!committed.ok()) {
        (void)journal_->take_queued();
        queue_.insert(queue_.begin(), std::make_move_iterator(batch.begin()), std::make_move_iterator(batch.end()));
        (has_log ? log_retry_ : term_retry_) = now() + full_retry_interval;
        note(&is_log_full_, true, "no room on the disk. Terms and votes have a reserve, the log waits. Make room");
        co_return Result<void>();
    }
    ++commits_;
    copy_due_ = now() + copy_delay;
    note_room();
    for (const Write& write : batch) report(write.event);
    co_return Result<void>();
}

// A new file with what is live, everything in the queue included. What comes meanwhile stands behind that.
Task<Result<void>> Store::rewrite() {
    const size_t covered = queue_.size();
    Result<void> rewritten = co_await journal_->rewrite(log_.records());
    if (has_failed_) co_return Result<void>();  // elsewhere, meanwhile, and the queue is gone
    if (!rewritten.ok() && rewritten.error().code == ErrorCode::storage_full) {
        rewrite_retry_ = now() + full_retry_interval;
        co_return Result<void>();
    }
    CO_TRY_VOID(rewritten);
    ++commits_;
    log_retry_ = term_retry_ = now();
    note_room();
    const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(covered);
    std::deque<Write> done(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
    queue_.erase(queue_.begin(), end);
    for (const Write& write : done) report(write.event);
    co_return Result<void>();
}

}  // namespace ironbark::consensus
