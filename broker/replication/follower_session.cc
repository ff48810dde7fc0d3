#include "broker/replication/follower_session.h"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "broker/controller/tiers.h"
#include "broker/replication/replicator.h"
#include "broker/shard.h"
#include "runtime/rpc/convert.h"

namespace ironbark::broker {
namespace {

constexpr int answers_under_way = 2;
constexpr size_t answer_bytes = size_t{1} << 20;
constexpr size_t positions_max = 4'000;  // in one request
constexpr Duration records_poll_time = 4s;
constexpr Duration records_answer_time = 5s;  // beyond it: of the way there and back
constexpr Duration refused_pause = 3ms;  // the leader has not heard of its leadership yet, or this one of its end
constexpr Duration problem_pause = 1s;

constexpr Error answer_is_malformed(ErrorCode::protocol_violation, "an answer whose sizes do not add up");

}  // namespace

FollowerSession::FollowerSession(Shard& shard, rpc::Channel& channel, Identity identity, Event* lost, Replicator* owner)
    : shard_(shard),
      channel_(channel),
      identity_(identity),
      lost_(lost),
      owner_(owner),
      due_(shard.executor()),
      order_(shard.executor()),
      ended_(shard.executor()),
      scope_(shard.executor()) {}

FollowerSession::~FollowerSession() = default;

Instant FollowerSession::now() const {
    return shard_.executor().now();
}

void FollowerSession::start() {
    for (int lane = 0; lane < answers_under_way; ++lane) scope_.spawn(ask_for_ever());
    scope_.spawn(say_at_once());
}

void FollowerSession::end() {
    if (std::exchange(is_over_, true)) return;
    std::vector<uint32_t> handles;
    for (const auto& [handle, place] : places_) handles.push_back(handle);
    for (uint32_t handle : handles) leave_place(handle);
    due_.close();
    order_.close();
    ended_.set();
    lost_->set();
}

// ---- places --------------------------------------------------------------------------------------------------------

bool FollowerSession::is_wanted(const PartitionIdentity& identity, Epoch epoch) const {
    auto found = wishes_.find(identity);
    return !is_over_ && found != wishes_.end() && found->second.epoch == epoch;
}

void FollowerSession::follow(const PartitionIdentity& identity, Epoch epoch) {
    if (is_over_) return;
    Wish& wish = wishes_[identity];
    if (wish.epoch == epoch) return;
    if (wish.handle != 0) leave_place(wish.handle);
    wish = {epoch, 0, {}};
    scope_.spawn(take_place(identity, epoch, {}));
}

void FollowerSession::leave(const PartitionIdentity& identity) {
    auto found = wishes_.find(identity);
    if (found == wishes_.end()) return;
    if (found->second.handle != 0) leave_place(found->second.handle);
    wishes_.erase(found);
}

void FollowerSession::leave_place(uint32_t handle) {
    auto found = places_.find(handle);
    if (found == places_.end()) return;
    if (Partition* partition = shard_.find(found->second.identity)) partition->unwatch(found->second.watch);
    if (auto wish = wishes_.find(found->second.identity); wish != wishes_.end() && wish->second.handle == handle) {
        wish->second.handle = 0;
    }
    if (positions_due_.erase(handle) == 0) left_due_.push_back(handle);
    acks_due_.erase(handle);
    places_.erase(found);
}

// Names what is here to the leader, once nothing of an earlier role is being appended any more.
Task<void> FollowerSession::take_place(PartitionIdentity identity, Epoch epoch, Attempt attempt) {
    if (attempt.pause > Duration()) (void)co_await ended_.wait(now() + attempt.pause);
    if (!is_wanted(identity, epoch)) co_return;
    Partition* partition = shard_.find(identity);
    if (partition == nullptr) co_return;
    {
        Gate::Holder inside = partition->use();
        co_await partition->settle();
    }
    if (!is_wanted(identity, epoch) || wishes_[identity].handle != 0) co_return;
    partition = shard_.find(identity);
    const bool is_here = partition != nullptr && partition->state() == PartitionState::online && !partition->leads();
    if (!is_here || partition->leader_epoch() != epoch) co_return;
    const uint32_t handle = ++handles_made_;
    Place& place = places_[handle];
    place.identity = identity;
    place.epoch = epoch;
    place.begins_anew = attempt.begins_anew;
    place.watch = partition->watch([this, handle] {
        Place* moved = find(handle);
        if (moved == nullptr || !moved->has_agreed) return;
        acks_due_.insert(handle);
        due_.set();
    });
    wishes_[identity].handle = handle;
    positions_due_.insert(handle);
    due_.set();
}

FollowerSession::Place* FollowerSession::find(uint32_t handle) {
    auto found = places_.find(handle);
    return found == places_.end() ? nullptr : &found->second;
}

void FollowerSession::note(const PartitionIdentity& identity, std::string problem) {
    auto found = wishes_.find(identity);
    if (found == wishes_.end() || found->second.problem == problem) return;
    if (!problem.empty())
        spdlog::warn("partition {}: not taken over from its leader: {}", shard_.label(identity), problem);
    found->second.problem = std::move(problem);
}

std::string FollowerSession::problem_of(const PartitionIdentity& identity) const {
    auto found = wishes_.find(identity);
    return found == wishes_.end() ? std::string() : found->second.problem;
}

void FollowerSession::retry(uint32_t handle, std::string problem, Duration pause) {
    Place* place = find(handle);
    if (place == nullptr) return;
    const PartitionIdentity identity = place->identity;
    const Epoch epoch = place->epoch;
    leave_place(handle);
    note(identity, std::move(problem));
    scope_.spawn(take_place(identity, epoch, {pause, false}));
}

// ---- what is said --------------------------------------------------------------------------------------------------

ReplicaEnds FollowerSession::ends_of(const Partition& partition) const {
    return {partition.log_end(), partition.durable_end(), partition.log_start()};
}

// What is only in memory is said with what is on disk, where nobody waits for the one, and somebody does for the other.
bool FollowerSession::may_wait(const Place& place, const ReplicaEnds& ends) {
    const bool is_asked_in_memory = std::min(place.memory_to, ends.appended) > place.told.appended;
    return ends.durable == place.told.durable && ends.log_start == place.told.log_start && !is_asked_in_memory &&
           place.told.appended.value >= 0 && place.sync_to >= ends.appended && ends.durable < ends.appended;
}

std::vector<wire::ReplicaAck> FollowerSession::take_acks() {
    std::vector<wire::ReplicaAck> acks;
    for (uint32_t handle : std::exchange(acks_due_, {})) {
        Place* place = find(handle);
        Partition* partition = place == nullptr ? nullptr : shard_.find(place->identity);
        if (partition == nullptr || partition->leader_epoch() != place->epoch) continue;
        const ReplicaEnds ends = ends_of(*partition);
        if (ends == place->told || may_wait(*place, ends)) continue;
        place->told = ends;
        acks.emplace_back(handle, place->epoch.value, ends.appended.value, ends.durable.value, ends.log_start.value);
    }
    return acks;
}

rpc::Metadata FollowerSession::request(Duration wait) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ReplicaPosition>> positions;
    while (!positions_due_.empty() && positions.size() < positions_max) {
        const uint32_t handle = *positions_due_.begin();
        positions_due_.erase(positions_due_.begin());
        const Place& place = places_.at(handle);
        Partition* partition = shard_.find(place.identity);
        if (partition == nullptr || partition->log() == nullptr) continue;
        const wire::Uuid topic = rpc::to_wire(place.identity.topic);
        const Epoch last_epoch = place.begins_anew ? Epoch(-1) : partition->log()->last_epoch();
        positions.push_back(wire::CreateReplicaPosition(
            builder, handle, &topic, place.identity.partition.value, place.epoch.value, partition->log_end().value,
            last_epoch.value, partition->log()->last_checksum(), partition->standing().membership));
    }
    const std::vector<uint32_t> left = std::exchange(left_due_, {});
    const std::vector<wire::ReplicaAck> acks = take_acks();
    return rpc::finish(
        builder, wire::CreateReplicateRequestDirect(
                     builder, identity_.leader_shard, identity_.incarnation.value, static_cast<int32_t>(shard_.index()),
                     identity_.number, &positions, &left, &acks, static_cast<uint32_t>(answer_bytes),
                     static_cast<int32_t>(wait / 1ms), identity_.lane, shard_.full_since() != never));
}

