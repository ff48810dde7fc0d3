#include "bench/load/sightings.h"

#include <functional>

namespace ironbark::bench {

namespace {

uint64_t checksum_of(std::optional<std::string_view> value) {
    return value ? std::hash<std::string_view>()(*value) : 0;
}

}  // namespace

void Sightings::take(size_t partition, int64_t offset, std::optional<std::string_view> value) {
    ++found_.seen;
    if (offset < next(partition)) {
        ++found_.repeated;
        return;
    }
    seen_[partition].push_back({offset, checksum_of(value)});
}

void Sightings::cut(size_t partition, int64_t from) {
    std::vector<Sighting>& seen = seen_[partition];
    while (!seen.empty() && seen.back().offset >= from) {
        seen.pop_back();
        ++found_.taken_back;
    }
}

void Sightings::compare(size_t partition, int64_t offset, std::optional<std::string_view> value) {
    const std::vector<Sighting>& seen = seen_[partition];
    size_t& at = compared_[partition];
    for (; at < seen.size() && seen[at].offset < offset; ++at) ++found_.taken_back;
    if (at == seen.size() || seen[at].offset != offset) return;  // nobody had seen it
    if (seen[at].checksum != checksum_of(value)) ++found_.taken_back;
    ++at;
}

SightingsFound Sightings::finish() const {
    SightingsFound found = found_;
    for (size_t partition = 0; partition < seen_.size(); ++partition) {
        found.taken_back += seen_[partition].size() - compared_[partition];
    }
    return found;
}

int64_t Sightings::next(size_t partition) const {
    return seen_[partition].empty() ? 0 : seen_[partition].back().offset + 1;
}

}  // namespace ironbark::bench
