#include "bench/machine/write_ring.h"

#include <fcntl.h>
#include <sys/uio.h>

#include "bench/machine/system.h"

namespace ironbark::bench {

WriteRing::WriteRing(unsigned entries) {
    check_ring(
        io_uring_queue_init(entries, &ring_, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN),
        "io_uring set-up");
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

WriteRing::Tag WriteRing::wait() {
    if (const auto done = take_done()) {
        if (io_uring_sq_ready(&ring_) > 0) submit();
        return *done;
    }
    check_ring(io_uring_submit_and_wait(&ring_, 1), "io_uring wait");
    return *take_done();
}

WriteRing::Tag WriteRing::wait_spinning() {
    if (io_uring_sq_ready(&ring_) > 0) submit();
    while (true) {
        if (const auto done = take_done()) return *done;
        check_ring(io_uring_get_events(&ring_), "io_uring get events");
    }
}

std::optional<WriteRing::Tag> WriteRing::take_done() {
    io_uring_cqe* completion = nullptr;
    unsigned head = 0;
    io_uring_for_each_cqe(&ring_, head, completion) {
        const Tag tag = completion->user_data;
        check_ring(completion->res, "ring operation");
        io_uring_cqe_seen(&ring_, completion);
        return tag;
    }
    return std::nullopt;
}

}  // namespace ironbark::bench
