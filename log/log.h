#pragma once
// One partition's log on this disk: records are appended in memory, written and synced in rounds, read from memory or
// disk, cut at either end, and recovered after a crash. Three ends, one name each everywhere:
//
//     durable_end <= written_end <= log_end
//
// One write round is in flight at a time; what is appended meanwhile joins the next (group commit). A round is synced
// if somebody waits for durability, and every log is synced after `flush_interval` or `flush_bytes`. Each round is
// closed by a pad frame, so that no block that holds promised bytes is ever written again.
//
// Owned by the LogStore, used on one executor. A failed write or sync is final: waiters get `storage_error`, nothing is
// appended any more, reads of what is on disk go on. Nothing here touches the disk before the first record.

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "log/context.h"
#include "log/producers.h"
#include "log/scan.h"
#include "log/segment.h"
#include "log/tail.h"
#include "runtime/io/in_flight.h"
#include "runtime/task/scope.h"

namespace ironbark::log {

struct LogSettings {
    uint64_t segment_bytes = uint64_t{128} << 20;
    uint64_t flush_bytes = uint64_t{16} << 20;
    Duration flush_interval = 1000ms;
    uint64_t write_behind_bytes = uint64_t{1} << 20;  // written without a sync when so much has gathered
    int64_t retention_bytes = -1;                     // allocated bytes; -1: without limit
    int64_t retention_ms = -1;                        // by broker time; -1: without limit
    uint64_t graveyard_bytes = uint64_t{256} << 20;
    uint64_t checkpoint_bytes = checkpoint_bytes_default;
    int64_t producer_expiration_ms = 24 * 60 * 60 * 1000;  // an idempotent producer that is idle so long is forgotten
};

struct Appended {
    Offset base;
    Offset last;
    Timestamp append_time;
};

struct ReadFrames {
    std::vector<BufferSlice> slices;  // whole frames, in order; the first may start before the offset asked for
    Offset next;                      // after the last record in them; the offset asked for if there are none
};

struct TimestampOffset {
    Offset offset;
    Timestamp timestamp;
    Epoch epoch;
};

// Records [first, end) that are damaged, missing, or behind such ones.
struct LostRange {
    Offset first;
    Offset end;
};

// What opening a log found, for people: empty texts mean nothing worth a word.
struct RecoveryReport {
    ScanEnd end = ScanEnd::clean;
    uint64_t frames_scanned = 0;
    uint64_t bytes_scanned = 0;
    uint64_t records_buried = 0;        // good records beyond a torn place, moved to the graveyard
    std::string problem;                // why the log was not opened, with the way out; or what was lost on the way
    std::optional<LostRange> lost;      // what it would cost to open it all the same
    std::optional<LostRange> given_up;  // by accept_loss
};

class Log {
  public:
    // Opens what is on disk (nothing, for a new partition). With an error, `report->problem` says what is wrong and
    // what to do; files are left as they are.
    static Task<Result<std::unique_ptr<Log>>> open(LogContext* context,
                                                   PartitionIdentity identity,
                                                   LogSettings settings,
                                                   RecoveryReport* report);
    // For an operator who has no copy: makes a log that is refused open again without what is in its way, which goes to
    // the graveyard; `report->given_up` names it, and is empty if the log opens as it is. One damage at a time: with
    // another one behind it the log is refused again, and the error says why.
    static Task<Result<void>> accept_loss(LogContext* context, PartitionIdentity identity, RecoveryReport* report);
    ~Log();

    const PartitionIdentity& identity() const { return identity_; }
    uint64_t seed() const { return seed_; }
    Offset log_start() const { return log_start_; }
    Offset log_end() const { return log_end_; }
    Offset written_end() const { return written_end_; }
    Offset durable_end() const { return Offset(durable_.value()); }
    Epoch last_epoch() const { return epoch_; }
    const std::vector<EpochStart>& epoch_starts() const { return epoch_starts_; }
    // Where the last epoch that is not higher than `epoch` ends here (exclusive). Epoch(-1) and the log's start if
    // there is none.
    struct EpochEnd {
        Epoch epoch;
        Offset end;
    };
    EpochEnd end_of_epoch(Epoch epoch) const;
    // Header checksum of the last frame, which the next one must name; 0 for a log that never had one.
    uint64_t last_checksum() const { return chain_; }
    const Producers& producers() const { return producers_; }
    uint64_t allocated_bytes() const;
    size_t segment_count() const { return segments_.size(); }
    uint64_t unsynced_bytes() const;
    Duration unsynced_age() const;
    bool has_failed() const { return failure_.has_value(); }
    const std::optional<Error>& failure() const { return failure_; }
    size_t memory_bytes() const;
    void change_settings(LogSettings settings);
    const LogSettings& settings() const { return settings_; }

