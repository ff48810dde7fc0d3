#pragma once
// What a request by hand asks of one partition, from the wish to what became of it. Belongs to the request.

#include <memory>
#include <string>

#include "broker/controller/records.h"
#include "runtime/base/error.h"

namespace ironbark::broker {

struct PartitionWish {
    std::shared_ptr<const TopicRecord> topic;  // null: refused
    PartitionIndex partition{-1};
    bool is_settled = false;
    Error error{ErrorCode::none};
    Outcome outcome = Outcome::not_written;  // said with an error
    std::string hint;

    // REQUIRES: there is a topic
    PartitionIdentity identity() const { return {topic->id, partition}; }
    void refuse(ErrorCode code, std::string why) {
        is_settled = true;
        error = code;
        hint = std::move(why);
    }
};

}  // namespace ironbark::broker
