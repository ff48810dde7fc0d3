#pragma once
// How plans are drawn.

#include <initializer_list>
#include <vector>

#include "tests/simulation/random_stream.h"

namespace ironbark::simulation {

inline bool coin(RandomStream& random) {
    return random.chance(one_in(2));
}

template <typename T>
T one_of(RandomStream& random, std::initializer_list<T> choices) {
    return choices.begin()[random.below(choices.size())];
}

inline Duration between(RandomStream& random, Duration least, Duration most) {
    return Duration(static_cast<int64_t>(
        random.between(static_cast<uint64_t>(least.count()), static_cast<uint64_t>(most.count()))));
}

// Which of these things of different weight; as many as there are: none of them.
inline size_t weighed(RandomStream& random, const std::vector<uint64_t>& weights, uint64_t none) {
    uint64_t sum = none;
    for (uint64_t weight : weights) sum += weight;
    if (sum == 0) return weights.size();
    uint64_t draw = random.below(sum);
    size_t index = 0;
    while (index < weights.size() && draw >= weights[index]) draw -= weights[index++];
    return index;
}

}  // namespace ironbark::simulation
