#include "log/journal.h"

#include <cstring>
#include <utility>

#include "log/limits.h"
#include "runtime/base/checksum.h"

namespace ironbark::log {
namespace {

constexpr uint64_t head_magic = 0x314c4e524a424923;    // "#IBJRNL1"
constexpr uint32_t commit_magic = 0x314d4342;          // "BCM1"
constexpr size_t commit_header_size = 32;              // checksum u64, magic u32, records u32, sequence u64, size u64
constexpr uint64_t journal_size_max = uint64_t{1} << 30;  // far beyond where the owners rewrite

struct CommitHeader {
    uint64_t checksum;
    uint32_t magic;
    uint32_t record_count;
    uint64_t sequence;
    uint64_t size;  // with this header, without the zeros that fill the last block
};

CommitHeader decode_header(const uint8_t* at) {
    return {load_le<uint64_t>(at), load_le<uint32_t>(at + 8), load_le<uint32_t>(at + 12), load_le<uint64_t>(at + 16),
            load_le<uint64_t>(at + 24)};
}

std::vector<uint8_t> encode_commit(const std::vector<JournalRecord>& records, uint64_t sequence, uint64_t seed) {
    size_t size = commit_header_size;
    for (const JournalRecord& record : records) size += sizeof(uint32_t) + record.size();
    std::vector<uint8_t> bytes(round_up(size, block_size));
    store_le(bytes.data() + 8, commit_magic);
    store_le(bytes.data() + 12, static_cast<uint32_t>(records.size()));
    store_le(bytes.data() + 16, sequence);
    store_le(bytes.data() + 24, static_cast<uint64_t>(size));
    uint8_t* at = bytes.data() + commit_header_size;
    for (const JournalRecord& record : records) {
        store_le(at, static_cast<uint32_t>(record.size()));
        if (!record.empty()) std::memcpy(at + sizeof(uint32_t), record.data(), record.size());
        at += sizeof(uint32_t) + record.size();
    }
    store_le(bytes.data(), xxh3(Bytes(bytes).subspan(8, size - 8), seed));
    return bytes;
}

// The commit at the start of `bytes`, if a good one with a sequence above `after` stands there. Appends its records.
std::optional<CommitHeader> decode_commit(Bytes bytes, uint64_t after, uint64_t seed,
                                          std::vector<JournalRecord>& records) {
    if (bytes.size() < commit_header_size) return std::nullopt;
    CommitHeader header = decode_header(bytes.data());
    if (header.magic != commit_magic || header.sequence <= after) return std::nullopt;
    if (header.size < commit_header_size || header.size > bytes.size()) return std::nullopt;
    if (xxh3(bytes.subspan(8, header.size - 8), seed) != header.checksum) return std::nullopt;
    Bytes rest = bytes.subspan(commit_header_size, header.size - commit_header_size);
    for (uint32_t index = 0; index < header.record_count; ++index) {
        if (rest.size() < sizeof(uint32_t)) return std::nullopt;
        size_t size = load_le<uint32_t>(rest.data());
        rest = rest.subspan(sizeof(uint32_t));
        if (rest.size() < size) return std::nullopt;
        records.emplace_back(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size));
        rest = rest.subspan(size);
    }
    return header;
}

bool is_zero(Bytes bytes) {
    for (uint8_t byte : bytes) {
        if (byte != 0) return false;
    }
    return true;
}

}  // namespace

Journal::Journal(World& world, std::string path, Uuid owner)
    : world_(world), path_(std::move(path)), owner_(owner), seed_(xxh3(owner.bytes, head_magic)),
      writing_(world.executor) {}

Journal::~Journal() { ASSERT(file_ == nullptr || world_.executor.has_crashed()); }

Task<Result<std::unique_ptr<Journal>>> Journal::open(World& world, std::string path, Uuid owner) {
    std::unique_ptr<Journal> journal(new Journal(world, path, owner));
    Result<void> removed = co_await world.disk.remove(path + ".new");  // of a rewrite that a crash interrupted
    if (!removed.ok() && removed.error().code != ErrorCode::not_found) co_return removed.error();
    Result<std::unique_ptr<File>> file = co_await world.disk.open(path, OpenMode::read_write, true);
    Result<void> ready;
    if (file.ok()) {
        journal->file_ = std::move(file).value();
        ready = co_await journal->load();
    } else if (file.error().code == ErrorCode::not_found) {
        ready = co_await journal->create(path);
        if (ready.ok()) ready = co_await world.disk.sync_directory(directory_of(path));
    } else {
        co_return file.error();
    }
    if (!ready.ok()) {
        co_await journal->close();
        co_return ready.error();
    }
    co_return std::move(journal);
}

