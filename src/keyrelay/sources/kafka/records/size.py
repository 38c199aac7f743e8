"""Sizes: how large a record may be, and how much memory it takes."""

from aiokafka.structs import ConsumerRecord

from keyrelay.model.trigger import LARGEST_TRIGGER

# Bytes of a trigger's JSON: many producers write ASCII, in which one character can take
# six bytes.
LARGEST_VALUE = 6 * LARGEST_TRIGGER
# Bytes of a record that a producer may publish, with room for the producer's headers.
LARGEST_PUBLISHED = LARGEST_VALUE + LARGEST_TRIGGER
# Bytes of a record that a worker may write: a published one with the worker's headers.
LARGEST_RECORD = LARGEST_PUBLISHED + LARGEST_TRIGGER

_OBJECT = 500  # bytes that Python takes for a record, about
_HEADER_OBJECT = 150


def size_of(raw: ConsumerRecord) -> int:
    """Return about how many bytes of memory the record takes."""
    headers = sum(
        _HEADER_OBJECT + len(name) + len(value or b"") for name, value in raw.headers
    )
    return _OBJECT + len(raw.key or b"") + len(raw.value or b"") + headers
