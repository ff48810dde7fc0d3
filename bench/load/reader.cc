#include "bench/load/reader.h"

#include <chrono>
#include <stdexcept>

#include "bench/load/must.h"
#include "bench/machine/system.h"
#include "ironbark/consumer.h"

namespace ironbark::bench {

namespace {

using namespace std::chrono_literals;

constexpr auto poll_time = 100ms;
constexpr double rest_seconds_max = 60;  // for what is left when nothing is written any more

}  // namespace

Reader::Reader(const Settings& settings, const std::string& topic, size_t partitions)
    : partitions_(partitions), sightings_(partitions), thread_([this, settings, topic] {
          try {
              run(settings, topic);
          } catch (const std::exception& problem) {
              problem_ = problem.what();
          }
      }) {}

Reader::~Reader() {
    is_given_up_ = true;
    if (thread_.joinable()) thread_.join();
}

Sightings Reader::finish(const std::vector<int64_t>& ends) {
    ends_ = ends;
    is_ending_ = true;
    thread_.join();
    if (!problem_.empty()) throw std::runtime_error("the reader: " + problem_);
    return std::move(sightings_);
}

bool Reader::is_done() const {
    if (!is_ending_) return is_given_up_;
    for (size_t partition = 0; partition < partitions_; ++partition) {
        if (sightings_.next(partition) < ends_[partition]) return false;
    }
    return true;
}

// What was in the memory of brokers only may be cut away after it was read: then the reader goes on at the cut.
void Reader::run(Settings settings, const std::string& topic) {
    settings.offset_reset = OffsetReset::earliest;
    Consumer consumer = must(Consumer::create(settings), "the consumer");
    std::vector<Assignment> assignments;
    for (size_t partition = 0; partition < partitions_; ++partition) {
        assignments.push_back({{topic, static_cast<int32_t>(partition)}, Start::beginning()});
    }
    must(consumer.assign(std::move(assignments)), "assigning the partitions");
    Nanoseconds ending = 0;
    while (!is_done()) {
        const Records records = must(consumer.poll(poll_time), "reading");
        for (const Gap& gap : records.gaps()) {
            sightings_.cut(static_cast<size_t>(gap.partition.partition), gap.from);
        }
        for (const ConsumerRecord& record : records) {
            sightings_.take(static_cast<size_t>(record.partition), record.offset, record.value);
        }
        for (const PartitionError& error : records.errors()) {
            if (!error.failure.is_retriable()) throw std::runtime_error(error.failure.to_string());
        }
        if (is_ending_ && ending == 0) ending = now();
        if (ending != 0 && now() - ending > from_seconds(rest_seconds_max)) {
            throw std::runtime_error("it does not come to the end");
        }
    }
}

}  // namespace ironbark::bench
