// Writes ten records and says where they went.
//
//     produce TOPIC [SETTING=VALUE ...]

#include <algorithm>
#include <cstdio>
#include <ironbark/producer.h>
#include <string>

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: produce TOPIC [SETTING=VALUE ...]\n");
        return 2;
    }
    ironbark::Settings settings;
    for (int index = 2; index < argc; ++index) {
        std::string_view argument = argv[index];
        size_t equals = std::min(argument.find('='), argument.size() - 1);
        auto set = settings.set(argument.substr(0, equals), argument.substr(equals + 1));
        if (!set) {
            std::fprintf(stderr, "%s\n", set.error().to_string().c_str());
            return 2;
        }
    }
    auto producer = ironbark::Producer::create(settings);
    if (!producer) {
        std::fprintf(stderr, "%s\n", producer.error().to_string().c_str());
        return 2;
    }
    for (int number = 0; number < 10; ++number) {
        std::string key = "key " + std::to_string(number % 3);
        std::string value = "value " + std::to_string(number);
        ironbark::Record record;
        record.topic = argv[1];
        record.key = key;
        record.value = value;
        auto accepted = producer->send(record, [number](const ironbark::Expected<ironbark::Receipt>& sent) {
            if (sent) {
                std::printf("%d: partition %d, offset %lld, %s\n", number, sent->partition,
                            static_cast<long long>(sent->offset), ironbark::name(sent->level));
            } else {
                // The outcome says whether it was written after all.
                std::printf("%d: %s\n", number, sent.error().to_string().c_str());
            }
        });
        if (!accepted) {
            std::fprintf(stderr, "%s\n", accepted.error().to_string().c_str());
            return 1;
        }
    }
    auto closed = producer->close(std::chrono::seconds(30));
    if (!closed) std::fprintf(stderr, "%s\n", closed.error().to_string().c_str());
    return closed && producer->statistics().records_written == 10 ? 0 : 1;
}
