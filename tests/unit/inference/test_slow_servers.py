"""How long one slow server may take, and how soon another one is asked, against gRPC servers that answer late."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from orchestrator.errors import ModelUnavailable
from orchestrator.inference import protocol
from orchestrator.inference.triton import TritonInfer

SIDE = 8
TILE = np.zeros((SIDE, SIDE, 3), np.uint8)
TRY_S, LIMIT_S = 0.3, 20.0


class LateTriton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Answers enlarged tiles `delay_s` after it was asked, and counts what it was asked."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s, self.asked = delay_s, 0

    async def ModelMetadata(self, request: service_pb2.ModelMetadataRequest, _: object) -> object:
        side = service_pb2.ModelMetadataResponse.TensorMetadata(
            name="tile", datatype="UINT8", shape=[-1, SIDE, SIDE, 3]
        )
        return service_pb2.ModelMetadataResponse(name=request.name, versions=["1"], inputs=[side])

    async def ModelConfig(self, request: service_pb2.ModelConfigRequest, _: object) -> object:
        return service_pb2.ModelConfigResponse()

    async def ModelInfer(self, request: service_pb2.ModelInferRequest, _: object) -> object:
        self.asked += 1
        await asyncio.sleep(self.delay_s)
        shape = [1, SIDE * protocol.SCALE, SIDE * protocol.SCALE, 3]
        output = service_pb2.ModelInferResponse.InferOutputTensor(name="enhanced", datatype="UINT8", shape=shape)
        pixels = np.zeros(shape, np.uint8).tobytes()
        return service_pb2.ModelInferResponse(
            model_name=request.model_name, outputs=[output], raw_output_contents=[pixels]
        )


@asynccontextmanager
async def served(triton: LateTriton) -> AsyncIterator[int]:
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(None)


async def test_one_server_behind_a_name_has_the_whole_time_limit() -> None:
    slow = LateTriton(delay_s=4 * TRY_S)
    async with served(slow) as port:
        infer = await TritonInfer.connect(f"dns:///localhost:{port}", LIMIT_S, TRY_S)
        await infer.upscale(TILE)
        await infer.aclose()
    assert slow.asked == 1


async def test_several_slow_servers_are_asked_in_turn_and_the_last_has_the_rest_of_the_time() -> None:
    slow = LateTriton(delay_s=4 * TRY_S), LateTriton(delay_s=4 * TRY_S)
    async with served(slow[0]) as one, served(slow[1]) as other:
        infer = await TritonInfer.connect(f"127.0.0.1:{one},127.0.0.1:{other}", LIMIT_S, TRY_S)
        await infer.upscale(TILE)
        await infer.aclose()
    assert slow[0].asked + slow[1].asked == 3


async def test_a_server_slower_than_the_limit_is_unavailable() -> None:
    async with served(LateTriton(delay_s=LIMIT_S)) as port:
        infer = await TritonInfer.connect(f"dns:///localhost:{port}", 0.5, TRY_S)
        with pytest.raises(ModelUnavailable):
            await infer.upscale(TILE)
        await infer.aclose()
