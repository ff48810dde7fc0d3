#include "broker/peer/forming.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>
#include <utility>

#include "runtime/base/encoding.h"
#include "runtime/rpc/convert.h"
#include "wire/controller_generated.h"

namespace ironbark::peer {
namespace {

using consensus::Membership;
using consensus::Voter;
using consensus::VoterId;

// Long enough for an attempt to connect, and its reason if it fails.
constexpr Duration answer_time_max = 1s;
// Between two rounds of questions: nobody minds so long when a cluster begins.
constexpr Duration round_interval = 200ms;

constexpr Error not_the_coordinator(ErrorCode::permission_denied,
                                    "a cluster is formed by the voter with the lowest id of controller.voters, and "
                                    "that is another one here; set the same controller.voters on all of them");
constexpr Error not_this_cluster(ErrorCode::invalid_request,
                                 "this is no cluster of the voters in controller.voters with this one among them");
constexpr Error formed_already(ErrorCode::foreign_data, "this voter belongs to another cluster");
constexpr Error has_stopped(ErrorCode::storage_error, "this voter's storage has failed");

std::string join(const std::vector<std::string>& parts) {
    std::string text;
    for (size_t at = 0; at < parts.size(); ++at) {
        if (at > 0) text += at + 1 == parts.size() ? " and " : ", ";
        text += parts[at];
    }
    return text;
}

std::vector<int32_t> ids_of(const std::vector<PeerVoter>& voters) {
    std::vector<int32_t> ids;
    for (const PeerVoter& voter : voters) ids.push_back(voter.id.value);
    return ids;
}

std::vector<int32_t> ids_of(const std::vector<Voter>& voters) {
    std::vector<int32_t> ids;
    for (const Voter& voter : voters) ids.push_back(voter.id.value);
    return ids;
}

// What keeps a voter out of a cluster by itself; empty if nothing does.
std::string problem_of(const VoterReport& report, const VoterState& self) {
    if (!report.state) return report.problem;
    if (report.state->voter.id != report.voter.id) return "another voter answers there";
    if (report.state->configured != self.configured) {
        return fmt::format("its controller.voters are {}, here they are {}", fmt::join(report.state->configured, ", "),
                           fmt::join(self.configured, ", "));
    }
    if (report.state->is_stopped) return "its storage has failed: see its log";
    return {};
}

// Of all configured voters, if all are known.
std::optional<Membership> membership_of(const VoterState& self, const std::vector<VoterReport>& others) {
    Membership membership;
    membership.voters.push_back(self.voter);
    for (const VoterReport& other : others) {
        if (!problem_of(other, self).empty()) return std::nullopt;
        membership.voters.push_back(other.state->voter);
    }
    std::sort(membership.voters.begin(), membership.voters.end());
    membership.cluster = cluster_of(membership.voters);
    return membership;
}

// A majority that goes on without this voter: the cluster, and who is in it.
struct Majority {
    Uuid cluster;
    std::vector<std::string> members;
};
std::optional<Majority> find_majority(const VoterState& self, const std::vector<VoterReport>& others) {
    for (const VoterReport& one : others) {
        if (!one.state || one.state->cluster.is_zero()) continue;
        Majority majority;
        majority.cluster = one.state->cluster;
        for (const VoterReport& other : others) {
            const bool is_in = other.state && other.state->cluster == majority.cluster;
            if (is_in) majority.members.push_back(std::to_string(other.voter.id.value));
        }
        if (majority.members.size() * 2 > self.configured.size()) return majority;
    }
    return std::nullopt;
}

std::string left_out_notice(const VoterState& self, const Majority& majority, bool is_certain) {
    const int32_t id = self.voter.id.value;
    std::string way_out = fmt::format("ironbark controller replace-voter {}", id);
    return fmt::format("this voter ({}) has an empty data directory, and voters {} belong to cluster {}. {}: {}", id,
                       join(majority.members), majority.cluster.to_string(),
                       is_certain ? "They know another data directory of it; admit this one with"
                                  : "It waits for their leader. If its disk was replaced, admit it with",
                       way_out);
}

Result<Membership> read(const wire::Membership* from) {
    Membership membership;
    if (from == nullptr || from->voters() == nullptr || from->leaving() != nullptr) return not_this_cluster;
    if (from->voters()->size() > consensus::voters_max) return not_this_cluster;
    membership.cluster = rpc::from_wire(from->cluster());
    for (const wire::Voter* voter : *from->voters()) {
        membership.voters.push_back({VoterId(voter->id()), rpc::from_wire(voter->directory())});
    }
    return membership;
}

rpc::Metadata form_request(const Membership& membership) {
    flatbuffers::FlatBufferBuilder builder(512);
    std::vector<flatbuffers::Offset<wire::Voter>> voters;
    for (const Voter& voter : membership.voters) {
        wire::Uuid directory = rpc::to_wire(voter.directory);
        voters.push_back(wire::CreateVoter(builder, voter.id.value, &directory));
    }
    auto list = builder.CreateVector(voters);
    wire::Uuid cluster = rpc::to_wire(membership.cluster);
    auto written = wire::CreateMembership(builder, &cluster, list);
    return rpc::finish(builder, wire::CreateFormClusterRequest(builder, written));
}

// The list is cut, so that a long one says that it is another one and no more.
VoterState read(const wire::VoterStateResponse& from) {
    VoterState state;
    if (from.voter() != nullptr) {
        state.voter = {VoterId(from.voter()->id()), rpc::from_wire(from.voter()->directory())};
    }
    state.cluster = rpc::from_wire(from.cluster());
    if (from.configured_voters() != nullptr) {
        for (int32_t id : *from.configured_voters()) {
            if (state.configured.size() > consensus::voters_max) break;
            state.configured.push_back(id);
        }
    }
    state.is_stopped = from.is_stopped();
    return state;
}

}  // namespace

Uuid cluster_of(const std::vector<Voter>& voters) {
    Encoder encoder;
    encoder.text("ironbark cluster 1");
    for (const Voter& voter : voters) {
        encoder.number(voter.id.value);
        encoder.uuid(voter.directory);
    }
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    const int is_made = EVP_Digest(encoder.bytes().data(), encoder.size(), digest, &size, EVP_sha256(), nullptr);
    ASSERT(is_made == 1 && size >= 2 * sizeof(uint64_t));
    return Uuid::from_words(load_le<uint64_t>(digest), load_le<uint64_t>(digest + sizeof(uint64_t)));
}

FormingDecision decide(const VoterState& self, const std::vector<VoterReport>& others) {
    FormingDecision decision;
    const std::optional<Membership> membership = membership_of(self, others);
    if (membership && !membership->is_valid()) {
        decision.notice =
            "two of the voters have the same voter UUID, so one data directory is a copy of another's: stop that "
            "daemon, give it an empty data directory, and start it again";
        return decision;
    }
    const std::optional<Majority> majority = find_majority(self, others);
    if (majority && !(membership && majority->cluster == membership->cluster)) {
        decision.notice = left_out_notice(self, *majority, membership.has_value());
        return decision;
    }
    std::vector<std::string> missing;
    for (const VoterReport& other : others) {
        std::string problem = problem_of(other, self);
        const bool is_formed = problem.empty() && !other.state->cluster.is_zero();
        if (is_formed && !membership) {
            problem = fmt::format("it belongs to cluster {} already", other.state->cluster.to_string());
        } else if (is_formed && other.state->cluster != membership->cluster) {
            problem = fmt::format("it has the log of another cluster, {}: an old data directory?",
                                  other.state->cluster.to_string());
        }
        if (problem.empty()) continue;
        missing.push_back(fmt::format("{} ({}: {})", other.voter.id.value, other.voter.address.to_string(), problem));
    }
    if (!missing.empty()) {
        decision.notice = fmt::format("waiting for voter{} {}", missing.size() > 1 ? "s" : "", join(missing));
    } else if (self.voter == membership->voters.front()) {
        decision.form = membership;
    }
    return decision;
}

Forming::Forming(World& world, consensus::Driver& driver, PeerLinks& links, FormingSettings settings)
    : world_(world), driver_(driver), links_(links), settings_(std::move(settings)) {
    auto is_before = [](const PeerVoter& left, const PeerVoter& right) { return left.id < right.id; };
    ASSERT(std::is_sorted(settings_.voters.begin(), settings_.voters.end(), is_before));
    ASSERT(std::any_of(settings_.voters.begin(), settings_.voters.end(),
                       [this](const PeerVoter& voter) { return voter.id == settings_.self.id; }));
}

bool Forming::is_waiting() const {
    const consensus::Status status = driver_.status();
    return status.cluster.is_zero() && status.role != consensus::Role::stopped;
}

Task<void> Forming::run() {
    while (is_waiting()) {
        std::vector<Task<VoterReport>> questions;
        for (const PeerVoter& voter : settings_.voters) {
            if (voter.id != settings_.self.id) questions.push_back(ask(voter));
        }
        std::vector<VoterReport> others = co_await all(world_.executor, std::move(questions));
        if (!is_waiting()) break;
        FormingDecision decision = decide(state(), others);
        bool is_told = true;
        if (decision.form) {
            is_told = co_await tell_others(*decision.form);
            if (is_told && is_waiting()) driver_.form(*decision.form);
        }
        if (is_told) notice(std::move(decision.notice));
        if (!is_waiting()) break;
        Wake wake = co_await driver_.wait_for_change(world_.executor.now() + round_interval);
        if (wake == Wake::closed) co_return;
    }
    notice({});
}

Task<VoterReport> Forming::ask(PeerVoter voter) {
    rpc::Metadata request = voter_state_request();
    std::vector<BufferSlice> nothing;
    const Instant deadline = world_.executor.now() + answer_time_max;
    rpc::CallResult result =
        co_await links_.call(voter.id, rpc::Method::voter_state, std::move(request), std::move(nothing), deadline);
    VoterReport report;
    report.voter = std::move(voter);
    if (!result.ok()) {
        report.problem = describe(result.error);
    } else if (result.as<wire::VoterStateResponse>().error() != nullptr) {
        report.problem = rpc::from_wire(result.as<wire::VoterStateResponse>().error()->hint());
        if (report.problem.empty()) report.problem = "it does not say why";
    } else {
        report.state = read(result.as<wire::VoterStateResponse>());
    }
    co_return report;
}

// One after the other: whoever was not told yet, if this daemon dies in between, is blank.
Task<bool> Forming::tell_others(Membership membership) {
    for (const PeerVoter& voter : settings_.voters) {
        if (voter.id == settings_.self.id) continue;
        rpc::Metadata request = form_request(membership);
        std::vector<BufferSlice> nothing;
        const Instant deadline = world_.executor.now() + answer_time_max;
        rpc::CallResult result =
            co_await links_.call(voter.id, rpc::Method::form_cluster, std::move(request), std::move(nothing), deadline);
        std::string problem;
        if (!result.ok()) {
            problem = describe(result.error);
        } else if (const auto* error = result.as<wire::FormClusterResponse>().error()) {
            problem = rpc::from_wire(error->hint());
        } else {
            continue;
        }
        notice(fmt::format("the cluster is not formed: voter {} ({}: {})", voter.id.value, voter.address.to_string(),
                           problem));
        co_return false;
    }
    co_return true;
}

VoterState Forming::state() const {
    const consensus::Status status = driver_.status();
    VoterState state;
    state.voter = settings_.self;
    state.cluster = status.cluster;
    state.configured = ids_of(settings_.voters);
    state.is_stopped = status.role == consensus::Role::stopped;
    return state;
}

rpc::Response Forming::answer_voter_state() const {
    const consensus::Status status = driver_.status();
    const VoterState mine = state();
    flatbuffers::FlatBufferBuilder builder(256);
    wire::Uuid directory = rpc::to_wire(mine.voter.directory);
    wire::Uuid cluster = rpc::to_wire(mine.cluster);
    auto voter = wire::CreateVoter(builder, mine.voter.id.value, &directory);
    auto configured = builder.CreateVector(mine.configured);
    rpc::Response response;
    response.metadata = rpc::finish(
        builder, wire::CreateVoterStateResponse(builder, 0, voter, mine.cluster.is_zero() ? nullptr : &cluster,
                                                configured, status.term.value, status.last.value, mine.is_stopped));
    return response;
}

rpc::Response Forming::answer_form_cluster(const rpc::Session& session, const rpc::Request& request) {
    Result<Membership> membership = read(request.as<wire::FormClusterRequest>().membership());
    Result<void> accepted;
    if (!membership.ok()) accepted = membership.error();
    if (membership.ok()) accepted = accept(session, std::move(membership).value());
    flatbuffers::FlatBufferBuilder builder(256);
    flatbuffers::Offset<wire::ErrorInfo> error;
    if (!accepted.ok()) {
        auto hint = builder.CreateString(accepted.error().text);
        const auto code = static_cast<int16_t>(accepted.error().code);
        error = wire::CreateErrorInfo(builder, code, wire::Outcome::not_written, hint);
    }
    rpc::Response response;
    response.metadata = rpc::finish(builder, wire::CreateFormClusterResponse(builder, error));
    return response;
}

// Forms, unless this voter has done so already: the id stands for the voters.
Result<void> Forming::accept(const rpc::Session& session, Membership membership) {
    const PeerIdentity* peer = peer_of(session);
    const bool is_coordinator = peer != nullptr && peer->node == settings_.voters.front().id.value;
    if (!is_coordinator) return not_the_coordinator;
    const bool is_ours = membership.is_valid() && membership.contains(settings_.self) &&
                         ids_of(membership.voters) == ids_of(settings_.voters) &&
                         membership.cluster == cluster_of(membership.voters);
    if (!is_ours) return not_this_cluster;
    const consensus::Status status = driver_.status();
    if (status.role == consensus::Role::stopped) return has_stopped;
    if (status.cluster == membership.cluster) return {};
    if (!status.cluster.is_zero()) return formed_already;
    driver_.form(std::move(membership));
    return {};
}

void Forming::notice(std::string text) {
    if (text == last_notice_) return;
    last_notice_ = text;
    settings_.on_notice(std::move(text));
}

}  // namespace ironbark::peer
