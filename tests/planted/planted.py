#!/usr/bin/env python3
"""Puts mistakes that others made back into the replication, one at a time, and says how many seeds it took to notice.

    tests/planted/planted.py [--build DIR] [--seeds N] [--with record_chaos|scripts|simulate] [NAME ...]
    tests/planted/planted.py --check

Noticed by RecordChaos (cluster_test), by the scripts of broker_test and cluster_test, or by `simulate --nodes 3`. Works on a copy of the tree (in --build, which is
made and kept: the first build takes long), so that a run that is broken off leaves no mistake behind. A mistake that
is not noticed, or whose place in the code is not found, makes it exit with 1.
"""

import argparse
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# Name: file, what is there, what stands there instead; of some in two places.
PLANTED = {
    "acknowledge-before-sync": (
        "broker/replication/follower_session.cc", "{partition.log_end(), partition.durable_end(), partition.log_start()}",
        "{partition.log_end(), partition.log_end(), partition.log_start()}"),
    "leader-not-counted": (
        "broker/replication/replica_set.cc", "    Offset least = end(own_);", "    Offset least(INT64_MAX);"),
    "watermark-of-the-first-replica": (
        "broker/replication/replica_set.cc",
        "if (contains(committed_, broker) || is_pending(broker)) least = std::min(least, end(follower.ends));",
        "if (contains(committed_, broker) && broker == replicas_.back()) least = std::min(least, end(follower.ends));"),
    "watermark-below-min-in-sync": (
        "broker/replication/replica_set.cc", "    if (!has_enough()) return;\n", ""),
    "cut-to-the-watermark": (
        "broker/replication/follower_session.cc",
        "const Offset to = std::min(agreed, partition->log_end());",
        "const Offset to = std::max(partition->high_watermark(), partition->log_start());"),
    "no-epoch-in-acknowledgements": (
        "broker/replication/leader_sessions.cc",
        "if (partition == nullptr || !partition->leads() || partition->leader_epoch() != ack.leader_epoch) continue;",
        "if (partition == nullptr || !partition->leads()) continue;"),
    "old-leader-is-not-refused": (
        "broker/partition/partition.cc", "    leads_ = false;\n    end_leadership();\n    epoch_ = epoch;\n    if (state_",
        "    if (leads_) return;\n    leads_ = false;\n    epoch_ = epoch;\n    if (state_"),
    "unclean-start-stays-in-sync": (
        "broker/controller/tiers.cc", "bool changed = erase(partition.in_sync, broker);", "bool changed = false;"),
    "join-without-the-durable-end": (
        "broker/replication/replica_set.cc",
        "return follower.ends.appended >= high_ && follower.ends.durable >= durable_;",
        "return follower.ends.appended >= high_;"),
    "join-without-the-end": (
        "broker/replication/replica_set.cc",
        "return follower.ends.appended >= high_ && follower.ends.durable >= durable_;",
        "(void)follower;\n    return true;"),
    "join-before-the-epochs-start": (
        "broker/replication/replica_set.cc",
        "return follower.ends.appended >= epoch_start_ && follower.ends.durable >= epoch_start_;", "return true;"),
    "what-moves-is-not-looked-at": (
        "broker/partition/partition.cc", "    stir();\n    ReplicaSet& replicas", "    ReplicaSet& replicas",
        "broker/partition/partition.cc", "void Partition::notify() {\n    stir();\n", "void Partition::notify() {\n"),
    "rejoin-by-time": (
        "broker/replication/replica_set.cc", "            if (!may_join(broker, follower, living)) continue;",
        "            const bool lags = follower.appended.lags(follower.ends.appended, own_.appended, now, lag_time_max);\n"
        "            if (lags || !is_candidate(broker, follower, living)) continue;"),
    "durable-lag-ignored": (
        "broker/replication/replica_set.cc",
        "        const bool lags = follower.appended.lags(follower.ends.appended, own_.appended, now, lag_time_max) ||\n"
        "                          follower.durable.lags(follower.ends.durable, sync_to_, now, lag_time_max);",
        "        const bool lags = follower.appended.lags(follower.ends.appended, own_.appended, now, lag_time_max);"),
    "old-clean-mark-believed": (
        "broker/controller/metadata_brokers.cc", "is_repeat || stopped_cleanly == known->incarnation;",
        "is_repeat || stopped_cleanly.value >= 0;"),
    "wiped-replica-counts": (
        "broker/controller/metadata_brokers.cc",
        "    if (known->directory != broker.directory) return EventCause::other_directory;\n",
        "    if (known->directory != broker.directory) return EventCause::clean_start;\n"),
    "smaller-set-while-a-change-is-pending": (
        "broker/replication/replica_set.cc", "    return pending_ && contains(pending_->in_sync, broker);",
        "    (void)broker;\n    return false;"),
    "leaving-member-not-waited-for": (
        "broker/replication/replica_set.cc", "if (contains(committed_, broker) || is_pending(broker)) least",
        "if (pending_ ? is_pending(broker) : contains(committed_, broker)) least"),
    "acknowledgement-before-the-logs-agreed": (
        "broker/replication/follower_session.cc",
        "if (moved == nullptr || !moved->has_agreed) return;", "if (moved == nullptr) return;"),
    "producers-not-cut": (
        "log/log_cut.cc", "log_.producers_ = std::move(replay.producers);", "(void)replay;"),
    "leader-appointed-in-place-after-a-restart": (
        "broker/partition/partition.cc", "const Epoch written = std::max(epoch, Epoch(log->last_epoch().value + 1));",
        "const Epoch written = std::max({Epoch(epoch.value - 2), log->last_epoch(), Epoch(0)});",
        "broker/partition/partition.cc", "Result<void> begun = co_await log->begin_epoch(written);",
        "Result<void> begun;\n    if (written > log->last_epoch()) begun = co_await log->begin_epoch(written);"),
    "any-replica-may-be-appointed": (
        "broker/controller/tiers.cc", "BrokerIds electable(const PartitionRecord& partition, bool has_durable_floor) {",
        "BrokerIds electable(const PartitionRecord& partition, bool has_durable_floor) {\n"
        "    if (!has_durable_floor || has_durable_floor) return partition.replicas;"),
    "checksum-of-the-place-ignored": (
        "broker/replication/leader_sessions.cc",
        "if (common.epoch == position.last_epoch && position.log_end <= common.end) {",
        "if (position.log_end <= log.log_end()) {"),
    "move-before-the-target-has-everything": (
        "broker/replication/planned_move.cc", "if (state_ == State::named && has_everything) {",
        "(void)has_everything;\n    if (state_ == State::named) {"),
    "damaged-replica-counts": (
        "broker/replication/replica_set.cc",
        "each.second.membership || contains(record.damaged, each.first);", "each.second.membership;",
        "broker/replication/replica_set.cc",
        "contains(record.damaged, broker) ? -1 : membership_of(record, broker);", "membership_of(record, broker);",
        "broker/controller/metadata_partitions.cc", "if (contains(partition.damaged, member)) {", "if (false) {"),
    "damaged-replica-is-not-emptied": (
        "broker/replication/in_sync_keeper.cc", "if (is_marked && !is_blank) {", "(void)is_blank;\n    if (false) {"),
    "membership-ignored": (
        "broker/replication/replica_set.cc", "    return found != followers_.end() && found->second.membership == membership;",
        "    (void)membership;\n    return found != followers_.end();"),
    "lease-ignored": (
        "broker/partition/partition.cc",
        "return !is_replicated(level) || leadership_->replicas.in_sync().size() == 1;",
        "(void)level;\n    return false;"),
    "stale-answers-in-appointments": (
        "broker/controller/appointer.cc",
        "            return partition == nullptr || !is_current(metadata, *partition, each.first, each.second);\n"
        "        });\n"
        "        if (place->second.empty()) {",
        "            const BrokerRecord* broker = metadata.find(each.first);\n"
        "            return partition == nullptr || broker == nullptr || broker->incarnation != each.second.incarnation;\n"
        "        });\n"
        "        if (partition != nullptr && partition->leader.value != -1) {\n"
        "            ++place;\n"
        "            continue;\n"
        "        }\n"
        "        if (place->second.empty()) {"),
}


