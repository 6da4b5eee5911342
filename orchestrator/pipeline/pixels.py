"""Pictures in memory. Apart from the codec: what only computes with them, as Triton's preview, loads no decoder."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # (H, W, 3), sRGB, upright
Mask = NDArray[np.bool_]  # (H, W)
