#pragma once
// The snapshots of a voter: which there are, which one counts, one that is being received, one that is being made. A
// file has the name of a snapshot only if all of it is on disk. The newest counts; the one before is kept, because
// together with the log it stands in for a newest one that is damaged.
//
// One owner, one executor. `write` and `install` come one after the other; `make`, `read` and `visit` may run beside
// them. storage_full: the call may be repeated. corrupt_data, not_found: nothing else is affected. Another error of a
// call that writes is final.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/consensus/action.h"
#include "broker/voter/snapshot_reader.h"
#include "broker/voter/snapshot_writer.h"
#include "broker/voter/stored_log.h"
#include "runtime/task/sync.h"

namespace ironbark::consensus {

using SnapshotRecords = std::vector<std::vector<uint8_t>>;
using RecordVisitor = std::function<Result<void>(Bytes record)>;

class Snapshots {
  public:
    Snapshots(World* world, std::string directory, Uuid owner);

    // Chooses the newest of those that are there (`names`: what is in the directory). A damaged one is passed over only
    // if the log has the entry that it ends with, and joins the one before. Errors: corrupt_data, foreign_data;
    // `problem` says of which file, and why.
    Task<Result<void>> load(std::vector<std::string> names, const StoredLog* log, std::string* problem);
    // What was passed over.
    const std::vector<SnapshotPlace>& damaged() const { return damaged_; }
    // Removes what was begun and is not finished, and what newer ones have replaced. REQUIRES: loaded
    Task<Result<void>> clean_up();

    const std::optional<Snapshot>& newest() const { return newest_; }
    // Up to where the one before reaches; 0: there is none.
    LogIndex previous() const;

    // Writes what was received, at position 0 into a new file; not durable yet.
    Task<Result<void>> write(WriteSnapshotChunk chunk);
    // Makes what was received the newest. False: it is not what its name says, and is gone.
    Task<Result<bool>> install(Snapshot snapshot);
    // Makes a snapshot of these records, durably. `snapshot` needs no size and no checksum.
    Task<Result<Snapshot>> make(Snapshot snapshot, SnapshotRecords records);

    // Bytes of a snapshot, verified, for a follower. not_found: there is none of that name any more.
    Task<Result<std::vector<uint8_t>>> read(Snapshot snapshot, uint64_t position, uint64_t size);
    // Hands over the records of a snapshot, in order. Ends at the visitor's first error, which is returned.
    Task<Result<void>> visit(Snapshot snapshot, RecordVisitor visitor);
    // Suspends until nothing is being read; closes what is open.
    Task<void> close();

    std::string path_of(const SnapshotPlace& place) const { return directory_ + "/" + file_name(place); }

  private:
    static constexpr const char* made_name = "made.new";
    static constexpr const char* received_name = "received.new";
    std::string path_in(const char* name) const { return directory_ + "/" + name; }
    Task<Result<std::unique_ptr<SnapshotReader>>> open_reader(Snapshot snapshot);
    Task<Result<void>> check(SnapshotPlace place);
    Result<void> judge(const StoredLog& log, std::string* problem) const;
    Task<Result<Snapshot>> fill(SnapshotWriter* writer, Snapshot snapshot, SnapshotRecords records);
    Task<Result<void>> adopt(SnapshotWriter* writer, Snapshot snapshot);
    Task<Result<void>> remove_superseded();
    Task<void> drop_received();
    Task<void> drop_reader();

    World& world_;
    std::string directory_;
    Uuid owner_;
    std::vector<std::string> unfinished_;
    std::vector<SnapshotPlace> places_;  // of the files, oldest first
    std::vector<SnapshotPlace> damaged_;
    std::optional<Snapshot> newest_;
    std::unique_ptr<SnapshotWriter> received_;
    Snapshot received_name_;
    std::unique_ptr<SnapshotReader> reader_;  // of the snapshot that was asked for last
    bool is_reader_stale_ = false;            // it was made again since, in another file
    Mutex making_;
    Mutex adopting_;
    Mutex reading_;
};

}  // namespace ironbark::consensus
