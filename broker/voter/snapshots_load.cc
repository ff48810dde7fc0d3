// Snapshots at the start: which one counts; and their records. The table of the cases:
//
//   newest is good           it counts; older ones are not looked at
//   newest is damaged        passed over, if the log has the entry that it ends with: the one before, and the log, come
//                            to the same. Else something would be forgotten: refused
//   entries were given up    for a snapshot that is not there: refused
//   of another directory     refused
#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "broker/voter/snapshots.h"

namespace ironbark::consensus {
namespace {

bool is_damage(const Error& error) {
    return error.code == ErrorCode::corrupt_data || error.code == ErrorCode::io_error;
}

// Cuts the bytes of a snapshot, which come in parts, into its records.
class RecordSplitter {
  public:
    Result<void> take(Bytes bytes, const RecordVisitor& visitor) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        size_t at = 0;
        for (std::optional<uint32_t> number = number_at(at); number; number = number_at(at)) {
            if (!left_) {
                left_ = number;
                at += sizeof(uint32_t);
                continue;
            }
            if (*left_ == 0 || *number > snapshot_record_size_max) return malformed;
            if (bytes_.size() - at - sizeof(uint32_t) < *number) break;
            TRY_VOID(visitor(Bytes(bytes_).subspan(at + sizeof(uint32_t), *number)));
            at += sizeof(uint32_t) + *number;
            --*left_;
        }
        bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(at));
        return {};
    }
    Result<void> end() const { return left_ == 0u && bytes_.empty() ? Result<void>() : malformed; }

  private:
    static constexpr Error malformed{ErrorCode::corrupt_data, "its bytes are not records"};
    std::optional<uint32_t> number_at(size_t at) const {
        if (bytes_.size() - at < sizeof(uint32_t)) return std::nullopt;
        return load_le<uint32_t>(bytes_.data() + at);
    }

    std::vector<uint8_t> bytes_;    // not handed over yet
    std::optional<uint32_t> left_;  // records to come
};

Task<Result<void>> visit_all(SnapshotReader* reader, RecordVisitor visitor) {
    RecordSplitter splitter;
    const uint64_t size = reader->snapshot().size_bytes;
    for (uint64_t at = 0; at < size; at += snapshot_piece_size) {
        CO_TRY(std::vector<uint8_t> bytes, co_await reader->read(at, snapshot_piece_size));
        CO_TRY_VOID(splitter.take(bytes, visitor));
    }
    co_return splitter.end();
}

}  // namespace

Task<Result<void>> Snapshots::visit(Snapshot snapshot, RecordVisitor visitor) {
    CO_TRY(std::unique_ptr<SnapshotReader> reader, co_await open_reader(snapshot));
    Result<void> visited = co_await visit_all(reader.get(), std::move(visitor));
    co_await reader->close();
    co_return visited;
}

Task<Result<void>> Snapshots::load(std::vector<std::string> names, const StoredLog* log, std::string* problem) {
    for (const std::string& name : names) {
        if (std::optional<SnapshotPlace> place = parse_file_name(name)) places_.push_back(*place);
        if (name == made_name || name == received_name) unfinished_.push_back(name);
    }
    std::sort(places_.begin(), places_.end());
    for (size_t index = places_.size(); index > 0 && !newest_; --index) {
        const SnapshotPlace place = places_[index - 1];
        Result<void> checked = co_await check(place);
        if (checked.ok()) continue;
        *problem = fmt::format("{}: {}", path_of(place), describe(checked.error()));
        if (!is_damage(checked.error())) co_return checked;
        damaged_.push_back(place);
    }
    co_return judge(*log, problem);
}

// Makes it the newest if it is good.
Task<Result<void>> Snapshots::check(SnapshotPlace place) {
    CO_TRY(std::unique_ptr<SnapshotReader> reader, co_await SnapshotReader::open(&world_, path_of(place), owner_));
    Result<void> verified = co_await reader->verify();
    co_await reader->close();
    CO_TRY_VOID(verified);
    if (place_of(reader->snapshot()) != place) {
        co_return Error(ErrorCode::corrupt_data, "it is another snapshot than its name says");
    }
    newest_ = reader->snapshot();
    co_return Result<void>();
}

// `problem` says what is wrong with a damaged one.
Result<void> Snapshots::judge(const StoredLog& log, std::string* problem) const {
    const LogIndex known = newest_ ? newest_->last_index : LogIndex();
    for (const SnapshotPlace& place : damaged_) {
        bool is_dispensable = log.base() <= known && log.term_at(place.last_index) == place.last_term;
        if (!is_dispensable) return ErrorCode::corrupt_data;
    }
    if (log.base() <= known) return {};
    *problem = fmt::format("{}: the snapshot of the first {} entries is missing, and the log begins behind them",
                           directory_, log.base().value);
    return ErrorCode::corrupt_data;
}

Task<Result<void>> Snapshots::clean_up() {
    for (const std::string& name : std::exchange(unfinished_, {})) {
        CO_TRY_VOID(co_await world_.disk.remove(directory_ + "/" + name));
    }
    if (newest_) CO_TRY_VOID(co_await remove_superseded());
    co_return Result<void>();
}

}  // namespace ironbark::consensus
