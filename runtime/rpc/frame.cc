#include "runtime/rpc/frame.h"

#include <algorithm>
#include <array>

#include "runtime/base/assert.h"
#include "runtime/base/checksum.h"

namespace ironbark::rpc {

namespace {

constexpr size_t checksum_position = 24;

uint64_t checksum(Bytes header, Bytes metadata) { return xxh3(metadata, xxh3(header.first(checksum_position), 0)); }

}  // namespace

void encode(const FrameHeader& header, Bytes metadata, MutableBytes to) {
    ASSERT(to.size() == frame_header_size);
    ASSERT(header.metadata_size == metadata.size());
    ASSERT(header.metadata_size <= header.body_size);
    store_le<uint32_t>(to.data(), frame_magic);
    store_le<uint32_t>(to.data() + 4, header.body_size);
    store_le<uint16_t>(to.data() + 8, header.method);
    store_le<uint16_t>(to.data() + 10, header.flags);
    store_le<uint32_t>(to.data() + 12, header.metadata_size);
    store_le<uint64_t>(to.data() + 16, header.correlation);
    store_le<uint64_t>(to.data() + checksum_position, checksum(to, metadata));
}

Refusal decode(Bytes bytes, size_t size_max, FrameHeader* into) {
    ASSERT(bytes.size() >= frame_header_size);
    if (Refusal stranger = classify(bytes); stranger != Refusal::none) return stranger;
    into->body_size = load_le<uint32_t>(bytes.data() + 4);
    into->method = load_le<uint16_t>(bytes.data() + 8);
    into->flags = load_le<uint16_t>(bytes.data() + 10);
    into->metadata_size = load_le<uint32_t>(bytes.data() + 12);
    into->correlation = load_le<uint64_t>(bytes.data() + 16);
    if (into->frame_size() > size_max) return Refusal::too_large;
    if (into->metadata_size > into->body_size) return Refusal::malformed_header;
    if ((into->flags & flags_refused_mask & ~flags_known) != 0) return Refusal::malformed_header;
    return Refusal::none;
}

bool verify_checksum(Bytes frame, const FrameHeader& header) {
    ASSERT(frame.size() >= frame_header_size + header.metadata_size);
    Bytes metadata = frame.subspan(frame_header_size, header.metadata_size);
    return load_le<uint64_t>(frame.data() + checksum_position) == checksum(frame, metadata);
}

Refusal classify(Bytes first) {
    ASSERT(first.size() >= 4);
    if (load_le<uint32_t>(first.data()) == frame_magic) return Refusal::none;
    // Beginnings of an HTTP request (the last is the preface of HTTP/2) or response.
    static constexpr std::array<std::string_view, 11> http{"GET ", "HEAD", "POST", "PUT ", "DELE", "CONN",
                                                           "OPTI", "TRAC", "PATC", "PRI ", "HTTP"};
    if (std::find(http.begin(), http.end(), as_text(first.first(4))) != http.end()) return Refusal::http;
    // A TLS record of type handshake or alert, version 3.x.
    if ((first[0] == 0x16 || first[0] == 0x15) && first[1] == 3 && first[2] <= 4) return Refusal::tls;
    return Refusal::foreign;
}

}  // namespace ironbark::rpc
