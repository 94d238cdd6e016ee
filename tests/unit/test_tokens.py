"""Logins and tokens of registries, as far as no registry is needed to see it."""

import pytest

from dagger_aml.oci.reference import Reference
from dagger_aml.oci.tokens import Tokens, pull

BASIC, BEARER = 'Basic realm="x"', 'Bearer realm="http://127.0.0.1/token",service="x"'


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("challenge", [BASIC, BEARER])
def test_whoever_is_given_nothing_is_told_so_each_time(challenge: str) -> None:
    """The empty answer is made just now: asked again, it is not one that another thread was given meanwhile."""
    tokens, at = Tokens(), Reference.parse("127.0.0.1:1/app:1")
    for _ in range(3):
        found = tokens.anew(at, pull("app"), [challenge], "", lambda *_: None)
        assert found == ("", True)
