#pragma once
// How the controllers of a cluster fare, in words and as JSON: who is active, who answers, how many more may fail, and
// the way out where it is not well.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "ironbark/admin.h"

namespace ironbark::tools {

// Voters are heard of several times a second.
constexpr int64_t voter_silent_ms = 2'000;
// Entries that a voter may lack without a word: one that keeps up lacks what is on its way.
constexpr uint64_t voter_behind_max = 1'000;

enum class VoterRole : uint8_t { active, voter, leaving, joining };
const char* name(VoterRole role);

struct VoterStatus {
    VoterInfo voter;
    VoterRole role = VoterRole::voter;
    bool answers = false;
    uint64_t behind = 0;  // entries of the committed log that it is not known to have
};

struct QuorumStatus {
    std::vector<VoterStatus> voters;
    int32_t active = -1;
    size_t size = 0;       // voters that count
    size_t answering = 0;  // of these
    size_t majority() const { return size / 2 + 1; }
    bool has_majority() const { return answering >= majority(); }
};

// If no controller is active, which voters' daemons answer clients; otherwise nobody is asked.
std::vector<int32_t> answering_voters(Admin& admin, Admin::Timeout patience, const ClusterInfo& cluster);
// `answering`: the above. Only looked at if no controller is active: otherwise that one knows whom it has heard.
QuorumStatus quorum_of(const ClusterInfo& cluster, const std::vector<int32_t>& answering);

// "2 of 3 voters answer; one more may fail", "1 of 3 voters answers: no majority, ...; start one of voter 2 ...".
std::string majority_text(const QuorumStatus& quorum);
// What is wrong and what to do, a line each.
std::vector<std::string> advice(const QuorumStatus& quorum, const ClusterInfo& cluster);

nlohmann::ordered_json to_json(const QuorumStatus& quorum, const ClusterInfo& cluster);
nlohmann::ordered_json to_json(const BrokerInfo& broker);

}  // namespace ironbark::tools
