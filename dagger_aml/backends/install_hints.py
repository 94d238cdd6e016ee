"""What to do where pip or uv could not install something in a build, by what it prints.

pip 26.3 and uv 0.13 are what was read; tests/unit/pip_output has what they print, from real runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..text import named, pattern

_GIT = pattern(r"Cannot find command '(git|hg|svn|bzr)'|(Git) executable not found")


_APT = {"git": "git", "hg": "mercurial", "svn": "subversion", "bzr": "brz"}


_COMPILER = pattern(
    r"command '([^']*\b(?:gcc|g\+\+|cc|c\+\+|clang)[^']*)' failed: No such file|unable to execute '([^']*)'"
)


_HEADER = pattern(r"fatal error: (\S+): No such file or directory")


_PROGRAM = pattern(
    r"(pg_config|mysql_config|cmake|ninja|swig|pkg-config)\b[^\n]{0,60}(?:not found|is required|must be installed)",
    re.IGNORECASE,
)


_RUST = pattern(r"can't find Rust compiler|cargo[^\n]{0,60}not (?:found|installed)", re.IGNORECASE)


_LOCAL = pattern(r"satisfies the requirement (\S+==\S+\+\S+)|there is no version of (\S+==\S+\+[^\s,]+)")


_NONE = pattern(r"satisfies the requirement (.+?) \(from versions: none\)")


_OTHERS = pattern(r"satisfies the requirement (.+?) \(from versions: ([^)\n]+)\)|there is no version of ([^\s,]+)")


_WRONG_WHEEL = pattern(
    r"(\S+\.whl) is not a supported wheel on this platform|Because (\S+) has no wheels with a matching"
)


_NO_ANSWER = pattern(
    r"Failed to resolve|NameResolutionError|Failed to establish a new connection|[Tt]emporary failure in name"
    r"|dns error|tcp connect error|Connection refused|ConnectTimeoutError"
)


_LOGIN = pattern(r"\b40[13] (?:Error|Client Error|Unauthorized|Forbidden)|HTTP status client error \(40[13]")


_CERTIFICATE = pattern(r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer")


_UNPINNED = "In --require-hashes mode, all requirements must have their versions pinned"


def _tool(found: re.Match[str]) -> str:
    name = (found[1] or found[2]).lower()
    package = _APT[name]
    return (
        f"The base image has no {name}, which fetches this package. Install it first: `{named('apt', package)}`, or "
        f"{package} in apt.txt (with the recipe `extended`). Or build a wheel and list that."
    )


def _compiler(found: re.Match[str]) -> str:
    return (
        "This package has no wheel for the base's Python and platform, so it is compiled, and the base image has "
        f"no compiler. Use a version with a wheel, or install a compiler: `{named('apt', 'g++')}`, or g++ in "
        "apt.txt (with the recipe `extended`)."
    )


def _header(found: re.Match[str]) -> str:
    if found[1] == "Python.h":
        return (
            "Compiling this package needs Python's headers. Use a version that has a wheel, or "
            f"`{named('apt', 'python3-dev')}`."
        )
    return (
        f"Compiling this package needs {found[1]}, which an apt package brings (its name mostly ends in -dev): "
        f"`{named('apt', 'NAME')}`. Or use a version of the package that has a wheel."
    )


def _program(found: re.Match[str]) -> str:
    return (
        f"Building this package needs {found[1]}, which an apt package brings: `{named('apt', 'NAME')}`. Or use a "
        "version, or a variant such as psycopg2-binary, that has a wheel."
    )


def _rust(found: re.Match[str]) -> str:
    return (
        "This package has no wheel for the base's Python and platform, and compiling it needs Rust. Use a "
        "version that has a wheel, or another base image."
    )


def _local(found: re.Match[str]) -> str:
    wanted = found[1] or found[2]
    example = "https://download.pytorch.org/whl/cpu"
    return (
        f"{wanted} has a local version (what stands behind +), which PyPI never has. Name the index that has it: "
        f"`{named('extra_index_url', 'URL')}` (PyTorch's is {example}), or leave out the part from + on."
    )


def _none(found: re.Match[str]) -> str:
    return (
        f"The index has nothing of {found[1]} for the base's Python and platform: no wheel for this Python, no "
        f"package of this name, or it is in another index ({named('index_url')}, {named('extra_index_url')}). Check "
        "the name, take another version, or a base image with another Python: `dagger-aml images`. pip prints the "
        f"same where an index wants a login: `{named('secret', 'id=pip,env=NAME')}`."
    )


def _others(found: re.Match[str]) -> str:
    wanted, there = found[1] or found[3], (found[2] or "").split(", ")
    shown = f", only {', '.join(there[-3:])}" if there[0] and len(there) <= 3 else ""
    shown = shown or (f"; the newest that it has is {there[-1]}" if there[0] else "")
    return (
        f"The index has no version of {wanted} for the base's Python and platform{shown}. Change the version, "
        "or use a base image with another Python: `dagger-aml images`."
    )


def _wrong_wheel(found: re.Match[str]) -> str:
    return (
        f"{found[1] or found[2]} is for another Python or platform than the base image's. List the wheel for "
        "the base's, or use a base image with that Python: `dagger-aml images`."
    )


def _no_answer(found: re.Match[str]) -> str:
    return (
        f"The build's commands cannot reach the package index. Check {named('index_url')}; where a proxy or a "
        "mirror is needed, see docs/howto-proxy-ca.md and docs/air-gap.md."
    )


def _login(found: re.Match[str]) -> str:
    return (
        f"The package index wants a login, or refuses the one it was given: `{named('secret', 'id=pip,env=NAME')}` "
        f"for a URL or pip.conf with it, `{named('secret', 'id=netrc,src=FILE')}` for a netrc "
        "(docs/howto-private-index.md)."
    )


def _certificate(found: re.Match[str]) -> str:
    return (
        "The base image does not trust the package index's certificate: give its authority's with "
        f"`{named('ca', 'FILE')}`."
    )


def _hashes(found: re.Match[str]) -> str:
    return (
        "The index has other files than those that were locked: it is another index, or the lock is for "
        "another Python or platform. Lock again with the index and the Python of the build."
    )


def _unpinned(found: re.Match[str]) -> str:
    return (
        "The list has hashes, and a package that it brings is not in it. Create it again with everything in it: "
        "`uv pip compile --generate-hashes`, or `pip-compile --generate-hashes`."
    )


def _conflict(found: re.Match[str]) -> str:
    return "The list asks for versions that exclude each other; the output names them. Loosen or change one of them."


def _option(found: re.Match[str]) -> str:
    return (
        f"The base image's pip does not know {found[1]}, which newer ones have. Remove it from the list of packages."
    )


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_GIT, _tool),
    (_CERTIFICATE, _certificate),
    (_LOGIN, _login),
    (_NO_ANSWER, _no_answer),
    (pattern(r"DO NOT MATCH THE HASHES|Hash mismatch for"), _hashes),
    (pattern(_UNPINNED), _unpinned),
    (_WRONG_WHEEL, _wrong_wheel),
    (_LOCAL, _local),
    (_NONE, _none),
    (pattern(r"ResolutionImpossible|your requirements and all versions of .* are incompatible"), _conflict),
    (_OTHERS, _others),
    (_COMPILER, _compiler),
    (_HEADER, _header),
    (_RUST, _rust),
    (_PROGRAM, _program),
    (pattern(r"error: no such option: (\S+)"), _option),
)
"""In this order: an index that cannot be reached looks, further down in the output, like one that has nothing."""


def install_hint(output: str) -> str | None:
    """What to do about what pip or uv printed; None where it is none of what is known."""
    for said, hint in _RULES:
        found = said.search(output)
        if found:
            return hint(found)
    return None
