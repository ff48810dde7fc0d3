#include "log/record/codec.h"

#include <algorithm>
#include <lz4frame.h>
#include <zstd.h>

namespace ironbark::record {
namespace {

// zstd's own default, and that of Kafka's clients. LZ4's is its fastest.
constexpr int zstd_level_default = 3;

// How much is believed of the size that a zstd frame announces, in multiples of the compressed size, before any byte
// has come out. Text shrinks 3 to 10 times; what is beyond grows as it comes.
constexpr size_t believed_ratio = 16;
constexpr size_t first_size_min = size_t{64} << 10;

constexpr Error no_memory(ErrorCode::overloaded, "no memory for compression");
constexpr Error damaged(ErrorCode::invalid_record, "the compressed records are damaged");
constexpr Error cut_off(ErrorCode::invalid_record, "the compressed records are cut off");
constexpr Error trailing(ErrorCode::invalid_record, "there are bytes behind the compressed records");
constexpr Error records_too_large(ErrorCode::message_too_large,
                                  "the records are larger than the limit when decompressed");

Error unsupported(Codec codec) {
    switch (codec) {
        case Codec::gzip:
            return {ErrorCode::unsupported_compression, "the batch is compressed with gzip"};
        case Codec::snappy:
            return {ErrorCode::unsupported_compression, "the batch is compressed with snappy"};
        default:
            return {ErrorCode::unsupported_compression, "the batch is compressed with an unknown codec"};
    }
}

// Kafka's Java client refuses blocks that depend on each other. autoFlush: nothing is buffered between calls.
LZ4F_preferences_t lz4_preferences(int level) {
    LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
    preferences.frameInfo.blockMode = LZ4F_blockIndependent;
    preferences.frameInfo.blockSizeID = LZ4F_max64KB;
    preferences.autoFlush = 1;
    preferences.compressionLevel = level;
    return preferences;
}

size_t bound(Codec codec, size_t size) {
    if (codec == Codec::zstd) return ZSTD_compressBound(size);
    LZ4F_preferences_t preferences = lz4_preferences(0);  // the bound is the same for all levels
    return LZ4F_compressFrameBound(size, &preferences);
}

size_t first_capacity(Codec codec, Bytes from, size_t size_max) {
    size_t believed = std::max(first_size_min, believed_ratio * from.size());
    size_t wanted = 4 * from.size();
    if (codec == Codec::zstd) {
        unsigned long long announced = ZSTD_getFrameContentSize(from.data(), from.size());
        bool is_known = announced != ZSTD_CONTENTSIZE_UNKNOWN && announced != ZSTD_CONTENTSIZE_ERROR;
        if (is_known) wanted = static_cast<size_t>(std::min<unsigned long long>(announced, believed));
    }
    return std::min(size_max, std::max(wanted, first_size_min));
}

}  // namespace

Compressor::Compressor(int level) : level_(level) {}
Compressor::Compressor(Compressor&&) noexcept = default;
Compressor& Compressor::operator=(Compressor&&) noexcept = default;
Compressor::~Compressor() = default;
void Compressor::Free::operator()(LZ4F_cctx_s* context) const {
    LZ4F_freeCompressionContext(context);
}
void Compressor::Free::operator()(ZSTD_CCtx_s* context) const {
    ZSTD_freeCCtx(context);
}

Result<Bytes> Compressor::compress(Codec codec, Bytes from) {
    if (codec != Codec::lz4 && codec != Codec::zstd) return unsupported(codec);
    output_.clear();
    output_.resize(bound(codec, from.size()));
    size_t size = codec == Codec::lz4 ? compress_lz4(from, output_.bytes()) : compress_zstd(from, output_.bytes());
    if (size == 0) return no_memory;
    return Bytes(output_.bytes()).first(size);
}

// Zero: no memory, the only thing that can fail when there is room for the bound.
size_t Compressor::compress_lz4(Bytes from, MutableBytes into) {
    LZ4F_cctx* context = lz4_.get();
    if (context == nullptr && LZ4F_isError(LZ4F_createCompressionContext(&context, LZ4F_VERSION)) != 0) return 0;
    if (lz4_ == nullptr) lz4_.reset(context);
    LZ4F_preferences_t preferences = lz4_preferences(level_);
    size_t head = LZ4F_compressBegin(context, into.data(), into.size(), &preferences);
    if (LZ4F_isError(head) != 0) return 0;
    into = into.subspan(head);
    size_t body = LZ4F_compressUpdate(context, into.data(), into.size(), from.data(), from.size(), nullptr);
    if (LZ4F_isError(body) != 0) return 0;
    into = into.subspan(body);
    size_t tail = LZ4F_compressEnd(context, into.data(), into.size(), nullptr);
    return LZ4F_isError(tail) != 0 ? 0 : head + body + tail;
}

size_t Compressor::compress_zstd(Bytes from, MutableBytes into) {
    if (zstd_ == nullptr) zstd_.reset(ZSTD_createCCtx());
    if (zstd_ == nullptr) return 0;
    int level = level_ == 0 ? zstd_level_default : level_;
    size_t size = ZSTD_compressCCtx(zstd_.get(), into.data(), into.size(), from.data(), from.size(), level);
    return ZSTD_isError(size) != 0 ? 0 : size;
}

Decompressor::Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;
Decompressor::~Decompressor() = default;
void Decompressor::Free::operator()(LZ4F_dctx_s* context) const {
    LZ4F_freeDecompressionContext(context);
}
void Decompressor::Free::operator()(ZSTD_DCtx_s* context) const {
    ZSTD_freeDCtx(context);
}

Result<void> Decompressor::decompress(Codec codec, Bytes from, size_t size_max, ByteBuffer* into) {
    into->clear();
    TRY_VOID(prepare(codec));
    into->reserve(first_capacity(codec, from, size_max));
    Result<void> drained = drain(codec, from, size_max, into);
    if (!drained.ok()) into->clear();
    return drained;
}

Result<void> Decompressor::prepare(Codec codec) {
    if (codec == Codec::lz4) {
        LZ4F_dctx* context = nullptr;
        if (lz4_ == nullptr && LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) == 0) {
            lz4_.reset(context);
        }
        if (lz4_ == nullptr) return no_memory;
        LZ4F_resetDecompressionContext(lz4_.get());
        return {};
    }
    if (codec != Codec::zstd) return unsupported(codec);
    if (zstd_ == nullptr) zstd_.reset(ZSTD_createDCtx());
    if (zstd_ == nullptr) return no_memory;
    ZSTD_DCtx_reset(zstd_.get(), ZSTD_reset_session_only);
    return {};
}

