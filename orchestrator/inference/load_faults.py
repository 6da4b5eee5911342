"""Why ONNX Runtime can't load a file, in words for the person who exported it; its own are those of its C++ code."""

import re

import onnxruntime

ONE_FILE = "Export it as one file: torch.onnx.export(..., external_data=False)"

# What ONNX Runtime says, and what it means. The first that is found counts.
_MEANINGS: tuple[tuple[str, str], ...] = (
    (
        r"[Ee]xternal (data|initializer|tensor)|Data of TensorProto .* should be",
        f"it keeps its weights in another file, which can't be read. {ONE_FILE}",
    ),
    (
        r"Unsupported model IR version: (\d+), max supported IR version: (\d+)",
        "it is written in version {0} of the file format (ir_version), and ONNX Runtime {runtime} reads those up to "
        "{1}. Export it with an older onnx package",
    ),
    (
        r"Opset (\d+) is under development.*is till opset (\d+)",
        "it uses opset {0}, and ONNX Runtime {runtime} knows those up to {1}. Export it with opset_version={1} or less",
    ),
    (
        r"No Op registered for (\w+) with domain_version of (\d+)",
        "it uses the operator {0}, which opset {1} does not have",
    ),
    (
        r"Fatal error: ([^\s(]+)\(|No opset import for domain '([^']+)'",
        "it uses an operator that ONNX Runtime does not have ({0}). Export it with ONNX's own operators only",
    ),
    (
        r"[Pp]rotobuf parsing failed|No graph was found|model verification failed",
        "it is damaged, cut off or something else",
    ),
    (r"Node input '([^']*)' is not", "one of its nodes takes {0!r}, which no other node makes"),
    (r"In Node, \(\"[^\"]*\", (\w+),", "the node of its operator {0} is not valid"),
    (r"Could not find an implementation for (\w+)", "ONNX Runtime can't run its operator {0} on numbers of this type"),
)


def fault_of(error: Exception) -> str:
    """What is wrong with the file, as the end of a sentence that names it; without a full stop.

    Args:
        error: what `onnxruntime.InferenceSession` raised.
    """
    return meaning_of(" ".join(str(error).split())) or "its graph is not valid"


def meaning_of(reason: str) -> str | None:
    """What ONNX Runtime means by its words on one line; None for words that are not known here."""
    for pattern, meaning in _MEANINGS:
        if match := re.search(pattern, reason):
            parts = [part for part in match.groups() if part]
            return meaning.format(*(parts or [""]), runtime=onnxruntime.__version__)
    return None
