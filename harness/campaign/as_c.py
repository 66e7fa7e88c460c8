# SPDX-License-Identifier: GPL-2.0-only
"""A finding as a C program that `--attack` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attacker.agent.syscalls import NUMBERS
from harness.campaign.program import (
    PAGE,
    PLACE,
    Data,
    Fact,
    Made,
    Number,
    Pid,
    Program,
    Room,
    Text,
    all_arguments,
    names,
)
from harness.campaign.resources import SCRATCH_CGROUP, in_scratch_cgroup
from harness.campaign.wire import signed

if TYPE_CHECKING:
    from collections.abc import Collection

    from harness.campaign.program import Argument, Call

_HEAD = """\
// SPDX-License-Identifier: GPL-2.0-only
/* {about} */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
"""
_THREAD_NAMED = """
/* The first thread whose name has this start, and this part; kthreadd if none has. */
static long thread_named(const char *start, const char *part)
{
	for (long pid = 3; pid <= getpid(); pid++) {
		char path[64], name[64] = "";

		snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
		int file = open(path, O_RDONLY);
		ssize_t got = read(file, name, sizeof(name) - 1);
		close(file);
		if (got > 0 && !strncmp(name, start, strlen(start)) && strstr(name, part))
			return pid;
	}
	return 2;
}
"""
_NUMBER_IN = """
static long number_in(const char *path)
{
	FILE *file = fopen(path, "r");
	long number = 0;

	if (file && fscanf(file, "%ld", &number) != 1)
		number = 0;
	if (file)
		fclose(file);
	return number;
}
"""
_NEXT_HANDLER = """
static int is_handler(long pid, const char *handler_name)
{
	char path[64], text[512], name[32] = "", *end;
	unsigned long parent = 0, flags = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return 0;
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	end = strrchr(text, ')');
	if (!end)
		return 0;
	sscanf(end + 1, " %*c %lu %*d %*d %*d %*d %lu", &parent, &flags);
	*end = 0;
	sscanf(text, "%*d (%31[^\\n]", name);
	/* Until its exec, a handler is a child of kthreadd like any other, but no kernel thread. */
	return !strcmp(name, handler_name) || (parent == 2 && !(flags & 0x00200000));
}

