#pragma once
// The metadata as the state machine that the controller quorum agrees on: applies what is committed, remembers for a
// while what became of each command and which commands led where, and hands out immutable snapshots. Owned by the
// driver's executor; no part of it suspends.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/controller/metadata.h"
#include "broker/voter/driver.h"

namespace ironbark::broker {

using SharedCommand = std::shared_ptr<const Command>;

class MetadataMachine final : public consensus::StateMachine {
  public:
    // Called after every change, also after a snapshot was restored.
    std::function<void()> on_change;

    void apply(consensus::LogIndex index, Bytes command) override;
    consensus::SnapshotRecords snapshot() const override { return state_.snapshot(); }
    void clear() override;
    Result<void> restore(Bytes record) override;

    const Metadata& state() const { return state_; }
    MetadataSnapshot current();
    // Why a command had no effect; ok if it had one, or if it was too long ago to say (`outcomes_max` commands).
    Result<void> outcome_of(consensus::LogIndex index) const;
    // The commands that lead from this version to the newest; nothing if they are not remembered back to there.
    std::optional<std::vector<SharedCommand>> since(int64_t version) const;

  private:
    // Refusals are asked about at once, by who proposed; followers of the metadata that lag further get a snapshot.
    static constexpr size_t outcomes_max = 4096;
    static constexpr size_t recent_bytes_max = size_t{16} << 20;

    void remember(Bytes command);

    Metadata state_;
    MetadataSnapshot current_;  // a copy of the state, while it is the newest
    std::map<consensus::LogIndex, Error> refused_;
    std::deque<SharedCommand> recent_;  // the last of them led to the state's version
    size_t recent_bytes_ = 0;
};

}  // namespace ironbark::broker
