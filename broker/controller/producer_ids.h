#pragma once
// Hands out producer ids from blocks of a thousand: one metadata command per block, not per producer. Ids of a block
// that a stop leaves over are never used. Owned by the broker, on the metadata's executor.

#include "broker/controller/metadata_store.h"

namespace ironbark::broker {

class ProducerIds {
  public:
    struct Given {
        ProducerId id;
        ProducerEpoch epoch;
    };
    ProducerIds(World& world, MetadataStore& metadata) : metadata_(metadata), allocating_(world.executor) {}

    // A new id, in its epoch 0. Suspends while a new block is made durable.
    Task<Result<Given>> next() {
        std::optional<Units> held = co_await allocating_.lock();
        if (!held) co_return ErrorCode::cancelled;
        if (next_ == end_) {
            CO_TRY_VOID(co_await metadata_.execute(allocate_producer_ids(block_size)));
            end_ = metadata_.current()->next_producer_id();
            next_ = end_ - block_size;
        }
        co_return Given{ProducerId(next_++), ProducerEpoch(0)};
    }

    // The next epoch of an id. REQUIRES: epoch < INT16_MAX
    Result<Given> raise(ProducerId id, ProducerEpoch epoch) const {
        if (id.value >= metadata_.current()->next_producer_id()) {
            return Error(ErrorCode::unknown_producer_id, "this producer id was never given out; ask for a new one");
        }
        return Given{id, ProducerEpoch(static_cast<int16_t>(epoch.value + 1))};
    }

  private:
    static constexpr int64_t block_size = 1000;

    MetadataStore& metadata_;
    Mutex allocating_;
    int64_t next_ = 0;
    int64_t end_ = 0;
};

}  // namespace ironbark::broker
