#include "log/snapshot.h"

#include "runtime/base/checksum.h"
#include "runtime/base/encoding.h"

namespace ironbark::log {
namespace {

constexpr uint64_t snapshot_magic = 0x31444f5250424923;  // "#IBPROD1"

constexpr size_t snapshot_size_max = size_t{64} << 20;  // ten thousand producers are 2 MB

}  // namespace

std::vector<uint8_t> encode_snapshot(const PartitionIdentity& identity, const Floor& place,
                                     Timestamp last_append_time, const std::vector<uint8_t>& producers) {
    Encoder body;
    body.number(snapshot_magic);
    body.number(place.offset.value);
    body.number(place.segment_base.value);
    body.number(place.position);
    body.number(place.chain);
    body.number(place.epoch.value);
    body.number(last_append_time.milliseconds);
    body.raw(producers);
    Encoder whole;
    whole.number(xxh3(body.bytes(), identity.seed()));
    whole.raw(body.bytes());
    return whole.take();
}

Result<ProducersSnapshot> decode_snapshot(Bytes bytes, const PartitionIdentity& identity) {
    static constexpr Error damaged(ErrorCode::corrupt_data, "the producers' snapshot is damaged");
    Decoder decoder(bytes);
    uint64_t checksum = decoder.number<uint64_t>();
    if (!decoder.ok() || checksum != xxh3(bytes.subspan(sizeof(checksum)), identity.seed())) return damaged;
    if (decoder.number<uint64_t>() != snapshot_magic) return damaged;
    ProducersSnapshot snapshot;
    snapshot.place.offset = Offset(decoder.number<int64_t>());
    snapshot.place.segment_base = Offset(decoder.number<int64_t>());
    snapshot.place.position = decoder.number<uint64_t>();
    snapshot.place.chain = decoder.number<uint64_t>();
    snapshot.place.epoch = Epoch(decoder.number<int32_t>());
    snapshot.last_append_time = Timestamp(decoder.number<int64_t>());
    if (!decoder.ok()) return damaged;
    TRY(snapshot.producers, Producers::decode(decoder.raw(decoder.left())));
    return snapshot;
}

Task<Result<ProducersSnapshot>> read_snapshot(World* world, std::string path, PartitionIdentity identity) {
    CO_TRY(std::vector<uint8_t> bytes, co_await read_file(*world, std::move(path), snapshot_size_max));
    co_return decode_snapshot(bytes, identity);
}

}  // namespace ironbark::log
