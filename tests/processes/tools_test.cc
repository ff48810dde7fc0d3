// The commands that ask brokers, against a real daemon.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <signal.h>

#include "tests/processes/daemon.h"
#include "tests/processes/temporary_directory.h"
#include "tests/processes/tool.h"

namespace ironbark::processes {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Json = nlohmann::json;
using std::string_literals::operator""s;

// One daemon for all tests; each makes topics of its own.
class Tools : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        directory = new TemporaryDirectory();
        daemon = new Daemon({.data_directory = *directory / "data"});
    }
    static void TearDownTestSuite() {
        delete daemon;
        delete directory;
    }

    void create(const std::string& topic, const std::string& partitions = "1") {
        Finished created = tool.run({"topic", "create", topic, "--partitions", partitions});
        ASSERT_EQ(created.exit_code, 0) << created.errors;
    }
    void produce(const std::string& topic, const std::string& input) {
        Finished produced = tool.run({"produce", topic}, input);
        ASSERT_EQ(produced.exit_code, 0) << produced.errors;
    }
    std::string consume(const std::string& topic, std::vector<std::string> more = {}) {
        std::vector<std::string> arguments = {"consume", topic, "--exit-at-end"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        Finished consumed = tool.run(arguments);
        EXPECT_EQ(consumed.exit_code, 0) << consumed.errors;
        return consumed.output;
    }
    void expect_usage(std::vector<std::string> arguments, const std::string& words) {
        Finished finished = tool.run(std::move(arguments));
        EXPECT_EQ(finished.exit_code, 2);
        EXPECT_EQ(finished.output, "");
        EXPECT_THAT(finished.errors, HasSubstr(words));
    }
    void expect_refused(std::vector<std::string> arguments, const std::string& words) {
        Finished finished = tool.run(std::move(arguments));
        EXPECT_EQ(finished.exit_code, 1);
        EXPECT_EQ(finished.output, "");
        EXPECT_THAT(finished.errors, HasSubstr(words));
    }

    static TemporaryDirectory* directory;
    static Daemon* daemon;
    Tool tool{daemon->bootstrap()};
};
TemporaryDirectory* Tools::directory = nullptr;
Daemon* Tools::daemon = nullptr;

// ---- topics ---------------------------------------------------------------------------------------------------------

TEST_F(Tools, CreateATopicAndDescribeIt) {
    Finished created = tool.run({"topic", "create", "described", "--partitions", "3", "--replicas", "1",
                                 "--min-in-sync", "1", "--set", "retention.ms=7d", "--set", "acks.default=leader"});
    ASSERT_EQ(created.exit_code, 0) << created.errors;
    EXPECT_EQ(created.output, "created topic described with 3 partitions, 1 replica, min-in-sync 1\n");
    Json topic = tool.json({"topic", "describe", "described"});
    EXPECT_EQ(topic["name"], "described");
    EXPECT_EQ(topic["partitions"].size(), 3u);
    EXPECT_EQ(topic["partitions"][2]["state"], "online");
    EXPECT_EQ(topic["settings"]["retention.ms"]["value"], "604800000");
    EXPECT_EQ(topic["settings"]["acks.default"]["source"], "topic");
    EXPECT_EQ(topic["settings"]["min.acks"]["source"], "default");
    Finished text = tool.run({"topic", "describe", topic["id"]});
    EXPECT_EQ(text.exit_code, 0);
    EXPECT_THAT(text.output, StartsWith("topic described ("));
    EXPECT_THAT(text.output, HasSubstr("acks.default"));
}

TEST_F(Tools, CreateATopicAndListIt) {
    Json created = tool.json({"topic", "create", "listed", "--partitions", "2"});
    EXPECT_EQ(created["topic"], "listed");
    EXPECT_EQ(created["partitions"], 2);
    bool found = false;
    const Json topics = tool.json({"topic", "list"});
    for (const Json& topic : topics) {
        if (topic["name"] != "listed") continue;
        found = true;
        EXPECT_EQ(topic["id"], created["id"]);
        EXPECT_EQ(topic["partitions"][1]["leader"], 1);
    }
    EXPECT_TRUE(found);
    EXPECT_THAT(tool.run({"topic", "list"}).output, HasSubstr("listed"));
}

