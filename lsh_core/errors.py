"""Errors of airlsh, as a tree.

::

    AirlshError
    ├── InputError                    exit code 2: the caller can correct it
    │   ├── SettingsError             a setting or a name that is not allowed
    │   │   └── ArgumentError         an unknown argument, or an argument of the wrong type
    │   ├── SourceError               a source that cannot be read
    │   │   ├── SchemaError           a column that is missing or of the wrong type
    │   │   ├── SourceChangedError    a file that changed after it was planned
    │   │   └── SourceMissingError    a source without files
    │   ├── NotFoundError             no such index, build, model or document
    │   │   └── RowNotFoundError      no row with this id
    │   ├── ModelMismatchError        two models, or a model and vectors, that do not fit each other
    │   ├── VectorError               a vector that cannot be hashed
    │   ├── FilterError               a search filter outside the allow-list
    │   ├── MissingPackageError       a package that is needed and not installed
    │   ├── PluginError               a class of an installed package that cannot be loaded
    │   ├── ImageError                an image that cannot be decoded
    │   └── EncoderError              an encoder that cannot be made
    │       └── WeightsError          weights that are missing or cannot be fetched
    ├── ServerError                   exit code 1: Elasticsearch failed
    │   ├── UnsupportedServerError    a server that is too old, or whose answers differ
    │   ├── AccessError               the user is refused
    │   │   └── CertificateError      a certificate of server or client is refused
    │   ├── RequestRefusedError       a request that would be refused again
    │   ├── IndexTemplateError        an index template of the cluster would break an index
    │   ├── CapacityError             no room for another index
    │   ├── UnavailableError          no node, or no primary shard, answered in time
    │   │   ├── BusyError             the server is too busy now
    │   │   └── ShardsMissingError    no copy of a shard is left on the nodes that answer
    │   └── PartialAnswerError        an answer that does not cover every shard
    ├── RunError                      exit code 1: a run that must not be published
    │   ├── SourceUnavailableError    storage did not answer: another try may succeed
    │   ├── LoadError                 a chunk that could not be loaded
    │   ├── VerificationError         the index does not hold what was loaded
    │   ├── UnverifiedError           a build that could not be verified, without a fault found
    │   │   └── ChangesGoneError      the journal lacks changes that the build depends on
    │   ├── DeadLetterLimitError      more rows were refused than allowed
    │   │   ├── StoppedEarlyError     the load was stopped early
    │   │   └── FeatureLimitError     the features are not published
    │   │       └── ImagesAwayError   another try may fetch enough of the images
    │   ├── FeaturesError             a chunk whose features could not be made
    │   ├── AliasError                a name that is an index, or stands for several
    │   │   └── PromotionConflictError    the alias moved, or its index cannot be published
    │   ├── OutcomeError              a run without its requested result
    │   ├── LeaseHeldError            another live run holds the lease of this name
    │   ├── LeaseLostError            another run has taken over the work on this name
    │   ├── DeviceMemoryError         not even one text or image fits the device's memory
    │   └── DagRunError               a run of a DAG that failed, as seen from outside Airflow
    ├── UnexpectedError               exit code 1: an unforeseen error of a library
    └── StackError                    exit code 1: the local stack could not start or stop

Each error has its data as attributes and survives pickling, so an error of a Dask worker arrives complete.
"""

from __future__ import annotations

from typing import Any, Self

from lsh_core.redaction import quoted, redact


def _rebuild(cls: type[AirlshError], args: tuple[Any, ...], state: dict[str, Any]) -> AirlshError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class AirlshError(Exception):
    """Root of the error tree; ``exit_code`` is the exit code of the command line.

    Examples
    --------
    >>> from lsh_core import AirlshError, SearchRequest
    >>> try:
    ...     SearchRequest(id="gimp", k=0)
    ... except AirlshError as error:
    ...     print(type(error).__name__, error, error.exit_code)
    SettingsError k=0: must be a whole number from 1 to 10000 2
    """

    exit_code = 1
    final = False
    """True if a repetition cannot help."""

    def __str__(self) -> str:
        """Return the message with credentials and signatures of URLs redacted.

        Messages are printed, logged and stored.
        """
        return redact(super().__str__())

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__.copy())

    def with_note(self, note: str) -> Self:
        """Return the same error with a line about the next step."""
        self.add_note(note)
        return self