TARGETS = {"record_chaos": ["cluster_test"], "scripts": ["broker_test", "cluster_test"], "simulate": ["simulate"]}
PROGRAMS = {"broker_test": "tests/broker/broker_test", "cluster_test": "tests/broker/cluster/cluster_test",
            "simulate": "tests/simulation/cluster/simulate"}

seeds_patience = 3600  # seconds, for one seed of RecordChaos or some of simulate: the machine may be busy


def build(folder, targets, jobs):
    done = subprocess.run(["ninja", "-C", folder, f"-j{jobs}", *targets], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout[-2000:]


def notice_by_scripts(programs, seeds, patience):
    """The first script that fails; 1 stands for all of them."""
    for program in programs:
        command = [program, "--gtest_filter=-*Chaos*", "--gtest_fail_fast"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=patience, check=False)
        except subprocess.TimeoutExpired:
            return 1, "it does not end"
        if done.returncode != 0:
            failed = re.findall(r"\[  FAILED  \] (\S+)", done.stdout)
            begun = re.findall(r"\[ RUN      \] (\S+)", done.stdout)  # the last one, if it took the program with it
            return 1, (failed[:1] or begun[-1:] or ["?"])[0]
    return None, ""


def notice_by_chaos(programs, seeds, patience):
    program = programs[0]
    for first in range(1, seeds + 1):
        environment = {"IRONBARK_RECORD_FIRST": str(first), "IRONBARK_RECORD_SEEDS": "1"}
        command = [program, "--gtest_filter=RecordChaos.*"]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=patience, check=False)
        except subprocess.TimeoutExpired:
            return first, "it does not end"
        if done.returncode != 0 and "Expected: (counts" not in done.stdout:
            said = re.search(r"(?:failed|broken|seed \d+)[:,]? .*", done.stderr + done.stdout)
            return first, (done.stderr.strip().splitlines() or ["?"])[0] if said is None else said.group(0)
    return None, ""


