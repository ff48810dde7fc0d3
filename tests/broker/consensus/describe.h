#pragma once
// Entries and messages in the words of the scripts.

#include <string>

#include "broker/consensus/message.h"

namespace ironbark::consensus::testing {

std::string text_of(const Entry& entry);       // the command, "-" for a no-op, "voters" or "joint"
std::string place(LogIndex index, Term term);  // "4:2": index and term
std::string describe(const Message& message);  // "append behind 4:2 a b commit 3 in 2"

}  // namespace ironbark::consensus::testing
