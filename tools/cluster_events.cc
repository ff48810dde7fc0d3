// ironbark cluster events: what happened to the cluster, and what happens.

#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "tools/cluster.h"
#include "tools/terminal.h"
#include "tools/topic.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

using Json = nlohmann::ordered_json;

// How long Ctrl-C may go unnoticed while nothing happens.
constexpr Admin::Timeout poll_time{500};
// On top of that, for an answer while following. Then whoever looks on is told.
constexpr Admin::Timeout answer_time{2'000};
constexpr Admin::Timeout pause{200};

Json to_json(const ClusterEvent& event) {
    return {{"time_ms", event.time_ms}, {"number", event.number}, {"kind", event.kind}, {"text", event.text}};
}

class Events {
  public:
    explicit Events(Session& session) : session_(session) {}

    // Prints those there are.
    int list(Admin& admin, Admin::Timeout patience) {
        Json values = Json::array();
        while (true) {
            Expected<std::vector<ClusterEvent>> events = admin.cluster_events(newest_, Admin::Timeout(0), patience);
            if (!events) return session_.fail("cannot ask for the events", events.error());
            if (events->empty()) break;
            for (const ClusterEvent& event : *events) {
                if (session_.json) {
                    values.push_back(to_json(event));
                } else {
                    print(event);
                }
                newest_ = event.number;
            }
        }
        if (session_.json) session_.print_json(values);
        return exit_done;
    }

    // Prints those there are and those that come, until Ctrl-C or until nobody reads.
    int follow(Admin& admin) {
        catch_interrupts();
        while (interrupted == 0 && !session_.output.is_closed() && session_.output.failure() == 0) {
            Expected<std::vector<ClusterEvent>> events =
                admin.cluster_events(newest_, poll_time, poll_time + answer_time);
            if (interrupted != 0) break;
            if (!events) {
                if (!events.error().is_retriable()) {
                    return session_.fail("cannot go on with the events", events.error());
                }
                lost(events.error());
                continue;
            }
            found();
            for (const ClusterEvent& event : *events) show_next(event);
            session_.output.flush();
        }
        return exit_done;
    }

  private:
    void print(const ClusterEvent& event) {
        session_.print(
            fmt::format("{}  {:>6}  {:<20}  {}\n", time_text(event.time_ms), event.number, event.kind, event.text));
    }
    void show_next(const ClusterEvent& event) {
        if (newest_ >= 0 && event.number > newest_ + 1) {
            session_.say(fmt::format("events {} to {} are not remembered any more", newest_ + 1, event.number - 1));
        }
        newest_ = event.number;
        if (session_.json) {
            session_.print(to_json(event).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
        } else {
            print(event);
        }
    }
    void lost(const Failure& why) {
        if (!is_lost_) {
            session_.say(
                fmt::format("nobody tells of events now ({}); trying again until somebody does", why.to_string()));
        }
        is_lost_ = true;
        std::this_thread::sleep_for(pause);
    }
    void found() {
        if (is_lost_) session_.say("events come again");
        is_lost_ = false;
    }

    Session& session_;
    int64_t newest_ = -1;
    bool is_lost_ = false;
};

}  // namespace

void add_cluster_events(Command noun, Session& session) {
    auto follow = std::make_shared<bool>(false);
    Command command =
        add_command(noun, session,
                    {"events",
                     "show what happened to the cluster: brokers, leaders, controllers, topics. A line each: "
                     "time, number, kind, text. With --follow and --json an object per line",
                     "ironbark cluster events --follow"},
                    [&session, follow] {
                        return with_admin(session, [&](Admin& admin, Admin::Timeout patience) {
                            Events events(session);
                            return *follow ? events.follow(admin) : events.list(admin, patience);
                        });
                    });
    command.add_flag("--follow", *follow, "go on with what happens, until Ctrl-C; survives brokers that go away");
}

}  // namespace ironbark::tools
