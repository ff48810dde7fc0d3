#pragma once
// Our types to those of the wire and back.

#include <cstring>
#include <string>
#include <string_view>

#include "runtime/base/ids.h"
#include "wire/common_generated.h"

namespace ironbark::rpc {

inline wire::Uuid to_wire(const Uuid& uuid) {
    return wire::Uuid(flatbuffers::span<const uint8_t, 16>(uuid.bytes.data(), uuid.bytes.size()));
}
// Zero where the field is absent.
inline Uuid from_wire(const wire::Uuid* uuid) {
    Uuid result;
    if (uuid != nullptr) std::memcpy(result.bytes.data(), uuid->bytes()->Data(), result.bytes.size());
    return result;
}
// Empty where the field is absent.
inline std::string_view from_wire(const flatbuffers::String* text) {
    return text == nullptr ? std::string_view() : std::string_view(text->c_str(), text->size());
}

}  // namespace ironbark::rpc
