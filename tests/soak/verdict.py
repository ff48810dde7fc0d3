"""What must hold in the end: the replicas are equal, the loads found what they were promised, the brokers are at rest."""
import collections
import concurrent.futures
import json
import re
import subprocess

from lab import BROKERS, Broken, call

# What each level promises, whatever is killed: only its own records can be missing, never be there twice or altered.
DURABLE, IN_MEMORY, WEAK = "isr_durable", "isr", ("leader_durable", "leader")
NEVER = ("duplicated", "reordered", "altered", "contradicted")
ACKNOWLEDGED_PART_MIN = 0.5  # of what was sent: with less nothing much was proved


def check_load(name, level, report, may_lose_memory):
    """Sentences about what is wrong."""
    found, load = report["read_back"], report["load"]
    wrong = [f"{name}: {found[what]} records {what}" for what in NEVER if found[what] > 0]
    if found["missing"] > 0 and (level == DURABLE or level == IN_MEMORY and not may_lose_memory):
        wrong.append(f"{name}: {found['missing']} of {load['acknowledged']} records acknowledged at {level} are LOST")
    seen = report["read_meanwhile"]
    if seen["repeated"] > 0:
        wrong.append(f"{name}: a reader was given {seen['repeated']} records again")
    # What readers of a durable level see is on every in-sync disk, of the others in the memory of every in-sync replica.
    if seen["taken_back"] > 0 and (level.endswith("_durable") or not may_lose_memory):
        wrong.append(f"{name}: {seen['taken_back']} of {seen['seen']} records that a reader had seen are not there in the end")
    if seen["seen"] < ACKNOWLEDGED_PART_MIN * found["read"] and not report["trouble"]:
        wrong.append(f"{name}: the reader saw only {seen['seen']} of {found['read']} records")
    if report["trouble"]:
        wrong.append(f"{name}: {report['trouble']}")
    # Who has lost records of isr in memory is told, and the producer goes no further: docs/DURABILITY.md, is_fatal.
    is_stopped = level == IN_MEMORY and found["missing"] > 0 and may_lose_memory
    if load["acknowledged"] < ACKNOWLEDGED_PART_MIN * load["sent"] and not is_stopped:
        wrong.append(f"{name}: only {load['acknowledged']} of {load['sent']} records were acknowledged")
    return wrong


def _frames(tool, directory):
    """Each frame of a partition's log: first and last offset, epoch, checksums."""
    frames = []
    for segment in sorted(directory.glob("*.log")):
        done = call(tool, "log", "dump", str(segment), "--json", seconds=600)
        dumped = json.loads(done.stdout)
        if dumped["faults"] > 0:
            raise Broken(f"{segment}: {dumped['faults']} damaged frames")
        frames += [(item["base_offset"], item["last_offset"], item["leader_epoch"], item["checksum"], item["batch"]["crc"])
                   for item in dumped["items"] if item["kind"] == "frame"]
    return frames


def compare_replicas(tool, brokers):
    """Of brokers that are stopped. Returns how many partitions and frames were compared, and what is wrong."""
    wrong, compared = [], 0
    names = {number: {path.name for path in (broker.data / "partitions").iterdir()} for number, broker in brokers.items()}
    everywhere = set.union(*names.values())
    for number in BROKERS:
        wrong += [f"broker {number} has no replica {name}" for name in sorted(everywhere - names[number])]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name in sorted(set.intersection(*names.values())):
            logs = list(pool.map(lambda number: _frames(tool, brokers[number].data / "partitions" / name), BROKERS))
            compared += len(logs[0])
            for number, log in zip(BROKERS[1:], logs[1:]):
                if log == logs[0]:
                    continue
                at = next((index for index, (one, other) in enumerate(zip(logs[0], log)) if one != other),
                          min(len(logs[0]), len(log)))
                wrong.append(f"{name} differs between brokers 1 and {number} from frame {at} on, of {len(logs[0])} and "
                             f"{len(log)}: {logs[0][at:at + 1]}, {log[at:at + 1]}")
    return len(everywhere), compared, wrong


def verify_disks(tool, brokers):
    """`ironbark log verify` of each data directory. Returns what is wrong."""
    wrong = []
    for number, broker in brokers.items():
        done = subprocess.run([tool, "log", "verify", str(broker.data), "--json"], capture_output=True, text=True,
                              timeout=900)
        if done.returncode != 0:
            wrong.append(f"log verify of broker {number}: {(done.stderr or done.stdout).strip()[-600:]}")
    return wrong


# A line of a daemon's log: 2026-01-31T12:00:00.123 warning text
LINE = re.compile(r"^\S+T\S+ \[?(trace|debug|info|warning|error|critical)\]?:? (.*)")


def log_lines(path):
    """How many lines of each severity, and the most frequent sentences with their numbers taken out."""
    severities, sentences = collections.Counter(), collections.Counter()
    for line in path.read_text(errors="replace").splitlines():
        found = LINE.match(line)
        severities[found.group(1) if found else "other"] += 1
        sentences[re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "N", found.group(2) if found else line)[:110]] += 1
    return severities, sentences.most_common(12)
