"""The laboratory of a soak: three brokers and the clients, each in a network namespace of its own, and a disk for each broker.

    router (the namespace of this process)      sees everybody, also where brokers do not see each other
      |-- b1  10.77.1.2     broker 1, its data on disk-1.img (ext4 over a loop device)
      |-- b2  10.77.2.2
      |-- b3  10.77.3.2
      `-- c   10.77.9.2     the loads

Paths are cut in the router, by a rule for what comes from one of them and goes to another: in one direction, silently or
with an ICMP message. All of it lives in namespaces (network, mounts, processes) that only this process holds: when it
ends, in whatever way, the processes, links, mounts and loop devices end with it.
"""
import ctypes
import errno
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

BROKERS = (1, 2, 3)
CLIENT = 9
CLIENT_PORT = 9400
METRICS_PORT = 9401
CLUSTER_PORT = 9402
READY = " ready: "
RESERVE_MIB = 16
CALL_SECONDS_MAX = 60
END_SECONDS_MAX = 60  # a request that waits for other replicas does not hold up a stop for longer than its time-out

CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID = 0x00020000, 0x40000000, 0x20000000
PR_SET_PDEATHSIG = 1


class Broken(Exception):
    """A promise that was broken, or a step of the soak that did not succeed."""


def call(*words, check=True, seconds=CALL_SECONDS_MAX):
    done = subprocess.run(words, capture_output=True, text=True, timeout=seconds)
    if check and done.returncode != 0:
        raise Broken(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}")
    return done