TEST_F(Tools, OnlySayWhatTheyWouldDo) {
    EXPECT_EQ(tool.json({"topic", "create", "dry", "--dry-run"})["dry_run"], true);
    expect_refused({"topic", "describe", "dry"}, "there is no such topic");
    create("wet", "2");
    EXPECT_EQ(tool.json({"topic", "add-partitions", "wet", "--to", "5", "--dry-run"})["partitions"], 5);
    EXPECT_EQ(tool.json({"topic", "alter", "wet", "--set", "retention.ms=1d", "--dry-run"})["changes"][0]["now"],
              "86400000");
    EXPECT_THAT(tool.run({"topic", "alter", "wet", "--set", "retention.ms=7d", "--dry-run"}).output,
                HasSubstr("nothing would change"));
    Json topic = tool.json({"topic", "describe", "wet"});
    EXPECT_EQ(topic["partitions"].size(), 2u);
    EXPECT_EQ(topic["settings"]["retention.ms"]["source"], "default");
}

TEST_F(Tools, ListTheTopicOptions) {
    Json options = tool.json({"topic", "options"});
    ASSERT_FALSE(options.empty());
    EXPECT_TRUE(options[0].contains("key") && options[0].contains("default") && options[0].contains("range"));
    EXPECT_THAT(tool.run({"topic", "options"}).output, HasSubstr("retention.ms"));
}

TEST_F(Tools, AlterATopicAndSayWhatChanged) {
    create("altered");
    Json changed = tool.json({"topic", "alter", "altered", "--set", "retention.ms=1d"});
    EXPECT_EQ(changed["changes"][0]["before"], "604800000");
    EXPECT_EQ(changed["changes"][0]["now"], "86400000");
    Finished reset = tool.run({"topic", "alter", "altered", "--reset", "retention.ms", "--set", "segment.bytes=1MiB"});
    EXPECT_EQ(reset.exit_code, 0) << reset.errors;
    EXPECT_THAT(reset.output, HasSubstr("604800000"));
    EXPECT_THAT(reset.output, HasSubstr("1048576"));
}

TEST_F(Tools, AddPartitions) {
    create("grown", "2");
    EXPECT_EQ(tool.run({"topic", "add-partitions", "grown", "--to", "4"}).output, "topic grown has 4 partitions\n");
    EXPECT_EQ(tool.json({"topic", "add-partitions", "grown", "--to", "5"})["partitions"], 5);
    expect_refused({"topic", "add-partitions", "grown", "--to", "3"}, "partitions can only be added");
}

TEST_F(Tools, DeleteATopicOnlyWhenToldSo) {
    create("doomed", "2");
    produce("doomed", "1\n2\n3\n");
    expect_refused({"topic", "delete", "doomed"}, "with 2 partitions and all its records, 3");
    EXPECT_EQ(tool.json({"topic", "delete", "doomed"}, "", 1)["done"], false);
    EXPECT_EQ(tool.json({"topic", "describe", "doomed"})["name"], "doomed");
    EXPECT_EQ(tool.run({"topic", "delete", "doomed", "--yes"}).output, "deleted topic doomed with 3 records\n");
    expect_refused({"topic", "describe", "doomed"}, "there is no such topic");
    create("doomed");
    EXPECT_EQ(tool.json({"topic", "delete", "doomed", "--yes"})["done"], true);
}

TEST_F(Tools, DeleteRecordsOnlyWhenToldSo) {
    create("shortened");
    produce("shortened", "0\n1\n2\n3\n4\n");
    expect_refused({"topic", "delete-records", "shortened", "--partition", "0", "--before", "2"}, "delete 2 records");
    EXPECT_EQ(consume("shortened"), "0\n1\n2\n3\n4\n");
    Json deleted = tool.json({"topic", "delete-records", "shortened", "--partition", "0", "--before", "2", "--yes"});
    EXPECT_EQ(deleted["log_start"], 2);
    EXPECT_EQ(deleted["deleted"], 2);
    EXPECT_EQ(consume("shortened"), "2\n3\n4\n");
    Finished all = tool.run({"topic", "delete-records", "shortened", "--partition", "0", "--before", "end", "--yes"});
    EXPECT_EQ(all.output, "deleted 3 records; shortened/0 now starts at offset 5\n") << all.errors;
    EXPECT_EQ(consume("shortened"), "");
    expect_refused({"topic", "delete-records", "shortened", "--partition", "0", "--before", "9"},
                   "below the high watermark, which is 5");
    expect_refused({"topic", "delete-records", "shortened", "--partition", "0", "--before", "9", "--yes"},
                   "below the high watermark");
    expect_refused({"topic", "delete-records", "shortened", "--partition", "7", "--before", "1", "--yes"},
                   "has 1 partition, the last is 0");
}