Task<Result<void>> Journal::create(std::string path) {
    Result<std::unique_ptr<File>> file = co_await world_.disk.open(path, OpenMode::create, true);
    if (!file.ok()) co_return file.error();
    file_ = std::move(file).value();
    allocated_ = journal_allocation_step;
    CO_TRY_VOID(co_await file_->allocate(0, allocated_));
    BufferSlice head(world_.buffers.take(block_size), 0, block_size);
    std::memset(head.data(), 0, head.size);
    store_le(head.data() + 8, head_magic);
    std::memcpy(head.data() + 16, owner_.bytes.data(), owner_.bytes.size());
    store_le(head.data(), xxh3(head.bytes().subspan(8), seed_));
    std::vector<BufferSlice> slices;
    slices.push_back(std::move(head));
    CO_TRY_VOID(co_await write_fully(*file_, 0, std::move(slices), Sync::data));
    position_ = block_size;
    co_return co_await file_->sync();
}

Result<void> Journal::check_head(Bytes head) const {
    if (load_le<uint64_t>(head.data() + 8) != head_magic) {
        return Error(ErrorCode::corrupt_data, "the journal's first block is damaged");
    }
    if (std::memcmp(head.data() + 16, owner_.bytes.data(), owner_.bytes.size()) != 0) {
        return Error(ErrorCode::foreign_data, "the journal belongs to another data directory");
    }
    if (load_le<uint64_t>(head.data()) != xxh3(head.subspan(8), seed_)) {
        return Error(ErrorCode::corrupt_data, "the journal's first block is damaged");
    }
    return {};
}

Task<Result<void>> Journal::load() {
    CO_TRY(allocated_, co_await file_->size());
    if (allocated_ < block_size || allocated_ > journal_size_max) {
        co_return Error(ErrorCode::corrupt_data, "the journal's size is impossible");
    }
    size_t size = round_up(allocated_, block_size);
    BufferSlice into(world_.buffers.take(size), 0, size);
    CO_TRY(size_t count, co_await read_fully(*file_, 0, into));
    std::memset(into.data() + count, 0, size - count);
    Bytes bytes = into.bytes();
    CO_TRY_VOID(check_head(bytes.first(block_size)));
    position_ = block_size;
    bool bad_since_last = false;
    for (uint64_t at = block_size; at < size;) {
        std::optional<CommitHeader> commit = decode_commit(bytes.subspan(at), sequence_, seed_, contents_.records);
        if (!commit) {
            bad_since_last = bad_since_last || !is_zero(bytes.subspan(at, block_size));
            at += block_size;
            continue;
        }
        contents_.commits_lost += commit->sequence - sequence_ - 1;
        sequence_ = commit->sequence;
        at += round_up(commit->size, block_size);
        position_ = at;
        bad_since_last = false;
    }
    contents_.ends_torn = bad_since_last;
    co_return Result<void>();
}

void Journal::append(JournalRecord record) {
    ASSERT(record.size() <= journal_record_size_max);
    queue_.push_back(std::move(record));
    ++appended_;
}

Task<Result<void>> Journal::commit() {
    uint64_t target = appended_;
    while (committed_ < target) {
        std::optional<Units> held = co_await writing_.lock();
        if (!held) co_return ErrorCode::cancelled;
        CO_TRY_VOID(failure_);
        if (committed_ >= target) break;
        uint64_t reached = appended_;
        std::vector<JournalRecord> records = std::exchange(queue_, {});
        failure_ = co_await write_commit(std::move(records));
        CO_TRY_VOID(failure_);
        committed_ = reached;
    }
    co_return failure_;
}

Task<Result<void>> Journal::write_commit(std::vector<JournalRecord> records) {
    std::vector<uint8_t> bytes = encode_commit(records, sequence_ + 1, seed_);
    if (position_ + bytes.size() > allocated_) {
        uint64_t more = round_up(position_ + bytes.size() - allocated_, journal_allocation_step);
        CO_TRY_VOID(co_await file_->allocate(allocated_, more));
        allocated_ += more;
        CO_TRY_VOID(co_await file_->sync());
    }
    std::vector<BufferSlice> slices;
    slices.push_back(world_.buffers.copy_of(bytes));
    CO_TRY_VOID(co_await write_fully(*file_, position_, std::move(slices), Sync::data));
    ++sequence_;
    position_ += bytes.size();
    co_return Result<void>();
}

Task<Result<void>> Journal::rewrite(std::vector<JournalRecord> records) {
    uint64_t reached = appended_;
    queue_.clear();
    std::optional<Units> held = co_await writing_.lock();
    if (!held) co_return ErrorCode::cancelled;
    CO_TRY_VOID(failure_);
    std::unique_ptr<File> old = std::move(file_);
    sequence_ = 0;
    std::string temporary = path_ + ".new";
    failure_ = co_await create(temporary);
    if (failure_.ok()) failure_ = co_await write_commit(std::move(records));
    if (failure_.ok()) failure_ = co_await world_.disk.rename(temporary, path_);
    if (failure_.ok()) failure_ = co_await world_.disk.sync_directory(directory_of(path_));
    co_await old->close();
    CO_TRY_VOID(failure_);
    committed_ = std::max(committed_, reached);
    co_return Result<void>();
}

Task<void> Journal::close() {
    if (file_ == nullptr) co_return;
    std::unique_ptr<File> file = std::move(file_);
    co_await file->close();
}

}  // namespace ironbark::log
