#include "runtime/io/world.h"

#include <charconv>
#include <utility>

namespace ironbark {

std::string Address::to_string() const {
    bool is_ipv6 = host.find(':') != std::string::npos;
    return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Address> Address::parse(std::string_view text) {
    static constexpr Error malformed(ErrorCode::invalid_request, "an address is HOST:PORT, for example 127.0.0.1:9400");
    size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return malformed;
    std::string_view host = text.substr(0, colon);
    std::string_view digits = text.substr(colon + 1);
    if (host.front() == '[') {
        if (host.size() < 3 || host.back() != ']') return malformed;
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return malformed;
    }
    Address address{std::string(host), 0};
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
    if (error != std::errc{} || end != digits.data() + digits.size()) return malformed;
    return address;
}

std::string directory_of(const std::string& path) {
    size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

Task<Result<size_t>> read_fully(File& file, uint64_t position, BufferSlice into) {
    size_t done = 0;
    while (done < into.size) {
        CO_TRY(size_t count, co_await file.read(position + done, into.part(done, into.size - done)));
        if (count == 0) break;
        done += count;
        if (!file.is_direct() || done % io_alignment == 0) continue;
        // Inside a block: this is the end of the file, or the read was short and the block is read again.
        CO_TRY(uint64_t size, co_await file.size());
        if (position + done >= size) break;
        done = round_down(done, io_alignment);
    }
    co_return done;
}

namespace {

// What is left of the slices after their first `count` bytes.
std::vector<BufferSlice> drop_front(std::vector<BufferSlice> slices, size_t count) {
    size_t index = 0;
    while (index < slices.size() && count >= slices[index].size) count -= slices[index++].size;
    slices.erase(slices.begin(), slices.begin() + static_cast<std::ptrdiff_t>(index));
    if (count > 0) slices.front() = slices.front().part(count, slices.front().size - count);
    return slices;
}

}  // namespace

Task<Result<void>> write_fully(File& file, uint64_t position, std::vector<BufferSlice> slices, Sync sync) {
    bool was_short = false;
    while (true) {
        size_t wanted = total_size(slices);
        CO_TRY(size_t count, co_await file.write(position, slices, sync));
        ASSERT(count <= wanted);
        // A direct write that ended inside a block is repeated from the start of that block.
        if (file.is_direct() && count < wanted) count = round_down(count, io_alignment);
        if (count == wanted) break;
        was_short = true;
        position += count;
        slices = drop_front(std::move(slices), count);
    }
    // A short write was not synced, and the sync of the rest covers only the rest.
    if (was_short && sync == Sync::data) co_return co_await file.sync();
    co_return Result<void>();
}

Task<Result<std::vector<uint8_t>>> read_file(World& world, std::string path, size_t size_max) {
    CO_TRY(std::unique_ptr<File> file, co_await world.disk.open(std::move(path), OpenMode::read, false));
    Result<uint64_t> size = co_await file->size();
    if (size.ok() && *size > size_max) size = Error(ErrorCode::corrupt_data, "the file is larger than it can be");
    if (!size.ok()) {
        co_await file->close();
        co_return size.error();
    }
    BufferSlice into(world.buffers.take(*size), 0, *size);
    Result<size_t> count = co_await read_fully(*file, 0, into);
    co_await file->close();
    if (!count.ok()) co_return count.error();
    co_return std::vector<uint8_t>(into.data(), into.data() + *count);
}

Task<Result<void>> replace_file(World& world, std::string path, std::vector<uint8_t> bytes) {
    std::string temporary = path + ".new";
    if (Result<void> removed = co_await world.disk.remove(temporary);
        !removed.ok() && removed.error().code != ErrorCode::not_found) {
        co_return removed.error();
    }
    CO_TRY(std::unique_ptr<File> file, co_await world.disk.open(temporary, OpenMode::create, false));
    std::vector<BufferSlice> slices;
    slices.push_back(world.buffers.copy_of(bytes));
    Result<void> written = co_await write_fully(*file, 0, std::move(slices), Sync::data);
    if (written.ok()) written = co_await file->sync();
    co_await file->close();
    CO_TRY_VOID(written);
    CO_TRY_VOID(co_await world.disk.rename(temporary, path));
    co_return co_await world.disk.sync_directory(directory_of(path));
}

}  // namespace ironbark
