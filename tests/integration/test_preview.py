"""A preview comes long before the result, to those who asked for one."""

import io

import httpx
import numpy as np
from PIL import Image

from tests.streams import over_sse
from tests.waiting import uploaded


async def test_a_preview_comes_before_the_result(user_api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    body = {"photo_id": await uploaded(user_api, eye_jpeg), "preview": True}
    job_id = (await user_api.post("/api/v1/processing/submit", json=body)).json()["job_id"]
    messages = [message for _, _, message in await over_sse(user_api, job_id)]
    progress = [int(str(message["progress"])) for message in messages]
    assert progress == sorted(progress)
    [first] = [message for message in messages if "preview_url" in message]
    assert int(str(first["progress"])) < 40
    job = (await user_api.get(f"/api/v1/processing/jobs/{job_id}")).json()
    for url in (str(first["preview_url"]), job["preview_url"]):
        async with httpx.AsyncClient(trust_env=False) as anyone:
            picture = np.asarray(Image.open(io.BytesIO((await anyone.get(url)).content)))
        assert picture.shape == (1024, 1024, 3)
        assert picture[:40, :40].max() < 16 and picture[300:700, 300:700].mean() > 8, "an iris on black"
