#pragma once
// The machines of clients in one run: an administrator, producers, consumers. Made once; producers and consumers die
// and come back as other lives.

#include <vector>

#include "tests/simulation/cluster/admin_client.h"
#include "tests/simulation/cluster/consumer_client.h"
#include "tests/simulation/cluster/producer_client.h"
#include "tests/simulation/node.h"

namespace ironbark::simulation {

class Clients {
  public:
    explicit Clients(Stage& stage) : stage_(stage) {}

    void start_admin();
    bool has_topics() const { return admin_.program->is_ready(); }
    void start_others();
    // One of them dies, and is there again at once.
    void kill_one(RandomStream& random);
    bool have_produced() const;
    bool have_consumed() const;  // and the administrator is done
    // Those that are asked to prove themselves must have come to their end.
    void end();

  private:
    // A client program's machine. `Program` is made anew at each start.
    template <typename Program>
    struct Client {
        Node* node = nullptr;
        Program* program = nullptr;
        size_t index = 0;
    };
    void start_producer(Client<ProducerClient>& client);
    void start_consumer(Client<ConsumerClient>& client);

    Stage& stage_;
    Client<AdminClient> admin_;
    std::vector<Client<ProducerClient>> producers_;
    std::vector<Client<ConsumerClient>> consumers_;
    uint64_t lives_ = 0;
};

// Reads all good partitions to their ends, as a client does, and compares them with what was promised.
void read_everything(Stage& stage, Duration limit);

}  // namespace ironbark::simulation
