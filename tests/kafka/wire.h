#pragma once
// Just enough of Kafka's wire protocol to speak with librdkafka in tests: numbers and strings of the classic (not
// "flexible") encoding, and whole messages over a blocking loopback socket. Trusts its peer; aborts on surprises.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/assert.h"
#include "runtime/base/bytes.h"

namespace ironbark::kafka {

constexpr int16_t api_produce = 0;
constexpr int16_t api_fetch = 1;
constexpr int16_t api_metadata = 3;
constexpr int16_t api_find_coordinator = 10;
constexpr int16_t api_versions = 18;
constexpr int16_t api_init_producer_id = 22;

class WireWriter {
  public:
    template <typename Number>
    WireWriter& number(Number value) {
        size_t before = bytes_.size();
        bytes_.resize(before + sizeof(Number));
        store_be(bytes_.data() + before, value);
        return *this;
    }
    WireWriter& text(std::string_view value) { return number(static_cast<int16_t>(value.size())).raw(as_bytes(value)); }
    WireWriter& null_text() { return number(int16_t{-1}); }
    WireWriter& array(size_t count) { return number(static_cast<int32_t>(count)); }
    WireWriter& blob(Bytes value) { return number(static_cast<int32_t>(value.size())).raw(value); }
    WireWriter& raw(Bytes value) {
        bytes_.insert(bytes_.end(), value.begin(), value.end());
        return *this;
    }
    Bytes bytes() const { return bytes_; }

  private:
    std::vector<uint8_t> bytes_;
};

class WireReader {
  public:
    explicit WireReader(Bytes bytes) : rest_(bytes) {}

    template <typename Number>
    Number number() {
        return load_be<Number>(take(sizeof(Number)).data());
    }
    std::optional<std::string> text() {
        auto size = number<int16_t>();
        if (size < 0) return std::nullopt;
        return std::string(as_text(take(static_cast<size_t>(size))));
    }
    Bytes blob() { return take(static_cast<size_t>(number<int32_t>())); }
    Bytes take(size_t size) {
        ASSERT(size <= rest_.size());
        Bytes taken = rest_.first(size);
        rest_ = rest_.subspan(size);
        return taken;
    }

  private:
    Bytes rest_;
};

// A connected socket that carries messages: a length of 32 bits, and as many bytes.
class Stream {
  public:
    explicit Stream(int socket) : socket_(socket) {}
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream();
    static int connect_to(uint16_t port);

    void send(Bytes message);
    std::optional<std::vector<uint8_t>> receive();  // nothing: the peer is gone, or `stop` was called
    void stop();                                    // from another thread: ends a receive that is waiting

  private:
    bool receive_exactly(MutableBytes into);

    int socket_;
};

}  // namespace ironbark::kafka
