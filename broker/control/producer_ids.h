#pragma once
// Hands out producer ids from blocks of a thousand: one metadata command per block, not per producer. A block is taken
// from the end that this broker knows of; if another broker was faster, it is taken from the new end. Ids of a block
// that a stop leaves over, or of one that nobody knows to have been given, are never used. On the control thread's
// executor.

#include "broker/control/broker_session.h"

namespace ironbark::broker {

class ProducerIds {
  public:
    struct Given {
        ProducerId id;
        ProducerEpoch epoch;
    };
    ProducerIds(World& world, BrokerSession& session) : world_(world), session_(session), allocating_(world.executor) {}

    // A new id, in its epoch 0. Suspends while a new block is made durable.
    Task<Result<Given>> next() {
        std::optional<Units> held = co_await allocating_.lock();
        if (!held) co_return ErrorCode::cancelled;
        if (next_ == end_) CO_TRY_VOID(co_await allocate());
        co_return Given{ProducerId(next_++), ProducerEpoch(0)};
    }

    // The next epoch of an id. Suspends if this broker has not heard of the id yet, until it knows what the controller
    // does. REQUIRES: epoch < INT16_MAX
    Task<Result<Given>> raise(ProducerId id, ProducerEpoch epoch) {
        if (!is_given(id)) {
            const bool is_newest = co_await session_.catch_up(world_.executor.now() + allocate_time_max);
            if (!is_newest)
                co_return Error(ErrorCode::not_controller, "no controller can say whether this id was given");
        }
        if (!is_given(id)) {
            co_return Error(ErrorCode::unknown_producer_id, "this producer id was never given out; ask for a new one");
        }
        co_return Given{id, ProducerEpoch(static_cast<int16_t>(epoch.value + 1))};
    }

  private:
    static constexpr int64_t block_size = 1000;
    static constexpr Duration allocate_time_max = std::chrono::seconds(10);

    bool is_given(ProducerId id) const { return id.value < session_.current()->next_producer_id(); }

    Task<Result<void>> allocate() {
        const Instant deadline = world_.executor.now() + allocate_time_max;
        while (true) {
            const int64_t first = session_.current()->next_producer_id();
            Executed executed = co_await session_.execute(allocate_producer_ids(first, block_size), deadline);
            if (executed.ok()) {
                next_ = first;
                end_ = first + block_size;
                co_return Result<void>();
            }
            if (executed.error.code != ErrorCode::already_exists) co_return executed.error;
            // Another broker was faster, and its command will be known here soon.
            while (session_.current()->next_producer_id() == first) {
                const Wake wake = co_await session_.wait_for_change(deadline);
                if (wake != Wake::signalled) co_return executed.error;
            }
        }
    }

    World& world_;
    BrokerSession& session_;
    Mutex allocating_;
    int64_t next_ = 0;
    int64_t end_ = 0;
};

}  // namespace ironbark::broker
