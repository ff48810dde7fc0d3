#pragma once
// What a voter of the controller quorum keeps on disk. Takes the core's actions about storage, and reports what became
// of them as the core's events, through one callback, in order. Owned by one executor.
//
//     DIRECTORY/log                      journal: who the voter is, its term and vote, entries
//     DIRECTORY/INDEX-TERM.snapshot      snapshots, named by the last entry that they stand for
//
// An action is taken at once and carried out later: what comes while a commit is under way joins the next one. Its
// event says that it is durable, and everything of its stream before it. A full disk makes the log wait, and people are
// told; terms and votes have a reserve. Any other failure is final: StorageFailed, nothing more is written, and only a
// new start finds out what the disk really holds.
//
// A voter's UUID is made together with its journal, and stands in it. So a directory without a journal is a voter that
// never was, and has promised nothing; nothing else is ever taken for blank. A store that lost something that it may
// have promised is not opened, and nothing in it is changed.

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "broker/consensus/core.h"
#include "broker/voter/limits.h"
#include "broker/voter/snapshots.h"
#include "broker/voter/stored_log.h"
#include "log/journal.h"
#include "runtime/task/scope.h"

namespace ironbark::consensus {

struct StoreSettings {
    std::string directory;  // made if it is not there, in one that is
    Uuid owner;             // of the data directory: files of another one are refused
    std::function<void(Event)> on_event;
    std::function<void(std::string)> on_notice;                   // what people should know
    uint64_t journal_rewrite_bytes = log::journal_rewrite_bytes;  // less, in tests
    std::function<void(std::string)> on_relief{};                 // what is well again, all of it that waited for room
};

class Store {
  public:
    // Opens the store, or makes one. `problem` explains an error to people. Errors: corrupt_data, foreign_data,
    // unsupported_version, storage_full (no room for a new one), those of the disk.
    static Task<Result<std::unique_ptr<Store>>> open(World* world, StoreSettings settings, std::string* problem);
    ~Store();

    // With which the voter is known to the others (Voter::directory).
    const Uuid& voter_directory() const { return log_.voter()->directory; }
    // What was there when it was opened, to make a core of; the state machine is to be restored by `visit_snapshot`
    // first.
    Restored restored() const;

    // The core's actions. What the core's contract forbids is an assertion.
    void take(PersistTermAndVote action);
    void take(AppendEntries action);
    void take(TruncateSuffix action);
    void take(ResetLog action);
    void take(CompactLog action);
    void take(WriteSnapshotChunk action);
    // Its event comes when the snapshot is durable: whoever gets it restores the state machine before the core hears.
    void take(InstallSnapshot action);
    // Of SendSnapshotChunk: suspends until the bytes are read and verified. not_found: a newer snapshot has taken its
    // place. Any other: the file is damaged; make a new snapshot. Either way nothing is sent, as if it were lost.
    Task<Result<Payload>> read_chunk(Snapshot snapshot, uint64_t position, uint64_t size);

    // Makes a snapshot of the state machine, described by the core and given as records. Suspends until it is durable
    // and SnapshotMade was reported. storage_full: there is none, and everything is as it was.
    Task<Result<void>> make_snapshot(Snapshot described, SnapshotRecords records);
    // Hands over the records of a snapshot, for the state machine. corrupt_data: it is damaged, or no list of records.
    Task<Result<void>> visit_snapshot(Snapshot snapshot, RecordVisitor visitor);

    bool has_failed() const { return has_failed_; }
    // Entries wait for room, or for a write that has been under way for so long: nobody knows when they will be
    // durable.
    bool is_log_held_up(Duration time) const { return is_log_full_ || writing_since_ < now() - time; }
    bool is_waiting_for_room() const { return is_log_full_ || is_snapshot_full_; }
    uint64_t commits() const { return commits_; }  // of the journal, since it was opened
    uint64_t journal_bytes() const { return journal_->size(); }
    bool is_direct() const { return journal_->is_direct(); }
    // Suspends until what was taken is durable, unless it waits for room. Nothing is taken any more, no event comes
    // later.
    Task<void> close();

  private:
    enum class Stream : uint8_t { term, log };
    struct Write {
        Stream stream = Stream::log;
        std::vector<StoredRecord> records{};
        std::optional<Event> event{};
        uint64_t size = 0;
    };
    using Receiving = std::variant<WriteSnapshotChunk, InstallSnapshot>;

    Store(World& world, StoreSettings settings);

    // store_open.cc
    Task<Result<void>> prepare(std::string* problem);
    Task<Result<void>> inspect(std::vector<std::string> names, std::string* problem);
    Task<Result<void>> open_journal();
    Task<Result<void>> begin();
    void note_repairs(const log::JournalContents& contents);

    // store_write.cc
    void enqueue(Write write);
    Task<void> write_loop();
    Task<Result<void>> do_what_is_due();
    Task<Result<void>> commit(std::deque<Write> batch);
    Task<Result<void>> rewrite();
    std::deque<Write> next_batch();
    bool may_write(const Write& write) const;
    bool is_rewrite_due() const;
    bool has_work() const;
    void note_room();
    Instant next_deadline() const;

    // store.cc
    void receive(Receiving what);
    Task<void> receive_loop();
    Task<Result<Event>> carry_out(Receiving what);
    void forget_compacted();
    void report(const std::optional<Event>& event);
    void note(bool* flag, bool is_set, const char* text);
    void fail(const Error& error);

    Instant now() const { return world_.executor.now(); }
    std::string journal_path() const { return settings_.directory + "/log"; }

    World& world_;
    StoreSettings settings_;
    std::unique_ptr<log::Journal> journal_;
    Snapshots snapshots_;
    StoredLog log_;       // with everything that was taken, written or not
    LogIndex compacted_;  // the core needs no entries up to here
    std::deque<Write> queue_;
    std::deque<Receiving> receiving_;
    ironbark::Event work_;
    ironbark::Event received_;
    Instant log_retry_{};      // when to try again after a full disk
    Instant term_retry_{};     // the same
    Instant rewrite_retry_{};  // the same
    Instant copy_due_{};
    uint64_t commits_ = 0;
    uint64_t transfers_ = 0;  // that began to be received
    bool is_log_full_ = false;
    Instant writing_since_ = never;  // what is under way
    bool is_snapshot_full_ = false;
    bool has_failed_ = false;
    bool is_closing_ = false;
    Scope loops_;
};

}  // namespace ironbark::consensus