// ---- brokers --------------------------------------------------------------------------------------------------------

TEST_F(Tools, ListTheBrokers) {
    Json brokers = tool.json({"broker", "list"});
    ASSERT_EQ(brokers.size(), 1u);
    EXPECT_EQ(brokers[0]["port"], daemon->port());
    EXPECT_EQ(brokers[0]["controller"], true);
    EXPECT_EQ(brokers[0]["alive"], true);
    EXPECT_THAT(tool.run({"broker", "list"}).output, HasSubstr(daemon->bootstrap()));
}

TEST_F(Tools, ShowTheController) {
    Json status = tool.json({"controller", "status"});
    EXPECT_EQ(status["active"], 1) << status;
    EXPECT_THAT(tool.run({"controller", "status"}).output, HasSubstr("active controller: 1"));
    expect_refused({"controller", "replace-voter", "9", "--yes"}, "cannot replace voter 9");
    const std::string id = std::to_string(tool.json({"controller", "status"})["active"].get<int>());
    EXPECT_THAT(tool.run({"controller", "replace-voter", id}).output, HasSubstr("already: nothing to replace"));
}

TEST_F(Tools, ListWhatHappened) {
    create("happened");
    EXPECT_THAT(tool.run({"cluster", "events"}).output, HasSubstr("topic happened created"));
    Conversation follower(tool.of({"cluster", "events", "--follow"}));
    ASSERT_TRUE(follower.hears("topic happened created"));
    create("happens");
    ASSERT_TRUE(follower.hears("topic happens created"));
    follower.signal(SIGINT);
    EXPECT_EQ(follower.finish().exit_code, 0);
}

TEST_F(Tools, ShowTheStatusOfTheCluster) {
    create("counted", "2");
    Json status = tool.json({"cluster", "status"});
    EXPECT_EQ(status["healthy"], true) << status;
    EXPECT_GE(status["partitions"], 2);
    EXPECT_EQ(status["partitions_online"], status["partitions"]);
    EXPECT_TRUE(status["brokers"][0].contains("unsynced_bytes"));
    EXPECT_EQ(status["brokers"][0]["directories"][0]["state"], "online");
    Finished text = tool.run({"cluster", "status"});
    EXPECT_EQ(text.exit_code, 0);
    EXPECT_THAT(text.output, HasSubstr("healthy"));
    EXPECT_THAT(text.output, HasSubstr("A POWER CUT NOW WOULD TAKE"));
}

// ---- produce and consume --------------------------------------------------------------------------------------------

TEST_F(Tools, WriteEveryByteOfALine) {
    create("bytes");
    const std::string input = "plain\n\n\0zero\0\n\xff\xfe binary\r\n\ttab \nno newline at the end"s;
    produce("bytes", input);
    EXPECT_EQ(consume("bytes"), input + "\n");
}

TEST_F(Tools, WriteNothingOfNoInput) {
    create("nothing");
    Finished finished = tool.run({"produce", "nothing"}, "");
    EXPECT_EQ(finished.exit_code, 0);
    EXPECT_EQ(consume("nothing"), "");
}

TEST_F(Tools, CutKeysFromLines) {
    create("keys");
    Finished finished =
        tool.run({"produce", "keys", "--key-separator", "\\t"}, "k\tv\n\tempty key\nno key\nk2\ta\tb\n");
    ASSERT_EQ(finished.exit_code, 0) << finished.errors;
    EXPECT_EQ(consume("keys", {"--format", "%K|%k|%v\\n"}), "1|k|v\n0||empty key\n-1||no key\n2|k2|a\tb\n");
}