    // Records, durably, that `epoch` starts at the log's end. Before the first append in it. No disk is touched by a
    // log that never had a record. REQUIRES: epoch > last_epoch()
    Task<Result<void>> begin_epoch(Epoch epoch);

    // Appends a verified, unstamped frame in `epoch`. Suspends only while too many bytes of all logs are unwritten;
    // success means: in memory, at these offsets, visible to reads. Appends take place in the order of the calls.
    // Errors (all: not written): storage_error, storage_full, closed, fenced_leader_epoch (another epoch began while
    // the append was waiting). REQUIRES: `epoch` was begun, here or by a cut, since the log was opened.
    Task<Result<Appended>> append(record::FrameView frame, Epoch epoch, Timestamp now);

    // As a follower, whose log is what its leader says: appends a frame as the leader stamped it. The caller has
    // verified both of its checksums. Suspends, writes and shows as `append` does. A higher epoch than the last one
    // begins with this frame. Errors (all: not written): offset_out_of_range (its base is not the log's end),
    // fenced_leader_epoch (an epoch before the last one), corrupt_data (its chain is not the last checksum: this is
    // another log), storage_error, storage_full, closed.
    Task<Result<Appended>> append_replica(record::FrameView frame);

    // Starts a synced round for everything below `end`, if none is under way, without waiting for it.
    void want_durable(Offset end);
    const RoundTimes& last_synced_round() const { return last_synced_round_; }
    // When the write began that the disk has not completed yet; `never` if none is under way.
    Instant round_since() const { return round_since_; }
    // Suspends until everything below `end` is on disk: starts a synced round if none is under way. timed_out,
    // storage_error: it may or may not be.
    Task<Result<void>> reach_durable(Offset end, Instant deadline);

    // Frames from the one that holds `from` on, all below `limit`; at least one if there is one, else at most about
    // `bytes_max`. Verified if they come from disk. offset_out_of_range, corrupt_data (with the place in
    // `last_read_problem`), io_error.
    Task<Result<ReadFrames>> read(Offset from, Offset limit, size_t bytes_max);
    // Reads from here on need no disk; the log's end if nothing is in memory.
    Offset first_in_memory() const { return tail_.first_offset(log_end_); }
    const std::string& last_read_problem() const { return read_problem_; }
    // Some of what it has stored has been found not to be what was written.
    bool is_damaged() const { return is_damaged_; }

    // The first record with a timestamp at or after `time`; empty if there is none.
    Task<Result<std::optional<TimestampOffset>>> find_timestamp(Timestamp time);
    // The record with the highest timestamp; empty if the log is empty.
    Task<Result<std::optional<TimestampOffset>>> find_max_timestamp(Offset limit = Offset(INT64_MAX));

    // Removes the records at and beyond `to` (a frame's boundary), durably and into the graveyard. `next`: the epoch
    // that starts there, if it is known. Otherwise no epoch does: frames of the last one that remains may follow, and
    // one that was begun there without a record is forgotten, also where `to` is the log's end. REQUIRES: no append
    // meanwhile; next > last_epoch(). Reads from disk wait for its end. After an error either nothing has changed
    // (invalid_request, offset_out_of_range, storage_full), or the log has failed. A crash leaves the log as it was, or
    // as it is to be.
    Task<Result<void>> cut(Offset to, std::optional<Epoch> next, std::string reason);

    // Where a follower's log starts anew, as a leader's does.
    struct ReplicaStart {
        Offset base;                     // of the first frame
        uint64_t chain = 0;              // that it names
        Epoch epoch_before{-1};          // of the frame before it
        Offset log_start;                // in that frame
        std::vector<uint8_t> producers;  // what is remembered of them before that frame; may be empty
    };
    // Everything here goes to the graveyard, durably, segments as they are; the log is empty then and takes the frame
    // at `start.base` next. REQUIRES, and what an error and a crash leave: as with `cut`.
    Task<Result<void>> restart(ReplicaStart start, std::string reason);
    // Such a start for a follower of this log that has nothing.
    Task<Result<ReplicaStart>> replica_start();

    // Moves the log's start up to `to`, durably, then removes the segments that lie wholly before it. What the
    // producers' batches in them were is kept. If the marks cannot be written, the start stays where it is,
    // and may be at `to` when the log is opened again.
    Task<Result<void>> delete_before(Offset to);
    // Applies retention by size and time, up to the high watermark. Returns how many records went.
    Task<Result<int64_t>> apply_retention(Timestamp now);

    // Makes everything durable, then a checkpoint (index, producers, floor): the next open scans nothing. storage_full,
    // if the disk is; storage_error, closed, io_error.
    Task<Result<void>> checkpoint();
    // What the owner of the partition knows to be replicated, and replicated durably: kept in the marks, and the limit
    // of retention. Lower values than before are taken too (a new leader's).
    void note_watermarks(Offset high_watermark, Offset durable_watermark);
    Offset high_watermark() const { return high_watermark_; }
    Offset durable_watermark() const { return durable_watermark_; }
    // Puts floor and watermarks into the marks, to be committed by the store. False: nothing changed.
    bool update_marks();

