// Reads a topic from its beginning, up to what it holds at the start of the program.
//
//     consume TOPIC

#include <cstdio>
#include <ironbark/admin.h>
#include <ironbark/consumer.h>
#include <map>
#include <string>

namespace {

// How many records each partition has ahead of the consumer.
std::map<int32_t, int64_t> ends_of(ironbark::Admin& admin, const ironbark::TopicDescription& topic) {
    std::vector<ironbark::OffsetQuery> queries;
    for (const ironbark::PartitionDescription& partition : topic.partitions) {
        queries.push_back({{topic.name, partition.partition}, ironbark::OffsetQuery::Place::end});
    }
    std::map<int32_t, int64_t> ends;
    auto found = admin.list_offsets(queries);
    if (!found) return ends;
    for (const ironbark::FoundOffset& offset : *found) ends[offset.partition.partition] = offset.offset;
    return ends;
}

int fail(const ironbark::Failure& failure) {
    std::fprintf(stderr, "%s\n", failure.to_string().c_str());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: consume TOPIC\n");
        return 2;
    }
    ironbark::Settings settings;
    auto admin = ironbark::Admin::create(settings);
    if (!admin) return fail(admin.error());
    auto topic = admin->describe_topic(argv[1]);
    if (!topic) return fail(topic.error());
    std::map<int32_t, int64_t> ends = ends_of(*admin, *topic);

    auto consumer = ironbark::Consumer::create(settings);
    if (!consumer) return fail(consumer.error());
    std::vector<ironbark::Assignment> assignments;
    for (const auto& [partition, end] : ends) {
        if (end > 0) assignments.push_back({{argv[1], partition}, ironbark::Start::beginning()});
    }
    auto assigned = consumer->assign(assignments);
    if (!assigned) return fail(assigned.error());

    size_t open = assignments.size();
    while (open > 0) {
        auto records = consumer->poll(std::chrono::seconds(10));
        if (!records) return fail(records.error());
        for (const ironbark::PartitionError& error : records->errors()) return fail(error.failure);
        for (const ironbark::ConsumerRecord& record : *records) {
            std::string key(record.key.value_or("-"));
            std::string value(record.value.value_or("-"));
            std::printf("%d/%lld %s %s\n", record.partition, static_cast<long long>(record.offset), key.c_str(),
                        value.c_str());
        }
        open = 0;
        for (const ironbark::Assignment& assignment : assignments) {
            auto position = consumer->position(assignment.partition, std::chrono::seconds(10));
            if (!position) return fail(position.error());
            if (*position < ends[assignment.partition.partition]) ++open;
        }
    }
    return 0;
}
