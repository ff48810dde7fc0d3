#include "broker/io_choice.h"

#include <fmt/format.h>

#include "runtime/io/posix_world.h"
#include "runtime/io/uring_world.h"

namespace ironbark::broker {
namespace {

std::unique_ptr<ThreadWorld> make_posix(const Config& config) {
    PosixSettings settings;
    settings.spin = config.spin;
    return make_posix_world(settings);
}

Result<std::unique_ptr<UringWorld>> make_uring(const Config& config) {
    UringSettings settings;
    settings.spin = config.spin;
    return make_uring_world(settings);
}

IoCounters copy(const UringCounters& from) {
    return {from.submits,     from.sqes,         from.waits,   from.syncs,    from.punts,
            from.short_reads, from.short_writes, from.retries, from.overflows};
}

}  // namespace

Result<IoChoice> choose_io(const Config& config, size_t shards, std::string* problem) {
    IoChoice choice;
    choice.name = "posix";
    choice.reason = "asked for";
    Result<void> available = config.io == "posix" ? Result<void>(ErrorCode::unsupported) : uring_available();
    if (config.io != "posix") {
        if (available.ok()) {
            choice.name = "io_uring";
            choice.reason = config.io == "auto" ? "the kernel allows it" : "asked for";
        } else if (config.io == "io_uring") {
            *problem = fmt::format("io = 'io_uring' is not possible here: {}", available.error().text);
            return available.error();
        } else {
            choice.reason = fmt::format("io_uring is not possible here: {}", available.error().text);
        }
    }
    for (size_t index = 0; index < shards; ++index) {
        if (choice.name == "posix") {
            choice.worlds.push_back(make_posix(config));
            continue;
        }
        Result<std::unique_ptr<UringWorld>> world = make_uring(config);
        if (!world.ok()) {
            *problem = fmt::format("an io_uring world could not be made: {}. Use --io posix.", world.error().text);
            return world.error();
        }
        choice.io_counters.push_back([ring = world->get()] { return copy(ring->counters()); });
        choice.worlds.push_back(std::move(world).value());
    }
    choice.worlds.push_back(make_posix(config));  // of the control thread
    return choice;
}

}  // namespace ironbark::broker
