#pragma once
// How a cluster begins. A blank voter among several waits until the cluster forms: the configured voter with the lowest
// id coordinates. It asks all others for their state; when all are reachable, have the same voters configured, and are
// blank, it sends each of them the membership, and forms itself last. A sole voter forms at once.
//
// The cluster's id is a hash of the voters' ids and directories, each of which is random and was made together with its
// voter. So forming the same voters again gives the same cluster, and there is no step at which a crash does harm:
//
//   some were told, and the coordinator died   started again it finds them in the very cluster that it would form, and
//                                              tells the others. Or one of them stands for election meanwhile: a blank
//                                              voter grants votes to one that names it in its membership, and gets the
//                                              first entry, as every other, from the leader (Core::is_acceptable)
//   a message is carried out late, after that  it says the same
//   one that was told lost its disk            its directory is new, and makes another cluster of it: it waits, and is
//                                              told about `replace-voter`; the others go on if they are a majority
//   one that was told lost power before that   it is blank, as if it had not been told
//   was durable
//
// There are no two coordinators: who has other voters configured is refused by all.
//
// Belongs to the driver's executor.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "broker/peer/links.h"
#include "broker/voter/driver.h"
#include "runtime/rpc/service.h"

namespace ironbark::peer {

// What a voter says of itself.
struct VoterState {
    consensus::Voter voter;
    Uuid cluster;                     // zero: blank
    std::vector<int32_t> configured;  // ids
    bool is_stopped = false;          // its storage has failed
};

// What the coordinator, or whoever waits for it, knows about another voter.
struct VoterReport {
    PeerVoter voter;
    std::optional<VoterState> state;
    std::string problem;  // why there is no state
};

struct FormingDecision {
    std::optional<consensus::Membership> form;  // by the coordinator, now
    std::string notice;                         // whom this voter misses, and why; empty: nothing to say
};

// REQUIRES: `self` is blank; a report for each other configured voter, in order of their ids. Pure.
FormingDecision decide(const VoterState& self, const std::vector<VoterReport>& others);

// The id of the cluster that these voters form. Pure.
Uuid cluster_of(const std::vector<consensus::Voter>& voters);

struct FormingSettings {
    consensus::Voter self;                       // with the directory of its store
    std::vector<PeerVoter> voters;               // as configured, this one included, in order of their ids
    std::function<void(std::string)> on_notice;  // for people, when it changes; empty: nothing is missing any more
};

class Forming {
  public:
    // Driver and links outlive it.
    Forming(World& world, consensus::Driver& driver, PeerLinks& links, FormingSettings settings);

    // Suspends until this voter belongs to a cluster, its storage has failed, or the driver is closed (the links are to
    // be closed then, too).
    Task<void> run();

    // For the rpc::Handler, also after `run` has ended.
    rpc::Response answer_voter_state() const;
    rpc::Response answer_form_cluster(const rpc::Session& session, const rpc::Request& request);

  private:
    VoterState state() const;
    bool is_waiting() const;
    Task<VoterReport> ask(PeerVoter voter);
    Task<bool> tell_others(consensus::Membership membership);
    Result<void> accept(const rpc::Session& session, consensus::Membership membership);
    void notice(std::string text);

    World& world_;
    consensus::Driver& driver_;
    PeerLinks& links_;
    FormingSettings settings_;
    std::string last_notice_;
};

}  // namespace ironbark::peer