// Positions and acknowledgements do not wait for the next answer. Those of one turn of the executor go together.
Task<void> FollowerSession::say_at_once() {
    while (!is_over_) {
        const Wake woken = co_await due_.wait();
        if (woken == Wake::closed) break;
        due_.reset();
        if (!positions_due_.empty()) {
            scope_.spawn(ask_once(Duration()));
            continue;
        }
        const std::vector<wire::ReplicaAck> acks = take_acks();
        if (acks.empty()) continue;
        flatbuffers::FlatBufferBuilder builder;
        rpc::Metadata message =
            rpc::finish(builder, wire::CreateReplicaAcksRequestDirect(
                                     builder, identity_.leader_shard, identity_.incarnation.value,
                                     static_cast<int32_t>(shard_.index()), identity_.number, &acks, identity_.lane));
        // What is not sent is lost with the connection, and the session with it.
        if (!channel_.post(rpc::Method::replica_acks, rpc::bytes_of(message), {}).ok()) end();
    }
}

Task<void> FollowerSession::ask_for_ever() {
    while (!is_over_) {
        const Result<void> asked = co_await ask(records_poll_time);
        if (!asked.ok()) end();
    }
}

Task<void> FollowerSession::ask_once(Duration wait) {
    const Result<void> asked = co_await ask(wait);
    if (!asked.ok()) end();
}

