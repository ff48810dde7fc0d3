#pragma once
// Checks one partition's directory: heads and how they follow each other, every frame with its chain and both
// checksums, the log's end against what was promised, index, snapshots and graveyard. It uses the rules of recovery
// (log/scan.h), but goes on behind what is damaged, so that all of it is found at once. It writes nothing; a running
// daemon may append meanwhile.

#include <map>
#include <string>
#include <vector>

#include "log/marks.h"
#include "log/scan.h"
#include "log/segment.h"
#include "tools/offline/places.h"
#include "tools/offline/report.h"

namespace ironbark::tools {

class PartitionVerifier {
  public:
    // `marks`: null if there are none, or they are not known.
    PartitionVerifier(World* world, const PartitionPlace* place, const log::PartitionMarks* marks, VerifyReport* report)
        : world_(*world), place_(*place), marks_(marks), report_(*report), seed_(place->identity.seed()) {}

    Task<void> run();

  private:
    // A place that something else names: there the log must have this chain value.
    struct Anchor {
        std::string file;
        const char* what;
        uint64_t chain = 0;
        bool met = false;
    };
    struct Head {
        log::SegmentHead head;
        bool is_good = true;  // otherwise only its base offset is known, by the file's name
    };
    struct SegmentState {
        Head head;
        std::string path;
        const Head* next = nullptr;  // null: the last segment
        Offset limit;                // the first offset of the next segment
    };

    Task<void> read_heads();
    void check_heads();
    void add_anchor(Offset offset, Anchor anchor);
    void add_floor();
    Task<void> read_snapshots();
    Task<void> check_segment(const SegmentState* segment);
    Task<Expected<log::ScanResult>> scan(const SegmentState* segment, log::ScanPlace from);
    Task<Expected<log::ScanResult>> scan_once(const SegmentState* segment, log::ScanPlace from);
    Task<bool> resume_at(const SegmentState* segment, Offset from, log::ScanPlace* place);
    Task<std::optional<log::ScanPlace>> begin_segment(const SegmentState* segment);
    void end_segment(const SegmentState* segment);
    Task<std::string> fault_at(const SegmentState* segment, uint64_t position);
    void visit(const record::FrameView& frame, uint64_t position, const std::string& path);
    Task<void> load_index(Offset base);
    void check_hint(const record::FrameView& frame, uint64_t position);
    void check_index_end(const SegmentState* segment);
    Task<void> check_graveyard();
    void check_end();
    void reach(Offset offset, uint64_t chain, uint64_t position, const std::string& path);

    World& world_;
    const PartitionPlace& place_;
    const log::PartitionMarks* marks_;
    VerifyReport& report_;
    uint64_t seed_;
    PartitionFiles files_;
    std::vector<Head> heads_;
    std::multimap<Offset, Anchor> anchors_;
    std::optional<log::SegmentIndex> index_;  // of the segment being checked
    std::string index_path_;
    uint64_t last_hint_ = 0;                  // position of the index entry for the frame before
    Offset promised_;                                  // records below it must be there
    log::ScanPlace end_;
    bool has_holes_ = false;
    VerifiedPartition summary_;
};

}  // namespace ironbark::tools
