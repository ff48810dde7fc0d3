#pragma once
// One produce request: a batch of each of several partitions that one broker leads, and what its answer says of each.

#include <vector>

#include "client/send_window.h"
#include "runtime/io/buffer.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/method.h"

namespace ironbark::client {

struct ProducePart {
    PartitionIdentity partition;
    int32_t leader_epoch = -1;
    BufferSlice frame;
    int32_t gap_from = -1;  // see SendWindow::Entry
};

// What became of one part. `leader`: who leads, if the broker knows better.
struct ProduceAnswer {
    bool is_written = false;
    Written receipt;
    Failure failure;
    int32_t expected_sequence = -1;  // see SendWindow::Refusal
    int32_t leader = -1;
    int32_t leader_epoch = -1;
};

rpc::Metadata encode_produce(const std::vector<ProducePart>& parts, Acks acks, int64_t timeout_ms);

// One answer for each of `count` parts, whatever the result of the call is.
std::vector<ProduceAnswer> decode_produce(const rpc::CallResult& result, size_t count);

}  // namespace ironbark::client