TEST_F(Tools, PutEqualKeysIntoOnePartition) {
    create("grouped", "5");
    std::string input;
    for (int number = 0; number < 1000; ++number) input += "key" + std::to_string(number % 7) + ":x\n";
    ASSERT_EQ(tool.run({"produce", "grouped", "--key-separator", ":"}, input).exit_code, 0);
    std::map<std::string, std::set<int>> places;
    const Json value = tool.json({"consume", "grouped", "--exit-at-end"});
    for (const Json& record : value["records"]) {
        places[record["key"]].insert(record["partition"].get<int>());
    }
    EXPECT_EQ(places.size(), 7u);
    for (const auto& [key, partitions] : places) EXPECT_EQ(partitions.size(), 1u) << key;
}

TEST_F(Tools, SummariseWhatWasWritten) {
    create("summed", "3");
    Json summary = tool.json({"produce", "summed", "--partition", "2", "--acks", "leader_durable", "--compression",
                              "zstd", "--linger", "1ms", "--batch-size", "64KiB", "--set", "delivery.timeout.ms=20s"},
                             "a\nb\nc\n");
    EXPECT_EQ(summary["lines"], 3);
    EXPECT_EQ(summary["written"], 3);
    EXPECT_EQ(summary["not_written"], 0);
    EXPECT_EQ(summary["unknown"], 0);
    EXPECT_EQ(summary["complete"], true);
    EXPECT_EQ(summary["partitions"], Json::parse(R"([{"partition":2,"records":3,"first_offset":0,"last_offset":2}])"));
    EXPECT_EQ(consume("summed", {"--partition", "2"}), "a\nb\nc\n");
    EXPECT_EQ(consume("summed", {"--partition", "0", "--partition", "1"}), "");
    Finished text = tool.run({"produce", "summed"}, "d\n");
    EXPECT_EQ(text.output, "");
    EXPECT_THAT(text.errors, HasSubstr("1 line read"));
    EXPECT_THAT(text.errors, HasSubstr("1 written, 0 not written, 0 unknown"));
    summary = tool.json({"produce", "summed", "--acks", "none"}, "e\nf\n");
    EXPECT_EQ(summary["written"], 0);
    EXPECT_EQ(summary["not_acknowledged"], 2);
    Finished silent = tool.run({"produce", "summed", "--acks", "none"}, "g\n");
    EXPECT_EQ(silent.exit_code, 0);
    EXPECT_THAT(silent.errors, HasSubstr("; 1 sent, not acknowledged, 0 not written, 0 unknown"));
}

TEST_F(Tools, SayWhichLinesWereTooLong) {
    create("long");
    std::string input =
        "first\n" + std::string(3'000'000, 'x') + "\nsecond\n" + std::string(17'000'000, 'y') + "\nlast\n";
    Json summary = tool.json({"produce", "long"}, input, 1);
    EXPECT_EQ(summary["written"], 3) << summary;
    EXPECT_EQ(summary["not_written"], 2);
    EXPECT_EQ(summary["first_failed_line"], 2);
    EXPECT_EQ(summary["failures"][0]["code"], "message_too_large");
    EXPECT_EQ(consume("long"), "first\nsecond\nlast\n");
    // Accepted by the client, refused by the topic.
    Json refused = tool.json({"produce", "long", "--set", "max.request.size=4MiB"}, input.substr(0, 3'000'008), 1);
    EXPECT_EQ(refused["failures"][0]["outcome"], "not_written") << refused;
    EXPECT_EQ(refused["first_failed_line"], 2);
}

TEST_F(Tools, SayWhatIsNotShownBecauseItIsNotSynced) {
    ASSERT_EQ(tool.run({"topic", "create", "unsynced", "--set", "flush.interval.ms=1h"}).exit_code, 0);
    ASSERT_EQ(tool.run({"produce", "unsynced", "--acks", "leader"}, "a\nb\n").exit_code, 0);
    Finished durable = tool.run({"consume", "unsynced", "--exit-at-end"});
    EXPECT_EQ(durable.exit_code, 0);
    EXPECT_EQ(durable.output, "");
    EXPECT_THAT(durable.errors, HasSubstr("2 records are not synced yet and not shown: --visibility replicated"));
    Finished replicated = tool.run({"consume", "unsynced", "--exit-at-end", "--visibility", "replicated"});
    EXPECT_EQ(replicated.output, "a\nb\n");
    EXPECT_EQ(replicated.errors, "");
}