def notice_by_simulate(programs, seeds, patience):
    """Some seeds at a time, so that two processors are used; then the first that failed once more, to hear why."""
    program = programs[0]
    for first in range(1, seeds + 1, 20):
        command = [program, "--nodes", "3", "--seed", str(first), "--count", "20", "--jobs", "2"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=patience, check=False)
        except subprocess.TimeoutExpired:
            return first, f"one of the seeds from {first} on does not end"
        failed = re.search(r"FAILED: (\d+)", done.stdout)
        if failed is None:
            continue
        command = [program, "--nodes", "3", "--seed", failed.group(1)]
        said = subprocess.run(command, capture_output=True, text=True, timeout=patience, check=False).stderr
        promise = re.search(r"expected: .*\n  seen: .*", said) or re.search(r"simulation failed: .*", said)
        lines = said.strip().splitlines() or ["?"]
        return int(failed.group(1)), lines[0] if promise is None else re.sub(r"\s+", " ", promise.group(0))
    return None, ""


def copy_tree(copy):
    """What differs, as new files: a build that was made of a mistake sees that it is gone."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, copy / name
        if target.exists() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        target.chmod(source.stat().st_mode)


def plant(name, tree):
    """The files as they are, and with the mistake; None where its place is not found, which is said."""
    words = PLANTED[name]
    edits = [(tree / words[at], words[at + 1], words[at + 2]) for at in range(0, len(words), 3)]
    texts = {path: path.read_text() for path, _, _ in edits}
    changed = dict(texts)
    for path, before, after in edits:
        if changed[path].count(before) != 1:
            print(f"{name:45} its place in {path.relative_to(tree)} is not found", flush=True)
            return texts, None
        changed[path] = changed[path].replace(before, after)
    return texts, changed


def try_one(name, copy, folder, options):
    """Whether the mistake is noticed."""
    texts, changed = plant(name, copy)
    if changed is None:
        return False
    begin = time.monotonic()
    try:
        for path, text in changed.items():
            path.write_text(text)
        if problem := build(folder, TARGETS[options.simulator], options.jobs):
            print(f"{name:45} does not build: {problem.strip().splitlines()[-1]}", flush=True)
            return False
        notice = {"record_chaos": notice_by_chaos, "scripts": notice_by_scripts, "simulate": notice_by_simulate}
        programs = [folder / PROGRAMS[target] for target in TARGETS[options.simulator]]
        seed, said = notice[options.simulator](programs, options.seeds, seeds_patience)
    finally:
        for path, text in texts.items():
            path.write_text(text)
    verdict = f"noticed at seed {seed}: {said[:200]}" if seed else f"NOT noticed in {options.seeds} seeds"
    print(f"{name:45} {verdict} ({time.monotonic() - begin:.0f} s)", flush=True)
    return seed is not None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "planted")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--with", dest="simulator", choices=sorted(TARGETS), default="record_chaos")
    parser.add_argument("--jobs", type=int, default=2, help="of the build")
    parser.add_argument("--check", action="store_true", help="whether each has its place in the code; builds nothing")
    parser.add_argument("names", nargs="*", default=list(PLANTED))
    options = parser.parse_args()
    if options.check:
        changes = [plant(name, ROOT)[1] for name in options.names]
        return 1 if None in changes else 0
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(f"signal {number}"))
    copy = options.build / "tree"
    copy_tree(copy)
    folder = copy / "build" / "dev"
    subprocess.run(["cmake", "--preset", "dev"], cwd=copy, check=True, capture_output=True)
    if problem := build(folder, TARGETS[options.simulator], options.jobs):
        sys.exit(f"the tree does not build as it is:\n{problem}")
    are_noticed = [try_one(name, copy, folder, options) for name in options.names]
    return 0 if all(are_noticed) else 1


if __name__ == "__main__":
    sys.exit(main())
