#!/usr/bin/env python3
"""Three real daemons under loads that check themselves, while everything is done to them, from a seed. As root.

    tests/soak/soak.py --duration 30min [--seed N] [--json FILE]

Each broker has a network namespace and a small file system of its own (lab.py). They are killed, stopped, cut off, in
one direction too, their disks fill up and hang, leaders are moved (disturbances.py). Then all heals; all replicas must
get in sync, everything that was acknowledged at isr_durable is there once, in order, unaltered, the replicas are equal
(verdict.py). Exit code 0: all promises were kept; 1: not, and what was said is kept; 77: namespaces are forbidden here.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import verdict
from disturbances import Maker
from lab import BROKERS, END_SECONDS_MAX, METRICS_PORT, Broken, Lab, address, enter_namespaces

SKIPPED = 77
READY_SECONDS_MAX = 60
IN_SYNC_SECONDS_MAX = 90
CALM_SECONDS = 12       # before the end of the load: no disturbance begins any more
ALL_KILLED_FROM = 0.6   # of the run: what is lost in memory stops the producer of isr
OVERLAP_PART = 0.4      # of the episodes: two disturbances
AT_ONCE_PART = 0.2      # of the episodes: the next one does not wait until all are in sync
REST_SECONDS = 5
DISK_MIB_BASE, DISK_MIB_SECOND = 512, 4
# name, level, records a second, bytes of a record, partitions, settings of the topic
LOADS = (
    ("durable", "isr_durable", 300, 512, 4, ("segment.bytes=1MiB",)),
    ("large", "isr_durable", 10, 40_000, 1, ("segment.bytes=4MiB",)),
    ("memory", "isr", 200, 512, 3, ("segment.bytes=1MiB",)),
    ("leader-durable", "leader_durable", 150, 512, 2, ("segment.bytes=1MiB",)),
    ("leader", "leader", 150, 512, 2, ("segment.bytes=1MiB",)),
)


def parse_duration(text):
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|min|h)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is no duration: write 90s or 30min")
    return float(found.group(1)) * {"s": 1, "min": 60, "h": 3600}[found.group(2)]


def parse_arguments():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duration", type=parse_duration, default=90.0, help="of the load, as 90s or 30min [90s]")
    parser.add_argument("--seed", type=int, help="of what is done [drawn]")
    parser.add_argument("--rate", type=float, default=1.0, help="of all loads, times so much [1]")
    parser.add_argument("--only", action="append", help="a kind of disturbance; repeat it for more [all]")
    parser.add_argument("--no-all-killed", action="store_true", help="never all brokers at once: then isr loses nothing, too")
    parser.add_argument("--bin", type=pathlib.Path, default=root / "build/release/bin",
                        help="where ironbarkd, ironbark and ironbark-bench are [build/release/bin]")
    parser.add_argument("--dir", type=pathlib.Path, help="for disks and logs; must not be there [a new one in /var/tmp]")
    parser.add_argument("--keep", action="store_true", help="keep logs and disks also when all is well")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures there, too")
    return parser.parse_args()


class Soak:
    def __init__(self, arguments, directory):
        self.arguments = arguments
        self.directory = directory
        self.begin = time.monotonic()
        self.seed = arguments.seed
        self.random = random.Random(self.seed)
        self.episodes = []   # what, begin, healed, in_sync (none: the next one began at once)
        self.goes_on = False
        self.touched, self.killed, self.kinds = set(), set(), []  # since all were in sync
        self.counts = collections.Counter()
        self.commands = collections.Counter()
        self.may_lose_memory = False
        self.wrong = []
        self.figures = {}
        self.disk_used_max = collections.Counter()
        worlds = {number: {"io": self.random.choice(["io_uring", "io_uring", "posix"]), "shards": self.random.choice([1, 2])}
                  for number in BROKERS}
        disk_mib = int(DISK_MIB_BASE + DISK_MIB_SECOND * arguments.duration * max(1.0, arguments.rate))
        self.lab = Lab(directory, str(arguments.bin / "ironbarkd"), str(arguments.bin / "ironbark"), disk_mib, worlds)
        self.lab.topics = [(name, partitions) for name, _, _, _, partitions, _ in LOADS]
        self.maker = Maker(self.seed, self.lab)
        self.say(f"worlds: {worlds}; disks of {disk_mib} MiB")

    def say(self, text):
        print(f"{time.monotonic() - self.begin:8.2f}  {text}", flush=True)

    def run(self):
        for broker in self.lab.brokers.values():
            broker.start()
        self.lab.wait_until_ready(READY_SECONDS_MAX)
        self.wait_until_all_serve(len(BROKERS), 0)
        loads = self.begin_loads()
        end = time.monotonic() + self.arguments.duration - CALM_SECONDS
        while time.monotonic() < end:
            self.episode(end)
            self.pass_time(self.random.uniform(0.5, 4))
        self.say("all heals")
        self.lab.heal()
        self.wait_until_in_sync("the end")
        self.finish_loads(loads)
        self.finish_commands()
        self.rest()
        self.stop_brokers()
        self.check_disks()

    # ---- loads ----

    def begin_loads(self):
        loads = {}
        for name, level, rate, size, partitions, settings in LOADS:
            words = [str(self.arguments.bin / "ironbark-bench"), "cluster", "--bootstrap", self.lab.bootstrap(), "--topic", name,
                     "--acks", level, "--rate", str(max(1.0, rate * self.arguments.rate)), "--size", str(size), "--partitions",
                     str(partitions), "--duration", f"{self.arguments.duration:.0f}s", "--read-meanwhile", "--json",
                     str(self.directory / f"load-{name}.json"), "--dir", str(self.directory)]
            for setting in settings:
                words += ["--topic-setting", setting]
            if level in verdict.WEAK:
                words.append("--allow-loss")
            loads[name] = self.lab.begin_load(words, self.directory / f"load-{name}.txt")
        self.wait_until_all_serve(len(BROKERS), len(LOADS))
        self.say(f"{len(loads)} loads: " + ", ".join(f"{name} ({level})" for name, level, *_ in LOADS))
        return loads

    def finish_loads(self, loads):
        """Each reads all again and compares. Its own limits bound it: two minutes for the last record, two to be in sync."""
        self.say("the loads read everything again")
        self.figures["loads"] = {}
        for name, level, *_ in LOADS:
            code = self.wait_for(loads[name], 600, f"the load {name}")
            path = self.directory / f"load-{name}.json"
            if not path.exists():
                self.wrong.append(f"load {name}: ended with {code}, without a report:\n"
                                  + (self.directory / f"load-{name}.txt").read_text()[-1500:])
                continue
            report = json.loads(path.read_text())
            found = verdict.check_load(name, level, report, self.may_lose_memory)
            if code != 0 and not found and report["read_back"]["missing"] == 0:
                found = [f"load {name}: ended with {code}, though its report is good"]
            self.wrong += found
            self.figures["loads"][name] = self.load_figures(level, report)

    def load_figures(self, level, report):
        longest = {}
        for outage in report["outages"]:
            begin = report["begin_monotonic_s"] + outage["at_s"]
            what = self.disturbed_in(begin, begin + outage["ms"] / 1e3)
            longest[what] = max(longest.get(what, 0.0), outage["ms"])
        return {"level": level, "sent": report["load"]["sent"], "acknowledged": report["load"]["acknowledged"],
                "not_acknowledged": report["load"]["not_acknowledged"], "latency_ms": report["load"]["latency_ms"],
                **report["read_back"], "read_meanwhile": report["read_meanwhile"], "longest_outage_ms": longest}

    def disturbed_in(self, begin, end):
        for each, following in zip(self.episodes, [*self.episodes[1:], {"begin": end}]):
            if each["begin"] <= end and begin <= each.get("in_sync", following["begin"]):
                return each["what"]
        return "nothing"

    def wait_for(self, process, seconds, what):
        give_up = time.monotonic() + seconds
        while process.poll() is None:
            self.look()
            if time.monotonic() > give_up:
                raise Broken(f"{what} does not end")
            time.sleep(0.1)
        return process.returncode

    # ---- disturbances ----

    def episode(self, end):
        is_late = time.monotonic() > self.begin + ALL_KILLED_FROM * self.arguments.duration
        with_all_killed = is_late and not self.arguments.no_all_killed
        first = self.maker.make(self.random.choice(self.arguments.only)) if self.arguments.only else \
            self.maker.draw(with_all_killed)
        both = [first]
        if self.random.random() < OVERLAP_PART:
            second = self.maker.draw(with_all_killed, but=("all killed",), without=first.touched)
            if second:
                delay = self.random.uniform(0, 3)
                for step in second.steps:
                    step.at += delay
                both.append(second)
        if not self.goes_on:
            self.touched, self.killed, self.kinds = set(), set(), []
        self.kinds += [each.kind for each in both]
        for each in both:
            self.counts[each.kind] += 1
            self.touched |= each.touched
            self.killed |= each.killed
        # Nobody who was in sync all the time has all that was acknowledged in memory.
        if self.killed and self.touched == set(BROKERS):
            self.may_lose_memory = True
        record = {"what": " + ".join(self.kinds), "begin": time.monotonic()}
        self.episodes.append(record)
        self.say("-- " + " + ".join(each.kind for each in both))
        self.play([step for each in both for step in each.steps])
        record["healed"] = time.monotonic()
        self.goes_on = time.monotonic() < end and self.random.random() < AT_ONCE_PART
        if self.goes_on:
            return
        record["in_sync"] = self.wait_until_in_sync(record["what"])
        self.say(f"   in sync {record['in_sync'] - record['healed']:.2f} s later")

    def play(self, steps):
        begin = time.monotonic()
        for step in sorted(steps, key=lambda each: each.at):
            self.pass_time(begin + step.at - time.monotonic())
            self.say(f"   {step.text}")
            step.run()

    def pass_time(self, seconds):
        end = time.monotonic() + seconds
        while True:
            self.look()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.2))

    def look(self):
        """Nothing may end by itself."""
        self.lab.check_running()
        for number, broker in self.lab.brokers.items():
            broker.sample()
            self.disk_used_max[number] = max(self.disk_used_max[number], broker.disk.used_bytes())

    def finish_commands(self):
        """What an operator's commands said: each is done, or refused with a reason."""
        for text, process in self.maker.commands:
            code = self.wait_for(process, 30, text)
            said = process.stdout.read().strip()
            if code not in (0, 1) or not said:
                self.wrong.append(f"{text}: ended with {code}, and said: {said}")
            self.commands["done" if code == 0 else "refused: " + re.sub(r"\d+", "N", said.splitlines()[-1])[:150]] += 1

    # ---- what the cluster says of itself ----

    def status(self):
        done = self.lab.command("cluster", "status", "--json", check=False, seconds=60)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return None

    def why_not(self, status, topics=len(LOADS)):
        """Why not all is well; empty: it is."""
        if status is None or "brokers" not in status:
            return "nobody answers"
        if status["topics"] < topics:
            return f"there are {status['topics']} topics"
        alive = sum(broker["alive"] for broker in status["brokers"])
        if alive < len(BROKERS):
            return f"{alive} brokers live"
        lagging = {each["topic"]: each["not_all_in_sync"] for each in status["topic_states"] if each["not_all_in_sync"] > 0}
        if lagging or status["problems"]:
            return f"not all in sync: {lagging}; problems: {status['problems']}"
        return "" if status["healthy"] else "not healthy: " + json.dumps(status["controllers"])

    def wait_until_all_serve(self, brokers, topics):
        give_up = time.monotonic() + READY_SECONDS_MAX
        while (why := self.why_not(self.status(), topics)):
            self.look()
            if time.monotonic() > give_up:
                raise Broken(f"the cluster does not form: {why}")
            time.sleep(0.1)

    def wait_until_in_sync(self, after):
        """When it was so."""
        give_up = time.monotonic() + IN_SYNC_SECONDS_MAX
        while True:
            asked = time.monotonic()
            why = self.why_not(self.status())
            if not why:
                return asked
            self.look()
            if time.monotonic() > give_up:
                raise Broken(f"{IN_SYNC_SECONDS_MAX} s after {after} not all replicas are in sync: {why}")
            time.sleep(0.15)

    # ---- the end ----

    def rest(self):
        """Without a load the daemons do next to nothing."""
        before = {number: broker.sample() for number, broker in self.lab.brokers.items()}
        begin = time.monotonic()
        self.pass_time(REST_SECONDS)
        seconds = time.monotonic() - begin
        self.figures["brokers"] = {}
        for number, broker in self.lab.brokers.items():
            use = (broker.sample() - before[number]) / seconds
            try:
                urllib.request.urlopen(f"http://{address(number)}:{METRICS_PORT}/healthz", timeout=5)
            except urllib.error.HTTPError as unhealthy:
                self.wrong.append(f"broker {number}: /healthz says {unhealthy.code}: {unhealthy.read().decode().strip()}")
            if use > 0.5:
                self.wrong.append(f"broker {number} has nothing to do, and uses {use:.0%} of a processor")
            self.figures["brokers"][number] = {
                "starts": broker.starts, "rest_cpu": round(use, 3), "resident_mib": broker.resident_kib >> 10,
                "resident_mib_max": broker.resident_kib_max >> 10, "disk_mib_max": self.disk_used_max[number] >> 20}

    def stop_brokers(self):
        for broker in self.lab.brokers.values():
            broker.ask_to_stop()
        for number, broker in self.lab.brokers.items():
            code = broker.wait(END_SECONDS_MAX)
            if code != 0:
                self.wrong.append(f"broker {number}: SIGTERM ended it with {code}")

    def check_disks(self):
        self.say("verifying the disks, and comparing the replicas")
        brokers, tool = self.lab.brokers, self.lab.tool
        self.wrong += verdict.verify_disks(tool, brokers)
        partitions, frames, wrong = verdict.compare_replicas(tool, brokers)
        self.wrong += wrong
        self.figures["compared"] = {"partitions": partitions, "frames": frames}
        for number, broker in brokers.items():
            severities, sentences = verdict.log_lines(broker.log)
            self.figures["brokers"][number]["log_lines"] = dict(severities)
            self.figures["brokers"][number]["said_most"] = sentences

    def recovery_by_kind(self):
        """Of episodes of one disturbance: seconds from the last step until all were in sync."""
        times = collections.defaultdict(list)
        for each in self.episodes:
            if "in_sync" in each:
                times[each["what"] if " + " not in each["what"] else "several"].append(each["in_sync"] - each["healed"])
        return {kind: {"count": len(values), "median_s": round(sorted(values)[len(values) // 2], 2),
                       "max_s": round(max(values), 2)} for kind, values in sorted(times.items())}

    def summary(self):
        self.figures |= {"seed": self.seed, "seconds": round(time.monotonic() - self.begin, 1), "wrong": self.wrong,
                         "disturbances": dict(self.counts), "episodes": len(self.episodes), "commands": dict(self.commands),
                         "in_sync_after": self.recovery_by_kind(), "memory_might_be_lost": self.may_lose_memory,
                         "timeline": [{key: value if key == "what" else round(value - self.begin, 2)
                                       for key, value in each.items()} for each in self.episodes]}
        print(f"\nseed {self.seed}, {self.figures['seconds']:.0f} s, {sum(self.counts.values())} disturbances: "
              + ", ".join(f"{count} {kind}" for kind, count in self.counts.most_common()))
        for name, load in self.figures.get("loads", {}).items():
            print(f"  {name:15} {load['level']:15} {load['acknowledged']} of {load['sent']} acknowledged; {load['missing']} lost "
                  f"(told of {load['losses_told']}), " + ", ".join(f"{load[what]} {what}" for what in verdict.NEVER))
            print("    a reader meanwhile: " + ", ".join(f"{count} {what}" for what, count in load["read_meanwhile"].items()))
            for why, count in load["not_acknowledged"].items():
                print(f"    {count} {why}")
            outages = sorted(load["longest_outage_ms"].items(), key=lambda each: -each[1])[:4]
            print("    longest outages: " + ", ".join(f"{length / 1e3:.1f} s ({what})" for what, length in outages))
        for kind, times in self.figures["in_sync_after"].items():
            print(f"  in sync again after {kind:20} {times['count']:3} times, median {times['median_s']} s, max {times['max_s']} s")
        for number, broker in self.figures.get("brokers", {}).items():
            print(f"  broker {number}: " + ", ".join(f"{key} {value}" for key, value in broker.items() if key != "said_most"))
        for what, count in self.commands.most_common():
            print(f"  commands: {count} {what}")
        if "compared" in self.figures:
            print(f"  replicas: {self.figures['compared']}")
        for wrong in self.wrong:
            print(f"BROKEN: {wrong}")
        print("all promises were kept" if not self.wrong else f"{len(self.wrong)} promises were broken", flush=True)


def interrupted(*_):
    raise KeyboardInterrupt


def run_inside(arguments, directory):
    """In namespaces of our own. Everything ends here, whatever happens."""
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    soak = None
    code = 1
    try:
        soak = Soak(arguments, directory)
        soak.run()
    except KeyboardInterrupt:
        code = 130
    except Broken as broken:
        (soak.wrong if soak else []).append(str(broken))
        print(f"BROKEN: {broken}", flush=True)
    except Exception:
        traceback.print_exc()
        if soak:
            soak.wrong.append("the soak itself failed")
    try:
        if soak and code != 130:
            soak.summary()
            code = 1 if soak.wrong else 0
            if arguments.json:
                arguments.json.write_text(json.dumps(soak.figures, indent=1) + "\n")
    finally:
        if soak:
            soak.lab.close()
    return code


def main():
    arguments = parse_arguments()
    arguments.seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1_000_000)
    arguments.bin = arguments.bin.resolve()
    arguments.json = arguments.json.resolve() if arguments.json else None
    if os.geteuid() != 0:
        print("soak: skipped: only root may make network namespaces and mount file systems")
        return SKIPPED
    for program in ("ironbarkd", "ironbark", "ironbark-bench"):
        if not (arguments.bin / program).exists():
            print(f"soak: there is no {arguments.bin / program}: build it first, with tools/build release")
            return 1
    if arguments.dir:
        directory = arguments.dir.resolve()
        directory.mkdir(parents=True)
    else:
        directory = pathlib.Path(tempfile.mkdtemp(prefix="ironbark-soak-", dir="/var/tmp"))
    print(f"seed {arguments.seed}, {arguments.duration:.0f} s; logs and disks in {directory}", flush=True)
    try:
        code = enter_namespaces(lambda: run_inside(arguments, directory))
    except OSError as error:
        print(f"soak: skipped: {error}")
        code = SKIPPED
    if code == 1 or arguments.keep:
        print(f"kept: {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
