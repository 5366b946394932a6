"""The error tree: what went wrong, where, and the value seen.

::

    AgentError
    ├── SettingsError        a setting, a TOML key or an argument that cannot be used
    ├── LinkError            the connection to a game
    │   ├── LinkClosed       the peer closed or reset the connection
    │   ├── LinkTimeout      nothing arrived, or nothing could be written, in time
    │   ├── LinkRefused      nobody listens there
    │   └── ProtocolError    bytes that break the wire format
    ├── ImageError           a picture that is refused before or while it is decoded
    ├── GameError            a hosted game that cannot start or go on
    ├── UserCodeError        a policy or a game of the user's own that cannot be loaded, or that raised
    │   └── NumberError      a reward or an observation of a game that is no number; a GameError too
    ├── WeightsError         weights that do not fit, are damaged, or are not sealed
    ├── RecordingError       a recording that is missing, damaged or in use
    ├── LlmError             a language model that cannot be asked, or whose answer cannot be used
    ├── RequestError         a request that cannot be served
    ├── ChildGone            a child process of this one ended
    └── LearnerAway          a learner on another machine does not answer now
"""


class AgentError(Exception):
    """Root of every error that this package raises on purpose."""


class SettingsError(AgentError):
    """A setting is unknown, malformed, or switched on without what it needs."""


class LinkError(AgentError):
    """The connection to a game failed."""


class LinkClosed(LinkError):
    """The peer closed or reset the connection."""


class LinkTimeout(LinkError):
    """Nothing arrived, or nothing could be written, within its deadline."""


class LinkRefused(LinkError):
    """Nobody listens at the address."""


class ProtocolError(LinkError):
    """Bytes break the wire format; `reason` is a short stable code for counters."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class ImageError(AgentError):
    """A picture is refused; `reason` is a short stable code for counters."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class GameError(AgentError):
    """A hosted game cannot start or go on."""


class UserCodeError(AgentError):
    """Code that the user wrote cannot be loaded, raised, or returned what cannot be used."""


class NumberError(GameError, UserCodeError):
    """A reward or an observation of a game is no number, such as NaN: nothing can be learned or counted from it."""


class WeightsError(AgentError):
    """Weights do not fit, are damaged, or are not sealed by a manifest."""


class RecordingError(AgentError):
    """A recording is missing, damaged, or written by another."""


class LlmError(AgentError):
    """A language model cannot be asked, or its answer cannot be used; `fault` is one of `planning.messages.FAULTS`."""

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(f"{fault}: {message}")
        self.fault = fault


class RequestError(AgentError):
    """A request cannot be served; `status` is HTTP's number for it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ChildGone(AgentError):
    """A child process of this one ended, or could not be started."""


class LearnerAway(AgentError):
    """A learner on another machine cannot be reached, or cannot serve a request now; it is asked again.

    answered: it is there, but has no room or time.
    """

    def __init__(self, message: str, *, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


def first_error(group: BaseExceptionGroup[AgentError]) -> AgentError:
    """The first plain error of a group of groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, AgentError)
    return error
