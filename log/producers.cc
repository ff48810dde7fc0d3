#include "log/producers.h"

#include <algorithm>

#include "log/limits.h"
#include "runtime/base/encoding.h"

namespace ironbark::log {
namespace {

int32_t last_sequence_of(const record::BatchHeader& batch) {
    return sequence_after(batch.base_sequence, batch.last_offset_delta);
}

// Whether `left` comes before `right` on the circle of sequence numbers.
bool is_before(int32_t left, int32_t right) {
    uint32_t distance = (static_cast<uint32_t>(right) - static_cast<uint32_t>(left)) & 0x7fffffff;
    return distance != 0 && distance < 0x40000000;
}

}  // namespace

// A batch that is not there yet, of a producer whose next sequence is `expected`.
SequenceCheck Producers::check_new(const record::BatchHeader& batch, int32_t expected, int32_t gap_from) {
    bool is_next = gap_from < 0 && batch.base_sequence == expected;
    bool is_behind_gap = gap_from == expected && is_before(expected, batch.base_sequence);
    if (!is_next && !is_behind_gap) return {ErrorCode::out_of_order_sequence, std::nullopt, expected, -1};
    return {ErrorCode::none, std::nullopt, expected, gap_from};
}

// Where the gap in front of a remembered batch begins; -1: there is none. If nothing is remembered before the batch,
// the producer's word is taken.
int32_t Producers::gap_before(const Producer& producer, size_t index, int32_t gap_from) {
    if (index == 0) return gap_from;
    const int32_t expected = sequence_after(producer.batches[index - 1].last_sequence, 1);
    return expected == producer.batches[index].first_sequence ? -1 : expected;
}

SequenceCheck Producers::check(const record::BatchHeader& batch, int32_t gap_from) const {
    auto found = producers_.find(batch.producer_id);
    if (found == producers_.end()) {
        return {batch.base_sequence == 0 ? ErrorCode::none : ErrorCode::unknown_producer_id, std::nullopt, 0, -1};
    }
    const Producer& producer = found->second;
    if (batch.producer_epoch < producer.epoch) return {ErrorCode::invalid_producer_epoch, std::nullopt, 0, -1};
    if (batch.producer_epoch > producer.epoch) return check_new(batch, 0, gap_from);
    for (size_t index = 0; index < producer.batches.size(); ++index) {
        const RememberedBatch& remembered = producer.batches[index];
        if (remembered.first_sequence == batch.base_sequence && remembered.last_sequence == last_sequence_of(batch)) {
            return {ErrorCode::none, remembered, 0, gap_before(producer, index, gap_from)};
        }
    }
    int32_t expected = sequence_after(producer.batches.back().last_sequence, 1);
    if (is_before(batch.base_sequence, producer.batches.front().first_sequence)) {
        return {ErrorCode::sequence_expired, std::nullopt, expected, -1};
    }
    return check_new(batch, expected, gap_from);
}

void Producers::apply(const record::FrameView& frame) {
    const record::BatchHeader& batch = frame.batch;
    if (!batch.is_idempotent()) return;
    if (producers_.size() >= producers_per_partition_max && !producers_.contains(batch.producer_id)) {
        forget_longest_idle();
    }
    Producer& producer = producers_[batch.producer_id];
    if (batch.producer_epoch != producer.epoch) {
        producer.epoch = batch.producer_epoch;
        producer.batches.clear();
    }
    if (producer.batches.size() == batches_per_producer) producer.batches.erase(producer.batches.begin());
    producer.batches.push_back({batch.base_sequence, last_sequence_of(batch), frame.header.base_offset,
                                frame.next_offset() - 1, frame.header.leader_epoch, frame.header.append_time});
}

void Producers::expire(Timestamp before) {
    std::erase_if(producers_, [before](const auto& entry) { return entry.second.batches.back().append_time < before; });
}

void Producers::forget_longest_idle() {
    auto idle = std::min_element(producers_.begin(), producers_.end(), [](const auto& left, const auto& right) {
        return left.second.batches.back().append_time < right.second.batches.back().append_time;
    });
    producers_.erase(idle);
}

std::optional<int32_t> Producers::last_sequence(ProducerId id, ProducerEpoch epoch) const {
    auto found = producers_.find(id);
    if (found == producers_.end() || found->second.epoch != epoch) return std::nullopt;
    return found->second.batches.back().last_sequence;
}

std::vector<uint8_t> Producers::encode() const {
    Encoder encoder;
    encoder.number(static_cast<uint32_t>(producers_.size()));
    for (const auto& [id, producer] : producers_) {
        encoder.number(id.value);
        encoder.number(producer.epoch.value);
        encoder.number(static_cast<uint8_t>(producer.batches.size()));
        for (const RememberedBatch& batch : producer.batches) {
            encoder.number(batch.first_sequence);
            encoder.number(batch.last_sequence);
            encoder.number(batch.base.value);
            encoder.number(batch.last.value);
            encoder.number(batch.leader_epoch.value);
            encoder.number(batch.append_time.milliseconds);
        }
    }
    return encoder.take();
}

Result<Producers> Producers::decode(Bytes bytes) {
    static constexpr Error damaged(ErrorCode::corrupt_data, "the producers' snapshot is damaged");
    Decoder decoder(bytes);
    Producers producers;
    uint32_t count = decoder.number<uint32_t>();
    for (uint32_t index = 0; index < count && decoder.ok(); ++index) {
        ProducerId id(decoder.number<int64_t>());
        Producer producer;
        producer.epoch = ProducerEpoch(decoder.number<int16_t>());
        uint8_t batches = decoder.number<uint8_t>();
        if (batches == 0 || batches > batches_per_producer) return damaged;
        for (uint8_t at = 0; at < batches; ++at) {
            RememberedBatch batch;
            batch.first_sequence = decoder.number<int32_t>();
            batch.last_sequence = decoder.number<int32_t>();
            batch.base = Offset(decoder.number<int64_t>());
            batch.last = Offset(decoder.number<int64_t>());
            batch.leader_epoch = Epoch(decoder.number<int32_t>());
            batch.append_time = Timestamp(decoder.number<int64_t>());
            producer.batches.push_back(batch);
        }
        producers.producers_[id] = std::move(producer);
    }
    if (!decoder.ok() || !decoder.at_end()) return damaged;
    return producers;
}

}  // namespace ironbark::log
