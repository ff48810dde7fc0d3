#pragma once
// Requests as a client encodes them, and answers as plain values, so that tests can state both in a line.

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "runtime/base/time.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/method.h"
#include "tests/broker/printing.h"
#include "tests/broker/service/batches.h"
#include "wire/client_generated.h"

namespace ironbark::broker {

using wire::AckLevel;
using wire::OffsetPlace;
using wire::Visibility;

// What an answer says is wrong, and what became of the request.
struct Said {
    ErrorCode code = ErrorCode::none;
    Outcome outcome = Outcome::written;
    std::string hint;
    int32_t leader = -1;  // whom to ask instead
    int32_t leader_epoch = -1;

    bool ok() const { return code == ErrorCode::none; }
    bool mentions(std::string_view word) const { return hint.find(word) != std::string::npos; }
};
std::ostream& operator<<(std::ostream& out, const Said& said);

struct ProducePart {
    PartitionIdentity partition;
    Text frames;
    int32_t epoch = -1;
    std::optional<uint32_t> claimed_size{};  // instead of the true one
    int32_t gap_from = -1;
};
struct ReceiptSeen {
    Said said;
    int64_t base = -1;
    int64_t last = -1;
    int32_t epoch = -1;
    int64_t append_time = -1;
    AckLevel level = AckLevel::none;
    std::vector<int32_t> replicas;
    int64_t log_start = -1;
    bool duplicate = false;
    int32_t expected = -1;
    int32_t gap_from = -1;
    std::chrono::microseconds queued{};
    std::chrono::microseconds written{};
    std::chrono::microseconds synced{};
};
struct ProduceAnswer {
    Said said;  // of the request as a whole
    rpc::Delivery delivery = rpc::Delivery::never_sent;
    std::vector<ReceiptSeen> receipts;
};
rpc::Metadata produce_request(const std::vector<ProducePart>& parts, AckLevel level, int32_t timeout_ms);
ProduceAnswer read_produce(const rpc::CallResult& result);

struct FetchPart {
    PartitionIdentity partition;
    int64_t offset = 0;
    int32_t epoch = -1;
    uint32_t bytes_max = 0;
};
struct FetchShape {
    int32_t wait_ms = 0;
    uint32_t bytes_min = 1;
    uint32_t bytes_max = 0;
    Visibility visibility = Visibility::topic_default;
};
struct Fetched {
    Said said;
    int32_t epoch = -1;
    int64_t log_start = -1;
    int64_t durable = -1;
    int64_t high = -1;
    int64_t log_end = -1;
    size_t bytes = 0;
    std::vector<SeenFrame> frames;
    std::vector<Seen> records;
};
struct FetchAnswer {
    Said said;
    std::vector<Fetched> partitions;
    size_t bytes = 0;
};
rpc::Metadata fetch_request(const std::vector<FetchPart>& parts, const FetchShape& shape);
// Every frame is verified: bytes that fail a checksum end the test.
FetchAnswer read_fetch(const rpc::CallResult& result, const std::vector<FetchPart>& parts);

struct ListPart {
    PartitionIdentity partition;
    OffsetPlace place = OffsetPlace::start;
    int64_t time = -1;
    int32_t epoch = -1;
};
struct OffsetSeen {
    Said said;
    int64_t offset = -1;
    int64_t time = -1;
    int32_t epoch = -1;
};
rpc::Metadata list_request(const std::vector<ListPart>& parts, Visibility visibility);
std::vector<OffsetSeen> read_list(const rpc::CallResult& result);

struct StartSeen {
    Said said;
    int64_t log_start = -1;
};
rpc::Metadata delete_request(const std::vector<std::pair<PartitionIdentity, int64_t>>& parts);
std::vector<StartSeen> read_delete(const rpc::CallResult& result);

using Settings = std::vector<std::pair<std::string, std::string>>;
struct TopicShape {
    int32_t partitions = 1;
    Settings settings{};
    int32_t replicas = -1;
    int32_t min_in_sync = -1;
    bool validate_only = false;
};
rpc::Metadata create_request(const std::string& name, const TopicShape& shape);
rpc::Metadata alter_request(const std::string& name,
                            const Settings& set,
                            const std::vector<std::string>& reset,
                            bool validate_only);
rpc::Metadata delete_topic_request(const std::string& name, const Uuid& id);
rpc::Metadata add_partitions_request(const std::string& name, int32_t partitions, bool validate_only);
rpc::Metadata describe_topic_request(const std::string& name);
rpc::Metadata metadata_request(const std::vector<std::string>& names, const std::vector<Uuid>& ids, bool brokers_only);
rpc::Metadata producer_id_request(int64_t id, int16_t epoch);
rpc::Metadata describe_node_request();
rpc::Metadata topic_options_request();

struct MovedSeen {
    Said said;
    int32_t before = -1;
    int32_t leader = -1;
    int32_t epoch = -1;
    Duration outage{};
};
rpc::Metadata move_request(const PartitionIdentity& partition, int32_t target, int32_t timeout_ms = 30'000);
MovedSeen read_moved(const rpc::CallResult& result);  // of one
struct PlannedSeen {
    Said said;
    std::vector<int32_t> before;
    std::vector<int32_t> to;
};
rpc::Metadata move_replicas_request(const PartitionIdentity& partition,
                                    const std::vector<int32_t>& to,
                                    int64_t throttle = 0);
PlannedSeen read_planned(const rpc::CallResult& result);  // of one
struct ElectedSeen {
    Said said;
    int32_t leader = -1;
    int64_t log_end = -1;
    std::string loss;
};
rpc::Metadata elect_request(const PartitionIdentity& partition, bool unclean, bool validate_only);
ElectedSeen read_elected(const rpc::CallResult& result);

Said said_by(const rpc::CallResult& result);
Said said_by(const wire::ErrorInfo* error);

}  // namespace ironbark::broker
