#include "tools/offline/frame_walk.h"

#include <algorithm>
#include <cstring>

namespace ironbark::tools {
namespace {

using record::FrameView;

bool is_zero(Bytes bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

constexpr size_t magic_at = 8;  // in a frame

// Where in `bytes` the first good header begins.
std::optional<size_t> header_in(Bytes bytes, uint64_t seed) {
    uint8_t magic[sizeof(uint32_t)];
    store_le(magic, record::frame_magic);
    for (size_t from = 0; from + record::frame_header_size <= bytes.size();) {
        const void* found = memmem(bytes.data() + from, bytes.size() - from, magic, sizeof(magic));
        if (found == nullptr) return std::nullopt;
        size_t at = static_cast<size_t>(static_cast<const uint8_t*>(found) - bytes.data());
        from = at + 1;
        if (at >= magic_at && record::parse_header(bytes.subspan(at - magic_at), seed).ok()) return at - magic_at;
    }
    return std::nullopt;
}

}  // namespace

Task<Result<NextHeader>> find_header(log::WindowReader* reader, uint64_t seed, uint64_t from) {
    NextHeader next;
    next.position = from;
    while (next.position < reader->size()) {
        CO_TRY(Bytes bytes, co_await reader->at(next.position, log::read_size));
        bytes = bytes.first(std::min(bytes.size(), log::read_size));
        std::optional<size_t> found = header_in(bytes, seed);
        next.only_zeros = next.only_zeros && is_zero(bytes.first(found.value_or(bytes.size())));
        if (found) {
            next.position += *found;
            co_return next;
        }
        if (next.position + bytes.size() >= reader->size()) break;
        // A header on the border of two windows is seen whole by the second.
        next.position += bytes.size() - record::frame_prefix_size;
    }
    next.position = reader->size();
    co_return next;
}

Task<Result<void>> walk_pieces(log::WindowReader* reader, uint64_t seed, uint64_t from, PieceVisitor visit) {
    for (uint64_t position = from; position < reader->size();) {
        Piece piece;
        piece.position = position;
        CO_TRY(Bytes bytes, co_await reader->at(position, record::frame_prefix_size));
        Result<FrameView> header = record::parse_header(bytes, seed);
        const bool fits = header.ok() && header->header.length <= reader->size() - position;
        if (fits) {
            CO_TRY(Bytes whole, co_await reader->at(position, header->header.length));
            piece.kind = header->header.is_pad() ? Piece::Kind::pad : Piece::Kind::frame;
            piece.size = header->header.length;
            piece.frame = *header;
            piece.frame.bytes = whole.first(header->header.length);
            bool is_good = piece.kind == Piece::Kind::pad || record::verify_payload(piece.frame);
            if (!is_good) piece.fault = "the payload checksum does not match";
        } else {
            CO_TRY(NextHeader next, co_await find_header(reader, seed, position + 1));
            const bool zeros = next.only_zeros && (bytes.empty() || bytes[0] == 0);
            piece.kind = zeros ? Piece::Kind::zeros : Piece::Kind::unreadable;
            piece.size = next.position - position;
            piece.fault = zeros ? nullptr : header.ok() ? "the file ends inside the frame" : header.error().text;
        }
        position += piece.size;
        if (!visit(piece)) break;
    }
    co_return Result<void>();
}

}  // namespace ironbark::tools