TEST_F(Tools, BeginWhereTheyAreTold) {
    create("places");
    produce("places", "0\n1\n2\n3\n4\n");
    EXPECT_EQ(consume("places", {"--offset", "start"}), "0\n1\n2\n3\n4\n");
    EXPECT_EQ(consume("places", {"--offset", "end"}), "");
    EXPECT_EQ(consume("places", {"--offset", "3"}), "3\n4\n");
    EXPECT_EQ(consume("places", {"--offset", "-2"}), "3\n4\n");
    EXPECT_EQ(consume("places", {"--offset", "-100"}), "0\n1\n2\n3\n4\n");
    EXPECT_EQ(consume("places", {"--offset", "@0"}), "0\n1\n2\n3\n4\n");
    EXPECT_EQ(consume("places", {"--offset", "@2001-01-01T00:00:00Z"}), "0\n1\n2\n3\n4\n");
    EXPECT_EQ(consume("places", {"--offset", "@2999-01-01"}), "");
    EXPECT_EQ(consume("places", {"--count", "2"}), "0\n1\n");
    expect_refused({"consume", "places", "--offset", "77", "--exit-at-end"}, "offset_out_of_range");
    expect_refused({"consume", "places", "--offset", "77"}, "offset_out_of_range");
}

TEST_F(Tools, StopAfterACount) {
    create("many");
    produce("many", "0\n1\n2\n3\n");
    Finished finished = tool.run({"consume", "many", "--count", "3"});
    EXPECT_EQ(finished.exit_code, 0) << finished.errors;
    EXPECT_EQ(finished.output, "0\n1\n2\n");
}

TEST_F(Tools, ReadOnlyWhatNoPowerCutTakesBack) {
    create("visible");
    produce("visible", "durable\n");
    EXPECT_EQ(consume("visible", {"--visibility", "durable"}), "durable\n");
    EXPECT_EQ(consume("visible", {"--visibility", "replicated", "--set", "fetch.max.wait.ms=10ms"}), "durable\n");
}

TEST_F(Tools, PrintRecordsAsOneJsonValue) {
    create("printed");
    ASSERT_EQ(tool.run({"produce", "printed", "--key-separator", ":"}, "k:text\n:\xff\xfe\nquote\"\n").exit_code, 0);
    Json value = tool.json({"consume", "printed", "--exit-at-end"});
    ASSERT_EQ(value["records"].size(), 3u) << value;
    EXPECT_EQ(value["records"][0]["key"], "k");
    EXPECT_EQ(value["records"][0]["value"], "text");
    EXPECT_EQ(value["records"][1]["value_base64"], "//4=");
    EXPECT_EQ(value["records"][2]["value"], "quote\"");
    EXPECT_EQ(value["gaps"], Json::array());
}

TEST_F(Tools, PrintAValidJsonValueOfNothing) {
    create("void");
    EXPECT_EQ(tool.json({"consume", "void", "--exit-at-end"})["records"], Json::array());
}

TEST_F(Tools, CarryManyLinesThroughPipesUnchanged) {
    create("pipe");
    std::string input;
    for (int number = 0; number < 100'000; ++number) {
        input += std::to_string(number) + std::string(static_cast<size_t>(number % 50), 'z') + "\n";
    }
    produce("pipe", input);
    EXPECT_TRUE(consume("pipe") == input);
    ASSERT_EQ(tool.run({"produce", "pipe", "--compression", "lz4", "--acks", "isr_durable"}, input).exit_code, 0);
    EXPECT_TRUE(consume("pipe", {"--offset", "100000"}) == input);
}

TEST_F(Tools, CarryATopicIntoAnotherThroughAPipe) {
    create("source");
    create("target");
    produce("source", "1\n2\n3\n");
    Finished finished = tool.shell("ironbark consume source --exit-at-end | ironbark produce target");
    EXPECT_EQ(finished.exit_code, 0) << finished.errors;
    EXPECT_EQ(consume("target"), "1\n2\n3\n");
}

