// Makes tests/golden/rdkafka_batches.txt: has librdkafka produce the sample records to a fake broker, once per codec
// and twice with idempotence, and prints the batches as they came over the wire.
//
//     build/dev/tests/kafka/rdkafka_capture > tests/golden/rdkafka_batches.txt

#include <cstdio>
#include <string>
#include <vector>

#include "tests/kafka/fake_broker.h"
#include "tests/kafka/rdkafka_handle.h"
#include "tests/kafka/sample_records.h"

namespace ironbark::kafka {
namespace {

constexpr char topic[] = "sample";
constexpr int timeout_ms = 30'000;

void produce(rd_kafka_t* producer, const SampleRecord& record) {
    rd_kafka_headers_t* headers = rd_kafka_headers_new(record.headers.size());
    for (const auto& [name, value] : record.headers) {
        rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value ? value->data() : nullptr,
                            value ? static_cast<ssize_t>(value->size()) : 0);
    }
    auto data = [](const std::optional<std::string>& text) {
        return text ? const_cast<char*>(text->data()) : nullptr;  // librdkafka copies, but asks for void*
    };
    auto size = [](const std::optional<std::string>& text) { return text ? text->size() : 0; };
    rd_kafka_resp_err_t error = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(data(record.key), size(record.key)), RD_KAFKA_V_VALUE(data(record.value), size(record.value)),
        RD_KAFKA_V_TIMESTAMP(record.timestamp), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    ASSERT(error == RD_KAFKA_RESP_ERR_NO_ERROR);
}

// One batch: a long linger collects all records, and flush sends them at once.
void produce_batch(rd_kafka_t* producer, const std::vector<SampleRecord>& records) {
    for (const SampleRecord& record : records) produce(producer, record);
    ASSERT(rd_kafka_flush(producer, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

void print_batch(const std::string& name, const std::vector<uint8_t>& batch) {
    constexpr size_t bytes_per_line = 56;
    std::printf("\nbatch %s", name.c_str());
    for (size_t position = 0; position < batch.size(); ++position) {
        std::printf("%s%02x", position % bytes_per_line == 0 ? "\n" : "", batch[position]);
    }
    std::printf("\n");
}

// Knows the topic before it is used: what is produced to a topic not yet known goes out in batches of any size.
Handle make_producer(const FakeBroker& broker, std::vector<Setting> settings) {
    settings.push_back({"bootstrap.servers", broker.address()});
    settings.push_back({"linger.ms", "60000"});
    Handle producer = make_handle(RD_KAFKA_PRODUCER, settings);
    rd_kafka_topic_t* handle = rd_kafka_topic_new(producer.get(), topic, nullptr);
    const rd_kafka_metadata_t* metadata = nullptr;
    rd_kafka_resp_err_t error = rd_kafka_metadata(producer.get(), 0, handle, &metadata, timeout_ms);
    ASSERT(error == RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    return producer;
}

void capture(const std::string& name, rd_kafka_t* producer, FakeBroker* broker, std::vector<SampleRecord> records) {
    produce_batch(producer, records);
    std::vector<std::vector<uint8_t>> batches = broker->take_batches();
    ASSERT(batches.size() == 1);
    print_batch(name, batches.front());
}

int run() {
    std::printf("# Record batches as librdkafka %s sent them. What they are: tests/golden/README.md.\n",
                rd_kafka_version_str());
    for (std::string codec : {"none", "gzip", "snappy", "lz4", "zstd"}) {
        bool has_large_record = codec != "none";  // without it nothing shrinks, and librdkafka does not compress then
        FakeBroker broker;
        Handle producer = make_producer(broker, {{"compression.codec", codec}});
        capture(codec, producer.get(), &broker, has_large_record ? sample_records() : small_records());
    }
    FakeBroker broker;
    Handle producer = make_producer(broker, {{"enable.idempotence", "true"}});
    for (std::string name : {"idempotent-1", "idempotent-2"}) {
        capture(name, producer.get(), &broker, small_records());
    }
    return 0;
}

}  // namespace
}  // namespace ironbark::kafka

int main() {
    return ironbark::kafka::run();
}
