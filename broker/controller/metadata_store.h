#pragma once
// Keeps the cluster's metadata on this machine's disk: every command is in the journal, synced, before its effect is
// seen by anybody. One owner, one executor; commands are executed one after the other. Everybody else works with
// immutable snapshots of the state.
//
// (One node: a replicated log of commands takes the journal's place when there are several controllers.)

#include <memory>
#include <string>

#include "broker/controller/metadata.h"
#include "log/journal.h"

namespace ironbark::broker {

using MetadataSnapshot = std::shared_ptr<const Metadata>;

class MetadataStore {
  public:
    // Opens or creates the journal and replays it. `problem` explains an error to people.
    static Task<Result<std::unique_ptr<MetadataStore>>> open(World* world,
                                                             std::string path,
                                                             Uuid owner,
                                                             std::string* problem);

    const MetadataSnapshot& current() const { return current_; }
    // Suspends until the command's effect is durable; then it is in `current`. Errors of the command itself leave
    // everything as it was. storage_error: the disk failed; the command may be there after a restart, and nothing
    // changes until then.
    Task<Result<void>> execute(Command command);
    bool is_writable() const { return writable_; }
    // Whether the data directory's file system takes direct I/O.
    bool is_direct() const { return journal_->is_direct(); }
    // Entries of the journal that were damaged, and were there a second time: nothing is lost, and the disk fails.
    uint64_t repaired() const { return repaired_; }
    Task<void> close();

  private:
    Task<Result<void>> store(const Metadata* next, Command command);
    MetadataStore(World& world, std::unique_ptr<log::Journal> journal)
        : journal_(std::move(journal)), executing_(world.executor), current_(std::make_shared<Metadata>()) {}

    std::unique_ptr<log::Journal> journal_;
    Mutex executing_;
    MetadataSnapshot current_;
    bool writable_ = true;
    uint64_t repaired_ = 0;
    uint64_t live_bytes_ = 0;  // of the journal after it was last rewritten
};

}  // namespace ironbark::broker
