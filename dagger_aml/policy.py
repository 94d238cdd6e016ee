"""How long everything is waited for, and what is tried again: one object, handed down as an argument.

A field's name says its unit. Who has a slow proxy hands another :class:`Policy` to :func:`dagger_aml.connect` or
:func:`dagger_aml.local_builder`; nobody changes a constant.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import evolve, fields

from .data import frozen
from .errors import TransientError

if TYPE_CHECKING:
    from .events import OnEvent

T = TypeVar("T")


@frozen(kw_only=True, repr=False)
class Policy:
    """Every timeout of the package, in seconds.

    A *timeout* of a conversation ends one try, never several together; an *idle* timeout begins anew with each sign
    of life; a *deadline* is for the whole of what it names.

    :param connect_timeout_seconds: for a registry to take a connection of ours.
    :param answer_timeout_seconds: for a registry to begin an answer to us.
    :param blob_idle_timeout_seconds: between two parts of a blob that we download, or send.
    :param blob_commit_timeout_seconds: for a registry to answer once all of a blob is sent: the last bytes are still
        on their way, and some registries copy it within their storage before they answer.
    :param lookup_timeout_seconds: for a registry's answer that a build can do without; then it does.
    :param manifest_timeout_seconds: for a builder to learn a base's digest from its registry.
    :param layer_idle_timeout_seconds: while a builder pulls or pushes layers. Builders tell of a layer only when it
        is through, and the engine of the base's not even that, so this is what a slow line needs for the largest.
    :param stall_notice_after_seconds: without news of a registry, after which the progress says so, again and again.
    :param retry_pauses_seconds: before the second try, before the third, and so on; no further try after the last.
    :param longest_retry_after_seconds: that a registry may ask to wait (``Retry-After``); where it asks for more,
        nothing is tried again.
    :param engine_answer_timeout_seconds: for a session, or an engine's socket, to answer, so that the whole is told
        within ten.
    :param session_deadline_seconds: for an engine that answers to have made a session: ten that begin at once take
        each other's time.
    :param session_end_grace_seconds: for a session to end by itself, as the engine flushes what it must.
    :param engine_return_deadline_seconds: for an engine that went away to be there again, before projects that were
        not begun are given up; a try that has begun is waited for.
    :param start_deadline_seconds: for the download of Dagger's command line and the start of an engine in Docker.
    :param liveness_timeout_seconds: for an engine to show that it is still there, once something failed.
    :param span_silence_seconds: after which a call of which the engine has sent no span has none, since the session
        has made it before.
    :param span_deadline_seconds: for the spans of work that is over to have come; about 0.2 are usual.
    :param program_answer_timeout_seconds: for a daemon, or a short command of docker, podman or buildah, to answer.
    :param credential_helper_timeout_seconds: for a docker credential helper.
    :param terminate_grace_seconds: for a program to end after SIGTERM, before SIGKILL.
    :param ready_timeout_seconds: from the start of a served image to its first 200: the ``WORKER_TIMEOUT`` of the
        prebuilt images, after which gunicorn kills a worker whose ``init()`` has not ended.
    :param serve_poll_timeout_seconds: for one answer of our program in a served container, which may wait for ten.
    :param serve_silence_timeout_seconds: without a word of our program in a served container, which then has ended.
    :param remove_deadline_seconds: for a container or a service to be stopped and removed.
    :param doctor_check_deadline_seconds: for one check of ``doctor``; they run side by side.
    :param doctor_cache_deadline_seconds: for the engine to tell ``doctor`` of its cache, and count what it holds.
    """

    connect_timeout_seconds: float = 15.0
    answer_timeout_seconds: float = 15.0
    blob_idle_timeout_seconds: float = 60.0
    blob_commit_timeout_seconds: float = 300.0
    lookup_timeout_seconds: float = 10.0
    manifest_timeout_seconds: float = 60.0
    layer_idle_timeout_seconds: float = 4 * 3600.0
    stall_notice_after_seconds: float = 60.0
    retry_pauses_seconds: tuple[float, ...] = (2.0, 4.0)
    longest_retry_after_seconds: float = 30.0

    engine_answer_timeout_seconds: float = 9.0
    session_deadline_seconds: float = 60.0
    session_end_grace_seconds: float = 9.0
    engine_return_deadline_seconds: float = 30.0
    start_deadline_seconds: float = 300.0
    liveness_timeout_seconds: float = 10.0
    span_silence_seconds: float = 0.4
    span_deadline_seconds: float = 1.0

    program_answer_timeout_seconds: float = 10.0
    credential_helper_timeout_seconds: float = 30.0
    terminate_grace_seconds: float = 5.0

    ready_timeout_seconds: float = 300.0
    serve_poll_timeout_seconds: float = 15.0
    serve_silence_timeout_seconds: float = 20.0
    remove_deadline_seconds: float = 30.0

    doctor_check_deadline_seconds: float = 10.0
    doctor_cache_deadline_seconds: float = 3.0

    def scaled(self, factor: float, *names: str) -> Policy:
        """Every time, or those of some fields, times a factor."""
        made: dict[str, Any] = {}
        for name in names or [each.name for each in fields(Policy)]:
            value = getattr(self, name)
            made[name] = tuple(each * factor for each in value) if isinstance(value, tuple) else value * factor
        return evolve(self, **made)

    def __repr__(self) -> str:
        changed = [each.name for each in fields(Policy) if getattr(self, each.name) != each.default]
        return f"Policy({', '.join(f'{name}={getattr(self, name)!r}' for name in changed)})"


DEFAULT = Policy()


async def retry(work: Callable[[], Awaitable[T]], on_event: OnEvent, policy: Policy = DEFAULT) -> T:
    """What ``work`` gives; where it raises :class:`~dagger_aml.errors.TransientError`, after a few tries.

    Between two tries it pauses as the policy says, or as long as the registry asks for (``Retry-After``) where that
    is longer. An event tells each. Nothing here limits how long a try takes: ``work`` does.

    :raises TransientError: of the last try, or of one that need not be repeated (``after`` is None).
    """
    pauses = policy.retry_pauses_seconds
    for number, pause in enumerate(pauses, 2):
        try:
            return await work()
        except TransientError as error:
            if error.after is None or error.after > policy.longest_retry_after_seconds:
                raise
            from .events import Message

            wait = max(pause, error.after)
            on_event(Message(f"{error.message}; retrying in {wait:.0f} s ({number} of {len(pauses) + 1})"))
        # Who asks without waiting for anything needs no event loop.
        import anyio

        await anyio.sleep(wait)
    return await work()