Task<Result<void>> FollowerSession::ask(Duration wait) {
    rpc::CallResult result =
        co_await channel_.call(rpc::Method::replicate, request(wait), {}, now() + wait + records_answer_time);
    if (is_over_) co_return Error(ErrorCode::closed);
    if (!result.ok()) co_return result.error;
    co_await take(&result);
    co_return Result<void>();
}

// ---- what is heard -------------------------------------------------------------------------------------------------

Task<void> FollowerSession::take(const rpc::CallResult* result) {
    const auto& answer = result->as<wire::ReplicateResponse>();
    if (answer.number() == 0 || answer.partitions() == nullptr) co_return;
    while (!is_over_ && next_answer_ != answer.number()) {
        const Wake woken = co_await order_.wait();
        if (woken == Wake::closed) co_return;
    }
    BufferSlice rest = result->payload;
    for (const wire::ReplicaBatch* batch : *answer.partitions()) {
        if (is_over_) co_return;
        if (batch->payload_size() > rest.size) {
            spdlog::warn("replication: {}", describe(answer_is_malformed));
            end();
            co_return;
        }
        BufferSlice share = rest.part(0, batch->payload_size());
        rest = rest.part(batch->payload_size(), rest.size - batch->payload_size());
        co_await take_batch(batch, std::move(share));
    }
    ++next_answer_;
    order_.pulse();
}