def enter_namespaces(run):
    """Runs `run` in a child that has namespaces of its own, and is process 1 in them. Returns its exit code.

    OSError: they are forbidden here.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID) != 0:
        raise OSError(ctypes.get_errno(), "namespaces are forbidden: " + os.strerror(ctypes.get_errno()))
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os._exit(run())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the child, too
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def address(place):
    return f"10.77.{place}.2"


class Network:
    """Cuts and slow paths. Each cut has a number in the router's list of rules, by which it is healed."""

    def __init__(self):
        call("mount", "--make-rprivate", "/")
        call("mount", "-t", "proc", "proc", "/proc")
        call("mount", "-t", "tmpfs", "tmpfs", "/run")
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        call("ip", "link", "set", "lo", "up")
        for place in (*BROKERS, CLIENT):
            self._add(place)
        self._next = 1000
        self._can_delay = call("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms", check=False).returncode == 0
        if self._can_delay:
            call("tc", "qdisc", "del", "dev", "lo", "root")

    def _add(self, place):
        name, link = self.namespace(place), f"v{place}"
        call("ip", "netns", "add", name)
        call("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
        call("ip", "address", "add", f"10.77.{place}.1/24", "dev", link)
        call("ip", "link", "set", link, "up")
        call("ip", "-n", name, "link", "set", "lo", "up")
        call("ip", "-n", name, "address", "add", f"{address(place)}/24", "dev", "eth0")
        call("ip", "-n", name, "link", "set", "eth0", "up")
        call("ip", "-n", name, "route", "add", "default", "via", f"10.77.{place}.1")

    @staticmethod
    def namespace(place):
        return "c" if place == CLIENT else f"b{place}"

    @staticmethod
    def inside(place, words):
        return ["nsenter", f"--net=/run/netns/{Network.namespace(place)}", *words]

    def cut(self, source, target, is_loud=False):
        """What `source` sends to `target` gets lost; `is_loud`: and `source` is told that there is no way."""
        number = self._next
        self._next += 1
        call("ip", "rule", "add", "pref", str(number), "iif", f"v{source}", "to", address(target),
             "unreachable" if is_loud else "blackhole")
        return number

    def heal(self, number):
        call("ip", "rule", "del", "pref", str(number))

    def slow(self, place):
        """What goes to and from `place` is slow: with netem late and lossy, without it through 256 KiB/s, dropped beyond."""
        how = ["netem", "delay", "40ms", "20ms", "loss", "1%"] if self._can_delay else \
            ["tbf", "rate", "2mbit", "burst", "16kb", "latency", "300ms"]
        call("tc", "qdisc", "replace", "dev", f"v{place}", "root", *how)
        call("tc", "-n", self.namespace(place), "qdisc", "replace", "dev", "eth0", "root", *how)

    def fast(self, place):
        call("tc", "qdisc", "del", "dev", f"v{place}", "root", check=False)
        call("tc", "-n", self.namespace(place), "qdisc", "del", "dev", "eth0", "root", check=False)

    def heal_all(self):
        for line in call("ip", "rule", "list").stdout.splitlines():
            number = int(line.split(":")[0])
            if 1000 <= number < self._next:
                self.heal(number)
        for place in (*BROKERS, CLIENT):
            self.fast(place)


class Disk:
    """An ext4 file system of its own over a file. It can be filled, freed, and frozen: then writes to it wait."""

    def __init__(self, image, mount_point, mib):
        self.mount_point = mount_point
        self._filler = mount_point / "filler"
        self._is_frozen = False
        mount_point.mkdir()
        with open(image, "wb") as file:
            file.truncate(mib << 20)
        call("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        call("mount", "-o", "loop", str(image), str(mount_point))

    def free_bytes(self):
        status = os.statvfs(self.mount_point)
        return status.f_bavail * status.f_frsize

    def used_bytes(self):
        status = os.statvfs(self.mount_point)
        filler = self._filler.stat().st_blocks * 512 if self._filler.exists() else 0
        return (status.f_blocks - status.f_bfree) * status.f_frsize - filler

    def fill(self, left_bytes=0):
        """Leaves so many bytes, about. With 0 it takes the last block."""
        descriptor = os.open(self._filler, os.O_RDWR | os.O_CREAT)
        try:
            size = os.fstat(descriptor).st_size
            step = max(4096, self.free_bytes() - left_bytes)
            while step >= 4096 and self.free_bytes() > left_bytes:
                try:
                    os.posix_fallocate(descriptor, size, step)
                    size += step
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size = os.fstat(descriptor).st_size  # what it got before it failed stays
                    step //= 2
        finally:
            os.close(descriptor)

    def free(self):
        self._filler.unlink(missing_ok=True)

    def freeze(self):
        call("fsfreeze", "--freeze", str(self.mount_point))
        self._is_frozen = True

    def thaw(self):
        if self._is_frozen:
            call("fsfreeze", "--unfreeze", str(self.mount_point))
        self._is_frozen = False

    def unmount(self):
        self.thaw()
        call("umount", str(self.mount_point), check=False)


class Broker:
    """An ironbarkd: its configuration, its process, and what it has said, of all its starts."""

    def __init__(self, number, program, directory, disk, settings):
        self.number = number
        self.disk = disk
        self.data = disk.mount_point / "data"
        self.log = directory / f"broker-{number}.log"
        self.log.touch()
        self._config = directory / f"broker-{number}.toml"
        self._config.write_text(settings)
        self._program = program
        self._process = None
        self._log_begin = 0
        self.is_wanted = False  # it is to run: if it has ended, it has ended by itself
        self.starts = 0
        self.resident_kib_max = 0
        self._seconds_before = 0.0  # of processor, of the processes that have ended
        self._seconds = 0.0

    @property
    def pid(self):
        return self._process.pid if self._process else -1

    def start(self):
        self._log_begin = self.log.stat().st_size
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(Network.inside(self.number, [self._program, "--config", str(self._config)]),
                                             stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.starts += 1
        self.is_wanted = True

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def is_ready(self):
        return READY in self.said()

    def said(self):
        with open(self.log, "rb") as log:
            log.seek(self._log_begin)
            return log.read().decode(errors="replace")

    def send(self, number):
        if self.is_running():
            self._process.send_signal(number)

    def kill(self):
        self.sample()
        self.is_wanted = False
        self.send(signal.SIGKILL)

    def ask_to_stop(self):
        self.sample()
        self.is_wanted = False
        self.send(signal.SIGTERM)

    def wait(self, seconds):
        """Its exit code; None: it still runs."""
        if self._process is None:
            return 0
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._seconds_before, self._seconds = self._seconds_before + self._seconds, 0.0
        self._process = None
        return code

    def sample(self):
        """Looks at its memory and its processor time. Returns the latter, of all its starts."""
        try:
            status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
            fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return self._seconds_before + self._seconds
        found = re.search(r"VmRSS:\s+(\d+)", status)
        self.resident_kib = int(found.group(1)) if found else 0
        self.resident_kib_max = max(self.resident_kib_max, self.resident_kib)
        self._seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return self._seconds_before + self._seconds


class Lab:
    """The three brokers, not started yet, in their places. `close` ends and unmounts; the namespaces do it otherwise."""

    def __init__(self, directory, daemon, tool, disk_mib, worlds):
        self.directory = directory
        self.tool = tool
        self.network = Network()
        self.brokers = {}
        self.children = []  # loads and commands
        secret = directory / "secret"
        secret.write_text("what the three of a soak know\n")
        secret.chmod(0o600)
        for number in BROKERS:
            disk = Disk(directory / f"disk-{number}.img", directory / f"disk-{number}", disk_mib)
            settings = self._settings(number, disk, secret, worlds[number])
            self.brokers[number] = Broker(number, daemon, directory, disk, settings)

    @staticmethod
    def _settings(number, disk, secret, world):
        voters = ",".join(f"{each}@{address(each)}:{CLUSTER_PORT}" for each in BROKERS)
        return (f'broker.id = {number}\ndata.dir = "{disk.mount_point / "data"}"\n'
                f'controller.voters = "{voters}"\ncluster.secret_file = "{secret}"\n'
                f'metrics = "{address(number)}:{METRICS_PORT}"\nreserve = "{RESERVE_MIB}MiB"\n'
                f'io = "{world["io"]}"\nshards = {world["shards"]}\nspin = "0"\n'
                'connections.max = 256\nmemory.tail = "16MiB"\nmemory.unwritten = "32MiB"\nmemory.requests = "64MiB"\n'
                f'listen.address = "{address(number)}:{CLIENT_PORT}"\nlisten.insecure = true\n')

    @staticmethod
    def bootstrap(first=1):
        order = sorted(BROKERS, key=lambda number: (number - first) % len(BROKERS))
        return ",".join(f"{address(number)}:{CLIENT_PORT}" for number in order)

    def command(self, *words, seconds=15, check=True):
        """The tool, as an operator who reaches every broker."""
        return call(self.tool, *words, "--bootstrap", self.bootstrap(), check=check, seconds=seconds)

    def begin_command(self, *words):
        process = subprocess.Popen([self.tool, *words, "--bootstrap", self.bootstrap()], text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        self.children.append(process)
        return process

    def begin_load(self, words, output):
        with open(output, "wb") as file:
            process = subprocess.Popen(Network.inside(CLIENT, words), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                       start_new_session=True, cwd=self.directory)
        self.children.append(process)
        return process

    def check_running(self):
        for broker in self.brokers.values():
            if broker.is_wanted and not broker.is_running():
                code = broker.wait(0)
                raise Broken(f"broker {broker.number} has ended by itself, with {code}; it said:\n"
                             + "\n".join(broker.said().splitlines()[-20:]))

    def wait_until_ready(self, seconds):
        give_up = time.monotonic() + seconds
        while not all(broker.is_ready() for broker in self.brokers.values()):
            self.check_running()
            if time.monotonic() > give_up:
                raise Broken("not all brokers get ready; see their logs")
            time.sleep(0.05)

    def heal(self):
        """Everything that was done to brokers, paths and disks is undone; what is dead starts."""
        self.network.heal_all()
        for broker in self.brokers.values():
            broker.disk.thaw()
            broker.disk.free()
            broker.send(signal.SIGCONT)
            if not broker.is_wanted:
                if broker.wait(END_SECONDS_MAX) is None:
                    raise Broken(f"broker {broker.number} does not end")
                broker.start()

    def close(self):
        for broker in self.brokers.values():
            broker.disk.thaw()
        for process in self.children:
            if process.poll() is None:
                process.kill()
                process.wait()
        for broker in self.brokers.values():
            broker.kill()
            broker.wait(30)
            broker.disk.unmount()
