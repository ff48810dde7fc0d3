// A graveyard file of any bytes has no head, or one that says the same when it is written again. Read as it is, and
// with the checksum put right.
#include "log/graveyard.h"

#include <nlohmann/json.hpp>

#include "log/limits.h"
#include "runtime/base/checksum.h"
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

std::string put_right(std::string_view line) {
    nlohmann::json head = nlohmann::json::parse(line, nullptr, false);
    if (!head.is_object()) return {};
    head.erase("checksum");
    char text[17];
    std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(xxh3(as_bytes(head.dump()), 0)));
    head["checksum"] = text;
    return head.dump() + "\n";
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
    Result<Timestamp> buried = machine().run(bury(&world, partition, range, {}, uint64_t{1} << 30));
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
    const ironbark::Bytes input(data, size);
    ironbark::log::check(input);
    ironbark::log::check(ironbark::as_bytes(ironbark::log::put_right(ironbark::as_text(input))));
    return 0;
}