Task<void> FollowerSession::take_batch(const wire::ReplicaBatch* batch, BufferSlice payload) {
    Place* place = find(batch->handle());
    if (place == nullptr) co_return;
    const PartitionIdentity identity = place->identity;
    const Epoch epoch = place->epoch;
    switch (batch->kind()) {
        case wire::ReplicaAnswer::records: {
            co_await take_records(batch, std::move(payload));
            break;
        }
        case wire::ReplicaAnswer::other_lane: {
            leave_place(batch->handle());
            owner_->change_lane(identity, epoch, identity_.lane);
            break;
        }
        case wire::ReplicaAnswer::diverged: {
            const log::Log::EpochEnd common{Epoch(batch->diverged_epoch()), Offset(batch->diverged_end())};
            leave_place(batch->handle());
            scope_.spawn(cut(identity, epoch, common, Epoch(batch->next_epoch())));
            break;
        }
        case wire::ReplicaAnswer::restart: {
            log::Log::ReplicaStart start;
            start.base = Offset(batch->from());
            start.log_start = Offset(batch->log_start());
            if (batch->start() != nullptr) {
                start.chain = batch->start()->checksum();
                start.epoch_before = Epoch(batch->start()->epoch_before());
            }
            const Bytes producers = payload.bytes();
            start.producers.assign(producers.begin(), producers.end());
            leave_place(batch->handle());
            scope_.spawn(restart(identity, epoch, std::move(start)));
            break;
        }
        default: {
            const auto* error = batch->error();
            const ErrorCode code = error == nullptr ? ErrorCode::unknown_server_error : ErrorCode(error->code());
            // A leader may hear of its topic, and of its leadership, later than its followers.
            const bool is_problem = code != ErrorCode::not_leader_or_follower &&
                                    code != ErrorCode::unknown_topic_or_partition &&
                                    code != ErrorCode::unknown_leader_epoch && code != ErrorCode::fenced_leader_epoch;
            std::string text(error == nullptr ? std::string_view() : rpc::from_wire(error->hint()));
            retry(batch->handle(), is_problem ? std::move(text) : std::string(),
                  is_problem ? problem_pause : refused_pause);
        }
    }
}

Task<void> FollowerSession::take_records(const wire::ReplicaBatch* batch, BufferSlice payload) {
    const uint32_t handle = batch->handle();
    Place* place = find(handle);
    const Epoch epoch = place->epoch;
    const PartitionIdentity identity = place->identity;
    Partition* partition = shard_.find(identity);
    if (partition == nullptr || partition->log() == nullptr || partition->leader_epoch() != epoch) co_return;
    Gate::Holder inside = partition->use();
    if (Offset(batch->from()) != partition->log_end()) {
        retry(handle, "the leader went on from another place", problem_pause);
        co_return;
    }
    const bool is_whole = batch->from() == batch->log_end() && payload.size == 0;
    if (is_whole && batch->checksum() != partition->log()->last_checksum()) {
        retry(handle, "this log and the leader's differ, and by their epochs they must not; nothing was changed",
              problem_pause);
        co_return;
    }
    if (payload.size > 0) {
        owner_->counters().bytes_in += payload.size;
        Result<void> taken = co_await partition->take_frames(std::move(payload), epoch);
        if (!taken.ok()) {
            const bool is_over = taken.error().code == ErrorCode::fenced_leader_epoch;
            retry(handle, is_over ? std::string() : describe(taken.error()), is_over ? refused_pause : problem_pause);
            co_return;
        }
    }
    place = find(handle);
    if (place == nullptr || partition->state() != PartitionState::online) co_return;
    if (!std::exchange(place->has_agreed, true)) note(identity, {});
    partition->take_watermarks(Offset(batch->high_watermark()), Offset(batch->durable_watermark()), epoch);
    place->sync_to = std::max(place->sync_to, Offset(batch->sync_to()));
    place->memory_to = std::max(place->memory_to, Offset(batch->memory_to()));
    const Offset wanted = std::min(place->sync_to, partition->log_end());
    if (wanted > partition->durable_end()) partition->log()->want_durable(wanted);
    if (Offset(batch->log_start()) > partition->log_start()) {
        scope_.spawn(follow_start(identity, std::min(Offset(batch->log_start()), partition->log_end())));
    }
    acks_due_.insert(handle);
    due_.set();
}

