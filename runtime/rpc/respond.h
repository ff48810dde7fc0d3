#pragma once
// An answer that is one message and nothing else. Any thread.

#include "runtime/rpc/service.h"

namespace ironbark::rpc {

template <typename Table>
Response respond(flatbuffers::FlatBufferBuilder& builder, flatbuffers::Offset<Table> root) {
    Response response;
    response.metadata = finish(builder, root);
    return response;
}

}  // namespace ironbark::rpc
