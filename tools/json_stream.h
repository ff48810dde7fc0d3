#pragma once
// One JSON object, written piece by piece, because what stands in it may be longer than memory: fields, and arrays with
// an item per line.

#include <nlohmann/json.hpp>

#include "tools/output.h"

namespace ironbark::tools {

class JsonStream {
  public:
    using Json = nlohmann::ordered_json;

    explicit JsonStream(Output& output) : output_(output) { output_.write("{"); }
    ~JsonStream() { output_.write("\n}\n"); }
    JsonStream(const JsonStream&) = delete;
    JsonStream& operator=(const JsonStream&) = delete;

    void field(const char* name, const Json& value) {
        begin(name);
        output_.write(text_of(value));
    }
    void begin_array(const char* name) {
        begin(name);
        output_.write("[");
        is_first_item_ = true;
    }
    void item(const Json& value) {
        begin_item();
        output_.write(text_of(value));
    }
    // For items that are written faster than the library could: the caller appends one value to what it gets.
    std::string* begin_item() {
        output_.write(is_first_item_ ? "\n" : ",\n");
        is_first_item_ = false;
        return &output_.buffer();
    }
    void end_array() { output_.write("]"); }

  private:
    void begin(const char* name) {
        output_.write(is_first_field_ ? "\n\"" : ",\n\"");
        output_.write(name);
        output_.write("\": ");
        is_first_field_ = false;
    }
    static std::string text_of(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

    Output& output_;
    bool is_first_field_ = true;
    bool is_first_item_ = true;
};

}  // namespace ironbark::tools