class InputError(AirlshError):
    """The request of the caller is not possible."""

    exit_code = 2
    final = True


class SettingsError(InputError):
    """A setting that is not allowed."""

    def __init__(self, setting: str, value: object, reason: str) -> None:
        self.setting, self.value, self.reason = setting, value, reason
        super().__init__(f"{setting}={quoted(value)}: {reason}")


class ArgumentError(SettingsError, TypeError):
    """An argument of a Python call that does not exist or has the wrong type."""

    def __init__(self, setting: str, value: object, reason: str) -> None:
        super().__init__(setting, value, reason)
        self.args = (f"{setting}={quoted(value, 80)}: {reason}",)


class SourceError(InputError):
    """A source that cannot be read."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source}: {reason}")


class SchemaError(SourceError):
    """A column that is missing or of the wrong type."""

    def __init__(self, source: str, column: str, reason: str) -> None:
        super().__init__(source, f"column {column!r} {reason}")
        self.column = column


class SourceChangedError(SourceError):
    """A file that changed after it was planned."""

    def __init__(self, source: str, planned: str, found: str) -> None:
        super().__init__(
            source,
            f"changed after the run was planned (planned {planned}, found {found}); start a new run over the new file",
        )
        self.planned, self.found = planned, found


class SourceMissingError(SourceError):
    """A source without files; unreadable files raise another error."""


class NotFoundError(InputError):
    """No such index, build, model or document."""

    def __init__(self, kind: str, name: str, hint: str = "") -> None:
        self.kind, self.name, self.hint = kind, name, hint
        super().__init__(f"no {kind} {quoted(name)}" + (f": {hint}" if hint else ""))


class RowNotFoundError(NotFoundError):
    """No row has this id; `index` is the physical index that was read."""

    def __init__(self, name: str, id: str, index: str) -> None:
        super().__init__("row", id)
        self.name, self.id, self.index = name, id, index
        near = id.strip()
        hint = f": did you mean {near!r}?" if near not in ("", id) else ": ids are compared whole, with their case"
        self.args = (f"{name} has no row with the id {quoted(id, 80)}{hint} ({index})",)


class ModelMismatchError(InputError):
    """Two models, or a model and vectors, that do not fit each other."""

    def __init__(self, expected: str, found: str, where: str) -> None:
        self.expected, self.found, self.where = expected, found, where
        super().__init__(f"{where}: expected {expected}, given {found}")


class VectorError(InputError, ValueError):
    """A vector, or an array of vectors, that cannot be hashed.

    `row` is None for a fault of the whole array.
    """

    def __init__(self, row: int | None, reason: str) -> None:
        self.row, self.reason = row, reason
        super().__init__(f"vector {row} {reason}" if row is not None else reason)


class MissingPackageError(InputError):
    """A feature needs a package that is not installed in this process."""

    def __init__(self, package: str, needed_for: str, install: str) -> None:
        self.package, self.needed_for, self.install = package, needed_for, install
        super().__init__(f"{needed_for} needs the package {package}, which is not installed here: {install}")


class PluginError(InputError):
    """A class of an installed package that cannot be loaded.

    The class is registered as a model or metric.
    """

    def __init__(self, group: str, name: str, distribution: str, reason: str) -> None:
        self.group, self.name, self.distribution, self.reason = group, name, distribution, reason
        super().__init__(f"{group} {name!r} of {distribution} {reason}")


class FilterError(InputError):
    """A search filter outside the allow-list."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"filter at {path or 'its top'}: {reason}")