TEST_F(Tools, EndQuietlyWhenNobodyReadsOn) {
    create("headed");
    std::string input;
    for (int number = 0; number < 100'000; ++number) input += std::to_string(number) + "\n";
    produce("headed", input);
    for (const char* more : {"", "--json"}) {
        Finished finished = tool.shell("ironbark consume headed "s + more + " | head -n 1 > /dev/null");
        EXPECT_EQ(finished.exit_code, 0);
        EXPECT_EQ(finished.errors, "");
    }
}

TEST_F(Tools, SayThatStandardOutputIsFull) {
    create("full");
    produce("full", "1\n");
    Finished finished = tool.shell("ironbark consume full --exit-at-end > /dev/full");
    EXPECT_EQ(finished.exit_code, 1);
    EXPECT_THAT(finished.errors, HasSubstr("No space left on device"));
}

TEST_F(Tools, EndReadingWhenInterrupted) {
    create("watched");
    produce("watched", "seen\n");
    Conversation consumer(tool.of({"consume", "watched", "--json"}));
    ASSERT_TRUE(consumer.hears("seen"));
    consumer.signal(SIGINT);
    Finished finished = consumer.finish();
    EXPECT_EQ(finished.exit_code, 0) << finished.errors;
    EXPECT_EQ(Json::parse(finished.output, nullptr, false)["records"].size(), 1u) << finished.output;
}

TEST_F(Tools, PrintRecordsAsTheyCome) {
    create("live");
    Conversation consumer(tool.of({"consume", "live"}));
    for (int number = 0; number < 3; ++number) {
        const std::string line = "line " + std::to_string(number) + "\n";
        produce("live", line);
        ASSERT_TRUE(consumer.hears(line));
    }
    consumer.signal(SIGTERM);
    EXPECT_EQ(consumer.finish().exit_code, 0);
}

TEST_F(Tools, EndWritingWhenInterrupted) {
    create("typed");
    Conversation producer(tool.of({"produce", "typed", "--json"}));
    producer.say("one\n");
    // The line is written as soon as it is there, not when the input ends.
    ASSERT_EQ(tool.run({"consume", "typed", "--count", "1"}).output, "one\n");
    producer.signal(SIGINT);
    Finished finished = producer.finish();
    EXPECT_EQ(finished.exit_code, 1) << finished.errors;
    Json summary = Json::parse(finished.output, nullptr, false);
    EXPECT_EQ(summary["written"], 1);
    EXPECT_EQ(summary["complete"], false);
}

// ---- what is wrong --------------------------------------------------------------------------------------------------

TEST_F(Tools, NameTheNearestCommandOrOption) {
    expect_usage({}, "needs a command");
    expect_usage({"topc"}, "the nearest is 'topic'");
    expect_usage({"topic"}, "needs a command: create, list");
    expect_usage({"topic", "creat", "x"}, "the nearest is 'create'");
    expect_usage({"topic", "list", "--jsn"}, "the nearest is '--json'");
    expect_usage({"produce", "x", "--partitoin=3"}, "the nearest is '--partition'");
    expect_usage({"log", "dmp"}, "the nearest is 'dump'");
}

TEST_F(Tools, RefuseAWrongCommandLine) {
    expect_usage({"topic", "create"}, "NAME is required");
    expect_usage({"topic", "create", "a", "b"}, "has no argument 'b'");
    expect_usage({"topic", "create", "a", "--partitions", "0"}, "'0' is no number from 1");
    expect_usage({"topic", "create", "a", "--partitions", "many"}, "'many' is no number from 1");
    expect_usage({"topic", "create", "a", "--set", "retention.ms"}, "it is KEY=VALUE");
    expect_usage({"topic", "alter", "a"}, "nothing to change");
    expect_usage({"topic", "delete-records", "a", "--partition", "0", "--before", "x"}, "it is an offset, or 'end'");
    expect_usage({"consume", "a", "--count", "-1"}, "'-1' is no number from 0");
    expect_usage({"topic", "list", "--bootstrap", "nowhere"}, "HOST:PORT");
    expect_usage({"topic", "list", "--timeout", "soon"}, "it is a duration");
    expect_usage({"produce", "a", "--acks", "most"}, "leader_durable");
    expect_usage({"produce", "a", "--compression", "zip"}, "zstd");
    expect_usage({"produce", "a", "--key-separator", "\\q"}, "a backslash starts one of");
    expect_usage({"produce", "a", "--set", "lingr.ms=1"}, "linger.ms");
    expect_usage({"consume", "a", "--offset", "somewhere"}, "start, end");
    expect_usage({"consume", "a", "--format", "%y"}, "behind % stands one of");
    expect_usage({"consume", "a", "--count", "few"}, "--count");
    expect_usage({"consume", "a", "--visibility", "all"}, "replicated");
}

TEST_F(Tools, SayThatThereIsNoSuchTopic) {
    create("existing");
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {"topic", "describe", "exsting"},
             {"topic", "alter", "exsting", "--set", "retention.ms=1d"},
             {"topic", "add-partitions", "exsting", "--to", "3"},
             {"topic", "delete", "exsting", "--yes"},
             {"topic", "delete-records", "exsting", "--partition", "0", "--before", "end", "--yes"},
             {"produce", "exsting"},
             {"consume", "exsting"}}) {
        expect_refused(arguments, "the nearest is 'existing'");
    }
    EXPECT_EQ(tool.json({"topic", "describe", "exsting"}, "", 1)["error"]["code"], "unknown_topic_or_partition");
}

