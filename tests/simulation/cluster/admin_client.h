#pragma once
// A program that administers: makes the topics of the plan, then makes, deletes, alters, enlarges and describes topics
// and deletes records, as the seed draws it; in the end it compares what the broker knows with what it was told.

#include <optional>
#include <string>

#include "client/admin_requests.h"
#include "client/router.h"
#include "runtime/task/scope.h"
#include "tests/simulation/cluster/stage.h"

namespace ironbark::simulation {

class AdminClient {
  public:
    AdminClient(World& world, Stage& stage);
    // The topics of the plan are there.
    bool is_ready() const { return is_ready_; }
    bool is_done() const { return is_done_; }

  private:
    using Operation = Task<void> (AdminClient::*)();
    static const Operation operations_[12];  // the last six are for clusters

    Task<void> run();
    Task<rpc::CallResult> call(rpc::Method method, rpc::Metadata metadata);
    Task<bool> create(TopicPlan plan);
    Task<void> create_another();
    Task<void> delete_topic();
    Task<void> add_partitions();
    Task<void> alter();
    Task<void> delete_records();
    Task<void> describe();
    Task<void> move_leader();
    Task<void> balance_leaders();
    Task<void> elect_leader();
    Task<void> set_failover();
    Task<void> keep_automatic();
    Task<void> describe_cluster();
    Task<void> move_replicas();
    Task<void> plan_replicas(ReplicaMove move);
    Task<bool> ask_failover(bool is_manual);
    Task<void> replace_voters();
    Task<void> move_leaders(std::vector<LeaderMove> moves);
    // Nothing is deleted any more: what the readers find at the end is what there is.
    Task<void> end_retention();
    Task<void> check_topics();
    Task<bool> learn_topic(std::string name, std::string id);
    void forget(const std::string& name);
    void note_retention(const KnownTopic& topic);
    KnownTopic* draw_topic();

    World& world_;
    Stage& stage_;
    RandomStream random_;
    client::Router router_;
    uint64_t topics_made_ = 0;
    std::map<std::string, bool> has_retention_;  // by topic: whether it has, or may have had
    bool may_be_manual_ = false;
    bool was_manual_asked_ = false;
    std::optional<ReplicaMove> back_;  // to those that kept the partition before its replicas moved last
    bool is_ready_ = false;
    bool is_done_ = false;
    Scope running_;
};

}  // namespace ironbark::simulation