class ImageError(InputError, ValueError):
    """An image that cannot be decoded; only its row is refused."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class EncoderError(InputError):
    """An encoder that cannot be made, or that cannot encode its input."""

    def __init__(self, encoder: str, reason: str) -> None:
        self.encoder, self.reason = encoder, reason
        super().__init__(f"encoder {encoder}: {reason}")


class WeightsError(EncoderError):
    """Weights that are missing or cannot be fetched.

    `choices` lists the possible values.
    """

    def __init__(self, encoder: str, weights: str, reason: str, choices: tuple[str, ...]) -> None:
        self.weights, self.choices = weights, choices
        super().__init__(encoder, reason)
        self.args = (
            f"encoder {encoder}: weights {weights!r}: {reason}; give one of: "
            + "; ".join(f"({place}) {choice}" for place, choice in enumerate(choices, 1)),
        )


class ServerError(AirlshError):
    """Elasticsearch failed."""


class UnsupportedServerError(ServerError):
    """The server is too old, or its answers differ from those that airlsh needs."""

    final = True

    def __init__(self, server: str, reason: str) -> None:
        self.server, self.reason = server, reason
        super().__init__(f"{server}: {reason}")


class AccessError(ServerError):
    """Elasticsearch refuses the user.

    `user`, `action`, `indices` and `privileges` are empty if the server does not name them. Each of `privileges` grants
    the action.
    """

    final = True

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        user: str = "",
        action: str = "",
        indices: tuple[str, ...] = (),
        privileges: tuple[str, ...] = (),
    ) -> None:
        self.status, self.reason = status, reason
        self.user, self.action, self.indices, self.privileges = user, action, indices, privileges
        if action:
            where = f" on {', '.join(indices)}" if indices else ""
            granting = f"; any of the privileges {', '.join(privileges)} grants it" if privileges else ""
            remedy = (
                f"the user {user} lacks {action}{where}{granting}; docs/guides/security.md has a role for each command"
            )
        else:
            remedy = (
                "check AIRLSH_ES_API_KEY, or AIRLSH_ES_USERNAME and AIRLSH_ES_PASSWORD, or the connection in Airflow"
            )
        super().__init__(f"Elasticsearch refused access ({status}): {reason}; {remedy}")


class CertificateError(AccessError):
    """A certificate of the server or of the client is refused."""

    def __init__(self, url: str, reason: str, remedy: str) -> None:
        super().__init__(0, reason)
        self.url, self.remedy = url, remedy
        self.args = (f"{url}: {reason}. {remedy}",)


class RequestRefusedError(ServerError):
    """Elasticsearch refused a request, and would refuse it again."""

    final = True

    def __init__(self, request: str, status: int, reason: str) -> None:
        self.request, self.status, self.reason = request, status, reason
        super().__init__(f"Elasticsearch refused {request} ({status}): {reason}")


class IndexTemplateError(ServerError):
    """An index template of the cluster would break an index, and cannot be overridden."""

    final = True

    def __init__(self, index: str, template: str, conflicts: tuple[str, ...], remedy: str) -> None:
        self.index, self.template, self.conflicts, self.remedy = index, template, conflicts, remedy
        super().__init__(f"index {index} cannot be created: {template} {'; it '.join(conflicts)}. {remedy}")


class CapacityError(ServerError):
    """The cluster has no room for another index: its limit of shards, or its disks."""

    final = True

    def __init__(self, limit: str, reason: str, remedy: str) -> None:
        self.limit, self.reason, self.remedy = limit, reason, remedy
        super().__init__(f"{reason} ({limit}). {remedy}")


class UnavailableError(ServerError):
    """No node, or no primary shard, answered in time."""

    def __init__(self, what: str, waited_seconds: float, last: str) -> None:
        self.what, self.waited_seconds, self.last = what, waited_seconds, last
        waited = round(waited_seconds, 1 if waited_seconds < 10 else 0)
        within = f" within {waited:g} s" if waited else ""
        super().__init__(f"{what} did not answer{within}; last: {last}")


class BusyError(UnavailableError):
    """Elasticsearch cannot do something now, but may do it later."""

    def __init__(self, request: str, status: int, reason: str) -> None:
        super().__init__("Elasticsearch", 0, reason)
        self.request, self.status = request, status
        self.args = (f"Elasticsearch could not do {request} ({status}): {reason}",)


class ShardsMissingError(UnavailableError):
    """No copy of a shard is left on the nodes that answer.

    `shards` has one text per missing shard. `silent_nodes` has the addresses of nodes that did not answer and may hold
    the shards.
    """

    def __init__(
        self, index: str, shards: tuple[str, ...], silent_nodes: tuple[str, ...], waited_seconds: float, last: str
    ) -> None:
        super().__init__(index, waited_seconds, last)
        self.shards, self.silent_nodes = shards, silent_nodes
        silent = f"; no answer from {', '.join(silent_nodes)}" if silent_nodes else ""
        self.args = (
            f"{index}: no copy is left of {'; '.join(shards)}; waited {waited_seconds:.0f} s{silent}; last: {last}",
        )


class PartialAnswerError(ServerError):
    """An answer that does not cover every shard."""

    def __init__(self, action: str, index: str, successful: int, total: int) -> None:
        self.action, self.index, self.successful, self.total = action, index, successful, total
        super().__init__(f"{action} of {index} covered {successful} of {total} shards")


class RunError(AirlshError):
    """A run that must not be published."""


class SourceUnavailableError(RunError):
    """The storage of a source did not answer or was too busy.

    Another try may succeed, so the error is not an `InputError`.
    """

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source}: {reason}")


class LoadError(RunError):
    """A chunk that could not be loaded."""

    def __init__(self, index: str, where: str, reason: str) -> None:
        self.index, self.where, self.reason = index, where, reason
        super().__init__(f"{index}: {where}: {reason}")


class VerificationError(RunError):
    """The index does not hold what was loaded."""

    final = True

    def __init__(self, index: str, check: str, expected: object, found: object) -> None:
        self.index, self.check, self.expected, self.found = index, check, expected, found
        super().__init__(f"{index}: {check}: expected {expected}, found {found}")


class UnverifiedError(RunError):
    """A build that could not be verified, without a fault found.

    The state of the build is unchanged.
    """

    def __init__(self, index: str, reason: str) -> None:
        self.index, self.reason = index, reason
        super().__init__(f"{index} could not be verified, and was left as it is: {reason}")


class ChangesGoneError(UnverifiedError):
    """Live changes that a build depends on have left the journal."""

    final = True

    def __init__(self, index: str, before: str) -> None:
        reason = (
            f"live changes made before {before} have left the journal, because the source of a later build is as of "
            "then. This build contains them: it can be promoted and rolled back to, but not verified or corrected again"
        )
        super().__init__(index, reason)
        self.before = before


class DeadLetterLimitError(RunError):
    """More rows were refused than allowed."""

    final = True

    def __init__(self, build: str, dead_lettered: int, limit: int, examples: tuple[str, ...]) -> None:
        self.build, self.dead_lettered, self.limit, self.examples = build, dead_lettered, limit, examples
        allowed = f"{dead_lettered} rows were refused, {limit} are allowed (--max-dead-letters)"
        super().__init__(f"build {build}: {allowed}; the live index is unchanged{_shown(examples, dead_lettered)}")


class StoppedEarlyError(DeadLetterLimitError):
    """A load that was stopped early because too many rows were refused."""

    def __init__(self, build: str, dead_lettered: int, limit: int, examples: tuple[str, ...], loaded: int) -> None:
        super().__init__(build, dead_lettered, limit, examples)
        self.loaded = loaded
        self.args = (
            f"build {build}: stopped early: of the first {loaded} rows {dead_lettered} were refused, more than {limit} "
            "and more than the share that is allowed (--stop-dead-letters, --stop-dead-letter-share)"
            f"; the live index is unchanged{_shown(examples, dead_lettered)}",
        )


class FeatureLimitError(DeadLetterLimitError):
    """More rows got no vector than allowed.

    `build` is the folder of the features, which are not published.
    """

    def __init__(self, output: str, dead_lettered: int, limit: int, examples: tuple[str, ...]) -> None:
        super().__init__(output, dead_lettered, limit, examples)
        self.args = (
            f"{output}: {dead_lettered} rows got no vector, {limit} are allowed (--max-dead-letters); nothing was "
            "published; the vectors that were computed are kept for the next run; the Parquet files in "
            f"{output.rstrip('/')}/_airlsh/refused list each row with its reason{_shown(examples, dead_lettered)}",
        )


class ImagesAwayError(FeatureLimitError):
    """Too many rows got no vector, partly because images could not be fetched.

    Another try may fetch these images.
    """

    final = False

    def __init__(self, output: str, dead_lettered: int, limit: int, examples: tuple[str, ...], retryable: int) -> None:
        super().__init__(output, dead_lettered, limit, examples)
        self.retryable = retryable
        self.args = (
            f"{self.args[0]}\n{retryable} of them are images that could not be fetched, which the next run tries again",
        )


class FeaturesError(RunError):
    """A chunk whose features could not be made."""

    def __init__(self, output: str, where: str, reason: str) -> None:
        self.output, self.where, self.reason = output, where, reason
        super().__init__(f"{output}: {where}: {reason}")


def _shown(examples: tuple[str, ...], count: int) -> str:
    more = f"\n  and {count - len(examples):,} more" if 0 < len(examples) < count else ""
    return "".join(f"\n  {example}" for example in examples) + more


class AliasError(RunError):
    """The alias of an index name is itself an index, or stands for several indices."""

    final = True

    def __init__(self, alias: str, reason: str) -> None:
        self.alias, self.reason = alias, reason
        super().__init__(f"alias {alias}: {reason}")


class PromotionConflictError(AliasError):
    """The alias moved, or its new index is not fit to be published."""


class OutcomeError(RunError):
    """A run that ended without its requested result."""

    final = True

    def __init__(self, name: str, what: str, missing: str) -> None:
        self.name, self.what, self.missing = name, what, missing
        super().__init__(f"{name}: the run did not reach its result: {what} {missing}")


class LeaseHeldError(RunError):
    """Another live run holds the lease of this name.

    A retry may succeed once the other run has ended.
    """

    def __init__(
        self, name: str, scope: str, holder: str, since: str, heartbeat: str, ttl_seconds: float = 60.0
    ) -> None:
        self.name, self.scope, self.holder, self.since, self.heartbeat = name, scope, holder, since, heartbeat
        self.ttl_seconds = ttl_seconds
        super().__init__(
            f"{name}: {holder} holds the lease {scope!r} since {since} and is running (last heartbeat {heartbeat}); "
            f"{name} is free as soon as that run ends, or {ttl_seconds:.0f} s after its last heartbeat if it is "
            "killed: try again then, or end it"
        )


class LeaseLostError(RunError):
    """Another run has taken over the work on this name."""

    final = True

    def __init__(self, name: str, scope: str, epoch: int) -> None:
        self.name, self.scope, self.epoch = name, scope, epoch
        super().__init__(
            f"{name}: the lease {scope!r} (epoch {epoch}) was taken over by another run; this one has stopped writing"
        )


class DeviceMemoryError(RunError):
    """One text or image exceeds the memory of the network's device."""

    final = True

    def __init__(self, device: str, reason: str) -> None:
        self.device, self.reason = device, reason
        super().__init__(
            f"{device} lacks the memory for one row at a time; run on another device, or with shorter texts, smaller "
            f"images or a smaller network: {reason}"
        )


