// The ways to make one write durable that the studies compare. Each object writes one piece at a
// time into one file and blocks its caller until the piece is durable.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/machine/direct_file.h"

namespace ironbark::bench {

class SyncedWrite {
  public:
    virtual ~SyncedWrite() = default;
    virtual void write(const void* data, std::uint64_t size, std::uint64_t position) = 0;
};

struct SyncedWriteForm {
    std::string name;
    // The file must outlive what is made.
    std::function<std::unique_ptr<SyncedWrite>(const DirectFile&)> make;
};

const std::vector<SyncedWriteForm>& synced_write_forms();

}  // namespace ironbark::bench
