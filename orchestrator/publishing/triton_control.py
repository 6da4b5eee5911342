"""Triton's model control, on every server that reads the repository."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import numpy as np
from google.protobuf import json_format
from pydantic import SecretStr
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from orchestrator.errors import ModelUnavailable, NotFound, Refused
from orchestrator.inference.channel import CHANNEL_OPTIONS, UNAVAILABLE, addresses
from orchestrator.observability.logs import log
from orchestrator.publishing.triton_faults import fault_of

CONTROL_HEADER = "triton-grpc-protocol-irisvue"
CANDIDATE = ".check-"  # in the name under which a candidate is served while it is examined
NOT_FOUND = "StatusCode.NOT_FOUND"
POLL_S = 0.1


class TritonControl:
    """Loads and unloads models on all servers; if one of them refuses, the call fails. See `open_control`."""

    def __init__(self, clients: dict[str, InferenceServerClient], timeout_s: float, key: str | None = None) -> None:
        self._clients, self._timeout_s = clients, timeout_s
        self._headers = {CONTROL_HEADER: key} if key else None

    @property
    def first(self) -> str:
        """The address of the server on which candidates are examined."""
        return next(iter(self._clients))

    async def reload(self, model: str) -> None:
        """Read the model's folder again: new versions are loaded, missing ones are unloaded.

        Raises:
            Refused: a server could not load the model; with its reason.
            ModelUnavailable: a server does not answer.
        """
        for address, client in self._clients.items():
            try:
                await client.load_model(model, headers=self._headers, client_timeout=self._timeout_s)
            except InferenceServerException as error:
                raise _translated(f"{model} on {address}", error) from error

    async def unload(self, model: str) -> None:
        """Unload a model with all its versions; one that is not loaded is no error."""
        for client in self._clients.values():
            try:
                await client.unload_model(model, headers=self._headers, client_timeout=self._timeout_s)
            except InferenceServerException as error:
                if error.status() in UNAVAILABLE:
                    raise _translated(model, error) from error

    async def ready(self, model: str, version: int) -> bool:
        """Whether every server serves this version."""
        calls = [c.is_model_ready(model, str(version), client_timeout=self._timeout_s) for c in self._clients.values()]
        try:
            return all(await asyncio.gather(*calls))
        except InferenceServerException as error:
            raise _translated(model, error) from error

    @asynccontextmanager
    async def candidate(self, model: str, filename: str, data: bytes, **changes: Any) -> AsyncIterator[str]:
        """Serve a file beside the model, with the model's configuration and `changes` to it; yields its name there.

        Only the first server does so, and its repository stays as it is. Raises Refused where it can't be loaded.
        """
        config = await self._config_of(model) | {"version_policy": {"all": {}}} | changes
        async with self.serve(model, config, {f"file:1/{filename}": data}) as name:
            yield name

    @asynccontextmanager
    async def ensemble(self, model: str, steps: dict[str, str]) -> AsyncIterator[str]:
        """Serve a copy of an ensemble in which `steps` replaces models by others; yields its name."""
        config = await self._config_of(model)
        for step in config["ensemble_scheduling"]["step"]:
            if step["model_name"] in steps:
                step |= {"model_name": steps[step["model_name"]], "model_version": -1}
        async with self.serve(model, config, {"file:1/README": b"An ensemble has no file.\n"}) as name:
            yield name

    @asynccontextmanager
    async def serve(self, model: str, config: dict[str, Any], files: dict[str, bytes]) -> AsyncIterator[str]:
        """Serve something on the first server alone, under a name like the model's; its repository stays as it is."""
        name = f"{model}{CANDIDATE}{uuid4().hex[:8]}"
        try:
            await self._load(self._clients[self.first], name, config | {"name": name}, files)
            yield name
        finally:
            await self._unload_and_wait(self._clients[self.first], name)

    async def call(self, name: str, tensor: str, data: bytes, output: str, timeout_s: float) -> bytes:
        """Hand bytes to something that the first server serves; returns the bytes of its answer.

        Raises:
            Refused: it answered with an error; with its words.
            ModelUnavailable: the server does not answer.
        """
        given = InferInput(tensor, [len(data)], "UINT8")
        given.set_data_from_numpy(np.frombuffer(data, np.uint8))
        try:
            answer = await self._clients[self.first].infer(name, [given], client_timeout=timeout_s)
        except InferenceServerException as error:
            if error.status() in UNAVAILABLE:
                raise _translated(name.partition(CANDIDATE)[0], error) from error
            raise Refused(error.message()) from error
        return bytes(answer.as_numpy(output).tobytes())

    async def config(self, model: str) -> Any:
        """The ModelConfig that the servers use for the model.

        Raises:
            NotFound: a server has no such model.
            Refused: the servers read different kinds of files.
            ModelUnavailable: a server does not answer.
        """
        configs = {address: await self._read_config(address, model) for address in self._clients}
        first = configs[self.first]
        for address, config in configs.items():
            if (config.backend, config.default_model_filename) != (first.backend, first.default_model_filename):
                raise Refused(
                    f"{model} is {first.default_model_filename} ({first.backend}) on {self.first} and "
                    f"{config.default_model_filename} ({config.backend}) on {address}. Publish to servers of one kind."
                )
        return first

    async def _config_of(self, model: str) -> dict[str, Any]:
        """The first server's configuration of the model, for JSON."""
        config = await self._read_config(self.first, model)
        return dict(json_format.MessageToDict(config, preserving_proto_field_name=True))

    async def _read_config(self, address: str, model: str) -> Any:
        try:
            response = await self._clients[address].get_model_config(model, client_timeout=self._timeout_s)
        except InferenceServerException as error:
            if error.status() == NOT_FOUND:
                raise NotFound(f"There is no model {model} on {address}.") from error
            raise _translated(model, error) from error
        return response.config

    async def _load(
        self, client: InferenceServerClient, name: str, config: dict[str, Any], files: dict[str, bytes]
    ) -> None:
        try:
            await client.load_model(
                name,
                headers=self._headers,
                config=json.dumps(config),
                files=files,
                client_timeout=self._timeout_s,
            )
        except InferenceServerException as error:
            # Triton 2.51 loads an ensemble that is in no repository, but reports that it failed.
            if "failed to poll" not in error.message() or not await client.is_model_ready(name):
                raise _translated(name.partition(CANDIDATE)[0], error) from error

    async def _unload_and_wait(self, client: InferenceServerClient, name: str) -> None:
        """Unload a candidate and wait until the server has done so."""
        try:
            await client.unload_model(name, headers=self._headers, client_timeout=self._timeout_s)
            async with asyncio.timeout(self._timeout_s):
                while await client.is_model_ready(name):  # noqa: ASYNC110  Triton has no event for it
                    await asyncio.sleep(POLL_S)
        except (InferenceServerException, TimeoutError):
            pass  # the server is down, and the candidate with it


@asynccontextmanager
async def open_control(
    url: str, key: SecretStr | None = None, timeout_s: float = 120.0
) -> AsyncIterator[TritonControl]:
    """Model control of each server that the setting names; `key` is what they require to load or unload."""
    clients = {
        address: InferenceServerClient(address, channel_args=CHANNEL_OPTIONS) for address in await addresses(url)
    }
    try:
        yield TritonControl(clients, timeout_s, key.get_secret_value() if key else None)
    finally:
        for client in clients.values():
            await client.close()


def _translated(what: str, error: InferenceServerException) -> Exception:
    if "protocol is restricted" in error.message():
        return Refused(f"{what}: this Triton requires a key to load models. Set IRISVUE_TRITON_CONTROL_KEY.")
    if error.status() in UNAVAILABLE:
        return ModelUnavailable(f"{what}: the model server does not answer.")
    log.warning("Triton refuses", what=what, reason=error.message())
    return Refused(f"{what} could not be loaded: {fault_of(error.message())}.")
