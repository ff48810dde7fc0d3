#!/usr/bin/env python3
"""What was released can still be read.

schemas/ holds the schemas as they were released, wire/ full messages for each table that is the root of a frame's
metadata, metadata/ for each command of the metadata: the bytes as an old program wrote them (.bin), and what
they say (.json). TABLE.N.json is a further message of a table, for the fields that it has got since. The schemas of today must conform to the released ones, and must read the old bytes as they were meant.
`flatc --conform` alone misses fields that were renamed, removed at the end, or made required; reading the old bytes does
not.

  check_wire.py --flatc FLATC           the check; it also breaks copies of the schemas and insists on being refused
  check_wire.py --flatc FLATC --add     makes NAME.bin for each new NAME.json; never changes an old one

At a release, copy flatbuffers/*.fbs to schemas/.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SCHEMAS = HERE.parent.parent / "flatbuffers"

# Folders of messages: the schemas of which one has their root, and its name if that is not the message's.
FOLDERS = {"wire": (("client.fbs", "controller.fbs", "replica.fbs"), None),
           "metadata": (("metadata.fbs",), "MetadataCommand")}

# Parts of a QuorumMessage, which is the root.
BODIES = re.findall(r"\w+", re.search(r"union QuorumMessageBody {(.*?)}", (SCHEMAS / "controller.fbs").read_text(),
                                      re.DOTALL).group(1))

# One released change that old programs would not survive, for each way to make one: file, what was, what it became.
BREAKS = [
    ("client.fbs", "last_offset:long = -1", "last_offset:int = -1"),          # another type
    ("common.fbs", "leader:int = -1", "leader:int = 0"),                      # another default
    ("client.fbs", "broker_id:int = -1 (id: 5)", "broker:int = -1 (id: 5)"),  # renamed
    ("client.fbs", "    duplicate:bool (id: 12);", ""),                       # the last field removed
    ("common.fbs", "hint:string (id: 2)", "hint:string (id: 2, required)"),   # made required
    ("common.fbs", "isr = 4,\n    isr_durable = 5", "isr_durable = 4,\n    isr = 5"),
    ("client.fbs", "offset:long (id: 2);\n    leader_epoch:int = -1 (id: 3)",
     "offset:long (id: 3);\n    leader_epoch:int = -1 (id: 2)"),              # two ids swapped
    ("metadata.fbs", "since_ms:long (id: 12)", "changed_ms:long (id: 12)"),
    ("metadata.fbs", "    time_ms:long (id: 11);", ""),
    # A field that nobody would notice if it were changed.
    ("client.fbs", "    payload_size:uint (id: 6);", "    payload_size:uint (id: 6);\n    forgotten:int (id: 8);"),
    ("controller.fbs", "is_stopped:bool (id: 6);", "has_stopped:bool (id: 6);"),
    ("controller.fbs", "    hint_term:ulong (id: 5);", ""),
    ("controller.fbs", "AppendRequest, AppendResponse, SnapshotChunk", "AppendResponse, AppendRequest, SnapshotChunk"),
    ("metadata.fbs", "DeleteTopicCommand, AlterTopicCommand", "AlterTopicCommand, DeleteTopicCommand"),
]


def run(flatc, *arguments):
    done = subprocess.run([flatc, *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def conform_failures(flatc, schemas, scratch):
    for released in sorted((HERE / "schemas").glob("*.fbs")):
        good, said = run(flatc, "--conform", released, "--conform-includes", HERE / "schemas", "--cpp", "-o", scratch,
                         "-I", schemas, schemas / released.name)
        if not good:
            yield f"{released.name} does not conform to the released one: {' '.join(said.split())}"


def root_of(message):
    schemas, root = FOLDERS[message.parent.name]
    root = root or message.name.split(".")[0]
    # A root of an included schema can be named in any.
    schema = next((name for name in schemas if f"table {root} " in (SCHEMAS / name).read_text()), schemas[0])
    return schema, f"ironbark.wire.{root}"


def read(flatc, schemas, scratch, message):
    schema, root = root_of(message)
    good, said = run(flatc, "--json", "--strict-json", "--raw-binary", "--root-type", root, "-o", scratch, "-I", schemas,
                     schemas / schema, "--", message)
    if not good:
        return f"unreadable: {' '.join(said.split())}"
    return json.loads((scratch / f"{message.stem}.json").read_text())


def descriptions():
    return sorted(path for folder in FOLDERS for path in (HERE / folder).glob("*.json"))


def message_failures(flatc, schemas, scratch):
    for expected in descriptions():
        message = expected.with_suffix(".bin")
        if not message.exists():
            yield f"{message.name} is missing: make it with --add"
        elif read(flatc, schemas, scratch, message) != json.loads(expected.read_text()):
            yield f"{message.name} no longer says what {expected.name} holds"


def required_failures(schemas):
    """A required field can never be left out again, and making one required refuses who left it out."""
    for schema in sorted(schemas.glob("*.fbs")):
        if re.search(r"\(id: \d+,[^)]*\brequired\b", schema.read_text()):
            yield f"{schema.name}: no field may be required"


def coverage_failures(schemas):
    names = ("common.fbs", "client.fbs", "controller.fbs", "replica.fbs")
    text = "".join((schemas / name).read_text() for name in names)
    for table in re.findall(r"^table (\w+(?:Request|Response)|ErrorInfo|QuorumMessage)\b", text, re.MULTILINE):
        if table not in BODIES and not (HERE / "wire" / f"{table}.json").exists():
            yield f"{table} has no message in {HERE / 'wire'}: write {table}.json, then --add"
    union = re.search(r"union CommandBody {(.*?)}", (schemas / "metadata.fbs").read_text(), re.DOTALL).group(1)
    for command in re.findall(r"\w+", union):
        if not (HERE / "metadata" / f"{command}.json").exists():
            yield f"{command} has no message in {HERE / 'metadata'}: write {command}.json, then --add"


def tables_of(schemas):
    """Of each table, the types of its fields."""
    tables = {}
    for schema in schemas.glob("*.fbs"):
        for name, body in re.findall(r"^table (\w+) {(.*?)}", schema.read_text(), re.DOTALL | re.MULTILINE):
            tables[name] = dict(re.findall(r"^\s*(\w+):\[?(\w+)", body, re.MULTILINE))
    return tables


def fields_in(tables, table, value):
    """Which fields of which tables a message sets."""
    for item in value if isinstance(value, list) else [value]:
        if table not in tables or not isinstance(item, dict):
            continue
        for field, inner in item.items():
            yield table, field
            kind = item.get(f"{field}_type", tables[table].get(field.removesuffix("_type")))
            yield from fields_in(tables, kind, inner)


def field_failures(schemas):
    tables = tables_of(schemas)
    seen = set()
    for message in descriptions():
        root = root_of(message)[1].removeprefix("ironbark.wire.")
        seen.update(fields_in(tables, root, json.loads(message.read_text())))
    for table in sorted({table for table, _ in seen}):
        for field in tables[table]:
            if (table, field) not in seen:
                yield f"no message sets {table}.{field}: write TABLE.N.json with it, then --add"


def failures(flatc, schemas):
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        yield from coverage_failures(schemas)
        yield from conform_failures(flatc, schemas, scratch)
        yield from message_failures(flatc, schemas, scratch)
        yield from required_failures(schemas)
        yield from field_failures(schemas)


def blind_spots(flatc):
    for file, was, became in BREAKS:
        with tempfile.TemporaryDirectory() as name:
            broken = pathlib.Path(name)
            for schema in SCHEMAS.glob("*.fbs"):
                shutil.copy(schema, broken)
            text = (broken / file).read_text()
            if text.count(was) != 1:
                yield f"BREAKS: '{was}' stands {text.count(was)} times in {file}, not once"
                continue
            (broken / file).write_text(text.replace(was, became))
            if not any(True for _ in failures(flatc, broken)):
                yield f"this check does not see the break '{was}' -> '{became}'"


def add(flatc):
    for source in descriptions():
        if not source.with_suffix(".bin").exists():
            schema, root = root_of(source)
            good, said = run(flatc, "-b", "--root-type", root, "-o", source.parent, "-I", SCHEMAS, SCHEMAS / schema, source)
            print(f"{source.stem}.bin {'made' if good else said}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flatc", default="flatc")
    parser.add_argument("--add", action="store_true")
    options = parser.parse_args()
    if options.add:
        add(options.flatc)
    found = [*failures(options.flatc, SCHEMAS), *blind_spots(options.flatc)]
    for failure in found:
        print(failure, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
