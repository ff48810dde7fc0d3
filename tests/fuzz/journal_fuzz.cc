// A journal file of any bytes is refused and left as it is, or opened: then what it held is still there after the next
// commit, followed by that. The first byte: 1 puts the checksums of commits right, 2 puts a good head in front, 4 opens
// it with two copies of each commit, 8 with the second one behind.
#include "log/journal.h"

#include <algorithm>

#include "log/limits.h"
#include "runtime/base/checksum.h"
#include "tests/fuzz/machine.h"

namespace ironbark::log {
namespace {

constexpr const char* path = "data/journal";
constexpr size_t size_max = 64 * block_size;
const Uuid owner = Uuid::from_words(1, 2);
const uint64_t seed = xxh3(owner.bytes, 0x314c4e524a424923);  // "#IBJRNL1"

void put_right(MutableBytes commits) {
    for (size_t at = 0; at + 32 <= commits.size(); at += block_size) {
        MutableBytes commit = commits.subspan(at);
        uint64_t size = load_le<uint64_t>(commit.data() + 24);
        if (size < 32 || size > commit.size()) continue;
        store_le(commit.data() + 20, uint32_t{0});  // no journal has seen so many commits that the upper half counts
        store_le(commit.data(), xxh3(commit.subspan(8, size - 8), seed));
    }
}

struct Opened {
    Result<void> result;
    JournalContents contents;
};

Task<Opened> open(World* world, Copies copies, std::optional<JournalRecord> added) {
    Result<std::unique_ptr<Journal>> journal = co_await Journal::open(*world, path, owner, copies);
    Opened opened;
    if (!journal.ok()) {
        opened.result = journal.error();
        co_return opened;
    }
    opened.contents = (*journal)->take_contents();
    // Nobody goes on with damage that may have been a commit.
    if (added && !(copies != Copies::one && opened.contents.ends_damaged)) {
        opened.contents.records.push_back(*added);
        (*journal)->append(*std::move(added));
        Result<void> committed = co_await (*journal)->commit();
        ASSERT(committed.ok());
    }
    co_await (*journal)->close();
    co_return opened;
}

std::vector<uint8_t> good_head() {
    machine().run(open(&machine().world(), Copies::one, std::nullopt));
    std::vector<uint8_t> file = machine().disk().read(path);
    file.resize(block_size);
    machine().disk().remove(path);
    return file;
}

void check(Bytes input) {
    static const std::vector<uint8_t> head = good_head();
    if (input.empty() || input.size() > size_max) return;
    std::vector<uint8_t> file;
    if ((input[0] & 2) != 0) file = head;
    file.insert(file.end(), input.begin() + 1, input.end());
    if ((input[0] & 1) != 0 && file.size() > block_size) put_right(MutableBytes(file).subspan(block_size));
    machine().disk().replace(path, file);
    World* world = &machine().world();
    Copies copies = (input[0] & 4) != 0 ? Copies::two : Copies::one;
    if ((input[0] & 8) != 0) copies = Copies::two_behind;
    Opened first = machine().run(open(world, copies, JournalRecord{1, 2, 3}));
    if (!first.result.ok()) {
        ASSERT(machine().disk().read(path) == file);
        return;
    }
    Opened second = machine().run(open(world, copies, std::nullopt));
    ASSERT(second.result.ok());
    bool is_refused = copies != Copies::one && first.contents.ends_damaged;
    bool was_made_anew = first.contents.commits_lost == 0 && !first.contents.head_damaged && !is_refused;
    ASSERT(!was_made_anew || !second.contents.ends_torn);
    ASSERT(second.contents.commits_lost == first.contents.commits_lost);
    ASSERT(second.contents.records == first.contents.records);
}

}  // namespace
}  // namespace ironbark::log

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ironbark::log::check({data, size});
    return 0;
}
