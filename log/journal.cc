#include "log/journal.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "log/limits.h"
#include "runtime/base/checksum.h"

namespace ironbark::log {
namespace {

constexpr uint64_t journal_magic = 0x314c4e524a424923;  // "#IBJRNL1"
constexpr uint32_t commit_magic = 0x314d4342;        // "BCM1"
constexpr uint32_t copied_magic = 0x324d4342;        // "BCM2": stands there twice, the copy right behind it
constexpr size_t sector_size = 512;                  // written whole or not at all (docs/DURABILITY.md)
constexpr size_t commit_header_size = 32;            // checksum u64, magic u32, records u32, sequence u64, size u64
constexpr size_t copied_header_size = 40;            // the same, and a checksum u64 of what stands between the two
constexpr uint64_t journal_size_max = uint64_t{1} << 30;  // far beyond where the owners rewrite

struct CommitHeader {
    uint64_t checksum;
    uint32_t magic;
    uint32_t record_count;
    uint64_t sequence;
    uint64_t size;  // with this header, without the zeros that fill the last block

    bool is_possible() const { return (magic == commit_magic || magic == copied_magic) && size >= header_size(); }
    size_t header_size() const { return magic == copied_magic ? copied_header_size : commit_header_size; }
    uint64_t blocks_size() const { return round_up(size, block_size); }
    uint64_t copies() const { return magic == copied_magic ? 2 : 1; }
};

CommitHeader decode_header(const uint8_t* at) {
    return {load_le<uint64_t>(at), load_le<uint32_t>(at + 8), load_le<uint32_t>(at + 12), load_le<uint64_t>(at + 16),
            load_le<uint64_t>(at + 24)};
}

uint64_t header_checksum(const uint8_t* at, uint64_t seed) {
    return xxh3(Bytes(at + 8, commit_header_size - 8), seed);
}

size_t encoded_size(const JournalRecord& record) {
    return sizeof(uint32_t) + record.size();
}

std::vector<uint8_t> encode_commit(std::span<const JournalRecord> records,
                                   bool is_copied,
                                   uint64_t sequence,
                                   uint64_t seed) {
    const size_t header_size = is_copied ? copied_header_size : commit_header_size;
    size_t size = header_size;
    for (const JournalRecord& record : records) size += encoded_size(record);
    std::vector<uint8_t> bytes(round_up(size, block_size));
    store_le(bytes.data() + 8, is_copied ? copied_magic : commit_magic);
    store_le(bytes.data() + 12, static_cast<uint32_t>(records.size()));
    store_le(bytes.data() + 16, sequence);
    store_le(bytes.data() + 24, static_cast<uint64_t>(size));
    if (is_copied) store_le(bytes.data() + commit_header_size, header_checksum(bytes.data(), seed));
    uint8_t* at = bytes.data() + header_size;
    for (const JournalRecord& record : records) {
        store_le(at, static_cast<uint32_t>(record.size()));
        if (!record.empty()) std::memcpy(at + sizeof(uint32_t), record.data(), record.size());
        at += encoded_size(record);
    }
    store_le(bytes.data(), xxh3(Bytes(bytes).subspan(8, size - 8), seed));
    return bytes;
}

// The commit at the start of `bytes`, if a good one with a sequence from `least` on stands there. Appends its records.
std::optional<CommitHeader> decode_commit(Bytes bytes,
                                          uint64_t least,
                                          uint64_t seed,
                                          std::vector<JournalRecord>& records) {
    if (bytes.size() < commit_header_size) return std::nullopt;
    CommitHeader header = decode_header(bytes.data());
    if (!header.is_possible() || header.sequence < least || header.size > bytes.size()) return std::nullopt;
    if (xxh3(bytes.subspan(8, header.size - 8), seed) != header.checksum) return std::nullopt;
    Bytes rest = bytes.subspan(header.header_size(), header.size - header.header_size());
    const size_t before = records.size();
    for (uint32_t index = 0; index < header.record_count; ++index) {
        size_t size = rest.size() < sizeof(uint32_t) ? 0 : load_le<uint32_t>(rest.data());
        if (rest.size() < sizeof(uint32_t) || rest.size() - sizeof(uint32_t) < size) {
            records.resize(before);  // a commit is there as a whole or not at all
            return std::nullopt;
        }
        rest = rest.subspan(sizeof(uint32_t));
        records.emplace_back(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size));
        rest = rest.subspan(size);
    }
    return header;
}

// How many of the records make a commit of a new file: as many as a write takes well, and one at least.
size_t count_for_one_write(std::span<const JournalRecord> records) {
    size_t count = 0;
    for (size_t size = 0; count < records.size(); ++count) {
        size += encoded_size(records[count]);
        if (count > 0 && size > round_size_max) break;
    }
    return count;
}

// Of a write or sync in room that was reserved. What was begun stands there now: it is not tried again, and nothing
// else is written in its place, which could not be told from it.
Result<void> final(Result<void> result) {
    if (result.ok() || result.error().code != ErrorCode::storage_full) return result;
    return Error(ErrorCode::io_error, "the file system has no room for what it had reserved");
}

uint64_t seed_of(const Uuid& owner) {
    return xxh3(owner.bytes, journal_magic);
}

BufferSlice encode_head(World& world, const Uuid& owner) {
    BufferSlice head(world.buffers.take(block_size), 0, block_size);
    std::memset(head.data(), 0, head.size);
    store_le(head.data() + 8, journal_magic);
    std::memcpy(head.data() + 16, owner.bytes.data(), owner.bytes.size());
    store_le(head.data(), xxh3(head.bytes().subspan(8), seed_of(owner)));
    return head;
}

}  // namespace