    // Gives back the oldest chunk of the tail, if it is written. Returns the bytes freed.
    size_t release_memory();

    // Ends the writer after what it is doing; waiters get `closed`; suspends until every call has returned. Required
    // before destruction. What is not on disk is lost.
    Task<void> close();
    // Removes every file of a partition whose log is not open.
    static Task<Result<void>> remove_files(LogContext* context, PartitionIdentity identity);
    // Moves the files of a log that is not open to its graveyard, and removes its marks: what is opened next is blank.
    // Can be repeated after a crash.
    static Task<Result<void>> bury_files(LogContext* context,
                                         PartitionIdentity identity,
                                         std::string reason,
                                         uint64_t graveyard_bytes);

  private:
    friend class LogOpener;
    friend class LogCutter;
    friend class LogRestarter;
    struct Round;
    struct FlushTimer : Timer {
        FlushTimer(Fire fire, Log& owner) : Timer(fire), log(&owner) {}
        Log* log;
    };

    Log(LogContext* context, PartitionIdentity identity, LogSettings settings);

    // log.cc
    Task<std::optional<Units>> reserve_unwritten(int64_t bytes);
    MutableBytes copy_to_tail(Bytes frame);
    Appended note_appended(const record::FrameView& frame, Units units);
    Segment& active_segment(size_t frame_size);
    void end_chunk(Segment& segment);
    void roll();
    void note_touched();
    void arm_flush();
    static void flush_due(Timer& timer);
    void fail(Error error);
    Task<Result<void>> make_durable(Offset end);
    Task<Result<void>> change_marks();
    void forget_epochs();
    std::string path_of(Offset base, const char* suffix) const;

    // log_writer.cc
    void start_writer();
    bool wants_round() const;
    bool wants_sync() const;
    Task<void> write_loop();
    void wait_for_space(bool waits);
    Task<Result<void>> write_round();
    Task<Result<void>> finish_sealed(Segment* segment);
    Round gather(Segment& segment);
    void complete(Segment& segment, const Round& round, bool synced);
    Task<Result<void>> ensure_directory();
    enum class Growth : uint8_t { allocated, written };  // how blocks are made before a round needs them
    Task<Result<void>> ensure_file(Segment* segment, const Round& round, Growth growth);
    Task<Result<void>> create_file(Segment* segment);
    Task<Result<void>> fill_new_file(Segment* segment, std::string path, uint64_t size, uint64_t fresh);

    // log_checkpoint.cc
    struct Snapshot {  // what is derived from the frames before a place
        Floor place;
        Timestamp append_time;
        std::vector<uint8_t> producers;
        std::vector<uint8_t> index;  // of the place's segment; empty: not known
        uint32_t failures = 0;       // to write it
    };
    struct Replay {
        Floor place;  // up to which the producers are known
        Producers producers;
    };
    Floor end_place() const;
    void take_snapshot(Floor place);
    void put_due(Snapshot snapshot);
    void checkpoint_when_durable();
    Task<void> checkpoint_aside();
    Task<Result<void>> write_checkpoint(const Snapshot* snapshot);
    Task<void> remove_old_snapshots();
    std::optional<Floor> place_to_start(const Floor& place);
    Task<Replay> begin_replay(Offset until);
    Task<Result<Replay>> replay_producers(Offset until);
    bool has_snapshot(Offset place) const;
    Task<Result<void>> keep_producers(Offset boundary);
    Task<Result<void>> checkpoint_locked();

    // log_reader.cc
    // The end of what reads may ask the disk for: of a failed log not what was written and could not be synced.
    Offset stored_end() const { return failure_ ? durable_end() : written_end_; }
    struct Cursor {
        Offset offset;
        Offset segment_base;
        uint64_t position = 0;
        uint64_t chain = 0;
        Epoch epoch;
        std::deque<std::shared_ptr<ReadAhead>> ahead;  // what stands there, if it was read already, and behind it
    };
    struct ReadPlace {
        Offset expected;
        uint64_t position = 0;
        std::optional<uint64_t> chain;
        Epoch epoch{-1};             // of the frame before, if it is known
        bool is_sequential = false;  // a reader goes on
        std::deque<std::shared_ptr<ReadAhead>> ahead{};
    };
    Segment* segment_holding(Offset offset);
    Segment* segment_at(Offset base);
    Task<Result<std::shared_ptr<File>>> open_segment(Segment* segment);
    Task<void> close_idle_file(const Segment* keep);
    Task<Result<ReadFrames>> read_disk(Offset from, Offset limit, size_t bytes_max);
    Task<Result<ReadPlace>> place_for(Offset from, Offset base);
    void remember_reader(Offset segment_base, ReadPlace place, size_t window);
    void read_on(const Segment& segment, ReadPlace& place, size_t window);
    static std::shared_ptr<ReadAhead> take_window(ReadPlace& place);
    Task<void> adopt_read_ahead(WindowReader* reader, const Segment& segment, ReadPlace* place, size_t bytes_max);
    std::shared_ptr<ReadAhead> begin_read_ahead(const Segment& segment, uint64_t position, size_t window);
    Task<void> fill_read_ahead(std::shared_ptr<File> file, std::shared_ptr<ReadAhead> ahead);
    Error corrupt_read(Offset segment_base, uint64_t position, const char* what);
    Error damaged_at(Offset segment_base, Offset expected, uint64_t position, const char* what);

