// librdkafka's consumer, which checks CRCs here, reads batches that we built. They get to it through the mock broker
// that librdkafka carries: stored there by a produce request of our own, byte for byte.
#include <algorithm>
#include <charconv>
#include <gtest/gtest.h>
#include <string>

#include "log/record/batch_builder.h"
#include "tests/kafka/rdkafka_handle.h"
#include "tests/kafka/sample_records.h"
#include "tests/kafka/wire.h"

// wants rdkafka.h before it
#include <librdkafka/rdkafka_mock.h>

namespace ironbark::kafka {
namespace {

using record::BatchBuilder;
using record::Codec;

constexpr char topic[] = "ours";
constexpr int poll_timeout_ms = 30'000;

std::optional<Bytes> bytes_of(const std::optional<std::string>& text) {
    return text ? std::optional<Bytes>(as_bytes(*text)) : std::nullopt;
}

std::vector<uint8_t> build_batch(Codec codec, const record::ProducerSequence& producer) {
    BatchBuilder builder;
    record::Compressor compressor;
    for (const SampleRecord& sample : sample_records()) {
        std::vector<record::RecordHeader> headers;
        for (const auto& [key, value] : sample.headers) headers.push_back({key, bytes_of(value)});
        record::NewRecord record{Timestamp(sample.timestamp), bytes_of(sample.key), bytes_of(sample.value), headers};
        EXPECT_TRUE(builder.append(record).ok());
    }
    if (codec != Codec::none) builder.compress(codec, &compressor);
    Bytes batch = builder.seal(0, producer).subspan(record::frame_header_size);
    EXPECT_EQ(record::decode_batch_header(batch).codec(), codec);
    return {batch.begin(), batch.end()};
}

// A mock cluster with one broker; it lives in a producer that produces nothing.
class MockCluster {
  public:
    MockCluster()
        : owner_(make_handle(RD_KAFKA_PRODUCER, {{"log_level", "3"}})),
          cluster_(rd_kafka_mock_cluster_new(owner_.get(), 1)) {
        EXPECT_EQ(rd_kafka_mock_topic_create(cluster_, topic, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    ~MockCluster() { rd_kafka_mock_cluster_destroy(cluster_); }

    std::string address() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }

    // Sends a produce request of version 7 with this batch, and expects it to be taken.
    void store(Bytes batch) {
        WireWriter request;
        request.number(api_produce).number(int16_t{7}).number(int32_t{1}).text("test");
        request.null_text().number(int16_t{-1}).number(int32_t{poll_timeout_ms});  // no transaction, acks, time-out
        request.array(1).text(topic).array(1).number(int32_t{0}).blob(batch);
        Stream stream(Stream::connect_to(port()));
        stream.send(request.bytes());
        std::optional<std::vector<uint8_t>> answer = stream.receive();
        ASSERT_TRUE(answer.has_value());
        WireReader reader(*answer);
        reader.take(4 + 4);  // correlation id, one topic
        ASSERT_EQ(reader.text(), topic);
        reader.take(4 + 4);  // one partition, its number
        EXPECT_EQ(reader.number<int16_t>(), RD_KAFKA_RESP_ERR_NO_ERROR);
    }

  private:
    uint16_t port() const {
        std::string text = address();
        text.erase(0, text.rfind(':') + 1);
        uint16_t number = 0;
        std::from_chars(text.data(), text.data() + text.size(), number);
        return number;
    }

    Handle owner_;
    rd_kafka_mock_cluster_t* cluster_;
};

SampleRecord copy_of(const rd_kafka_message_t* message) {
    auto text = [](const void* data, size_t size) {
        return data == nullptr ? std::nullopt
                               : std::optional<std::string>(std::in_place, static_cast<const char*>(data), size);
    };
    SampleRecord copy;
    copy.timestamp = rd_kafka_message_timestamp(message, nullptr);
    copy.key = text(message->key, message->key_len);
    copy.value = text(message->payload, message->len);
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return copy;
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    for (size_t index = 0; rd_kafka_header_get_all(headers, index, &name, &value, &size) == 0; ++index) {
        copy.headers.emplace_back(name, text(value, size));
    }
    return copy;
}

std::vector<SampleRecord> consume(const MockCluster& cluster, size_t count) {
    Handle consumer = make_handle(RD_KAFKA_CONSUMER, {{"bootstrap.servers", cluster.address()},
                                                      {"group.id", "test"},
                                                      {"check.crcs", "true"},
                                                      {"auto.offset.reset", "earliest"}});
    rd_kafka_poll_set_consumer(consumer.get());
    rd_kafka_topic_partition_list_t* assignment = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(assignment, topic, 0)->offset = 0;
    EXPECT_EQ(rd_kafka_assign(consumer.get(), assignment), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(assignment);
    std::vector<SampleRecord> records;
    while (records.size() < count) {
        rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer.get(), poll_timeout_ms);
        if (message == nullptr) break;
        bool is_record = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
        EXPECT_TRUE(is_record) << rd_kafka_message_errstr(message);
        EXPECT_EQ(message->offset, static_cast<int64_t>(records.size()));
        if (is_record) records.push_back(copy_of(message));
        rd_kafka_message_destroy(message);
        if (!is_record) break;
    }
    rd_kafka_consumer_close(consumer.get());
    return records;
}

class RdkafkaConsumer : public testing::TestWithParam<Codec> {};
INSTANTIATE_TEST_SUITE_P(Codec,
                         RdkafkaConsumer,
                         testing::Values(Codec::none, Codec::lz4, Codec::zstd),
                         [](const auto& named) {
                             if (named.param == Codec::none) return "None";
                             return named.param == Codec::lz4 ? "Lz4" : "Zstd";
                         });

TEST_P(RdkafkaConsumer, ReadsWhatWeBuilt) {
    MockCluster cluster;
    cluster.store(build_batch(GetParam(), {}));
    cluster.store(build_batch(GetParam(), {ProducerId(1), ProducerEpoch(0), 0}));
    std::vector<SampleRecord> expected = sample_records();
    std::ranges::copy(sample_records(), std::back_inserter(expected));
    std::vector<SampleRecord> records = consume(cluster, expected.size());
    ASSERT_EQ(records.size(), expected.size());
    for (size_t index = 0; index < records.size(); ++index) EXPECT_TRUE(records[index] == expected[index]) << index;
}

}  // namespace
}  // namespace ironbark::kafka
