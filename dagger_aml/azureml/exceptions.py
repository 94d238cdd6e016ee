"""The exceptions of SDK v1 by their names; each is an error of dagger-aml's too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ..errors import UsageError

__all__ = ["AzureMLException", "UserErrorException", "WebserviceException"]


class AzureMLException(UsageError):
    """Base of them all.

    :param location: the argument or attribute that is to blame, such as ``entry_script``.
    """


class WebserviceException(AzureMLException):
    """What is wrong with a model, with what packages it, or with the package."""


class UserErrorException(AzureMLException):
    """What is wrong with what was given, or cannot be done here."""


def elsewhere(what: str, how: str) -> UserErrorException:
    """The error for what only Azure can do.

    :param what: as the script calls it, such as ``Model.register``.
    :param how: where to do it.
    """
    return UserErrorException("this would reach Azure, which nothing in dagger-aml does", location=what, hint=how)


def raising(what: str, how: str) -> Callable[..., NoReturn]:
    """A function, of a class or of an object, that raises :func:`elsewhere` whatever it is given."""

    def raise_it(*_: Any, **__: Any) -> NoReturn:
        raise elsewhere(what, how)

    raise_it.__name__ = raise_it.__qualname__ = what.rpartition(".")[2]
    raise_it.__doc__ = f"Raises: it would reach Azure. {how}"
    return raise_it
