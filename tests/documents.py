"""The commands that README.md, docs/ and the model cards promise.

A comment on the line before a block says that its commands are not run in tests, and why:

    <!-- not run in tests: 35 minutes of training -->
    <!-- not run in tests (pip, docker): downloads -->

The second form is about these programs alone; the other commands of the block are run.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATTERNS = ("README.md", "docs/**/*.md", "inpaint_tf/weights/*/MODEL_CARD.md")
LANGUAGES = ("bash", "python", "text")
SERVED = "localhost:85"  # in commands that ask a server: tests/serving runs them

_MARK = re.compile(r"<!-- not run in tests(?: \(([\w, -]+)\))?: (.+) -->")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")


@dataclass(frozen=True)
class Command:
    """A command, with the lines that go on with it.

    Attributes:
        text: as it stands.
        words: as a shell splits it, without comments.
        marked: why it is not run; empty if it is.
    """

    text: str
    words: tuple[str, ...]
    marked: str = ""

    @property
    def is_assignment(self) -> bool:
        return len(self.words) == 1 and bool(_ASSIGNMENT.match(self.words[0]))

    @property
    def program(self) -> tuple[str, ...]:
        """The words from the program on."""
        words = self.words
        while len(words) > 1 and _ASSIGNMENT.match(words[0]):
            words = words[1:]
        return words


@dataclass(frozen=True)
class Block:
    """What stands between two fences.

    Attributes:
        document: its path in the repository.
        line: of the first fence.
        language: after the first fence.
        text: between the fences.
        marks: why it is not run, by program; `""` stands for all of them.
    """

    document: str
    line: int
    language: str
    text: str
    marks: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    def commands(self) -> list[Command]:
        return [self._command(text) for text in _statements(self.text)]

    def _command(self, text: str) -> Command:
        command = Command(text, tuple(_words(text)))
        why = self.marks.get("", self.marks.get(command.program[0], ""))
        return Command(text, command.words, why)


def documents() -> list[Path]:
    return sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of all documents that are in one of the languages; without any, all."""
    found = [block for path in documents() for block in read(path)]
    return [block for block in found if not languages or block.language in languages]


def read(path: Path) -> list[Block]:
    """Return the blocks of a document."""
    document = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    found: list[Block] = []
    marks: dict[str, str] = {}
    inside: list[str] | None = None
    start, language = 0, ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if inside is not None:
            if line.startswith("```"):
                found.append(Block(document, start, language, "\n".join(inside), marks))
                marks, inside = {}, None
            else:
                inside.append(line)
        elif line.startswith("```"):
            inside, start, language = [], number, line.removeprefix("```")
        elif mark := _MARK.fullmatch(line):
            marks |= dict.fromkeys((mark[1] or "").split(", "), mark[2])
        else:
            marks = {}
    assert inside is None, f"{document}: the block of line {start} has no end"
    return found


def _statements(text: str) -> list[str]:
    """Split a script into commands, whose quotes are closed and which go on after a pipe."""
    found, lines = [], []
    for line in text.splitlines():
        lines.append(line)
        whole = "\n".join(lines)
        if whole.rstrip().endswith(("\\", "|")) or not _is_closed(whole):
            continue
        if _words(whole):
            found.append(whole)
        lines = []
    assert not lines, f"a command has no end: {lines}"
    return found


def _words(text: str) -> list[str]:
    return shlex.split(text.replace("\\\n", ""), comments=True)


def _is_closed(text: str) -> bool:
    try:
        _words(text)
    except ValueError:
        return False
    return True
