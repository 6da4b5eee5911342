"""How much of the enhancer's detail goes into a result; apart from what sees pixels, for those who only ask."""

from typing import Literal

Detail = Literal["natural", "crisp"]
"""crisp: all of it; natural: less, the rest is interpolated."""
