#pragma once
// What clients ask for: one handler per shard, one file per family of requests (produce, fetch, offsets, topics, node).
// A handler runs on the thread of its connection; what it needs of other shards it asks for in one message.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/control/executed.h"
#include "broker/service/limits.h"
#include "broker/service/wish.h"
#include "broker/shard.h"
#include "runtime/rpc/convert.h"
#include "runtime/rpc/handshake.h"
#include "runtime/rpc/service.h"
#include "wire/client_generated.h"

namespace ironbark::broker {

class Control;
struct ControllerCall;

// What all handlers of a broker know. Immutable once serving has begun; `control` belongs to a thread of its own.
struct BrokerFacts {
    Config config;
    rpc::ServerIdentity identity;
    peer::PeerIdentity peer_identity;  // for other daemons
    Uuid directory;
    std::string version;
    std::string io_world;
    std::string io_reason;
    Timestamp started;
    std::vector<Shard*> shards;
    Control* control = nullptr;
    bool direct_io = false;
};

class ClientService final : public rpc::Handler {
  public:
    ClientService(const BrokerFacts* facts, Shard* shard) : facts_(*facts), shard_(*shard) {}

    Task<rpc::Response> handle(rpc::Session& session, rpc::Request request) override;

  private:
    rpc::ServerIdentity identity() const;
    Task<rpc::Response> dispatch(rpc::Session* session, rpc::Request request);
    Task<rpc::Response> metadata(rpc::Request request);
    Task<rpc::Response> create_topic(rpc::Request request);
    Task<rpc::Response> delete_topic(rpc::Request request);
    Task<rpc::Response> alter_topic(rpc::Request request);
    Task<rpc::Response> add_partitions(rpc::Request request);
    Task<rpc::Response> describe_topic(rpc::Request request);
    Task<rpc::Response> topic_options(rpc::Request request);
    Task<rpc::Response> produce(rpc::Request request);
    Task<rpc::Response> fetch(rpc::Session* session, rpc::Request request);
    Task<Wake> wait_for_change(Event* changed, Instant deadline, const rpc::Session* session);
    Task<rpc::Response> list_offsets(rpc::Request request);
    Task<rpc::Response> delete_records(rpc::Request request);
    Task<rpc::Response> allocate_producer_id(rpc::Request request);
    Task<rpc::Response> describe_node(rpc::Request request);
    Task<rpc::Response> describe_cluster(rpc::Request request);
    Task<rpc::Response> cluster_events(rpc::Session* session, rpc::Request request);
    Task<rpc::Response> replace_voter(rpc::Request request);
    Task<rpc::Response> move_leaders(rpc::Request request);
    Task<rpc::Response> elect_leader(rpc::Request request);
    Task<rpc::Response> set_failover(rpc::Request request);
    Task<rpc::Response> move_replicas(rpc::Request request);

    struct SettingsChange {
        std::map<std::string, std::string> set;
        std::vector<std::string> reset;
    };
    // Executes a metadata command on its owner's thread and waits until every shard has followed.
    // What became of a command, which is repeated while nobody knows: so it must do no harm twice. `was_repeated`: a
    // refusal may be due to an attempt before.
    struct Execution {
        Executed executed;
        bool was_repeated = false;
    };
    // Suspends until it is committed, and every shard of this broker has taken over what it changed.
    Task<Execution> execute(Command command, int32_t timeout_ms);
    Task<void> wait_for_update(int64_t version, Instant deadline);
    // Asks the active controller, on the control thread.
    Task<rpc::CallResult> ask_controller(ControllerCall call, Instant deadline);
    Task<Execution> change_settings(Uuid topic, SettingsChange change, int32_t timeout_ms);
    Task<Execution> place_and_create(TopicRecord topic, int32_t partitions, int32_t replicas, int32_t timeout_ms);
    Timestamp now() const { return Timestamp(shard_.executor().wall_milliseconds()); }
    Shard& shard_of(const PartitionIdentity& identity) const;
    std::shared_ptr<const TopicRecord> find_topic(const flatbuffers::String* name, const wire::Uuid* id) const;
    // Whose the wish is; refused if there is no such topic.
    template <typename Asked>
    void find_partition(PartitionWish& wish, const Asked& asked) const {
        wish.topic = find_topic(asked.topic(), asked.topic_id());
        wish.partition = PartitionIndex(asked.partition());
        if (wish.topic == nullptr) wish.refuse(ErrorCode::unknown_topic_or_partition, "there is no such topic");
    }

    const BrokerFacts& facts_;
    Shard& shard_;
};

// The error for a request that names none or too many partitions, if it does.
Error check_partition_count(size_t count);

// An ErrorInfo for an answer; none (a null offset) for ErrorCode::none. An answer that is long already has no more
// hints. `leader`: who leads the partition that the error is about, where the one who asked is to go there.
flatbuffers::Offset<wire::ErrorInfo> error_info(flatbuffers::FlatBufferBuilder& builder,
                                                const Error& error,
                                                Outcome outcome = Outcome::not_written,
                                                std::string_view hint = {},
                                                KnownLeader leader = {});

// An error whose text has values in it: the answer's own ErrorInfo carries it.
rpc::Response refuse(ErrorCode code, const std::string& hint, Outcome outcome = Outcome::not_written);
// A command that is refused changes nothing; one that nobody has answered may yet be carried out.
rpc::Response refuse(const Executed& executed);
// What another daemon has refused.
rpc::Response pass_on(const rpc::CallResult& result);

}  // namespace ironbark::broker
