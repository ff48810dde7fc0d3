#include "tools/offline/dump.h"

#include <fmt/format.h>
#include <memory>

#include "log/segment.h"
#include "tools/json_stream.h"
#include "tools/offline/buried.h"
#include "tools/offline/continuity.h"
#include "tools/offline/frame_records.h"
#include "tools/offline/frame_walk.h"
#include "tools/offline/offline_world.h"
#include "tools/offline/places.h"
#include "tools/record_format.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;
using record::FrameView;

constexpr size_t shown_bytes_max = 64;  // of a key or value in text: one line each

const char* codec_name(record::Codec codec) {
    switch (codec) {
        case record::Codec::none: return "none";
        case record::Codec::gzip: return "gzip";
        case record::Codec::snappy: return "snappy";
        case record::Codec::lz4: return "lz4";
        case record::Codec::zstd: return "zstd";
    }
    return "unknown";
}

const char* kind_name(Piece::Kind kind) {
    switch (kind) {
        case Piece::Kind::frame: return "frame";
        case Piece::Kind::pad: return "pad";
        case Piece::Kind::zeros: return "zeros";
        case Piece::Kind::unreadable: return "unreadable";
    }
    return "unreadable";
}

// "text" with escapes for what is not printable, cut where it gets long.
std::string shown_bytes(const std::optional<std::string_view>& bytes) {
    if (!bytes) return "none";
    std::string text = "\"";
    for (char character : bytes->substr(0, shown_bytes_max)) {
        bool is_plain = character >= ' ' && character <= '~' && character != '"' && character != '\\';
        if (is_plain) {
            text += character;
        } else {
            text += fmt::format("\\x{:02x}", static_cast<unsigned char>(character));
        }
    }
    text += '"';
    if (bytes->size() > shown_bytes_max) text += fmt::format("... ({} bytes)", bytes->size());
    return text;
}

// Pieces of a segment belong to the log if each frame continues the one before, and bytes that are no frame if a frame
// behind them does (after a crash the log goes on at the next block).
class Dumper {
  public:
    Dumper(Session& session, const DumpOptions& options) : session_(session), options_(options) {}

    Task<Expected<void>> run(World* world) {
        if (options_.file.ends_with(log::grave_suffix)) co_return co_await dump_grave(world);
        const bool is_segment = options_.file.ends_with(log::log_suffix) || is_buried_segment(options_.file);
        if (is_segment) co_return co_await dump_segment(world);
        co_return Failure{
            ErrorCode::unsupported, Outcome::not_written,
            fmt::format("{}: segment files (*.log) and graveyard files (*.grave, *.segment) can be dumped",
                        options_.file)};
    }

    int fail(const Failure& failure) {
        if (json_ == nullptr) return session_.fail("cannot dump", failure);
        // The value has begun: the failure becomes a part of it.
        json_->field("error", tools::to_json(failure));
        session_.say("cannot dump: " + failure.to_string());
        return exit_refused;
    }

  private:
    void begin_json() {
        if (session_.json) json_ = std::make_unique<JsonStream>(session_.output);
    }

    Task<Expected<void>> dump_segment(World* world) {
        Expected<SegmentFile> found = co_await read_segment_head(world, options_.file);
        if (!found.ok()) co_return found.error();
        identity_ = found->identity;
        const log::SegmentHead& head = found->head;
        begin_json();
        if (json_ != nullptr) {
            json_->field("file", options_.file);
            json_->field("kind", "segment");
            json_->field("partition", identity_.to_string());
            json_->field("head", {{"base_offset", head.base.value},
                                  {"previous_base_offset", head.previous_base.value},
                                  {"chain_before", fmt::format("{:016x}", head.chain_before)},
                                  {"epoch_before", head.epoch_before.value},
                                  {"created", head.created.milliseconds}});
        } else {
            session_.print(
                fmt::format("segment {}\npartition {}, first offset {}, {}; before it: chain {:016x}, epoch {}\n",
                            options_.file, identity_.to_string(), head.base.value,
                            head.previous_base.value < 0 ? "the first segment"
                                                         : fmt::format("behind segment {}", head.previous_base.value),
                            head.chain_before, head.epoch_before.value));
        }
        continuity_.emplace(head);
        co_return co_await walk(world, true);
    }

