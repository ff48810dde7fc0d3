#include "bench/load/open_load.h"

#include <chrono>
#include <thread>

#include "bench/load/must.h"

namespace ironbark::bench {

namespace {

using namespace std::chrono_literals;

constexpr auto resolve_time = 10s;  // beyond the delivery time-out, which resolves everything

}  // namespace

OpenLoad::OpenLoad(const Settings& settings, const OpenSchedule& schedule)
    : schedule_(schedule),
      pattern_(schedule.record_size),
      ledger_(schedule.partitions, schedule.partitions + schedule.records()),
      epochs_(schedule.partitions),
      producer_(must(Producer::create(settings), "the producer")) {
    for (std::atomic<int32_t>& epoch : epochs_) epoch = -1;
}

void OpenLoad::warm_up() {
    for (size_t number = 0; number < schedule_.partitions; ++number) send(number);
    must(producer_.flush(60s), "the first record of each partition");
    if (!failures_.empty()) throw std::runtime_error("the first records: " + failures_.begin()->first);
}

void OpenLoad::run() {
    begin_ = now();
    for (size_t number = schedule_.partitions; number < ledger_.records(); ++number) {
        const Nanoseconds early = due(number) - now();
        if (early > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(early));
        send(number);
    }
    const Settings defaults;
    must(producer_.flush(defaults.delivery_timeout + resolve_time), "waiting for the last acknowledgements");
    must(producer_.close(resolve_time), "closing the producer");
    for (const auto& [outcome, count] : not_accepted_) failures_[outcome] += count;
}

Nanoseconds OpenLoad::due(size_t number) const {
    const auto index = static_cast<double>(number - schedule_.partitions);
    return begin_ + from_seconds(index / schedule_.rate);
}

void OpenLoad::send(size_t number) {
    Record record;
    record.topic = schedule_.topic;
    record.partition = static_cast<int32_t>(ledger_.partition_of(number));
    record.value = pattern_.record(static_cast<int64_t>(number));
    const Expected<void> accepted =
        producer_.send(record, [this, number](const Expected<Receipt>& receipt) { resolved(number, receipt); });
    if (accepted) return;
    ledger_.entry(number).fate = Fate::refused;
    ++not_accepted_[std::string("not accepted: ") + name(accepted.error().code)];
}

void OpenLoad::resolved(size_t number, const Expected<Receipt>& receipt) {
    Entry& entry = ledger_.entry(number);
    entry.resolved = now();
    if (!receipt) return failed(number, receipt.error());
    entry.fate = Fate::acknowledged;
    entry.offset = receipt->offset;
    entry.leader_epoch = receipt->leader_epoch;
    std::atomic<int32_t>& epoch = epochs_[ledger_.partition_of(number)];
    if (receipt->leader_epoch > epoch) epoch = receipt->leader_epoch;
    if (!is_warm_up(number)) latency_.add(entry.resolved - due(number));
}

void OpenLoad::failed(size_t number, const Failure& failure) {
    static constexpr Fate fates[] = {Fate::acknowledged, Fate::refused, Fate::unknown};  // by outcome
    ledger_.entry(number).fate = fates[static_cast<size_t>(failure.outcome)];
    ++failures_[std::string(name(failure.outcome)) + ": " + name(failure.code)];
}

}  // namespace ironbark::bench
