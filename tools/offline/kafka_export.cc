#include "tools/offline/kafka_export.h"

#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "log/scan.h"
#include "log/segment.h"
#include "tools/offline/directory_state.h"
#include "tools/offline/kafka_segment.h"
#include "tools/offline/offline_world.h"
#include "tools/offline/places.h"
#include "tools/table.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

struct ExportedPartition {
    std::string partition;
    std::string directory;
    std::vector<KafkaSegment> segments;
    std::string problem;  // why it is not complete
};

// Copies the batches of one partition, segment by segment.
class PartitionExporter {
  public:
    PartitionExporter(World* reading, World* writing, const PartitionPlace* place, const log::PartitionMarks* marks)
        : reading_(*reading), writing_(*writing), place_(*place), marks_(marks), writer_(writing) {}

    Task<ExportedPartition> run(std::string directory) {
        exported_.partition = place_.identity.to_string();
        exported_.directory = directory;
        Expected<void> done = co_await copy_all();
        co_await writer_.close();
        if (!done.ok()) exported_.problem = done.error().hint;
        co_return std::move(exported_);
    }

  private:
    Task<Expected<void>> copy_all() {
        Expected<PartitionFiles> files = co_await list_files(&reading_, place_.path);
        if (!files.ok()) co_return files.error();
        Result<void> made = co_await writing_.disk.make_directory(exported_.directory);
        if (!made.ok()) co_return disk_failure("make", exported_.directory, made.error());
        for (size_t index = 0; index < files->segments.size(); ++index) {
            const bool is_last = index + 1 == files->segments.size();
            const Offset limit = is_last ? Offset(INT64_MAX) : files->segments[index + 1];
            Expected<void> copied = co_await copy_segment(files->segments[index], limit);
            if (!copied.ok()) co_return copied.error();
        }
        co_return Expected<void>();
    }

    Task<Expected<void>> copy_segment(Offset base, Offset limit) {
        const std::string path = path_of(place_, base, log::log_suffix);
        Expected<SegmentFile> head = co_await read_segment_head(&reading_, path);
        if (!head.ok()) co_return head.error();
        Result<std::unique_ptr<File>> opened = co_await reading_.disk.open(path, OpenMode::read, true);
        if (!opened.ok()) co_return disk_failure("open", path, opened.error());
        std::unique_ptr<File> file = std::move(opened).value();
        Result<uint64_t> size = co_await file->size();
        Expected<void> copied;
        if (size.ok()) {
            log::WindowReader reader(*file, reading_.buffers, *size, log::read_size);
            const log::SegmentHead& start = head->head;
            log::ScanPlace place{start.base, log::block_size, start.chain_before, start.epoch_before};
            copied = co_await copy_frames(&reader, path, place, limit);
        }
        co_await file->close();
        if (!size.ok()) co_return disk_failure("read", path, size.error());
        co_return copied;
    }

    // A frame at a time: what the scan accepts is written before it looks for the next.
    Task<Expected<void>> copy_frames(log::WindowReader* reader, std::string path, log::ScanPlace place, Offset limit) {
        std::vector<log::EpochStart> starts;
        if (marks_ != nullptr) starts = marks_->epoch_starts;
        const Offset log_start = marks_ != nullptr ? marks_->log_start : Offset();
        bool is_open = false;
        while (place.offset < limit) {
            record::FrameView frame;
            uint64_t position = 0;
            log::ScanVisitor keep = [&](const record::FrameView& accepted, uint64_t at) {
                frame = accepted;
                position = at;
            };
            Result<log::ScanResult> scanned = co_await log::scan_segment(reader, place_.identity.seed(), place,
                                                                         place.offset + 1, starts, std::move(keep));
            if (!scanned.ok()) co_return disk_failure("read", path, scanned.error());
            if (scanned->frames == 0) {
                Result<log::Beyond> beyond = co_await log::look_beyond(reader, place_.identity.seed(), scanned->place,
                                                                       starts, log::unsynced_bytes_max);
                if (!beyond.ok()) co_return disk_failure("read", path, beyond.error());
                bool has_more = limit != Offset(INT64_MAX) || beyond->promised > scanned->place.offset;
                if (has_more) co_return damaged(path, *scanned);
                break;
            }
            place = scanned->place;
            if (frame.next_offset() <= log_start) continue;  // deleted, although the file is still there
            if (!is_open) {
                Result<void> created = co_await writer_.open(exported_.directory, frame.header.base_offset);
                if (!created.ok()) co_return disk_failure("make a segment in", exported_.directory, created.error());
                is_open = true;
            }
            Result<Bytes> bytes = co_await reader->at(position, frame.header.length);
            if (!bytes.ok()) co_return disk_failure("read", path, bytes.error());
            frame.bytes = bytes->first(frame.header.length);
            Result<void> written = co_await writer_.append(frame);
            if (!written.ok()) co_return disk_failure("write", writer_.written().path, written.error());
        }
        if (!is_open) co_return Expected<void>();
        co_return co_await finish_segment();
    }

