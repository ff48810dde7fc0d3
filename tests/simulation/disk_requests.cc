// What becomes of a disk operation at the instant at which it takes effect: the faults of the run, then the image.
#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>

#include "runtime/base/checksum.h"
#include "tests/simulation/simulated_disk.h"
#include "tests/simulation/simulation.h"

namespace ironbark::simulation {
namespace {

constexpr Error input_output_error(ErrorCode::io_error, "the device reports an error", EIO);
constexpr Error no_space(ErrorCode::storage_full, "no space left on the device", ENOSPC);

// As they are traced.
enum class Fault : uint64_t { read_error = 1, rot, write_error, lost, misdirected, sync_error, full };

std::vector<uint8_t> gather(const std::vector<BufferSlice>& slices) {
    std::vector<uint8_t> bytes;
    bytes.reserve(total_size(slices));
    for (const BufferSlice& slice : slices) bytes.insert(bytes.end(), slice.bytes().begin(), slice.bytes().end());
    return bytes;
}

// A length shorter than `length`, at least one unit; `length` itself if that is one unit only.
size_t shortened(size_t length, size_t unit, RandomStream& random) {
    size_t units = (length + unit - 1) / unit;
    uint64_t draw = random.next();
    return units < 2 ? length : (1 + draw % (units - 1)) * unit;
}

uint64_t as_number(Fault fault) { return static_cast<uint64_t>(fault); }

}  // namespace

bool SimulatedDisk::take(bool Scripted::*fault, InodeId inode) {
    auto found = scripted_.find(inode);
    return found != scripted_.end() && std::exchange(found->second.*fault, false);
}

Result<size_t> SimulatedDisk::finish_read(InodeId inode, uint64_t position, BufferSlice into, bool is_direct) {
    FileImage& file = image_.file(inode);
    bool is_short = faults_.chance(options().short_read);
    size_t length = is_short ? shortened(into.size, is_direct ? sector_size : 1, faults_) : into.size;
    uint64_t size = file.size(View::visible);
    uint64_t place = position + faults_.below(std::max<uint64_t>(into.size, 1));
    uint64_t bit = faults_.below(8);
    if (faults_.chance(options().read_error) && place < size) {
        record(TraceKind::disk_fault, as_number(Fault::read_error), place);
        file.make_unreadable(place);
    }
    if (faults_.chance(options().rot) && place < size) {
        record(TraceKind::disk_fault, as_number(Fault::rot), place);
        file.flip_bit(place, static_cast<uint32_t>(bit));
    }
    if (file.is_unreadable(position, length)) return input_output_error;
    std::vector<uint8_t> bytes = file.read(View::visible, position, length);
    std::copy(bytes.begin(), bytes.end(), into.data());
    record(TraceKind::disk_read, position, xxh3(bytes, inode));
    return bytes.size();
}

// How much of a write succeeds: less where it is cut short, or meets the end of the disk.
size_t SimulatedDisk::written_length(const WriteRequest& request, size_t length) {
    size_t unit = request.is_direct ? sector_size : 1;
    uint64_t size = image_.file(request.inode).size(View::visible);
    if (!has_room(size, request.position + length)) {
        uint64_t allocated = round_up(size, page_size);
        length = allocated <= request.position ? 0 : std::min<size_t>(length, allocated - request.position);
    }
    size_t short_length = shortened(length, unit, faults_);
    return faults_.chance(options().short_write) ? short_length : length;
}

Result<size_t> SimulatedDisk::finish_write(const WriteRequest& request) {
    std::vector<uint8_t> bytes = gather(request.slices);
    if (xxh3(bytes, 0) != request.hash) fail("a buffer was changed while its write was in flight");
    if (bytes.empty()) return size_t{0};
    record(TraceKind::disk_write, request.position, xxh3(bytes, request.inode));
    bool is_failing = faults_.chance(options().write_error);
    if (take(&Scripted::fail_write, request.inode) || is_failing) {
        record(TraceKind::disk_fault, as_number(Fault::write_error), request.position);
        interrupt_write(request);
        return input_output_error;
    }
    if (take(&Scripted::lose_write, request.inode)) {
        record(TraceKind::disk_fault, as_number(Fault::lost), request.position);
        return bytes.size();
    }
    size_t length = written_length(request, bytes.size());
    if (length == 0) return no_space;
    InodeId inode = request.inode;
    uint64_t position = request.position;
    if (auto scripted = scripted_.find(inode); scripted != scripted_.end() && scripted->second.misdirect_write) {
        std::tie(inode, position) = *std::exchange(scripted->second.misdirect_write, std::nullopt);
        record(TraceKind::disk_fault, as_number(Fault::misdirected), position);
    }
    FileImage& file = image_.file(inode);
    file.write(position, Bytes(bytes).first(length), image_.advance());
    if (length < bytes.size() || request.sync == Sync::no) return length;
    bool is_sync_failing = faults_.chance(options().sync_error);
    if (take(&Scripted::fail_sync, request.inode) || is_sync_failing) {
        record(TraceKind::disk_fault, as_number(Fault::sync_error), position);
        file.fail_sync_range(position, length);
        forget(inode);
        return input_output_error;
    }
    file.sync_range(position, length);
    return length;
}

void SimulatedDisk::interrupt_write(const WriteRequest& request) {
    std::vector<uint8_t> bytes = gather(request.slices);
    FileImage& file = image_.file(request.inode);
    for (size_t begin = 0; begin < bytes.size();) {
        uint64_t page_end = round_down(request.position + begin, page_size) + page_size;
        size_t end = std::min<size_t>(page_end - request.position, bytes.size());
        uint64_t size = file.size(View::visible);
        if (coin() && has_room(size, request.position + end)) {
            file.write(request.position + begin, Bytes(bytes).subspan(begin, end - begin), image_.advance());
        }
        begin = end;
    }
}

// Some time after a failed sync, memory pressure takes the pages that look written out of the cache.
void SimulatedDisk::forget(InodeId inode) {
    Duration delay = faults_.duration(Latency{10ms, 2s});
    simulation_.schedule(simulation_.now() + delay, [this, inode] {
        if (image_.contains_file(inode)) image_.file(inode).evict();
    });
}

Result<void> SimulatedDisk::finish_sync(InodeId inode, Sequence covered) {
    bool is_failing = faults_.chance(options().sync_error);
    if (take(&Scripted::fail_sync, inode) || is_failing) {
        record(TraceKind::disk_fault, as_number(Fault::sync_error), inode);
        image_.file(inode).fail_sync(covered);
        forget(inode);
        return input_output_error;
    }
    record(TraceKind::disk_sync, inode, covered);
    image_.file(inode).sync(covered);
    return {};
}

Result<void> SimulatedDisk::finish_sync_directory(InodeId inode, Sequence covered) {
    if (faults_.chance(options().sync_error)) {
        record(TraceKind::disk_fault, as_number(Fault::sync_error), inode);
        return input_output_error;
    }
    record(TraceKind::disk_sync, inode, covered);
    image_.sync_directory(inode, covered);
    return {};
}

Result<void> SimulatedDisk::finish_resize(InodeId inode, uint64_t size) {
    FileImage& file = image_.file(inode);
    if (!has_room(file.size(View::visible), size)) return no_space;
    record(TraceKind::disk_resize, inode, size);
    file.resize(size, image_.advance());
    return {};
}

Result<void> SimulatedDisk::finish_allocate(InodeId inode, uint64_t end) {
    if (end <= image_.file(inode).size(View::visible)) return {};
    return finish_resize(inode, end);
}

Result<InodeId> SimulatedDisk::finish_open(const std::string& path, OpenMode mode) {
    Result<InodeId> inode = image_.find_file(path);
    bool may_create = mode == OpenMode::create || mode == OpenMode::open_or_create;
    if (inode.ok() && mode == OpenMode::create) return error_from_errno(EEXIST, "the file exists");
    if (!inode.ok() && inode.error().code == ErrorCode::not_found && may_create) {
        if (!has_room(0, 1)) return no_space;
        inode = image_.create(path);
    }
    if (inode.ok()) image_.opened(*inode);
    record(TraceKind::disk_open, xxh3(as_bytes(path), 0), inode.ok() ? *inode : 0);
    return inode;
}

void SimulatedDisk::interrupt_open(const std::string& path) {
    if (coin() && has_room(0, 1) && !image_.find(path).ok()) static_cast<void>(image_.create(path));
}

Result<InodeId> SimulatedDisk::finish_lock(const std::string& path) {
    Result<InodeId> inode = image_.find_file(path);
    if (!inode.ok() && inode.error().code == ErrorCode::not_found) inode = image_.create(path);
    if (inode.ok() && !locks_.insert(*inode).second) return Error(ErrorCode::locked, "another process holds the lock");
    return inode;
}

Result<DiskSpace> SimulatedDisk::space(const std::string& path) const {
    TRY_VOID(image_.find(path));
    uint64_t used = std::min(image_.used_bytes(), capacity_bytes_);
    return DiskSpace{capacity_bytes_, capacity_bytes_ - used};
}

// Whether a file may grow so. What it has already can be written again on a full disk, too.
bool SimulatedDisk::has_room(uint64_t old_size, uint64_t new_size) {
    uint64_t allocated = round_up(old_size, page_size);
    uint64_t wanted = round_up(new_size, page_size);
    if (wanted <= allocated) return true;
    Duration full = faults_.duration(Latency{1ms, 1s});
    if (faults_.chance(options().full)) full_until_ = simulation_.now() + full;
    bool is_full = options().full.numerator != 0 && simulation_.now() < full_until_;
    bool fits = !is_full && image_.used_bytes() + (wanted - allocated) <= capacity_bytes_;
    if (!fits) record(TraceKind::disk_fault, as_number(Fault::full), wanted);
    return fits;
}

}  // namespace ironbark::simulation
