"""Patterns by which an engine is told of single paths."""

import re

import pytest

from dagger_aml.backends.dagger.copies import check_told_apart, exact_pattern, is_text
from dagger_aml.errors import GraphError


def test_a_byte_that_is_no_text_is_found_as_the_engine_reads_it():
    assert exact_pattern("/a b/[x]") == r"a[ ]b/\[x\]"
    assert exact_pattern("a/\udcff\udcfe.bin") == "a/[\ufffd][\ufffd].bin"
    assert is_text("a/é\ufffd") and not is_text("a\udc80")


def test_names_that_an_engine_cannot_tell_apart_are_refused():
    check_told_apart(["a", "\udcff", "b", "\udcff\udcff", "a"], "model")
    for one, two in (("\udcff", "\udcfe"), ("\ufffd", "\udcfe"), ("x/\udcffy", "x/\udc80y")):
        with pytest.raises(GraphError, match=re.escape("cannot tell")) as caught:
            check_told_apart(["a", one, two], "model")
        assert caught.value.location == "model"
        caught.value.message.encode()
