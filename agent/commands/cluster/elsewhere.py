"""What `play --learner` asks for: the learner's address, its token, and a folder for the weights that come from it."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from agent.core.errors import SettingsError
from agent.core.settings import Settings

if TYPE_CHECKING:
    from agent.control.policy import Policy
    from agent.session.options import LearnerElsewhere

NOTHING: Final[dict[str, Any]] = {}


def learner_elsewhere(address: str | None, settings: Settings, *, learns: bool) -> LearnerElsewhere | None:
    """The learner of `--learner`, None without it; raises SettingsError where it cannot be asked.

    learns: the session may learn.
    """
    if address is None:
        return None
    from agent.http.token import load_token
    from agent.learner.remote.calls import is_loopback, learner_address
    from agent.session.options import LearnerElsewhere

    where = learner_address(address)
    if not learns:
        raise SettingsError(f"--learner {where} and --no-learn: name one of them")
    given = settings.general.http_token.get_secret_value().strip()
    if not given and not is_loopback(urlsplit(where).hostname or ""):
        raise SettingsError(f"--learner {where}: set METABONK_HTTP_TOKEN to the learner's token")
    return LearnerElsewhere(address=where, token=load_token(given))


def worker_options(elsewhere: LearnerElsewhere | None, policy: Policy, stack: contextlib.ExitStack) -> dict[str, Any]:
    """What a worker's session is told beside: nothing is learned here, and versions lie in a folder that ends with it.

    Raises SettingsError where the policy does not learn.
    """
    if elsewhere is None:
        return NOTHING
    from agent.http.learner.service import learnable_of

    learnable_of(policy)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="metabonk-worker-", ignore_cleanup_errors=True))
    return {"learner": elsewhere, "learn": False, "weights_dir": Path(folder), "challenger_share": 0.0}
