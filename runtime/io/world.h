#pragma once
// The only door to the outside. All logic is written against these interfaces; nothing else makes a system call, reads
// a clock or draws a random number. Three worlds implement them: io_uring (the daemon), posix (epoll and I/O threads:
// the client, and the daemon where io_uring is forbidden) and simulated (tests/simulation: virtual time, one seed).
//
// Everything here belongs to one executor's thread. Every operation completes, also after `close`: then with an error.
// Objects are closed before they are destroyed. Paths are relative to the process or absolute; '/' separates.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/bytes.h"
#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/io/buffer.h"
#include "runtime/task/executor.h"
#include "runtime/task/task.h"

namespace ironbark {

enum class Sync : uint8_t {
    no,    // the bytes are with the operating system
    data,  // the bytes, and the size if it grew, are on the disk (fdatasync)
};

enum class OpenMode : uint8_t {
    read,           // must exist
    read_write,     // must exist
    create,         // must not exist; read and write
    open_or_create  // read and write
};

// A file that is open. In direct mode, memory, positions and sizes are multiples of `io_alignment`. Operations on
// ranges that overlap must not be in flight together unless all are reads; otherwise they complete in any order.
class File {
  public:
    virtual ~File() = default;

    // Whether the file bypasses the page cache. False where the file system refuses direct I/O: then writes are
    // buffered, and only a sync says that bytes are on the disk.
    virtual bool is_direct() const = 0;

    // Reads at most `into.size` bytes to the start of `into`. Fewer at the end of the file; 0 beyond it. May be short
    // anywhere: callers use `read_fully`.
    virtual Task<Result<size_t>> read(uint64_t position, BufferSlice into) = 0;

    // Writes the slices one after the other. May write fewer bytes than asked, and then nothing was synced: callers use
    // `write_fully`. With Sync::data, full success means that this write (not others) is on the disk.
    virtual Task<Result<size_t>> write(uint64_t position, std::vector<BufferSlice> slices, Sync sync) = 0;

    // Everything whose write had completed before this call is on the disk afterwards. An error is final for the file:
    // the kernel may have dropped what was not written, so a second sync proves nothing.
    virtual Task<Result<void>> sync() = 0;

    // Reserves blocks for [position, position + length) and grows the file to their end; new bytes read as zero.
    virtual Task<Result<void>> allocate(uint64_t position, uint64_t length) = 0;
    virtual Task<Result<void>> truncate(uint64_t size) = 0;
    virtual Task<Result<uint64_t>> size() = 0;
    // Waits for the operations in flight. Required before destruction; idempotent.
    virtual Task<void> close() = 0;
};

// Held until destroyed; the operating system releases it with the process.
class DirectoryLock {
  public:
    virtual ~DirectoryLock() = default;
};

struct DiskSpace {
    uint64_t total_bytes = 0;
    uint64_t free_bytes = 0;  // for this user
};

class Disk {
  public:
    virtual ~Disk() = default;

    // `direct` asks for direct I/O; see File::is_direct for what one gets.
    virtual Task<Result<std::unique_ptr<File>>> open(std::string path, OpenMode mode, bool direct) = 0;
    // Atomic; replaces `to`. Durable after sync_directory of both directories, as are creations and removals.
    virtual Task<Result<void>> rename(std::string from, std::string to) = 0;
    virtual Task<Result<void>> remove(std::string path) = 0;            // a file
    virtual Task<Result<void>> remove_directory(std::string path) = 0;  // an empty one
    virtual Task<Result<void>> make_directory(std::string path) = 0;    // no error if it is there already
    virtual Task<Result<void>> sync_directory(std::string path) = 0;
    // Names of the entries, sorted, without "." and "..".
    virtual Task<Result<std::vector<std::string>>> list(std::string path) = 0;
    virtual Task<Result<DiskSpace>> space(std::string path) = 0;
    // Takes the lock file at `path` (made if missing). ErrorCode::locked if another process holds it.
    virtual Task<Result<std::unique_ptr<DirectoryLock>>> lock(std::string path) = 0;
};

struct Address {
    std::string host;  // name, IPv4 or IPv6 (without brackets)
    uint16_t port = 0;

    std::string to_string() const;  // HOST:PORT, [HOST]:PORT for IPv6
    // Accepts both forms; empty if it is neither.
    static Result<Address> parse(std::string_view text);
    friend bool operator==(const Address&, const Address&) = default;
};

// A connected byte stream. One receive and one send may be in flight at a time.
class Socket {
  public:
    virtual ~Socket() = default;

    // Suspends until at least one byte is there. 0: the peer has closed its side.
    virtual Task<Result<size_t>> receive(BufferSlice into) = 0;
    // Sends all slices in order, or fails; after a failure an unknown part has left.
    virtual Task<Result<void>> send(std::vector<BufferSlice> slices) = 0;
    // Ends operations in flight and later ones with an error; the peer sees the end. Does not wait. Idempotent.
    virtual void close() = 0;
    virtual std::string peer() const = 0;  // for diagnostics
};

class Listener {
  public:
    virtual ~Listener() = default;
    // Suspends until somebody connects. ErrorCode::cancelled after `close`. Errors of a single connection, or of
    // exhausted descriptors, are returned too: the caller pauses and goes on.
    virtual Task<Result<std::unique_ptr<Socket>>> accept() = 0;
    virtual void close() = 0;
    virtual Address local_address() const = 0;  // with the port that was chosen, if 0 was asked for
};

class Network {
  public:
    virtual ~Network() = default;
    virtual Task<Result<std::unique_ptr<Listener>>> listen(Address address) = 0;
    // Another acceptor on the same listening socket, for another shard's thread. `listener` is of the same world kind.
    virtual Result<std::unique_ptr<Listener>> share(const Listener& listener) = 0;
    virtual Task<Result<std::unique_ptr<Socket>>> connect(Address address, Instant deadline) = 0;
};

class Random {
  public:
    virtual ~Random() = default;
    virtual uint64_t next() = 0;
    // Uniform in [0, bound). REQUIRES: bound > 0
    uint64_t below(uint64_t bound) {
        return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
    }
    Uuid uuid() {
        uint64_t high = next();
        return Uuid::from_words(high, next());
    }
};

// What a piece of logic is given. Borrowed: a world outlives everything that runs in it.
struct World {
    Executor& executor;
    Disk& disk;
    Network& network;
    Random& random;
    BufferPool& buffers;
};

// Reads until `into` is full or the file ends. Returns how many bytes there were.
Task<Result<size_t>> read_fully(File& file, uint64_t position, BufferSlice into);
// Writes everything, going on after short writes; with Sync::data all of it is on the disk afterwards.
Task<Result<void>> write_fully(File& file, uint64_t position, std::vector<BufferSlice> slices, Sync sync);
// A small file as a whole, at most `size_max` bytes (corrupt_data beyond).
Task<Result<std::vector<uint8_t>>> read_file(World& world, std::string path, size_t size_max);
// Replaces `path` atomically and durably: a temporary beside it, synced, renamed, directory synced.
Task<Result<void>> replace_file(World& world, std::string path, std::vector<uint8_t> bytes);

// The directory part of a path ("." if there is none).
std::string directory_of(const std::string& path);

}  // namespace ironbark
