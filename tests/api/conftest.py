import pytest

from tests.belongings import Belongings, belongings_of_analytical
from tests.personas import World


@pytest.fixture
def theirs(world: World) -> Belongings:
    """What team Analytical owns, full of canaries."""
    return belongings_of_analytical(world)
