// A graveyard file of any bytes has no head, or one that says the same when it is written again.
#include "log/graveyard.h"
#include "log/limits.h"
#include "tests/fuzz/machine.h"

namespace ironbark::log {
namespace {

constexpr const char* path = "data/any.grave";
constexpr const char* partition = "data/partition";

void remove_graves() {
    World& world = machine().world();
    Result<std::vector<std::string>> names = machine().run(list_graveyard(&world, partition));
    ASSERT(names.ok());
    for (const std::string& name : *names) machine().disk().remove(std::string(partition) + "/graveyard/" + name);
}

void check(Bytes input) {
    World& world = machine().world();
    machine().disk().replace(path, input);
    Result<BuriedRange> head = machine().run(read_buried_head(&world, path));
    if (!head.ok()) return;
    static const bool made = machine().run(world.disk.make_directory(partition)).ok();
    ASSERT(made);
    BuriedRange range = *head;
    range.bytes = 0;  // what is buried says
    Result<void> buried = machine().run(bury(&world, partition, range, {}, uint64_t{1} << 30));
    if (!buried.ok()) return;  // the reason is longer than a block when it is written with escapes
    Result<std::vector<std::string>> names = machine().run(list_graveyard(&world, partition));
    ASSERT(names.ok() && names->size() == 1);
    Result<BuriedRange> again =
        machine().run(read_buried_head(&world, std::string(partition) + "/graveyard/" + names->front()));
    ASSERT(again.ok() && again->identity == range.identity && again->first == range.first && again->end == range.end);
    ASSERT(again->epoch == range.epoch && again->time == range.time && again->reason == range.reason);
    remove_graves();
}

}  // namespace
}  // namespace ironbark::log

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ironbark::log::check({data, size});
    return 0;
}
