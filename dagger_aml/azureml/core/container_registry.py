"""Container registries."""

from __future__ import annotations

from ..section import Section

__all__ = ["ContainerRegistry"]

_OF_TOKENS = "00000000-0000-0000-0000-000000000000"
"""The user as whom Azure's registries take a token, where docker keeps one in place of a password."""


class ContainerRegistry(Section):
    """A registry: ``address``, ``username``, ``password``, each None where it is not known.

    Of one that a package gives, user and password are docker's own login for its address. They are read from docker's
    settings, or asked of the helper that these name, when the attribute is, and are shown by nothing else.
    """

    def __init__(self) -> None:
        self.address: str | None = None
        self._username: str | None = None
        self._password: str | None = None
        self._asks = False
        self._made = True

    @classmethod
    def at(cls, address: str) -> ContainerRegistry:
        """The registry at an address, with docker's login for it."""
        made = cls()
        made.address = address
        made._asks = True
        return made

    @property
    def username(self) -> str | None:
        """The user: as it was set, else docker's for this address."""
        return self._username or self._login()[0]

    @username.setter
    def username(self, value: str | None) -> None:
        self._username = value

    @property
    def password(self) -> str | None:
        """The password, or the token: as it was set, else docker's for this address."""
        return self._password or self._login()[1]

    @password.setter
    def password(self, value: str | None) -> None:
        self._password = value

    def _login(self) -> tuple[str | None, str | None]:
        if not self._asks or not self.address:
            return None, None
        from ...oci.credentials import credentials

        user, secret = credentials(self.address)
        return (_OF_TOKENS if user == "<token>" else user) or None, secret or None

    def __repr__(self) -> str:
        """The address alone, and nothing is asked."""
        return f"ContainerRegistry(address={self.address!r})"
