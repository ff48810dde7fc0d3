#pragma once
// A leader's side of a planned move: it has learnt from the partition's record that another member of the in-sync set
// is to lead next. Pure.
//
//   named      it appends nothing any more, and answers what it has; the target is to have everything on disk
//   handed     it has promised that this is so, and that nothing will be appended: only a record with a higher
//   partition
//              epoch, in which it leads and no move is named, lets it go on. (A promise is of one partition epoch.)
//   given up   the target took too long: it goes on by itself, and asks for the move to be withdrawn

#include <optional>

#include "broker/controller/records.h"
#include "runtime/base/time.h"

namespace ironbark::broker {

class PlannedMove {
  public:
    // The record of the partition that is led has changed.
    void take(const PartitionRecord& record, Instant now);

    BrokerId target() const { return target_; }  // -1: no move is named
    bool is_named() const { return target_.value >= 0; }
    bool stops_appends() const { return is_named() && state_ != State::given_up; }

    enum class Step : uint8_t {
        hand_over,  // promised from now on
        withdraw,
    };
    // What the controller is to be told now; once for each partition epoch. `has_everything`: nothing is being
    // appended, and all of the log is on the target's disk.
    std::optional<Step> next(bool has_everything, Instant now);
    // Whether the controller is to be told that a move is wished for, if none is named; once for each partition epoch.
    bool wish();
    // Certainly nobody was told: it is as before.
    void untold();
    Instant due() const;  // when `next` should be asked again though nothing has moved

    static constexpr Duration patience = 2s;

  private:
    enum class State : uint8_t { named, handed, given_up };
    BrokerId target_{-1};
    int32_t partition_epoch_ = -1;
    State state_ = State::named;
    bool is_told_ = false;
    Instant since_{};
};

}  // namespace ironbark::broker