Journal::Journal(World& world, std::string path, Uuid owner, Copies copies)
    : world_(world),
      path_(std::move(path)),
      owner_(owner),
      copies_(copies),
      seed_(seed_of(owner)),
      writing_(world.executor) {}

Journal::~Journal() {
    ASSERT(body_.file == nullptr || world_.executor.has_crashed());
}

Task<Result<std::unique_ptr<Journal>>> Journal::open(World& world,
                                                     std::string path,
                                                     Uuid owner,
                                                     Copies copies,
                                                     std::vector<JournalRecord> first) {
    std::unique_ptr<Journal> journal(new Journal(world, path, owner, copies));
    Result<void> removed = co_await world.disk.remove(path + ".new");  // of a replacement that a crash interrupted
    if (!removed.ok() && removed.error().code != ErrorCode::not_found) co_return removed.error();
    Result<std::unique_ptr<File>> file = co_await world.disk.open(path, OpenMode::read_write, true);
    Result<void> ready;
    if (file.ok()) {
        journal->body_.file = std::move(file).value();
        ready = co_await journal->load();
        if (ready.ok()) ready = co_await journal->settle();
    } else if (file.error().code == ErrorCode::not_found) {
        journal->contents_.records = first;
        ready = co_await journal->replace(std::move(first));
    } else {
        co_return file.error();
    }
    if (!ready.ok()) {
        co_await journal->close();
        co_return ready.error();
    }
    co_return std::move(journal);
}

Task<Result<JournalContents>> Journal::read(World& world, std::string path, Uuid owner, Copies copies) {
    Journal journal(world, path, owner, copies);
    CO_TRY(journal.body_.file, co_await world.disk.open(std::move(path), OpenMode::read, true));
    Result<void> loaded = co_await journal.load();
    co_await journal.close();
    CO_TRY_VOID(loaded);
    co_return journal.take_contents();
}

// Whether the head is undamaged, and whose.
bool Journal::check_head(Bytes head, bool* is_foreign) const {
    Uuid owner;
    std::memcpy(owner.bytes.data(), head.data() + 16, owner.bytes.size());
    bool is_good = load_le<uint64_t>(head.data() + 8) == journal_magic &&
                   load_le<uint64_t>(head.data()) == xxh3(head.subspan(8), seed_of(owner));
    *is_foreign = is_good && owner != owner_;
    return is_good;
}

Task<Result<void>> Journal::load() {
    CO_TRY(body_.allocated, co_await body_.file->size());
    if (body_.allocated < block_size || body_.allocated > journal_size_max) {
        co_return Error(ErrorCode::corrupt_data, "the journal's size is impossible");
    }
    size_t size = round_up(body_.allocated, block_size);
    BufferSlice into(world_.buffers.take(size), 0, size);
    CO_TRY(size_t count, co_await read_fully(*body_.file, 0, into));
    std::memset(into.data() + count, 0, size - count);
    Bytes bytes = into.bytes();
    bool is_foreign = false;
    contents_.head_damaged = !check_head(bytes.first(block_size), &is_foreign);
    if (is_foreign) co_return Error(ErrorCode::foreign_data, "the journal belongs to another data directory");
    read_commits(bytes);
    if (contents_.head_damaged && body_.sequence == 0) {
        co_return Error(ErrorCode::corrupt_data,
                        "the journal's first block is damaged, and nothing behind it is readable");
    }
    co_return Result<void>();
}

