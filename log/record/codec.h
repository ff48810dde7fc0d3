#pragma once
// Compression of a batch's records: LZ4 frames as Kafka's clients write and read them (independent blocks, header
// checksum) and zstd frames, one frame per batch. gzip and snappy are Kafka's too, but nothing of ours writes them, and
// reading them is refused by name.
//
// Both classes keep the libraries' working memory (made at first use) for the next batch. One of each per thread that
// works on batches is enough; they are not thread-safe.

#include <memory>

#include "log/record/batch.h"
#include "log/record/byte_buffer.h"
#include "runtime/base/bytes.h"
#include "runtime/base/result.h"

struct LZ4F_cctx_s;
struct LZ4F_dctx_s;
struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace ironbark::record {

class Compressor {
  public:
    // `level`: the codec's own scale (lz4 up to 12, zstd up to 19); 0: what is its default.
    explicit Compressor(int level = 0);
    Compressor(Compressor&&) noexcept;
    Compressor& operator=(Compressor&&) noexcept;
    ~Compressor();

    // What `from` compresses to: the compressor's own bytes, valid until the next call. Errors: unsupported_compression
    // (anything but lz4 and zstd), overloaded (no memory).
    Result<Bytes> compress(Codec codec, Bytes from);

  private:
    size_t compress_lz4(Bytes from, MutableBytes into);
    size_t compress_zstd(Bytes from, MutableBytes into);

    struct Free {
        void operator()(LZ4F_cctx_s* context) const;
        void operator()(ZSTD_CCtx_s* context) const;
    };
    int level_;
    ByteBuffer output_;
    std::unique_ptr<LZ4F_cctx_s, Free> lz4_;
    std::unique_ptr<ZSTD_CCtx_s, Free> zstd_;
};

class Decompressor {
  public:
    Decompressor();
    Decompressor(Decompressor&&) noexcept;
    Decompressor& operator=(Decompressor&&) noexcept;
    ~Decompressor();

    // Replaces `into` by what `from`, which must be one whole frame, decompresses to: at most `size_max` bytes. Safe
    // with any bytes; memory grows with what has come out, whatever the frame announces (a zstd frame may reserve up to
    // 128 MiB of address space for its window, touched only as bytes come out). Errors leave `into` empty:
    // invalid_record (no frame, damaged, cut off, something behind it), message_too_large (more than size_max),
    // unsupported_compression, overloaded (no memory).
    Result<void> decompress(Codec codec, Bytes from, size_t size_max, ByteBuffer* into);

  private:
    struct Progress {
        size_t consumed = 0;
        size_t produced = 0;
        bool is_done = false;
        bool is_damaged = false;
    };
    Result<void> prepare(Codec codec);
    Progress step(Codec codec, Bytes from, MutableBytes into);
    Progress step_lz4(Bytes from, MutableBytes into);
    Progress step_zstd(Bytes from, MutableBytes into);
    Result<void> drain(Codec codec, Bytes from, size_t size_max, ByteBuffer* into);

    struct Free {
        void operator()(LZ4F_dctx_s* context) const;
        void operator()(ZSTD_DCtx_s* context) const;
    };
    std::unique_ptr<LZ4F_dctx_s, Free> lz4_;
    std::unique_ptr<ZSTD_DCtx_s, Free> zstd_;
};

}  // namespace ironbark::record
