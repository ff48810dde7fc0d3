// What becomes of what a ProducerEngine has sent: refusals, results, losses; and the identity that it sends as.
#include "client/producer_engine.h"

namespace ironbark::client {
namespace {

// Brokers remember an idle producer for a day, unless they are told otherwise: within this time they do not forget one
// because it is old.
constexpr Duration remembered_time_min = std::chrono::hours(1);

}  // namespace

void ProducerEngine::refuse(Sender& sender, SendWindow::Entry& entry, const ProduceAnswer& answer) {
    const Failure& failure = answer.failure;
    ErrorCode code = failure.code;
    if (concerns_leadership(code) && !closing_) router_.want(sender.queue.topic);
    SendWindow::Refusal refusal;
    refusal.failure = failure;
    // What the topic's absence means, the metadata will say.
    refusal.may_be_repeated = failure.outcome == Outcome::unknown || is_retriable(code) || concerns_existence(code);
    // The leader's host name is not found: a name service may be late.
    refusal.may_be_repeated |= code == ErrorCode::not_found;
    if (code == ErrorCode::closed) refusal.may_be_repeated = false;
    refusal.expected = answer.expected_sequence;
    Instant now = world_.executor.now();
    refusal.may_have_expired = !sender.last_acknowledged || now - *sender.last_acknowledged >= remembered_time_min;
    Duration pause = router_.pause_after(entry.attempts - 1);
    sender.window.refused(entry, std::move(refusal), now + pause);
    if (answer.leader >= 0) {
        Leader leader{answer.leader, answer.leader_epoch};
        router_.learn_leader(sender.queue.topic, sender.queue.identity.partition.value, leader);
    }
}

void ProducerEngine::resolve(Sender& sender) {
    if (std::optional<LostRange> lost = sender.window.take_loss()) report_loss(sender, *lost);
    while (std::unique_ptr<SendWindow::Entry> entry = sender.window.pop_resolved()) {
        bool is_written = entry->state == SendWindow::State::written;
        if (is_written) sender.last_acknowledged = world_.executor.now();
        finish(sender.queue, *entry->batch, is_written ? &entry->receipt : nullptr, entry->failure);
    }
}

// Tells the records of the batch what became of them; with a receipt they were written.
void ProducerEngine::finish(const PartitionQueue& queue,
                            PendingBatch& batch,
                            const Written* written,
                            const Failure& failure) {
    count(batch, written, failure.outcome);
    if (!batch.callbacks.empty()) {
        Receipt receipt;
        if (written != nullptr) {
            receipt = {queue.topic,          queue.identity.partition.value,
                       written->base_offset, written->leader_epoch,
                       written->append_time, written->level,
                       written->replicas,    written->queued,
                       written->written,     written->synced,
                       written->replicated,  written->duplicate};
        }
        Expected<Receipt> result =
            written != nullptr ? Expected<Receipt>(std::move(receipt)) : Expected<Receipt>(failure);
        for (PendingBatch::Waiting& waiting : batch.callbacks) {
            if (written != nullptr && written->base_offset >= 0) result->offset = written->base_offset + waiting.index;
            waiting.callback(result);
        }
    }
    if (batch.builder != nullptr) accumulator_.recycle(std::move(batch.builder));
    accumulator_.resolved(batch);
    room_.pulse();
    resolved_.pulse();
}

void ProducerEngine::count(const PendingBatch& batch, const Written* written, Outcome outcome) {
    auto records = static_cast<uint64_t>(batch.records);
    if (written != nullptr) {
        statistics_.records_written += records;
        statistics_.bytes_written += batch.frame.size;
    } else if (outcome == Outcome::unknown) {
        statistics_.records_unknown += records;
    } else {
        statistics_.records_not_written += records;
    }
}

void ProducerEngine::report_loss(Sender& sender, const LostRange& lost) {
    ++statistics_.losses;
    if (lost.records > 0) statistics_.records_lost += static_cast<uint64_t>(lost.records);
    if (lost.is_fatal) {
        const Failure reason = not_done(ErrorCode::out_of_order_sequence,
                                        "acknowledged records of this partition are lost although their level promises "
                                        "that they are not: this producer writes nothing more to it");
        retired_.emplace(&sender.queue, reason);
        sender.window.give_up(reason);
    }
    if (!loss_listener_) return;
    loss_listener_({sender.queue.topic, sender.queue.identity.partition.value, lost.records, lost.first_offset,
                    lost.last_offset, lost.level, lost.is_final, lost.is_fatal});
}

// Lets the partition go on with the identity that the producer has, or sees to another one.
void ProducerEngine::give_identity(Sender& sender) {
    SendWindow& window = sender.window;
    if (!window.needs_identity()) return;
    bool is_new = identity_.is_known() && !(identity_ == window.identity());
    if (window.must_change_id() && identity_.id == window.identity().id) is_new = false;
    auto spent = spent_.find(sender.queue.identity);
    const bool is_retired = retired_.contains(&sender.queue);
    if (spent != spent_.end() && !is_retired && identity_ == spent->second) is_new = false;
    if (is_new) {
        window.set_identity(identity_);
    } else {
        wants_identity_ = true;
        wants_other_id_ |= window.must_change_id();
    }
}

Task<void> ProducerEngine::obtain_identity() {
    ProducerIdentity raised = wants_other_id_ ? ProducerIdentity() : identity_;
    flatbuffers::FlatBufferBuilder builder;
    auto request = wire::CreateAllocateProducerIdRequest(builder, raised.id.value, raised.epoch.value);
    rpc::Metadata metadata = rpc::finish(builder, request);
    Instant deadline = world_.executor.now() + options_.request_time_max;
    // An id that nobody ever uses is no harm.
    rpc::CallResult result = co_await router_.call_any(rpc::Method::allocate_producer_id, std::move(metadata),
                                                       Repeatable::yes, deadline, router_.controller());
    is_obtaining_identity_ = false;
    const wire::AllocateProducerIdResponse* answer =
        result.ok() ? &result.as<wire::AllocateProducerIdResponse>() : nullptr;
    if (answer != nullptr && answer->error() == nullptr && answer->producer_id() >= 0) {
        identity_ = {ProducerId(answer->producer_id()), ProducerEpoch(answer->producer_epoch())};
        wants_identity_ = wants_other_id_ = false;
    } else {
        bool was_answered = answer != nullptr && answer->error() != nullptr;
        identity_failure_ = was_answered ? failure_of(*answer->error()) : failure_of(result);
        // An id whose epochs are used up, or that is forgotten, is given up for another.
        wants_other_id_ |= !identity_failure_.is_retriable();
        identity_not_before_ = world_.executor.now() + router_.pause_after(1);
    }
    wakeup_.wake_here();
}

}  // namespace ironbark::client
