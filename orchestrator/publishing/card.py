"""What a card, MODEL.md, has to say before its network is published: headings, and what the network is for."""

import re
from typing import Literal, get_args

from orchestrator.errors import Refused
from orchestrator.inference.protocol import ENHANCER

Purpose = Literal["faithful", "perceptual"]
HEADINGS = ("# (a title)", "## Where it fails")
LAYOUT = "A card begins with a title (# …) and has a heading ## Where it fails."


def check_card(model: str, card: str) -> Purpose:
    """The purpose that the card states in a line `purpose: …`; faithful without one.

    faithful: nothing that the photo does not show. perceptual: as sharp as people like it, some of it invented.

    Raises:
        Refused: a heading is missing, or the purpose is unknown, stated twice, or none that this model can have.
    """
    missing = [
        words
        for words, pattern in zip(HEADINGS, (r"^# +\S", r"^##+ +Where it fails"), strict=True)
        if not re.search(pattern, card, re.MULTILINE | re.IGNORECASE)
    ]
    if missing:
        raise Refused(f"The card lacks {' and '.join(missing)}. {LAYOUT}")
    return _purpose(model, re.findall(r"^purpose:[ \t]*(.*?)[ \t]*$", card, re.MULTILINE | re.IGNORECASE))


def _purpose(model: str, stated: list[str]) -> Purpose:
    if len(stated) > 1:
        raise Refused(f"The card states a purpose {len(stated)} times ({', '.join(stated)}); once is enough.")
    for purpose in get_args(Purpose):
        if purpose == (stated or ["faithful"])[0]:
            if purpose == "perceptual" and model != ENHANCER:
                raise Refused(f"The card says purpose: perceptual. Only {ENHANCER} makes pictures that people look at.")
            return purpose  # type: ignore[no-any-return]
    raise Refused(f"The card says purpose: {stated[0]}. It has to be one of {', '.join(get_args(Purpose))}.")
