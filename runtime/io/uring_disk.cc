#include "runtime/io/uring_disk.h"

#include <algorithm>
#include <utility>

namespace ironbark {

namespace {

void fill_write(io_uring_sqe* entry, int fd, uint64_t position, const std::vector<iovec>& vectors, int flags) {
    io_uring_prep_writev2(entry, fd, vectors.data(), static_cast<unsigned>(vectors.size()), position, flags);
}

size_t total_size(const std::vector<iovec>& vectors) {
    size_t sum = 0;
    for (const iovec& vector : vectors) sum += vector.iov_len;
    return sum;
}

}  // namespace

Task<Result<size_t>> UringFile::read(uint64_t position, BufferSlice into) {
    check_alignment(is_direct(), position, into);
    if (closing_) co_return closed_error();
    InFlight::Mark mark(in_flight_);
    auto fill = [&](io_uring_sqe* entry) {
        size_t size = std::min(into.size, io_size_max);
        io_uring_prep_read(entry, fd(), into.data(), static_cast<unsigned>(size), position);
    };
    int32_t count = co_await perform(&executor_, fill);
    if (count < 0) co_return read_error(-count);
    if (count > 0 && static_cast<size_t>(count) < into.size) ++executor_.counters().short_reads;
    co_return static_cast<size_t>(count);
}

Task<Result<size_t>> UringFile::write(uint64_t position, std::vector<BufferSlice> slices, Sync sync) {
    for (const BufferSlice& slice : slices) check_alignment(is_direct(), position, slice);
    if (closing_) co_return closed_error();
    InFlight::Mark mark(in_flight_);
    size_t wanted = ironbark::total_size(slices);
    std::vector<iovec> vectors = io_vectors(slices);
    // With more slices than go into one operation the write will be short, and a short write is not synced.
    bool is_synced = sync == Sync::data && total_size(vectors) == wanted;
    if (!is_synced) {
        Answers answers = co_await write_plain(position, &vectors, 0);
        co_return judge(answers, wanted, false);
    }
    ++executor_.counters().syncs;
    if (sync_form_ == SyncForm::flush_thread) {
        auto call = [&] { return write_file_synced(file_, sync_, position, slices); };
        Result<size_t> count = co_await flush_threads_.run(std::move(call));
        if (count.ok() && *count < wanted) ++executor_.counters().short_writes;
        co_return count;
    }
    std::optional<Units> turn = co_await take_sync_turn();
    CO_TRY_VOID(sync_.state());
    Answers answers = co_await write_synced(position, &vectors, wanted);
    co_return judge(answers, wanted, true);
}

Task<std::optional<Units>> UringFile::take_sync_turn() {
    if (is_direct()) co_return std::nullopt;
    co_return co_await buffered_sync_.lock();
}

Task<UringFile::Answers> UringFile::write_synced(uint64_t position, const std::vector<iovec>* vectors, size_t size) {
    switch (sync_form_) {
        case SyncForm::flush_thread: break;
        case SyncForm::linked: co_return co_await write_linked(position, vectors);
        case SyncForm::dsync: co_return co_await write_plain(position, vectors, RWF_DSYNC);
        case SyncForm::write_then_sync: co_return co_await write_then_sync(position, vectors, size);
    }
    UNREACHABLE();
}

Task<UringFile::Answers> UringFile::write_plain(uint64_t position, const std::vector<iovec>* vectors, int flags) {
    auto fill = [&](io_uring_sqe* entry) { fill_write(entry, fd(), position, *vectors, flags); };
    Answers answers;
    answers.write = co_await perform(&executor_, fill);
    co_return answers;
}

// The kernel starts the sync when the write has ended, and cancels it if the write failed or was short.
Task<UringFile::Answers> UringFile::write_linked(uint64_t position, const std::vector<iovec>* vectors) {
    Answers answers;
    {
        executor_.reserve(2);
        UringWait wait(executor_);
        UringOperation write(wait, [&](io_uring_sqe* entry) {
            fill_write(entry, fd(), position, *vectors, 0);
            entry->flags |= IOSQE_IO_LINK;
        });
        UringOperation sync(wait, [&](io_uring_sqe* entry) {
            io_uring_prep_fsync(entry, fd(), IORING_FSYNC_DATASYNC);
        });
        ++executor_.counters().punts;
        co_await wait;
        answers = {write.result(), sync.result()};
    }
    // Refused for the moment: once more, without the link.
    if (answers.write == -EAGAIN || answers.write == -EINTR) {
        co_return co_await write_then_sync(position, vectors, total_size(*vectors));
    }
    if (answers.sync == -EAGAIN || answers.sync == -EINTR) answers.sync = co_await sync_data();
    co_return answers;
}

Task<UringFile::Answers> UringFile::write_then_sync(uint64_t position, const std::vector<iovec>* vectors, size_t size) {
    Answers answers = co_await write_plain(position, vectors, 0);
    if (answers.write >= 0 && static_cast<size_t>(answers.write) == size) answers.sync = co_await sync_data();
    co_return answers;
}

Task<int32_t> UringFile::sync_data() {
    ++executor_.counters().punts;
    auto fill = [&](io_uring_sqe* entry) { io_uring_prep_fsync(entry, fd(), IORING_FSYNC_DATASYNC); };
    co_return co_await perform(&executor_, fill);
}

Result<size_t> UringFile::judge(Answers answers, size_t wanted, bool is_synced) {
    if (answers.write < 0) {
        int number = -answers.write;
        // RWF_DSYNC does not tell a failed sync from a failed write; a full disk is the write's.
        bool may_be_sync = is_synced && sync_form_ == SyncForm::dsync && number == EIO;
        if (may_be_sync) return sync_.note(number).error();
        return write_error(number);
    }
    size_t count = static_cast<size_t>(answers.write);
    if (count < wanted) {
        ++executor_.counters().short_writes;
        return count;
    }
    if (is_synced) TRY_VOID(sync_.note(-answers.sync));
    return count;
}

Task<Result<void>> UringFile::sync() {
    if (closing_) co_return closed_error();
    InFlight::Mark mark(in_flight_);
    ++executor_.counters().syncs;
    if (sync_form_ == SyncForm::flush_thread) {
        auto call = [&] { return sync_.sync(fd()); };
        co_return co_await flush_threads_.run(std::move(call));
    }
    std::optional<Units> turn = co_await take_sync_turn();
    CO_TRY_VOID(sync_.state());
    int32_t answer = co_await sync_data();
    co_return sync_.note(-answer);
}

Task<Result<std::unique_ptr<File>>> UringDisk::open(std::string path, OpenMode mode, bool direct) {
    auto call = [&] { return open_file(path, mode, direct); };
    CO_TRY(OpenedFile file, co_await threads_.run(std::move(call)));
    co_return std::unique_ptr<File>(new UringFile(executor_, threads_, flush_threads_, std::move(file), sync_form_));
}

}  // namespace ironbark
