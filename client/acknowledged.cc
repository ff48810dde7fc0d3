#include "client/acknowledged.h"

#include <algorithm>

namespace ironbark::client {

void Acknowledged::note(int32_t records, int64_t offset, Acks level, bool is_promised) {
    push({records, offset, level, is_promised});
}

void Acknowledged::push(const Range& range) {
    if (!ranges_.empty()) {
        Range& last = ranges_.back();
        bool is_behind =
            range.offset < 0 ? last.offset < 0 : last.offset >= 0 && last.offset + last.records == range.offset;
        bool is_alike = last.level == range.level && last.is_promised == range.is_promised;
        if (is_behind && is_alike && last.is_lost == range.is_lost) {
            last.records += range.records;
            return;
        }
    }
    ranges_.push_back(range);
    if (ranges_.size() <= ranges_max) return;
    forgotten_level_ = std::max(forgotten_level_, ranges_.front().level);
    forgotten_is_promised_ |= ranges_.front().is_promised;
    ranges_.pop_front();
}

LostRange Acknowledged::lose(int32_t records) {
    LostRange lost;
    lost.records = 0;
    int64_t left = records;
    while (left > 0 && !ranges_.empty()) {
        Range& last = ranges_.back();
        int64_t part = std::min(left, last.records);
        if (last.is_lost) {
            // Said before.
        } else if (last.offset >= 0) {
            int64_t end = last.offset + last.records;
            lost.first_offset = end - part;
            lost.last_offset = std::max(lost.last_offset, end - 1);
        } else {
            lost.first_offset = -1;
        }
        lost.records += last.is_lost ? 0 : part;
        lost.level = std::max(lost.level, last.level);
        lost.is_fatal |= last.is_promised;
        left -= part;
        last.records -= part;
        if (last.records == 0) ranges_.pop_back();
    }
    push({records, -1, Acks::none, false, true});
    if (left == 0) return lost;
    lost.records += left;
    lost.first_offset = -1;
    lost.level = std::max(lost.level, forgotten_level_);
    lost.is_fatal |= forgotten_is_promised_;
    return lost;
}

LostRange Acknowledged::lose_unknown() {
    LostRange lost;
    if (!ranges_.empty()) {
        const Range& last = ranges_.back();
        if (last.offset >= 0) lost.last_offset = last.offset + last.records - 1;
        lost.level = last.level;
    }
    clear();
    return lost;
}

void Acknowledged::clear() {
    ranges_.clear();
    forgotten_level_ = Acks::none;
    forgotten_is_promised_ = false;
}

}  // namespace ironbark::client
