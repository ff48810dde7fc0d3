#pragma once
// Makes what `poll` returns: verifies frames, decompresses, decodes records as views, notices gaps. One thread at a
// time; it goes on where it stopped when the last Records was full.

#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "client/fetch_queue.h"
#include "ironbark/consumer.h"
#include "log/record/frame.h"
#include "log/record/record_reader.h"

namespace ironbark {

// What keeps the bytes alive that records are views of.
struct Records::Memory {
    std::shared_ptr<void> world;  // the pool of the buffers lives in it
    std::vector<BufferSlice> frames;
    std::vector<std::shared_ptr<record::ByteBuffer>> decompressed;
    std::vector<std::shared_ptr<const TopicPartition>> names;
    std::deque<std::vector<Header>> headers;
};

class RecordsBuilder {
  public:
    RecordsBuilder(size_t records_max, bool checks_payload, std::shared_ptr<void> world);

    // A partition as the application reads it.
    struct Position {
        uint64_t generation = 0;
        int64_t next = -1;  // of the next record to be delivered; -1: not known yet
        bool is_paused = false;
    };
    std::map<TopicPartition, Position>& positions() { return positions_; }
    const std::map<TopicPartition, Position>& positions() const { return positions_; }

    std::deque<client::Fetched>& news() { return news_; }
    // Turns news into records until there are enough, or nothing is left but news of partitions that are paused.
    Records build();

    // Partitions whose bytes were damaged: they are to be fetched again from their positions.
    std::vector<TopicPartition> take_damaged() { return std::exchange(damaged_, {}); }
    const ConsumerStatistics& statistics() const { return statistics_; }

  private:
    // A batch that is being read.
    struct Batch {
        std::shared_ptr<const TopicPartition> name;
        uint64_t generation;
        int32_t leader_epoch;
        int64_t end;  // the offset behind it
        BufferSlice frames;
        std::shared_ptr<record::ByteBuffer> decompressed;
        record::RecordReader reader;
    };
    Position* position_of(const TopicPartition& name, uint64_t generation);
    bool open_next(Records& records);
    void report(Records& records, client::Fetched& news, Position& position);
    bool open_batch(Records& records, client::Fetched& news, Position& position);
    void notice_gap(Records& records, const client::Fetched& news, Position& position, const record::FrameView& frame);
    void read_batch(Records& records);
    bool read_record(Records& records, Position& position);
    void keep(Records& records, const Batch& batch);
    std::span<const Header> keep(Records& records, const record::RecordHeaders& headers);
    void damaged(Records& records, const TopicPartition& name, const Error& error);

    const size_t records_max_;
    const bool checks_payload_;
    const std::shared_ptr<void> world_;
    std::map<TopicPartition, Position> positions_;
    std::deque<client::Fetched> news_;
    std::optional<Batch> batch_;
    record::Decompressor decompressor_;
    std::vector<TopicPartition> damaged_;
    ConsumerStatistics statistics_;
};

}  // namespace ironbark
