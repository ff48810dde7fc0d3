#pragma once
// What the client library refuses ends the benchmark.

#include <stdexcept>
#include <string>
#include <utility>

#include "ironbark/expected.h"

namespace ironbark::bench {

template <typename T>
T must(Expected<T> result, const char* what) {
    if (!result) throw std::runtime_error(std::string(what) + ": " + result.error().to_string());
    if constexpr (!std::is_void_v<T>) return std::move(result).value();
}

}  // namespace ironbark::bench
