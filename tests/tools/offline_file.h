#pragma once
// A file of bytes in a temporary directory, and the world in which offline commands read it.

#include <fstream>

#include "log/scan.h"
#include "tests/log/record/samples.h"
#include "tests/processes/temporary_directory.h"
#include "tools/offline/offline_world.h"

namespace ironbark::tools {

using Bytestring = std::vector<uint8_t>;

inline void write_bytes(const std::string& path, const Bytestring& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

inline std::string read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Appends a stamped frame of the sample partition; returns the chain value for the next one.
inline uint64_t append_frame(Bytestring& bytes, int64_t offset, uint64_t chain) {
    Bytestring frame = record::sample_frame();
    record::Stamp stamp = record::sample_stamp;
    stamp.base_offset = Offset(offset);
    stamp.chain = chain;
    uint64_t next = record::stamp(frame, record::sample_partition.seed(), stamp);
    bytes.insert(bytes.end(), frame.begin(), frame.end());
    return next;
}

inline void append_pad(Bytestring& bytes) {
    size_t begin = bytes.size();
    bytes.resize(round_up(begin + record::frame_header_size, log::block_size));
    record::make_pad(MutableBytes(bytes).subspan(begin), record::sample_partition.seed());
}

}  // namespace ironbark::tools
