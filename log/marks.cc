#include "log/marks.h"

#include <utility>

#include "log/limits.h"
#include "runtime/base/encoding.h"

namespace ironbark::log {
namespace {

enum class Kind : uint8_t { partition = 1, removed = 2, clean_stop = 3, running = 4, partition_changed = 5 };

void encode_identity(Encoder& encoder, Kind kind, const PartitionIdentity& identity) {
    encoder.number(static_cast<uint8_t>(kind));
    encoder.uuid(identity.topic);
    encoder.number(identity.partition.value);
}

PartitionIdentity decode_identity(Decoder& decoder) {
    PartitionIdentity identity;
    identity.topic = decoder.uuid();
    identity.partition = PartitionIndex(decoder.number<int32_t>());
    return identity;
}

void encode_floor(Encoder& encoder, const Floor& floor) {
    encoder.number(floor.offset.value);
    encoder.number(floor.segment_base.value);
    encoder.number(floor.position);
    encoder.number(floor.chain);
    encoder.number(floor.epoch.value);
}

Floor decode_floor(Decoder& decoder) {
    Floor floor;
    floor.offset = Offset(decoder.number<int64_t>());
    floor.segment_base = Offset(decoder.number<int64_t>());
    floor.position = decoder.number<uint64_t>();
    floor.chain = decoder.number<uint64_t>();
    floor.epoch = Epoch(decoder.number<int32_t>());
    return floor;
}

}  // namespace

JournalRecord encode_marks(const PartitionMarks& marks) {
    Encoder encoder;
    const bool is_changed = marks.unfinished != Unfinished::nothing || marks.abandoned_end > Offset();
    encode_identity(encoder, is_changed ? Kind::partition_changed : Kind::partition, marks.identity);
    encoder.number(marks.log_start.value);
    encoder.number(marks.high_watermark.value);
    encoder.number(marks.durable_watermark.value);
    encoder.number(static_cast<uint8_t>(marks.floor.has_value()));
    if (marks.floor) encode_floor(encoder, *marks.floor);
    encoder.number(static_cast<uint32_t>(marks.epoch_starts.size()));
    for (const EpochStart& entry : marks.epoch_starts) {
        encoder.number(entry.epoch.value);
        encoder.number(entry.start.value);
    }
    if (is_changed) {
        encoder.number(static_cast<uint8_t>(marks.unfinished));
        encoder.number(marks.abandoned_end.value);
    }
    return encoder.take();
}

std::optional<PartitionMarks> decode_marks(Bytes record) {
    Decoder decoder(record);
    const auto kind = static_cast<Kind>(decoder.number<uint8_t>());
    if (kind != Kind::partition && kind != Kind::partition_changed) return std::nullopt;
    PartitionMarks marks;
    marks.identity = decode_identity(decoder);
    marks.log_start = Offset(decoder.number<int64_t>());
    marks.high_watermark = Offset(decoder.number<int64_t>());
    marks.durable_watermark = Offset(decoder.number<int64_t>());
    if (decoder.number<uint8_t>() != 0) marks.floor = decode_floor(decoder);
    uint32_t count = decoder.number<uint32_t>();
    for (uint32_t index = 0; index < count && decoder.ok(); ++index) {
        Epoch epoch(decoder.number<int32_t>());
        marks.epoch_starts.push_back({epoch, Offset(decoder.number<int64_t>())});
    }
    if (kind == Kind::partition_changed) {
        const uint8_t unfinished = decoder.number<uint8_t>();
        if (unfinished > static_cast<uint8_t>(Unfinished::restart)) return std::nullopt;
        marks.unfinished = static_cast<Unfinished>(unfinished);
        marks.abandoned_end = Offset(decoder.number<int64_t>());
    }
    if (!decoder.ok() || !decoder.at_end()) return std::nullopt;
    return marks;
}

Task<Result<std::unique_ptr<Marks>>> Marks::open(World& world, std::string path, Uuid owner) {
    CO_TRY(std::unique_ptr<Journal> journal, co_await Journal::open(world, std::move(path), owner));
    JournalContents contents = journal->take_contents();
    std::unique_ptr<Marks> marks(new Marks(world, std::move(journal)));
    marks->health_ = {contents.commits_lost, contents.ends_torn, contents.head_damaged};
    for (const JournalRecord& record : contents.records) {
        // A record with a good checksum that cannot be read is of a newer version: better to stop than to forget it.
        if (!marks->apply(record)) {
            co_await marks->close();
            co_return Error(ErrorCode::unsupported_version, "the marks journal was written by a newer version");
        }
    }
    // Damage is not carried along: what could be read is written anew.
    if (contents.commits_lost > 0 || contents.head_damaged) {
        Result<void> rewritten = co_await marks->rewrite();
        if (!rewritten.ok() && rewritten.error().code != ErrorCode::storage_full) {
            co_await marks->close();
            co_return rewritten.error();
        }
    }
    co_return std::move(marks);
}

std::optional<std::map<PartitionIdentity, PartitionMarks>> Marks::replay(World& world,
                                                                         const std::vector<JournalRecord>& records) {
    Marks marks(world, nullptr);
    for (const JournalRecord& record : records) {
        if (!marks.apply(record)) return std::nullopt;
    }
    return std::move(marks.marks_);
}

bool Marks::apply(const JournalRecord& record) {
    Decoder decoder(record);
    switch (static_cast<Kind>(decoder.number<uint8_t>())) {
        case Kind::partition:
        case Kind::partition_changed: {
            std::optional<PartitionMarks> marks = decode_marks(record);
            if (!marks) return false;
            PartitionIdentity identity = marks->identity;
            marks_[identity] = *std::move(marks);
            return true;
        }
        case Kind::removed: marks_.erase(decode_identity(decoder)); return decoder.ok();
        case Kind::clean_stop: clean_stop_ = Incarnation(decoder.number<int64_t>()); return decoder.ok();
        case Kind::running: clean_stop_.reset(); return decoder.ok();
    }
    return false;
}

const PartitionMarks* Marks::find(const PartitionIdentity& identity) const {
    auto found = marks_.find(identity);
    return found == marks_.end() ? nullptr : &found->second;
}

void Marks::set(PartitionMarks marks) {
    PartitionIdentity identity = marks.identity;
    marks_[identity] = std::move(marks);
    changed_.insert(identity);
}

void Marks::remove(const PartitionIdentity& identity) {
    if (marks_.erase(identity) > 0) changed_.insert(identity);
}

void Marks::set_clean_stop(std::optional<Incarnation> incarnation) {
    clean_stop_ = incarnation;
    clean_stop_changed_ = true;
}

namespace {

JournalRecord encode_clean_stop(std::optional<Incarnation> incarnation) {
    Encoder encoder;
    encoder.number(static_cast<uint8_t>(incarnation ? Kind::clean_stop : Kind::running));
    encoder.number(incarnation.value_or(Incarnation()).value);
    return encoder.take();
}

}  // namespace

void Marks::queue_changes() {
    for (const PartitionIdentity& identity : std::exchange(changed_, {})) {
        if (const PartitionMarks* marks = find(identity)) {
            journal_->append(encode_marks(*marks));
        } else {
            Encoder encoder;
            encode_identity(encoder, Kind::removed, identity);
            journal_->append(encoder.take());
        }
    }
    if (std::exchange(clean_stop_changed_, false)) journal_->append(encode_clean_stop(clean_stop_));
}

Task<Result<void>> Marks::commit() {
    // What goes into a replacement is fixed when it begins: a later change would reach the old journal only.
    while (!not_rewriting_.is_set()) co_await not_rewriting_.wait();
    queue_changes();
    bool is_long = journal_->size() > journal_rewrite_bytes && journal_->size() > 4 * live_bytes_;
    if (is_long) {
        Result<void> rewritten = co_await rewrite();
        if (rewritten.ok() || rewritten.error().code != ErrorCode::storage_full) co_return rewritten;
    }
    co_return co_await journal_->commit();
}

Task<Result<void>> Marks::rewrite() {
    while (!not_rewriting_.is_set()) co_await not_rewriting_.wait();
    queue_changes();  // superseded by what follows, if it succeeds
    std::vector<JournalRecord> records;
    uint64_t bytes = 0;
    for (const auto& [identity, marks] : marks_) {
        records.push_back(encode_marks(marks));
        bytes += records.back().size();
    }
    records.push_back(encode_clean_stop(clean_stop_));
    not_rewriting_.reset();
    Result<void> rewritten = co_await journal_->rewrite(std::move(records));
    not_rewriting_.set();
    if (rewritten.ok()) live_bytes_ = bytes;
    co_return rewritten;
}

Task<void> Marks::close() {
    return journal_->close();
}

}  // namespace ironbark::log
