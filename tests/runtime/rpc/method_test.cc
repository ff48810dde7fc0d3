#include "runtime/rpc/method.h"

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

#include "tests/runtime/rpc/messages.h"

namespace ironbark::rpc {
namespace {

// "HandshakeRequest" for handshake and "Request". A message of the quorum is neither: it has no answer, and the row has
// some table in its place.
std::string table_name(const char* method, const char* suffix) {
    if (method == std::string_view("quorum_message")) {
        return suffix == std::string_view("Request") ? "QuorumMessage" : "TimeoutNow";
    }
    std::string name;
    bool is_first = true;
    for (const char* letter = method; *letter != 0; ++letter) {
        if (*letter == '_') {
            is_first = true;
            continue;
        }
        name += is_first ? static_cast<char>(*letter - 'a' + 'A') : *letter;
        is_first = false;
    }
    return name + suffix;
}

// A message as an old program sent it.
Text released_message(const std::string& table) {
    std::ifstream file(IRONBARK_GOLDEN_DIRECTORY "/wire/" + table + ".bin", std::ios::binary);
    return Text(std::istreambuf_iterator<char>(file), {});
}

// A builder leaves its message at the end of its memory, aligned for what is in it and no more.
Text aligned(const Metadata& metadata) {
    return Text(metadata.data(), metadata.data() + metadata.size());
}

struct Message {
    std::string name;
    const MessageLimits* limits;
};

std::vector<Message> all_messages() {
    std::vector<Message> messages{{"ErrorInfo", &error_limits}};
    for (const MethodLimits& method : all_methods()) {
        messages.push_back({table_name(method.name, "Request"), &method.request});
        messages.push_back({table_name(method.name, "Response"), &method.response});
    }
    return messages;
}

TEST(Method, VerifiesEveryReleasedMessage) {
    for (const Message& message : all_messages()) {
        Text bytes = released_message(message.name);
        ASSERT_FALSE(bytes.empty()) << message.name;
        EXPECT_TRUE(verify(*message.limits, bytes)) << message.name;
    }
}

TEST(Method, RefusesEveryTruncation) {
    for (const Message& message : all_messages()) {
        Text bytes = released_message(message.name);
        // A table without fields ends before its padding does.
        if (bytes.size() <= 16) continue;
        for (size_t size = 0; size + 8 < bytes.size(); ++size) {
            Text shorter(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
            EXPECT_FALSE(verify(*message.limits, shorter)) << message.name << " cut to " << size;
        }
    }
}

TEST(Method, VerifiesOrRefusesWhateverWasChanged) {
    for (const Message& message : all_messages()) {
        Text bytes = released_message(message.name);
        size_t refused = 0;
        for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
            bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1 << bit % 8));
            if (!verify(*message.limits, bytes)) ++refused;
            bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1 << bit % 8));
        }
        EXPECT_GT(refused, 0u) << message.name;
    }
}

TEST(Method, RefusesMetadataBeyondItsSize) {
    const MessageLimits& limits = find_method(static_cast<uint16_t>(Method::handshake))->request;
    flatbuffers::FlatBufferBuilder builder;
    auto name = builder.CreateString(std::string(limits.metadata_size_max, 'n'));
    Metadata metadata = finish(builder, wire::CreateHandshakeRequest(builder, 1, 1, name));
    EXPECT_FALSE(verify(limits, aligned(metadata)));
}

TEST(Method, RefusesMoreTablesThanItAllows) {
    const MessageLimits& limits = find_method(static_cast<uint16_t>(Method::create_topic))->request;
    for (bool is_too_many : {false, true}) {
        flatbuffers::FlatBufferBuilder builder;
        // The same table, again and again: small, but every reader would walk it that often.
        auto setting = wire::CreateSetting(builder);
        size_t count = limits.tables_max - (is_too_many ? 0 : 1);
        auto settings = builder.CreateVector(std::vector<flatbuffers::Offset<wire::Setting>>(count, setting));
        Metadata metadata = finish(builder, wire::CreateCreateTopicRequest(builder, 0, -1, -1, -1, settings));
        EXPECT_EQ(verify(limits, aligned(metadata)), !is_too_many);
    }
}

TEST(Method, RefusesNoBytes) {
    EXPECT_FALSE(verify(error_limits, {}));
}

TEST(Method, HasARowForEachNumberAndNoOther) {
    EXPECT_EQ(find_method(0), nullptr);
    EXPECT_EQ(find_method(method_count), nullptr);
    EXPECT_EQ(find_method(UINT16_MAX), nullptr);
    for (Method method : wire::EnumValuesMethod()) {
        const MethodLimits* row = find_method(static_cast<uint16_t>(method));
        ASSERT_EQ(row != nullptr, method != Method::none) << wire::EnumNameMethod(method);
        if (row != nullptr) {
            EXPECT_EQ(row->method, method);
        }
    }
    EXPECT_EQ(find_method(99), nullptr);
    EXPECT_STREQ(name(Method::produce), "produce");
}

TEST(Method, HoldsTheLargestRequestsThatWeMeanToServe) {
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid topic;
    std::vector<flatbuffers::Offset<wire::ProducePartition>> partitions;
    for (int index = 0; index < 10'000; ++index) {
        partitions.push_back(wire::CreateProducePartition(builder, &topic, index, index, 1000));
    }
    auto list = builder.CreateVector(partitions);
    Metadata metadata = finish(builder, wire::CreateProduceRequest(builder, wire::AckLevel::isr, 1, list));
    EXPECT_TRUE(verify(find_method(static_cast<uint16_t>(Method::produce))->request, aligned(metadata)));
}

}  // namespace
}  // namespace ironbark::rpc
