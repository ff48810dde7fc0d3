#include "tools/offline/graveyard.h"

#include <fmt/format.h>

#include <memory>

#include "log/graveyard.h"
#include "tools/json_stream.h"
#include "tools/offline/frame_records.h"
#include "tools/offline/frame_walk.h"
#include "tools/offline/offline_world.h"
#include "tools/offline/places.h"
#include "tools/record_format.h"
#include "tools/table.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

struct BuriedFile {
    std::string path;
    log::BuriedRange range;
    std::string problem;  // its head cannot be read
};

Task<Expected<std::vector<BuriedFile>>> find_buried(World* world, std::string directory) {
    Expected<LogPlaces> places = co_await find_places(world, std::move(directory));
    if (!places.ok()) co_return places.error();
    std::vector<BuriedFile> files;
    for (const PartitionPlace& place : places->partitions) {
        Result<std::vector<std::string>> names = co_await log::list_graveyard(world, place.path);
        if (!names.ok()) co_return disk_failure("read the graveyard of", place.path, names.error());
        for (const std::string& name : *names) {
            BuriedFile file;
            file.path = place.path + "/graveyard/" + name;
            Result<log::BuriedRange> range = co_await log::read_buried_head(world, file.path);
            if (range.ok()) {
                file.range = *range;
            } else {
                file.problem = disk_failure("read", file.path, range.error()).hint;
            }
            files.push_back(std::move(file));
        }
    }
    co_return files;
}

Json to_json(const BuriedFile& file) {
    if (!file.problem.empty()) return {{"file", file.path}, {"problem", file.problem}};
    return {{"file", file.path},
            {"topic_id", file.range.identity.topic.to_string()},
            {"partition", file.range.identity.partition.value},
            {"first_offset", file.range.first.value},
            {"end_offset", file.range.end.value},
            {"new_epoch", file.range.epoch.value},
            {"time", file.range.time.milliseconds},
            {"reason", file.range.reason},
            {"bytes", file.range.bytes}};
}

// Prints the records of the frames in a graveyard file; those below its range were copied along with their block.
class BuriedPrinter {
  public:
    BuriedPrinter(Session& session, RecordFormat format) : session_(session), format_(std::move(format)) {}

    Task<Expected<void>> run(World* world, std::string path) {
        Result<log::BuriedRange> range = co_await log::read_buried_head(world, path);
        if (!range.ok()) co_return disk_failure("read", path, range.error());
        range_ = *range;
        topic_ = range_.identity.topic.to_string();
        Result<std::unique_ptr<File>> opened = co_await world->disk.open(path, OpenMode::read, false);
        if (!opened.ok()) co_return disk_failure("open", path, opened.error());
        std::unique_ptr<File> file = std::move(opened).value();
        Result<uint64_t> size = co_await file->size();
        Result<void> walked = size.ok() ? Result<void>() : Result<void>(size.error());
        if (session_.json) {
            json_ = std::make_unique<JsonStream>(session_.output);
            json_->begin_array("records");
        }
        if (size.ok()) {
            log::WindowReader reader(*file, world->buffers, *size, log::read_size);
            PieceVisitor visitor = [this](const Piece& piece) { return take(piece); };
            walked = co_await walk_pieces(&reader, range_.identity.seed(), log::block_size, std::move(visitor));
        }
        co_await file->close();
        if (json_ != nullptr) end_json();
        if (!walked.ok()) co_return disk_failure("read", path, walked.error());
        co_return Expected<void>();
    }
    uint64_t damaged() const { return damaged_; }
    uint64_t records() const { return records_; }

  private:
    bool take(const Piece& piece) {
        if (session_.output.is_closed()) return false;
        if (piece.kind != Piece::Kind::frame || piece.frame.next_offset() <= range_.first) return true;
        auto show = [this](const ConsumerRecord& record) { print(record); };
        bool is_good = piece.fault == nullptr &&
                       reader_.visit(piece.frame, topic_, range_.identity.partition.value, show).ok();
        if (!is_good) ++damaged_;
        return true;
    }

    void print(const ConsumerRecord& record) {
        ++records_;
        if (json_ != nullptr) {
            append_json(record, json_->begin_item());
        } else {
            format_.append(record, &session_.output.buffer());
            session_.output.flush_if_full();
        }
    }

    void end_json() {
        json_->end_array();
        json_->field("first_offset", range_.first.value);
        json_->field("end_offset", range_.end.value);
        json_->field("reason", range_.reason);
        json_->field("damaged_batches", damaged_);
        json_.reset();
    }

    Session& session_;
    RecordFormat format_;
    log::BuriedRange range_;
    std::string topic_;
    FrameRecords reader_;
    std::unique_ptr<JsonStream> json_;
    uint64_t records_ = 0;
    uint64_t damaged_ = 0;
};

}  // namespace

int list_graveyards(Session& session, const std::string& directory) {
    OfflineWorld offline;
    World world = offline.reading();
    Expected<std::vector<BuriedFile>> files = offline.run(find_buried(&world, directory));
    if (!files) return session.fail("cannot list the graveyards", files.error());
    Json values = Json::array();
    Table table({"PARTITION", "FIRST OFFSET", "END OFFSET", "WHEN", "SIZE", "REASON", "FILE"});
    for (const BuriedFile& file : *files) {
        values.push_back(to_json(file));
        if (!file.problem.empty()) session.say(file.problem);
        if (!file.problem.empty()) continue;
        table.add({file.range.identity.to_string(), std::to_string(file.range.first.value),
                   std::to_string(file.range.end.value), time_text(file.range.time.milliseconds),
                   bytes_text(file.range.bytes), file.range.reason, file.path});
    }
    if (session.json) {
        session.print_json(values);
    } else if (files->empty()) {
        session.say("nothing is buried there");
    } else {
        session.print(table.to_string());
    }
    return exit_done;
}

int export_buried(Session& session, const BuriedExportOptions& options) {
    Expected<RecordFormat> format = RecordFormat::parse(options.format);
    if (!format) return session.usage(format.error());
    OfflineWorld offline;
    World world = offline.reading();
    BuriedPrinter printer(session, *format);
    Expected<void> done = offline.run(printer.run(&world, options.file));
    if (!done.ok()) return session.fail("cannot export", done.error());
    std::string text = count_text(printer.records(), "record");
    if (printer.damaged() > 0) text += fmt::format(", and {} that cannot be read", count_text(printer.damaged(), "batch"));
    session.say(text);
    return printer.damaged() == 0 ? exit_done : exit_refused;
}

}  // namespace ironbark::tools
