"""What a candidate is for decides on how it is compared, on a running server."""

from dataclasses import replace

import pytest

from orchestrator.inference.protocol import ENHANCER
from orchestrator.publishing.comparison import ENLARGING
from orchestrator.publishing.publish import publish
from orchestrator.publishing.publisher import Effort, Publisher
from orchestrator.publishing.withdraw import withdraw
from tests import enhancers
from tests.integration.publishing.versions import CARD, candidate

pytestmark = pytest.mark.timeout(300)
PERCEPTUAL = CARD + "\npurpose: perceptual\n"


async def test_a_perceptual_enhancer_is_published_for_what_it_is(publisher: Publisher) -> None:
    publisher = replace(publisher, effort=Effort(repeats=0, chain_pictures=1))
    data = enhancers.good(publisher.infer.tile_px, strength=2.8)
    tolerances = replace(ENLARGING, slower=1000)
    refused = await publish(publisher, candidate(data, ENHANCER), tolerances)
    assert refused.version is None
    assert "mean dB" in {criterion.name for criterion in refused.comparison.criteria if not criterion.good}

    published = await publish(publisher, candidate(data, ENHANCER, card=PERCEPTUAL), tolerances)
    assert published.version, published.comparison.criteria
    rows = {criterion.name for criterion in published.comparison.criteria}
    assert {"consistency", "seam", "detail", "first pictures"} <= rows and "mean dB" not in rows
    assert await publisher.control.ready(ENHANCER, published.version)
    await withdraw(publisher, ENHANCER, published.version)
