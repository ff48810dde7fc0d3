#pragma once
// An append-only file of small records that belong together in time: the marks of all partitions of a shard, and the
// metadata of the cluster. Records are queued, and a commit writes everything queued as one synced unit that is either
// there as a whole or not at all; commits that are asked for meanwhile join the next one.
//
// On disk (docs/FORMAT.md): a head block, then commits, each starting on a block boundary: magic, sequence (+1 each),
// length, XXH3-64 over all of it seeded with the owner, then the records with their lengths. A commit that was torn by
// a crash is not there; a damaged one between good ones is skipped and reported, because each owner decides what that
// means. Nothing stale can become valid: sequences only grow.
//
// A commit that was damaged at the end cannot be told from one that was torn. An owner that must not lose one keeps two
// copies: the second is begun when the first is on disk, and the commit is answered when both are, or (`two_behind`,
// ADR 0009) when the first is. So damage to one copy loses nothing; and of two bad copies, what a crash cannot have
// left is reported (`ends_damaged`).
//
// What a journal says was there when it was opened is on disk, whatever the process before saw of its writes and syncs:
// the contents are written to a new file first, unless they are damaged.
//
// Owned by one executor. An error of a write or sync is final: the journal takes nothing more. Except storage_full:
// what was queued stays queued, and the next commit tries again; or the owner takes it back.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/io/world.h"
#include "runtime/task/sync.h"

namespace ironbark::log {

using JournalRecord = std::vector<uint8_t>;

struct JournalContents {
    std::vector<JournalRecord> records;  // in the order in which they were appended
    uint64_t commits_lost = 0;           // damaged between good ones; 0 for a torn end
    bool ends_torn = false;              // something unreadable stands after the last good commit
    bool ends_damaged = false;           // and a crash alone cannot have left it: a commit, or several, may be missing
    uint64_t copies_damaged = 0;         // of commits whose other copy is good
    bool head_damaged = false;           // the file's first block; the commits prove whose it is
    uint64_t end = 0;                    // position behind the last good commit and its copy
};

enum class Copies : uint8_t {
    one = 1,
    two = 2,
    // The second is written with the next commit, in one write, or by `write_copy`: nobody waits for it. Until then the
    // commit is as exposed as one without a copy.
    two_behind = 3,
};

class Journal {
  public:
    // Opens or creates the journal at `path`; a new one has the records `first` from its beginning, so that one without
    // them never was. `owner` seeds the checksums: a file of another owner is foreign_data.
    static Task<Result<std::unique_ptr<Journal>>> open(World& world,
                                                       std::string path,
                                                       Uuid owner,
                                                       Copies copies = Copies::one,
                                                       std::vector<JournalRecord> first = {});
    // What the file says now; changes nothing, also beside a process that has it open.
    static Task<Result<JournalContents>> read(World& world, std::string path, Uuid owner, Copies copies = Copies::one);
    ~Journal();

    // What was there when it was opened; to be taken once.
    JournalContents take_contents() { return std::move(contents_); }

    // Queues a record. REQUIRES: record.size() <= journal_record_size_max
    void append(JournalRecord record);
    // Suspends until everything appended before is on disk. Leaves `room` bytes of the file unused, or fails with
    // storage_full: a later commit, for which less has to be left, finds them when the disk is full.
    Task<Result<void>> commit(uint64_t room = 0);
    // Takes back what is queued. REQUIRES: no commit under way
    std::vector<JournalRecord> take_queued();
    // Whether the last commit stands there only once, yet (two_behind).
    bool owes_copy() const { return owed_.size != 0; }
    // Suspends until it stands there twice.
    Task<Result<void>> write_copy();
    // Replaces the whole contents by `records`, atomically; what was queued before the call is superseded. After
    // storage_full everything is as it was. REQUIRES: nothing that is appended after the call is written before it
    Task<Result<void>> rewrite(std::vector<JournalRecord> records);
    // Bytes of commits in the file: the owner rewrites when they are many times what is live.
    uint64_t size() const { return body_.position; }
    // Whether it is written around the kernel's page cache: not every file system can.
    bool is_direct() const { return body_.file->is_direct(); }
    // Suspends until commits under way have ended; later ones get `closed`.
    Task<void> close();

  private:
    struct Body {
        std::unique_ptr<File> file;
        uint64_t position = 0;   // where the next commit starts
        uint64_t allocated = 0;  // size of the file
        uint64_t sequence = 0;   // of the last commit
    };
    Journal(World& world, std::string path, Uuid owner, Copies copies);
    Task<Result<void>> load();
    Task<Result<void>> settle();
    void read_commits(Bytes bytes);
    void judge_end(Bytes bytes);
    bool has_damage() const;
    Task<Result<void>> erase_end();
    bool check_head(Bytes head, bool* is_foreign) const;
    Task<Result<void>> replace(std::vector<JournalRecord> records);
    Task<Result<void>> fill(Body* body, std::vector<JournalRecord> records);
    Task<Result<void>> write_commit(std::vector<uint8_t> bytes, uint64_t room);
    Task<Result<void>> write_both(BufferSlice commit);
    Task<Result<void>> write_behind(BufferSlice commit);
    Task<Result<void>> make_room(Body* body, uint64_t end);
    Task<Result<void>> write_zeros(Body* body, uint64_t begin, uint64_t end, Sync sync);
    Task<void> grow_ahead(Body* body);
    bool is_copied() const { return copies_ != Copies::one; }
    uint64_t copy_count() const { return is_copied() ? 2 : 1; }

    World& world_;
    std::string path_;
    Uuid owner_;
    Copies copies_;
    uint64_t seed_;
    Body body_;
    BufferSlice owed_;  // the last commit, whose copy belongs right before `body_.position`, and is not there
    JournalContents contents_;
    std::vector<JournalRecord> queue_;
    Mutex writing_;
    uint64_t appended_ = 0;   // records ever queued
    uint64_t committed_ = 0;  // how many of them are on disk
    Result<void> failure_;
};

}  // namespace ironbark::log