TEST_F(Tools, PassOnWhatTheClusterRefuses) {
    create("twice");
    expect_refused({"topic", "create", "twice"}, "a topic of this name exists");
    expect_refused({"topic", "create", "bad/name"}, "a topic's name");
    expect_refused({"topic", "create", "a", "--replicas", "3"}, "this cluster has 1");
    expect_refused({"topic", "create", "a", "--set", "retenton.ms=1d"}, "'retention.ms'");
    expect_refused({"topic", "create", "a", "--set", "retention.ms=soon"}, "'soon' is no value");
    expect_refused({"topic", "alter", "twice", "--reset", "retenton.ms"}, "'retention.ms'");
    expect_usage({"produce", "twice", "--partition", "1"}, "has 1 partition, the last is 0");
    expect_usage({"consume", "twice", "--partition", "1"}, "has 1 partition, the last is 0");
}

TEST_F(Tools, SayThatNobodyListens) {
    Tool nowhere("127.0.0.1:1");
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {"topic", "list"}, {"cluster", "status"}, {"broker", "list"}, {"produce", "a"}, {"consume", "a"}}) {
        std::vector<std::string> impatient = arguments;
        impatient.insert(impatient.end(), {"--timeout", "400ms"});
        Finished finished = nowhere.run(impatient);
        EXPECT_EQ(finished.exit_code, 1);
        EXPECT_THAT(finished.errors, HasSubstr("nobody listens at 127.0.0.1:1: is ironbarkd running there?"));
    }
    Json value = nowhere.json({"topic", "list"}, "", 1);
    EXPECT_EQ(value["error"]["code"], "connection_refused") << value;
}

TEST_F(Tools, PreferTheFlagToTheEnvironment) {
    Tool nowhere("127.0.0.1:1");
    Finished finished = nowhere.run({"topic", "list", "--bootstrap", daemon->bootstrap()});
    EXPECT_EQ(finished.exit_code, 0) << finished.errors;
}

TEST_F(Tools, HaveHelpWithAnExampleForEveryCommand) {
    const char* commands[] = {"topic create",
                              "topic list",
                              "topic describe",
                              "topic options",
                              "topic alter",
                              "topic delete",
                              "topic add-partitions",
                              "topic delete-records",
                              "produce",
                              "consume",
                              "broker list",
                              "controller status",
                              "controller replace-voter",
                              "cluster status",
                              "cluster events",
                              "cluster start",
                              "cluster stop",
                              "log dump",
                              "log verify",
                              "log export",
                              "log graveyard list",
                              "log graveyard show",
                              "log graveyard export",
                              ""};
    for (const char* command : commands) {
        Finished finished = tool.shell("ironbark "s + command + " --help");
        EXPECT_EQ(finished.exit_code, 0) << command;
        EXPECT_EQ(finished.errors, "") << command;
        EXPECT_THAT(finished.output, HasSubstr("Example:\n  ")) << command;
        EXPECT_THAT(finished.output, HasSubstr(*command == '\0' ? "Usage" : "--json")) << command;
    }
}

