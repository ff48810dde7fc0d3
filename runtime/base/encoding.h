#pragma once
// Small records of our own on disk (marks, metadata, indexes): little-endian numbers and length-prefixed bytes, written
// one after the other. The reader never goes beyond the bytes it was given: after the first thing that does not fit,
// `ok()` is false and everything reads as zero.

#include <string>
#include <vector>

#include "runtime/base/bytes.h"
#include "runtime/base/ids.h"

namespace ironbark {

class Encoder {
  public:
    template <typename Number>
    void number(Number value) {
        size_t at = bytes_.size();
        bytes_.resize(at + sizeof(Number));
        store_le(bytes_.data() + at, value);
    }
    void raw(Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
    void uuid(const Uuid& uuid) { raw(uuid.bytes); }
    void text(std::string_view text) {
        number(static_cast<uint32_t>(text.size()));
        raw(as_bytes(text));
    }
    size_t size() const { return bytes_.size(); }
    const std::vector<uint8_t>& bytes() const { return bytes_; }
    std::vector<uint8_t> take() { return std::move(bytes_); }

  private:
    std::vector<uint8_t> bytes_;
};

class Decoder {
  public:
    explicit Decoder(Bytes bytes) : left_(bytes) {}

    template <typename Number>
    Number number() {
        if (!has(sizeof(Number))) return 0;
        Number value = load_le<Number>(left_.data());
        left_ = left_.subspan(sizeof(Number));
        return value;
    }
    Bytes raw(size_t size) {
        if (!has(size)) return {};
        Bytes bytes = left_.first(size);
        left_ = left_.subspan(size);
        return bytes;
    }
    Uuid uuid() {
        Uuid uuid;
        Bytes bytes = raw(uuid.bytes.size());
        if (ok_) std::copy(bytes.begin(), bytes.end(), uuid.bytes.begin());
        return uuid;
    }
    std::string text() {
        size_t size = number<uint32_t>();
        return std::string(as_text(raw(size)));
    }
    bool ok() const { return ok_; }
    bool at_end() const { return left_.empty(); }
    size_t left() const { return left_.size(); }
    void fail() { ok_ = false; }

  private:
    bool has(size_t size) {
        if (left_.size() < size) ok_ = false;
        return ok_;
    }
    Bytes left_;
    bool ok_ = true;
};

}  // namespace ironbark
