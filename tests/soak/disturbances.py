"""What is done to the cluster, drawn from a seed.

A disturbance is a list of steps, each some seconds after its beginning. An episode is one disturbance, or two that
overlap; it ends when every replica is in sync again, or goes on with the next one at once.
"""
import dataclasses
import random
import signal
import typing

from lab import BROKERS, CLIENT, END_SECONDS_MAX, RESERVE_MIB, Broken


@dataclasses.dataclass
class Step:
    at: float  # seconds after the beginning of its disturbance
    text: str
    run: typing.Callable


@dataclasses.dataclass
class Disturbance:
    kind: str
    touched: set  # brokers that may leave the in-sync set by it
    killed: set   # those of them whose memory is lost
    steps: list


class Maker:
    """Draws disturbances. `lab` and what it holds is what their steps act on."""

    def __init__(self, seed, lab):
        self.random = random.Random(seed)
        self._lab = lab
        self._network = lab.network
        self.commands = []  # (text, process) of the commands of an operator that were begun

    # kind: (weight, maker)
    def kinds(self, with_all_killed):
        kinds = {
            "kill": (5, self._kill),
            "kill again": (2, self._kill_again),
            "two killed": (2, self._kill_two),
            "stop": (4, self._stop),
            "cut from one": (3, self._cut_pair),
            "cut from both": (3, self._cut_from_others),
            "cut from all": (3, self._cut_from_all),
            "cut from clients": (2, self._cut_from_clients),
            "cut one way": (4, self._cut_one_way),
            "cut loudly": (1, self._cut_loudly),
            "slow path": (2, self._slow),
            "disk full": (3, self._fill),
            "disk nearly full": (1, self._nearly_fill),
            "disk hangs": (2, self._freeze),
            "restart": (3, self._restart),
            "move": (3, self._move),
            "balance": (2, self._balance),
        }
        if with_all_killed:
            kinds["all killed"] = (2, self._kill_all)
        return kinds

    def draw(self, with_all_killed, but=(), without=frozenset()):
        """One disturbance of a kind that is not in `but`, which does not touch brokers in `without`; None: there is none."""
        kinds = {kind: each for kind, each in self.kinds(with_all_killed).items() if kind not in but}
        for _ in range(20):
            kind = self.random.choices(list(kinds), [weight for weight, _ in kinds.values()])[0]
            made = kinds[kind][1](kind)
            if not made.touched & without:
                return made
        return None

    def make(self, kind):
        return self.kinds(True)[kind][1](kind)

    def _broker(self):
        return self._lab.brokers[self.random.choice(BROKERS)]

    def _others(self, broker):
        return [number for number in BROKERS if number != broker.number]

    def _start(self, at, broker):
        def start():
            if broker.wait(END_SECONDS_MAX) is None:
                raise Broken(f"broker {broker.number} does not end")
            broker.start()
        return Step(at, f"start broker {broker.number}", start)

    def _kill_at(self, at, broker):
        return Step(at, f"SIGKILL broker {broker.number}", broker.kill)

    def _kill(self, kind):
        broker = self._broker()
        return Disturbance(kind, {broker.number}, {broker.number},
                           [self._kill_at(0, broker), self._start(self.random.uniform(0.05, 5), broker)])

    def _kill_again(self, kind):
        """The second time while it starts, or soon after."""
        broker = self._broker()
        first, second = self.random.uniform(0.05, 2), self.random.choice([0.02, 0.1, 0.3, 1, 2])
        return Disturbance(kind, {broker.number}, {broker.number},
                           [self._kill_at(0, broker), self._start(first, broker), self._kill_at(first + second, broker),
                            self._start(first + second + 0.5, broker)])

    def _kill_two(self, kind):
        two = self.random.sample(BROKERS, 2)
        apart = self.random.choice([0, 0, 0.2, 1])
        brokers = [self._lab.brokers[number] for number in two]
        steps = [self._kill_at(0, brokers[0]), self._kill_at(apart, brokers[1])]
        steps += [self._start(apart + self.random.uniform(0.1, 4), broker) for broker in brokers]
        return Disturbance(kind, set(two), set(two), steps)

    def _kill_all(self, kind):
        brokers = list(self._lab.brokers.values())
        self.random.shuffle(brokers)
        steps = [self._kill_at(0, broker) for broker in brokers]
        steps += [self._start(self.random.uniform(0.1, 4), broker) for broker in brokers]
        return Disturbance(kind, set(BROKERS), set(BROKERS), steps)

    def _stop(self, kind):
        broker = self._broker()
        seconds = self.random.uniform(0.3, 5)
        return Disturbance(kind, {broker.number}, set(), [
            Step(0, f"SIGSTOP broker {broker.number}", lambda: broker.send(signal.SIGSTOP)),
            Step(seconds, f"SIGCONT broker {broker.number}", lambda: broker.send(signal.SIGCONT))])

    def _cut(self, kind, touched, paths, text, is_loud=False, seconds=None):
        """Each path is (from, to)."""
        numbers = []
        seconds = seconds or self.random.uniform(0.5, 8)

        def cut():
            numbers.extend(self._network.cut(source, target, is_loud) for source, target in paths)

        def heal():
            for number in numbers:
                self._network.heal(number)
        return Disturbance(kind, set(touched), set(), [Step(0, f"cut {text}", cut), Step(seconds, f"heal {text}", heal)])

    @staticmethod
    def _both_ways(one, others):
        return [(one, other) for other in others] + [(other, one) for other in others]

    def _cut_pair(self, kind):
        broker = self._broker()
        other = self.random.choice(self._others(broker))
        return self._cut(kind, {broker.number, other}, self._both_ways(broker.number, [other]),
                         f"broker {broker.number} from broker {other}")

    def _cut_from_others(self, kind):
        broker = self._broker()
        return self._cut(kind, {broker.number}, self._both_ways(broker.number, self._others(broker)),
                         f"broker {broker.number} from both others, not from clients")

    def _cut_from_all(self, kind):
        broker = self._broker()
        return self._cut(kind, {broker.number}, self._both_ways(broker.number, [*self._others(broker), CLIENT]),
                         f"broker {broker.number} from everybody")

    def _cut_from_clients(self, kind):
        broker = self._broker()
        return self._cut(kind, set(), self._both_ways(broker.number, [CLIENT]), f"broker {broker.number} from clients")

    def _cut_one_way(self, kind):
        broker = self._broker()
        others = self.random.choice([self._others(broker), [self.random.choice(self._others(broker))],
                                     [*self._others(broker), CLIENT]])
        names = "/".join("clients" if other == CLIENT else str(other) for other in others)
        touched = {broker.number, *others} & set(BROKERS) if len(others) == 1 else {broker.number}
        if self.random.random() < 0.5:
            paths, text = [(broker.number, other) for other in others], f"what broker {broker.number} sends to {names}"
        else:
            paths, text = [(other, broker.number) for other in others], f"what {names} send to broker {broker.number}"
        return self._cut(kind, touched, paths, text)

    def _cut_loudly(self, kind):
        broker = self._broker()
        return self._cut(kind, {broker.number}, self._both_ways(broker.number, [*self._others(broker), CLIENT]),
                         f"broker {broker.number} from everybody, who are told", is_loud=True)

    def _slow(self, kind):
        broker = self._broker()
        return Disturbance(kind, {broker.number}, set(), [
            Step(0, f"slow paths to and from broker {broker.number}", lambda: self._network.slow(broker.number)),
            Step(self.random.uniform(2, 8), f"fast paths of broker {broker.number}",
                 lambda: self._network.fast(broker.number))])

    def _disk(self, kind, broker, fill, text):
        return Disturbance(kind, {broker.number}, set(), [
            Step(0, f"fill disk {broker.number}{text}", fill),
            Step(self.random.uniform(1, 10), f"free disk {broker.number}", broker.disk.free)])

    def _fill(self, kind):
        """Sometimes twice: what is freed meanwhile goes, too."""
        broker = self._broker()
        made = self._disk(kind, broker, broker.disk.fill, " to its last block")
        if self.random.random() < 0.5:
            made.steps.insert(1, Step(made.steps[-1].at / 2, f"fill disk {broker.number} again", broker.disk.fill))
        return made

    def _nearly_fill(self, kind):
        broker = self._broker()
        return self._disk(kind, broker, lambda: broker.disk.fill(RESERVE_MIB << 19), " into its reserve")

    def _freeze(self, kind):
        broker = self._broker()
        return Disturbance(kind, {broker.number}, set(), [
            Step(0, f"disk {broker.number} hangs", broker.disk.freeze),
            Step(self.random.uniform(0.5, 6), f"disk {broker.number} goes on", broker.disk.thaw)])

    def _restart(self, kind):
        broker = self._broker()
        return Disturbance(kind, {broker.number}, set(), [
            Step(0, f"SIGTERM broker {broker.number}", broker.ask_to_stop),
            self._start(self.random.uniform(0.5, 3), broker)])

    def _command(self, at, *words):
        text = "ironbark " + " ".join(words)
        return Step(at, text, lambda: self.commands.append((text, self._lab.begin_command(*words))))

    def _move(self, kind):
        """Three of them, one after the other, some of which are refused: to the leader itself, or while it is moved."""
        steps = []
        for at in (0, 0.1, 0.5):
            topic, partitions = self.random.choice(self._lab.topics)
            steps.append(self._command(at, "leader", "move", f"{topic}/{self.random.randrange(partitions)}",
                                       "--to", str(self.random.choice(BROKERS))))
        return Disturbance(kind, set(), set(), steps)

    def _balance(self, kind):
        return Disturbance(kind, set(), set(), [self._command(0, "leader", "balance")])