    Task<Expected<void>> dump_grave(World* world) {
        Expected<std::vector<BuriedFile>> burial = co_await find_burial(world, options_.file);
        if (!burial.ok()) co_return burial.error();
        const log::BuriedRange* range = &burial->front().range;
        identity_ = range->identity;
        Json segments = Json::array();
        for (const BuriedFile& file : *burial) {
            if (is_buried_segment(file.path)) segments.push_back(file.path);
        }
        begin_json();
        if (json_ != nullptr) {
            json_->field("file", options_.file);
            json_->field("kind", "graveyard");
            json_->field("partition", identity_.to_string());
            json_->field("head", {{"first_offset", range->first.value},
                                  {"end_offset", range->end.value},
                                  {"new_epoch", range->epoch.value},
                                  {"time", range->time.milliseconds},
                                  {"reason", range->reason},
                                  {"segments", segments}});
        } else if (!segments.empty()) {
            session_.print(fmt::format("graveyard file {}\npartition {}, {} buried {}: {}\n", options_.file,
                                       identity_.to_string(), count_text(segments.size(), "whole segment"),
                                       time_text(range->time.milliseconds), range->reason));
            for (const Json& segment : segments) {
                session_.print(fmt::format("segment file {}\n", segment.get<std::string>()));
            }
        } else {
            session_.print(fmt::format("graveyard file {}\npartition {}, offsets {} to {}, buried {}: {}\n",
                                       options_.file, identity_.to_string(), range->first.value, range->end.value - 1,
                                       time_text(range->time.milliseconds), range->reason));
        }
        co_return co_await walk(world, false);
    }

    Task<Expected<void>> walk(World* world, bool direct) {
        Result<std::unique_ptr<File>> opened = co_await world->disk.open(options_.file, OpenMode::read, direct);
        if (!opened.ok()) co_return disk_failure("open", options_.file, opened.error());
        std::unique_ptr<File> file = std::move(opened).value();
        Result<uint64_t> size = co_await file->size();
        Result<void> walked;
        if (size.ok()) {
            begin_items();
            log::WindowReader reader(*file, world->buffers, *size, log::read_size);
            PieceVisitor visitor = [this](const Piece& piece) { return take(piece); };
            walked = co_await walk_pieces(&reader, identity_.seed(), log::block_size, std::move(visitor));
            end_items(*size);
        }
        co_await file->close();
        if (!size.ok()) co_return disk_failure("read", options_.file, size.error());
        if (!walked.ok()) co_return disk_failure("read", options_.file, walked.error());
        co_return Expected<void>();
    }

    // Pieces that may lie behind the end of the log wait until a frame shows that they do not.
    bool take(const Piece& piece) {
        if (session_.output.is_closed()) return false;
        const bool is_frame = piece.kind == Piece::Kind::frame;
        const bool continues = is_frame && (!continuity_ || continuity_->continues(piece.frame));
        if (is_frame && continues && continuity_) continuity_->advance(piece.frame);
        if (options_.all || !continuity_) {
            show(piece, continues);
            return true;
        }
        if (continues || (piece.kind == Piece::Kind::pad && waiting_.empty())) {
            for (const Piece& before : waiting_) show(before, true);
            waiting_.clear();
            show(piece, true);
            return true;
        }
        waiting_.push_back(piece);
        waiting_.back().frame.bytes = {};  // gone after the call
        return !is_frame;
    }

    void begin_items() {
        if (json_ != nullptr) {
            json_->begin_array("items");
        } else {
            session_.print(fmt::format("{:>12}  {:<10}  {}\n", "BYTE", "WHAT", "DETAILS"));
        }
    }

    void show(const Piece& piece, bool continues) {
        if (piece.kind == Piece::Kind::frame) {
            ++frames_;
            records_ += static_cast<uint64_t>(piece.frame.batch.records_count);
        }
        if (piece.fault != nullptr) ++faults_;
        if (json_ != nullptr) {
            json_->item(to_json(piece, continues));
        } else {
            session_.print(
                fmt::format("{:>12}  {:<10}  {}\n", piece.position, kind_name(piece.kind), details(piece, continues)));
            if (options_.records && piece.kind == Piece::Kind::frame && piece.fault == nullptr) show_records(piece);
        }
    }

    static std::string details(const Piece& piece, bool continues) {
        const record::FrameHeader& header = piece.frame.header;
        if (piece.kind == Piece::Kind::pad) {
            return fmt::format("{} bytes; below offset {} all was on disk, in epoch {}", piece.size,
                               header.base_offset.value, header.leader_epoch.value);
        }
        if (piece.kind != Piece::Kind::frame) {
            return fmt::format("{} bytes{}{}", piece.size, piece.fault != nullptr ? ": " : "",
                               piece.fault != nullptr ? piece.fault : "");
        }
        const record::BatchHeader& batch = piece.frame.batch;
        std::string text =
            fmt::format("offsets {}..{}, epoch {}, {} bytes, {}, {}, appended {}, checksum {:016x}",
                        header.base_offset.value, piece.frame.next_offset().value - 1, header.leader_epoch.value,
                        piece.size, count_text(static_cast<uint64_t>(batch.records_count), "record"),
                        codec_name(batch.codec()), time_text(header.append_time.milliseconds), header.checksum);
        if (batch.is_idempotent()) {
            text += fmt::format(", producer {}/{} sequence {}", batch.producer_id.value, batch.producer_epoch.value,
                                batch.base_sequence);
        }
        if (!continues) text += fmt::format(", DOES NOT CONTINUE THE LOG (chain {:016x})", header.chain);
        if (piece.fault != nullptr) text += fmt::format(", DAMAGED: {}", piece.fault);
        return text;
    }