class DagRunError(RunError):
    """A run of a DAG that failed, as seen from outside Airflow."""

    def __init__(self, dag_id: str, run_id: str, task: str | None, log_tail: str = "") -> None:
        self.dag_id, self.run_id, self.task, self.log_tail = dag_id, run_id, task, log_tail
        log = "".join(f"\n  | {line}" for line in log_tail.splitlines())
        where = f" in task {task}; the end of its log:{log}" if log else f" in task {task}" if task else ""
        super().__init__(f"DAG {dag_id}, run {run_id}: failed{where}")


class UnexpectedError(AirlshError):
    """An unforeseen error of a library: a fault of airlsh."""

    final = True

    def __init__(self, kind: str, reason: str) -> None:
        self.kind, self.reason = kind, reason
        super().__init__(
            f"an error that airlsh did not foresee ({kind}): {reason}. Please report it with the stack trace: the log "
            "of the task has it, and the command line shows it with AIRLSH_DEBUG=1"
        )


class StackError(AirlshError):
    """The local stack could not start or stop."""

    def __init__(self, part: str, cause: str, log_tail: str = "", remedy: str = "") -> None:
        self.part, self.cause, self.log_tail, self.remedy = part, cause, log_tail, remedy
        message = f"{part}: {cause}"
        if log_tail:
            message += "\n" + "\n".join(f"  | {line}" for line in log_tail.splitlines())
        if remedy:
            message += f"\n{remedy}"
        super().__init__(message)
