#include "runtime/rpc/service.h"

namespace ironbark::rpc {

static_assert(static_cast<int>(wire::Outcome::written) == static_cast<int>(Outcome::written));
static_assert(static_cast<int>(wire::Outcome::not_written) == static_cast<int>(Outcome::not_written));
static_assert(static_cast<int>(wire::Outcome::unknown) == static_cast<int>(Outcome::unknown));

Response error_response(const Error& error, Outcome outcome) {
    flatbuffers::FlatBufferBuilder builder(256);
    auto hint = builder.CreateString(error.text);
    auto code = static_cast<int16_t>(error.code);
    auto info = wire::CreateErrorInfo(builder, code, static_cast<wire::Outcome>(outcome), hint);
    Response response;
    response.metadata = finish(builder, info);
    response.is_error = true;
    return response;
}

}  // namespace ironbark::rpc
