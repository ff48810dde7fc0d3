#include "bench/machine/write_ring.h"

#include <fcntl.h>
#include <sys/uio.h>

#include "bench/machine/system.h"

namespace ironbark::bench {

namespace {

constexpr WriteRing::Tag event_tag = ~WriteRing::Tag{0};

}  // namespace

WriteRing::WriteRing(unsigned entries, std::size_t flush_thread_count)
    : flush_thread_count_(flush_thread_count) {
    constexpr unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    check_ring(io_uring_queue_init(entries, &ring_, flags), "io_uring set-up");
}

WriteRing::~WriteRing() { io_uring_queue_exit(&ring_); }

// A write and its linked sync must go down in one submission, so both need room at once.
io_uring_sqe* WriteRing::next_entry(unsigned entries_needed) {
    if (io_uring_sq_space_left(&ring_) < entries_needed) submit();
    return io_uring_get_sqe(&ring_);
}

void WriteRing::write(int descriptor,
                      const void* data,
                      std::uint64_t size,
                      std::uint64_t position,
                      SyncForm form,
                      Tag tag) {
    if (form == SyncForm::flush_thread) {
        if (!flush_threads_) flush_threads_ = std::make_unique<FlushThreads>(flush_thread_count_);
        flush_threads_->write(descriptor, data, size, position, tag);
        if (++flushes_in_flight_ == 1) await_flush_threads();
        return;
    }
    const bool linked = form == SyncForm::linked_fdatasync;
    io_uring_sqe* entry = next_entry(linked ? 2 : 1);
    io_uring_prep_write(entry, descriptor, data, static_cast<unsigned>(size), position);
    entry->user_data = tag;
    if (form == SyncForm::dsync) entry->rw_flags = RWF_DSYNC;
    if (!linked) return;
    io_uring_sqe_set_flags(entry, IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
    sync_data(descriptor, tag);
}

void WriteRing::sync_data(int descriptor, Tag tag) {
    io_uring_sqe* entry = next_entry(1);
    io_uring_prep_fsync(entry, descriptor, IORING_FSYNC_DATASYNC);
    entry->user_data = tag;
}

void WriteRing::read(
    int descriptor, void* data, std::uint64_t size, std::uint64_t position, Tag tag) {
    io_uring_sqe* entry = next_entry(1);
    io_uring_prep_read(entry, descriptor, data, static_cast<unsigned>(size), position);
    entry->user_data = tag;
}

void WriteRing::submit() { check_ring(io_uring_submit(&ring_), "io_uring submit"); }

// One read of the eventfd is in flight as long as a flush is.
void WriteRing::await_flush_threads() {
    read(flush_threads_->event(), &event_count_, sizeof event_count_, 0, event_tag);
}

WriteRing::Tag WriteRing::wait() {
    while (true) {
        if (const auto done = take_done()) {
            if (io_uring_sq_ready(&ring_) > 0) submit();
            return *done;
        }
        check_ring(io_uring_submit_and_wait(&ring_, 1), "io_uring wait");
    }
}

WriteRing::Tag WriteRing::wait_spinning() {
    if (io_uring_sq_ready(&ring_) > 0) submit();
    while (true) {
        if (const auto done = take_done()) return *done;
        check_ring(io_uring_get_events(&ring_), "io_uring get events");
    }
}

std::optional<WriteRing::Tag> WriteRing::take_done() {
    if (!flushed_.empty()) {
        const Tag tag = flushed_.front();
        flushed_.pop_front();
        return tag;
    }
    io_uring_cqe* completion = nullptr;
    if (io_uring_peek_cqe(&ring_, &completion) != 0) return std::nullopt;
    const Tag tag = completion->user_data;
    check_ring(completion->res, "ring operation");
    io_uring_cqe_seen(&ring_, completion);
    if (tag != event_tag) return tag;
    flush_threads_->take_done(flushed_);
    flushes_in_flight_ -= flushed_.size();
    if (flushes_in_flight_ > 0) await_flush_threads();
    return take_done();
}

}  // namespace ironbark::bench