    Json to_json(const Piece& piece, bool continues) {
        Json item = {{"position", piece.position}, {"kind", kind_name(piece.kind)}, {"size", piece.size}};
        if (piece.fault != nullptr) item["fault"] = piece.fault;
        const record::FrameHeader& header = piece.frame.header;
        if (piece.kind == Piece::Kind::pad) {
            item["durable_end"] = header.base_offset.value;
            item["leader_epoch"] = header.leader_epoch.value;
        }
        if (piece.kind != Piece::Kind::frame) return item;
        const record::BatchHeader& batch = piece.frame.batch;
        item.update({{"base_offset", header.base_offset.value},
                     {"last_offset", piece.frame.next_offset().value - 1},
                     {"leader_epoch", header.leader_epoch.value},
                     {"append_time", header.append_time.milliseconds},
                     {"flags", header.flags},
                     {"checksum", fmt::format("{:016x}", header.checksum)},
                     {"chain", fmt::format("{:016x}", header.chain)},
                     {"continues", continues},
                     {"batch",
                      {{"records", batch.records_count},
                       {"codec", codec_name(batch.codec())},
                       {"attributes", batch.attributes},
                       {"crc", fmt::format("{:08x}", batch.crc)},
                       {"base_timestamp", batch.base_timestamp.milliseconds},
                       {"max_timestamp", batch.max_timestamp.milliseconds},
                       {"producer_id", batch.producer_id.value},
                       {"producer_epoch", batch.producer_epoch.value},
                       {"base_sequence", batch.base_sequence}}}});
        if (options_.records && piece.fault == nullptr) add_records(piece, &item);
        return item;
    }

    void add_records(const Piece& piece, Json* item) {
        Json records = Json::array();
        auto add = [&](const ConsumerRecord& record) { records.push_back(tools::to_json(record)); };
        const std::string topic = identity_.topic.to_string();
        Result<void> read = reader_.visit(piece.frame, topic, identity_.partition.value, add);
        if (!read.ok()) (*item)["records_fault"] = read.error().text;
        (*item)["records"] = std::move(records);
    }

    void show_records(const Piece& piece) {
        auto show_one = [this](const ConsumerRecord& record) {
            session_.print(
                fmt::format("{:>12}  {:>10}  {}  key {}  value {}{}\n", "", record.offset, time_text(record.timestamp),
                            shown_bytes(record.key), shown_bytes(record.value),
                            record.headers.empty() ? "" : fmt::format("  {} headers", record.headers.size())));
        };
        const std::string topic = identity_.topic.to_string();
        Result<void> read = reader_.visit(piece.frame, topic, identity_.partition.value, show_one);
        if (!read.ok()) session_.print(fmt::format("{:>12}  the records cannot be read: {}\n", "", read.error().text));
    }

    void end_items(uint64_t size) {
        const uint64_t end = waiting_.empty() ? size : waiting_.front().position;
        std::string behind = waiting_.empty() ? "the end of the file" : kind_name(waiting_.front().kind);
        if (!waiting_.empty() && waiting_.back().kind == Piece::Kind::frame)
            behind += ", and frames that do not continue it";
        if (json_ != nullptr) {
            json_->end_array();
            json_->field("frames", frames_);
            json_->field("records", records_);
            json_->field("faults", faults_);
            if (!continuity_ || options_.all) return;
            json_->field("end", {{"position", end}, {"next_offset", continuity_->next().value}, {"behind", behind}});
            return;
        }
        session_.print(
            fmt::format("{}, {}, {} damaged", count_text(frames_, "frame"), count_text(records_, "record"), faults_));
        if (continuity_ && !options_.all) {
            session_.print(fmt::format("; the log ends here at byte {}, next offset {}, behind it: {}", end,
                                       continuity_->next().value, behind));
        }
        session_.print("\n");
    }

    Session& session_;
    const DumpOptions& options_;
    PartitionIdentity identity_;
    std::unique_ptr<JsonStream> json_;
    std::optional<Continuity> continuity_;  // none for a graveyard file: it holds what was cut
    std::vector<Piece> waiting_;
    FrameRecords reader_;
    uint64_t frames_ = 0;
    uint64_t records_ = 0;
    uint64_t faults_ = 0;
};

}  // namespace

int dump(Session& session, const DumpOptions& options) {
    OfflineWorld offline;
    World world = offline.reading();
    Dumper dumper(session, options);
    Expected<void> done = offline.run(dumper.run(&world));
    return done.ok() ? exit_done : dumper.fail(done.error());
}

}  // namespace ironbark::tools
