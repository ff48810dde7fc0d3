#include "tests/simulation/file_image.h"

#include <algorithm>
#include <utility>

#include "runtime/base/assert.h"

namespace ironbark::simulation {
namespace {

// Versions of a page, and sizes of a file, that are remembered. Beyond it the oldest counts as written back, which the
// system may do at any time.
constexpr size_t unsynced_versions_max = 8;

}  // namespace

const FileImage::ContentRef& FileImage::Page::visible() const {
    if (!unsynced.empty()) return unsynced.back().content;
    return has_forgotten ? forgotten : durable;
}

void FileImage::Page::push(Sequence sequence, ContentRef content) {
    if (unsynced.size() == unsynced_versions_max) {
        durable = unsynced.front().content;
        unsynced.erase(unsynced.begin());
    }
    unsynced.push_back(Version{sequence, std::move(content)});
    has_forgotten = false;
    forgotten.reset();
}

void FileImage::Page::sync(Sequence covered) {
    size_t count = 0;
    while (count < unsynced.size() && unsynced[count].sequence <= covered) durable = unsynced[count++].content;
    unsynced.erase(unsynced.begin(), unsynced.begin() + static_cast<std::ptrdiff_t>(count));
}

void FileImage::Page::fail_sync(Sequence covered) {
    ContentRef before = visible();
    size_t count = 0;
    while (count < unsynced.size() && unsynced[count].sequence <= covered) ++count;
    if (count == 0) return;
    unsynced.erase(unsynced.begin(), unsynced.begin() + static_cast<std::ptrdiff_t>(count));
    if (unsynced.empty()) {
        forgotten = std::move(before);
        has_forgotten = true;
    }
}

uint64_t FileImage::size(View view) const {
    return view == View::durable || unsynced_sizes_.empty() ? durable_size_ : unsynced_sizes_.back().bytes;
}

std::vector<uint8_t> FileImage::read(View view, uint64_t position, uint64_t length) const {
    uint64_t file_size = size(view);
    if (position >= file_size) return {};
    std::vector<uint8_t> bytes(std::min(length, file_size - position));
    for (uint64_t index = position / page_size; index < end_page(position, bytes.size()); ++index) {
        auto found = pages_.find(index);
        if (found == pages_.end()) continue;
        const ContentRef& content = view == View::durable ? found->second.durable : found->second.visible();
        if (content == nullptr) continue;
        uint64_t begin = std::max(position, index * page_size);
        uint64_t end = std::min(position + bytes.size(), (index + 1) * page_size);
        std::copy_n(content->begin() + static_cast<std::ptrdiff_t>(begin % page_size), end - begin,
                    bytes.begin() + static_cast<std::ptrdiff_t>(begin - position));
    }
    return bytes;
}

bool FileImage::is_unreadable(uint64_t position, uint64_t length) const {
    auto found = unreadable_.lower_bound(position / page_size);
    return found != unreadable_.end() && *found < end_page(position, length);
}

void FileImage::write(uint64_t position, Bytes bytes, Sequence sequence) {
    if (bytes.empty()) return;
    if (position + bytes.size() > size(View::visible)) push_size(position + bytes.size(), sequence);
    for (uint64_t index = position / page_size; index < end_page(position, bytes.size()); ++index) {
        Page& page = pages_[index];
        uint64_t begin = std::max(position, index * page_size);
        uint64_t end = std::min(position + bytes.size(), (index + 1) * page_size);
        std::shared_ptr<Content> content = copy_of(page.visible());
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(begin - position), end - begin,
                    content->begin() + static_cast<std::ptrdiff_t>(begin % page_size));
        page.push(sequence, std::move(content));
        unreadable_.erase(index);
    }
}

std::shared_ptr<FileImage::Content> FileImage::copy_of(const ContentRef& content) {
    return content == nullptr ? std::make_shared<Content>() : std::make_shared<Content>(*content);
}

FileImage::ContentRef FileImage::with_zeros_from(const ContentRef& content, size_t position) {
    if (content == nullptr || position == 0) return nullptr;
    auto cut = std::make_shared<Content>(*content);
    std::fill(cut->begin() + static_cast<std::ptrdiff_t>(position), cut->end(), uint8_t{0});
    return cut;
}

void FileImage::resize(uint64_t new_size, Sequence sequence) {
    push_size(new_size, sequence);
    for (auto page = pages_.lower_bound(new_size / page_size); page != pages_.end(); ++page) {
        if (page->second.visible() == nullptr) continue;
        size_t kept = page->first == new_size / page_size ? new_size % page_size : 0;
        page->second.push(sequence, with_zeros_from(page->second.visible(), kept));
    }
    unreadable_.erase(unreadable_.lower_bound((new_size + page_size - 1) / page_size), unreadable_.end());
}

void FileImage::push_size(uint64_t bytes, Sequence sequence) {
    if (unsynced_sizes_.size() == unsynced_versions_max) {
        durable_size_ = unsynced_sizes_.front().bytes;
        unsynced_sizes_.erase(unsynced_sizes_.begin());
    }
    unsynced_sizes_.push_back(Size{sequence, bytes});
}

