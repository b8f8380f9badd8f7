"""The log takes statements in order, publishes them, and only then answers."""

from ledger.pooling import published_size
from tests.support.ledger import FARM, Rig, p256


def test_a_statement_is_answered_only_once_everybody_can_see_it(farm: Rig) -> None:
    admitted = farm.submit(farm.event(FARM, p256("farm")))
    assert farm.results(admitted)[0].state == "pending"
    farm.step()
    (outcome,) = farm.results(admitted)
    assert (outcome.state, outcome.index) == ("published", 2)
    with farm.database.reading() as session:
        assert published_size(session) == 3
