#include "broker/partition/leftovers.h"

namespace ironbark::broker {

Task<Result<std::vector<PartitionIdentity>>> list_partitions(World* world,
                                                             const log::DataDirectory* directory,
                                                             size_t shard,
                                                             size_t shard_count) {
    CO_TRY(std::vector<std::string> names, co_await world->disk.list(directory->path() + "/partitions"));
    std::vector<PartitionIdentity> mine;
    for (const std::string& name : names) {
        std::optional<PartitionIdentity> identity = PartitionIdentity::parse(name);
        if (identity && log::shard_of(*identity, shard_count) == shard) mine.push_back(*identity);
    }
    co_return std::move(mine);
}

Task<Result<void>> remove_partition_files(World* world,
                                          const log::DataDirectory* directory,
                                          log::Marks* marks,
                                          PartitionIdentity identity) {
    const std::string path = directory->path() + "/partitions/" + identity.to_string();
    for (const std::string& part : {path + "/graveyard", path}) {
        Result<std::vector<std::string>> names = co_await world->disk.list(part);
        if (!names.ok() && names.error().code == ErrorCode::not_found) continue;
        if (!names.ok()) co_return names.error();
        for (const std::string& name : *names) {
            if (name != "graveyard") CO_TRY_VOID(co_await world->disk.remove(part + "/" + name));
        }
        CO_TRY_VOID(co_await world->disk.remove_directory(part));
    }
    marks->remove(identity);
    co_return co_await marks->commit();
}

}  // namespace ironbark::broker
