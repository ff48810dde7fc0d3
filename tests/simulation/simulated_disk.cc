#include "tests/simulation/simulated_disk.h"

#include <algorithm>
#include <utility>

#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::simulation {
namespace {

std::string describe(const DiskOperation& operation) {
    return std::string(operation.is_change ? "a change of " : "a read of ") + std::to_string(operation.begin) + ".." +
           std::to_string(operation.end);
}

}  // namespace

SimulatedDisk::SimulatedDisk(Simulation& simulation, Node& node)
    : simulation_(simulation),
      node_(node),
      latencies_(simulation.stream("disk-latency/" + node.name())),
      faults_(simulation.stream("disk-faults/" + node.name())),
      crashes_(simulation.stream("disk-crashes/" + node.name())),
      capacity_bytes_(simulation.options().disk.capacity_bytes) {}

const DiskOptions& SimulatedDisk::options() const { return simulation_.options().disk; }

void SimulatedDisk::record(TraceKind kind, uint64_t first, uint64_t second) {
    simulation_.record(kind, node_.id(), first, second);
}

void SimulatedDisk::fail(const std::string& what) const {
    simulation_.fail("disk of node " + node_.name() + ": " + what);
}

void SimulatedDisk::submit(DiskOperation operation) {
    if (operation.is_change && ++changes_ == stop_at_) {
        stop_at_.reset();
        node_.crash(stop_how_);
        return;
    }
    check_overlap(operation);
    uint64_t number = ++submitted_;
    Duration latency = latencies_.duration(operation.latency);
    Duration stall = latencies_.duration(Latency{100ms, 2s});
    if (faults_.chance(options().stall)) latency += stall;
    latency = std::max(latency, hangs_until_ - simulation_.now());
    in_flight_.emplace(number, std::move(operation));
    simulation_.schedule(simulation_.now() + latency, [this, number] { complete(number); });
}

void SimulatedDisk::hang(Duration time) {
    hangs_until_ = simulation_.now() + time;
}

void SimulatedDisk::check_overlap(const DiskOperation& operation) const {
    bool is_write = operation.is_change;
    for (const auto& [number, other] : in_flight_) {
        if (other.inode != operation.inode || (!is_write && !other.is_change)) continue;
        if (std::max(other.begin, operation.begin) < std::min(other.end, operation.end)) {
            fail("two operations in flight overlap in " + image_.path_of(operation.inode) + ": " + describe(other) +
                 " and then " + describe(operation));
        }
    }
}

void SimulatedDisk::complete(uint64_t number) {
    auto found = in_flight_.find(number);
    if (found == in_flight_.end()) return;  // its process died
    DiskOperation operation = std::move(found->second);
    in_flight_.erase(found);
    operation.complete();
}

void SimulatedDisk::process_died(Crash how) {
    for (auto& [number, operation] : std::exchange(in_flight_, {})) {
        if (operation.interrupt) operation.interrupt();
    }
    locks_.clear();
    scripted_.clear();
    image_.close_all();
    if (how == Crash::power_loss) {
        image_.lose_power(Tearing{options().torn_pages, options().torn_sectors}, crashes_);
    } else {
        image_.collect();
    }
}

void SimulatedDisk::process_ended() {
    if (!in_flight_.empty()) fail("the process ended in order, with operations in flight");
    process_died(Crash::kill);
}

void SimulatedDisk::stop_after(uint64_t count, Crash how) {
    stop_at_ = changes_ + count;
    stop_how_ = how;
}

void SimulatedDisk::restore(DiskImage image) {
    if (node_.is_running()) fail("restore while the node is running");
    image_ = std::move(image);
    image_.close_all();
}

InodeId SimulatedDisk::file_at(const std::string& path) const {
    Result<InodeId> inode = image_.find_file(path);
    if (!inode.ok()) fail("there is no file " + path);
    return *inode;
}

uint64_t SimulatedDisk::size(const std::string& path, View view) const {
    Result<InodeId> inode = image_.find_file(path, view);
    if (!inode.ok()) fail("there is no file " + path);
    return image_.file(*inode).size(view);
}

std::vector<uint8_t> SimulatedDisk::read(const std::string& path, View view) const {
    Result<InodeId> inode = image_.find_file(path, view);
    if (!inode.ok()) fail("there is no file " + path);
    return image_.file(*inode).read(view, 0, image_.file(*inode).size(view));
}

void SimulatedDisk::rot(const std::string& path, uint64_t position, uint32_t bit) {
    FileImage& file = image_.file(file_at(path));
    if (position >= file.size(View::visible)) fail("rot beyond the end of " + path);
    file.flip_bit(position, bit);
}

void SimulatedDisk::fail_reads(const std::string& path, uint64_t position) {
    image_.file(file_at(path)).make_unreadable(position);
}

void SimulatedDisk::truncate(const std::string& path, uint64_t size) {
    FileImage& file = image_.file(file_at(path));
    std::vector<uint8_t> bytes = file.read(View::visible, 0, size);
    file.assign(bytes);
}

void SimulatedDisk::replace(const std::string& path, Bytes bytes) {
    Result<InodeId> inode = image_.find_file(path);
    if (!inode.ok()) inode = image_.create(path);
    if (!inode.ok()) fail("cannot make " + path);
    image_.file(*inode).assign(bytes);
    image_.sync_directory(*image_.find_directory(directory_of(path)), image_.sequence());
}

void SimulatedDisk::remove(const std::string& path) {
    if (!image_.remove(path).ok()) fail("there is no file " + path);
    image_.sync_directory(*image_.find_directory(directory_of(path)), image_.sequence());
}

void SimulatedDisk::lose_next_write(const std::string& path) { scripted_[file_at(path)].lose_write = true; }
void SimulatedDisk::fail_next_write(const std::string& path) { scripted_[file_at(path)].fail_write = true; }
void SimulatedDisk::fail_next_sync(const std::string& path) { scripted_[file_at(path)].fail_sync = true; }

void SimulatedDisk::misdirect_next_write(const std::string& path, const std::string& target, uint64_t position) {
    scripted_[file_at(path)].misdirect_write = std::pair(file_at(target), position);
}

}  // namespace ironbark::simulation
