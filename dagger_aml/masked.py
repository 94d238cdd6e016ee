"""URLs without the logins in them."""

import re


def masked(value: str) -> str:
    """A value without the user and password of its URL, whatever characters these hold."""
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", value)
    before = scheme[0] if scheme else ""
    _, at, host = value[len(before) :].rpartition("@")
    return f"{before}***@{host}" if at else value


def words(text: str) -> str:
    """A sentence, with whatever URLs it holds masked."""
    return re.sub(r"(?<=://)\S*@", "***@", text)
