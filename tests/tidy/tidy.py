#!/usr/bin/env python3
"""What a machine can check of docs/STYLE.md: sizes, arrows between folders, banned calls, traps of the compiler.

    tests/tidy/tidy.py [ROOT]       prints one line per finding, and ends with 1 if there is any
"""
import pathlib
import re
import sys

FILE_LINES_MAX = 600
LINE_WIDTH_MAX = 120
FUNCTION_LINES_MAX = 70

SOURCES = ("runtime", "log", "broker", "client", "tools", "bench", "tests")

# Which folders each folder may include. Nothing may include what is not named here.
ARROWS = {
    "runtime/base": ["runtime/base"],
    "runtime/task": ["runtime/base", "runtime/task"],
    "runtime/io": ["runtime/base", "runtime/task", "runtime/io"],
    "runtime/rpc": ["runtime/base", "runtime/task", "runtime/io", "runtime/rpc", "wire"],
    "log/record": ["runtime/base", "log/record"],
    "log": ["runtime/base", "runtime/task", "runtime/io", "log/record", "log"],
    "client": ["runtime", "log/record", "client", "ironbark", "wire"],
    "broker/partition": ["runtime/base", "runtime/task", "runtime/io", "log", "broker/partition", "broker/controller",
                         "broker", "wire"],
    "broker/consensus": ["runtime/base", "broker/consensus"],
    "broker/voter": ["runtime", "log", "broker/consensus", "broker/voter", "wire"],
    "broker/peer": ["runtime", "broker/consensus", "broker/voter", "broker/peer", "wire"],
    "broker/controller": ["runtime", "log", "broker/controller", "wire"],
    "broker/control": ["runtime", "log", "broker/consensus", "broker/voter", "broker/peer", "broker/controller",
                       "broker/control", "broker", "wire"],
    "broker": ["runtime", "log", "broker", "wire"],
    "tools": ["runtime", "log", "tools", "ironbark", "client"],
    "bench": ["runtime", "log", "bench", "ironbark", "client", "wire"],
    "bench/micro": ["runtime", "log", "broker", "bench"],
    "tests": ["runtime", "log", "broker", "client", "tools", "bench", "tests", "ironbark", "wire"],
}
# Pure code decides and knows nothing of the world.
PURE = ["broker/consensus/", "broker/voter/records.", "broker/voter/stored_log.", "broker/voter/snapshot_head.",
        "broker/controller/metadata.", "broker/controller/metadata_brokers.", "broker/controller/metadata_partitions.",
        "broker/controller/metadata_restore.", "broker/controller/metadata_snapshot.", "broker/controller/metadata_topics.",
        "broker/controller/metadata_wire.", "broker/controller/appointer.", "broker/controller/commands.", "broker/controller/events.",
        "broker/controller/placement.", "broker/controller/records.", "broker/controller/reports.", "broker/controller/tiers.", "broker/control/liveness.",
        "log/producers.", "log/retention.", "client/send_window.", "client/acknowledged."]
PURE_BANNED = re.compile(r'#include "runtime/(task|io|rpc/(?!convert))')

# Only the worlds, and what measures or starts real machines and processes, may touch the outside.
OUTSIDE = ("runtime/io/", "broker/main.cc", "bench/", "tools/", "tests/")
BANNED_OUTSIDE = [
    (re.compile(r"\b(steady_clock|system_clock|high_resolution_clock)::now"), "reads a clock: use the executor"),
    (re.compile(r"\bstd::random_device\b|\brand\(\)"), "draws a random number: use World::random"),
    (re.compile(r"\bstd::async\b|\.detach\(\)"), "starts something that nobody joins"),
    (re.compile(r"\bstd::this_thread::sleep"), "sleeps"),
    (re.compile(r"(?<![\w.>:])(::)?(pwrite|pread|fsync|fdatasync|unlink|ftruncate|fallocate)\("),
     "makes a system call: use World"),
]
CLIENT_FACADES = ("client/",)  # has threads and a clock of its own behind its public face
BANNED = [
    (re.compile(r"\b(TODO|FIXME|XXX)\b"), "is a note to nobody: do it, or open an issue"),
    (re.compile(r"\bASSERT\(.*co_await|[?:] co_await|(&&|\|\|) co_await"), "awaits inside an expression that branches"),
    (re.compile(r"co_await [^;{}\"]*[\w>]\{|co_await [^;{}\"]*[(,] ?\{(?!\})"),
     "has braces in a co_await expression: g++ 12 destroys the temporary twice"),
    (re.compile(r"co_await [^;\"]*\[[&=\w, ]*\] ?[({]"), "has a lambda in a co_await expression: name it first"),
]
INCLUDE = re.compile(r'#include ["<]((runtime|log|broker|client|tools|bench|tests|ironbark|wire)/[^">]+)[">]')


