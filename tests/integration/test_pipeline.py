"""The image steps with the shipped networks on drawn eyes, whose truth is known."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.drawing import eyes
from orchestrator.config import ROOT
from orchestrator.errors import IrisTooSmall, NoIrisFound, QualityIssue
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.inference.protocol import Segmentation
from orchestrator.pipeline.crop import crop_iris
from orchestrator.pipeline.decoder import Decoder
from orchestrator.pipeline.enhance import calm_pupil, equalise, on_black, upscale
from orchestrator.pipeline.geometry import Circle
from orchestrator.pipeline.images import Pixels, decode, encode_jpeg
from orchestrator.pipeline.quality import assess
from orchestrator.pipeline.reflections import find_reflections, remove_reflections
from orchestrator.pipeline.run import WORDS, Budget, run
from orchestrator.pipeline.segment import IrisMasks, _decided, segment
from tests.conftest import PHOTOS, drawn_eye

LIMITS = Budget(50_000_000, 4096, 4)


@cache
def local() -> OnnxInfer:
    return OnnxInfer(ROOT / "model_repository")


def iou(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found & truth).sum() / (found | truth).sum())


async def test_drawn_eyes_are_segmented() -> None:
    """Thirty held-out pictures, as bad as phones make them: nearly all found, and found well."""
    scores, refused = [], 0
    for seed in range(9_900_000, 9_900_030):
        drawn = eyes.draw(seed, 320, 320, "closeup")
        if not drawn.is_eye:
            continue
        try:
            scores.append(iou((await segment(drawn.image, local())).iris, drawn.iris | drawn.pupil))
        except QualityIssue:
            refused += 1
    assert np.mean(scores) > 0.93
    assert refused <= 3


async def test_drawn_traps_and_shut_eyes_are_refused() -> None:
    found = 0
    for seed in range(9_910_000, 9_910_024):
        drawn = eyes.draw(seed, 320, 320, "trap" if seed % 2 else "shut")
        try:
            await segment(drawn.image, local())
            found += 1
        except NoIrisFound:
            continue
    assert found <= 1


async def test_real_photos_without_an_eye_are_refused() -> None:
    for name in ("closed_eye.jpg", "neg_coffee.png", "neg_moon.png"):
        with pytest.raises(NoIrisFound):
            await segment(decode((PHOTOS / name).read_bytes(), LIMITS.max_pixels), local())


async def test_portrait_says_move_closer_and_its_eyes_are_found_once_closer() -> None:
    """A real face: irises 14 px wide. Cut out and enlarged, each eye is found where it is."""
    face = decode((PHOTOS / "face_astronaut.jpg").read_bytes(), LIMITS.max_pixels)
    with pytest.raises(IrisTooSmall, match="Move closer"):
        await segment(face, local())
    for x, y in ((203, 108), (246, 110)):
        eye = cv2.resize(face[y - 28 : y + 28, x - 28 : x + 28], (1024, 1024), interpolation=cv2.INTER_CUBIC)
        circle = (await segment(np.asarray(eye, np.uint8), local())).circle
        assert np.hypot(circle.x - 530, circle.y - 400) < 120
        assert 60 < circle.radius < 160


class LosesOneEye(OnnxInfer):
    """The real networks; the first time that they look at an iris closely enough to fill the frame, they see none."""

    lost = False

    async def segment(self, images: Pixels) -> Segmentation:
        found = await super().segment(images)
        disc = found.probabilities[0, ..., 1:3].sum(-1) > 0.5
        if not self.lost and disc.mean() > 0.2:
            self.lost = True
            return replace(found, probabilities=np.zeros_like(found.probabilities))
        return found


async def test_a_candidate_that_turns_out_to_be_none_gives_way_to_the_next() -> None:
    eye = eyes.draw(492, 300, 300, "crop", mild=True)
    both = np.concatenate([eye.image, eye.image[:, ::-1]], axis=1)
    infer = LosesOneEye(ROOT / "model_repository")
    masks = await segment(both, infer)
    assert infer.lost
    truth = (eye.iris | eye.pupil) if masks.circle.x < 300 else (eye.iris | eye.pupil)[:, ::-1]
    start = 0 if masks.circle.x < 300 else 300
    assert iou(masks.iris[:, start : start + 300], truth) > 0.9


async def test_eye_in_a_corner_of_a_large_frame_is_found() -> None:
    small = eyes.draw(492, 320, 240, "closeup", mild=True)
    frame = np.full((1200, 1600, 3), small.image[2:20].mean((0, 1)), np.uint8)
    frame[900:1140, 1200:1520] = small.image
    masks = await segment(frame, local())
    truth = np.zeros(frame.shape[:2], bool)
    truth[900:1140, 1200:1520] = small.iris | small.pupil
    assert iou(masks.iris, truth) > 0.9


async def test_too_small_an_iris_says_move_closer() -> None:
    tiny = eyes.draw(492, 100, 75, "closeup", mild=True)
    if tiny.radius > 20:
        pytest.fail("the drawn iris is not small")
    with pytest.raises((IrisTooSmall, NoIrisFound)):
        await segment(tiny.image, local())


async def test_reflections_go_and_the_rest_stays() -> None:
    """On held-out eyes the filled places come nearer to the eye without reflections; other pixels stay as they were."""
    gains = []
    for seed in range(9_920_000, 9_920_016):
        drawn = eyes.draw(seed, 480, 360, "closeup", mild=True)
        if drawn.reflection.sum() < 200:
            continue
        masks = await segment(drawn.image, local())
        crop, clean = crop_iris(drawn.image, masks, 1024), crop_iris(drawn.clean, masks, 1024)
        cleaned = remove_reflections(crop.picture, crop.masks)
        shine = (
            crop_iris(np.repeat(drawn.reflection[..., None], 3, 2).astype(np.uint8), masks, 1024).picture[..., 0] > 0
        )
        shine &= crop.masks.iris
        before, after = (
            np.square(p[shine].astype(float) - clean.picture[shine]).mean() for p in (crop.picture, cleaned.photo)
        )
        gains.append(10 * np.log10(before / max(after, 1e-6)))
        far = ~crop.masks.iris
        assert (cleaned.photo[far] == crop.picture[far]).all()
    assert len(gains) >= 5
    assert np.median(gains) > 3, f"dB: {np.round(gains, 1)}"


async def tiled(picture: Pixels, **shape: int) -> Pixels:
    async def done(share: float) -> None:
        assert 0 < share <= 1

    return await upscale(picture, np.ones(picture.shape[:2], bool), local(), 4, done)


async def test_a_lamp_and_the_sky_that_it_shows_through_go_and_the_fibres_stay() -> None:
    """A ring light in one piece with a sky over half the iris: the lamp hides the fibres, the sky does not."""
    ys, xs = np.mgrid[0:400, 0:400].astype(np.float32)
    r = np.hypot(xs - 200, ys - 200)
    iris, pupil = r < 150, r < 50
    photo = np.full((400, 400, 3), 220, np.uint8)
    fibres = 10 * np.sin(24 * np.arctan2(ys - 200, xs - 200))[..., None] + np.array([90, 70, 50])
    photo[iris], photo[pupil] = fibres[iris], (10, 10, 10)
    clean = np.asarray(cv2.GaussianBlur(photo, (0, 0), 3), np.uint8)
    photo = clean.copy()
    sky, lamp = iris & (ys < 210), np.abs(r - 90) < 12
    photo[sky] += 40
    photo[lamp] = 230
    masks = IrisMasks(iris, pupil, sky | (lamp & iris), Circle(200, 200, 150, 1.0, 1.0), 1.0, 1.0)
    out = remove_reflections(photo, masks).photo.astype(int)
    assert np.abs(out[lamp] - clean[lamp]).mean() < 12
    under_sky = (ys < 190) & (r > 110) & (r < 138)
    assert np.abs(out[under_sky] - clean[under_sky]).mean() < 5, "the sky's 40 levels are gone"
    assert np.corrcoef(out[under_sky][:, 0], clean[under_sky][:, 0])[0, 1] > 0.9, "and the fibres are not"
    rim = (r > 142) & iris & sky
    assert np.abs(out[rim] - clean[rim]).mean() < 12, "where the sclera shows it stays"


def test_the_glow_of_a_lamp_goes_from_the_whole_pupil() -> None:
    """The network marks the lamp alone; around it the pupil is lighter than it can be."""
    ys, xs = np.mgrid[0:400, 0:400].astype(np.float32)
    r, away = np.hypot(xs - 200, ys - 200), np.hypot(xs - 230, ys - 190)
    iris, pupil, lamp = r < 150, r < 80, away < 10
    photo = np.full((400, 400, 3), 90, np.uint8)
    photo[pupil] = (10 + 60 * np.exp(-((away / 30) ** 2)))[pupil].astype(np.uint8)[:, None]
    photo[lamp] = 250
    masks = IrisMasks(iris, pupil, lamp, Circle(200, 200, 150, 1.0, 1.0), 1.0, 1.0)
    out = remove_reflections(photo, masks).photo
    assert photo[(r < 70) & ~lamp].max() > 60 and out[r < 70].max() < 25
    assert np.array_equal(out[(r > 90) & (away > 60)], photo[(r > 90) & (away > 60)])


def test_an_iris_that_is_all_reflection_is_filled_as_well_as_can_be() -> None:
    """Nothing clear is left that would say what colour it has."""
    photo = np.random.default_rng(0).integers(150, 250, (200, 200, 3)).astype(np.uint8)
    ys, xs = np.mgrid[0:200, 0:200]
    iris = np.hypot(xs - 100, ys - 100) < 80
    masks = IrisMasks(iris, np.zeros_like(iris), iris, Circle(100, 100, 80, 1.0, 1.0), 1.0, 1.0)
    cleaned = remove_reflections(photo, masks)
    assert cleaned.share == 1.0 and np.array_equal(cleaned.photo[~iris], photo[~iris])


async def test_tiles_leave_no_seam() -> None:
    """Tiles that overlap differently give the same pixels: nothing in the picture tells where a tile ended."""
    picture = drawn_eye(492, 480, 360).image[:300, :400]
    whole = (await tiled(picture)).astype(int)
    shifted = (await tiled(np.ascontiguousarray(picture[:, 37:]))).astype(int)
    inner = np.s_[:, 4 * 30 :]
    assert np.abs(whole[:, 4 * 37 :][inner] - shifted[inner]).max() <= 2


async def test_large_iris_is_shrunk_and_it_is_said() -> None:
    steps: list[tuple[str, int]] = []

    async def report(step: str, progress: int) -> None:
        steps.append((step, progress))

    data = encode_jpeg(eyes.draw(492, 640, 480, "closeup", mild=True).image)
    async with Decoder(1, 2**31, 10**8) as decoder:
        done = await run(data, local(), decoder, replace(LIMITS, max_result_px=256), report)
    assert (done.width, done.height) == (256, 256)
    assert any("reduced" in words for words in done.warnings)
    assert decode(done.jpeg, 10**9).shape == (256, 256, 3)
    assert [p for _, p in steps] == sorted(p for _, p in steps)
    assert {s for s, _ in steps} < set(WORDS)


async def test_report_may_stop_the_run() -> None:
    class Stop(Exception):
        pass

    async def report(step: str, progress: int) -> None:
        if progress > 60:
            raise Stop

    async with Decoder(1, 2**31, 10**8) as decoder:
        with pytest.raises(Stop):
            await run(encode_jpeg(drawn_eye().image), local(), decoder, LIMITS, report)


class Nearest:
    """A provider whose enhancer repeats pixels, at once: what comes out can be told to the pixel."""

    provider, segment_px, tile_px, versions = "nearest", 256, 72, dict[str, str]()

    async def upscale(self, tile: Pixels) -> Pixels:
        return tile.repeat(4, 0).repeat(4, 1)


async def test_many_tiles_at_once_do_not_disturb_each_other() -> None:
    picture = np.random.default_rng(4).integers(0, 256, (600, 600, 3)).astype(np.uint8)

    async def done(share: float) -> None:
        pass

    wanted = np.ones(picture.shape[:2], bool)
    large = await upscale(picture, wanted, Nearest(), 16, done)  # type: ignore[arg-type]
    assert (large == picture.repeat(4, 0).repeat(4, 1)).all()


def disc_masks(side: int, radius: float) -> IrisMasks:
    from orchestrator.pipeline.geometry import Circle

    ys, xs = np.ogrid[0:side, 0:side]
    r = np.hypot(xs - side / 2, ys - side / 2)
    nothing = np.zeros((side, side), bool)
    return IrisMasks(r < radius, r < radius / 3, nothing, Circle(side / 2, side / 2, radius, 1.0, 1.0), 1.0, 1.0)


@given(st.integers(40, 120), st.floats(0.3, 0.48))
@settings(max_examples=20, deadline=None)
def test_black_outside_and_untouched_inside(side: int, share: float) -> None:
    masks = disc_masks(side, side * share)
    white = np.full((4 * side, 4 * side, 3), 255, np.uint8)
    out = on_black(white, masks.iris, masks.circle.radius)
    ys, xs = np.ogrid[0 : 4 * side, 0 : 4 * side]
    r = np.hypot(xs - 2 * side, ys - 2 * side) / 4
    assert (out[r > masks.circle.radius + 2] == 0).all()
    assert (out[r < masks.circle.radius * 0.85 - 2] == 255).all()


def test_quality_warns_of_what_is_wrong() -> None:
    masks = disc_masks(400, 180)
    sharp = np.random.default_rng(1).integers(60, 200, (400, 400, 3)).astype(np.uint8)
    good, none = assess(sharp, masks, 0.0)
    dark, words = assess((sharp // 12).astype(np.uint8), masks, 0.4)
    blurred, soft = assess(np.asarray(cv2.GaussianBlur(sharp, (0, 0), 9), np.uint8), masks, 0.0)
    assert none == []
    assert soft == ["The photo is not quite sharp; hold still and tap the eye to focus."] and blurred < good
    assert good > dark
    assert any("dark" in w for w in words) and any("reflections" in w for w in words)


def test_a_glow_in_the_pupil_goes_and_the_iris_stays() -> None:
    ys, xs = np.ogrid[0:400, 0:400]
    away = np.hypot(xs - 200, ys - 200)
    picture = np.random.default_rng(3).integers(60, 190, (400, 400, 3)).astype(np.uint8)  # the iris, full of detail
    pupil = away < 80
    picture[pupil] = 10
    glow = 40 * np.exp(-(((xs - 170) ** 2 + (ys - 180) ** 2) / 400))
    lit = np.where(pupil[..., None], picture + glow[..., None], picture).astype(np.uint8)
    calmed = calm_pupil(lit, pupil, 190.0)
    assert lit[pupil].max() > 45 and calmed[away < 70].max() < 18
    assert np.array_equal(calmed[away > 82], lit[away > 82]), "nothing of the iris is touched"
    assert np.array_equal(calm_pupil(lit, np.zeros_like(pupil), 190.0), lit)


def test_pale_fibres_are_no_reflections_and_a_clipped_spot_is() -> None:
    masks = disc_masks(400, 180.0)
    photo = np.full((400, 400, 3), 150, np.uint8)
    photo[:, ::8] = 238  # pale, and lit well
    assert not find_reflections(photo, masks).any()
    photo[200:214, 300:314] = 255
    found = find_reflections(photo, masks)
    assert found[200:214, 300:314].all() and not found[:, :250].any()
    photo[:, ::8] = 255  # overexposed: it is light, not a lamp, and filling it would invent an iris
    assert not find_reflections(photo, masks).any()


def test_an_outline_in_doubt_is_no_confidence() -> None:
    ys, xs = np.mgrid[0:256, 0:256]
    r = np.hypot(xs - 128, ys - 128)
    clear = 1 / (1 + np.exp((r - 70) / 1.0))
    hidden = 1 / (1 + np.exp((r - 70) / 15.0))
    assert _decided(clear.astype(np.float32)) > 0.85
    assert _decided(hidden.astype(np.float32)) < 0.3
    assert _decided(np.zeros((256, 256), np.float32)) == 1.0, "nothing is decidedly nothing; presence says the rest"


def test_equalise_keeps_shape_and_range() -> None:
    out = equalise(drawn_eye().image)
    assert out.shape == drawn_eye().image.shape and out.dtype == np.uint8
