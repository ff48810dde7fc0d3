#include "ironbark/expected.h"

#include <cstdio>
#include <cstdlib>

namespace ironbark {

std::string Failure::to_string() const {
    std::string text = name(code);
    if (outcome != Outcome::not_written) text += std::string(" (") + name(outcome) + ")";
    if (!hint.empty()) text += ": " + hint;
    return text;
}

void wrong_access(const Failure* failure) {
    std::string said = failure == nullptr ? "it holds a value" : failure->to_string();
    std::fprintf(stderr, "ironbark: the wrong side of an Expected was taken; %s\n", said.c_str());
    std::abort();
}

}  // namespace ironbark
