#pragma once
// A broker for one producer: has every topic, with one partition, and keeps the batches it is sent, byte for byte, in
// place of storing them. Answers ApiVersions, Metadata, InitProducerId and Produce, in old versions that librdkafka
// still speaks. Listens on loopback, on a port of its own; a thread per connection.

#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/kafka/wire.h"

namespace ironbark::kafka {

class FakeBroker {
  public:
    static constexpr int64_t producer_id = 4711;
    static constexpr int16_t producer_epoch = 3;

    FakeBroker();
    ~FakeBroker();

    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    std::vector<std::vector<uint8_t>> take_batches();

  private:
    struct Connection {
        explicit Connection(int socket) : stream(socket) {}
        Stream stream;
        std::thread thread;
    };
    void accept_connections();
    void serve(Stream* stream);
    void answer_versions(int16_t version, WireWriter* answer);
    void answer_metadata(WireReader* request, WireWriter* answer);
    void answer_produce(WireReader* request, WireWriter* answer);

    int listener_;
    uint16_t port_ = 0;
    std::thread acceptor_;
    std::mutex mutex_;  // guards what follows
    bool is_stopped_ = false;
    std::list<Connection> connections_;
    std::vector<std::vector<uint8_t>> batches_;
};

}  // namespace ironbark::kafka
