#include "tools/offline/graveyard.h"

#include <algorithm>
#include <fmt/format.h>
#include <memory>

#include "tools/json_stream.h"
#include "tools/offline/buried.h"
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

// Of a data directory or of one partition, with what is in the files.
Task<Expected<std::vector<BuriedFile>>> find_buried(World* world, std::string directory) {
    Expected<LogPlaces> places = co_await find_places(world, std::move(directory));
    if (!places.ok()) co_return places.error();
    std::vector<BuriedFile> files;
    for (const PartitionPlace& place : places->partitions) {
        Expected<std::vector<BuriedFile>> found = co_await list_buried(world, place.path);
        if (!found.ok()) co_return found.error();
        for (BuriedFile& file : *found) {
            PieceVisitor all = [](const Piece&) { return true; };
            Expected<void> walked;
            if (file.problem.empty()) walked = co_await walk_buried(world, &file, std::move(all));
            if (!walked.ok()) file.problem = walked.error().hint;
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
            {"kind", file.segment ? "segment" : "range"},
            {"first_offset", file.range.first.value},
            {"end_offset", file.range.end.value},
            {"records", file.records},
            {"new_epoch", file.range.epoch.value},
            {"time", file.range.time.milliseconds},
            {"reason", file.range.reason},
            {"bytes", file.range.bytes}};
}

// Prints the records of a burial's frames.
class BuriedPrinter {
  public:
    BuriedPrinter(Session& session, RecordFormat format) : session_(session), format_(std::move(format)) {}

    Task<Expected<void>> run(World* world, std::string path) {
        Expected<std::vector<BuriedFile>> files = co_await find_burial(world, std::move(path));
        if (!files.ok()) co_return files.error();
        range_ = files->front().range;
        topic_ = range_.identity.topic.to_string();
        if (session_.json) {
            json_ = std::make_unique<JsonStream>(session_.output);
            json_->begin_array("records");
        }
        Expected<void> printed;
        for (BuriedFile& file : *files) {
            if (printed.ok()) printed = co_await print_file(world, &file);
            range_.end = std::max(range_.end, file.range.end);
        }
        if (json_ != nullptr) end_json();
        co_return printed;
    }
    uint64_t damaged() const { return damaged_; }
    uint64_t records() const { return records_; }

  private:
    Task<Expected<void>> print_file(World* world, BuriedFile* file) {
        if (!file->problem.empty()) {
            session_.say(file->problem);
            ++damaged_;
            co_return Expected<void>();
        }
        PieceVisitor visitor = [this](const Piece& piece) { return take(piece); };
        Expected<void> walked = co_await walk_buried(world, file, std::move(visitor));
        damaged_ += file->gaps;
        co_return walked;
    }

    bool take(const Piece& piece) {
        if (session_.output.is_closed()) return false;
        auto show = [this](const ConsumerRecord& record) { print(record); };
        bool is_good =
            piece.fault == nullptr && reader_.visit(piece.frame, topic_, range_.identity.partition.value, show).ok();
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
    Table table({"PARTITION", "FIRST OFFSET", "END OFFSET", "RECORDS", "WHEN", "SIZE", "REASON", "FILE"});
    for (const BuriedFile& file : *files) {
        values.push_back(to_json(file));
        if (!file.problem.empty()) session.say(file.problem);
        if (!file.problem.empty()) continue;
        table.add({file.range.identity.to_string(), std::to_string(file.range.first.value),
                   std::to_string(file.range.end.value), std::to_string(file.records),
                   time_text(file.range.time.milliseconds), bytes_text(file.range.bytes), file.range.reason,
                   file.path});
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
    if (printer.damaged() > 0)
        text += fmt::format(", and {} that cannot be read", count_text(printer.damaged(), "batch"));
    session.say(text);
    return printer.damaged() == 0 ? exit_done : exit_refused;
}

}  // namespace ironbark::tools
