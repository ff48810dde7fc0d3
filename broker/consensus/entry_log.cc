#include "broker/consensus/entry_log.h"

#include <algorithm>

#include "runtime/base/assert.h"

namespace ironbark::consensus {

std::optional<Term> EntryLog::term_at(LogIndex index) const {
    if (index == base_) return base_term_;
    if (index < base_ || index > last()) return std::nullopt;
    return at(index).term;
}

const Entry& EntryLog::at(LogIndex index) const {
    ASSERT(index > base_ && index <= last());
    const Entry& entry = entries_[index - base_ - 1];
    ASSERT(entry.index == index);
    return entry;
}

LogIndex EntryLog::first_of_term(LogIndex index) const {
    const Term term = at(index).term;
    auto begin = std::partition_point(entries_.begin(), entries_.end(),
                                      [term](const Entry& entry) { return entry.term < term; });
    return begin->index;
}

LogIndex EntryLog::last_up_to_term(Term term) const {
    auto end = std::partition_point(entries_.begin(), entries_.end(),
                                    [term](const Entry& entry) { return entry.term <= term; });
    return base_ + static_cast<uint64_t>(end - entries_.begin());
}

uint64_t EntryLog::bytes_behind(LogIndex index) const {
    uint64_t bytes = 0;
    for (auto entry = entries_.rbegin(); entry != entries_.rend() && entry->index > index; ++entry) {
        bytes += entry->size();
    }
    return bytes;
}

std::vector<Entry> EntryLog::slice(LogIndex first, const Limits& limits) const {
    std::vector<Entry> slice;
    uint64_t bytes = 0;
    for (LogIndex index = first; index <= last() && slice.size() < limits.append_entries_max; index = index + 1) {
        const Entry& entry = at(index);
        bytes += entry.size();
        if (!slice.empty() && bytes > limits.append_bytes_max) break;
        slice.push_back(entry);
    }
    return slice;
}

void EntryLog::push(Entry entry) {
    ASSERT(entry.index == last() + 1 && entry.term >= last_term());
    bytes_ += entry.size();
    entries_.push_back(std::move(entry));
}

WriteId EntryLog::begin_write(LogIndex durable) {
    last_write_ = WriteId(last_write_.value + 1);
    writes_.push_back({last_write_, durable});
    return last_write_;
}

WriteId EntryLog::append(std::vector<Entry> entries) {
    ASSERT(!entries.empty());
    for (Entry& entry : entries) push(std::move(entry));
    return begin_write(last());
}

WriteId EntryLog::truncate(LogIndex from) {
    ASSERT(from > base_ && from <= last());
    while (last() >= from) {
        bytes_ -= entries_.back().size();
        entries_.pop_back();
    }
    durable_ = std::min(durable_, last());
    for (Write& write : writes_) write.durable = std::min(write.durable, last());
    return begin_write(durable_);
}

void EntryLog::load(std::vector<Entry> entries) {
    ASSERT(writes_.empty());
    for (Entry& entry : entries) push(std::move(entry));
    durable_ = last();
}

bool EntryLog::persisted(WriteId write) {
    bool is_known = false;
    if (write > last_write_) return false;
    while (!writes_.empty() && writes_.front().id <= write) {
        durable_ = std::max(durable_, writes_.front().durable);
        writes_.pop_front();
        is_known = true;
    }
    ASSERT(durable_ <= last());
    return is_known;
}

void EntryLog::compact(LogIndex up_to) {
    ASSERT(up_to >= base_ && up_to <= durable_);
    while (base_ < up_to) {
        base_ = base_ + 1;
        base_term_ = entries_.front().term;
        bytes_ -= entries_.front().size();
        entries_.pop_front();
    }
}

WriteId EntryLog::reset(LogIndex base, Term base_term) {
    entries_.clear();
    writes_.clear();
    bytes_ = 0;
    base_ = base;
    base_term_ = base_term;
    durable_ = base;
    return begin_write(base);
}

}  // namespace ironbark::consensus