TEST_F(Tools, SayTheirVersion) {
    EXPECT_THAT(tool.run({"--version"}).output, StartsWith("ironbark 0."));
}

// ---- a daemon that dies ---------------------------------------------------------------------------------------------

TEST(ToolsAndAKill, GoOnWithTheDaemonThatComesBack) {
    TemporaryDirectory directory;
    Daemon daemon({.data_directory = directory / "data"});
    Tool tool(daemon.bootstrap());
    ASSERT_EQ(tool.run({"topic", "create", "killed"}).exit_code, 0);
    Conversation consumer(tool.of({"consume", "killed", "--count", "40000"}));
    Conversation producer(tool.of({"produce", "killed"}));
    std::string expected;
    for (int number = 0; number < 40'000; ++number) {
        const std::string line = std::to_string(number) + "\n";
        expected += line;
        if (!producer.say(line)) break;
        if (number == 10'000) {
            ASSERT_TRUE(consumer.hears("5000\n"));
            daemon.kill();
        }
        if (number == 20'000) daemon.start();
    }
    Finished produced = producer.finish();
    EXPECT_EQ(produced.exit_code, 0) << produced.errors;
    Finished consumed = consumer.finish();
    EXPECT_EQ(consumed.exit_code, 0) << consumed.errors;
    EXPECT_TRUE(consumed.output == expected) << consumed.errors;
}

TEST(ToolsAndAKill, SayHowManyRecordsMayBeWritten) {
    TemporaryDirectory directory;
    Daemon daemon({.data_directory = directory / "data"});
    Tool tool(daemon.bootstrap());
    ASSERT_EQ(tool.run({"topic", "create", "paused"}).exit_code, 0);
    Conversation producer(tool.of(
        {"produce", "paused", "--json", "--set", "delivery.timeout.ms=1500ms", "--set", "request.timeout.ms=1s"}));
    producer.say("before\n");
    ASSERT_EQ(tool.run({"consume", "paused", "--count", "1"}).output, "before\n");
    // It takes what is sent to it and answers nothing: nobody knows what it will do when it wakes up.
    daemon.pause();
    producer.say("1\n2\n3\n");
    Finished finished = producer.finish();
    daemon.resume();
    EXPECT_EQ(finished.exit_code, 1);
    Json summary = Json::parse(finished.output, nullptr, false);
    EXPECT_EQ(summary["written"], 1) << finished.output;
    EXPECT_EQ(summary["unknown"], 3) << finished.output;
    EXPECT_EQ(summary["first_failed_line"], 2);
    EXPECT_THAT(finished.errors, HasSubstr("1 written, 0 not written, 3 unknown"));
}

TEST(ToolsAndAKill, GiveUpWaitingWhenInterruptedTwice) {
    TemporaryDirectory directory;
    Daemon daemon({.data_directory = directory / "data"});
    Tool tool(daemon.bootstrap());
    ASSERT_EQ(tool.run({"topic", "create", "paused"}).exit_code, 0);
    auto program = tool.of({"produce", "paused"});
    program.command.insert(program.command.begin(), {"bash", "-c", "exec \"$0\" \"$@\" 2>&1"});
    Conversation producer(program);
    producer.say("before\n");
    ASSERT_EQ(tool.run({"consume", "paused", "--count", "1"}).output, "before\n");
    daemon.pause();
    // More than fits into a pipe: when it is said, much of it has been read, and sent.
    std::string lines;
    for (int number = 0; number < 10'000; ++number) lines += std::string(100, 'x') + "\n";
    producer.say(lines);
    producer.signal(SIGINT);
    EXPECT_TRUE(producer.hears("records; interrupt again to give up\n"));
    producer.signal(SIGINT);
    Finished finished = producer.finish();
    daemon.resume();
    EXPECT_EQ(finished.exit_code, 130);
    EXPECT_THAT(finished.output, HasSubstr("; 1 written, "));
    EXPECT_THAT(finished.output, HasSubstr(" unknown; the first line that failed is 2"));
}

}  // namespace
}  // namespace ironbark::processes
