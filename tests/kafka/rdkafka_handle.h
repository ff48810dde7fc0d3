#pragma once
// librdkafka's objects with owners, and its settings as a list. A refused setting ends the program: both are ours.

#include <cstdio>
#include <librdkafka/rdkafka.h>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/assert.h"

namespace ironbark::kafka {

struct DestroyHandle {
    void operator()(rd_kafka_t* handle) const { rd_kafka_destroy(handle); }
};
using Handle = std::unique_ptr<rd_kafka_t, DestroyHandle>;

struct Setting {
    std::string name;
    std::string value;
};

inline Handle make_handle(rd_kafka_type_t type, const std::vector<Setting>& settings) {
    char reason[256] = "";
    rd_kafka_conf_t* configuration = rd_kafka_conf_new();
    for (const Setting& setting : settings) {
        rd_kafka_conf_res_t result =
            rd_kafka_conf_set(configuration, setting.name.c_str(), setting.value.c_str(), reason, sizeof(reason));
        if (result != RD_KAFKA_CONF_OK) std::fprintf(stderr, "%s: %s\n", setting.name.c_str(), reason);
        ASSERT(result == RD_KAFKA_CONF_OK);
    }
    Handle handle(rd_kafka_new(type, configuration, reason, sizeof(reason)));
    if (handle == nullptr) std::fprintf(stderr, "librdkafka: %s\n", reason);
    ASSERT(handle != nullptr);
    return handle;
}

}  // namespace ironbark::kafka
