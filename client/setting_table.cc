#include "client/setting_table.h"

#include <array>

#include "log/record/batch.h"

namespace ironbark::client {
namespace {

using S = Settings;

constexpr int64_t kibibyte = 1024;
constexpr int64_t mebibyte = 1024 * kibibyte;
constexpr int64_t gibibyte = 1024 * mebibyte;
constexpr int64_t second = 1000;
constexpr int64_t hour = 3600 * second;
// What one request may carry: a frame of the protocol has 16 MiB, and some of it is not payload.
constexpr int64_t request_size_max = 15 * mebibyte;
static_assert(request_size_max < static_cast<int64_t>(record::batch_size_max));

constexpr SettingRow rows[] = {
    {"bootstrap.servers", "metadata.broker.list", &S::bootstrap_servers, 0, 0,
     "HOST:PORT,HOST:PORT,...: brokers to ask for the others"},
    {"client.id", "", &S::client_id, 0, 0, "what the brokers know this client by"},
    {"request.timeout.ms", "", &S::request_timeout, 1, hour, "how long one request may take"},
    {"retry.backoff.ms", "", &S::retry_backoff, 1, 60 * second, "pause before something is tried again, at first"},
    {"retry.backoff.max.ms", "", &S::retry_backoff_max, 1, 600 * second, "the pause doubles up to this"},
    {"metadata.max.age.ms", "", &S::metadata_max_age, second, 24 * hour,
     "how long leaders are believed without asking"},
    {"spin.us", "", &S::spin_us, 0, 1'000'000,
     "how long the client's thread polls before it sleeps, while answers come so soon: latency for processor time"},

    {"acks", "request.required.acks", &S::acks, 0, 0, "how well a record is kept before it counts as written"},
    {"enable.idempotence", "", &S::enable_idempotence, 0, 0, "whether repeated requests leave one copy"},
    {"linger.ms", "queue.buffering.max.ms", &S::linger, 0, 60 * second, "how long a batch waits for more records"},
    {"batch.size", "", &S::batch_size, kibibyte, request_size_max, "size at which a batch is sent without waiting"},
    {"buffer.memory", "", &S::buffer_memory, mebibyte, 1024 * gibibyte,
     "what records that are not resolved may occupy"},
    {"max.block.ms", "", &S::max_block, 0, hour, "how long `send` waits for room or for a topic"},
    {"max.request.size", "message.max.bytes", &S::max_request_size, kibibyte, request_size_max,
     "the largest request, and the largest record"},
    // A broker remembers producers for longer than this: docs/DURABILITY.md.
    {"delivery.timeout.ms", "message.timeout.ms", &S::delivery_timeout, 1, hour,
     "when an accepted record is resolved at the latest"},
    {"max.in.flight.requests.per.connection", "max.in.flight", &S::max_in_flight, 1, 128,
     "produce requests in flight to one broker; at most 5 with idempotence"},
    {"compression.type", "compression.codec", &S::compression, 0, 0, "how batches are compressed"},
    {"compression.level", "", &S::compression_level, 0, 19, "0: the codec's own choice; lz4 up to 12, zstd up to 19"},
    {"partitioner", "", &S::partitioner, 0, 0, "which partition a record goes to that names none"},

    {"fetch.min.bytes", "", &S::fetch_min_bytes, 1, 16 * mebibyte, "what a broker waits for before it answers a fetch"},
    {"fetch.max.wait.ms", "fetch.wait.max.ms", &S::fetch_max_wait, 0, 300 * second, "how long it waits"},
    {"fetch.max.bytes", "", &S::fetch_max_bytes, kibibyte, 2 * gibibyte - 1,
     "the largest answer to a fetch; the protocol allows 16 MiB"},
    {"max.partition.fetch.bytes", "fetch.message.max.bytes", &S::max_partition_fetch_bytes, kibibyte, 2 * gibibyte - 1,
     "of it, the share of one partition"},
    {"max.poll.records", "", &S::max_poll_records, 1, 10'000'000, "what one poll returns at most"},
    {"auto.offset.reset", "", &S::offset_reset, 0, 0, "where to go on when the position is not in the log"},
    {"check.crcs", "", &S::check_crcs, 0, 0, "whether the records' checksums are verified, not only their headers'"},
    {"visibility", "", &S::visibility, 0, 0, "up to which watermark records are read"},
};

template <typename Enum>
constexpr Word word(std::string_view text, Enum value) {
    return {text, static_cast<uint8_t>(value)};
}

// Kafka's own values of acks, too: they mean what a Kafka listener would make of them.
constexpr Word acks_words[] = {word("topic", Acks::topic),   word("none", Acks::none),
                               word("leader", Acks::leader), word("leader_durable", Acks::leader_durable),
                               word("isr", Acks::isr),       word("isr_durable", Acks::isr_durable),
                               word("all", Acks::topic),     word("-1", Acks::topic),
                               word("0", Acks::none),        word("1", Acks::leader)};
constexpr Word compression_words[] = {word("none", Compression::none), word("lz4", Compression::lz4),
                                      word("zstd", Compression::zstd)};
constexpr Word partitioner_words[] = {word("murmur2", Partitioner::murmur2), word("sticky", Partitioner::sticky),
                                      word("round_robin", Partitioner::round_robin)};
constexpr Word reset_words[] = {word("none", OffsetReset::none), word("earliest", OffsetReset::earliest),
                                word("latest", OffsetReset::latest)};
constexpr Word visibility_words[] = {word("topic", Visibility::topic), word("durable", Visibility::durable),
                                     word("replicated", Visibility::replicated)};

}  // namespace

std::span<const SettingRow> setting_rows() {
    return rows;
}

std::span<const Word> words_of(const Member& member) {
    if (std::holds_alternative<Acks S::*>(member)) return acks_words;
    if (std::holds_alternative<Compression S::*>(member)) return compression_words;
    if (std::holds_alternative<Partitioner S::*>(member)) return partitioner_words;
    if (std::holds_alternative<OffsetReset S::*>(member)) return reset_words;
    if (std::holds_alternative<Visibility S::*>(member)) return visibility_words;
    return {};
}

}  // namespace ironbark::client
