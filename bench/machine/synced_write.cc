#include "bench/machine/synced_write.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>

#include "bench/machine/system.h"
#include "bench/machine/write_ring.h"

namespace ironbark::bench {

namespace {

enum class Waiting { sleeping, spinning };

class OnRing : public SyncedWrite {
  public:
    OnRing(const DirectFile& file, SyncForm form, Waiting waiting)
        : file_(file), form_(form), waiting_(waiting) {}

    void write(const void* data, std::uint64_t size, std::uint64_t position) override {
        ring_.write(file_.descriptor(), data, size, position, form_, 0);
        if (waiting_ == Waiting::spinning) {
            ring_.wait_spinning();
        } else {
            ring_.wait();
        }
    }

  private:
    const DirectFile& file_;
    SyncForm form_;
    Waiting waiting_;
    WriteRing ring_{8};
};

// The loop sees the write's completion first and then asks for the sync.
class OnRingThenSync : public SyncedWrite {
  public:
    explicit OnRingThenSync(const DirectFile& file) : file_(file) {}

    void write(const void* data, std::uint64_t size, std::uint64_t position) override {
        ring_.write(file_.descriptor(), data, size, position, SyncForm::none, 0);
        ring_.wait();
        ring_.sync_data(file_.descriptor(), 0);
        ring_.wait();
    }

  private:
    const DirectFile& file_;
    WriteRing ring_{8};
};

class Blocking : public SyncedWrite {
  public:
    explicit Blocking(const DirectFile& file) : file_(file) {}

    void write(const void* data, std::uint64_t size, std::uint64_t position) override {
        file_.write_synced(data, size, position);
    }

  private:
    const DirectFile& file_;
};

// A flush thread beside the loop. The loop sleeps in its ring, as it would while it serves others,
// on a read of the eventfd by which the thread answers.
class OnThread : public SyncedWrite {
  public:
    explicit OnThread(const DirectFile& file)
        : file_(file), asked_(event()), done_(event()), thread_([this] { serve(); }) {}

    ~OnThread() override {
        ending_ = true;
        signal(asked_);
        thread_.join();
        ::close(asked_);
        ::close(done_);
    }

    void write(const void* data, std::uint64_t size, std::uint64_t position) override {
        data_ = data;
        size_ = size;
        position_ = position;
        signal(asked_);
        ring_.read(done_, &answer_, sizeof answer_, 0, 0);
        ring_.wait();
    }

  private:
    static int event() { return static_cast<int>(check(::eventfd(0, EFD_CLOEXEC), "eventfd")); }

    static void signal(int event) {
        const std::uint64_t one = 1;
        check(::write(event, &one, sizeof one), "eventfd write");
    }

    void serve() {
        while (true) {
            std::uint64_t count = 0;
            check(::read(asked_, &count, sizeof count), "eventfd read");
            if (ending_) return;
            file_.write_synced(data_, size_, position_);
            signal(done_);
        }
    }

    const DirectFile& file_;
    const int asked_;
    const int done_;
    // Handed over by the eventfds, which order these accesses.
    const void* data_ = nullptr;
    std::uint64_t size_ = 0;
    std::uint64_t position_ = 0;
    bool ending_ = false;
    std::uint64_t answer_ = 0;
    WriteRing ring_{8};
    std::thread thread_;
};

template <typename Form, typename... Arguments>
SyncedWriteForm form(std::string name, Arguments... arguments) {
    return {std::move(name), [arguments...](const DirectFile& file) {
                return std::make_unique<Form>(file, arguments...);
            }};
}

}  // namespace

const std::vector<SyncedWriteForm>& synced_write_forms() {
    static const std::vector<SyncedWriteForm> forms{
        form<OnRing>("ring, linked fdatasync", SyncForm::linked_fdatasync, Waiting::sleeping),
        form<OnRing>("ring, RWF_DSYNC", SyncForm::dsync, Waiting::sleeping),
        form<OnRingThenSync>("ring, write, then fdatasync"),
        form<OnThread>("flush thread, RWF_DSYNC"),
        form<Blocking>("blocking in the loop"),
        form<OnRing>("spinning, linked fdatasync", SyncForm::linked_fdatasync, Waiting::spinning),
        form<OnRing>("spinning, RWF_DSYNC", SyncForm::dsync, Waiting::spinning),
    };
    return forms;
}

}  // namespace ironbark::bench
