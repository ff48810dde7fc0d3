#pragma once
// What a replica says of its log while its partition has no leader. The committed entry that ended the leadership is
// the question, and with it the fence: whoever reports has applied it, and takes nothing from earlier leaders any more.
// So a report is final for its leader epoch, as long as the broker is the same incarnation.

#include "runtime/base/ids.h"

namespace ironbark::broker {

struct ReplicaReport {
    PartitionIdentity identity;
    Epoch leader_epoch;    // that the replica has heard of
    Epoch last_epoch{-1};  // of its last record; -1: it has none
    Offset log_end;
    Offset durable_end;
    friend bool operator==(const ReplicaReport&, const ReplicaReport&) = default;
};

}  // namespace ironbark::broker
