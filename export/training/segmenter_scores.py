"""Scores the segmentation network alone, on held-out drawn pictures, while it trains."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from export.networks.unet import UNet
from export.training import dataset


@torch.no_grad()
def score(net: UNet, pictures: dataset.Pictures, side: int, device: str) -> dict[str, float]:
    """Mean and tenth percentile of the IoU of iris with pupil, recall and precision of reflection pixels, and how often
    presence is right; each picture is shown `side` pixels large.
    """
    net.eval()
    ious, right, hit, marked, true = [], [], 0, 0, 1
    for n, is_eye in enumerate(pictures.is_eye):
        image = _resized(pictures.images[n], side, cv2.INTER_AREA)
        labels = _resized(pictures.labels[n], side, cv2.INTER_NEAREST)
        iris, reflection, presence = _answer(net, image, device)
        right.append((presence > 0) == bool(is_eye))
        if is_eye:
            true_iris = np.isin(dataset.classes(labels), (dataset.IRIS, dataset.PUPIL))
            ious.append((iris & true_iris).sum() / max((iris | true_iris).sum(), 1))
            reflection, true_reflection = reflection & true_iris, (labels >= dataset.REFLECTION_BIT) & true_iris
            hit += (reflection & true_reflection).sum()
            marked += reflection.sum()
            true += true_reflection.sum()
    net.train()
    scores = {
        "iou_mean": np.mean(ious),
        "iou_p10": np.quantile(ious, 0.1),
        "presence": np.mean(right),
        "reflection_recall": hit / true,
        "reflection_precision": hit / max(marked, 1),
    }
    return {name: round(float(value), 4) for name, value in scores.items()}


def _answer(net: UNet, image: NDArray[np.uint8], device: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_], float]:
    """The masks (S, S) of iris with pupil and of reflections, and the logit of presence."""
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float().to(device)
    logits, reflection, presence = net(tensor)
    iris = logits.softmax(1)[0, 1:3].sum(0).cpu().numpy() > 0.5
    return iris, reflection[0].cpu().numpy() > 0, float(presence)


def _resized(picture: NDArray[np.uint8], side: int, interpolation: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(np.asarray(picture), (side, side), interpolation=interpolation), np.uint8)
