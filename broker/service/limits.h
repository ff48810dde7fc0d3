#pragma once
// What one request may ask for, and what one answer holds, with the reasons.

#include <cstddef>

#include "runtime/rpc/frame.h"

namespace ironbark::broker {

// Of a request of any kind: two tables each in the answer are what the protocol lets a client accept (rpc/method.cc).
constexpr size_t request_partitions_max = 10'000;

// Texts for people stop when an answer is so long: the codes of all partitions must still fit (2 MiB).
constexpr size_t answer_hints_bytes_max = size_t{1} << 20;

// Records in one answer. What is left of a frame holds the marks of as many partitions as a request may name.
constexpr size_t fetch_bytes_max = rpc::frame_size_max - (size_t{1} << 20);

// The largest batch that any topic may allow: it must be possible to fetch it.
constexpr size_t message_bytes_max = fetch_bytes_max;

}  // namespace ironbark::broker
