// The library as an application uses it, against a fake broker on loopback: threads, blocking calls, real sockets.
#include <condition_variable>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>

#include "client/io_thread.h"
#include "client/murmur2.h"
#include "ironbark/admin.h"
#include "ironbark/consumer.h"
#include "ironbark/producer.h"
#include "tests/client/cutting_network.h"
#include "tests/client/fake_broker.h"

namespace ironbark::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// A broker with a thread of its own. Its network can be cut: `sent` and `received` are the broker's.
class LoopbackBroker {
  public:
    explicit LoopbackBroker(int32_t number = 1)
        : number_(number),
          network_(thread_.world().network, cut_),
          world_{thread_.world().executor, thread_.world().disk, network_, thread_.world().random,
                 thread_.world().buffers},
          broker_(world_, {"127.0.0.1", 0}, number) {
        start_server(0);
    }
    ~LoopbackBroker() {
        if (server_ != nullptr) stop_server();
    }

    void start_server(uint16_t port) {
        server_ = std::make_unique<FakeServer>(world_, broker_);
        Address address{"127.0.0.1", port};
        port_ = thread_.run([&] { return start(server_.get(), address); });
        with([this](FakeBroker& broker, Cut&) { broker.add_broker(number_, {"127.0.0.1", port_}); });
    }
    void stop_server() {
        thread_.run([&] { return stop(server_.get()); });
        server_.reset();
    }
    uint16_t port() const { return port_; }
    // Runs on the broker's thread.
    void with(const std::function<void(FakeBroker&, Cut&)>& work) {
        struct Run {
            static Task<void> run(const std::function<void(FakeBroker&, Cut&)>* its_work, LoopbackBroker* broker) {
                (*its_work)(broker->broker_, broker->cut_);
                co_return;
            }
        };
        thread_.run([&] { return Run::run(&work, this); });
    }
    void make_topic(const std::string& name, int32_t partitions) {
        with([&](FakeBroker& broker, Cut&) { broker.make_topic(name, partitions); });
    }
    std::vector<std::string> values(const std::string& topic, int32_t partition) {
        std::vector<std::string> found;
        with([&](FakeBroker& broker, Cut&) { found = broker.values(topic, partition); });
        return found;
    }
    Settings settings() const {
        Settings settings;
        settings.bootstrap_servers = "127.0.0.1:" + std::to_string(port_);
        settings.linger = milliseconds(1);
        settings.retry_backoff = milliseconds(5);
        return settings;
    }

  private:
    const int32_t number_;
    IoThread thread_{Settings()};
    Cut cut_;
    CuttingNetwork network_;
    World world_;
    FakeBroker broker_;
    std::unique_ptr<FakeServer> server_;
    uint16_t port_ = 0;
};

Record record_of(std::string_view topic, std::string_view value, std::optional<int32_t> partition = 0) {
    Record record;
    record.topic = topic;
    record.value = value;
    record.partition = partition;
    return record;
}

Producer make_producer(const Settings& settings) {
    Expected<Producer> producer = Producer::create(settings);
    EXPECT_TRUE(producer.ok());
    return std::move(producer).value();
}

std::vector<std::string> read(Consumer& consumer, size_t count) {
    std::vector<std::string> values;
    for (int attempts = 0; values.size() < count && attempts < 1000; ++attempts) {
        Expected<Records> records = consumer.poll(seconds(1));
        EXPECT_TRUE(records.ok());
        for (const ConsumerRecord& record : *records) values.emplace_back(*record.value);
        for (const PartitionError& error : records->errors()) ADD_FAILURE() << error.failure.to_string();
    }
    return values;
}

TEST(Loopback, AFutureTellsWhereTheRecordWent) {
    LoopbackBroker broker;
    broker.make_topic("t", 1);
    Producer producer = make_producer(broker.settings());
    std::future<Expected<Receipt>> future = producer.send(record_of("t", "hello"));
    Expected<Receipt> receipt = future.get();
    ASSERT_TRUE(receipt.ok()) << receipt.error().to_string();
    EXPECT_EQ(receipt->topic, "t");
    EXPECT_EQ(receipt->offset, 0);
    EXPECT_TRUE(producer.close(seconds(5)).ok());
    EXPECT_THAT(broker.values("t", 0), ElementsAre("hello"));
}

