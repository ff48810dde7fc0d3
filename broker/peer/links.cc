#include "broker/peer/links.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "broker/voter/message_codec.h"
#include "wire/controller_generated.h"

namespace ironbark::peer {
namespace {

using consensus::Message;
using consensus::Payload;
using consensus::VoterId;

constexpr Error no_such_voter(ErrorCode::not_found, "no voter of this id is configured here but this daemon itself");
constexpr Error not_authenticated(ErrorCode::permission_denied, "a message of a daemon that has not proven who it is");
constexpr Error of_somebody_else(ErrorCode::permission_denied, "a message in the name of another daemon");

rpc::ChannelOptions options_for(rpc::ChannelObserver* observer) {
    rpc::ChannelOptions options;
    options.keep_connected = true;
    options.observer = observer;
    options.bytes_max = link_bytes_max;
    options.connect_time_max = connect_time_max;
    options.limits.silence_time_max = silence_time_max;
    return options;
}

// The parts as they lie, or copied together.
std::vector<BufferSlice> slices_of(BufferPool& buffers, const std::vector<Payload>& parts) {
    std::vector<BufferSlice> slices;
    size_t size = 0;
    for (const Payload& part : parts) size += part->size();
    if (size == 0) return slices;
    if (size > copied_bytes_max) {
        for (const Payload& part : parts) {
            if (part->empty()) continue;
            // Nobody writes to what is being sent.
            MutableBytes bytes(const_cast<uint8_t*>(part->data()), part->size());
            slices.push_back(buffers.lend(bytes, std::const_pointer_cast<std::vector<uint8_t>>(part)));
        }
        return slices;
    }
    BufferSlice all(buffers.take(size), 0, size);
    uint8_t* to = all.data();
    for (const Payload& part : parts) to = std::copy(part->begin(), part->end(), to);
    slices.push_back(std::move(all));
    return slices;
}

// Of a message that is held.
size_t size_of(const Message& message) {
    size_t size = sizeof(Message);
    if (const auto* request = std::get_if<consensus::AppendRequest>(&message.body)) {
        for (const consensus::Entry& entry : request->entries) size += entry.size();
    } else if (const auto* chunk = std::get_if<consensus::SnapshotChunk>(&message.body)) {
        if (chunk->bytes) size += chunk->bytes->size();
    }
    return size;
}

Task<rpc::CallResult> refuse(Error error) {
    co_return rpc::never_sent(error);
}

}  // namespace

rpc::Metadata voter_state_request() {
    flatbuffers::FlatBufferBuilder builder(64);
    return rpc::finish(builder, wire::CreateVoterStateRequest(builder));
}

class PeerLinks::Link final : public rpc::ChannelObserver {
  public:
    Link(World& world, const PeerIdentity* self, const PeerVoter& voter, PeerLinks& links)
        : world_(world),
          links_(links),
          id_(voter.id),
          greeter_(world, self, links.settings_.secret, voter.id.value),
          channel_(world, voter.address, greeter_, options_for(this)),
          closing_(world.executor),
          scope_(world.executor) {}

    void open() {
        channel_.open();
        scope_.spawn(probe());
    }
    Task<void> close() {
        closing_.set();
        co_await channel_.close();
        co_await scope_.join();
    }
    void send(Message message) {
        if (channel_.is_connected()) {
            post(message);
        } else {
            hold(std::move(message));
        }
    }

    void connected() override {
        is_known_to_live_ = true;
        for (const Held& held : std::exchange(held_, {})) {
            const bool is_late = world_.executor.now() - held.since > held_time_max;
            if (is_late) ++links_.counters_.dropped;
            if (!is_late) post(held.message);
        }
        held_bytes_ = 0;
    }
    void attempt_failed(const Error& error) override {
        if (error.code != ErrorCode::connection_refused) return;
        if (std::exchange(is_known_to_live_, false)) links_.settings_.on_process_died(id_);
    }

    VoterId id() const { return id_; }
    rpc::Channel& channel() { return channel_; }

