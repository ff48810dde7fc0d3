// What a world adds to the machine: trips over loopback, and synced and unsynced writes to blocks that were written
// before, in each world and with each form of sync. Files are made in the current directory: run it on the disk that
// matters. The first argument of a name is the kind of world; "spin" worlds poll instead of sleeping.

#include <benchmark/benchmark.h>

#include <string>
#include <thread>

#include "runtime/io/posix_world.h"
#include "runtime/io/uring_world.h"
#include "runtime/task/scope.h"

namespace ironbark {

namespace {

enum Kind : int64_t { posix, uring, uring_linked, uring_dsync, uring_write_then_sync };

SyncForm form_of(int64_t kind) {
    switch (kind) {
        case uring_linked: return SyncForm::linked;
        case uring_dsync: return SyncForm::dsync;
        case uring_write_then_sync: return SyncForm::write_then_sync;
        default: return SyncForm::flush_thread;
    }
}

// Null, and the benchmark skipped, where io_uring is forbidden.
std::unique_ptr<ThreadWorld> make_world(benchmark::State& state, int64_t kind, Duration spin) {
    constexpr const char* names[] = {"posix", "io_uring, flush thread", "io_uring, linked", "io_uring, RWF_DSYNC",
                                     "io_uring, write then sync"};
    state.SetLabel(std::string(names[kind]) + (spin > Duration::zero() ? ", spinning" : ""));
    if (kind == posix) {
        PosixSettings settings;
        settings.spin = spin;
        return make_posix_world(settings);
    }
    UringSettings settings;
    settings.spin = spin;
    settings.sync_form = form_of(kind);
    Result<std::unique_ptr<UringWorld>> made = make_uring_world(settings);
    if (made.ok()) return std::move(made).value();
    state.SkipWithError(made.error().text);
    return nullptr;
}

BufferSlice slice_of(World& world, size_t size) {
    BufferSlice slice(world.buffers.take(size), 0, size);
    std::memset(slice.data(), 1, size);
    return slice;
}

Task<bool> receive_exactly(Socket* socket, BufferSlice into) {
    size_t done = 0;
    while (done < into.size) {
        Result<size_t> count = co_await socket->receive(into.part(done, into.size - done));
        if (!count.ok() || *count == 0) co_return false;
        done += *count;
    }
    co_return true;
}

Task<void> echo(World* world, std::unique_ptr<Listener>* listener, size_t size) {
    Result<std::unique_ptr<Socket>> socket = co_await (*listener)->accept();
    if (!socket.ok()) co_return;
    BufferSlice bytes = slice_of(*world, size);
    while (true) {
        bool received = co_await receive_exactly(socket->get(), bytes);
        if (!received) break;
        std::vector<BufferSlice> slices(1, bytes);
        Result<void> sent = co_await (*socket)->send(std::move(slices));
        if (!sent.ok()) break;
    }
    (*socket)->close();
}

Task<void> listen(World* world, std::unique_ptr<Listener>* listener) {
    Address any_port{"127.0.0.1", 0};
    Result<std::unique_ptr<Listener>> made = co_await world->network.listen(std::move(any_port));
    *listener = std::move(made).value();
}

Task<void> ping(World* world, Address address, benchmark::State* state, size_t size) {
    Result<std::unique_ptr<Socket>> socket = co_await world->network.connect(address, never);
    if (!socket.ok()) co_return;
    BufferSlice bytes = slice_of(*world, size);
    for (auto _ : *state) {
        std::vector<BufferSlice> slices(1, bytes);
        Result<void> sent = co_await (*socket)->send(std::move(slices));
        bool received = co_await receive_exactly(socket->get(), bytes);
        if (!sent.ok() || !received) state->SkipWithError("the connection broke");
    }
    (*socket)->close();
}

// Two threads, each with a world: one sends and waits for the echo of the other.
void ping_pong(benchmark::State& state) {
    Duration spin = std::chrono::microseconds(state.range(1));
    size_t size = static_cast<size_t>(state.range(2));
    std::unique_ptr<ThreadWorld> client = make_world(state, state.range(0), spin);
    if (client == nullptr) return;
    std::unique_ptr<ThreadWorld> server = make_world(state, state.range(0), spin);
    std::unique_ptr<Listener> listener;
    std::atomic<uint16_t> port = 0;
    std::thread server_thread([&] {
        server->executor().run_until_done(listen(&server->world(), &listener));
        port = listener->local_address().port;
        server->executor().run_until_done(echo(&server->world(), &listener, size));
        struct Close {
            static Task<void> run(Listener* open) {
                open->close();
                co_return;
            }
        };
        server->executor().run_until_done(Close::run(listener.get()));
    });
    while (port == 0) std::this_thread::yield();
    client->executor().run_until_done(ping(&client->world(), {"127.0.0.1", port}, &state, size));
    server_thread.join();
}
BENCHMARK(ping_pong)
    ->ArgsProduct({{posix, uring}, {0, 1000}, {64, 65536}})
    ->ArgNames({"world", "spin_us", "size"})
    ->UseRealTime();

constexpr uint64_t file_size = uint64_t{64} << 20;

Task<void> fill(World* world, std::unique_ptr<File>* file, std::string path) {
    Result<std::unique_ptr<File>> made = co_await world->disk.open(path, OpenMode::open_or_create, true);
    *file = std::move(made).value();
    constexpr size_t piece_size = size_t{1} << 20;
    for (uint64_t position = 0; position < file_size; position += piece_size) {
        std::vector<BufferSlice> slices(1, slice_of(*world, piece_size));
        Result<void> written = co_await write_fully(**file, position, std::move(slices), Sync::no);
        if (!written.ok()) UNREACHABLE();
    }
    Result<void> synced = co_await (*file)->sync();
    if (!synced.ok()) UNREACHABLE();
    Result<void> removed = co_await world->disk.remove(path);  // the open file is all that is needed
    if (!removed.ok()) UNREACHABLE();
}

Task<void> write_one(File* file, uint64_t position, BufferSlice bytes, Sync sync) {
    std::vector<BufferSlice> slices(1, std::move(bytes));
    Result<void> written = co_await write_fully(*file, position, std::move(slices), sync);
    if (!written.ok()) UNREACHABLE();
}

Task<void> write_rounds(World* world, File* file, benchmark::State* state, Sync sync) {
    size_t size = static_cast<size_t>(state->range(2));
    int64_t depth = state->range(3);
    BufferSlice bytes = slice_of(*world, size);
    uint64_t position = 0;
    Scope scope(world->executor);
    for (auto _ : *state) {
        for (int64_t index = 0; index < depth; ++index) {
            scope.spawn(write_one(file, position, bytes, sync));
            position = (position + size) % file_size;
        }
        co_await scope.join();
    }
    state->SetBytesProcessed(state->iterations() * depth * static_cast<int64_t>(size));
    co_await file->close();
}

void write_file(benchmark::State& state, Sync sync) {
    std::unique_ptr<ThreadWorld> thread_world =
        make_world(state, state.range(0), std::chrono::microseconds(state.range(1)));
    if (thread_world == nullptr) return;
    std::unique_ptr<File> file;
    ThreadExecutor& executor = thread_world->executor();
    executor.run_until_done(fill(&thread_world->world(), &file, "ironbark-microbench.data"));
    executor.run_until_done(write_rounds(&thread_world->world(), file.get(), &state, sync));
}
void write_synced(benchmark::State& state) { write_file(state, Sync::data); }
void write_unsynced(benchmark::State& state) { write_file(state, Sync::no); }

// `depth` writes at a time; the time is of all of them.
BENCHMARK(write_synced)
    ->ArgsProduct({{posix, uring, uring_linked, uring_dsync, uring_write_then_sync}, {0, 1000}, {4096}, {1}})
    ->ArgsProduct({{posix, uring, uring_linked}, {0}, {65536}, {1, 8}})
    ->ArgNames({"world", "spin_us", "size", "depth"})
    ->UseRealTime();
BENCHMARK(write_unsynced)
    ->ArgsProduct({{posix, uring}, {0}, {4096, 1 << 20}, {1, 8}})
    ->ArgNames({"world", "spin_us", "size", "depth"})
    ->UseRealTime();

Task<void> yield_rounds(Executor* executor, benchmark::State* state) {
    for (auto _ : *state) {
        Yield yield(*executor);
        co_await yield;
    }
}

// One turn of a loop that has nothing else to do: the cost of looking at the kernel between two coroutines.
void turn(benchmark::State& state) {
    std::unique_ptr<ThreadWorld> world = make_world(state, state.range(0), Duration::zero());
    if (world == nullptr) return;
    world->executor().run_until_done(yield_rounds(&world->executor(), &state));
}
BENCHMARK(turn)->Arg(posix)->Arg(uring)->ArgName("world");

}  // namespace

}  // namespace ironbark
