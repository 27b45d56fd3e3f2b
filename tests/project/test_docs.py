"""No link in the documentation leads nowhere, and every page and section that the code names is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])
#: The change log tells of times when there were other files.
OF_NOW = [page for page in PAGES if page.name != "CHANGELOG.md"]
#: Where pages of the documentation are named, besides those pages.
CODE = ("syncer", "sandbox", "marketo", "tests", "templates", "benchmarks")
NAMED_IN = (".py", ".html", ".css", ".js", ".lark")

_MARKDOWN = MarkdownIt("commonmark").enable("table")
#: ``docs/salesforce.md``, ``docs/salesforce.md 2.4``, ``docs/salesforce.md 1.5, 2.9``, ``docs/behaviour.md Promise 3``,
#: ``docs/engine.md#reading``. A reference may go on in the next line of a comment.
_NUMBER = r"(?:Promise \d+|\d+(?:\.\d+)*)"
_REFERENCE = re.compile(rf"(docs/[\w/-]+\.md)(?:#([\w-]+)|\s+(?:#:?\s+)?({_NUMBER}(?:(?:,| and)\s+{_NUMBER})*))?")


#: Tests that name pages of their own making.
MAKE_PAGES_UP = frozenset({"test_docs.py", "test_promises.py"})


def headings(page: Path) -> list[str]:
    """The texts of a page's headings, without their markup."""
    tokens = _MARKDOWN.parse(page.read_text("utf-8"))
    return [_text(tokens[i + 1]) for i, token in enumerate(tokens) if token.type == "heading_open"]


def _text(inline: Token) -> str:
    return "".join(part.content for part in inline.children or () if part.type in ("text", "code_inline"))


def anchors(page: Path) -> set[str]:
    """What can stand behind ``#`` in a link to a page, as GitHub makes it: the heading in lower case without
    punctuation, a dash for each blank; a number behind one that has been there."""
    found: set[str] = set()
    for heading in headings(page):
        name = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        number, anchor = 0, name
        while anchor in found:
            number += 1
            anchor = f"{name}-{number}"
        found.add(anchor)
    return found


def numbers(page: Path) -> list[str]:
    """The numbers of a page's sections: ``2``, ``2.4``, ``Promise 3``."""
    return [found[0] for heading in headings(page) if (found := re.match(rf"{_NUMBER}(?=[ :]|$)", heading))]


def links(page: Path) -> Iterator[str]:
    for token in _MARKDOWN.parse(page.read_text("utf-8")):
        for part in token.children or ():
            if (target := part.attrGet("href") or part.attrGet("src")) is not None:
                yield str(target)


def dead_links(page: Path) -> list[str]:
    """The relative links of a page whose file or heading is not there."""
    dead = []
    for link in links(page):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = page.parent / unquote(parts.path) if parts.path else page
        if not target.exists() or (parts.fragment and parts.fragment not in anchors(target)):
            dead.append(link)
    return dead


def missing_files(page: Path, project: Path = PROJECT) -> list[str]:
    """The Python files that a page names as code and that are not there. A path begins at the project or at
    ``syncer/``; a name alone can be that of any file."""
    tokens = [part for token in _MARKDOWN.parse(page.read_text("utf-8")) for part in token.children or ()]
    named = {
        part.content for part in tokens if part.type == "code_inline" and re.fullmatch(r"[\w/]+\.py", part.content)
    }
    return sorted(name for name in named if not _is_there(name, project))


def _is_there(name: str, project: Path) -> bool:
    if "/" in name or (project / name).exists():
        return (project / name).exists() or (project / "syncer" / name).exists()
    return any(found for directory in CODE for found in (project / directory).rglob(name))


def dead_references(text: str, project: Path = PROJECT) -> list[str]:
    """What a text names of the documentation and is not there."""
    dead = []
    for reference in _REFERENCE.finditer(text):
        page = project / reference[1]
        if not page.exists():
            dead.append(reference[0])
            continue
        wanted = re.findall(_NUMBER, reference[3] or "")
        if (reference[2] and reference[2] not in anchors(page)) or set(wanted) - set(numbers(page)):
            dead.append(reference[0])
    return dead