TEST(Loopback, ManyThreadsSendAndEverythingComesBackInTheirOrder) {
    constexpr int threads = 4;
    constexpr int records = 5000;
    LoopbackBroker broker;
    broker.make_topic("t", 3);
    Settings settings = broker.settings();
    settings.buffer_memory = size_t{1} << 20;  // senders block now and then
    Producer producer = make_producer(settings);
    std::atomic<int> acknowledged{0};
    std::vector<std::thread> senders;
    for (int thread = 0; thread < threads; ++thread) {
        senders.emplace_back([&, thread] {
            for (int number = 0; number < records; ++number) {
                std::string key = std::to_string(thread);
                std::string value = key + " " + std::to_string(number) + std::string(100, '.');
                Record record = record_of("t", value, std::nullopt);
                record.key = key;
                Expected<void> sent = producer.send(record, [&](const Expected<Receipt>& receipt) {
                    if (receipt.ok()) ++acknowledged;
                });
                ASSERT_TRUE(sent.ok()) << sent.error().to_string();
            }
        });
    }
    for (std::thread& sender : senders) sender.join();
    ASSERT_TRUE(producer.flush(seconds(30)).ok());
    EXPECT_EQ(acknowledged, threads * records);
    EXPECT_EQ(producer.statistics().records_written, static_cast<uint64_t>(threads * records));

    Expected<Consumer> consumer = Consumer::create(settings);
    ASSERT_TRUE(consumer.ok());
    std::vector<Assignment> all;
    for (int32_t partition = 0; partition < 3; ++partition) all.push_back({{"t", partition}, Start::beginning()});
    ASSERT_TRUE(consumer->assign(all).ok());
    std::map<std::string, int> next;
    int count = 0;
    while (count < threads * records) {
        Expected<Records> polled = consumer->poll(seconds(10));
        ASSERT_TRUE(polled.ok());
        ASSERT_FALSE(polled->empty());
        EXPECT_THAT(polled->gaps(), IsEmpty());
        EXPECT_THAT(polled->errors(), IsEmpty());
        for (const ConsumerRecord& record : *polled) {
            std::string key(*record.key);
            std::string expected = key + " " + std::to_string(next[key]++) + std::string(100, '.');
            EXPECT_EQ(*record.value, expected);
            EXPECT_EQ(record.partition, partition_of_key(as_bytes(key), 3));
            ++count;
        }
    }
    EXPECT_EQ(consumer->statistics().records, static_cast<uint64_t>(threads * records));
}

TEST(Loopback, HeadersKeysTombstonesAndTimesComeBack) {
    LoopbackBroker broker;
    broker.make_topic("t", 1);
    Producer producer = make_producer(broker.settings());
    Header headers[] = {{"one", "1"}, {"none", std::nullopt}, {"one", ""}};
    Record record;
    record.topic = "t";
    record.key = "key";
    record.headers = headers;
    record.timestamp = 1'600'000'000'123;
    ASSERT_TRUE(producer.send(record).get().ok());
    Expected<Consumer> consumer = Consumer::create(broker.settings());
    std::vector<Assignment> all{{{"t", 0}, Start::beginning()}};
    ASSERT_TRUE(consumer->assign(all).ok());
    Expected<Records> records = consumer->poll(seconds(10));
    consumer->close();
    ASSERT_TRUE(records.ok());
    ASSERT_THAT(*records, SizeIs(1));
    const ConsumerRecord& received = (*records)[0];
    EXPECT_EQ(received.key, "key");
    EXPECT_FALSE(received.value.has_value());
    EXPECT_EQ(received.timestamp, 1'600'000'000'123);
    ASSERT_EQ(received.headers.size(), 3u);
    EXPECT_EQ(received.headers[0].key, "one");
    EXPECT_EQ(received.headers[0].value, "1");
    EXPECT_FALSE(received.headers[1].value.has_value());
    EXPECT_EQ(received.headers[2].value, "");
}

