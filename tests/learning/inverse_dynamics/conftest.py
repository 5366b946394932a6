"""One trained model for all tests of this room."""

import pytest

from agent.learning.inverse_dynamics.labels import Labeller
from tests.learning.inverse_dynamics.moving import trained


@pytest.fixture(scope="session")
def labeller() -> Labeller:
    """A model of the small game whose actions show late."""
    return trained()
