#pragma once
// A daemon's links to the other voters of the controller quorum: one connection to each, which keeps itself connected
// whether anything is sent or not, so that whoever watches a leader sees its process end.
//
// `send` gives a message to the connection at once: nothing is queued here, no coroutine stands between, and entries
// are not copied unless they are small. While there is no connection the newest messages are held for a moment, because
// an election goes on meanwhile. What does not fit is dropped, as messages of the quorum may be.
//
// A process has died when a connection to it has ended and a new one is refused: nobody listens there any more. Silence
// says nothing. A connection on which nothing comes any more (a machine lost its power, a path was cut) is given up, so
// that the next one finds the machine when it is back; that is what the probe is for.
//
// Belongs to one executor; `close` before destruction.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/consensus/message.h"
#include "broker/peer/authentication.h"
#include "broker/voter/driver.h"
#include "runtime/rpc/channel.h"

namespace ironbark::peer {

// To be sent over one link, and not yet with the operating system. A leader has at most 4 MiB of entries under way to a
// follower, and a part of a snapshot; twice that is what a peer has that does not read.
constexpr size_t link_bytes_max = 8 << 20;
// Held while there is no connection: of two elections, as many messages as a core holds for its own disk; and one of
// entries of any size. Longer than the shortest election timeout nobody waits for an answer.
constexpr size_t held_messages_max = 64;
constexpr size_t held_bytes_max = 2 << 20;
constexpr Duration held_time_max = 300ms;
// Parts of a message that are smaller together than this are copied to one place: that costs less than counting them.
constexpr size_t copied_bytes_max = 64 << 10;
// A link is asked for a sign of life so often, and given up after so long without any.
constexpr Duration probe_interval = 1s;
constexpr Duration probe_time_max = 1s;
constexpr Duration silence_time_max = 3s;
// Connecting and greeting. Another attempt after so long finds a machine that is back sooner than TCP does.
constexpr Duration connect_time_max = 2s;

struct PeerVoter {
    consensus::VoterId id;
    Address address;
};

struct LinkSettings {
    std::vector<PeerVoter> voters;  // as configured; this daemon's own is left out
    std::string secret;
    // Called once for each connection that is known to have ended with its process, milliseconds after that. By the
    // link's coroutine: it does not close the links.
    std::function<void(consensus::VoterId)> on_process_died;
};

struct LinkCounters {
    uint64_t sent = 0;
    uint64_t dropped = 0;
};

// What asks a voter what it is. Links send it as a probe: whatever is answered is a sign of life.
rpc::Metadata voter_state_request();

class PeerLinks final : public consensus::Transport {
  public:
    // `self` outlives it.
    PeerLinks(World& world, const PeerIdentity* self, LinkSettings settings);
    PeerLinks(const PeerLinks&) = delete;
    PeerLinks& operator=(const PeerLinks&) = delete;
    ~PeerLinks() override;

    // Begins to connect to all of them.
    void open();
    // Ends all calls and waits for them.
    Task<void> close();

    // Does not suspend and does not fail; what is for nobody among the voters is dropped.
    void send(consensus::Message message) override;
    // Any other request to a voter: see rpc::Channel::call. not_found: it is none of the others.
    Task<rpc::CallResult> call(consensus::VoterId to,
                               rpc::Method method,
                               rpc::Metadata metadata,
                               std::vector<BufferSlice> payload,
                               Instant deadline);

    bool is_connected(consensus::VoterId to) const;
    // Of the last attempt to connect that failed; none if there was none.
    Error last_error(consensus::VoterId to) const;
    const LinkCounters& counters() const { return counters_; }

  private:
    class Link;
    Link* find(consensus::VoterId to) const;

    World& world_;
    LinkSettings settings_;
    LinkCounters counters_;
    std::vector<std::unique_ptr<Link>> links_;
};

// On the side that is connected to: the message in a quorum_message request. permission_denied: its sender is not who
// has authenticated on that session, for a daemon speaks for itself alone; else the errors of consensus::decode.
Result<consensus::Message> receive_message(const rpc::Session& session, const rpc::Request& request);

}  // namespace ironbark::peer
