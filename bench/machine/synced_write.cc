#include "bench/machine/synced_write.h"

#include <utility>

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
        form<OnRing>("flush thread, RWF_DSYNC", SyncForm::flush_thread, Waiting::sleeping),
        form<Blocking>("blocking in the loop"),
        form<OnRing>("spinning, linked fdatasync", SyncForm::linked_fdatasync, Waiting::spinning),
        form<OnRing>("spinning, RWF_DSYNC", SyncForm::dsync, Waiting::spinning),
    };
    return forms;
}

}  // namespace ironbark::bench
