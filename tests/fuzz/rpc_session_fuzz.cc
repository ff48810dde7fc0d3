// Whatever is sent to a server in whatever order of frames: it ends the connection, gives everything back, and serves
// the next one. The input is a script: a byte that chooses what is sent, a byte of size, and that many bytes of it.
// Frames get their sizes and checksums from here, so that what lies behind those is reached.
#include "runtime/base/assert.h"
#include "tests/runtime/rpc/test_broker.h"

using namespace ironbark;
using namespace ironbark::rpc;

namespace {

Text script(Bytes input) {
    Text sent;
    for (uint64_t correlation = 1; input.size() >= 2; ++correlation) {
        uint8_t kind = input[0];
        size_t size = std::min<size_t>(input[1], input.size() - 2);
        Bytes bytes = input.subspan(2, size);
        input = input.subspan(2 + size);
        uint16_t method = kind % 32;
        if (kind < 32) {
            sent = sent + frame_of(method, correlation, bytes);
        } else if (kind < 64) {
            sent = sent + frame_of(method, correlation, bytes, {}, flag_one_way);
        } else if (kind < 96) {
            Metadata metadata = produce_request(size);
            sent = sent + frame_of(Method::produce, correlation, metadata, bytes);
        } else if (kind < 128) {
            sent = sent + frame_of(Method::fetch, correlation, fetch_request(kind, static_cast<uint32_t>(size)));
        } else if (kind < 192) {
            sent = sent + handshake_frame(correlation);
        } else {
            sent.insert(sent.end(), bytes.begin(), bytes.end());
        }
    }
    return sent;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    simulation::Options options;
    options.network.split = true;
    RpcTest test({}, size, options);
    test.exchange(script(Bytes(data, size)), 30s);
    ASSERT(test.broker->server.connections() == 0);
    ASSERT(test.broker->server.memory_used() == 0);
    ASSERT(test.exchange_frames(handshake_frame(), 1s).size() == 1);
    return 0;
}