Result<void> Decompressor::drain(Codec codec, Bytes from, size_t size_max, ByteBuffer* into) {
    while (true) {
        size_t before = into->size();
        if (before == into->capacity()) into->reserve(std::min(size_max, 2 * before));
        into->resize(std::min(size_max, into->capacity()));
        Progress progress = step(codec, from, into->bytes().subspan(before));
        into->resize(before + progress.produced);
        from = from.subspan(progress.consumed);
        if (progress.is_damaged) return damaged;
        if (progress.is_done) return from.empty() ? Result<void>() : trailing;
        if (progress.consumed == 0 && progress.produced == 0) {
            return into->size() == size_max ? records_too_large : cut_off;
        }
    }
}

Decompressor::Progress Decompressor::step(Codec codec, Bytes from, MutableBytes into) {
    return codec == Codec::lz4 ? step_lz4(from, into) : step_zstd(from, into);
}

Decompressor::Progress Decompressor::step_lz4(Bytes from, MutableBytes into) {
    size_t consumed = from.size();
    size_t produced = into.size();
    size_t hint = LZ4F_decompress(lz4_.get(), into.data(), &produced, from.data(), &consumed, nullptr);
    return {consumed, produced, hint == 0, LZ4F_isError(hint) != 0};
}

Decompressor::Progress Decompressor::step_zstd(Bytes from, MutableBytes into) {
    ZSTD_inBuffer input{from.data(), from.size(), 0};
    ZSTD_outBuffer output{into.data(), into.size(), 0};
    size_t hint = ZSTD_decompressStream(zstd_.get(), &output, &input);
    return {input.pos, output.pos, hint == 0, ZSTD_isError(hint) != 0};
}

}  // namespace ironbark::record