TEST(Loopback, AFullBufferBlocksAndThenRefuses) {
    LoopbackBroker broker;
    broker.make_topic("t", 1);
    Settings settings = broker.settings();
    settings.buffer_memory = size_t{1} << 20;
    settings.max_block = milliseconds(50);
    Producer producer = make_producer(settings);
    ASSERT_TRUE(producer.partition_count("t").ok());
    broker.stop_server();
    std::string value(100'000, 'x');
    Expected<void> sent;
    int accepted = 0;
    std::atomic<int> failed{0};
    while (sent.ok() && accepted < 100) {
        sent = producer.send(record_of("t", value), [&](const Expected<Receipt>& receipt) {
            EXPECT_FALSE(receipt.ok());
            ++failed;
        });
        if (sent.ok()) ++accepted;
    }
    ASSERT_FALSE(sent.ok());
    EXPECT_EQ(sent.error().code, ErrorCode::queue_full);
    EXPECT_EQ(sent.error().outcome, Outcome::not_written);
    EXPECT_GE(accepted, 5);
    EXPECT_FALSE(producer.close(milliseconds(10)).ok());
    EXPECT_EQ(failed, accepted);
    EXPECT_EQ(producer.statistics().buffer_used, 0u);
}

TEST(Loopback, ABrokerThatComesBackGetsWhatWaited) {
    LoopbackBroker broker;
    broker.make_topic("t", 1);
    Producer producer = make_producer(broker.settings());
    ASSERT_TRUE(producer.send(record_of("t", "a")).get().ok());
    uint16_t port = broker.port();
    broker.stop_server();
    std::future<Expected<Receipt>> waiting = producer.send(record_of("t", "b"));
    EXPECT_EQ(waiting.wait_for(milliseconds(50)), std::future_status::timeout);
    broker.start_server(port);
    EXPECT_TRUE(waiting.get().ok());
    EXPECT_THAT(broker.values("t", 0), ElementsAre("a", "b"));
}

// The broker's end of a real connection is cut while a request comes in, and while its answer goes out.
TEST(Loopback, CutConnectionsLeaveOneCopy) {
    for (size_t position : std::initializer_list<size_t>{0, 1, 31, 32, 60, 100, 130}) {
        for (bool is_request : {true, false}) {
            LoopbackBroker broker;
            broker.make_topic("t", 1);
            Producer producer = make_producer(broker.settings());
            ASSERT_TRUE(producer.send(record_of("t", "a")).get().ok());
            broker.with([&](FakeBroker&, Cut& cut) { (is_request ? cut.received : cut.sent) = position; });
            Expected<Receipt> receipt = producer.send(record_of("t", "b")).get();
            ASSERT_TRUE(receipt.ok()) << receipt.error().to_string();
            EXPECT_EQ(receipt->offset, 1);
            EXPECT_EQ(receipt->duplicate, !is_request);
            EXPECT_THAT(broker.values("t", 0), ElementsAre("a", "b"));
            broker.with([&](FakeBroker&, Cut& cut) { EXPECT_EQ(cut.cuts, 1u); });
        }
    }
}

TEST(Loopback, ACallbackMaySendAndMayNotWait) {
    LoopbackBroker broker;
    broker.make_topic("t", 1);
    Producer producer = make_producer(broker.settings());
    std::promise<void> done;
    Expected<void> sent = producer.send(record_of("t", "a"), [&](const Expected<Receipt>&) {
        EXPECT_EQ(producer.flush(seconds(1)).error().code, ErrorCode::invalid_request);
        EXPECT_EQ(producer.close(seconds(1)).error().code, ErrorCode::invalid_request);
        EXPECT_EQ(producer.partition_count("unknown").error().code, ErrorCode::invalid_request);
        Expected<void> again = producer.send(record_of("t", "b"), [&](const Expected<Receipt>&) { done.set_value(); });
        EXPECT_TRUE(again.ok());
    });
    ASSERT_TRUE(sent.ok());
    done.get_future().get();
    EXPECT_THAT(broker.values("t", 0), ElementsAre("a", "b"));
}

TEST(Loopback, WhatCannotBeSentIsSaidAtOnce) {
    LoopbackBroker broker;
    broker.make_topic("t", 2);
    Producer producer = make_producer(broker.settings());
    EXPECT_EQ(producer.send(record_of("nowhere", "x")).get().error().code, ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(producer.send(record_of("t", "x", 2)).get().error().code, ErrorCode::unknown_topic_or_partition);
    std::string large(2 << 20, 'x');
    EXPECT_EQ(producer.send(record_of("t", large)).get().error().code, ErrorCode::message_too_large);
    std::vector<Header> headers(65, Header{"key", "value"});
    Record many_headers = record_of("t", "x");
    many_headers.headers = headers;
    EXPECT_EQ(producer.send(many_headers).get().error().code, ErrorCode::invalid_record);
    Record early = record_of("t", "x");
    early.timestamp = -5;
    EXPECT_EQ(producer.send(early).get().error().code, ErrorCode::invalid_timestamp);
    EXPECT_TRUE(producer.close(seconds(1)).ok());
    EXPECT_EQ(producer.send(record_of("t", "x")).get().error().code, ErrorCode::closed);
}

TEST(Loopback, SettingsThatAreWrongMakeNoClient) {
    Settings settings;
    settings.batch_size = 1;
    Expected<Producer> producer = Producer::create(settings);
    ASSERT_FALSE(producer.ok());
    EXPECT_EQ(producer.error().code, ErrorCode::invalid_config);
    EXPECT_THAT(producer.error().hint, HasSubstr("batch.size"));
    EXPECT_FALSE(Consumer::create(settings).ok());
    EXPECT_FALSE(Admin::create(settings).ok());
}

TEST(Loopback, APartitionThatWasAddedIsFoundByEverybodyWhoKnewTheTopicBefore) {
    LoopbackBroker broker;
    broker.make_topic("t", 1);
    Producer producer = make_producer(broker.settings());
    ASSERT_TRUE(producer.send(record_of("t", "a")).get().ok());
    Expected<Admin> admin = Admin::create(broker.settings());
    ASSERT_TRUE(admin.ok());
    auto end_of = [&](int32_t partition) { return admin->list_offsets({{{"t", partition}}})->front(); };
    EXPECT_EQ(end_of(0).offset, 1);
    broker.with([](FakeBroker& its, Cut&) { its.find("t")->partitions.resize(4); });
    Expected<Receipt> receipt = producer.send(record_of("t", "b", 3)).get();
    ASSERT_TRUE(receipt.ok()) << receipt.error().to_string();
    EXPECT_EQ(receipt->partition, 3);
    EXPECT_EQ(end_of(3).offset, 1);
    EXPECT_EQ(end_of(4).failure->code, ErrorCode::unknown_topic_or_partition);
}

TEST(Loopback, NobodyListensThere) {
    Settings settings;
    {
        LoopbackBroker broker;
        settings = broker.settings();
    }
    settings.max_block = milliseconds(100);
    Producer producer = make_producer(settings);
    Expected<Receipt> sent = producer.send(record_of("t", "x")).get();
    ASSERT_FALSE(sent.ok());
    EXPECT_EQ(sent.error().code, ErrorCode::connection_refused);
    EXPECT_EQ(sent.error().outcome, Outcome::not_written);
}

TEST(Loopback, AWakeupEndsAPoll) {
    LoopbackBroker broker;
    broker.make_topic("t", 1);
    Expected<Consumer> consumer = Consumer::create(broker.settings());
    std::vector<Assignment> all{{{"t", 0}, Start::beginning()}};
    ASSERT_TRUE(consumer->assign(all).ok());
    consumer->wakeup();
    Expected<Records> records = consumer->poll(std::chrono::hours(1));
    ASSERT_TRUE(records.ok());
    EXPECT_TRUE(records->empty());
}

TEST(Loopback, RecordsOutliveTheirConsumer) {
    LoopbackBroker broker;
    broker.make_topic("t", 1);
    Producer producer = make_producer(broker.settings());
    ASSERT_TRUE(producer.send(record_of("t", "kept")).get().ok());
    Records records;
    {
        Expected<Consumer> consumer = Consumer::create(broker.settings());
        std::vector<Assignment> all{{{"t", 0}, Start::beginning()}};
        ASSERT_TRUE(consumer->assign(all).ok());
        records = std::move(*consumer->poll(seconds(10)));
    }
    ASSERT_THAT(records, SizeIs(1));
    EXPECT_EQ(*records[0].value, "kept");
}

TEST(Loopback, PositionsMoveWithWhatWasPolled) {
    LoopbackBroker broker;
    broker.make_topic("t", 1);
    Settings settings = broker.settings();
    settings.max_poll_records = 2;
    Producer producer = make_producer(settings);
    for (int number = 0; number < 5; ++number) {
        ASSERT_TRUE(producer.send(record_of("t", std::to_string(number))).get().ok());
    }
    Expected<Consumer> consumer = Consumer::create(settings);
    TopicPartition name{"t", 0};
    EXPECT_EQ(consumer->position(name, seconds(1)).error().code, ErrorCode::not_found);
    std::vector<Assignment> all{{name, Start::beginning()}};
    ASSERT_TRUE(consumer->assign(all).ok());
    EXPECT_THAT(consumer->assignment(), ElementsAre(name));
    EXPECT_EQ(*consumer->position(name, seconds(5)), 0);
    EXPECT_THAT(read(*consumer, 2), ElementsAre("0", "1"));
    EXPECT_EQ(*consumer->position(name, seconds(5)), 2);
    ASSERT_TRUE(consumer->seek(name, Start::before_end(1)).ok());
    EXPECT_EQ(*consumer->position(name, seconds(5)), 4);
    EXPECT_THAT(read(*consumer, 1), ElementsAre("4"));
    EXPECT_EQ(consumer->marks(name)->high_watermark, 5);
    ASSERT_TRUE(consumer->pause(name).ok());
    ASSERT_TRUE(producer.send(record_of("t", "5")).get().ok());
    EXPECT_TRUE(consumer->poll(milliseconds(50))->empty());
    ASSERT_TRUE(consumer->resume(name).ok());
    EXPECT_THAT(read(*consumer, 1), ElementsAre("5"));
}

TEST(Loopback, AdministratorsMakeAndDescribeTopics) {
    LoopbackBroker broker;
    Expected<Admin> admin = Admin::create(broker.settings());
    ASSERT_TRUE(admin.ok());
    TopicSpecification topic;
    topic.name = "made";
    topic.partitions = 3;
    topic.settings["retention.ms"] = "7d";
    Expected<CreatedTopic> created = admin->create_topic(topic);
    ASSERT_TRUE(created.ok()) << created.error().to_string();
    EXPECT_EQ(created->partitions, 3);
    EXPECT_EQ(created->id.size(), 36u);
    EXPECT_EQ(admin->create_topic(topic).error().code, ErrorCode::topic_already_exists);

    Expected<TopicDescription> described = admin->describe_topic("made");
    ASSERT_TRUE(described.ok());
    EXPECT_EQ(described->id, created->id);
    ASSERT_THAT(described->partitions, SizeIs(3));
    EXPECT_EQ(described->partitions[2].state, "online");
    ASSERT_THAT(described->settings, SizeIs(1));
    EXPECT_EQ(described->settings[0].source, SettingSource::topic);
    EXPECT_EQ(admin->describe_topic("nowhere").error().code, ErrorCode::unknown_topic_or_partition);

    Expected<std::vector<TopicSummary>> topics = admin->list_topics();
    ASSERT_TRUE(topics.ok());
    ASSERT_THAT(*topics, SizeIs(1));
    EXPECT_EQ((*topics)[0].name, "made");

    Expected<ClusterInfo> cluster = admin->describe_cluster();
    ASSERT_TRUE(cluster.ok());
    ASSERT_THAT(cluster->brokers, SizeIs(1));
    EXPECT_EQ(cluster->brokers[0].port, broker.port());
    EXPECT_TRUE(cluster->brokers[0].is_alive);
    // What a broker refuses is a failure with its reason.
    EXPECT_EQ(admin->delete_topic("made").error().code, ErrorCode::unsupported);
    EXPECT_EQ(admin->describe_node(1).error().code, ErrorCode::unsupported);
    EXPECT_EQ(admin->describe_node(9).error().code, ErrorCode::not_found);
}

// Two brokers that know each other, and one topic: the first leads partition 0, the second 1, nobody 2.
struct TwoBrokers {
    TwoBrokers() {
        first.make_topic("t", 3);
        FakeTopic topic;
        first.with([&](FakeBroker& its, Cut&) {
            its.add_broker(2, {"127.0.0.1", second.port()});
            its.find("t")->partitions[1].leader = 2;
            its.find("t")->partitions[2].leader = -1;
            topic.id = its.find("t")->id;
        });
        second.with([&](FakeBroker& its, Cut&) {
            its.add_broker(1, {"127.0.0.1", first.port()});
            its.make_topic("t", 3).id = topic.id;
            its.find("t")->partitions[1].leader = 2;
            its.find("t")->partitions[1].end = 7;
        });
    }
    LoopbackBroker first{1};
    LoopbackBroker second{2};
};

TEST(Loopback, ATopicIsDescribedByTheLeadersOfItsPartitions) {
    TwoBrokers brokers;
    Expected<Admin> admin = Admin::create(brokers.first.settings());
    Expected<TopicDescription> topic = admin->describe_topic("t");
    ASSERT_TRUE(topic.ok()) << topic.error().to_string();
    ASSERT_THAT(topic->partitions, SizeIs(3));
    EXPECT_EQ(topic->partitions[0].state, "online");
    EXPECT_EQ(topic->partitions[1].state, "online");
    EXPECT_EQ(topic->partitions[1].log_end, 7);
    EXPECT_FALSE(topic->partitions[1].failure.has_value());
    EXPECT_EQ(topic->partitions[2].state, "elsewhere");
    EXPECT_EQ(topic->partitions[2].leader, -1);
    EXPECT_EQ(topic->partitions[2].log_end, -1);
}

TEST(Loopback, ALeaderThatDoesNotAnswerLeavesItsFailure) {
    TwoBrokers brokers;
    Expected<Admin> admin = Admin::create(brokers.first.settings());
    brokers.second.with([](FakeBroker& its, Cut&) { its.set_mute(true); });
    Expected<TopicDescription> topic = admin->describe_topic("t", milliseconds(200));
    ASSERT_TRUE(topic.ok()) << topic.error().to_string();
    EXPECT_EQ(topic->partitions[0].log_end, 0);
    ASSERT_TRUE(topic->partitions[1].failure.has_value());
    EXPECT_EQ(topic->partitions[1].failure->code, ErrorCode::timed_out);
    EXPECT_EQ(topic->partitions[1].leader, 2);
    // Nor does one that has handed the partition over, as far as it knows.
    brokers.second.with([](FakeBroker& its, Cut&) {
        its.set_mute(false);
        its.find("t")->partitions[1].leader = 1;
    });
    topic = admin->describe_topic("t");
    ASSERT_TRUE(topic.ok()) << topic.error().to_string();
    ASSERT_TRUE(topic->partitions[1].failure.has_value());
    EXPECT_EQ(topic->partitions[1].failure->code, ErrorCode::not_leader_or_follower);
    brokers.second.stop_server();
    topic = admin->describe_topic("t");
    ASSERT_TRUE(topic.ok()) << topic.error().to_string();
    EXPECT_EQ(topic->partitions[0].state, "online");
    EXPECT_TRUE(topic->partitions[1].failure.has_value());
}

TEST(Loopback, AdministratorsSeeTheCluster) {
    TwoBrokers brokers;
    const Uuid directory = Uuid::from_words(3, 4);
    brokers.first.with([&](FakeBroker& its, Cut&) {
        its.cluster.gone = {2};
        its.cluster.term = 5;
        its.cluster.committed = 90;
        its.cluster.voters = {{1, directory, 90, 0}, {2, directory, 70, 12'000, true}};
    });
    Expected<Admin> admin = Admin::create(brokers.first.settings());
    Expected<ClusterInfo> cluster = admin->describe_cluster();
    ASSERT_TRUE(cluster.ok()) << cluster.error().to_string();
    ASSERT_THAT(cluster->brokers, SizeIs(2));
    EXPECT_TRUE(cluster->brokers[0].is_alive);
    EXPECT_FALSE(cluster->brokers[1].is_alive);
    EXPECT_FALSE(cluster->brokers[1].is_clean);
    EXPECT_EQ(cluster->brokers[1].incarnation, 12);
    EXPECT_EQ(cluster->brokers[1].since, 1000);
    EXPECT_EQ(cluster->brokers[1].partitions, 3);
    EXPECT_EQ(cluster->brokers[1].leads, 2);
    EXPECT_EQ(cluster->controller, 1);
    EXPECT_EQ(cluster->term, 5u);
    EXPECT_EQ(cluster->committed, 90u);
    EXPECT_EQ(cluster->snapshot, 45u);
    EXPECT_EQ(cluster->feature_level, 1);
    EXPECT_FALSE(cluster->quorum_failure.has_value());
    ASSERT_THAT(cluster->voters, SizeIs(2));
    EXPECT_EQ(cluster->voters[1].directory, directory.to_string());
    EXPECT_EQ(cluster->voters[1].match, 70u);
    EXPECT_EQ(cluster->voters[1].last_heard_ms, 12'000);
    EXPECT_TRUE(cluster->voters[1].is_leaving);
    brokers.first.with([](FakeBroker& its, Cut&) {
        its.cluster.controller = -1;
        its.cluster.quorum_error = ErrorCode::timed_out;
    });
    cluster = admin->describe_cluster();
    EXPECT_EQ(cluster->controller, -1);
    ASSERT_TRUE(cluster->quorum_failure.has_value());
    EXPECT_EQ(cluster->quorum_failure->code, ErrorCode::timed_out);
}

TEST(Loopback, AdministratorsReplaceAVoter) {
    LoopbackBroker broker;
    const Uuid directory = Uuid::from_words(3, 4);
    broker.with([&](FakeBroker& its, Cut&) { its.cluster.voters = {{1, directory}}; });
    Expected<Admin> admin = Admin::create(broker.settings());
    Expected<ReplacedVoter> replaced = admin->replace_voter(1);
    ASSERT_TRUE(replaced.ok()) << replaced.error().to_string();
    EXPECT_EQ(replaced->before, directory.to_string());
    EXPECT_EQ(replaced->now, admin->describe_cluster()->voters[0].directory);
    EXPECT_EQ(admin->replace_voter(9).error().code, ErrorCode::invalid_request);
}

std::vector<std::string> texts_of(const Expected<std::vector<ClusterEvent>>& events) {
    std::vector<std::string> texts;
    EXPECT_TRUE(events.ok());
    for (const ClusterEvent& event : *events) texts.push_back(std::to_string(event.number) + " " + event.text);
    return texts;
}

TEST(Loopback, EventsOfTheClusterAreWaitedFor) {
    TwoBrokers brokers;
    Expected<Admin> admin = Admin::create(brokers.first.settings());
    EXPECT_THAT(texts_of(admin->cluster_events()), IsEmpty());
    for (LoopbackBroker* broker : {&brokers.first, &brokers.second}) {
        broker->with([](FakeBroker& its, Cut&) {
            its.happen("one");
            its.happen("two");
        });
    }
    EXPECT_THAT(texts_of(admin->cluster_events()), ElementsAre("1 one", "2 two"));
    EXPECT_THAT(texts_of(admin->cluster_events(1)), ElementsAre("2 two"));
    EXPECT_THAT(texts_of(admin->cluster_events(2, milliseconds(20))), IsEmpty());
    std::thread later([&] { brokers.first.with([](FakeBroker& its, Cut&) { its.happen("three"); }); });
    EXPECT_THAT(texts_of(admin->cluster_events(2, seconds(60))), ElementsAre("3 three"));
    later.join();
    // The address that the client was given answers no more: it has learnt the other one.
    brokers.first.stop_server();
    brokers.second.with([](FakeBroker& its, Cut&) { its.happen("three"); });
    EXPECT_THAT(texts_of(admin->cluster_events(2, seconds(60))), ElementsAre("3 three"));
}

TEST(Loopback, AdministratorsFindAndDeleteRecords) {
    LoopbackBroker broker;
    broker.make_topic("t", 2);
    Producer producer = make_producer(broker.settings());
    for (int number = 0; number < 4; ++number) ASSERT_TRUE(producer.send(record_of("t", "x", 1)).get().ok());
    Expected<Admin> admin = Admin::create(broker.settings());
    std::vector<OffsetQuery> queries{{{"t", 1}, OffsetQuery::Place::end},
                                     {{"t", 1}, OffsetQuery::Place::start},
                                     {{"t", 0}, OffsetQuery::Place::end},
                                     {{"t", 5}, OffsetQuery::Place::end},
                                     {{"nowhere", 0}, OffsetQuery::Place::end}};
    Expected<std::vector<FoundOffset>> found = admin->list_offsets(queries);
    ASSERT_TRUE(found.ok());
    ASSERT_THAT(*found, SizeIs(5));
    EXPECT_EQ((*found)[0].offset, 4);
    EXPECT_EQ((*found)[1].offset, 0);
    EXPECT_EQ((*found)[2].offset, 0);
    EXPECT_EQ((*found)[3].failure->code, ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ((*found)[4].failure->code, ErrorCode::unknown_topic_or_partition);
    Expected<std::vector<DeletedRecords>> deleted = admin->delete_records({{{"t", 1}, 3}});
    ASSERT_TRUE(deleted.ok());
    ASSERT_THAT(*deleted, SizeIs(1));
    EXPECT_EQ((*deleted)[0].log_start, 3);
}

}  // namespace
}  // namespace ironbark::client
