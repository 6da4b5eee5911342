"""A card says where its network fails, and what the network is for."""

import pytest

from export.conversion import x4plus
from orchestrator.config import ROOT
from orchestrator.errors import Refused
from orchestrator.inference.protocol import ENHANCER, SEGMENTER
from orchestrator.publishing.card import check_card

CARD = "# A network\n\n{}\n\n## Where it fails\n\nAt night.\n"


@pytest.mark.parametrize(
    ("words", "purpose"),
    [("", "faithful"), ("purpose: faithful", "faithful"), ("Purpose:  perceptual ", "perceptual")],
)
def test_the_purpose_is_stated_or_faithful(words: str, purpose: str) -> None:
    assert check_card(ENHANCER, CARD.format(words)) == purpose


@pytest.mark.parametrize(
    ("model", "card", "words"),
    [
        (ENHANCER, "", r"lacks # \(a title\) and ## Where it fails"),
        (ENHANCER, "# A network\n", "lacks ## Where it fails"),
        (ENHANCER, "## Where it fails\n", r"lacks # \(a title\)\."),
        (ENHANCER, CARD.format("purpose: art"), "says purpose: art. It has to be one of faithful, perceptual"),
        (ENHANCER, CARD.format("purpose:"), "has to be one of faithful, perceptual"),
        (ENHANCER, CARD.format("purpose: faithful\npurpose: perceptual"), r"2 times \(faithful, perceptual\)"),
        (SEGMENTER, CARD.format("purpose: perceptual"), "Only realesrgan makes pictures"),
    ],
)
def test_a_card_that_says_too_little_is_refused(model: str, card: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        check_card(model, card)


@pytest.mark.parametrize("model", [SEGMENTER, ENHANCER])
def test_shipped_cards_say_enough(model: str) -> None:
    check_card(model, (ROOT / "model_repository" / model / "MODEL.md").read_text())


def test_the_card_of_x4plus_says_that_it_is_perceptual() -> None:
    assert check_card(ENHANCER, x4plus.card(x4plus.X4PLUS.wheel, 256, 1, "0" * 64, None)) == "perceptual"
