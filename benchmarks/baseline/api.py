"""The API: `python -m benchmarks.baseline.api PORT`. The paths are ours, so that the same clients call both."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID, uuid4

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, UploadFile
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from redis.asyncio import BlockingConnectionPool, Redis
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import async_sessionmaker

from benchmarks.baseline.settings import ENDED, TASK, progress_key, queue, settings
from benchmarks.baseline.tables import Base, Job, Photo, open_engine

POLL_S, HEARTBEAT_S = 0.5, 15.0
REDIS_CONNECTIONS, DATABASE_CONNECTIONS = 50, 10


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pools, and make the tables."""
    engine = open_engine(DATABASE_CONNECTIONS)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    app.state.db = async_sessionmaker(engine, expire_on_commit=False)
    pool = BlockingConnectionPool.from_url(settings().redis_url, max_connections=REDIS_CONNECTIONS)
    app.state.redis = Redis.from_pool(pool)
    yield
    await app.state.redis.aclose()
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


def current_user(token: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> UUID:
    """Who is calling."""
    try:
        return UUID(jwt.decode(token.credentials, settings().jwt_secret, ["HS256"])["sub"])
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error


User = Annotated[UUID, Depends(current_user)]


class SubmitRequest(BaseModel):
    """What is submitted."""

    photo_id: UUID


async def job_of(request: Request, user: User, job_id: UUID) -> Job:
    """The caller's job."""
    async with request.app.state.db() as session:
        job: Job | None = await session.get(Job, job_id)
    if job is None or job.user_id != user:
        raise HTTPException(404)
    return job


OwnJob = Annotated[Job, Depends(job_of)]


@app.get("/health/ready")
async def ready() -> None:
    """The process answers."""


@app.post("/api/v1/photos", status_code=201)
async def upload(request: Request, user: User, file: UploadFile) -> dict[str, UUID]:
    """Keep a photo."""
    photo = Photo(user_id=user, id=uuid4())
    path = settings().photo(user, photo.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(path.write_bytes, await file.read())
    async with request.app.state.db.begin() as session:
        session.add(photo)
    return {"id": photo.id}


@app.post("/api/v1/processing/submit", status_code=202)
async def submit(request: Request, user: User, body: SubmitRequest) -> dict[str, UUID]:
    """Process a photo; answers at once."""
    job = Job(id=uuid4(), user_id=user, photo_id=body.photo_id)
    try:
        async with request.app.state.db.begin() as session:
            session.add(job)
    except IntegrityError as error:
        raise HTTPException(404) from error
    await asyncio.to_thread(queue.send_task, TASK, [str(job.id)])
    return {"job_id": job.id}


async def newest(redis: Redis, job: Job) -> dict[str, Any]:
    """The newest message about a job; what its row says where there is none."""
    kept = await redis.get(progress_key(job.id))
    return json.loads(kept) if kept else {"job_id": str(job.id), "status": job.status, "progress": 0, "step": ""}


@app.get("/api/v1/processing/jobs/{job_id}")
async def get_job(request: Request, job: OwnJob) -> dict[str, Any]:
    """Where a job stands."""
    return await newest(request.app.state.redis, job)


async def messages(redis: Redis, job: Job) -> AsyncIterator[str]:
    """Server-Sent Events until the job ends."""
    sent, sent_at = None, 0.0
    while True:
        message = await newest(redis, job)
        if message != sent:
            yield f"data: {json.dumps(message)}\n\n"
            sent, sent_at = message, time.monotonic()
        elif time.monotonic() - sent_at > HEARTBEAT_S:
            yield ": heartbeat\n\n"
            sent_at = time.monotonic()
        if message["status"] in ENDED:
            return
        await asyncio.sleep(POLL_S)


@app.get("/api/v1/processing/jobs/{job_id}/events")
async def events(request: Request, job: OwnJob) -> StreamingResponse:
    """The progress of a job."""
    return StreamingResponse(messages(request.app.state.redis, job), media_type="text/event-stream")


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning", backlog=4096)
