"""docs/promises.md: every promise stands where it is quoted from, and every proof that it names is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

PROJECT = Path(__file__).resolve().parents[2]
PAGE = PROJECT / "docs" / "promises.md"
#: Whose sections all have a promise, but for those that only say what words mean or how something is arranged.
WITHOUT_A_PROMISE = {
    "docs/behaviour.md": {
        "What the sync does",
        *("1 The cycle", "2 Who is in the database", "3 Sync Person to SFDC", "4 Fields"),
        "5.6 The seven promises",
    },
    "docs/engine.md": {"How nothing is lost"},
}

_MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Promise:
    """``proofs``: path (from the project) and name of each."""

    document: str
    section: str
    quote: str
    proofs: tuple[tuple[str, str], ...]


def plain(inline: Token) -> str:
    """A text without its markup, on one line."""
    parts = [" " if part.type == "softbreak" else part.content for part in inline.children or ()]
    return " ".join("".join(parts).split())


def sections(text: str) -> dict[str, str]:
    """The text of each section up to the next heading, by its heading."""
    found: dict[str, list[str]] = {}
    heading = ""
    tokens = _MARKDOWN.parse(text)
    for before, token in zip([tokens[0], *tokens], tokens, strict=False):
        if token.type == "inline" and before.type == "heading_open":
            heading = plain(token)
            found[heading] = []
        elif token.type == "inline":
            found.setdefault(heading, []).append(plain(token))
    return {heading: " ".join(texts) for heading, texts in found.items()}


def stands_in(quote: str, text: str) -> bool:
    """Whether the parts of a quote, which are separated by an ellipsis, stand there in this order."""
    place = 0
    for part in quote.split("…"):
        place = text.find(part.strip(), place)
        if place < 0:
            return False
    return True


def section_of(number_or_heading: str, headings: Iterable[str]) -> str | None:
    """The heading that is meant: all of it, or the number before it."""
    wanted = re.escape(number_or_heading)
    return next((heading for heading in headings if re.fullmatch(rf"{wanted}([ :].*)?", heading)), None)


def promises(text: str) -> list[Promise]:
    """The rows of all tables of the page."""
    found = []
    document, cells = "", list[Token]()
    for token in _MARKDOWN.parse(text):
        if token.type == "tr_open":
            cells = []
        elif token.type == "inline":
            if token.content.startswith("[") and token.level == 1:  # a heading
                document = plain(token)
            cells.append(token)
        elif token.type == "tr_close" and plain(cells[0]) != "section":
            section, quote, proofs = cells
            found.append(Promise(document, plain(section), plain(quote), tuple(_proofs(proofs))))
    return found


def _proofs(cell: Token) -> Iterator[tuple[str, str]]:
    path = ""
    for part in cell.children or ():
        if part.type == "link_open":
            path = str(part.attrGet("href")).removeprefix("../")
        elif part.type == "code_inline":
            yield path, part.content


def functions(path: Path) -> set[str]:
    """The functions of a file, those of a class as ``Class.function``."""
    if not path.is_file():
        return set()
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    return found


def dead_proofs(rows: list[Promise], project: Path = PROJECT) -> list[str]:
    """What is named as a proof and is not there, or is no test and no check of the simulation."""
    known = {path: functions(project / path) for path in {path for row in rows for path, _ in row.proofs}}
    return [
        f"{row.section} “{row.quote}”: {path}::{name}"
        for row in rows
        for path, name in row.proofs
        if name not in known[path] or not (name.startswith("test_") or path == "tests/simulation/check.py")
    ]


def dead_quotes(rows: list[Promise], texts: dict[str, str]) -> list[str]:
    """Quotes that do not stand in the section that they are said to be from."""
    known = {document: sections(text) for document, text in texts.items()}
    dead = []
    for row in rows:
        section = section_of(row.section, known[row.document])
        if section is None or not stands_in(row.quote, known[row.document][section]):
            dead.append(f"{row.document} {row.section}: {row.quote}")
    return dead


def text_of(document: str) -> str:
    return (PROJECT / document).read_text("utf-8")


ROWS = promises(PAGE.read_text("utf-8"))
DOCUMENTS = list(dict.fromkeys(row.document for row in ROWS))


def test_every_document_that_promises_something_is_there() -> None:
    assert DOCUMENTS == ["README.md", "docs/behaviour.md", "docs/engine.md", "docs/operations.md"]


def test_every_proof_is_there() -> None:
    assert dead_proofs(ROWS) == []


def test_every_quote_still_stands_in_its_section() -> None:
    assert dead_quotes(ROWS, {document: text_of(document) for document in DOCUMENTS}) == []


def test_no_promise_is_without_proof() -> None:
    assert [row.quote for row in ROWS if not row.proofs] == []


@pytest.mark.parametrize("number", range(1, 8))
def test_each_of_the_seven_promises_has_a_story_and_the_simulation(number: int) -> None:
    named = {name for row in ROWS if row.section == f"Promise {number}" for _, name in row.proofs}
    assert any(name.startswith(f"test_5_always_{number}_") for name in named)
    assert "test_the_promises_hold_after_the_history_of_seed" in named


@pytest.mark.parametrize("document", WITHOUT_A_PROMISE)
def test_every_section_of_what_is_promised_has_a_row(document: str) -> None:
    headings = sections(text_of(document))
    told = {section_of(row.section, headings) for row in ROWS if row.document == document}
    assert set(headings) - told == WITHOUT_A_PROMISE[document]


# -- that all this would be noticed -----------------------------------------------------------------------------------

DOCUMENT = """# Sync

## 1.1 It waits

The next cycle starts *five minutes* after the
end of `the last` one.

| a | b |
|---|---|
| one | two |

## 1.2 It stops
"""
TABLE = """## [docs/a.md](a.md)

| section | promise | proof |
|---|---|---|
| 1.1 | The next cycle … the last one. | [`test_it`](../tests/test_a.py), [`Check._it`](../tests/simulation/check.py) |
| 1.1 | two | |
"""


def test_a_row_is_understood() -> None:
    first, second = promises(TABLE)
    assert first.proofs == (("tests/test_a.py", "test_it"), ("tests/simulation/check.py", "Check._it"))
    assert (first.document, first.section, second.quote, second.proofs) == ("docs/a.md", "1.1", "two", ())
    assert dead_quotes([first, second], {"docs/a.md": DOCUMENT}) == []


@pytest.mark.parametrize(
    "change",
    [("`the last` one", "the first one"), ("## 1.1 It waits", "## 1.3 It waits"), ("The next cycle", "It")],
)
def test_a_sentence_that_was_changed_or_moved_is_noticed(change: tuple[str, str]) -> None:
    [first, *_] = promises(TABLE)
    assert dead_quotes([first], {"docs/a.md": DOCUMENT.replace(*change)}) == [
        "docs/a.md 1.1: The next cycle … the last one."
    ]


def test_a_test_that_is_gone_or_is_none_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "tests" / "simulation").mkdir(parents=True)
    test, check = tmp_path / "tests" / "test_a.py", tmp_path / "tests" / "simulation" / "check.py"
    test.write_text("def test_it() -> None: ...\ndef helper() -> None: ...\n")
    check.write_text("class Check:\n    def _it(self) -> None: ...\n")
    assert dead_proofs(promises(TABLE), tmp_path) == []
    assert len(dead_proofs(promises(TABLE.replace("`test_it`", "`helper`")), tmp_path)) == 1
    check.write_text("class Check:\n    def _other(self) -> None: ...\n")
    test.unlink()
    assert len(dead_proofs(promises(TABLE), tmp_path)) == 2