  private:
    struct Held {
        Message message;
        size_t size;
        Instant since;
    };

    void post(const Message& message) {
        consensus::EncodedMessage encoded = consensus::encode(message);
        std::vector<BufferSlice> payload = slices_of(world_.buffers, encoded.payload);
        Result<void> sent =
            channel_.post(rpc::Method::quorum_message, rpc::bytes_of(encoded.metadata), std::move(payload));
        ++(sent.ok() ? links_.counters_.sent : links_.counters_.dropped);
    }

    // The newest are kept: what they say supersedes what was said before.
    void hold(Message message) {
        const size_t size = size_of(message);
        held_bytes_ += size;
        held_.push_back({std::move(message), size, world_.executor.now()});
        while (held_.size() > held_messages_max || held_bytes_ > held_bytes_max) {
            held_bytes_ -= held_.front().size;
            held_.pop_front();
            ++links_.counters_.dropped;
        }
    }

    // Any answer will do. Without one in time the connection ends itself: ClientLimits::silence_time_max.
    Task<void> probe() {
        while (true) {
            co_await closing_.wait(world_.executor.now() + probe_interval);
            if (closing_.is_set()) co_return;
            if (!channel_.is_connected()) continue;
            rpc::Metadata metadata = voter_state_request();
            std::vector<BufferSlice> nothing;
            const Instant deadline = world_.executor.now() + probe_time_max;
            rpc::CallResult answer =
                co_await channel_.call(rpc::Method::voter_state, std::move(metadata), std::move(nothing), deadline);
        }
    }

    World& world_;
    PeerLinks& links_;
    VoterId id_;
    PeerGreeter greeter_;
    rpc::Channel channel_;
    bool is_known_to_live_ = false;  // it was connected to, and has not been reported since
    std::deque<Held> held_;          // only while there is no connection
    size_t held_bytes_ = 0;
    ironbark::Event closing_;
    Scope scope_;
};

PeerLinks::PeerLinks(World& world, const PeerIdentity* self, LinkSettings settings)
    : world_(world), settings_(std::move(settings)) {
    for (const PeerVoter& voter : settings_.voters) {
        if (voter.id.value == self->node) continue;
        links_.push_back(std::make_unique<Link>(world_, self, voter, *this));
    }
}

PeerLinks::~PeerLinks() = default;

void PeerLinks::open() {
    for (auto& link : links_) link->open();
}

Task<void> PeerLinks::close() {
    for (auto& link : links_) co_await link->close();
}

void PeerLinks::send(Message message) {
    Link* link = find(message.to.id);
    if (link == nullptr) {
        ++counters_.dropped;
    } else {
        link->send(std::move(message));
    }
}

Task<rpc::CallResult> PeerLinks::call(
    VoterId to, rpc::Method method, rpc::Metadata metadata, std::vector<BufferSlice> payload, Instant deadline) {
    Link* link = find(to);
    if (link == nullptr) return refuse(no_such_voter);
    return link->channel().call(method, std::move(metadata), std::move(payload), deadline);
}

bool PeerLinks::is_connected(VoterId to) const {
    Link* link = find(to);
    return link != nullptr && link->channel().is_connected();
}

Error PeerLinks::last_error(VoterId to) const {
    Link* link = find(to);
    return link == nullptr ? no_such_voter : link->channel().last_error();
}

PeerLinks::Link* PeerLinks::find(VoterId to) const {
    auto found = std::find_if(links_.begin(), links_.end(), [to](const auto& link) { return link->id() == to; });
    return found == links_.end() ? nullptr : found->get();
}

Result<Message> receive_message(const rpc::Session& session, const rpc::Request& request) {
    const PeerIdentity* peer = peer_of(session);
    if (peer == nullptr) return not_authenticated;
    TRY(Message message, consensus::decode(request.metadata.bytes(), request.payload.bytes()));
    if (message.from.id.value != peer->node) return of_somebody_else;
    return message;
}

}  // namespace ironbark::peer
