"""README.md and docs/ on real builders: build, docker run and curl, on the stand-in base.

How a block says what is done with it stands in tests/support/markdown.py.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from dagger_aml.base import catalog
from tests.support import package_index
from tests.support.depth import depth_of
from tests.support.markdown import PAGES, Block, Session, blocks

pytestmark = [pytest.mark.builders, pytest.mark.engine, pytest.mark.by_default, pytest.mark.usefixtures("engine")]

WITH_BUILDERS = [page for page in PAGES if any("builder" in block.words for block in blocks(page))]
PORT = 6789


@pytest.fixture
def port() -> Iterator[None]:
    """The one port that the pages publish, free; a container that a failed page left there is removed again."""
    deadline = time.monotonic() + 120
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", PORT)):
                break
        assert time.monotonic() < deadline, f"something listens at port {PORT}"
        time.sleep(1)
    yield
    for container in _docker("ps", "--quiet", f"--filter=publish={PORT}").split():
        _docker("rm", "--force", container)


@contextlib.contextmanager
def _images_kept(page: Path) -> Iterator[None]:
    """Leave docker's store as it was: the images that a page names are somebody else's, or go again."""
    text = "".join(block.text for block in blocks(page) if block.kind == "builder")
    names = sorted(set(re.findall(r"(?:-t|--tag) (\S+)", text)))
    before = {name: _docker("image", "inspect", "--format={{.Id}}", name).strip() for name in names}
    try:
        yield
    finally:
        for name, image in before.items():
            _docker("tag", image, name) if image else _docker("rmi", name)


@contextlib.contextmanager
def _company(page: Path, folder: Path, need: Callable[..., None]) -> Iterator[dict[str, str]]:
    """What a page takes for given at a company, as variables, if it names one of them.

    ``COMPANY_INDEX``, an index's URL with its login; ``COMPANY_CA``, the certificate to trust for it;
    ``COMPANY_PROXY``, a proxy with a login; ``INNER_INDEX``, an index that only the proxy reaches.
    """
    text = page.read_text(encoding="utf-8")
    if "$COMPANY_" not in text:
        yield {}
        return
    need("openssl", "tinyproxy")
    address = package_index.own_address()
    packages = folder / "packages"
    packages.mkdir()
    package_index.wheel(packages, "acme_prices", "1.0", "prices")
    tls = package_index.certificates(folder, address)
    with (
        package_index.index(packages, password="s3cret", address=address, tls=tls) as index,
        package_index.index(packages) as inner,
        package_index.proxy(folder, "127.0.0.1", login="agent:pr0xyword") as proxy,
    ):
        yield {
            "COMPANY_INDEX": index.login_url,
            "COMPANY_CA": str(tls.ca),
            "COMPANY_PROXY": proxy.url,
            "INNER_INDEX": inner.url,
        }


def _docker(*arguments: str) -> str:
    """What docker prints to standard output; it may fail."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False).stdout


def _is_played(block: Block, config: pytest.Config) -> bool:
    return "nightly" not in block.words or depth_of(config).every_block


@pytest.mark.parametrize("page", WITH_BUILDERS, ids=lambda page: page.name)
def test_blocks_do_what_the_page_shows(
    page: Path,
    tmp_path: Path,
    bases: Mapping[str, str],
    need: Callable[..., None],
    port: None,
    request: pytest.FixtureRequest,
) -> None:
    played = [block for block in blocks(page) if _is_played(block, request.config)]
    if not any("builder" in block.words for block in played):
        pytest.skip("only with --depth nightly: another page or test shows the same")
    need("docker", "buildah", "curl")
    folder = tmp_path / "folder"
    folder.mkdir()
    stand_ins = {
        name: bases["curated" if image.name.startswith("curated/") else "classic"]
        for image in catalog.IMAGES
        for name in (image.name, image.name.rpartition("/")[2])
    }
    registry = bases["classic"].partition("/")[0]
    env = {**os.environ, "DAGGER_AML_BASE": bases["classic"], "REGISTRY": f"{registry}/docs-try"}
    with _company(page, tmp_path, need) as company, _images_kept(page):
        session = Session(folder, {**env, **company}, bases=stand_ins)
        for block in played:
            session.play(block, "builder")
