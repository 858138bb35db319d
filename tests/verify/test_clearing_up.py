"""What a person does in the search who clears up, and what of it is still known afterwards."""

from __future__ import annotations

from hamn_flow.cli.settings import Settings
from hamn_flow.journal.memory import MemoryJournal
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import Cluster
from hamn_flow.search.cases import Pair, case_of, first_scene
from hamn_flow.search.safety import INTRUDER, cleared_up, standing
from hamn_flow.search.scene import ByHand, Scene, Standing
from hamn_flow.simulator.world import World

ACTIVE = NodeName("mn1")


def standing_of(cluster: Cluster, scene: Scene) -> Standing:
    return standing(cluster, scene.state(), MemoryJournal(scene.saved_journal()), scene.by_hand)


def test_what_was_mounted_by_hand_and_is_in_use_stays_known_as_such_when_something_else_is_cleared_up() -> None:
    """Else a run that leaves it as it is would be taken to have forgotten it."""
    pair = Pair(database="postgresql", size="small")
    case = case_of(Settings().catalog(), "planned-failover", {}, pair)
    state = first_scene(case, pair).state()
    world = World(state)
    world.hold(ACTIVE, "/etc/xcat", user=INTRUDER)
    in_use = ByHand(node=ACTIVE, mount_point="/var/lib/postgresql")
    before = Scene.packed(state, MemoryJournal.empty(), (in_use,))
    assert standing_of(case.cluster, before).in_the_way == (f"/etc/xcat is busy on {ACTIVE}",)
    after = cleared_up(before)
    assert (after.by_hand, standing_of(case.cluster, after).in_the_way) == ((in_use,), ())
