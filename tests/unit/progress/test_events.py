"""An event is written in each language once, however many watch."""

import json
from uuid import uuid4

from orchestrator.progress.events import Event, message


def test_an_event_is_put_into_a_language_once() -> None:
    event = Event("1-0", json.dumps(message(uuid4(), "processing", 10, "Finding your iris...")))
    german = event.in_language("de")
    assert german.body["step"] != event.body["step"] and german.id == event.id
    assert event.in_language("de") is german and event.in_language("fr") is not german
    assert event.in_language("en") is event
