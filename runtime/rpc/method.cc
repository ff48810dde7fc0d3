#include "runtime/rpc/method.h"

#include <array>

#include "wire/client_generated.h"

namespace ironbark::rpc {

namespace {

template <typename Table>
bool verify_root(flatbuffers::Verifier& verifier) {
    return verifier.VerifyBuffer<Table>(nullptr);
}

// What fits the largest request that we mean to serve: 1 000 topics, 10 000 partitions with two tables each.
constexpr uint32_t small_size = 16 << 10;     // a few names and numbers
constexpr uint32_t settings_size = 64 << 10;  // names, and a topic's or a node's settings
constexpr uint32_t list_size = 2 << 20;       // an entry for each partition
constexpr uint32_t report_size = 12 << 20;    // text for each partition, or all topics and partitions of a cluster
constexpr uint32_t small_tables = 16;
constexpr uint32_t settings_tables = 1'000;
constexpr uint32_t list_tables = 21'000;
constexpr uint32_t report_tables = 150'000;

template <typename Table>
constexpr MessageLimits small() {
    return {small_size, small_tables, false, verify_root<Table>};
}
template <typename Table>
constexpr MessageLimits settings() {
    return {settings_size, settings_tables, false, verify_root<Table>};
}
template <typename Table>
constexpr MessageLimits list(bool has_payload = false) {
    return {list_size, list_tables, has_payload, verify_root<Table>};
}
template <typename Table>
constexpr MessageLimits report() {
    return {report_size, report_tables, false, verify_root<Table>};
}

using namespace wire;  // NOLINT: the table is unreadable with it repeated

constexpr std::array<MethodLimits, method_count - 1> table{{
    {Method::handshake, "handshake", true, small<HandshakeRequest>(), small<HandshakeResponse>()},
    {Method::metadata, "metadata", false, list<MetadataRequest>(), report<MetadataResponse>()},
    {Method::create_topic, "create_topic", false, settings<CreateTopicRequest>(), small<CreateTopicResponse>()},
    {Method::delete_topic, "delete_topic", false, small<DeleteTopicRequest>(), small<DeleteTopicResponse>()},
    {Method::alter_topic, "alter_topic", false, settings<AlterTopicRequest>(), small<AlterTopicResponse>()},
    {Method::add_partitions, "add_partitions", false, small<AddPartitionsRequest>(), small<AddPartitionsResponse>()},
    {Method::describe_topic, "describe_topic", false, small<DescribeTopicRequest>(), report<DescribeTopicResponse>()},
    {Method::topic_options, "topic_options", false, small<TopicOptionsRequest>(), settings<TopicOptionsResponse>()},
    {Method::produce, "produce", false, list<ProduceRequest>(true), list<ProduceResponse>()},
    {Method::fetch, "fetch", false, list<FetchRequest>(), list<FetchResponse>(true)},
    {Method::list_offsets, "list_offsets", false, list<ListOffsetsRequest>(), list<ListOffsetsResponse>()},
    {Method::delete_records, "delete_records", false, list<DeleteRecordsRequest>(), list<DeleteRecordsResponse>()},
    {Method::allocate_producer_id, "allocate_producer_id", false, small<AllocateProducerIdRequest>(),
     small<AllocateProducerIdResponse>()},
    {Method::describe_node, "describe_node", false, small<DescribeNodeRequest>(), settings<DescribeNodeResponse>()},
}};

constexpr bool is_in_order() {
    for (size_t index = 0; index < table.size(); ++index) {
        if (static_cast<size_t>(table[index].method) != index + 1) return false;
    }
    return true;
}
static_assert(is_in_order(), "a row for each method, in the order of their numbers");

}  // namespace

const MessageLimits error_limits{small_size, small_tables, false, verify_root<wire::ErrorInfo>};

const MethodLimits* find_method(uint16_t number) {
    return number == 0 || number > table.size() ? nullptr : &table[number - 1u];
}

std::span<const MethodLimits> all_methods() { return table; }

const char* name(Method method) {
    const MethodLimits* found = find_method(static_cast<uint16_t>(method));
    return found == nullptr ? "unknown" : found->name;
}

bool verify(const MessageLimits& limits, Bytes metadata) {
    ASSERT(reinterpret_cast<uintptr_t>(metadata.data()) % metadata_alignment == 0);
    // The verifier asserts on sizes of its own, so ours is checked before it is made.
    if (metadata.empty() || metadata.size() > limits.metadata_size_max) return false;
    flatbuffers::Verifier verifier(metadata.data(), metadata.size(), metadata_depth_max, limits.tables_max);
    return limits.verify(verifier);
}

}  // namespace ironbark::rpc
