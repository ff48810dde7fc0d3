#pragma once
// What the commands on topics and their partitions share.

#include <string>

#include "tools/command.h"

namespace ironbark::tools {

// Nobody waits the whole timeout to hear that no daemon runs: an address at which nobody listens for two seconds is
// given up. Failures that may pass are left to the command itself.
Expected<void> find_broker(Admin& admin, const Settings& settings, Admin::Timeout patience);

// Runs `work` (Admin&, timeout -> exit code) with a client that has found a broker; or says why there is none.
template <typename Work>
int with_admin(Session& session, Work work) {
    Expected<Settings> settings = session.settings();
    if (!settings) return session.usage(settings.error());
    Expected<std::chrono::milliseconds> patience = session.patience();
    if (!patience) return session.usage(patience.error());
    Expected<Admin> admin = Admin::create(*settings);
    if (!admin) return session.fail("cannot start the client", admin.error());
    if (Expected<void> found = find_broker(*admin, *settings, *patience); !found) {
        return session.fail("cannot reach the cluster", found.error());
    }
    return work(*admin, *patience);
}

// `hint`, and the topic of the cluster whose name is nearest to `topic`.
std::string unknown_topic_hint(Admin& admin, Admin::Timeout patience, const std::string& topic, std::string hint);
// Says that a command on a topic failed; if there is no such topic, which one may have been meant.
int fail_for_topic(Session& session,
                   Admin& admin,
                   Admin::Timeout patience,
                   const char* verb,
                   const std::string& topic,
                   Failure failure);

// "orders/3", and the way back.
Expected<TopicPartition> parse_partition(const std::string& text);
std::string partition_text(const TopicPartition& partition);
// "2: 17": what this replica lacks of the leader's log, in records.
std::string lag_text(const PartitionDescription& partition, const ReplicaState& replica);

void add_topic_changes(Command noun, Session& session);
void add_leader_changes(Command noun, Session& session);

}  // namespace ironbark::tools
