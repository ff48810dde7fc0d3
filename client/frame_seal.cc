#include "client/frame_seal.h"

namespace ironbark::client {

void seal_again(MutableBytes frame, uint64_t seed, const record::ProducerSequence& producer) {
    MutableBytes batch = frame.subspan(record::frame_header_size);
    record::BatchHeader header = record::decode_batch_header(batch);
    header.producer_id = producer.id;
    header.producer_epoch = producer.epoch;
    header.base_sequence = producer.base_sequence;
    record::encode_batch_header(header, batch);
    record::store_batch_crc(batch);
    record::seal_unstamped(frame, seed);
}

}  // namespace ironbark::client
