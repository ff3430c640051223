"""The end-to-end tests of the system on one machine, against containers: `whole_system` is theirs to ask for."""

import pytest
from e2e.test_figure_to_light import *  # noqa: F403 - every test and fixture of it

pytestmark = pytest.mark.thorough
