// The commands that look at files, on what a real daemon has written.

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/checksum.h"
#include "tests/processes/daemon.h"
#include "tests/processes/temporary_directory.h"
#include "tests/processes/tool.h"

namespace ironbark::processes {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;
namespace filesystem = std::filesystem;

std::string read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_text(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

// Every file below a directory with its bytes.
std::map<std::string, std::string> contents(const std::string& directory) {
    std::map<std::string, std::string> files;
    for (const auto& entry : filesystem::recursive_directory_iterator(directory)) {
        if (entry.is_regular_file()) files[entry.path().string()] = read_text(entry.path().string());
    }
    return files;
}

// A data directory with one topic of several segments, written by a daemon that has stopped.
class OfflineTools : public testing::Test {
  protected:
    void SetUp() override {
        daemon = std::make_unique<Daemon>(DaemonOptions{.data_directory = data});
        online = std::make_unique<Tool>(daemon->bootstrap());
        ASSERT_EQ(online->run({"topic", "create", "kept", "--set", "segment.bytes=64KiB"}).exit_code, 0);
        for (int round = 0; round < 6; ++round) {
            std::string input;
            for (int number = 0; number < 300; ++number) {
                input += std::to_string(round * 300 + number) + std::string(100, 'r') + "\n";
            }
            all_input += input;
            ASSERT_EQ(online->run({"produce", "kept", "--batch-size", "16KiB"}, input).exit_code, 0);
        }
        ASSERT_EQ(daemon->stop(), 0);
        for (const auto& entry : filesystem::directory_iterator(data + "/partitions"))
            partition = entry.path().string();
        for (const auto& [path, bytes] : contents(partition)) {
            if (path.ends_with(".log")) segments.push_back(path);
        }
        ASSERT_GE(segments.size(), 2u);
    }
    void flip(const std::string& path, size_t position) {
        std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
        file.seekg(static_cast<std::streamoff>(position));
        char byte = static_cast<char>(file.get() ^ 1);
        file.seekp(static_cast<std::streamoff>(position));
        file.put(byte);
    }
    // The problems that verify reports, each as "FILE-NAME: what".
    std::vector<std::string> problems(const std::string& of) {
        Finished finished = tool.run({"log", "verify", of, "--json"});
        Json report = Json::parse(finished.output, nullptr, false);
        EXPECT_FALSE(report.is_discarded()) << finished.output;
        std::vector<std::string> found;
        for (const Json& problem : report["problems"]) {
            found.push_back(filesystem::path(problem["file"].get<std::string>()).filename().string() + ": " +
                            problem["what"].get<std::string>());
        }
        EXPECT_EQ(finished.exit_code, found.empty() ? 0 : 1);
        EXPECT_EQ(report["good"], found.empty());
        return found;
    }

    TemporaryDirectory directory;
    std::string data = directory / "data";
    std::unique_ptr<Daemon> daemon;
    std::unique_ptr<Tool> online;
    Tool tool{"127.0.0.1:1"};  // no daemon is needed
    std::string all_input;
    std::string partition;
    std::vector<std::string> segments;
};

TEST_F(OfflineTools, FindNothingWrongWithAGoodDirectory) {
    Json report = tool.json({"log", "verify", data});
    EXPECT_EQ(report["good"], true) << report;
    EXPECT_EQ(report["notes"], Json::array());
    ASSERT_EQ(report["partitions"].size(), 1u);
    EXPECT_EQ(report["partitions"][0]["records"], 1800);
    EXPECT_EQ(report["partitions"][0]["log_end"], 1800);
    EXPECT_EQ(report["partitions"][0]["segments"], segments.size());
    Finished text = tool.run({"log", "verify", partition + "/"});
    EXPECT_EQ(text.exit_code, 0) << text.errors;
    EXPECT_THAT(text.output, HasSubstr("1 partition with 1800 records"));
    EXPECT_THAT(text.output, HasSubstr("all good"));
}

TEST_F(OfflineTools, ChangeNothing) {
    flip(segments.front(), 5000);
    flip(data + "/marks-0", 4150);
    const auto before = contents(data);
    (void)tool.run({"log", "verify", data});
    (void)tool.run({"log", "dump", segments.back(), "--records", "--all"});
    (void)tool.run({"log", "export", "--kafka", data, "--to", directory / "out"});
    (void)tool.run({"log", "graveyard", "list", data});
    EXPECT_TRUE(contents(data) == before);
}

TEST_F(OfflineTools, FindAFlippedBitAtAnyPlaceOfAFrame) {
    // The frames of the first segment, by the dump.
    Json dump = tool.json({"log", "dump", segments.front()});
    ASSERT_FALSE(dump["items"].empty());
    for (const Json& item : dump["items"]) {
        if (item["kind"] != "frame") continue;
        const size_t begin = item["position"].get<size_t>();
        const size_t size = item["size"].get<size_t>();
        for (size_t at : {size_t{0}, size_t{9}, size_t{13}, size_t{20}, size_t{30}, size_t{35}, size_t{41}, size_t{50},
                          size_t{60}, size_t{70}, size_t{81}, size_t{100}, size_t{124}, size_t{125}, size - 1}) {
            flip(segments.front(), begin + at);
            std::vector<std::string> found = problems(data);
            ASSERT_EQ(found.size(), 1u) << "byte " << at;
            EXPECT_THAT(found[0], HasSubstr("records " + item["base_offset"].dump() + " to " +
                                            item["last_offset"].dump() + " are missing or damaged"));
            flip(segments.front(), begin + at);
        }
    }
    EXPECT_TRUE(problems(data).empty());
}

TEST_F(OfflineTools, FindDamageInSeveralPlacesAtOnce) {
    flip(segments.front(), 4096 + 200);
    flip(segments.back(), 4096 + 200);
    std::vector<std::string> found = problems(data);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_THAT(found[0], HasSubstr(filesystem::path(segments.front()).filename().string()));
    EXPECT_THAT(found[1], HasSubstr(filesystem::path(segments.back()).filename().string()));
}

TEST_F(OfflineTools, FindADamagedHeadAndReadOnBehindIt) {
    for (size_t position :
         {size_t{0}, size_t{9}, size_t{20}, size_t{33}, size_t{41}, size_t{50}, size_t{60}, size_t{4000}}) {
        flip(segments[1], position);
        std::vector<std::string> found = problems(data);
        ASSERT_EQ(found.size(), 1u) << position;
        EXPECT_THAT(found[0], HasSubstr("head")) << position;
        flip(segments[1], position);
    }
    flip(segments[1], 0);
    EXPECT_EQ(tool.json({"log", "verify", data}, "", 1)["partitions"][0]["records"], 1800);
}

TEST_F(OfflineTools, FindAMissingSegment) {
    filesystem::remove(segments[1]);
    std::vector<std::string> found = problems(data);
    ASSERT_FALSE(found.empty());
    EXPECT_THAT(found[0], HasSubstr("is missing"));
}

TEST_F(OfflineTools, FindAMissingFirstSegment) {
    filesystem::remove(segments[0]);
    EXPECT_FALSE(problems(data).empty());
}

TEST_F(OfflineTools, FindAMissingLastSegment) {
    filesystem::remove(segments.back());
    EXPECT_FALSE(problems(data).empty());
}

TEST_F(OfflineTools, FindAMissingPartition) {
    filesystem::remove_all(partition);
    std::vector<std::string> found = problems(data);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_THAT(found[0], HasSubstr("the directory is missing, but records 0 to 1799 were promised"));
}

TEST_F(OfflineTools, FindASegmentCutShort) {
    filesystem::resize_file(segments.back(), 4096);
    std::vector<std::string> found = problems(data);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_THAT(found[0], HasSubstr("are missing or damaged"));
}

TEST_F(OfflineTools, FindSegmentsThatWereExchanged) {
    filesystem::rename(segments[0], directory / "one");
    filesystem::rename(segments[1], segments[0]);
    filesystem::rename(directory / "one", segments[1]);
    EXPECT_GE(problems(data).size(), 2u);
}

TEST_F(OfflineTools, FindDamageInEveryOtherFile) {
    size_t checked = 0;
    for (const auto& [path, bytes] : contents(data)) {
        const std::string name = filesystem::path(path).filename().string();
        if (name.ends_with(".log") || name == "lock") continue;
        ++checked;
        for (size_t at : {size_t{0}, size_t{12}, bytes.size() < 4096 ? bytes.size() - 1 : size_t{4120}}) {
            flip(path, at);
            std::vector<std::string> found = problems(data);
            ASSERT_FALSE(found.empty()) << name << " byte " << at;
            EXPECT_THAT(found[0], HasSubstr(name));
            flip(path, at);
        }
    }
    EXPECT_GE(checked, 4u);  // identity, marks, metadata, and what lies beside the segments
    EXPECT_TRUE(problems(data).empty());
}

TEST_F(OfflineTools, NoteWhatDoesNotBelongThere) {
    write_text(partition + "/notes.txt", "hello");
    Json report = tool.json({"log", "verify", data});
    ASSERT_EQ(report["notes"].size(), 1u) << report;
    EXPECT_THAT(report["notes"][0]["file"].get<std::string>(), HasSubstr("notes.txt"));
}

TEST_F(OfflineTools, VerifyBesideARunningDaemon) {
    daemon->start();
    Tool running(daemon->bootstrap());
    Process producer({"bash", "-c", "seq 1 2000000 | " IRONBARK_PROGRAM " produce kept --acks leader"}, {},
                     {{"IRONBARK_BOOTSTRAP", daemon->bootstrap()}});
    for (int look = 0; look < 10; ++look) {
        Finished finished = tool.run({"log", "verify", data});
        EXPECT_EQ(finished.exit_code, 0) << finished.output << finished.errors;
    }
    EXPECT_EQ(producer.wait(Milliseconds(60'000)), 0);
}

TEST_F(OfflineTools, TakeATornEndForWhatItIs) {
    daemon->start();
    Tool running(daemon->bootstrap());
    Process producer({"bash", "-c", "seq 1 20000000 | " IRONBARK_PROGRAM " produce kept --acks leader"}, {},
                     {{"IRONBARK_BOOTSTRAP", daemon->bootstrap()}});
    EXPECT_FALSE(producer.wait(Milliseconds(300)));
    daemon->kill();
    Finished finished = tool.run({"log", "verify", data});
    EXPECT_EQ(finished.exit_code, 0) << finished.output << finished.errors;
    daemon->start();
    EXPECT_EQ(daemon->stop(), 0);
    EXPECT_TRUE(problems(data).empty());
}

// ---- dump -----------------------------------------------------------------------------------------------------------

TEST_F(OfflineTools, DumpFramesPadsAndRecords) {
    int64_t next = 0;
    for (const std::string& segment : segments) {
        Json dump = tool.json({"log", "dump", segment, "--records"});
        EXPECT_EQ(dump["kind"], "segment");
        EXPECT_EQ(dump["head"]["base_offset"], next);
        EXPECT_EQ(dump["faults"], 0);
        for (const Json& item : dump["items"]) {
            if (item["kind"] != "frame") continue;
            EXPECT_EQ(item["base_offset"], next);
            EXPECT_EQ(item["batch"]["records"], item["records"].size());
            for (const Json& record : item["records"]) EXPECT_EQ(record["offset"], next++);
        }
        EXPECT_EQ(dump["end"]["next_offset"], next);
    }
    EXPECT_EQ(next, 1800);
    Finished text = tool.run({"log", "dump", segments.front()});
    EXPECT_EQ(text.exit_code, 0);
    EXPECT_THAT(text.output, HasSubstr("offsets 0.."));
    EXPECT_THAT(text.output, HasSubstr("pad"));
    EXPECT_THAT(text.output, HasSubstr("0 damaged; the log ends here at byte"));
}

TEST_F(OfflineTools, DumpShowsWhereTheLogBreaksOff) {
    flip(segments.front(), 4096 + 20);
    Json dump = tool.json({"log", "dump", segments.front()});
    EXPECT_EQ(dump["frames"], 0);
    EXPECT_EQ(dump["end"]["position"], 4096);
    EXPECT_THAT(dump["end"]["behind"].get<std::string>(), HasSubstr("frames that do not continue it"));
    Json all = tool.json({"log", "dump", segments.front(), "--all"});
    EXPECT_EQ(all["items"][0]["kind"], "unreadable");
    EXPECT_GT(all["frames"], 0);
}

TEST_F(OfflineTools, DumpRefusesOtherFiles) {
    for (const std::string& path : {data + "/marks-0", data + "/nothing.log", data}) {
        Finished finished = tool.run({"log", "dump", path});
        EXPECT_EQ(finished.exit_code, 1) << path;
        EXPECT_THAT(finished.errors, HasSubstr(path));
    }
    write_text(directory / "fake.log", "no segment");
    EXPECT_EQ(tool.json({"log", "dump", directory / "fake.log"}, "", 1)["error"]["code"], "corrupt_data");
}

TEST_F(OfflineTools, VerifyRefusesOtherDirectories) {
    Finished finished = tool.run({"log", "verify", directory / "nothing"});
    EXPECT_EQ(finished.exit_code, 1);
    EXPECT_THAT(finished.errors, HasSubstr("No such file or directory"));
    filesystem::create_directory(directory / "empty");
    EXPECT_THAT(tool.run({"log", "verify", directory / "empty"}).errors, HasSubstr("neither a data directory"));
    EXPECT_TRUE(filesystem::is_empty(directory / "empty"));
}

// ---- export ---------------------------------------------------------------------------------------------------------

TEST_F(OfflineTools, ExportPlainKafkaSegments) {
    Json exported = tool.json({"log", "export", "--kafka", data, "--to", directory / "out"});
    ASSERT_EQ(exported.size(), 1u) << exported;
    ASSERT_EQ(exported[0]["segments"].size(), segments.size());
    uint64_t records = 0;
    for (const Json& segment : exported[0]["segments"]) {
        records += segment["records"].get<uint64_t>();
        const std::string bytes = read_text(segment["file"]);
        EXPECT_EQ(bytes.size(), segment["bytes"]);
        EXPECT_EQ(bytes[16], 2);  // Kafka's magic of record batches
    }
    EXPECT_EQ(records, 1800u);
    Finished text = tool.run({"log", "export", "--kafka", partition, "--to", directory / "single"});
    EXPECT_EQ(text.exit_code, 0) << text.errors;
    EXPECT_TRUE(filesystem::exists(directory / "single/00000000000000000000.log"));
    EXPECT_THAT(text.output, HasSubstr("read again and compared"));
}

TEST_F(OfflineTools, ExportNoRecordsThatWereDeleted) {
    daemon->start();
    Tool running(daemon->bootstrap());
    std::vector<std::string> command = {"topic", "delete-records", "kept", "--partition",
                                        "0",     "--before",       "400",  "--yes"};
    ASSERT_EQ(running.run(command).exit_code, 0);
    ASSERT_EQ(daemon->stop(), 0);
    Json exported = tool.json({"log", "export", "--kafka", data, "--to", directory / "out"});
    const Json& first = exported[0]["segments"][0];
    EXPECT_GT(first["first_offset"], 0) << exported;
    EXPECT_LE(first["first_offset"], 400);
}

TEST_F(OfflineTools, ExportOnlyIntoAnEmptyDirectoryElsewhere) {
    filesystem::create_directory(directory / "used");
    write_text(directory / "used/file", "x");
    EXPECT_THAT(tool.run({"log", "export", "--kafka", data, "--to", directory / "used"}).errors,
                HasSubstr("is not empty"));
    EXPECT_THAT(tool.run({"log", "export", "--kafka", data, "--to", data + "/out"}).errors,
                HasSubstr("lie in each other"));
    EXPECT_FALSE(filesystem::exists(data + "/out"));
}

TEST_F(OfflineTools, ExportSaysWhatItCouldNotExport) {
    flip(segments[1], 4096 + 20);
    Json exported = tool.json({"log", "export", "--kafka", data, "--to", directory / "out"}, "", 1);
    EXPECT_THAT(exported[0]["problem"].get<std::string>(), HasSubstr("is missing or damaged")) << exported;
    EXPECT_EQ(exported[0]["segments"].size(), 1u);
}

// ---- graveyard ------------------------------------------------------------------------------------------------------

// The first block of a graveyard file: the line with its checksum.
std::string grave_head(Json line) {
    char checksum[17];
    std::snprintf(checksum, sizeof(checksum), "%016llx",
                  static_cast<unsigned long long>(ironbark::xxh3(ironbark::as_bytes(line.dump()), 0)));
    line["checksum"] = checksum;
    std::string head = line.dump() + "\n";
    head.resize(4096);
    return head;
}

TEST_F(OfflineTools, ListShowAndExportWhatIsBuried) {
    // What a crash leaves: a good end of the log that nobody was promised. Here it is made by hand: the floor is
    // lowered by taking away every promise, and the first frame of the last segment is damaged.
    EXPECT_EQ(tool.json({"log", "graveyard", "list", data}), Json::array());
    filesystem::create_directory(partition + "/graveyard");
    const std::string name = filesystem::path(partition).filename().string();
    const std::string segment = read_text(segments.back());
    Json line = {{"ironbark", "graveyard 1"},
                 {"topic", name.substr(0, 36)},
                 {"partition", 0},
                 {"first_offset", std::stoll(filesystem::path(segments.back()).stem().string())},
                 {"end_offset", 1800},
                 {"new_epoch", 5},
                 {"time_ms", 1714979289123},
                 {"reason", "cut"},
                 {"bytes", segment.size() - 4096}};
    const std::string head = grave_head(line);
    const std::string grave = partition + "/graveyard/00000001714979289123-00000000000000000000.grave";
    write_text(grave, head + segment.substr(4096));
    Json list = tool.json({"log", "graveyard", "list", data});
    ASSERT_EQ(list.size(), 1u) << list;
    EXPECT_EQ(list[0]["reason"], "cut");
    EXPECT_EQ(list[0]["end_offset"], 1800);
    EXPECT_THAT(tool.run({"log", "graveyard", "list", partition}).output, HasSubstr("2024-05-06T07:08:09.123Z"));
    Json shown = tool.json({"log", "graveyard", "show", grave, "--records"});
    EXPECT_EQ(shown["kind"], "graveyard");
    EXPECT_GT(shown["frames"], 0);
    Finished exported = tool.run({"log", "graveyard", "export", grave});
    EXPECT_EQ(exported.exit_code, 0) << exported.errors;
    ASSERT_FALSE(exported.output.empty());
    EXPECT_TRUE(all_input.ends_with(exported.output));
    EXPECT_EQ(tool.json({"log", "graveyard", "export", grave})["damaged_batches"], 0);
    EXPECT_TRUE(problems(data).empty());
    flip(grave, 4096 + 300);
    EXPECT_EQ(tool.json({"log", "graveyard", "export", grave}, "", 1)["damaged_batches"], 1);
    flip(grave, 0);
    EXPECT_FALSE(problems(data).empty());
}

// As a replica leaves it that was let go, or replaced because it was damaged: the segments, and a file that tells why.
TEST_F(OfflineTools, ListShowAndExportALogThatWasBuriedAsAWhole) {
    const std::string name = filesystem::path(partition).filename().string();
    const std::string burial = partition + "/graveyard/00000001714979289123-";
    filesystem::create_directory(partition + "/graveyard");
    const std::string grave = burial + "00000000000000000000.grave";
    write_text(grave, grave_head({{"ironbark", "graveyard 1"},
                                  {"topic", name.substr(0, 36)},
                                  {"partition", 0},
                                  {"first_offset", 0},
                                  {"end_offset", 0},
                                  {"new_epoch", -1},
                                  {"time_ms", 1714979289123},
                                  {"reason", "let go"},
                                  {"bytes", 0},
                                  {"segments", segments.size()}}));
    std::vector<std::string> buried;
    for (const std::string& segment : segments) {
        buried.push_back(burial + filesystem::path(segment).stem().string() + ".segment");
        filesystem::rename(segment, buried.back());
    }
    Json list = tool.json({"log", "graveyard", "list", data});
    ASSERT_EQ(list.size(), segments.size()) << list;
    int64_t records = 0;
    for (const Json& file : list) {
        EXPECT_EQ(file["kind"], "segment");
        EXPECT_EQ(file["reason"], "let go");
        EXPECT_EQ(file["first_offset"], records);
        records += file["records"].get<int64_t>();
        EXPECT_EQ(file["end_offset"], records);
        // Without its head, and what fills the last blocks. (How much the last file has depends on when they were cut.)
        const Json end = tool.json({"log", "dump", file["file"].get<std::string>()})["end"];
        const int64_t behind_head = end["position"].get<int64_t>() - 4096;
        EXPECT_GT(file["bytes"], std::max<int64_t>(0, behind_head - 2 * 4096));
        EXPECT_LE(file["bytes"], behind_head);
    }
    EXPECT_EQ(records, 1800);
    EXPECT_THAT(tool.run({"log", "graveyard", "list", partition}).output, HasSubstr("2024-05-06T07:08:09.123Z"));

    EXPECT_EQ(tool.json({"log", "graveyard", "show", grave})["head"]["segments"], Json(buried));
    EXPECT_EQ(tool.json({"log", "graveyard", "show", buried[0]})["records"], list[0]["records"]);
    EXPECT_EQ(tool.json({"log", "dump", buried[0]})["end"]["next_offset"], list[0]["end_offset"]);
    EXPECT_EQ(tool.run({"log", "graveyard", "export", grave}).output, all_input);
    Finished last = tool.run({"log", "graveyard", "export", buried.back()});
    EXPECT_EQ(last.exit_code, 0) << last.errors;
    EXPECT_FALSE(last.output.empty());
    EXPECT_TRUE(all_input.ends_with(last.output));

    // A frame whose header is damaged hides its records, and not those behind it.
    size_t second = 0;
    const Json dumped = tool.json({"log", "dump", buried[0]});
    for (const Json& item : dumped["items"]) {
        if (second == 0 && item["kind"] == "frame" && item["base_offset"] > 0) second = item["position"].get<size_t>();
    }
    ASSERT_GT(second, 4096u);
    flip(buried[0], second + 20);
    list = tool.json({"log", "graveyard", "list", data});
    EXPECT_LT(list[0]["records"], list[0]["end_offset"]);
    EXPECT_EQ(list[0]["end_offset"], list[1]["first_offset"]);
    EXPECT_EQ(tool.json({"log", "graveyard", "export", grave}, "", 1)["damaged_batches"], 1);
}

}  // namespace
}  // namespace ironbark::processes
