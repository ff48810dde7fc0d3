#pragma once
// The only code that repairs: brings a log from what lies in its directory into a state from which it can go on, or
// refuses and says why. Lives as long as one Log::open.

#include <optional>
#include <string>
#include <vector>

#include "log/graveyard.h"
#include "log/log.h"
#include "log/snapshot.h"

namespace ironbark::log {

class LogOpener {
  public:
    // `accepts_loss`: the first damage that forbids opening the log is given up (log_loss.cc).
    LogOpener(LogContext* context, Log* log, RecoveryReport* report, bool accepts_loss = false)
        : context_(context), log_(*log), report_(*report), accepts_(accepts_loss) {}

    Task<Result<void>> open();
    // Whether it failed because records that nobody was promised are no longer there: the next attempt may succeed.
    bool has_changed() const { return has_changed_; }

  private:
    // log_open.cc
    Error refuse(std::string problem);
    void take_marks(const PartitionMarks& marks);
    Task<Result<void>> finish_change();
    Task<Result<void>> list_files();
    Task<Result<void>> take_segments();
    Task<Result<void>> open_empty();
    Task<std::optional<ProducersSnapshot>> newest_snapshot();
    void take_snapshot(ProducersSnapshot snapshot);
    Task<Result<void>> read_heads();
    Task<Result<std::unique_ptr<Segment>>> read_head(Offset base);
    Task<Result<void>> remove_cut_segments();
    Result<void> check_heads();
    Task<void> load_snapshot();
    Task<void> load_index();
    Task<void> tidy();

    // log_recovery.cc
    Task<Result<void>> scan();
    Task<Result<void>> scan_one(Segment* segment, Offset limit);
    void note_frame(Segment& segment, const record::FrameView& frame, uint64_t position);
    Task<Result<void>> settle();
    Task<Result<Beyond>> look_behind_end();
    Error refuse_damaged(const Segment& last, Offset promised);
    Error refuse_unreadable(const Segment& last);
    Task<Result<void>> bury_strays(File* file, const Beyond& beyond);
    Task<Result<void>> write_again(File* file, uint64_t begin, uint64_t end);
    Task<Result<void>> read_again(File* file, ScanPlace proven);
    void set_end(Offset end);

    // log_loss.cc
    struct Run {
        size_t begin;  // indexes into bases_
        size_t end;
    };
    Task<Result<void>> give_up_all(Offset end);
    Task<Result<Run>> find_whole_segments();
    Task<Result<void>> give_up_segments(Error refusal);
    Task<Result<void>> give_up_end();
    Task<Result<void>> commit_log_start(Offset start);
    Task<Result<void>> clear_rest_of_block(File* file, uint64_t position);
    Task<Result<void>> bury_files(LostRange lost, std::vector<Offset> bases);
    Task<Result<void>> bury_lost(LostRange lost, std::vector<BuriedBytes> parts, std::vector<Offset> bases);
    Task<Result<void>> remove_segments(std::vector<Offset> bases);
    Task<Result<void>> remove_snapshots_behind(Offset end);

    LogContext* context_;
    Log& log_;
    RecoveryReport& report_;
    bool accepts_;
    bool has_marks_ = false;
    std::optional<Floor> floor_;
    Offset promised_;
    std::vector<Offset> bases_;
    std::vector<Offset> indexes_;
    std::vector<Offset> useless_;  // snapshots
    Floor start_;                  // where reading starts
    ScanResult end_;
    bool end_unreadable_ = false;
    bool has_changed_ = false;
    size_t last_scanned_ = 0;
};

}  // namespace ironbark::log
