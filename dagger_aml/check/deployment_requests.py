"""Rules about requests and probes of a deployment file, whose code Azure ML's server runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import contract
from ..finding import Finding
from .deployment_image import at, environment_of, has_another_server
from .rule import rule

if TYPE_CHECKING:
    from ..project.deployment.model import Deployment

_LONGEST_MS = 180_000
"""The longest that a managed endpoint waits for an answer."""

_REQUEST_MS, _CONCURRENT, _WORKERS, _WORKER_S = 5_000, 1, 1, 300
"""What holds where nothing is said: of ``request_settings``, of the server and of the images."""

_PERIOD, _FAILURES, _DELAY = 10, 30, 10
"""What holds where a liveness probe says nothing, in seconds but for the second."""

_LEAST_START = 30
"""Seconds that a container needs to load a model, at the least."""


def _said(deployment: Deployment, key: str, inner: str) -> int | None:
    """A whole number of ``request_settings`` or a probe; None where there is none."""
    block = deployment.document.get(key)
    value: Any = block.get(inner) if isinstance(block, dict) else None
    return _whole(value)


def _variable(deployment: Deployment, name: str) -> int | None:
    return _whole(deployment.variables.get(name))


def _whole(value: Any) -> int | None:
    try:
        return int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except ValueError:
        return None


@rule("AML801", "warning")
def workers_and_requests(deployment: Deployment) -> Iterator[Finding]:
    """As many requests come at once as the server has no workers for.

    `max_concurrent_requests_per_instance` says how many requests Azure ML sends to an instance at once, and
    `WORKER_COUNT` how many the server works on; both are 1 where nothing is said. Of more requests than workers some
    wait inside the container, where their time runs.

    Bad `deployment.yml`:

        request_settings:
          max_concurrent_requests_per_instance: 4

    Good `deployment.yml`:

        environment_variables:
          WORKER_COUNT: 4
        request_settings:
          max_concurrent_requests_per_instance: 4

    Silent: as many workers as requests or more, and images that bring their own code, whose server may be another.
    """
    requests = _said(deployment, "request_settings", "max_concurrent_requests_per_instance")
    said = _variable(deployment, contract.WORKER_COUNT)
    if contract.WORKER_COUNT in deployment.variables and said is None:
        return
    workers = _WORKERS if said is None else said
    if deployment.code and requests is not None and requests > workers > 0:
        yield Finding(
            f"{requests} requests come at once, and the server has "
            f"{f'{workers} workers' if workers > 1 else 'one worker'}, so the others wait in the container",
            location=at(deployment, "request_settings.max_concurrent_requests_per_instance"),
            hint=f"Set {contract.WORKER_COUNT} to {requests}, if the model fits into memory as often.",
        )


@rule("AML802", "info")
def idle_workers(deployment: Deployment) -> Iterator[Finding]:
    """The server has more workers than requests come at once.

    Each worker loads the model and takes its memory, and Azure ML sends no more requests at once than
    `max_concurrent_requests_per_instance` says.

    Bad `deployment.yml`:

        environment_variables:
          WORKER_COUNT: 4
        request_settings:
          max_concurrent_requests_per_instance: 1

    Good `deployment.yml`:

        environment_variables:
          WORKER_COUNT: 4
        request_settings:
          max_concurrent_requests_per_instance: 4

    Silent: where one of the two is not said, and images that bring their own code.
    """
    requests = _said(deployment, "request_settings", "max_concurrent_requests_per_instance")
    workers = _variable(deployment, contract.WORKER_COUNT)
    if deployment.code and requests is not None and workers is not None and workers > requests > 0:
        yield Finding(
            f"the server has {workers} workers, and no more than {requests} of them get a request at once",
            location=at(deployment, f"environment_variables.{contract.WORKER_COUNT}"),
            hint="Set max_concurrent_requests_per_instance to the same number.",
        )


@rule("AML803", "warning")
def longer_than_the_service(deployment: Deployment) -> Iterator[Finding]:
    """A request may take longer than a managed endpoint waits.

    A managed endpoint waits 180 seconds for an answer at the most.

    Bad `deployment.yml`:

        request_settings:
          request_timeout_ms: 300000

    Good `deployment.yml`:

        request_settings:
          request_timeout_ms: 180000

    Silent: 180 seconds or less, and Kubernetes.
    """
    said = _said(deployment, "request_settings", "request_timeout_ms")
    if deployment.kind == "managed" and said is not None and said > _LONGEST_MS:
        yield Finding(
            f"request_timeout_ms is {said}, and a managed endpoint waits {_LONGEST_MS} at the most",
            location=at(deployment, "request_settings.request_timeout_ms"),
            hint=f"Write {_LONGEST_MS} or less. What takes longer is for a batch endpoint.",
        )


@rule("AML804", "warning")
def given_up_before(deployment: Deployment) -> Iterator[Finding]:
    """The endpoint gives a request up before the server does.

    The caller is told that it took too long after `request_timeout_ms`, 5 seconds where nothing is said. The server
    goes on until `SCORING_TIMEOUT_MS`, and its worker takes no other request in that time.

    Bad `deployment.yml`:

        environment_variables:
          SCORING_TIMEOUT_MS: 60000
        request_settings:
          request_timeout_ms: 10000

    Good `deployment.yml`:

        environment_variables:
          SCORING_TIMEOUT_MS: 60000
        request_settings:
          request_timeout_ms: 60000

    Silent: where `SCORING_TIMEOUT_MS` is not said.
    """
    scoring = _variable(deployment, "SCORING_TIMEOUT_MS")
    request = _said(deployment, "request_settings", "request_timeout_ms")
    waits = _REQUEST_MS if request is None else request
    if scoring is not None and scoring > waits > 0:
        yield Finding(
            f"the endpoint gives a request up after {waits} ms, and the server works on it for up to {scoring} ms",
            location=at(
                deployment, "request_settings.request_timeout_ms", "environment_variables.SCORING_TIMEOUT_MS"
            ),
            hint=f"Set request_timeout_ms to {min(scoring, _LONGEST_MS)}, or SCORING_TIMEOUT_MS to {waits}.",
        )


@rule("AML805", "warning")
def ended_by_the_worker(deployment: Deployment) -> Iterator[Finding]:
    """A worker is ended before the time that a request may take.

    The server ends a worker that has worked for `WORKER_TIMEOUT` seconds, 300 where nothing is said, whatever
    `SCORING_TIMEOUT_MS` allows: the request gets no answer, and the model is loaded again.

    Bad `deployment.yml`:

        environment_variables:
          SCORING_TIMEOUT_MS: 120000
          WORKER_TIMEOUT: 60

    Good `deployment.yml`:

        environment_variables:
          SCORING_TIMEOUT_MS: 120000
          WORKER_TIMEOUT: 150

    Silent: where `SCORING_TIMEOUT_MS` is not said, and where WORKER_TIMEOUT is 0, which ends no worker.
    """
    scoring, worker = _variable(deployment, "SCORING_TIMEOUT_MS"), _variable(deployment, contract.WORKER_TIMEOUT)
    if contract.WORKER_TIMEOUT in deployment.variables and worker is None:
        return
    seconds = _WORKER_S if worker is None else worker
    if scoring is not None and 0 < seconds * 1000 < scoring:
        yield Finding(
            f"SCORING_TIMEOUT_MS is {scoring}, and the server ends a worker after {seconds} seconds",
            location=at(deployment, "environment_variables.SCORING_TIMEOUT_MS"),
            hint=f"Set {contract.WORKER_TIMEOUT}, in seconds, to more than {scoring // 1000}, or SCORING_TIMEOUT_MS "
            "to less.",
        )


@rule("AML810", "warning")
def killed_at_work(deployment: Deployment) -> Iterator[Finding]:
    """The liveness probe gives the container up while a request may still be worked on.

    A worker that is at work does not answer the probe. With one worker, a request that takes longer than the probe
    waits in all has its container ended.

    Bad `deployment.yml`:

        liveness_probe: {period: 10, failure_threshold: 3}
        request_settings: {request_timeout_ms: 90000}

    Good `deployment.yml`:

        liveness_probe: {period: 10, failure_threshold: 12}
        request_settings: {request_timeout_ms: 90000}

    Silent: more workers than one, no liveness probe or no request timeout in the file, and images that bring their
    own code.
    """
    request = _said(deployment, "request_settings", "request_timeout_ms")
    if not deployment.code or request is None or "liveness_probe" not in deployment.places:
        return
    if deployment.variables.get(contract.WORKER_COUNT, "1") != "1":
        return
    waits = _or(_said(deployment, "liveness_probe", "period"), _PERIOD) * _or(
        _said(deployment, "liveness_probe", "failure_threshold"), _FAILURES
    )
    if waits * 1000 < request:
        yield Finding(
            f"the container is ended when it has not answered for {waits} seconds, and a request may take "
            f"{request // 1000}",
            location=at(deployment, "liveness_probe.failure_threshold", "liveness_probe"),
            hint="Raise failure_threshold or period of the liveness probe.",
        )


@rule("AML811", "warning")
def killed_at_start(deployment: Deployment) -> Iterator[Finding]:
    """The liveness probe gives the container up before a model can be loaded.

    The server answers once `init()` is done. A container that has not answered before is ended and started again, and
    so on.

    Bad `deployment.yml`:

        liveness_probe: {initial_delay: 5, period: 5, failure_threshold: 2}

    Good `deployment.yml`:

        liveness_probe: {initial_delay: 60, period: 10, failure_threshold: 30}

    Silent: half a minute or more in all; no liveness probe in the file; the routes of another server.
    """
    environment = environment_of(deployment)
    if "liveness_probe" not in deployment.places or (environment and has_another_server(environment)):
        return
    delay = _or(_said(deployment, "liveness_probe", "initial_delay"), _DELAY)
    period = _or(_said(deployment, "liveness_probe", "period"), _PERIOD)
    total = delay + period * _or(_said(deployment, "liveness_probe", "failure_threshold"), _FAILURES)
    if total < _LEAST_START:
        yield Finding(
            f"a container that has not answered after {total} seconds is ended, and it answers when init() is done",
            location=at(deployment, "liveness_probe"),
            hint="Raise initial_delay or failure_threshold.",
        )


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
