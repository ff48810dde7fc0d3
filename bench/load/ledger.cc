#include "bench/load/ledger.h"

#include <algorithm>
#include <cstring>

namespace ironbark::bench {

size_t Ledger::count(Fate fate) const {
    return static_cast<size_t>(
        std::count_if(entries_.begin(), entries_.end(), [fate](const Entry& entry) { return entry.fate == fate; }));
}

std::vector<Nanoseconds> Ledger::acknowledgements(size_t partition) const {
    std::vector<Nanoseconds> times;
    for (size_t number = partition; number < entries_.size(); number += partitions_) {
        if (entries_[number].fate == Fate::acknowledged) times.push_back(entries_[number].resolved);
    }
    std::sort(times.begin(), times.end());
    return times;
}

std::optional<Nanoseconds> Ledger::first_later(size_t partition, Nanoseconds since, int32_t epoch) const {
    std::optional<Nanoseconds> first;
    for (size_t number = partition; number < entries_.size(); number += partitions_) {
        const Entry& entry = entries_[number];
        const bool is_later = entry.fate == Fate::acknowledged && entry.resolved > since && entry.leader_epoch > epoch;
        if (is_later && (!first || entry.resolved < *first)) first = entry.resolved;
    }
    return first;
}

Verifier::Verifier(const Ledger& ledger, size_t record_size)
    : ledger_(ledger), pattern_(record_size), seen_(ledger.records()), positions_(ledger.partitions()) {}

std::optional<size_t> Verifier::number_in(size_t partition, std::optional<std::string_view> value) const {
    uint64_t number = 0;
    if (!value || value->size() < sizeof number) return std::nullopt;
    std::memcpy(&number, value->data(), sizeof number);
    if (number >= ledger_.records() || ledger_.partition_of(number) != partition) return std::nullopt;
    return number;
}

void Verifier::take(size_t partition, int64_t offset, std::optional<std::string_view> value) {
    ++findings_.read;
    Position& position = positions_[partition];
    const bool goes_on = offset > position.offset;
    position.offset = std::max(position.offset, offset);
    const std::optional<size_t> number = number_in(partition, value);
    if (!number || !pattern_.is_record(*value, static_cast<int64_t>(*number))) {
        ++findings_.altered;
        if (number) seen_[*number] = true;  // one finding a record: it is not missing, too
        return;
    }
    if (seen_[*number]) {
        ++findings_.duplicated;
        return;
    }
    seen_[*number] = true;
    const Entry& entry = ledger_.entry(*number);
    const bool is_elsewhere = entry.fate == Fate::acknowledged && entry.offset >= 0 && entry.offset != offset;
    const bool is_late = static_cast<int64_t>(*number) < position.number;
    position.number = std::max(position.number, static_cast<int64_t>(*number));
    if (is_elsewhere || is_late || !goes_on) ++findings_.reordered;
    if (entry.fate == Fate::acknowledged) ++findings_.confirmed;
    if (entry.fate == Fate::refused) ++findings_.contradicted;
}

Findings Verifier::finish() const {
    Findings findings = findings_;
    for (size_t number = 0; number < ledger_.records(); ++number) {
        if (ledger_.entry(number).fate == Fate::acknowledged && !seen_[number]) ++findings.missing;
    }
    return findings;
}

}  // namespace ironbark::bench
