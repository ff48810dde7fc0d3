#include "broker/voter/stored_log.h"

namespace ironbark::consensus {
namespace {

Error corrupt(const char* text) {
    return {ErrorCode::corrupt_data, text};
}

}  // namespace

Result<void> StoredLog::apply(const StoredRecord& record) {
    if (!voter_ && !std::holds_alternative<StoredVoter>(record)) return corrupt("it does not begin with its voter");
    return std::visit([this](const auto& body) { return take(body); }, record);
}

Result<void> StoredLog::take(const StoredVoter& voter) {
    if (voter_) return corrupt("it names its voter twice");
    voter_ = voter;
    return {};
}

Result<void> StoredLog::take(const StoredTerm& term) {
    if (term_) {
        if (term.cluster != term_->cluster) return corrupt("its terms are of two clusters");
        if (term.term < term_->term) return corrupt("a term in it is lower than the one before");
        bool is_changed = term.term == term_->term && term_->vote && term.vote != term_->vote;
        if (is_changed) return corrupt("it has two votes in one term");
    }
    term_ = term;
    return {};
}

Result<void> StoredLog::take(const Entry& entry) {
    if (entry.index != last() + 1) return corrupt("its entries do not join");
    if (!entries_.empty() && entry.term < entries_.back().term) return corrupt("the terms of its entries fall");
    // The first entry of all says who votes; without it the others have no meaning.
    if (entry.index == forming_index && entry.kind != EntryKind::membership) return corrupt("its first entry is none");
    bytes_ += encoded_size(entry);
    entries_.push_back(entry);
    return {};
}

Result<void> StoredLog::take(const StoredTruncation& truncation) {
    if (truncation.from <= base_ || truncation.from > last())
        return corrupt("it cuts off entries that it does not have");
    while (last() >= truncation.from) {
        bytes_ -= encoded_size(entries_.back());
        entries_.pop_back();
    }
    return {};
}

Result<void> StoredLog::take(const StoredReset& reset) {
    if (reset.base < base_) return corrupt("it goes back behind a snapshot");
    entries_.clear();
    bytes_ = 0;
    base_ = reset.base;
    return {};
}

void StoredLog::forget(LogIndex up_to) {
    while (base_ < up_to && !entries_.empty()) {
        bytes_ -= encoded_size(entries_.front());
        entries_.pop_front();
        base_ = base_ + 1;
    }
}

std::optional<Term> StoredLog::term_at(LogIndex index) const {
    if (index <= base_ || index > last()) return std::nullopt;
    return entries_[index - base_ - 1].term;
}

uint64_t StoredLog::bytes_up_to(LogIndex index) const {
    uint64_t bytes = 0;
    for (auto entry = entries_.begin(); entry != entries_.end() && entry->index <= index; ++entry) {
        bytes += encoded_size(*entry);
    }
    return bytes;
}

std::vector<std::vector<uint8_t>> StoredLog::records() const {
    std::vector<std::vector<uint8_t>> records;
    records.reserve(entries_.size() + 3);
    if (voter_) records.push_back(encode(*voter_));
    if (term_) records.push_back(encode(*term_));
    if (base_ > LogIndex()) records.push_back(encode(StoredReset{base_}));
    for (const Entry& entry : entries_) records.push_back(encode(entry));
    return records;
}

}  // namespace ironbark::consensus
