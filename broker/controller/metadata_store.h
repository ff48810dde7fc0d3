#pragma once
// Keeps the cluster's metadata on this machine's disk: every command is in the journal, synced, before its effect is
// seen by anybody. One owner, one executor; commands are executed one after the other. The shards get immutable
// snapshots through `publish`.
//
// (One node: a replicated log of commands takes the journal's place when there are several controllers.)

#include <functional>
#include <memory>
#include <string>

#include "broker/controller/metadata.h"
#include "log/journal.h"

namespace ironbark::broker {

using MetadataSnapshot = std::shared_ptr<const Metadata>;

class MetadataStore {
  public:
    // Opens or creates the journal and replays it. `problem` explains an error to people.
    static Task<Result<std::unique_ptr<MetadataStore>>> open(World* world, std::string path, Uuid owner,
                                                             std::string* problem);

    const MetadataSnapshot& current() const { return current_; }
    // Called after every change, on this executor.
    std::function<void(const MetadataSnapshot&)> publish;

    // Suspends until the command's effect is durable and published. Errors of the command itself leave everything as it
    // was; an error of the disk is final: nothing changes any more.
    Task<Result<void>> execute(Command command);
    Task<void> close();

  private:
    MetadataStore(World& world, std::unique_ptr<log::Journal> journal)
        : journal_(std::move(journal)), executing_(world.executor), current_(std::make_shared<Metadata>()) {}

    std::unique_ptr<log::Journal> journal_;
    Mutex executing_;
    MetadataSnapshot current_;
};

}  // namespace ironbark::broker
