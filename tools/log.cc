// ironbark log dump | verify | export | graveyard | accept-loss: what lies on a disk, without a daemon or beside one.

#include <memory>

#include "tools/command.h"
#include "tools/offline/accept_loss.h"
#include "tools/offline/dump.h"
#include "tools/offline/graveyard.h"
#include "tools/offline/kafka_export.h"
#include "tools/offline/verify.h"

namespace ironbark::tools {
namespace {

void add_dump(Command noun, Session& session) {
    auto options = std::make_shared<DumpOptions>();
    Command command =
        add_offline_command(noun, session,
                            {"dump", "show the frames of a segment or graveyard file",
                             "ironbark log dump ironbark-data/partitions/*-0/00000000000000000000.log --records"},
                            [&session, options] { return dump(session, *options); });
    command.add_option("FILE", options->file, "a .log, .grave or .segment file").required();
    command.add_flag("--records", options->records, "with the records of each batch");
    command.add_flag("--all", options->all, "also what stands behind the place where the log ends");
}

void add_verify(Command noun, Session& session) {
    auto directory = std::make_shared<std::string>();
    add_offline_command(noun, session,
                        {"verify", "check every byte that a data directory, or one partition's directory, promises",
                         "ironbark log verify ./ironbark-data"},
                        [&session, directory] { return verify(session, *directory); })
        .add_option("DIR", *directory, "a data directory, or one of those in its partitions/")
        .required();
}

void add_export(Command noun, Session& session) {
    auto options = std::make_shared<KafkaExportOptions>();
    Command command = add_offline_command(noun, session,
                                          {"export", "write plain Kafka segments, and read them again",
                                           "ironbark log export --kafka ./ironbark-data --to ./kafka-segments"},
                                          [&session, options] { return export_kafka(session, *options); });
    command.add_option("--kafka", options->from, "the data directory, or one partition's, to export")
        .required()
        .type_name("DIR");
    command.add_option("--to", options->to, "a new or empty directory").required().type_name("DIR");
}

void add_graveyard(Command noun, Session& session) {
    Command graveyard = add_noun(
        noun, "graveyard", "records that were cut from logs, and whole logs that were let go: list, show, export");
    auto directory = std::make_shared<std::string>();
    add_offline_command(graveyard, session,
                        {"list", "list what is buried", "ironbark log graveyard list ./ironbark-data"},
                        [&session, directory] { return list_graveyards(session, *directory); })
        .add_option("DIR", *directory, "a data directory, or one partition's")
        .required();

    auto shown = std::make_shared<DumpOptions>();
    Command show = add_offline_command(
        graveyard, session,
        {"show", "show the frames of a graveyard file", "ironbark log graveyard show FILE.grave --records"},
        [&session, shown] { return dump(session, *shown); });
    show.add_option("FILE", shown->file, "a .grave or .segment file").required();
    show.add_flag("--records", shown->records, "with the records of each batch");

    auto exported = std::make_shared<BuriedExportOptions>();
    Command command =
        add_offline_command(graveyard, session,
                            {"export", "print the records of a graveyard file, as consume does",
                             "ironbark log graveyard export FILE.grave | ironbark produce orders-recovered"},
                            [&session, exported] { return export_buried(session, *exported); });
    command
        .add_option("FILE", exported->file,
                    "a .segment file, or a .grave file, which stands for all segments of the same time")
        .required();
    command.add_option("--format", exported->format, "as consume takes it ['%v\\n']").type_name("TEXT");
}

void add_accept_loss(Command noun, Session& session) {
    auto directory = std::make_shared<std::string>();
    Command command =
        add_offline_command(noun, session,
                            {"accept-loss", "open a log that is refused for damage, without the damaged records",
                             "ironbark log accept-loss ironbark-data/partitions/TOPIC-UUID-0 --yes"},
                            [&session, directory] { return accept_loss(session, *directory); });
    command.add_option("DIR", *directory, "the partition's directory, as the daemon's message names it").required();
    add_yes(command, session);
}

}  // namespace

void add_log(Command app, Session& session) {
    Command noun = add_noun(app, "log", "files of a data directory: look at them, check them, take them elsewhere");
    add_dump(noun, session);
    add_verify(noun, session);
    add_export(noun, session);
    add_graveyard(noun, session);
    add_accept_loss(noun, session);
}

}  // namespace ironbark::tools
