"""Commands in the documentation, as the tests run them.

A fenced `sh` block is preceded by its name, or by why it is not run:

    <!-- test: NAME -->            <!-- test: none (REASON) -->

A `text` block right after it holds lines that the commands print, in this order; there may be others between them.
`…` stands for what differs from run to run, and runs of blanks are one blank.
"""

import dataclasses
import re

from tests.harness.kubernetes import ROOT

_BLOCK = re.compile(r"(?:<!-- test: (?P<name>[\w-]+)(?: \((?P<reason>[^)]*)\))? -->\n)?```sh\n(?P<commands>.*?)```\n"
                    r"(?:\n```text\n(?P<prints>.*?)```\n)?", re.S)
_PROGRAMS = ("slicectl", "kubectl", "systemctl", "ctr", "cmake", "ctest", "scripts/", "./scripts/", "tests/", "build/", "slicelet-")


@dataclasses.dataclass
class Block:
    document: str
    name: str
    reason: str
    commands: str
    prints: list

    def missing(self, printed):
        """The first line that was not printed, or None."""
        lines = iter(_squeezed(printed))
        for line in self.prints:
            pattern = ".*".join(re.escape(part) for part in line.split("…"))
            if not any(re.fullmatch(pattern, shown) for shown in lines):
                return line
        return None


def documents():
    """What a user reads: paths relative to the repository."""
    return sorted(str(path.relative_to(ROOT)) for pattern in ("README.md", "docs/*.md", "samples/*/README.md", "charts/*/README.md")
                  for path in ROOT.glob(pattern))


def blocks(document):
    return [Block(document, match["name"] or "", match["reason"] or "", match["commands"], _squeezed(match["prints"] or ""))
            for match in _BLOCK.finditer((ROOT / document).read_text())]


def inline_commands(document):
    """Commands within the text, such as those of a table."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / document).read_text(), flags=re.S | re.M)
    found = (" ".join(match.split()) for match in re.findall(r"`([^`]+)`", text))
    return [command for command in found if command.startswith(_PROGRAMS) and " " in command]


def _squeezed(text):
    return [line for line in (" ".join(line.split()) for line in text.splitlines()) if line]