void FileImage::sync(Sequence covered) {
    for (auto& [index, page] : pages_) page.sync(covered);
    size_t count = 0;
    while (count < unsynced_sizes_.size() && unsynced_sizes_[count].sequence <= covered) {
        durable_size_ = unsynced_sizes_[count++].bytes;
    }
    unsynced_sizes_.erase(unsynced_sizes_.begin(), unsynced_sizes_.begin() + static_cast<std::ptrdiff_t>(count));
}

void FileImage::sync_range(uint64_t position, uint64_t length) {
    for (uint64_t index = position / page_size; index < end_page(position, length); ++index) {
        pages_[index].sync(~Sequence{0});
    }
    uint64_t end = position + length;
    durable_size_ = std::max(durable_size_, end);
    for (Size& candidate : unsynced_sizes_) candidate.bytes = std::max(candidate.bytes, end);
}

void FileImage::fail_sync(Sequence covered) {
    for (auto& [index, page] : pages_) page.fail_sync(covered);
}

void FileImage::fail_sync_range(uint64_t position, uint64_t length) {
    for (uint64_t index = position / page_size; index < end_page(position, length); ++index) {
        pages_[index].fail_sync(~Sequence{0});
    }
}

void FileImage::evict() {
    for (auto& [index, page] : pages_) {
        page.has_forgotten = false;
        page.forgotten.reset();
    }
}

FileImage::ContentRef FileImage::torn(const ContentRef& before,
                                      const ContentRef& after,
                                      Tearing tearing,
                                      RandomStream& random) {
    static const Content zeros{};
    const Content& old_bytes = before == nullptr ? zeros : *before;
    const Content& new_bytes = after == nullptr ? zeros : *after;
    auto content = std::make_shared<Content>(old_bytes);
    uint64_t sectors_written = random.next();  // one bit for each of the eight
    for (size_t begin = 0; begin < page_size; begin += sector_size) {
        if ((sectors_written >> (begin / sector_size) & 1) == 0) continue;
        std::copy_n(new_bytes.begin() + static_cast<std::ptrdiff_t>(begin), sector_size,
                    content->begin() + static_cast<std::ptrdiff_t>(begin));
    }
    size_t sector = random.below(page_size / sector_size) * sector_size;
    size_t cut = random.below(sector_size);
    if (tearing.sectors) {
        std::copy_n(new_bytes.begin() + static_cast<std::ptrdiff_t>(sector), cut,
                    content->begin() + static_cast<std::ptrdiff_t>(sector));
        std::copy_n(old_bytes.begin() + static_cast<std::ptrdiff_t>(sector + cut), sector_size - cut,
                    content->begin() + static_cast<std::ptrdiff_t>(sector + cut));
    }
    return content;
}

FileImage::ContentRef FileImage::survivor(const Page& page, Tearing tearing, RandomStream& random) {
    auto version = [&page](uint64_t index) { return index == 0 ? page.durable : page.unsynced[index - 1].content; };
    uint64_t after = random.below(page.unsynced.size() + 1);
    bool is_torn = random.chance(one_in(2));
    if (after == 0 || !is_torn || !(tearing.pages || tearing.sectors)) return version(after);
    return torn(version(random.below(after)), version(after), tearing, random);
}

void FileImage::lose_power(Tearing tearing, RandomStream& random) {
    evict();
    uint64_t size_index = random.below(unsynced_sizes_.size() + 1);
    if (size_index > 0) durable_size_ = unsynced_sizes_[size_index - 1].bytes;
    unsynced_sizes_.clear();
    for (auto& [index, page] : pages_) {
        if (page.unsynced.empty()) continue;
        page.durable = survivor(page, tearing, random);
        page.unsynced.clear();
    }
    pages_.erase(pages_.lower_bound((durable_size_ + page_size - 1) / page_size), pages_.end());
    if (auto last = pages_.find(durable_size_ / page_size); last != pages_.end()) {
        last->second.durable = with_zeros_from(last->second.durable, durable_size_ % page_size);
    }
}

void FileImage::flip_bit(uint64_t position, uint32_t bit) {
    ASSERT(position < size(View::visible));
    Page& page = pages_[position / page_size];
    auto flipped = [&](const ContentRef& content) -> ContentRef {
        std::shared_ptr<Content> copy = copy_of(content);
        (*copy)[position % page_size] = static_cast<uint8_t>((*copy)[position % page_size] ^ (1u << bit));
        return copy;
    };
    page.durable = flipped(page.durable);
    for (Version& version : page.unsynced) version.content = flipped(version.content);
    if (page.has_forgotten) page.forgotten = flipped(page.forgotten);
}

void FileImage::assign(Bytes bytes) {
    *this = FileImage();
    write(0, bytes, 1);
    sync(1);
}

}  // namespace ironbark::simulation