// Where the two logs may still agree: what both have of the last epoch that both have.
Task<void> FollowerSession::cut(PartitionIdentity identity, Epoch epoch, log::Log::EpochEnd common, Epoch next_epoch) {
    Partition* partition = shard_.find(identity);
    if (partition == nullptr || partition->log() == nullptr || !is_wanted(identity, epoch)) co_return;
    Gate::Holder inside = partition->use();
    const log::Log::EpochEnd own = partition->log()->end_of_epoch(common.epoch);
    const Offset agreed = std::min(common.end, own.end);
    if (agreed < partition->log_start()) {
        // What both have was removed here: there is nothing to go on from.
        scope_.spawn(take_place(identity, epoch, {Duration(), true}));
        co_return;
    }
    const Offset to = std::min(agreed, partition->log_end());
    const bool is_known = to == common.end && own.epoch == common.epoch && next_epoch.value >= 0;
    const int64_t records = partition->log_end() - to;
    const std::string reason =
        fmt::format("the leader of epoch {} has epoch {} up to {}", epoch.value, common.epoch.value, common.end.value);
    if (records > 0) {
        spdlog::warn("partition {}: {} records from offset {} on go to the graveyard: {}", shard_.label(identity),
                     records, to.value, reason);
    }
    std::optional<Epoch> next;
    if (is_known) next = next_epoch;
    Result<void> done = co_await partition->cut(to, next, epoch, reason);
    if (done.ok()) {
        ++owner_->counters().cuts;
        owner_->counters().records_cut += static_cast<uint64_t>(records);
    } else if (done.error().code != ErrorCode::fenced_leader_epoch) {
        note(identity, fmt::format("the cut at {} failed: {}", to.value, describe(done.error())));
    }
    if (is_wanted(identity, epoch)) {
        scope_.spawn(take_place(identity, epoch, {done.ok() ? Duration() : problem_pause, false}));
    }
}

// A member of a tier is counted on for what it has: it is not thrown away because a leader says so. What lies before
// the leader's log start was removed by right.
bool FollowerSession::may_restart(const PartitionIdentity& identity, Offset log_start) const {
    const PartitionRecord* record = shard_.find_record(identity);
    const Partition* partition = shard_.find(identity);
    if (record == nullptr || partition == nullptr) return false;
    if (partition->log()->last_epoch().value < 0 || partition->log_end() <= log_start) return true;
    const BrokerId self = shard_.self();
    return !contains(record->in_sync, self) && !contains(record->holders, self) && !contains(record->durable, self);
}

Task<void> FollowerSession::restart(PartitionIdentity identity, Epoch epoch, log::Log::ReplicaStart start) {
    Partition* partition = shard_.find(identity);
    if (partition == nullptr || partition->log() == nullptr || !is_wanted(identity, epoch)) co_return;
    Gate::Holder inside = partition->use();
    Duration pause = problem_pause;
    if (!may_restart(identity, start.log_start)) {
        const std::string problem =
            "the leader does not have what this log needs next, and this replica is one that "
            "may be appointed";
        const PartitionRecord* record = shard_.find_record(identity);
        const bool is_needed = record == nullptr || !shard_.may_another_lead(*record);
        // It is replaced as a damaged one is: taken out of the tiers first, and only if somebody else has the right.
        if (!is_needed) partition->fail_damaged(problem);
        note(identity, problem + (is_needed ? "; nothing was changed" : ""));
    } else {
        const Offset base = start.base;
        Result<void> done = co_await partition->restart(std::move(start), epoch, "the leader's log starts behind it");
        if (done.ok()) {
            ++owner_->counters().restarts;
            pause = Duration();
            spdlog::info("partition {}: begun anew at offset {}", shard_.label(identity), base.value);
        } else {
            note(identity, fmt::format("beginning anew failed: {}", describe(done.error())));
        }
    }
    if (is_wanted(identity, epoch)) scope_.spawn(take_place(identity, epoch, {pause, false}));
}

// Stored before it is acknowledged, and before anything goes.
Task<void> FollowerSession::follow_start(PartitionIdentity identity, Offset log_start) {
    Partition* partition = shard_.find(identity);
    if (partition == nullptr || partition->log() == nullptr) co_return;
    Gate::Holder inside = partition->use();
    if (log_start <= partition->log_start()) co_return;
    Result<void> done = co_await partition->log()->delete_before(log_start);
    if (!done.ok()) note(identity, fmt::format("the log's start could not be moved: {}", describe(done.error())));
    if (is_over_) co_return;
    auto wish = wishes_.find(identity);
    Place* place = wish == wishes_.end() ? nullptr : find(wish->second.handle);
    if (place == nullptr || !place->has_agreed) co_return;
    acks_due_.insert(wish->second.handle);
    due_.set();
}

}  // namespace ironbark::broker