def folder_of(path):
    """The longest key of ARROWS that the path lies in."""
    best = None
    for folder in ARROWS:
        if path.startswith(folder + "/") and (best is None or len(folder) > len(best)):
            best = folder
    return best


def check_arrows(path, number, line, report):
    found = INCLUDE.match(line)
    if not found:
        return
    folder = folder_of(path)
    target = found.group(1)
    if not any(target.startswith(allowed + "/") for allowed in ARROWS[folder]):
        report(path, number, f"includes {target}, which {folder} may not use")
    if any(path.startswith(pure) for pure in PURE) and PURE_BANNED.match(line):
        report(path, number, "is pure and includes the world")


def check_functions(path, lines, report):
    begin = None
    for number, line in enumerate(lines, 1):
        if re.match(r"(    )?\S.*\)( const| noexcept| override| try)* \{$", line) and not line.strip().startswith(
                ("if", "for", "while", "switch", "}", "else", "namespace", "struct", "class", "//")):
            begin = (number, line[: len(line) - len(line.lstrip())])
        elif begin and line.rstrip() == begin[1] + "}":
            if number - begin[0] + 1 > FUNCTION_LINES_MAX:
                report(path, begin[0], f"function of {number - begin[0] + 1} lines; at most {FUNCTION_LINES_MAX}")
            begin = None


def awaits_in_condition(line):
    """g++ 12 may never run the body of `if (co_await ...)` or `while (co_await ...)`."""
    found = re.search(r"\b(if|while) \(", line)
    if not found:
        return False
    depth = 0
    condition = ""
    for character in line[found.end() - 1:]:
        depth += {"(": 1, ")": -1}.get(character, 0)
        condition += character
        if depth == 0:
            break
    return "co_await" in condition.split(";")[-1]


def check_file(path, text, report):
    lines = text.split("\n")
    if len(lines) > FILE_LINES_MAX and not path.startswith("tests/"):
        report(path, len(lines), f"file of {len(lines)} lines; at most {FILE_LINES_MAX}")
    if path.endswith(".h") and "#pragma once" not in text:
        report(path, 1, "has no #pragma once")
    for number, line in enumerate(lines, 1):
        code = line.split("//")[0]
        if len(line) > LINE_WIDTH_MAX:
            report(path, number, f"line of {len(line)} columns; at most {LINE_WIDTH_MAX}")
        check_arrows(path, number, line, report)
        for pattern, why in BANNED:
            if path.startswith("tests/") and "branches" in why:
                continue
            if pattern.search(line if "note to nobody" in why else code):
                report(path, number, why)
        if awaits_in_condition(code) and not path.startswith("tests/"):
            report(path, number, "awaits in a condition, which g++ 12 gets wrong: name the result first")
        if not path.startswith(OUTSIDE) and not path.startswith(CLIENT_FACADES):
            for pattern, why in BANNED_OUTSIDE:
                if pattern.search(code):
                    report(path, number, why)
    if not path.startswith("tests/"):
        check_functions(path, lines, report)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    findings = []
    files = 0
    for folder in SOURCES:
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in (".h", ".cc"):
                continue
            files += 1
            path = str(file.relative_to(root))
            check_file(path, file.read_text(), lambda *finding: findings.append(finding))
    for path, number, why in findings:
        print(f"{path}:{number}: {why}")
    print(f"{files} files, {len(findings)} findings")
    # A run that saw nothing has checked nothing.
    return 1 if findings or files < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