    Task<Expected<void>> finish_segment() {
        Result<void> finished = co_await writer_.finish();
        co_await writer_.close();
        const KafkaSegment written = writer_.written();
        if (!finished.ok()) co_return disk_failure("write", written.path, finished.error());
        Result<void> checked = co_await check_kafka_segment(&writing_, written);
        if (!checked.ok()) co_return disk_failure("read again", written.path, checked.error());
        exported_.segments.push_back(written);
        co_return Expected<void>();
    }

    static Failure damaged(const std::string& path, const log::ScanResult& scanned) {
        return {
            ErrorCode::corrupt_data, Outcome::not_written,
            fmt::format("{} at byte {}: record {} is missing or damaged; what lies before it was exported. 'ironbark "
                        "log verify' says more.",
                        path, scanned.place.position, scanned.place.offset.value)};
    }

    World& reading_;
    World& writing_;
    const PartitionPlace& place_;
    const log::PartitionMarks* marks_;
    KafkaSegmentWriter writer_;
    ExportedPartition exported_;
};

Failure not_there(const std::string& hint) {
    return {ErrorCode::invalid_request, Outcome::not_written, hint};
}

// The target must be new or empty, and must not lie in what is exported: a data directory holds nothing foreign.
Task<Expected<void>> check_target(World* world, std::string from, std::string to) {
    namespace filesystem = std::filesystem;
    std::error_code error;
    const std::string source = filesystem::weakly_canonical(from, error).string() + "/";
    const std::string target = filesystem::weakly_canonical(to, error).string() + "/";
    if (target.starts_with(source) || source.starts_with(target)) {
        co_return not_there(fmt::format("{} and {} lie in each other; choose a directory elsewhere", from, to));
    }
    Result<std::vector<std::string>> names = co_await world->disk.list(to);
    if (names.ok() && !names->empty()) {
        co_return not_there(fmt::format("{} is not empty; choose a new directory, so that nothing is mixed", to));
    }
    if (!names.ok() && names.error().code != ErrorCode::not_found) co_return disk_failure("read", to, names.error());
    Result<void> made = co_await world->disk.make_directory(to);
    if (!made.ok()) co_return disk_failure("make", to, made.error());
    co_return Expected<void>();
}

Task<Expected<std::vector<ExportedPartition>>> export_all(World* reading,
                                                          World* writing,
                                                          const KafkaExportOptions* options) {
    Expected<LogPlaces> places = co_await find_places(reading, options->from);
    if (!places.ok()) co_return places.error();
    Expected<void> target = co_await check_target(writing, options->from, options->to);
    if (!target.ok()) co_return target.error();
    VerifyReport of_the_directory;  // what is wrong with it is for `log verify` to say
    std::string data = places->is_data_directory ? places->path : directory_of(directory_of(places->path));
    DirectoryState state = co_await read_directory_state(reading, std::move(data), &of_the_directory);
    std::vector<ExportedPartition> exported;
    for (const PartitionPlace& place : places->partitions) {
        auto marks = state.marks.find(place.identity);
        PartitionExporter exporter(reading, writing, &place, marks == state.marks.end() ? nullptr : &marks->second);
        std::string directory =
            places->is_data_directory ? options->to + "/" + place.identity.to_string() : options->to;
        exported.push_back(co_await exporter.run(std::move(directory)));
    }
    co_return exported;
}

Json to_json(const std::vector<ExportedPartition>& partitions) {
    Json values = Json::array();
    for (const ExportedPartition& partition : partitions) {
        Json segments = Json::array();
        for (const KafkaSegment& segment : partition.segments) {
            segments.push_back({{"file", segment.path},
                                {"first_offset", segment.first.value},
                                {"end_offset", segment.end.value},
                                {"batches", segment.batches},
                                {"records", segment.records},
                                {"bytes", segment.bytes}});
        }
        Json value = {{"partition", partition.partition}, {"directory", partition.directory}, {"segments", segments}};
        if (!partition.problem.empty()) value["problem"] = partition.problem;
        values.push_back(std::move(value));
    }
    return values;
}

std::string text_of(const std::vector<ExportedPartition>& partitions) {
    Table table({"FILE", "FIRST OFFSET", "END OFFSET", "BATCHES", "RECORDS", "SIZE"});
    for (const ExportedPartition& partition : partitions) {
        for (const KafkaSegment& segment : partition.segments) {
            table.add({segment.path, std::to_string(segment.first.value), std::to_string(segment.end.value),
                       std::to_string(segment.batches), std::to_string(segment.records), bytes_text(segment.bytes)});
        }
    }
    return table.to_string() +
           fmt::format("{} exported, read again and compared\n", count_text(table.row_count(), "segment"));
}

}  // namespace

int export_kafka(Session& session, const KafkaExportOptions& options) {
    OfflineWorld offline;
    World reading = offline.reading();
    Expected<std::vector<ExportedPartition>> exported = offline.run(export_all(&reading, &offline.writing(), &options));
    if (!exported) return session.fail("cannot export", exported.error());
    int code = exit_done;
    for (const ExportedPartition& partition : *exported) {
        if (partition.problem.empty()) continue;
        session.say(fmt::format("partition {} is not complete: {}", partition.partition, partition.problem));
        code = exit_refused;
    }
    if (session.json) {
        session.print_json(to_json(*exported));
    } else {
        session.print(text_of(*exported));
    }
    return code;
}

}  // namespace ironbark::tools
