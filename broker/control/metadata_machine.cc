#include "broker/control/metadata_machine.h"

namespace ironbark::broker {

void MetadataMachine::apply(consensus::LogIndex index, Bytes command) {
    Result<void> applied = state_.apply(command);
    if (!applied.ok()) {
        refused_.emplace(index, applied.error());
        if (refused_.size() > outcomes_max) refused_.erase(refused_.begin());
        return;
    }
    current_.reset();
    remember(command);
    if (on_change) on_change();
}

void MetadataMachine::remember(Bytes command) {
    recent_.push_back(std::make_shared<const Command>(command.begin(), command.end()));
    recent_bytes_ += command.size();
    while (recent_bytes_ > recent_bytes_max) {
        recent_bytes_ -= recent_.front()->size();
        recent_.pop_front();
    }
}

void MetadataMachine::clear() {
    state_ = Metadata();
    current_.reset();
    refused_.clear();
    recent_.clear();
    recent_bytes_ = 0;
}

Result<void> MetadataMachine::restore(Bytes record) {
    TRY_VOID(state_.apply(record));
    current_.reset();
    if (on_change) on_change();
    return {};
}

MetadataSnapshot MetadataMachine::current() {
    if (current_ == nullptr) current_ = std::make_shared<const Metadata>(state_);
    return current_;
}

Result<void> MetadataMachine::outcome_of(consensus::LogIndex index) const {
    auto found = refused_.find(index);
    return found == refused_.end() ? Result<void>() : Result<void>(found->second);
}

std::optional<std::vector<SharedCommand>> MetadataMachine::since(int64_t version) const {
    const int64_t behind = state_.version() - version;
    if (behind < 0 || version < 0 || static_cast<size_t>(behind) > recent_.size()) return std::nullopt;
    return std::vector<SharedCommand>(recent_.end() - behind, recent_.end());
}

}  // namespace ironbark::broker
