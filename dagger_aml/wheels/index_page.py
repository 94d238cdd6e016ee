"""A package index's page of one package, by the standard simple repository API, as HTML or JSON."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Final
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

ACCEPT: Final = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1, */*;q=0.01"
)


def page_of(index: str, name: str) -> str:
    """The URL of a package's page."""
    return f"{index.rstrip('/')}/{canonicalize_name(name)}/"


def links(data: bytes, kind: str) -> Iterator[tuple[str, str, str]]:
    """URL as it is written, file name and SHA-256 of each file; the digest is empty where the page has none.

    :param kind: the page's content type.
    """
    text = data.decode("utf-8", "replace")
    if kind.endswith("+json"):
        try:
            for each in json.loads(text)["files"]:
                digest = (each.get("hashes") or {}).get("sha256", "")
                yield each["url"], each["filename"], digest
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        return
    reader = _Anchors()
    reader.feed(text)
    for url in reader.found:
        try:
            parts = urlsplit(url)
        except ValueError:
            continue
        name, _, digest = parts.fragment.partition("=")
        yield url.partition("#")[0], unquote(posixpath.basename(parts.path)), digest if name == "sha256" else ""


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]
