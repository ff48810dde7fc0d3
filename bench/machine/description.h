// What a figure was measured on, in words that name no machine: printed with every table and written into every JSON.
#pragma once

#include <string>

namespace ironbark::bench {

struct Description {
    std::string processors;  // "2 x Intel(R) Xeon(R) Processor"
    std::string memory;      // "23 GiB"
    std::string kernel;      // "Linux 6.1.0"
    std::string disk;        // "ext4 on vda (mq-deadline)"
    std::string build;       // compiler and optimisation of this program
};

// `directory` lies on the disk to be described.
Description describe_machine(const std::string& directory);

}  // namespace ironbark::bench
