#pragma once
// The methods and what each may cost: one table, looked at before a frame's metadata is believed. Metadata is verified
// once, on arrival, and is immutable afterwards. Verified means that it is safe to read; ranges, enums, sums and the
// lengths of lists are for whoever handles the message (a list may hold the same long string many times).

#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <span>

#include "runtime/base/bytes.h"
#include "runtime/base/result.h"
#include "wire/common_generated.h"

namespace ironbark::rpc {

using Method = wire::Method;
constexpr size_t method_count = static_cast<size_t>(Method::MAX) + 1;

// A finished FlatBuffers message: what `FlatBufferBuilder::Release` returns.
using Metadata = flatbuffers::DetachedBuffer;

// Nesting of tables and vectors. Our deepest message has four levels; the rest is room for later versions.
constexpr uint32_t metadata_depth_max = 16;
// Metadata is read in place: it lies in memory at a multiple of its largest number.
constexpr size_t metadata_alignment = 8;

// What one direction of a method may carry.
struct MessageLimits {
    uint32_t metadata_size_max;
    uint32_t tables_max;
    bool has_payload;
    bool (*verify)(flatbuffers::Verifier&);
};

// Who may ask for a method. A server has one kind of clients, and knows no methods of the other.
enum class Audience : uint8_t { clients, daemons };

struct MethodLimits {
    Method method;
    const char* name;
    Audience audience;
    bool before_handshake;  // allowed on a connection that has not introduced itself
    MessageLimits request;
    MessageLimits response;
};

// The row of a method; nullptr for a number that this version does not know.
const MethodLimits* find_method(uint16_t number);
std::span<const MethodLimits> all_methods();
const char* name(Method method);

// Of every method's error answer, whose metadata is one ErrorInfo, and of requests with an unknown method.
extern const MessageLimits error_limits;

// Whether the metadata may be read as this message. REQUIRES: aligned to `metadata_alignment`
bool verify(const MessageLimits& limits, Bytes metadata);

// Finishes the builder's message with this table as its root.
template <typename Table>
Metadata finish(flatbuffers::FlatBufferBuilder& builder, flatbuffers::Offset<Table> root) {
    builder.Finish(root);
    return builder.Release();
}
inline Bytes bytes_of(const Metadata& metadata) { return {metadata.data(), metadata.size()}; }

}  // namespace ironbark::rpc
