#pragma once
// How a record is printed: text with verbs in it, as kcat has them, or JSON.
//
//     %t topic   %p partition   %o offset   %T timestamp (ms)   %e leader epoch   %% a percent sign
//     %k key     %K its size    %v value    %V its size         %h headers as k=v,k=v
//
// and \n \t \r \0 \\ \xHH. A key or value that is not there prints as nothing; its size as -1.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ironbark/consumer.h"

namespace ironbark::tools {

class RecordFormat {
  public:
    static Expected<RecordFormat> parse(std::string_view text);
    void append(const ConsumerRecord& record, std::string* out) const;

  private:
    struct Piece {
        char verb = '\0';  // '\0': the text
        std::string text{};
    };
    std::vector<Piece> pieces_;
};

// Appends the record as a JSON object. Keys and values that are no UTF-8 stand under `key_base64` and `value_base64`.
void append_json(const ConsumerRecord& record, std::string* out);
nlohmann::ordered_json to_json(const ConsumerRecord& record);

}  // namespace ironbark::tools
