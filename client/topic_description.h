#pragma once
// A topic as its leaders have it: one broker tells what it is made of, and who leads what; about the partitions that
// are elsewhere their leaders are asked, each once, all beside each other.

#include <string>

#include "client/admin_requests.h"
#include "client/router.h"

namespace ironbark::client {

// Suspends until every leader has answered, or has taken too long. A leader that does not answer leaves its failure in
// its partitions. `world` and `router` outlive it.
Task<Expected<TopicDescription>> describe_topic(World* world, Router* router, std::string topic, Instant deadline);

}  // namespace ironbark::client