    // log_lookup.cc
    using FrameVisitor = std::function<bool(const record::FrameView& frame)>;  // true: go on
    Task<Result<void>> visit_frames(Offset from, Offset end, FrameVisitor visit);
    Task<Result<Segment*>> indexed_segment(Offset offset);
    Task<Result<void>> ensure_index(Offset segment_base);
    Task<Result<bool>> load_index(Offset segment_base);
    Task<Result<void>> rebuild_index(Offset segment_base);
    uint64_t chain_after(const Segment& segment) const;

    // log_cut.cc
    void begin_history_at(Offset to, std::optional<Epoch> next, Epoch before);
    Task<Result<void>> change_history(std::optional<Epoch> next);
    Task<void> stand_still();

    // log_replica.cc
    Epoch last_recorded_epoch() const;
    Epoch epoch_before(Offset offset) const;
    bool is_at(const ReplicaStart& start, const Producers& producers) const;

    // log_delete.cc
    Task<Result<void>> delete_locked(Offset to);
    Task<Result<void>> remove_first_segment();

    LogContext* context_;
    PartitionIdentity identity_;
    uint64_t seed_;
    std::string directory_;
    LogSettings settings_;

    std::deque<std::unique_ptr<Segment>> segments_;  // ascending; the last may be unsealed
    Tail tail_;
    Producers producers_;
    std::vector<EpochStart> epoch_starts_;
    Offset log_start_;
    std::optional<Offset> start_to_mark_;  // while a deletion commits it: what nobody is told of yet
    Offset log_end_;
    Offset written_end_;
    Threshold durable_;
    uint64_t chain_ = 0;        // header checksum of the last frame
    Epoch epoch_{-1};           // of the last frame, or the last one begun
    Epoch frame_epoch_{-1};     // of the last frame
    bool epoch_begun_ = false;  // since the log was opened
    Timestamp last_append_time_;
    Floor durable_place_;                 // where the durable end is
    std::optional<Floor> written_place_;  // where the written end is, if anything was written since opening
    Offset high_watermark_;
    Offset durable_watermark_;
    Unfinished unfinished_ = Unfinished::nothing;  // on disk, of what the marks say
    Offset abandoned_end_;                         // as in the marks

    std::deque<Snapshot> snapshots_due_;  // for checkpoints, once their places are durable; by place
    std::vector<Offset> snapshots_;       // places of those on disk, ascending
    Floor checkpoint_;                    // the last of them; position 0: there is none
    Event checkpoint_idle_;               // set while none is being written
    Result<void> checkpoint_state_;       // what became of the last one

    uint64_t epochs_changed_ = 0;  // how often, by frames of a leader
    uint64_t epochs_marked_ = 0;   // of these changes, those that the marks on disk know

    bool directory_exists_ = false;
    bool names_durable_ = false;  // of the directory and the files in it
    std::string read_problem_;
    bool is_damaged_ = false;
    std::deque<Cursor> cursors_;  // where sequential readers go on, newest first

    std::deque<std::pair<Offset, Units>> unwritten_units_;
    Mutex append_turn_;  // whose turn it is to wait for units
    std::optional<Error> failure_;
    bool closing_ = false;
    bool writer_running_ = false;
    bool waits_for_space_ = false;  // the writer does
    Offset flush_target_;           // everything below is to be synced soon
    RoundTimes last_synced_round_;
    Instant dirty_since_ = never;  // of the oldest byte that is not on disk
    Instant round_since_ = never;
    FlushTimer flush_timer_;
    Event writer_idle_;

    Mutex structure_;      // held while segments are removed or cut
    Event no_cut_;         // set unless a cut is under way
    InFlight operations_;  // calls of others
    InFlight disk_reads_;  // of them, those that a cut must wait for
    std::list<Log*>::iterator tail_place_;
    bool holds_tail_ = false;
    Scope scope_;
};

}  // namespace ironbark::log
