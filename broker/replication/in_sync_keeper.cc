#include "broker/replication/in_sync_keeper.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <utility>

#include "broker/controller/tiers.h"
#include "broker/shard.h"

namespace ironbark::broker {
namespace {

// Between two looks at all partitions, and before a command that nobody answered is given again.
constexpr Duration in_sync_look_interval = 5ms;
constexpr Duration in_sync_retry_pause = 100ms;
constexpr int looks_per_lag_time = 20;
// Where nothing moves: who falls behind now is due a whole lag time from now.
constexpr int looks_per_lag_time_at_rest = 4;
constexpr Duration mend_retry_pause = 2s;  // after a damaged log that could not be replaced

// Nobody leads from there on.
Appointment end_of(const PartitionIdentity& identity, int32_t partition_epoch) {
    Appointment end;
    end.topic = identity.topic;
    end.partition = identity.partition;
    end.partition_epoch = partition_epoch;
    return end;
}

Command command_of(const std::vector<LeaderHandover>& handovers, Timestamp now) {
    return hand_over_leaders(handovers, now);
}

Command command_of(const std::vector<LeaderMove>& moves, Timestamp) {
    return move_leaders(moves);
}

// What is to be said in several commands, where thousands of partitions have something to say at a time.
template <typename Element>
std::vector<std::vector<Element>> in_batches(std::vector<Element> all) {
    std::vector<std::vector<Element>> batches;
    for (size_t begin = 0; begin < all.size(); begin += batch_partitions) {
        const auto from = all.begin() + static_cast<ptrdiff_t>(begin);
        const auto to = all.begin() + static_cast<ptrdiff_t>(std::min(begin + batch_partitions, all.size()));
        batches.emplace_back(std::make_move_iterator(from), std::make_move_iterator(to));
    }
    return batches;
}

// How long appends may wait for a replica that is to join, and how often.
constexpr Duration hold_time_max = 100ms;
constexpr Duration hold_pause = 1s;

// A write that takes so long is not slow: nobody knows whether it will ever end.
constexpr Duration hanging_time = 2s;

// A disk that was full for so long does not get room by itself; and followers have said by then whether theirs is, too.
constexpr Duration full_time = 5s;

// Why another one is to lead, if one can.
enum class Trouble : uint8_t { none, damaged, hangs, full };

Trouble trouble_of(const Partition& partition, const Shard& shard, Instant now) {
    if (partition.is_damaged()) return Trouble::damaged;
    if (partition.log()->round_since() < now - hanging_time) return Trouble::hangs;
    return shard.full_since() < now - full_time ? Trouble::full : Trouble::none;
}

// It could not lead, for good or until there is room.
bool is_unable(const Partition& partition) {
    return partition.state() == PartitionState::failed || partition.wants_room() || partition.is_damaged();
}

// Without a leadership most of them follow, and there is nothing to do for them at a look.
bool may_need_care(const Partition& partition) {
    return is_unable(partition) || partition.standing().is_damaged;
}

}  // namespace

InSyncKeeper::InSyncKeeper(Shard& shard, Duration lag_time_max)
    : shard_(shard),
      lag_time_max_(lag_time_max),
      due_(shard.executor()),
      stopping_(shard.executor()),
      scope_(shard.executor()) {}

void InSyncKeeper::start(Execute execute) {
    execute_ = std::move(execute);
    scope_.spawn(run());
}

Task<void> InSyncKeeper::stop() {
    stopping_.set();
    due_.close();
    co_await scope_.join();
}

Task<void> InSyncKeeper::release() {
    if (!execute_) co_return;
    std::vector<Appointment> ends;
    for (const auto& [identity, partition] : shard_.partitions()) {
        Leadership* leadership = partition->leadership();
        if (leadership == nullptr || leadership->replicas.in_sync().size() < 2) continue;
        ends.push_back(end_of(identity, leadership->replicas.partition_epoch()));
        partition->follow(partition->log(), leadership->epoch);
    }
    for (const std::vector<Appointment>& batch : in_batches(std::move(ends))) {
        Command command = appoint_leaders(batch, Timestamp(shard_.executor().wall_milliseconds()));
        (void)co_await execute_(std::move(command));
    }
}

void InSyncKeeper::take(const Metadata& metadata) {
    Living living;
    for (const auto& [id, broker] : metadata.brokers()) {
        living[id] = broker.is_alive ? broker.incarnation : Incarnation(-1);
    }
    if (living == living_) return;
    living_ = std::move(living);
    looks_at_all_ = true;
    look();
}

Task<void> InSyncKeeper::run() {
    while (!stopping_.is_set()) {
        due_.reset();
        // A follower falls behind without a word: so there is a look now and then.
        Instant next = shard_.executor().now() + lag_time_max_ / looks_per_lag_time_at_rest;
        Work work = collect(&next);
        for (auto& batch : in_batches(std::move(work.changes))) scope_.spawn(propose(std::move(batch)));
        if (!work.beginnings.empty() && !std::exchange(is_beginning_, true)) {
            scope_.spawn(begin_again(std::move(work.beginnings)));
        }
        if (!work.ends.empty() && !std::exchange(is_giving_up_, true)) scope_.spawn(give_up(std::move(work.ends)));
        for (auto& batch : in_batches(std::move(work.handovers))) scope_.spawn(tell_of_moves(std::move(batch)));
        for (auto& batch : in_batches(std::move(work.moves))) scope_.spawn(tell_of_moves(std::move(batch)));
        if (!is_mending_ && (!work.damages.empty() || !work.to_empty.empty())) {
            is_mending_ = true;
            scope_.spawn(mend(std::move(work.damages), std::move(work.to_empty)));
        }
        (void)co_await due_.wait(next);
        if (stopping_.is_set()) break;
        (void)co_await stopping_.wait(shard_.executor().now() + in_sync_look_interval);
    }
}

// Partitions that are not known to be at rest. A disk without room is the trouble of all.
std::vector<PartitionIdentity> InSyncKeeper::stirred() {
    std::vector<PartitionIdentity> stirred = std::exchange(shard_.stirred(), {});
    if (std::exchange(looks_at_all_, shard_.full_since() != never)) {
        stirred.clear();
        for (const auto& [identity, partition] : shard_.partitions()) stirred.push_back(identity);
        return stirred;
    }
    std::sort(stirred.begin(), stirred.end());
    stirred.erase(std::unique(stirred.begin(), stirred.end()), stirred.end());
    return stirred;
}

InSyncKeeper::Work InSyncKeeper::collect(Instant* next) {
    Work work;
    const Instant now = shard_.executor().now();
    for (const PartitionIdentity& identity : stirred()) {
        Partition* partition = shard_.find(identity);
        if (partition == nullptr) continue;
        partition->come_to_rest();
        if (is_at_rest(*partition, now)) continue;
        partition->stir();
        *next = std::min(*next, now + lag_time_max_ / looks_per_lag_time);
        collect_from(*partition, now, work, next);
    }
    tell_news();
    return work;
}

// Whatever ends this is told to the partition, or is asked of all.
bool InSyncKeeper::is_at_rest(const Partition& partition, Instant now) const {
    const Leadership* leadership = partition.leadership();
    if (leadership == nullptr) return !may_need_care(partition);
    if (leadership->replicas.is_alone()) return true;
    const bool is_writing = partition.durable_end() < partition.log_end() || partition.log()->round_since() != never;
    return leadership->replicas.is_settled(living_) && !leadership->move.is_named() && !is_writing &&
           trouble_of(partition, shard_, now) == Trouble::none;
}

void InSyncKeeper::collect_from(Partition& partition, Instant now, Work& work, Instant* next) {
    Leadership* leadership = partition.leadership();
    if (leadership == nullptr) {
        collect_without(partition, work, next);
        return;
    }
    collect_move(partition, work);
    collect_relief(partition, work);
    if (partition.leadership() == nullptr) return;
    *next = std::min(*next, leadership->move.due());
    std::optional<InSyncProposal> proposal = leadership->replicas.propose(living_, lag_time_max_, now);
    *next = std::min(*next, leadership->replicas.next_look(lag_time_max_));
    const PartitionIdentity& identity = partition.identity();
    if (now >= leadership->next_hold &&
        leadership->replicas.has_joiner_but_for_appends(living_, lag_time_max_, hold_time_max, now)) {
        leadership->next_hold = now + hold_pause;
        scope_.spawn(make_way(identity, leadership->epoch));
    }
    if (!proposal) return;
    InSyncChange change;
    change.topic = identity.topic;
    change.partition = identity.partition;
    change.leader = shard_.self();
    change.leader_epoch = leadership->epoch;
    change.partition_epoch = proposal->partition_epoch;
    change.in_sync = proposal->in_sync;
    for (const auto& [broker, incarnation] : proposal->joining) change.joining.push_back({broker, incarnation});
    if (!proposal->leaving.empty()) {
        news_.left[broker::list_of(proposal->leaving)].push_back(identity);
    }
    work.changes.push_back(std::move(change));
}

void InSyncKeeper::note_joined(const PartitionIdentity& identity, const BrokerIds& joined) {
    news_.joined[broker::list_of(joined)].push_back(identity);
    look();
}

// One line for each set of brokers: where one fails, and where it returns, that is of all its partitions at a time.
void InSyncKeeper::tell_news() {
    const News news = std::exchange(news_, {});
    for (const auto& [brokers, partitions] : news.left) {
        spdlog::info("{}: out of sync: broker {}", list_of(partitions), brokers);
    }
    for (const auto& [brokers, partitions] : news.joined) {
        spdlog::info("{}: in sync again: broker {}", list_of(partitions), brokers);
    }
}

std::string InSyncKeeper::list_of(const std::vector<PartitionIdentity>& partitions) const {
    if (partitions.size() == 1) return "partition " + shard_.label(partitions.front());
    return fmt::format("partition {} and {} more", shard_.label(partitions.front()), partitions.size() - 1);
}

bool InSyncKeeper::is_making_way(const PartitionIdentity& identity, Epoch epoch) const {
    const Partition* partition = shard_.find(identity);
    const Leadership* leadership = partition == nullptr ? nullptr : partition->leadership();
    return leadership != nullptr && leadership->epoch == epoch && !stopping_.is_set() &&
           leadership->replicas.has_joiner_but_for_appends(living_, lag_time_max_, hold_time_max,
                                                           shard_.executor().now());
}

// Once it has everything the next look proposes it, and appends go on.
Task<void> InSyncKeeper::make_way(PartitionIdentity identity, Epoch epoch) {
    Partition* partition = shard_.find(identity);
    if (partition == nullptr) co_return;
    std::function<bool()> is_over = [this, identity, epoch] { return !is_making_way(identity, epoch); };
    co_await partition->hold_appends(std::move(is_over), shard_.executor().now() + hold_time_max);
}

// A replica without a leadership. One that is damaged is mended in three steps: the metadata takes it out of all sets;
// its log is emptied; the metadata lets it follow again.
void InSyncKeeper::collect_without(const Partition& partition, Work& work, Instant* next) {
    const PartitionIdentity& identity = partition.identity();
    const PartitionRecord* record = shard_.find_record(identity);
    if (record == nullptr) return;
    if (record->leader == shard_.self()) {
        if (is_unable(partition)) collect_unable(partition, *record, work, next);
        return;
    }
    if (record->replicas.size() < 2) return;
    const bool is_marked = contains(record->damaged, shard_.self());
    const log::Log* log = partition.state() == PartitionState::online ? partition.log() : nullptr;
    const bool is_blank = log != nullptr && log->last_epoch().value < 0 && log->log_end() == Offset();
    if (is_marked && !is_blank) {
        work.to_empty.push_back(identity);
    } else if (is_marked || partition.is_damaged()) {
        auto self = living_.find(shard_.self());
        const Incarnation incarnation = self == living_.end() ? Incarnation(-1) : self->second;
        work.damages.push_back({identity.topic, identity.partition, shard_.self(), incarnation, is_marked});
    }
}

Task<void> InSyncKeeper::mend(std::vector<ReplicaDamage> damages, std::vector<PartitionIdentity> to_empty) {
    Duration pause = in_sync_retry_pause;
    for (const PartitionIdentity& identity : to_empty) {
        if (stopping_.is_set()) break;
        const bool is_done = co_await shard_.empty_damaged(identity);
        if (!is_done) pause = mend_retry_pause;
    }
    std::string problem;
    for (const std::vector<ReplicaDamage>& batch : in_batches(std::move(damages))) {
        Command command = damaged_replicas(batch, Timestamp(shard_.executor().wall_milliseconds()));
        const Executed executed = co_await execute_(std::move(command));
        if (!executed.ok()) problem = describe(executed.error);
        if (!executed.ok() && problem != damage_problem_) {
            spdlog::warn("{} damaged logs cannot be replaced yet: {}", batch.size(), problem);
        }
        // Each is judged by itself: where nobody else is sure to have what it had, nothing changes.
        const bool is_known = std::all_of(batch.begin(), batch.end(), [this](const ReplicaDamage& one) {
            const PartitionRecord* record = shard_.find_record({one.topic, one.partition});
            return record == nullptr || contains(record->damaged, one.broker) != one.is_emptied;
        });
        if (!is_known) pause = mend_retry_pause;
        damage_problem_ = problem;
    }
    (void)co_await stopping_.wait(shard_.executor().now() + pause);
    is_mending_ = false;
    look();
}

// It is to lead, and cannot: for good, or until there is room on its disk. Then it is kept for this one if nobody else
// has what was acknowledged.
void InSyncKeeper::collect_unable(const Partition& partition,
                                  const PartitionRecord& record,
                                  Work& work,
                                  Instant* next) {
    const PartitionIdentity& identity = partition.identity();
    const auto could_lead = [this](BrokerId broker) { return broker != shard_.self() && is_alive(broker, living_); };
    const bool is_for_good = !partition.wants_room() && record.replicas.size() > 1;
    // Or this was said already, and nobody knows whether it was heard.
    const bool is_said = partition.has_given_up(record.leader_epoch);
    if (is_for_good || is_said || std::any_of(record.in_sync.begin(), record.in_sync.end(), could_lead)) {
        work.ends.push_back(end_of(identity, record.partition_epoch));
    } else if (partition.wants_room() && partition.lead_again_at() <= shard_.executor().now()) {
        work.beginnings.push_back(identity);
    } else if (partition.wants_room()) {
        *next = std::min(*next, partition.lead_again_at());
    }
}

void InSyncKeeper::collect_move(Partition& partition, Work& work) {
    const std::optional<PlannedMove::Step> step = partition.next_move_step();
    if (!step) return;
    const PartitionIdentity& identity = partition.identity();
    const Leadership& leadership = *partition.leadership();
    const BrokerId target = leadership.move.target();
    const int32_t partition_epoch = leadership.replicas.partition_epoch();
    if (*step == PlannedMove::Step::hand_over) {
        // Its log is of no use in the set.
        const Trouble trouble = trouble_of(partition, shard_, shard_.executor().now());
        const bool leaves = trouble == Trouble::damaged || trouble == Trouble::hangs;
        work.handovers.push_back({identity.topic, identity.partition, shard_.self(), leadership.epoch, partition_epoch,
                                  target, leadership.replicas.incarnation_of(target), leaves});
        return;
    }
    spdlog::warn("partition {}: broker {} has not caught up in time to lead it: the move is withdrawn",
                 shard_.label(identity), target.value);
    work.moves.push_back({identity.topic, identity.partition, partition_epoch, BrokerId(-1)});
}

// Its disk hangs, is full, or has lost records: the member that has most on its own is to lead.
void InSyncKeeper::collect_relief(Partition& partition, Work& work) {
    const Trouble trouble = trouble_of(partition, shard_, shard_.executor().now());
    if (trouble == Trouble::none) return;
    Leadership& leadership = *partition.leadership();
    const ReplicaSet::Replica* best = nullptr;
    const std::vector<ReplicaSet::Replica> replicas = leadership.replicas.replicas(shard_.executor().now());
    for (const ReplicaSet::Replica& each : replicas) {
        const bool is_there = each.broker != shard_.self() && each.is_in_sync && each.has_matched &&
                              is_alive(each.broker, living_) &&
                              (trouble != Trouble::full || !shard_.leader_sessions().is_full(each.broker));
        if (is_there && (best == nullptr || each.ends.durable > best->ends.durable)) best = &each;
    }
    const PartitionIdentity& identity = partition.identity();
    const PartitionRecord* record = shard_.find_record(identity);
    if (best == nullptr && trouble == Trouble::damaged && record != nullptr && shard_.may_another_lead(*record)) {
        // It stops here, and then says so: with a lease it would go on until it hears that the leadership has ended,
        // while somebody else leads.
        partition.give_up();
        look();
        return;
    }
    if (best == nullptr || !leadership.move.wish()) return;
    std::string why = "the disk has no more than its reserve left";
    if (trouble == Trouble::damaged) why = partition.log()->last_read_problem();
    if (trouble == Trouble::hangs) {
        why = fmt::format("the disk has not completed a write for {} ms", hanging_time / 1ms);
    }
    spdlog::warn("partition {}: {}: broker {} is to lead it", shard_.label(identity), why, best->broker.value);
    work.moves.push_back({identity.topic, identity.partition, leadership.replicas.partition_epoch(), best->broker});
}

// Null if the leadership has ended, or learnt of something newer.
template <typename Proposal>
Leadership* InSyncKeeper::leadership_named(const Proposal& proposal) const {
    Partition* partition = shard_.find({proposal.topic, proposal.partition});
    Leadership* leadership = partition == nullptr ? nullptr : partition->leadership();
    if (leadership == nullptr || leadership->replicas.partition_epoch() != proposal.partition_epoch) return nullptr;
    return leadership;
}

// Again, as it was, until the metadata shows what became of it: a promise that may have been heard is not taken back.
template <typename Proposal>
Task<void> InSyncKeeper::tell_of_moves(std::vector<Proposal> proposals) {
    bool may_have_arrived = false;
    while (!stopping_.is_set()) {
        std::erase_if(proposals, [this](const Proposal& one) { return leadership_named(one) == nullptr; });
        if (proposals.empty()) co_return;
        Command command = command_of(proposals, Timestamp(shard_.executor().wall_milliseconds()));
        const Executed executed = co_await execute_(std::move(command));
        if (executed.outcome == Outcome::not_written && !may_have_arrived) {
            for (const Proposal& one : proposals) {
                if (Leadership* leadership = leadership_named(one)) leadership->move.untold();
            }
            break;
        }
        may_have_arrived = true;
        (void)co_await stopping_.wait(shard_.executor().now() + in_sync_retry_pause);
    }
    (void)co_await stopping_.wait(shard_.executor().now() + in_sync_retry_pause);
    look();
}

bool InSyncKeeper::is_pending(const InSyncChange& change) const {
    Partition* partition = shard_.find({change.topic, change.partition});
    Leadership* leadership = partition == nullptr ? nullptr : partition->leadership();
    if (leadership == nullptr || leadership->epoch != change.leader_epoch) return false;
    const auto& pending = leadership->replicas.pending();
    return pending && pending->partition_epoch == change.partition_epoch;
}

void InSyncKeeper::withdraw(const std::vector<InSyncChange>& changes) {
    for (const InSyncChange& change : changes) {
        if (is_pending(change)) shard_.find({change.topic, change.partition})->leadership()->replicas.withdraw();
    }
}

Task<void> InSyncKeeper::propose(std::vector<InSyncChange> changes) {
    bool may_have_arrived = false;
    while (!stopping_.is_set()) {
        std::erase_if(changes, [this](const InSyncChange& change) { return !is_pending(change); });
        if (changes.empty()) co_return;
        Command command = change_in_sync(changes);
        const Executed executed = co_await execute_(std::move(command));
        if (executed.ok()) {
            may_have_arrived = true;
        } else if (executed.outcome == Outcome::not_written && !may_have_arrived) {
            withdraw(changes);
            break;
        } else {
            may_have_arrived = true;
        }
        (void)co_await stopping_.wait(shard_.executor().now() + in_sync_retry_pause);
    }
    (void)co_await stopping_.wait(shard_.executor().now() + in_sync_retry_pause);
    look();
}

Task<void> InSyncKeeper::begin_again(std::vector<PartitionIdentity> partitions) {
    for (const PartitionIdentity& identity : partitions) co_await shard_.lead_again(identity);
    is_beginning_ = false;
    look();
}

Task<void> InSyncKeeper::give_up(std::vector<Appointment> ends) {
    spdlog::warn("{} partitions whose logs have failed, or whose disk is full, are given to others", ends.size());
    for (const std::vector<Appointment>& batch : in_batches(std::move(ends))) {
        if (stopping_.is_set()) break;
        co_await give_up_batch(&batch);
    }
    // What is refused, because something else has changed, is looked at again.
    (void)co_await stopping_.wait(shard_.executor().now() + in_sync_retry_pause);
    is_giving_up_ = false;
    look();
}

// Of what an earlier attempt left in doubt, this one says nothing.
Task<void> InSyncKeeper::give_up_batch(const std::vector<Appointment>* ends) {
    std::vector<std::pair<PartitionIdentity, Epoch>> given_up;
    for (const Appointment& end : *ends) {
        const PartitionIdentity identity{end.topic, end.partition};
        Partition* partition = shard_.find(identity);
        if (partition == nullptr || partition->has_given_up(partition->leader_epoch())) continue;
        given_up.emplace_back(identity, partition->leader_epoch());
        partition->give_up();
    }
    Command command = appoint_leaders(*ends, Timestamp(shard_.executor().wall_milliseconds()));
    const Executed executed = co_await execute_(std::move(command));
    if (executed.outcome == Outcome::unknown) co_return;
    for (const auto& [identity, epoch] : given_up) {
        Partition* partition = shard_.find(identity);
        const PartitionRecord* record = shard_.find_record(identity);
        const bool leads_still = record != nullptr && record->leader == shard_.self() && record->leader_epoch == epoch;
        if (partition != nullptr && leads_still && partition->has_given_up(epoch)) partition->take_back();
    }
}

}  // namespace ironbark::broker