void Journal::read_commits(Bytes bytes) {
    body_.position = block_size;
    bool bad_since_last = false;
    uint64_t in_doubt = 0;  // copies that the newest write may have torn: it was to end in the last commit
    for (uint64_t at = block_size; at < bytes.size();) {
        size_t before = contents_.records.size();
        std::optional<CommitHeader> commit =
            decode_commit(bytes.subspan(at), std::max<uint64_t>(body_.sequence, 1), seed_, contents_.records);
        if (!commit) {
            bad_since_last = bad_since_last || !is_zero(bytes.subspan(at, block_size));
            at += block_size;
            continue;
        }
        const bool is_at_end = at == body_.position;
        at += commit->blocks_size();
        if (commit->sequence == body_.sequence) {
            contents_.records.resize(before);  // the copy
            body_.position = at;
            owed_ = {};
            contents_.copies_damaged += std::exchange(in_doubt, 0);
            continue;
        }
        uint64_t lost = commit->sequence - body_.sequence - 1;
        contents_.commits_lost += lost;
        contents_.copies_damaged += std::exchange(in_doubt, 0);
        const bool may_be_torn = is_at_end && copies_ == Copies::two_behind;
        (may_be_torn ? in_doubt : contents_.copies_damaged) += bad_since_last && lost == 0 ? 1 : 0;
        body_.sequence = commit->sequence;
        owed_ = {};
        if (is_at_end && copies_ == Copies::two_behind) {
            owed_ = world_.buffers.copy_of(bytes.subspan(at - commit->blocks_size(), commit->blocks_size()));
        }
        // The copy's place belongs to it, whatever stands there. (Behind a bad one, this is the copy.)
        body_.position = at + (is_at_end ? (commit->copies() - 1) * commit->blocks_size() : 0);
        bad_since_last = false;
    }
    judge_end(bytes);
    contents_.end = body_.position;
}

// What stands behind the last good commit. If the next one was kept twice, both copies are bad, and a crash leaves only
// the first one so: the second is not begun before the first is on disk. A sector that was begun is there as a whole,
// so the header of a torn commit is good, or zero; and it says where the copy was to be. With the copy written behind,
// a file never ends with its last commit (see make_room): one that does has been cut off.
void Journal::judge_end(Bytes bytes) {
    const bool is_behind = copies_ == Copies::two_behind;
    contents_.ends_damaged = is_behind && body_.position + block_size > bytes.size();
    if (body_.position > bytes.size()) owed_ = {};
    body_.position = std::min<uint64_t>(body_.position, bytes.size());
    Bytes rest = bytes.subspan(body_.position);
    contents_.ends_torn = !is_zero(rest);
    if (!contents_.ends_torn || is_zero(rest.first(sector_size))) return;
    CommitHeader header = decode_header(rest.data());
    if (header.magic == commit_magic && !is_behind) return;
    bool is_whole = load_le<uint64_t>(rest.data() + commit_header_size) == header_checksum(rest.data(), seed_);
    bool is_next = is_whole && header.is_possible() && header.sequence == body_.sequence + 1;
    if (!is_next || header.size > rest.size()) {
        contents_.ends_damaged = true;
        return;
    }
    const bool has_room = !is_behind || 2 * header.blocks_size() + block_size <= rest.size();
    contents_.ends_damaged = !has_room || !is_zero(rest.subspan(header.blocks_size()));
}

// Whether the file is to stay as it is.
bool Journal::has_damage() const {
    return contents_.commits_lost > 0 || contents_.head_damaged || (is_copied() && contents_.ends_damaged);
}

// What was read is relied on from here. Damage stays as it is, for the owner to see.
Task<Result<void>> Journal::settle() {
    if (!has_damage()) {
        Result<void> replaced = co_await replace(contents_.records);
        if (replaced.ok() || replaced.error().code != ErrorCode::storage_full) co_return replaced;
        if (contents_.ends_torn && is_copied()) CO_TRY_VOID(co_await erase_end());
    }
    co_return co_await body_.file->sync();
}

