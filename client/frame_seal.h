#pragma once
// Changes what a sealed, unstamped frame was sealed with.

#include "log/record/batch_builder.h"

namespace ironbark::client {

// Seals the frame for other sequence numbers. Its records stay as they are. REQUIRES: a frame of BatchBuilder::seal
void seal_again(MutableBytes frame, uint64_t seed, const record::ProducerSequence& producer);

}  // namespace ironbark::client
