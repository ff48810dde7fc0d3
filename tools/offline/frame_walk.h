#pragma once
// Everything that stands in a file of frames, one piece after the other: for looking at it, whatever its state. What is
// part of the log and what is not is for others to say (log/scan.h).

#include <functional>

#include "log/scan.h"

namespace ironbark::tools {

struct Piece {
    enum class Kind : uint8_t { frame, pad, zeros, unreadable };
    Kind kind = Kind::zeros;
    uint64_t position = 0;
    uint64_t size = 0;
    record::FrameView frame{};    // of frames and pads
    const char* fault = nullptr;  // of a frame: why its payload is not good; of what is unreadable: what is wrong there
};

// Sees a piece, whose bytes are good during the call. False: that is enough.
using PieceVisitor = std::function<bool(const Piece& piece)>;

// Walks from a position to the end of the file.
Task<Result<void>> walk_pieces(log::WindowReader* reader, uint64_t seed, uint64_t from, PieceVisitor visit);

// The position of the first good frame or pad header at or behind `from`; the end of the file if there is none.
struct NextHeader {
    uint64_t position = 0;
    bool only_zeros = true;  // between `from` and there
};
Task<Result<NextHeader>> find_header(log::WindowReader* reader, uint64_t seed, uint64_t from);

}  // namespace ironbark::tools
