"""The configuration with which the servers serve a model, and the file of the repository that it was read from.

Triton is told the configuration's name when it starts (`--model-config-name`) and tells nobody. So the file is the one
whose every value is also the server's.
"""

from typing import Any

from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

from orchestrator.errors import Refused
from orchestrator.publishing.publisher import Publisher
from orchestrator.publishing.signature import Signature, signature_of


async def served_signature(publisher: Publisher, model: str) -> Signature:
    """The signature as the servers have it. Raises NotFound, Refused, ModelUnavailable."""
    return signature_of(model, await publisher.control.config(model))


async def served_file(publisher: Publisher, model: str) -> tuple[str, bytes]:
    """The path, in the model's folder, and the text of the configuration that the servers use.

    Raises:
        Refused: no file has what the servers use, or several have.
    """
    repository = publisher.repository
    files = {path: await repository.file(model, path) for path in await repository.configs(model)}
    served = await publisher.control.config(model)
    matching = [path for path, data in files.items() if data is not None and matches(served, data)]
    if len(matching) != 1:
        which = f"Several files have it: {', '.join(matching)}." if matching else f"None of {', '.join(files)} has it."
        raise Refused(f"Which configuration of {model} the servers use is not clear. {which}")
    return matching[0], files[matching[0]] or b""


def matches(served: Any, data: bytes) -> bool:
    """Whether the server's ModelConfig has every value of this configuration file; it fills in others."""
    try:
        config = text_format.Parse(data.decode(), model_config_pb2.ModelConfig())
        if not config.default_model_filename:
            config.default_model_filename = signature_of(config.name, config).filename
    except (text_format.ParseError, UnicodeDecodeError, Refused):
        return False
    return _within(*(json_format.MessageToDict(each, preserving_proto_field_name=True) for each in (config, served)))


def _within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and _within(part[key], whole[key]) for key in part)
    if isinstance(part, list):
        same = isinstance(whole, list) and len(part) == len(whole)
        return same and all(map(_within, part, whole))
    return bool(part == whole)