def _naming() -> Iterator[Path]:
    yield from PAGES
    yield from (PROJECT / name for name in ("Makefile", "pyproject.toml", "manage.py", ".env.example"))
    for directory in CODE:
        for path in sorted((PROJECT / directory).rglob("*")):
            if path.suffix in NAMED_IN and path.name not in MAKE_PAGES_UP:
                yield path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_no_link_of_a_page_is_dead(page: Path) -> None:
    assert dead_links(page) == []


@pytest.mark.parametrize("page", OF_NOW, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    assert missing_files(page) == []


def test_every_page_and_section_that_is_named_is_there() -> None:
    dead = {
        str(path.relative_to(PROJECT)): found
        for path in _naming()
        if (found := dead_references(path.read_text("utf-8")))
    }
    assert dead == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_a_number_stands_for_one_section(page: Path) -> None:
    assert len(numbers(page)) == len(set(numbers(page)))


@pytest.mark.parametrize("directory", [PROJECT / "docs", PROJECT / "docs" / "decisions"], ids=lambda path: path.name)
def test_every_page_is_listed_in_the_readme_beside_it(directory: Path) -> None:
    listed = {(directory / urlsplit(link).path).resolve() for link in links(directory / "README.md")}
    assert {path.resolve() for path in directory.glob("*.md")} - listed == {(directory / "README.md").resolve()}


# -- that all this would be noticed -----------------------------------------------------------------------------------

PAGE = """# Salesforce

See [stamps](#24-stamps-and-when-they-are-taken), [a table](other.md) and [the web](https://example.com/gone.md#x).

## 2 Reading

### 2.4 Stamps, and when they are taken

### Promise 1: `base` and both sides
"""
NAMES = "docs/salesforce.md, docs/salesforce.md 2, docs/salesforce.md\n    # 2.4, docs/salesforce.md Promise 1 and 2.4"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "other.md").write_text("# Other\n")
    (tmp_path / "docs" / "salesforce.md").write_text(PAGE)
    return tmp_path / "docs"


def test_what_is_there_is_found(docs: Path) -> None:
    page = docs / "salesforce.md"
    assert dead_links(page) == []
    assert dead_references(f"{NAMES} docs/salesforce.md#promise-1-base-and-both-sides", docs.parent) == []


def test_a_renamed_heading_is_noticed(docs: Path) -> None:
    page = docs / "salesforce.md"
    page.write_text(PAGE.replace("### 2.4 Stamps, and", "### 2.4 Times, and"))
    assert dead_links(page) == ["#24-stamps-and-when-they-are-taken"]
    assert dead_references("docs/salesforce.md#24-stamps-and-when-they-are-taken", docs.parent)


def test_a_section_with_another_number_is_noticed(docs: Path) -> None:
    (docs / "salesforce.md").write_text(PAGE.replace("### 2.4", "### 2.5").replace("Promise 1", "Promise 2"))
    assert dead_references(NAMES, docs.parent) == [
        "docs/salesforce.md\n    # 2.4",
        "docs/salesforce.md Promise 1 and 2.4",
    ]


def test_a_page_that_is_gone_is_noticed(docs: Path) -> None:
    (docs / "other.md").unlink()
    assert dead_links(docs / "salesforce.md") == ["other.md"]
    assert dead_references("see docs/other.md.", docs.parent) == ["docs/other.md"]


def test_a_file_that_is_gone_is_noticed(docs: Path) -> None:
    (docs.parent / "syncer" / "sync").mkdir(parents=True)
    (docs.parent / "syncer" / "sync" / "merge.py").touch()
    page = docs / "other.md"
    page.write_text(
        "`syncer/sync/merge.py`, `sync/merge.py`, `merge.py`, `sync/moved.py`, `moved.py`, `manage.py shell`\n"
    )
    assert missing_files(page, docs.parent) == ["moved.py", "sync/moved.py"]
