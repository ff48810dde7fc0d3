#pragma once
// Hands out producer ids from blocks of a thousand: one metadata command per block, not per producer. Ids of a block
// that a stop leaves over are never used. Owned by the broker, on the metadata's executor.

#include "broker/controller/metadata_store.h"

namespace ironbark::broker {

class ProducerIds {
  public:
    ProducerIds(World& world, MetadataStore& metadata) : metadata_(metadata), allocating_(world.executor) {}

    // Suspends while a new block is made durable.
    Task<Result<int64_t>> next() {
        std::optional<Units> held = co_await allocating_.lock();
        if (!held) co_return ErrorCode::cancelled;
        if (next_ == end_) {
            CO_TRY_VOID(co_await metadata_.execute(allocate_producer_ids(block_size)));
            end_ = metadata_.current()->next_producer_id();
            next_ = end_ - block_size;
        }
        co_return next_++;
    }

  private:
    static constexpr int64_t block_size = 1000;

    MetadataStore& metadata_;
    Mutex allocating_;
    int64_t next_ = 0;
    int64_t end_ = 0;
};

}  // namespace ironbark::broker
