#include "broker/replication/leader_sessions.h"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "broker/replication/leader_session.h"
#include "broker/shard.h"
#include "runtime/rpc/respond.h"

namespace ironbark::broker {
namespace {

// Of one partition in one answer, so that one that catches up leaves room for the others.
constexpr size_t share_bytes_max = size_t{256} << 10;
// A stream of the tail may be so far behind; beyond it what is on disk only comes by the other lane.
constexpr size_t behind_bytes_max = size_t{1} << 20;
constexpr size_t behind_tail_share = 16;  // and at most this part of the memory for tails
constexpr int64_t throttled_shares = 8;   // in a second
constexpr size_t throttled_share_min = size_t{4} << 10;
constexpr size_t batches_max = 4'000;  // in one answer

ReplicaMarks marks_of(const Partition& partition) {
    return {partition.high_watermark(), partition.durable_watermark(), partition.log_start(), partition.sync_to(),
            partition.memory_to()};
}

}  // namespace

struct LeaderSessions::Answer {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ReplicaBatch>> batches;
    std::vector<BufferSlice> payload;
    size_t size = 0;
};

LeaderSessions::LeaderSessions(Shard& shard) : shard_(shard) {}
LeaderSessions::~LeaderSessions() = default;

void LeaderSessions::stop() {
    is_stopping_ = true;
    for (auto& [who, session] : sessions_) session->end();
}

// The newest one; older ones end when it begins. Null: `from` is not the newest.
std::shared_ptr<LeaderSession> LeaderSessions::session_of(const FollowerSessionId& from) {
    std::shared_ptr<LeaderSession>& known = sessions_[{from.broker, from.shard, from.lane}];
    const auto rank = [](const FollowerSessionId& each) { return std::pair(each.incarnation, each.number); };
    if (known != nullptr && rank(known->from) == rank(from)) return known;
    if (known != nullptr && rank(known->from) > rank(from)) return nullptr;
    if (known != nullptr) {
        std::vector<uint32_t> handles;
        for (const auto& [handle, stream] : known->streams) handles.push_back(handle);
        for (uint32_t handle : handles) end_stream(*known, handle);
        known->end();
    }
    known = std::make_shared<LeaderSession>(shard_.executor(), from);
    return known;
}

void LeaderSessions::end_stream(LeaderSession& session, uint32_t handle) {
    auto found = session.streams.find(handle);
    if (found == session.streams.end()) return;
    if (Partition* partition = shard_.find(found->second.identity)) {
        partition->unwatch(found->second.watch);
    }
    session.was_told(handle);
    session.streams.erase(found);
}

void LeaderSessions::begin_stream(const std::shared_ptr<LeaderSession>& session, const ReplicaPosition& position) {
    end_stream(*session, position.handle);
    ReplicaStream& stream = session->streams[position.handle];
    stream.identity = position.identity;
    stream.epoch = position.leader_epoch;
    stream.membership = position.membership;
    stream.next = position.log_end;
    Partition* partition = shard_.find(position.identity);
    if (partition == nullptr) {
        stream.refusal = shard_.why_not_here(position.identity);
        stream.kind = wire::ReplicaAnswer::refused;
    } else if (Error wrong = partition->check_epoch(position.leader_epoch.value); wrong.code != ErrorCode::none) {
        stream.refusal = wrong;
        stream.kind = wire::ReplicaAnswer::refused;
    } else if (const Leadership* leadership = partition->leadership();
               leadership != nullptr && !leadership->replicas.counts(session->from.broker, position.membership)) {
        // It has become a replica, or was emptied, and the news of that are still on their way here; or there.
        stream.refusal = {ErrorCode::unknown_leader_epoch, "this leader does not know the follower as that replica"};
        stream.kind = wire::ReplicaAnswer::refused;
    } else {
        compare(*partition, position, stream);
    }
    if (stream.kind == wire::ReplicaAnswer::records) {
        partition->replica_matched({session->from.broker, session->from.incarnation, position.membership},
                                   position.log_end);
        std::weak_ptr<LeaderSession> weak = session;
        const uint32_t handle = position.handle;
        stream.watch = partition->watch([this, weak, handle] {
            if (std::shared_ptr<LeaderSession> alive = weak.lock()) look_at(*alive, handle);
        });
    }
    session->make_due(position.handle);
}

// The partition has moved, or something of it.
void LeaderSessions::look_at(LeaderSession& session, uint32_t handle) {
    auto found = session.streams.find(handle);  // a partition that is being removed tells of itself to the end
    if (found == session.streams.end() || found->second.is_due) return;
    ReplicaStream& stream = found->second;
    const Partition* partition = shard_.find(stream.identity);
    const bool is_led = partition != nullptr && partition->leads() && partition->leader_epoch() == stream.epoch;
    if (stream.is_paused) {
        if (is_led && partition->throttle_of(session.from.broker) == stream.throttle) return;
        stream.is_paused = false;
        stream.next_share = {};
    }
    if (!is_led || stream.is_new || stream.next < partition->log_end() ||
        !marks_of(*partition).asks_the_same(stream.told)) {
        session.make_due(handle);
    } else if (marks_of(*partition) != stream.told) {
        session.make_late(handle, shard_.executor().now());
    }
}

// Whether the logs agree up to the follower's end: they do if this log has the follower's last epoch, and it does not
// end before that; for then both have it from one leader. The checksum of the last frame must agree as well: the
// follower compares it with what the next frame says of it, or with this log's own if there is no next frame.
void LeaderSessions::compare(Partition& partition, const ReplicaPosition& position, ReplicaStream& stream) const {
    const log::Log& log = *partition.log();
    const bool is_blank = position.last_epoch.value < 0;
    if (is_blank && position.log_end == Offset() && log.log_start() == Offset()) return;
    const log::Log::EpochEnd common = log.end_of_epoch(position.last_epoch);
    const bool may_follow = is_blank || (common.epoch == position.last_epoch && position.log_end <= common.end);
    if (may_follow && position.log_end < log.log_start()) {
        stream.checksum_before_start = position.checksum;
        return;
    }
    // Without a common epoch they differ from the first record on; the first one that is here may not be that.
    const bool has_its_beginning = common.epoch.value >= 0 || log.log_start() == Offset();
    if (is_blank || !has_its_beginning || common.end < log.log_start()) {
        stream.kind = wire::ReplicaAnswer::restart;
        return;
    }
    if (common.epoch == position.last_epoch && position.log_end <= common.end) {
        if (position.log_end == log.log_end() && position.checksum != log.last_checksum()) {
            stream.kind = wire::ReplicaAnswer::refused;
            stream.refusal = {ErrorCode::corrupt_data, "the logs differ, and by their epochs they must not"};
        }
        return;
    }
    stream.kind = wire::ReplicaAnswer::diverged;
    stream.diverged = common;
    for (const log::EpochStart& each : log.epoch_starts()) {
        if (each.epoch > common.epoch && each.start == common.end) {
            stream.next_epoch = each.epoch;
            break;
        }
    }
}

void LeaderSessions::take_acks(LeaderSession& session, const std::vector<ReplicaAck>& acks) {
    for (const ReplicaAck& ack : acks) {
        auto found = session.streams.find(ack.handle);
        if (found == session.streams.end() || found->second.kind != wire::ReplicaAnswer::records) continue;
        if (found->second.epoch != ack.leader_epoch) continue;
        Partition* partition = shard_.find(found->second.identity);
        if (partition == nullptr || !partition->leads() || partition->leader_epoch() != ack.leader_epoch) continue;
        const ReplicaLife who{session.from.broker, session.from.incarnation, found->second.membership};
        partition->replica_acknowledged(who, ack.ends);
    }
}

void LeaderSessions::take_acks(const FollowerSessionId& from, const std::vector<ReplicaAck>& acks) {
    if (is_stopping_) return;
    if (std::shared_ptr<LeaderSession> session = session_of(from)) take_acks(*session, acks);
}

Task<rpc::Response> LeaderSessions::replicate(ReplicateCall call, int32_t shards) {
    static constexpr Error stopping(ErrorCode::cancelled, "this broker is stopping");
    static constexpr Error is_over(ErrorCode::stale_broker_epoch, "a later session has taken this one's place");
    if (is_stopping_) co_return rpc::error_response(stopping, Outcome::not_written);
    std::shared_ptr<LeaderSession> session = session_of(call.from);
    if (session == nullptr) co_return rpc::error_response(is_over, Outcome::not_written);
    is_full_[call.from.broker] = call.is_full;
    for (uint32_t handle : call.left) end_stream(*session, handle);
    take_acks(*session, call.acks);
    for (const ReplicaPosition& position : call.positions) begin_stream(session, position);
    call.positions.clear();
    std::optional<Units> turn = co_await session->turn.lock(call.deadline);
    Answer answer;
    while (turn && !session->is_over) {
        const Instant now = shard_.executor().now();
        session->look_at_times(now);
        if (!session->due.empty()) answer = co_await gather(session, call.bytes_max);
        if (!answer.batches.empty() || now >= call.deadline) break;
        session->changed.reset();
        if (!session->due.empty()) continue;
        (void)co_await session->changed.wait(std::min(call.deadline, session->next_look()));
    }
    if (session->is_over) co_return rpc::error_response(is_stopping_ ? stopping : is_over, Outcome::not_written);
    const uint64_t number = answer.batches.empty() ? 0 : ++session->answers;
    rpc::Response response = rpc::respond(
        answer.builder, wire::CreateReplicateResponseDirect(answer.builder, 0, shards, number, &answer.batches));
    response.payload = std::move(answer.payload);
    shard_.metrics().replication_bytes_out += answer.size;
    co_return response;
}

// What is due, a share of each in turn, up to the limit.
Task<LeaderSessions::Answer> LeaderSessions::gather(std::shared_ptr<LeaderSession> session, size_t bytes_max) {
    Answer answer;
    const size_t share = std::min(share_bytes_max, bytes_max);
    while (!session->due.empty() && !session->is_over) {
        if (answer.size > bytes_max || answer.batches.size() >= batches_max) break;
        const uint32_t handle = session->due.front();
        session->due.pop_front();
        auto found = session->streams.find(handle);
        if (found == session->streams.end()) continue;
        found->second.is_due = false;
        if (found->second.next_share > shard_.executor().now()) {
            session->pause(handle);
            continue;
        }
        const bool has_more = co_await add(session.get(), handle, share, &answer);
        if (has_more) session->make_due(handle);
    }
    co_return answer;
}

// Whether these frames, read from the log's start on, are what the follower has to get next.
bool LeaderSessions::goes_on(const log::ReadFrames& frames, const log::Log& log, const ReplicaStream& stream) {
    if (frames.slices.empty()) return false;
    Result<record::FrameView> first = record::parse_header(frames.slices.front().bytes(), log.seed());
    if (!first.ok() || first->header.base_offset != stream.next) return false;
    return !stream.checksum_before_start || *stream.checksum_before_start == first->header.chain;
}

// On the tail's lane: what is missing lies on disk only, and is more than a little; or whoever catches up is to be
// throttled. On the other one: nothing of that is so any more.
bool LeaderSessions::belongs_elsewhere(const Partition& partition,
                                       const LeaderSession& session,
                                       const ReplicaStream& stream) const {
    const bool has_everything = stream.next >= partition.log_end();
    const bool is_in_memory = stream.next >= partition.log()->first_in_memory();
    if (session.from.lane == wire::ReplicaLane::catch_up) {
        return !stream.is_new && (has_everything || (is_in_memory && stream.throttle == 0));
    }
    const bool is_throttled = stream.throttle > 0 && !stream.has_caught_up;
    const size_t behind_max = std::min(behind_bytes_max, shard_.tail_bytes_max() / behind_tail_share);
    return !has_everything && stream.behind >= behind_max && (!is_in_memory || is_throttled);
}

// Whether there is more to say of it at once.
Task<bool> LeaderSessions::add(LeaderSession* session, uint32_t handle, size_t bytes_max, Answer* answer) {
    ReplicaStream stream = session->streams.at(handle);
    Partition* partition = shard_.find(stream.identity);
    const bool is_led = partition != nullptr && partition->leads() && partition->leader_epoch() == stream.epoch;
    if (stream.kind != wire::ReplicaAnswer::refused && !is_led) {
        stream.kind = wire::ReplicaAnswer::refused;
        stream.refusal = {ErrorCode::not_leader_or_follower, "this broker does not lead the partition in that epoch"};
    }
    std::optional<Gate::Holder> inside;
    if (partition != nullptr) inside.emplace(partition->use());
    if (is_led) stream.throttle = partition->throttle_of(session->from.broker);
    session->streams.at(handle).throttle = stream.throttle;
    if (stream.kind == wire::ReplicaAnswer::records && belongs_elsewhere(*partition, *session, stream)) {
        stream.kind = wire::ReplicaAnswer::other_lane;
    }
    const bool catches_up = session->from.lane == wire::ReplicaLane::catch_up;
    const bool is_throttled = catches_up && stream.throttle > 0;
    if (is_throttled) {
        bytes_max =
            std::min(bytes_max, std::max(throttled_share_min, static_cast<size_t>(stream.throttle / throttled_shares)));
    }
    log::ReadFrames frames;
    if (stream.kind == wire::ReplicaAnswer::records && stream.next < partition->log_end()) {
        // The start may lie within a frame.
        const Offset from = std::max(stream.next, partition->log_start());
        Result<log::ReadFrames> read = co_await partition->log()->read(from, partition->log_end(), bytes_max);
        if (read.ok() && from != stream.next && !goes_on(*read, *partition->log(), stream)) {
            stream.kind = wire::ReplicaAnswer::restart;
        } else if (read.ok()) {
            frames = *std::move(read);
        } else {
            const bool is_removed = read.error().code == ErrorCode::offset_out_of_range;
            stream.kind = is_removed ? wire::ReplicaAnswer::restart : wire::ReplicaAnswer::refused;
            stream.refusal = read.error();
            stream.hint = partition->log()->last_read_problem();
        }
    }
    log::Log::ReplicaStart start;
    if (stream.kind == wire::ReplicaAnswer::restart) {
        Result<log::Log::ReplicaStart> place = co_await partition->log()->replica_start();
        if (place.ok()) start = *std::move(place);
        if (!place.ok()) stream.kind = wire::ReplicaAnswer::refused;
        if (!place.ok()) stream.refusal = place.error();
    }
    auto kept = session->streams.find(handle);  // it may have been left meanwhile
    if (kept == session->streams.end()) co_return false;
    if (stream.kind != wire::ReplicaAnswer::records) {
        add_verdict(handle, stream, start, answer);
        end_stream(*session, handle);
        co_return false;
    }
    if (is_throttled) kept->second.throttle_after(total_size(frames.slices), shard_.executor().now());
    add_records(handle, *partition, std::move(frames), kept->second, answer);
    session->was_told(handle);
    co_return kept->second.next < partition->log_end() || catches_up;
}

void LeaderSessions::add_records(
    uint32_t handle, const Partition& partition, log::ReadFrames frames, ReplicaStream& stream, Answer* answer) {
    const ReplicaMarks marks = marks_of(partition);
    const size_t size = total_size(frames.slices);
    if (size == 0 && !stream.is_new && marks == stream.told) return;
    const Offset end = partition.log_end();
    const uint64_t checksum = stream.next == end ? partition.log()->last_checksum() : 0;
    answer->batches.push_back(wire::CreateReplicaBatch(
        answer->builder, handle, wire::ReplicaAnswer::records, 0, stream.next.value, static_cast<uint32_t>(size),
        marks.high_watermark.value, marks.durable_watermark.value, marks.log_start.value, end.value,
        marks.sync_to.value, -1, -1, -1, checksum, 0, marks.memory_to.value));
    answer->payload.insert(answer->payload.end(), frames.slices.begin(), frames.slices.end());
    answer->size += size;
    stream.is_new = false;
    stream.told = marks;
    if (size > 0) {
        stream.next = frames.next;
        stream.checksum_before_start.reset();
    }
    stream.behind = stream.next < end ? stream.behind + size : 0;
    stream.has_caught_up = stream.has_caught_up || stream.next == end;
}

// What the follower has to do before there can be records.
void LeaderSessions::add_verdict(uint32_t handle,
                                 const ReplicaStream& stream,
                                 const log::Log::ReplicaStart& start,
                                 Answer* answer) {
    flatbuffers::FlatBufferBuilder& builder = answer->builder;
    flatbuffers::Offset<wire::ErrorInfo> error;
    flatbuffers::Offset<wire::ReplicaStart> place;
    size_t size = 0;
    Offset from = stream.next;
    if (stream.kind == wire::ReplicaAnswer::refused) {
        auto hint = builder.CreateString(stream.hint.empty() ? describe(stream.refusal) : stream.hint);
        error =
            wire::CreateErrorInfo(builder, static_cast<int16_t>(stream.refusal.code), wire::Outcome::not_written, hint);
    } else if (stream.kind == wire::ReplicaAnswer::restart) {
        place = wire::CreateReplicaStart(builder, start.base.value, start.chain, start.epoch_before.value);
        from = start.base;
        size = start.producers.size();
        if (size > 0) answer->payload.push_back(shard_.world().buffers.copy_of(start.producers));
    }
    answer->batches.push_back(wire::CreateReplicaBatch(
        builder, handle, stream.kind, error, from.value, static_cast<uint32_t>(size), -1, -1, start.log_start.value, -1,
        -1, stream.diverged.epoch.value, stream.diverged.end.value, stream.next_epoch.value, 0, place));
    answer->size += size;
}

}  // namespace ironbark::broker
