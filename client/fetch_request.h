#pragma once
// One fetch: the partitions that one broker leads and that are to be read on, and what its answer says of each.

#include <vector>

#include "client/failures.h"
#include "ironbark/consumer.h"
#include "runtime/base/ids.h"
#include "runtime/io/buffer.h"

namespace ironbark::client {

struct FetchLimits {
    std::chrono::milliseconds wait_max;
    size_t bytes_min;
    size_t bytes_max;
    size_t partition_bytes_max;
    Visibility visibility;
};

struct FetchPart {
    PartitionIdentity partition;
    int64_t offset = -1;
    int32_t leader_epoch = -1;
};

struct FetchAnswer {
    std::optional<Failure> failure{};
    Marks marks;
    BufferSlice frames;   // as they are in the log
    int32_t leader = -1;  // with a failure: who leads, if the broker knows better
    int32_t leader_epoch = -1;
};

rpc::Metadata encode_fetch(const std::vector<FetchPart>& parts, const FetchLimits& limits);
// One answer for each of `count` parts, whatever the result of the call is.
std::vector<FetchAnswer> decode_fetch(const rpc::CallResult& result, size_t count);

// Where the records of each part end, of an answer that has not come whole; -1 where there are none. Empty: it does not
// say.
std::vector<int64_t> decode_next_offsets(Bytes metadata, size_t count);

}  // namespace ironbark::client