// What a torn commit left would stand behind the next one.
Task<Result<void>> Journal::erase_end() {
    co_return co_await write_zeros(&body_, body_.position, body_.allocated, Sync::data);
}

Task<Result<void>> Journal::write_zeros(Body* body, uint64_t begin, uint64_t end, Sync sync) {
    BufferSlice zeros(world_.buffers.take(end - begin), 0, end - begin);
    std::memset(zeros.data(), 0, zeros.size);
    std::vector<BufferSlice> slices;
    slices.push_back(std::move(zeros));
    co_return co_await write_fully(*body->file, begin, std::move(slices), sync);
}

void Journal::append(JournalRecord record) {
    ASSERT(record.size() <= journal_record_size_max);
    queue_.push_back(std::move(record));
    ++appended_;
}

std::vector<JournalRecord> Journal::take_queued() {
    ASSERT(!writing_.is_locked());
    appended_ -= queue_.size();
    return std::exchange(queue_, {});
}

Task<Result<void>> Journal::commit(uint64_t room) {
    uint64_t target = appended_;
    while (committed_ < target) {
        std::optional<Units> held = co_await writing_.lock();
        if (!held) co_return ErrorCode::closed;
        CO_TRY_VOID(failure_);
        if (committed_ >= target) break;
        uint64_t reached = appended_;
        std::vector<JournalRecord> records = std::exchange(queue_, {});
        std::vector<uint8_t> bytes = encode_commit(records, is_copied(), body_.sequence + 1, seed_);
        Result<void> written = co_await write_commit(std::move(bytes), room);
        if (!written.ok() && written.error().code == ErrorCode::storage_full) {
            queue_.insert(queue_.begin(), std::make_move_iterator(records.begin()),
                          std::make_move_iterator(records.end()));
            co_return written;
        }
        failure_ = written;
        CO_TRY_VOID(failure_);
        committed_ = reached;
    }
    co_return failure_;
}

Task<Result<void>> Journal::write_commit(std::vector<uint8_t> bytes, uint64_t room) {
    const uint64_t end = body_.position + copy_count() * bytes.size();
    CO_TRY_VOID(co_await make_room(&body_, end + room));
    BufferSlice commit = world_.buffers.copy_of(bytes);
    Task<Result<void>> writing = copies_ == Copies::two_behind ? write_behind(commit) : write_both(commit);
    CO_TRY_VOID(co_await std::move(writing));
    ++body_.sequence;
    body_.position = end;
    if (copies_ == Copies::two_behind) {
        owed_ = std::move(commit);
    } else {
        co_await grow_ahead(&body_);
    }
    co_return Result<void>();
}

// One after the other: see judge_end.
Task<Result<void>> Journal::write_both(BufferSlice commit) {
    const uint64_t end = body_.position + copy_count() * commit.size;
    for (uint64_t at = body_.position; at < end; at += commit.size) {
        std::vector<BufferSlice> slices{commit};
        CO_TRY_VOID(co_await write_fully(*body_.file, at, std::move(slices), Sync::data));
    }
    co_return Result<void>();
}

// The copy of the commit before, and this one behind it: the one before is on disk, this one's copy is not begun.
Task<Result<void>> Journal::write_behind(BufferSlice commit) {
    const uint64_t begin = body_.position - owed_.size;
    std::vector<BufferSlice> slices;
    if (owes_copy()) slices.push_back(owed_);
    slices.push_back(std::move(commit));
    Result<void> written = final(co_await write_fully(*body_.file, begin, std::move(slices), Sync::data));
    owed_ = {};
    co_return written;
}

Task<Result<void>> Journal::write_copy() {
    std::optional<Units> held = co_await writing_.lock();
    if (!held) co_return ErrorCode::closed;
    CO_TRY_VOID(failure_);
    if (!owes_copy()) co_return Result<void>();
    std::vector<BufferSlice> slices{owed_};
    failure_ = final(co_await write_fully(*body_.file, body_.position - owed_.size, std::move(slices), Sync::data));
    owed_ = {};
    co_return failure_;
}

