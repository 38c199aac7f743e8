"""Attachments: files that a mail takes along, read strictly."""

import base64
import re
from dataclasses import dataclass, field
from mimetypes import MimeTypes

from keyrelay.dispatchers.smtp.texts import is_header_text
from keyrelay.model.documents import (
    InvalidDefinition,
    refuse_unknown,
    require_object,
    require_text,
)
from keyrelay.model.fields import Field, all_names

_LONGEST_NAME = 200
FIELDS = (
    Field(
        name="archive",
        description="The file in base64.",
        schema={"type": "string", "contentEncoding": "base64"},
    ),
    Field(name="filename", description="Its name, without its folder."),
    Field(
        name="type",
        description="Its media type, or base64.",
        schema={"type": ["string", "null"]},
        required=False,
    ),
)
_ANY = "application/octet-stream"
_NAMED = r"[A-Za-z0-9!#$&^_.+-]{1,100}"
# RFC 6838 section 4.2. What holds other parts is none: a mailbox would look into it.
_MEDIA_TYPE = re.compile(rf"(?!multipart/|message/){_NAMED}/{_NAMED}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """`name` has no folder and can stand in a header (RFC 2183)."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


def parse_attachment(value: object) -> Attachment:
    """Read TagoIO's `{archive, filename, type?}`, whose archive is base64.

    `type` says `base64`, as TagoIO's documentation has it, or it is the media type of
    the file; else the name tells that. Raises InvalidDefinition.
    """
    document = require_object(value, "attachment")
    refuse_unknown(document, all_names(FIELDS), "an attachment")
    name = _name(document.get("filename"))
    return Attachment(
        name=name,
        media_type=_media_type(document.get("type"), name),
        content=_content(document.get("archive")),
    )


def _name(value: object) -> str:
    name = require_text(value, "attachment.filename", longest=_LONGEST_NAME)
    # `=?` begins what other programs decode (RFC 2047), to whatever it says.
    unsafe = any(each in name for each in ("/", "\\", '"', "=?"))
    if unsafe or not is_header_text(name):
        raise InvalidDefinition(
            "attachment.filename must be a name without its folder, and hold no"
            " quotation marks, control characters or '=?'"
        )
    return name


def _media_type(value: object, name: str) -> str:
    if value is None or value == "base64":
        # Of the library's own table: those of machines differ.
        return MimeTypes().guess_type(f"/{name}")[0] or _ANY
    if not isinstance(value, str) or _MEDIA_TYPE.fullmatch(value) is None:
        raise InvalidDefinition(
            "attachment.type must be base64, or a media type like application/pdf"
        )
    return value.lower()


def _content(value: object) -> bytes:
    if not isinstance(value, str):
        raise InvalidDefinition("attachment.archive must be a string")
    try:
        content = base64.b64decode("".join(value.split()), validate=True)
    except ValueError:
        content = None
    # Raised here, outside `except`: the decoder's error may hold the input.
    if not content:
        raise InvalidDefinition(
            "attachment.archive must be the file's bytes in base64 (RFC 4648)"
        )
    return content