/* Wait for another handler. Each pid is looked at twice: at first it may have no files. */
static long next_handler(long handler, const char *handler_name)
{
	long from = handler + 1, before = handler;

	for (;; usleep(1000)) {
		FILE *file = fopen("/proc/loadavg", "r");
		long last = 0;

		if (file && fscanf(file, "%*s %*s %*s %*s %ld", &last) != 1)
			last = 0;
		if (file)
			fclose(file);
		if (last < before)
			from = 300; /* pids began again */
		for (long pid = from; pid <= last; pid++)
			if (pid != handler && is_handler(pid, handler_name))
				return pid;
		from = before < last ? before + 1 : from;
		before = last;
	}
}
"""
_MAKE_CGROUP = f"""
static void make_cgroup(void)
{{
	static const char *const controllers[] = {{ "+cpu", "+cpuset", "+io", "+memory", "+pids" }};
	int file = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY);

	for (int i = 0; i < 5; i++)
		if (write(file, controllers[i], strlen(controllers[i])) < 0)
			continue; /* the kernel does not have it */
	close(file);
	mkdir("{SCRATCH_CGROUP}", 0755);
}}
"""
_NAMED = {
    "handler": 'atol(getenv("UMD_HANDLER_PID"))',
    "group": "-handler",
    "worker": 'thread_named("kworker/", "umd_")',
    "caller": 'thread_named("umd_witness", "")',
    "kthreadd": "2",
    "init": "1",
    "self": "getpid()",
    "everyone": "-1",
    "bystander": "fork()",
    "address": 'atol(getenv("UMD_HANDLER_ADDRESS") ?: "0")',
    "frame": f'atol(getenv("UMD_HANDLER_ADDRESS") ?: "0") / {PAGE}',
    "kprobe": 'number_in("/sys/bus/event_source/devices/kprobe/type")',
}
"""How the program comes by the numbers that it names. `group` stands after `handler`."""


def c_program(program: Program, *, about: str) -> str:
    """Return the source of a program that makes the calls. `about` is one line about it."""
    body, named = _Body(), {"handler"} | names(program)
    body.named(named)
    texts = [one.text for one in all_arguments(program) if isinstance(one, Text)]
    needs_cgroup = any(in_scratch_cgroup(text) for text in texts)
    if needs_cgroup:
        body.line("make_cgroup();")
    if program.repeats:
        body.line(
            "char handler_name[32] = {0}, comm[64];",
            'snprintf(comm, sizeof(comm), "/proc/%ld/comm", handler);',
            "int named = open(comm, O_RDONLY);",
            "if (read(named, handler_name, 31) > 0)",
            "\t*strchrnul(handler_name, '\\n') = 0;",
            "close(named);",
        )
    if program.stays:
        body.line("/* It stays, with all that it has open, when its parent has ended. */")
        body.line("if (fork()) {", "\tsleep(1);", "\treturn 0;", "}")
        if "self" in named:
            body.line("self = getpid();")
    body.line(f"long made[{len(program.calls)}];")
    if program.repeats:
        body.line("for (;;) {")
    for at, call in enumerate(program.calls):
        body.call(at, call)
    if program.repeats:
        body.line("handler = next_handler(handler, handler_name);")
        if "group" in named:
            body.line(f"group = {_NAMED['group']};")
        body.line("close_range(3, ~0U, 0);", "}")
    elif program.stays:
        body.line("for (;;)", "\tpause();")
    else:
        body.line(f"return made[{len(program.calls) - 1}] < 0;")
    head = _HEAD.replace("{about}", about.replace("*/", "* /"))
    thread_named = _THREAD_NAMED if named & {"worker", "caller"} else ""
    number_in = _NUMBER_IN if "kprobe" in named else ""
    next_handler = _NEXT_HANDLER if program.repeats else ""
    make_cgroup = _MAKE_CGROUP if needs_cgroup else ""
    return f"{head}{thread_named}{number_in}{next_handler}{make_cgroup}\n{body}"


class _Body:
    """The statements of main()."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._variables = 0

    def __str__(self) -> str:
        statements = "\n".join(f"\t{line}" if line else "" for line in self._lines)
        return f"int main(void)\n{{\n{statements}\n}}\n"

    def line(self, *lines: str) -> None:
        self._lines += lines

    def named(self, named: Collection[str]) -> None:
        for name, source in _NAMED.items():
            if name in named:
                self.line(f"long {name} = {source};")
        if "bystander" in named:
            self.line("", "while (!bystander)", "\tpause();")
        self.line("", "(void)handler;")

    def call(self, at: int, call: Call) -> None:
        self.line("")
        rooms: list[str] = []
        args = [self._value(argument, rooms) for argument in call.args]
        words = ", ".join((f"{NUMBERS[call.name]}L", *args))
        self.line(f"made[{at}] = syscall({words}); /* {call.name} */")
        self.line(f'printf("{call.name}: %ld\\n", made[{at}]);')
        self.line(*(f"fwrite({room}, 1, sizeof({room}), stdout);" for room in rooms))
        self.line("fflush(stdout);")

    def _value(self, argument: Argument, rooms: list[str]) -> str:
        """Return the C expression of an argument; add the memory that the kernel may write."""
        match argument:
            case Number(value):
                return f"{_number(value)}"
            case Pid(name) | Fact(name):
                return name
            case Made(at):
                return f"made[{at}]"
        name = f"v{self._variables}"
        self._variables += 1
        match argument:
            case Text(text):
                self._text(name, text)
            case Room(size):
                self._memory(name, max(size, 1))
                rooms.append(name)
            case Data(content, fields, size):
                octets = ", ".join(map(str, content.rstrip(b"\0") or b"\0"))
                size = max(len(content), size, 1)
                aligned = f" __attribute__((aligned({PAGE})))" if size % PAGE == 0 else ""
                self._memory(name, size, aligned)
                given = f"(const unsigned char[]){{ {octets} }}"
                self.line(f"memcpy({name}, {given}, {octets.count(',') + 1});")
                for offset, width, field in fields:
                    word = self._value(field, rooms)
                    self.line(f"memcpy({name} + {offset}, &(long){{ (long)({word}) }}, {width});")
        return name

    def _memory(self, name: str, size: int, aligned: str = "") -> None:
        """Add memory of zeros. Calls that are repeated find zeros again."""
        self.line(f"static unsigned char {name}[{size}]{aligned};")
        self.line(f"memset({name}, 0, {size});")

    def _text(self, name: str, text: str) -> None:
        form = PLACE.sub("%ld", text.replace("%", "%%"))
        args = "".join(f", {whose}" for whose in PLACE.findall(text))
        self.line(f"char {name}[{len(text) + 64}];")
        self.line(f'snprintf({name}, sizeof({name}), "{_escaped(form)}"{args});')


def _number(value: int) -> str:
    number = signed(value)
    return f"{number}L" if number > -(1 << 63) else "(-9223372036854775807L - 1)"


def _escaped(text: str) -> str:
    """Return a text as the inside of a C string. Octal escapes have three digits, and so an end."""
    return "".join(
        char
        if " " <= char <= "~" and char not in '"\\'
        else "".join(f"\\{byte:03o}" for byte in char.encode())
        for char in text
    )