// The file reaches to `end`, and with copies behind one block further. A file may be found as long as it was before a
// crash only if that was synced; then its length is one more witness of what it held.
Task<Result<void>> Journal::make_room(Body* body, uint64_t end) {
    const bool is_behind = copies_ == Copies::two_behind;
    if (is_behind) end += block_size;
    if (end <= body->allocated) co_return Result<void>();
    const uint64_t more = round_up(end - body->allocated, journal_allocation_step);
    if (body->allocated + more > journal_size_max) {
        co_return Error(ErrorCode::storage_full, "the journal is as long as it may be");
    }
    CO_TRY_VOID(co_await body->file->allocate(body->allocated, more));
    if (is_behind) {
        // A synced write into blocks that were never written commits metadata of the file system, too (ADR 0005).
        const uint64_t begin = round_up(body->allocated, block_size);  // a file that was cut off may end anywhere
        const uint64_t zeros_end = round_down(body->allocated + more, block_size);
        CO_TRY_VOID(final(co_await write_zeros(body, begin, zeros_end, Sync::no)));
        CO_TRY_VOID(final(co_await body->file->sync()));
    }
    body->allocated += more;
    co_return Result<void>();
}

// Room ahead of need, so that what makes room on a full disk can be said.
Task<void> Journal::grow_ahead(Body* body) {
    if (body->allocated - body->position >= journal_allocation_step / 2) co_return;
    Result<void> grown = co_await body->file->allocate(body->allocated, journal_allocation_step);
    if (grown.ok()) body->allocated += journal_allocation_step;
}

Task<Result<void>> Journal::rewrite(std::vector<JournalRecord> records) {
    uint64_t reached = appended_;
    std::optional<Units> held = co_await writing_.lock();
    if (!held) co_return ErrorCode::closed;
    CO_TRY_VOID(failure_);
    ASSERT(committed_ <= reached);
    Result<void> replaced = co_await replace(std::move(records));
    if (!replaced.ok() && replaced.error().code == ErrorCode::storage_full) co_return replaced;
    failure_ = replaced;
    CO_TRY_VOID(failure_);
    // Superseded, if they were not written meanwhile.
    uint64_t first = appended_ - queue_.size();
    if (reached > first) queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(reached - first));
    committed_ = std::max(committed_, reached);
    co_return Result<void>();
}

// A new file with one commit takes the place of the old one.
Task<Result<void>> Journal::replace(std::vector<JournalRecord> records) {
    const std::string temporary = path_ + ".new";
    Body fresh;
    CO_TRY(fresh.file, co_await world_.disk.open(temporary, OpenMode::open_or_create, true));
    Result<void> done = co_await fill(&fresh, std::move(records));
    if (done.ok()) done = co_await world_.disk.rename(temporary, path_);
    if (!done.ok()) {
        co_await fresh.file->close();
        (void)co_await world_.disk.remove(temporary);
        co_return done;
    }
    std::swap(body_, fresh);
    owed_ = {};
    if (fresh.file != nullptr) co_await fresh.file->close();
    co_return co_await world_.disk.sync_directory(directory_of(path_));
}

// Nobody reads the file before it has its name, and it gets it when all of it is synced.
Task<Result<void>> Journal::fill(Body* body, std::vector<JournalRecord> records) {
    body->position = block_size;
    CO_TRY_VOID(co_await body->file->truncate(0));
    CO_TRY_VOID(co_await make_room(body, block_size));
    std::vector<BufferSlice> slices;
    slices.push_back(encode_head(world_, owner_));
    CO_TRY_VOID(co_await write_fully(*body->file, 0, std::move(slices), Sync::no));
    for (std::span<const JournalRecord> rest = records; !rest.empty();) {
        const size_t count = count_for_one_write(rest);
        const std::vector<uint8_t> bytes = encode_commit(rest.first(count), is_copied(), ++body->sequence, seed_);
        rest = rest.subspan(count);
        CO_TRY_VOID(co_await make_room(body, body->position + copy_count() * bytes.size()));
        std::vector<BufferSlice> copies(copy_count(), world_.buffers.copy_of(bytes));
        CO_TRY_VOID(co_await write_fully(*body->file, body->position, std::move(copies), Sync::no));
        body->position += copy_count() * bytes.size();
    }
    co_await grow_ahead(body);
    co_return co_await body->file->sync();
}

Task<void> Journal::close() {
    std::optional<Units> held = co_await writing_.lock();
    writing_.close();
    if (body_.file == nullptr) co_return;
    std::unique_ptr<File> file = std::move(body_.file);
    co_await file->close();
}

}  // namespace ironbark::log
