#!/usr/bin/env python3
"""Puts mistakes that others made back into the replication, one at a time, and says how many seeds it took to notice.

    tests/planted/planted.py [--build DIR] [--seeds N] [--with record_chaos|simulate] [NAME ...]

Noticed by RecordChaos (cluster_test), or by `simulate --nodes 3`. Works on a copy of the tree (in --build, which is made and kept: the first build takes long). A mistake that is not
noticed, or whose place in the code is not found, makes it exit with 1.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# Name: file, what is there, what stands there instead.
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
        "broker/replication/replica_set.cc", "if (ends.appended < high_ || ends.durable < durable_) return false;",
        "if (ends.appended < high_) return false;"),
    "join-without-the-end": (
        "broker/replication/replica_set.cc", "if (ends.appended < high_ || ends.durable < durable_) return false;", ""),
    "join-before-the-epochs-start": (
        "broker/replication/replica_set.cc",
        "return ends.appended >= epoch_start_ && ends.durable >= epoch_start_;", "return true;"),
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
        "const Epoch written = std::max(Epoch(epoch.value - 1), Epoch(log->last_epoch().value + 1));"),
    "any-replica-may-be-appointed": (
        "broker/controller/tiers.cc", "BrokerIds electable(const PartitionRecord& partition, bool has_durable_floor) {",
        "BrokerIds electable(const PartitionRecord& partition, bool has_durable_floor) {\n"
        "    if (!has_durable_floor || has_durable_floor) return partition.replicas;"),
    "checksum-of-the-place-ignored": (
        "broker/replication/leader_sessions.cc",
        "if (common.epoch == position.last_epoch && position.log_end <= common.end) {",
        "if (position.log_end <= log.log_end()) {"),
}


TARGETS = {"record_chaos": "cluster_test", "simulate": "simulate"}
PROGRAMS = {"record_chaos": "tests/broker/cluster/cluster_test", "simulate": "tests/simulation/cluster/simulate"}


def build(folder, target, jobs):
    done = subprocess.run(["ninja", "-C", folder, f"-j{jobs}", target], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout[-2000:]


def notice(program, simulator, seeds, patience):
    """The number of seeds until the simulator stops, or None; and what it said."""
    for first in range(1, seeds + 1):
        environment = {"IRONBARK_RECORD_FIRST": str(first), "IRONBARK_RECORD_SEEDS": "1"}
        command = [program, "--gtest_filter=RecordChaos.*"]
        if simulator == "simulate":
            command = [program, "--nodes", "3", "--seed", str(first)]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=patience, check=False)
        except subprocess.TimeoutExpired:
            return first, "it does not end"
        if simulator == "simulate" and done.returncode != 0:
            said = re.search(r"expected: .*\n  seen: .*|simulation failed: .*", done.stderr)
            lines = done.stderr.strip().splitlines() or ["?"]
            return first, lines[0] if said is None else re.sub(r"\s+", " ", said.group(0))
        if done.returncode != 0 and "Expected: (counts" not in done.stdout:
            said = re.search(r"(?:failed|broken|seed \d+)[:,]? .*", done.stderr + done.stdout)
            return first, (done.stderr.strip().splitlines() or ["?"])[0] if said is None else said.group(0)
    return None, ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "planted")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--with", dest="simulator", choices=sorted(TARGETS), default="record_chaos")
    parser.add_argument("--jobs", type=int, default=2, help="of the build")
    parser.add_argument("names", nargs="*", default=list(PLANTED))
    options = parser.parse_args()
    copy = options.build / "tree"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("build", ".git"), dirs_exist_ok=True)
    folder = copy / "build" / "dev"
    subprocess.run(["cmake", "--preset", "dev"], cwd=copy, check=True, capture_output=True)
    target = TARGETS[options.simulator]
    if problem := build(folder, target, options.jobs):
        sys.exit(f"the tree does not build as it is:\n{problem}")
    program = folder / PROGRAMS[options.simulator]
    missed = 0
    for name in options.names:
        file, before, after = PLANTED[name]
        path = copy / file
        text = path.read_text()
        if text.count(before) != 1:
            print(f"{name:45} its place in {file} is not found")
            missed += 1
            continue
        path.write_text(text.replace(before, after))
        begin = time.monotonic()
        if problem := build(folder, target, options.jobs):
            print(f"{name:45} does not build: {problem.strip().splitlines()[-1]}")
            missed += 1
        else:
            seeds, said = notice(program, options.simulator, options.seeds, 600)
            missed += seeds is None
            verdict = f"noticed after {seeds} seeds: {said[:110]}" if seeds else f"NOT noticed in {options.seeds} seeds"
            print(f"{name:45} {verdict} ({time.monotonic() - begin:.0f} s)", flush=True)
        path.write_text(text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
