// Every field of whatever metadata is accepted can be read. The first byte chooses the message; the schemas of the
// source tree say what its fields are.
#include <flatbuffers/idl.h>
#include <flatbuffers/util.h>
#include <string>
#include <vector>

#include "runtime/base/assert.h"
#include "runtime/rpc/method.h"

using namespace ironbark;
using namespace ironbark::rpc;

namespace {

struct Message {
    std::string table;
    const MessageLimits* limits;
};

// "ironbark.wire.CreateTopicRequest" for create_topic. A message of the quorum is no request, and has no answer.
std::string table_name(std::string_view method, const char* suffix) {
    bool is_request = suffix == std::string_view("Request");
    if (method == "quorum_message") return is_request ? "ironbark.wire.QuorumMessage" : "ironbark.wire.TimeoutNow";
    std::string name = "ironbark.wire.";
    bool is_first = true;
    for (char letter : method) {
        if (letter != '_') name += is_first ? static_cast<char>(letter - 'a' + 'A') : letter;
        is_first = letter == '_';
    }
    return name + suffix;
}

std::vector<Message> all_messages() {
    std::vector<Message> messages{{"ironbark.wire.ErrorInfo", &error_limits}};
    for (const MethodLimits& method : all_methods()) {
        messages.push_back({table_name(method.name, "Request"), &method.request});
        messages.push_back({table_name(method.name, "Response"), &method.response});
    }
    return messages;
}

flatbuffers::Parser& parser() {
    static flatbuffers::Parser* parser = [] {
        auto* made = new flatbuffers::Parser();
        const char* include[] = {IRONBARK_SCHEMA_DIRECTORY, nullptr};
        for (const char* name : {"client.fbs", "controller.fbs"}) {
            const std::string path = std::string(IRONBARK_SCHEMA_DIRECTORY) + "/" + name;
            std::string schema;
            ASSERT(flatbuffers::LoadFile(path.c_str(), false, &schema));
            ASSERT(made->Parse(schema.c_str(), include, path.c_str()));
        }
        return made;
    }();
    return *parser;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const std::vector<Message> messages = all_messages();
    if (size == 0) return 0;
    const Message& message = messages[data[0] % messages.size()];
    std::vector<uint8_t> metadata(data + 1, data + size);  // memory of its own is aligned, and ends where it ends
    if (!verify(*message.limits, metadata)) return 0;
    ASSERT(parser().SetRootType(message.table.c_str()));
    std::string text;
    flatbuffers::GenerateText(parser(), metadata.data(), &text);
    return 0;
}
