#include "tests/client/fake_broker.h"

#include <algorithm>

#include "log/record/record_reader.h"
#include "runtime/rpc/convert.h"

namespace ironbark::client {

using flatbuffers::FlatBufferBuilder;

namespace {

// About a partition that is led elsewhere, it names the leader.
flatbuffers::Offset<wire::ErrorInfo> error_info(FlatBufferBuilder& builder,
                                                ErrorCode code,
                                                Outcome outcome,
                                                const FakePartition* partition = nullptr) {
    if (code == ErrorCode::none) return 0;
    bool names_leader = partition != nullptr && code == ErrorCode::not_leader_or_follower;
    return wire::CreateErrorInfoDirect(builder, static_cast<int16_t>(code), static_cast<wire::Outcome>(outcome),
                                       "said the fake broker", names_leader ? partition->leader : -1,
                                       names_leader ? partition->epoch : -1);
}

rpc::Response response(rpc::Metadata metadata) {
    rpc::Response answer;
    answer.metadata = std::move(metadata);
    return answer;
}

}  // namespace

struct FakeBroker::Produced {
    ErrorCode error = ErrorCode::none;
    Outcome outcome = Outcome::not_written;
    int64_t base = -1;
    int64_t last = -1;
    bool is_duplicate = false;
    int32_t expected = -1;
    int32_t gap_from = -1;
};

FakeBroker::FakeBroker(World& world, Address advertised, int32_t number)
    : id(number), world_(world), appended_(world.executor), happened_(world.executor), spoke_(world.executor) {
    brokers_[id] = std::move(advertised);
}

FakeTopic& FakeBroker::make_topic(const std::string& name, int32_t partitions) {
    FakeTopic topic;
    topic.name = name;
    topic.id = world_.random.uuid();
    topic.partitions.resize(static_cast<size_t>(partitions));
    return topics()[name] = std::move(topic);
}

FakeTopic* FakeBroker::find(const std::string& name) {
    auto found = topics().find(name);
    return found == topics().end() ? nullptr : &found->second;
}

void FakeBroker::hide_topic(const std::string& name) {
    hidden_.insert(topics().extract(name));
}

void FakeBroker::show_topic() {
    topics().merge(hidden_);
}

FakePartition* FakeBroker::find(const Uuid& topic, int32_t partition) {
    for (auto& [name, candidate] : topics()) {
        bool is_there = candidate.id == topic && static_cast<size_t>(partition) < candidate.partitions.size();
        if (is_there) return &candidate.partitions[static_cast<size_t>(partition)];
    }
    return nullptr;
}

std::vector<std::string> FakeBroker::values(const std::string& topic, int32_t partition) {
    std::vector<std::string> found;
    FakeTopic& from = *find(topic);
    record::Decompressor decompressor;
    record::ByteBuffer scratch;
    uint64_t seed = PartitionIdentity{from.id, PartitionIndex(partition)}.seed();
    for (const std::vector<uint8_t>& bytes : from.partitions[static_cast<size_t>(partition)].frames) {
        Result<record::FrameView> frame = record::parse_frame(bytes, seed);
        ASSERT(frame.ok());
        auto reader = record::RecordReader::open(frame->batch, frame->record_bytes(), &decompressor, &scratch);
        ASSERT(reader.ok());
        record::Record record;
        while (reader->next(&record).value()) found.emplace_back(as_text(*record.value));
    }
    return found;
}

void FakeBroker::cut(const std::string& topic, int32_t partition, int64_t end) {
    FakeTopic& from = *find(topic);
    FakePartition& log = from.partitions[static_cast<size_t>(partition)];
    while (!log.bases.empty() && log.bases.back() >= end) {
        log.bases.pop_back();
        log.frames.pop_back();
    }
    log.end = end;
    ++log.epoch;
    // What producers wrote there is forgotten with it.
    log.producers = log::Producers();
    uint64_t seed = PartitionIdentity{from.id, PartitionIndex(partition)}.seed();
    for (const std::vector<uint8_t>& bytes : log.frames) log.producers.apply(record::parse_frame(bytes, seed).value());
}

void FakeBroker::delete_before(const std::string& topic, int32_t partition, int64_t start) {
    FakePartition& log = find(topic)->partitions[static_cast<size_t>(partition)];
    log.start = start;
    size_t index = 0;
    while (index + 1 < log.bases.size() && log.bases[index + 1] <= start) ++index;
    if (start >= log.end) index = log.bases.size();
    log.bases.erase(log.bases.begin(), log.bases.begin() + static_cast<std::ptrdiff_t>(index));
    log.frames.erase(log.frames.begin(), log.frames.begin() + static_cast<std::ptrdiff_t>(index));
}

void FakeBroker::damage(const std::string& topic, int32_t partition, size_t frame) {
    find(topic)->partitions[static_cast<size_t>(partition)].frames[frame].back() ^= 1;
}

Task<rpc::Response> FakeBroker::handle(rpc::Session& session, rpc::Request request) {
    ++requests[request.method];
    switch (request.method) {
        case rpc::Method::handshake: {
            rpc::ServerIdentity identity;
            identity.broker = BrokerId(id);
            co_return rpc::answer_handshake(session, request, identity);
        }
        case rpc::Method::metadata: co_return metadata(request.as<wire::MetadataRequest>());
        case rpc::Method::create_topic: co_return create_topic(request.as<wire::CreateTopicRequest>());
        case rpc::Method::describe_cluster: co_return describe_cluster();
        case rpc::Method::replace_voter: co_return replace_voter(request.as<wire::ReplaceVoterRequest>());
        case rpc::Method::allocate_producer_id: co_return allocate(request.as<wire::AllocateProducerIdRequest>());
        case rpc::Method::list_offsets: co_return list_offsets(request.as<wire::ListOffsetsRequest>());
        case rpc::Method::delete_records: co_return delete_records(request.as<wire::DeleteRecordsRequest>());
        case rpc::Method::describe_topic: {
            Task<rpc::Response> task = describe_topic(std::move(request));
            co_return co_await std::move(task);
        }
        case rpc::Method::cluster_events: {
            Task<rpc::Response> task = cluster_events(std::move(request));
            co_return co_await std::move(task);
        }
        case rpc::Method::produce: {
            Task<rpc::Response> task = produce(std::move(request));
            co_return co_await std::move(task);
        }
        case rpc::Method::fetch: {
            Task<rpc::Response> task = fetch(std::move(request));
            co_return co_await std::move(task);
        }
        default: co_return rpc::error_response(Error(ErrorCode::unsupported, "not in this test"), Outcome::not_written);
    }
}

rpc::Response FakeBroker::metadata(const wire::MetadataRequest& request) {
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::BrokerMetadata>> brokers;
    for (const auto& [number, address] : brokers_) {
        brokers.push_back(wire::CreateBrokerMetadataDirect(builder, number, address.host.c_str(), address.port));
    }
    std::set<std::string> names;
    bool wants_all = request.topic_names() == nullptr || request.topic_names()->size() == 0;
    if (!wants_all) {
        for (const auto* name : *request.topic_names()) names.emplace(rpc::from_wire(name));
    } else if (!request.brokers_only()) {
        for (const auto& [name, topic] : topics()) names.insert(name);
    }
    std::vector<flatbuffers::Offset<wire::TopicMetadata>> list;
    for (const std::string& name : names) {
        FakeTopic* topic = find(name);
        if (topic == nullptr) {
            auto error = error_info(builder, ErrorCode::unknown_topic_or_partition, Outcome::not_written);
            list.push_back(wire::CreateTopicMetadataDirect(builder, error, nullptr, name.c_str()));
            continue;
        }
        std::vector<flatbuffers::Offset<wire::PartitionMetadata>> partitions;
        for (size_t index = 0; index < topic->partitions.size(); ++index) {
            const FakePartition& partition = topic->partitions[index];
            std::vector<int32_t> replicas{partition.leader};
            partitions.push_back(wire::CreatePartitionMetadataDirect(
                builder, static_cast<int32_t>(index), 0, partition.leader, partition.epoch, &replicas, &replicas));
        }
        wire::Uuid uuid = rpc::to_wire(topic->id);
        list.push_back(wire::CreateTopicMetadataDirect(builder, 0, &uuid, name.c_str(), 1, &partitions));
    }
    wire::Uuid cluster_id;
    return response(rpc::finish(builder, wire::CreateMetadataResponseDirect(builder, 0, &cluster_id, metadata_version,
                                                                            &brokers, &list, brokers_.begin()->first)));
}

rpc::Response FakeBroker::create_topic(const wire::CreateTopicRequest& request) {
    FlatBufferBuilder builder;
    std::string name(rpc::from_wire(request.name()));
    if (find(name) != nullptr) {
        auto error = error_info(builder, ErrorCode::topic_already_exists, Outcome::not_written);
        return response(rpc::finish(builder, wire::CreateCreateTopicResponse(builder, error)));
    }
    FakeTopic& topic = make_topic(name, request.partitions() < 0 ? 1 : request.partitions());
    if (request.settings() != nullptr) {
        for (const wire::Setting* setting : *request.settings()) {
            topic.settings[std::string(rpc::from_wire(setting->key()))] = rpc::from_wire(setting->value());
        }
    }
    wire::Uuid uuid = rpc::to_wire(topic.id);
    auto count = static_cast<int32_t>(topic.partitions.size());
    return response(rpc::finish(builder, wire::CreateCreateTopicResponse(builder, 0, &uuid, count, 1, 1, 1)));
}

FakeTopic* FakeBroker::find(const wire::DescribeTopicRequest& request) {
    if (request.topic() == nullptr) return find(std::string(rpc::from_wire(request.name())));
    for (auto& [name, topic] : topics()) {
        if (topic.id == rpc::from_wire(request.topic())) return &topic;
    }
    return nullptr;
}

void FakeBroker::set_mute(bool is_mute) {
    is_mute_ = is_mute;
    spoke_.pulse();
}

Task<rpc::Response> FakeBroker::describe_topic(rpc::Request request) {
    while (is_mute_) co_await spoke_.wait();
    FlatBufferBuilder builder;
    FakeTopic* topic = find(request.as<wire::DescribeTopicRequest>());
    if (topic == nullptr) {
        auto error = error_info(builder, ErrorCode::unknown_topic_or_partition, Outcome::not_written);
        co_return response(rpc::finish(builder, wire::CreateDescribeTopicResponse(builder, error)));
    }
    std::vector<flatbuffers::Offset<wire::SettingDescription>> settings;
    for (const auto& [key, value] : topic->settings) {
        settings.push_back(
            wire::CreateSettingDescriptionDirect(builder, key.c_str(), value.c_str(), "", wire::SettingSource::topic));
    }
    std::vector<flatbuffers::Offset<wire::PartitionDescription>> partitions;
    for (size_t index = 0; index < topic->partitions.size(); ++index) {
        const FakePartition& log = topic->partitions[index];
        const auto number = static_cast<int32_t>(index);
        std::vector<int32_t> replicas{log.leader};
        if (log.leader != id) {
            partitions.push_back(wire::CreatePartitionDescriptionDirect(builder, number, 0, -1, -1, -1, -1, -1, -1,
                                                                        log.leader, log.epoch, &replicas, &replicas,
                                                                        "elsewhere", ""));
            continue;
        }
        partitions.push_back(wire::CreatePartitionDescriptionDirect(builder, number, 0, log.start, log.end, log.end,
                                                                    log.end, 4096, 1, log.leader, log.epoch, &replicas,
                                                                    &replicas, "online", ""));
    }
    wire::Uuid uuid = rpc::to_wire(topic->id);
    co_return response(rpc::finish(builder, wire::CreateDescribeTopicResponseDirect(
                                                builder, 0, &uuid, topic->name.c_str(), 1, &settings, &partitions)));
}

rpc::Response FakeBroker::describe_cluster() {
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ClusterBroker>> brokers;
    wire::Uuid uuid = rpc::to_wire(Uuid::from_words(1, 2));
    for (const auto& [number, address] : brokers_) {
        const bool is_alive = !cluster.gone.contains(number);
        brokers.push_back(wire::CreateClusterBrokerDirect(builder, number, address.host.c_str(), address.port, "rack",
                                                          10 + number, &uuid, is_alive, is_alive, "0.1", 1000, 3, 2));
    }
    std::vector<flatbuffers::Offset<wire::QuorumVoter>> voters;
    for (const FakeVoter& voter : cluster.voters) {
        wire::Uuid directory = rpc::to_wire(voter.directory);
        voters.push_back(wire::CreateQuorumVoterDirect(builder, voter.id, &directory, "127.0.0.1", 9402, voter.match,
                                                       voter.last_heard_ms, voter.is_leaving));
    }
    auto error = error_info(builder, cluster.quorum_error, Outcome::not_written);
    return response(rpc::finish(builder, wire::CreateDescribeClusterResponseDirect(
                                             builder, 0, &uuid, 7, &brokers, cluster.controller, cluster.term,
                                             cluster.committed, &voters, 1, error, 4096, cluster.committed / 2)));
}

void FakeBroker::happen(const std::string& event) {
    cluster.events.push_back(event);
    happened_.pulse();
}

Task<rpc::Response> FakeBroker::cluster_events(rpc::Request request) {
    const auto& asked = request.as<wire::ClusterEventsRequest>();
    const auto after = static_cast<size_t>(std::max<int64_t>(asked.after(), 0));
    const Instant deadline = world_.executor.now() + std::chrono::milliseconds(asked.max_wait_ms());
    Wake wake = Wake::signalled;
    while (cluster.events.size() <= after && wake == Wake::signalled) wake = co_await happened_.wait(deadline);
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ClusterEvent>> events;
    for (size_t index = after; index < cluster.events.size(); ++index) {
        const auto number = static_cast<int64_t>(index + 1);
        events.push_back(wire::CreateClusterEventDirect(builder, number, 1000 * number, "topic_created",
                                                        cluster.events[index].c_str()));
    }
    co_return response(rpc::finish(builder, wire::CreateClusterEventsResponseDirect(builder, 0, &events)));
}

rpc::Response FakeBroker::replace_voter(const wire::ReplaceVoterRequest& request) {
    FlatBufferBuilder builder;
    for (FakeVoter& voter : cluster.voters) {
        if (voter.id != request.voter()) continue;
        wire::Uuid before = rpc::to_wire(voter.directory);
        voter.directory = world_.random.uuid();
        wire::Uuid now = rpc::to_wire(voter.directory);
        return response(rpc::finish(builder, wire::CreateReplaceVoterResponse(builder, 0, &before, &now)));
    }
    auto error = error_info(builder, ErrorCode::invalid_request, Outcome::not_written);
    return response(rpc::finish(builder, wire::CreateReplaceVoterResponse(builder, error)));
}

rpc::Response FakeBroker::allocate(const wire::AllocateProducerIdRequest& request) {
    FlatBufferBuilder builder;
    int64_t producer = request.producer_id();
    int16_t epoch = 0;
    if (producer < 0) {
        producer = producer_ids_++;
    } else {
        epoch = static_cast<int16_t>(producer_epochs_[producer] + 1);
    }
    producer_epochs_[producer] = epoch;
    return response(rpc::finish(builder, wire::CreateAllocateProducerIdResponse(builder, 0, producer, epoch)));
}

rpc::Response FakeBroker::list_offsets(const wire::ListOffsetsRequest& request) {
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ListedOffset>> offsets;
    for (const wire::ListOffsetsPartition* asked : *request.partitions()) {
        FakePartition* log = find(rpc::from_wire(asked->topic()), asked->partition());
        if (log == nullptr || log->leader != id) {
            ErrorCode code = log == nullptr ? ErrorCode::unknown_topic_id : ErrorCode::not_leader_or_follower;
            offsets.push_back(wire::CreateListedOffset(builder, error_info(builder, code, Outcome::not_written)));
            continue;
        }
        int64_t offset = asked->place() == wire::OffsetPlace::start ? log->start : log->end;
        int64_t time = -1;
        if (asked->place() == wire::OffsetPlace::timestamp) {
            offset = -1;
            for (size_t index = log->frames.size(); index-- > 0;) {
                record::BatchHeader batch =
                    record::decode_batch_header(Bytes(log->frames[index]).subspan(record::frame_header_size));
                if (batch.max_timestamp.milliseconds >= asked->timestamp()) offset = log->bases[index];
            }
        }
        offsets.push_back(wire::CreateListedOffset(builder, 0, offset, time, log->epoch));
    }
    return response(rpc::finish(builder, wire::CreateListOffsetsResponseDirect(builder, 0, &offsets)));
}

rpc::Response FakeBroker::delete_records(const wire::DeleteRecordsRequest& request) {
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::DeletedRecords>> deleted;
    for (const wire::DeleteRecordsPartition* asked : *request.partitions()) {
        FakePartition* log = find(rpc::from_wire(asked->topic()), asked->partition());
        ASSERT(log != nullptr);
        log->start = asked->before() < 0 ? log->end : asked->before();
        deleted.push_back(wire::CreateDeletedRecords(builder, 0, log->start));
    }
    return response(rpc::finish(builder, wire::CreateDeleteRecordsResponseDirect(builder, 0, &deleted)));
}

FakeBroker::Produced FakeBroker::append(FakePartition& partition,
                                        const PartitionIdentity& identity,
                                        Bytes frame,
                                        int32_t gap_from) {
    Produced produced;
    auto refuse = [&produced](ErrorCode code, Outcome outcome) {
        produced.error = code;
        produced.outcome = outcome;
        return produced;
    };
    if (partition.leader != id) return refuse(ErrorCode::not_leader_or_follower, Outcome::not_written);
    Timestamp late(world_.executor.wall_milliseconds() + 3'600'000);
    Result<record::FrameView> checked = record::check_produced(frame, identity.seed(), 1 << 20, late);
    if (!checked.ok()) return refuse(checked.error().code, Outcome::not_written);
    if (checked->batch.is_idempotent()) {
        log::SequenceCheck sequence = partition.producers.check(checked->batch, gap_from);
        if (sequence.code == ErrorCode::out_of_order_sequence && tells_expected) produced.expected = sequence.expected;
        produced.gap_from = sequence.gap_from;
        if (sequence.code == ErrorCode::sequence_expired) return refuse(sequence.code, Outcome::written);
        if (sequence.code != ErrorCode::none) return refuse(sequence.code, Outcome::not_written);
        if (sequence.duplicate) {
            produced.base = sequence.duplicate->base.value;
            produced.last = sequence.duplicate->last.value;
            produced.is_duplicate = true;
            return produced;
        }
    }
    std::vector<uint8_t> bytes(frame.begin(), frame.end());
    record::Stamp stamp{Offset(partition.end), Epoch(partition.epoch), partition.chain, late};
    if (partition.frames.empty()) stamp.flags = record::flag_chain_restarts;
    partition.chain = record::stamp(bytes, identity.seed(), stamp);
    partition.producers.apply(record::parse_frame(bytes, identity.seed()).value());
    produced.base = partition.end;
    produced.last = partition.end + checked->batch.last_offset_delta;
    partition.bases.push_back(partition.end);
    partition.end = produced.last + 1;
    partition.frames.push_back(std::move(bytes));
    appended_.pulse();
    return produced;
}

Task<rpc::Response> FakeBroker::produce(rpc::Request request) {
    ++produces;
    ProduceScript script;
    if (!scripts_.empty()) {
        script = scripts_.front();
        scripts_.pop_front();
    }
    if (script.delay.count() > 0) co_await sleep_for(world_.executor, script.delay);
    const auto& asked = request.as<wire::ProduceRequest>();
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ProduceReceipt>> receipts;
    size_t position = 0;
    for (const wire::ProducePartition* part : *asked.partitions()) {
        Uuid topic = rpc::from_wire(part->topic());
        FakePartition* partition = find(topic, part->partition());
        Bytes frame = request.payload.bytes().subspan(position, part->payload_size());
        position += part->payload_size();
        Produced produced;
        produced.error = ErrorCode::unknown_topic_id;
        PartitionIdentity identity{topic, PartitionIndex(part->partition())};
        if (partition != nullptr && script.is_appended)
            produced = append(*partition, identity, frame, part->gap_from());
        if (script.error != ErrorCode::none) {
            produced.error = script.error;
            produced.outcome = script.outcome;
        }
        if (produced.error != ErrorCode::none) {
            auto error = error_info(builder, produced.error, produced.outcome, partition);
            wire::ProduceReceiptBuilder receipt(builder);
            receipt.add_error(error);
            receipt.add_expected_sequence(produced.expected);
            receipts.push_back(receipt.Finish());
            continue;
        }
        std::vector<int32_t> replicas = holders.empty() ? std::vector<int32_t>{id} : holders;
        receipts.push_back(wire::CreateProduceReceiptDirect(builder, 0, produced.base, produced.last, partition->epoch,
                                                            1, level, &replicas, 0, 10, 20, 30, 0,
                                                            produced.is_duplicate, -1, produced.gap_from));
    }
    co_return response(rpc::finish(builder, wire::CreateProduceResponseDirect(builder, 0, &receipts)));
}

// Bytes that the fetch would find; all of it at once if there is an error to tell.
size_t FakeBroker::available(const wire::FetchRequest& request) {
    size_t size = 0;
    for (const wire::FetchPartition* part : *request.partitions()) {
        FakePartition* partition = find(rpc::from_wire(part->topic()), part->partition());
        if (partition == nullptr || partition->leader != id) return SIZE_MAX;
        if (part->offset() < partition->start || part->offset() > partition->end) return SIZE_MAX;
        for (size_t index = 0; index < partition->bases.size(); ++index) {
            int64_t next = index + 1 < partition->bases.size() ? partition->bases[index + 1] : partition->end;
            if (next > part->offset()) size += partition->frames[index].size();
        }
    }
    return size;
}

Task<rpc::Response> FakeBroker::fetch(rpc::Request request) {
    ++fetches;
    const auto& asked = request.as<wire::FetchRequest>();
    Instant deadline = world_.executor.now() + std::chrono::milliseconds(asked.max_wait_ms());
    Wake wake = Wake::signalled;
    while (available(asked) < asked.min_bytes() && wake == Wake::signalled) wake = co_await appended_.wait(deadline);
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::FetchedPartition>> partitions;
    rpc::Response answer;
    for (const wire::FetchPartition* part : *asked.partitions()) {
        FakePartition* partition = find(rpc::from_wire(part->topic()), part->partition());
        ErrorCode code = ErrorCode::none;
        if (partition == nullptr) {
            auto error = error_info(builder, ErrorCode::unknown_topic_id, Outcome::not_written);
            partitions.push_back(wire::CreateFetchedPartition(builder, error));
            continue;
        }
        if (part->offset() < partition->start || part->offset() > partition->end) code = ErrorCode::offset_out_of_range;
        if (partition->leader != id) code = ErrorCode::not_leader_or_follower;
        uint32_t size = 0;
        int64_t next_offset = -1;
        for (size_t index = 0; index < partition->bases.size() && code == ErrorCode::none; ++index) {
            int64_t next = index + 1 < partition->bases.size() ? partition->bases[index + 1] : partition->end;
            if (next <= part->offset()) continue;
            if (size > 0 && part->max_bytes() > 0 && size + partition->frames[index].size() > part->max_bytes()) break;
            answer.payload.push_back(world_.buffers.copy_of(partition->frames[index]));
            size += static_cast<uint32_t>(partition->frames[index].size());
            if (tells_next_offset) next_offset = next + next_offset_error;
        }
        auto error = error_info(builder, code, Outcome::not_written, partition);
        partitions.push_back(wire::CreateFetchedPartition(builder, error, partition->epoch, partition->start,
                                                          partition->end, partition->end, partition->end, size,
                                                          next_offset));
    }
    answer.metadata = rpc::finish(builder, wire::CreateFetchResponseDirect(builder, 0, &partitions));
    co_return answer;
}

Task<uint16_t> start(FakeServer* server, Address address) {
    Result<std::unique_ptr<Listener>> listener = co_await server->world.network.listen(std::move(address));
    ASSERT(listener.ok());
    server->listener = std::move(listener).value();
    server->accepting.spawn(server->server.serve(server->listener.get()));
    co_return server->listener->local_address().port;
}

Task<void> stop(FakeServer* server) {
    server->server.stop();
    co_await server->accepting.join();
    co_await server->server.join();
}

}  // namespace ironbark::client
