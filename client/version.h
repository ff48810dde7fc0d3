#pragma once

namespace ironbark::client {

constexpr const char* library_version = IRONBARK_VERSION;

}  // namespace ironbark::client
