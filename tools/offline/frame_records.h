#pragma once
// The records of one frame, decompressed where necessary, in the form in which consumers get them.

#include <functional>
#include <string_view>
#include <vector>

#include "ironbark/consumer.h"
#include "log/record/record_reader.h"
#include "log/record/frame.h"

namespace ironbark::tools {

class FrameRecords {
  public:
    // Calls `visit` for each record, in order; its bytes are good during the call. Error: the batch cannot be read.
    Result<void> visit(const record::FrameView& frame,
                       std::string_view topic,
                       int32_t partition,
                       const std::function<void(const ConsumerRecord&)>& visit);

  private:
    record::Decompressor decompressor_;
    record::ByteBuffer scratch_;
    std::vector<Header> headers_;
};

}  // namespace ironbark::tools
