// An index of any bytes is refused or is what would be written again, and no lookup answers with an entry behind what
// was looked up. Read as it is, and with the checksum put right.
#include <vector>

#include "log/segment_index.h"
#include "runtime/base/assert.h"
#include "runtime/base/checksum.h"

namespace ironbark::log {
namespace {

const PartitionIdentity identity{Uuid::from_words(1, 2), PartitionIndex(3)};

void check_lookups(const SegmentIndex& index) {
    for (int64_t number : {int64_t{-1}, int64_t{0}, int64_t{1}, int64_t{42}, int64_t{1} << 40, INT64_MAX}) {
        const IndexEntry* entry = index.entry_before(Offset(number));
        ASSERT(entry == nullptr || entry->offset <= Offset(number));
        (void)index.offset_before(Timestamp(number), Offset(0));
    }
}

void check(Bytes bytes, Offset base) {
    Result<SegmentIndex> index = SegmentIndex::decode(bytes, identity, base);
    if (!index.ok()) return;
    std::vector<uint8_t> again = index->encode(identity, base);
    ASSERT(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
    check_lookups(*index);
}

}  // namespace
}  // namespace ironbark::log

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ironbark;
    std::vector<uint8_t> bytes(data, data + size);
    log::check(bytes, Offset(0));
    if (size < 24) return 0;
    store_le(bytes.data(), xxh3(Bytes(bytes).subspan(8), log::identity.seed()));
    log::check(bytes, Offset(load_le<int64_t>(bytes.data() + 16)));
    return 0;
}
